use std::{collections::BTreeMap, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

/// Where a key or a value was written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Origin {
    /// The file, where it was one.
    pub(super) file: Option<Arc<Path>>,
    /// Line in it, from 1.
    pub(super) line: Option<usize>,
    /// The environment variable, where it was one.
    pub(super) variable: Option<Arc<str>>,
}

/// A value of the configuration and where it was written. No `Debug`: it may be a secret.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value as TOML knows it.
#[derive(Clone)]
pub(super) enum Value {
    Text(Zeroizing<String>),
    Integer(Option<i64>),
    Float(Option<f64>),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

/// Keys in alphabetical order, so that findings and listings do not depend on chance.
pub(super) type Table = BTreeMap<String, Entry>;

/// A key's own place and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: Origin,
    pub(super) node: Node,
}

/// What is wrong with the syntax of a document. Says nothing of its content.
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// Reads `text`, going on after an error as well as it can: the table then holds what was
/// understood, which is good for naming things and never for using them.
pub(super) fn parse(text: &str, file: Option<&Arc<Path>>) -> (Table, Vec<SyntaxError>) {
    let lines = Lines::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    let table = Converter { lines: &lines, file }.table(document.get_ref());
    let errors = errors.into_iter().map(|error| {
        let (line, column) = lines.position(text, error.span().map_or(0, |span| span.start));
        // Only the parser's own words: its `Display` would show the line, which may hold a secret.
        SyntaxError { line, column, message: error.message().to_owned() }
    });
    (table, errors.collect())
}

/// Reads one value of an environment variable: an array or inline table in TOML syntax, else the
/// text as it is.
pub(super) fn parse_variable(text: &str, origin: &Origin) -> Node {
    let structured = text.trim_start().starts_with(['[', '{']);
    let parsed = if structured { DeValue::parse(text.trim()).ok() } else { None };
    let value = match parsed {
        Some(parsed) => {
            let lines = Lines::of("");
            with_origin(Converter { lines: &lines, file: None }.node(&parsed).value, origin)
        }
        None => Value::Text(text.to_owned().into()),
    };
    Node { value, origin: origin.clone() }
}

impl Origin {
    /// The place without the variable, for what a variable did not say.
    pub(super) fn without_variable(&self) -> Self {
        Self { variable: None, ..self.clone() }
    }
}

impl Value {
    /// What the value is, for a message about its type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Boolean(_) => "a Boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

struct Converter<'a> {
    lines: &'a Lines,
    file: Option<&'a Arc<Path>>,
}

impl Converter<'_> {
    fn table(&self, table: &DeTable<'_>) -> Table {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            let entry = Entry { key: self.origin(key.span().start), node: self.node(value) };
            (name.clone().into_owned(), entry)
        };
        table.iter().map(entry).collect()
    }

    fn node(&self, node: &Spanned<DeValue<'_>>) -> Node {
        let value = match node.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned().into()),
            DeValue::Integer(number) => {
                Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Float(number) => Value::Float(number.as_str().parse().ok()),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Datetime(value) => Value::Datetime(value.to_string()),
            DeValue::Array(items) => {
                Value::Array(items.iter().map(|item| self.node(item)).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Node { value, origin: self.origin(node.span().start) }
    }

    fn origin(&self, offset: usize) -> Origin {
        Origin { file: self.file.cloned(), line: Some(self.lines.line(offset)), variable: None }
    }
}

/// Says that everything inside `value` was written in `origin`.
fn with_origin(value: Value, origin: &Origin) -> Value {
    let node = |node: Node| Node { value: with_origin(node.value, origin), origin: origin.clone() };
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(node).collect()),
        Value::Table(table) => {
            let entry = |(name, entry): (String, Entry)| {
                (name, Entry { key: origin.clone(), node: node(entry.node) })
            };
            Value::Table(table.into_iter().map(entry).collect())
        }
        other => other,
    }
}

/// The offsets at which lines start.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(starts).collect())
    }

    /// Line of a byte offset, from 1.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }

    /// Line and column (in characters) of a byte offset, from 1.
    fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let before = self.0.get(line - 1).and_then(|start| text.get(*start..offset));
        (line, before.map_or(1, |before| before.chars().count() + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_value_knows_its_line() {
        let (table, errors) = parse("a = 1\n\n[b]\nc = [\n  'x',\n]\n", None);

        assert!(errors.is_empty());
        assert_eq!(table["a"].key.line, Some(1));
        assert_eq!(table["b"].key.line, Some(3));
        let Value::Table(b) = &table["b"].node.value else { panic!("b is a table") };
        let Value::Array(items) = &b["c"].node.value else { panic!("c is an array") };
        assert_eq!(items[0].origin.line, Some(5));
    }

    #[test]
    fn a_syntax_error_is_placed_without_quoting_the_text() {
        let (_, errors) = parse("ok = true\nsecret = hunter2\nsecret = 'hunter2\n", None);

        assert_eq!((errors[0].line, errors[0].column), (2, 10));
        assert!(errors.len() > 1, "the parser goes on");
        assert!(errors.iter().all(|error| !error.message.contains("hunter2")));
    }

    #[test]
    fn a_variable_is_a_list_or_table_only_when_it_parses_as_one() {
        let origin = Origin { variable: Some("CWSGATE_X__Y".into()), ..Origin::default() };
        let kind = |text| parse_variable(text, &origin).value.kind();

        assert_eq!(kind("[\"a\", \"b\"]"), "an array");
        assert_eq!(kind("{ file = \"x\" }"), "a table");
        assert_eq!(kind("{not toml"), "a string");
        assert_eq!(kind("12"), "a string");
    }
}
