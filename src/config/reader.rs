//! Reads a parsed document with types and bounds, and collects what is wrong instead of stopping.
//!
//! A reader answers `None` (or a placeholder) for what it has reported: with an error on record
//! the configuration is never handed out, so that the placeholder is never used.

use std::{ops::RangeInclusive, time::Duration};

use jiff::Timestamp;

use super::{
    Severity,
    context::Context,
    document::{Node, Origin, Table, Value},
    quantity, schema,
};

/// One table and the keys it may have.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    context: &'a Context<'a>,
    path: &'a str,
    name: &'static str,
    table: &'a Table,
    origin: &'a Origin,
    severity: Severity,
}

/// One key, present or not, or one item of a list.
pub(super) struct Field<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) path: String,
    /// The key without its section.
    pub(super) last: &'a str,
    pub(super) node: Option<&'a Node>,
    /// Where the key is; of the section while the key is absent.
    pub(super) origin: &'a Origin,
    pub(super) severity: Severity,
}

impl<'a> Section<'a> {
    /// Opens `table`, reporting the keys that section `name` of the schema does not have.
    pub(super) fn open(
        context: &'a Context<'a>,
        path: &'a str,
        name: &'static str,
        table: &'a Table,
        origin: &'a Origin,
        severity: Severity,
    ) -> Self {
        let known = schema::keys(name);
        for (key, entry) in table.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let fix = schema::instead_of(key, name);
            context.report(severity, &entry.key, &joined(path, key), "there is no such key", fix);
        }
        Self { context, path, name, table, origin, severity }
    }

    /// One of its keys.
    pub(super) fn field(&self, key: &'static str) -> Field<'a> {
        debug_assert!(
            schema::keys(self.name).contains(&key),
            "{}.{key} is in the schema",
            self.name
        );
        let entry = self.table.get(key);
        Field {
            context: self.context,
            path: joined(self.path, key),
            last: key,
            node: entry.map(|entry| &entry.node),
            origin: entry.map_or(self.origin, |entry| &entry.key),
            severity: self.severity,
        }
    }

    /// Reports a problem of the section as a whole.
    pub(super) fn wrong(&self, problem: impl Into<String>, fix: impl Into<String>) {
        let place = self.origin.without_variable();
        self.context.report(self.severity, &place, self.path, problem, fix);
    }

    /// A duration within `bounds`.
    pub(super) fn duration(&self, key: &'static str, bounds: RangeInclusive<Duration>) -> Duration {
        self.field(key).duration(&bounds).unwrap_or_default()
    }

    /// Two durations of up to an hour, of which the first may not be the longer one.
    pub(super) fn range(&self, low: &'static str, high: &'static str) -> (Duration, Duration) {
        let bounds = Duration::from_millis(1)..=Duration::from_hours(1);
        let (min, max) = (self.duration(low, bounds.clone()), self.duration(high, bounds));
        if min > max && !max.is_zero() {
            let problem = format!("it is longer than `{high}`");
            self.field(low).wrong(problem, format!("lower it or raise `{high}`"));
        }
        (min, max)
    }

    /// A number of bytes within `bounds`, which fit a `usize` on every platform.
    pub(super) fn bytes(&self, key: &'static str, bounds: RangeInclusive<u64>) -> u64 {
        let field = self.field(key);
        let Some(value) = field.parsed(quantity::bytes, "a size such as \"64 MiB\"") else {
            return 0;
        };
        let (low, high) =
            (quantity::show_bytes(*bounds.start()), quantity::show_bytes(*bounds.end()));
        field.within(value, &bounds, &low, &high).unwrap_or_default()
    }

    /// A whole number within `bounds`.
    pub(super) fn count(&self, key: &'static str, bounds: RangeInclusive<u32>) -> u32 {
        let field = self.field(key);
        let number = match field.node.map(|node| (&node.value, &node.origin.variable)) {
            None => return 0,
            Some((Value::Integer(number), _)) => number.unwrap_or(i64::MAX),
            Some((Value::Text(text), Some(_))) if text.parse::<i64>().is_ok() => {
                text.parse().unwrap_or(i64::MAX)
            }
            Some(_) => {
                field.wrong_type("a whole number such as 100");
                return 0;
            }
        };
        let value = u32::try_from(number).unwrap_or(if number < 0 { 0 } else { u32::MAX });
        let (low, high) = (bounds.start().to_string(), bounds.end().to_string());
        field.within(value, &bounds, &low, &high).unwrap_or_default()
    }
}

impl<'a> Field<'a> {
    /// Whether the key is there.
    pub(super) fn is_set(&self) -> bool {
        self.node.is_some()
    }

    /// Reports the key when it is absent; `fix` says what to write.
    pub(super) fn required(self, fix: &str) -> Self {
        if self.node.is_none() && !self.context.incomplete.get() {
            self.wrong("it is missing", fix);
        }
        self
    }

    /// Reports a problem with the value.
    pub(super) fn wrong(&self, problem: impl Into<String>, fix: impl Into<String>) {
        self.report(self.severity, problem, fix);
    }

    /// Reports what works and should not stay.
    pub(super) fn warn(&self, problem: impl Into<String>, fix: impl Into<String>) {
        self.report(Severity::Warning, problem, fix);
    }

    /// Reports that the value has another type than `expected`.
    pub(super) fn wrong_type(&self, expected: &str) {
        let found = self.node.map_or("nothing", |node| node.value.kind());
        self.wrong(format!("{found} cannot stand here"), format!("write {expected}"));
    }

    /// The value as text.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.text_or("a string in quotes")
    }

    /// The value as text that is not empty.
    pub(super) fn filled_text(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.wrong("it is empty", "write a value or remove the key");
            return None;
        }
        Some(text)
    }

    /// The text, read by `parse`; `expected` describes what it understands.
    pub(super) fn parsed<T>(
        &self,
        parse: impl FnOnce(&str) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        let value = parse(self.text_or(expected)?);
        if value.is_none() {
            self.wrong("the value cannot be read", format!("write {expected}"));
        }
        value
    }

    /// The text, read by `parse`, whose error is fit to be shown.
    pub(super) fn checked<T, E: std::fmt::Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
        fix: &str,
    ) -> Option<T> {
        match parse(self.filled_text()?) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.wrong(problem.to_string(), fix);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let word = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            let names = choices.iter().map(|(name, _)| *name);
            self.wrong("this is not one of the choices", schema::one_of_or_nearest(word, names));
        }
        found
    }

    /// A duration within `bounds`.
    pub(super) fn duration(&self, bounds: &RangeInclusive<Duration>) -> Option<Duration> {
        let value = self.parsed(quantity::duration, "a duration such as \"30s\" or \"5m\"")?;
        let [low, high] =
            [bounds.start(), bounds.end()].map(|bound| quantity::show_duration(*bound));
        self.within(value, bounds, &low, &high)
    }

    /// A number with a fraction within `bounds`.
    pub(super) fn fraction(&self, bounds: &RangeInclusive<f64>) -> Option<f64> {
        let number = match &self.node?.value {
            Value::Float(number) => *number,
            Value::Text(text) if self.is_variable() => text.parse().ok(),
            _ => None,
        };
        let Some(value) = number else {
            self.wrong_type("a number such as 0.8");
            return None;
        };
        self.within(value, bounds, &bounds.start().to_string(), &bounds.end().to_string())
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        match &self.node?.value {
            Value::Boolean(value) => return Some(*value),
            Value::Text(text) if self.is_variable() => {
                if let Ok(value) = text.parse() {
                    return Some(value);
                }
            }
            _ => {}
        }
        self.wrong_type("true or false");
        None
    }

    /// A point in time with its offset from UTC.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let text = match &self.node?.value {
            Value::Datetime(text) => text.as_str(),
            Value::Text(text) => text.as_str(),
            _ => "",
        };
        let time = text.parse();
        if time.is_err() {
            let fix = "write date, time and offset, such as 2030-01-31T00:00:00Z";
            self.wrong("this is not a point in time", fix);
        }
        time.ok()
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Option<Vec<Field<'a>>> {
        let Value::Array(items) = &self.node?.value else {
            self.wrong_type("a list such as [\"one\", \"two\"]");
            return None;
        };
        Some(items.iter().enumerate().map(|(index, node)| self.item(index, node)).collect())
    }

    /// A list of strings. A variable may write them with commas between.
    pub(super) fn strings(&self) -> Option<Vec<(String, Field<'a>)>> {
        let node = self.node?;
        if let (Value::Text(text), true) = (&node.value, self.is_variable()) {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let item = |(index, part): (usize, &str)| (part.to_owned(), self.item(index, node));
            return Some(parts.enumerate().map(item).collect());
        }
        let item = |item: Field<'a>| Some((item.filled_text()?.to_owned(), item));
        Some(self.items()?.into_iter().filter_map(item).collect())
    }

    /// The items of a list; one text of a variable is a list of one.
    pub(super) fn items_or_words(&self) -> Option<Vec<Field<'a>>> {
        match &self.node?.value {
            Value::Text(_) if self.is_variable() => Some(vec![self.item(0, self.node?)]),
            _ => self.items(),
        }
    }

    /// The value as a table.
    pub(super) fn table(&self, expected: &str) -> Option<&'a Table> {
        let Value::Table(table) = &self.node?.value else {
            self.wrong_type(expected);
            return None;
        };
        Some(table)
    }

    /// The value as section `name` of the schema.
    pub(super) fn section(&'a self, name: &'static str, expected: &str) -> Option<Section<'a>> {
        let table = self.table(expected)?;
        Some(Section::open(self.context, &self.path, name, table, self.origin, self.severity))
    }

    /// The tables below this one, one per name of the operator's own.
    pub(super) fn named(&self) -> Vec<Field<'a>> {
        let Some(table) = self.table("tables, one per name") else { return Vec::new() };
        let field = |(name, entry): (&'a String, &'a super::document::Entry)| Field {
            context: self.context,
            path: joined(&self.path, name),
            last: name,
            node: Some(&entry.node),
            origin: &entry.key,
            severity: self.severity,
        };
        table.iter().map(field).collect()
    }

    /// The last part of the key, chosen by the operator, as a name of kind `T`.
    pub(super) fn name<T>(&self) -> Option<T>
    where
        T: for<'n> TryFrom<&'n str, Error = crate::domain::InvalidId>,
    {
        match T::try_from(self.last) {
            Ok(name) => Some(name),
            Err(problem) => {
                self.wrong(problem.to_string(), "rename it");
                None
            }
        }
    }

    /// Whether an environment variable says so.
    pub(super) fn is_variable(&self) -> bool {
        self.node.is_some_and(|node| node.origin.variable.is_some())
    }

    fn report(&self, severity: Severity, problem: impl Into<String>, fix: impl Into<String>) {
        if self.node.is_some() {
            self.context.report(severity, self.origin, &self.path, problem, fix);
        } else {
            let place = self.origin.without_variable();
            self.context.report(severity, &place, &self.path, problem, fix);
        }
    }

    fn text_or(&self, expected: &str) -> Option<&'a str> {
        let Value::Text(text) = &self.node?.value else {
            self.wrong_type(expected);
            return None;
        };
        Some(text.as_str())
    }

    fn item(&self, index: usize, node: &'a Node) -> Field<'a> {
        Field {
            context: self.context,
            path: format!("{}[{index}]", self.path),
            last: self.last,
            node: Some(node),
            origin: &node.origin,
            severity: self.severity,
        }
    }

    fn within<T: PartialOrd>(
        &self,
        value: T,
        bounds: &RangeInclusive<T>,
        low: &str,
        high: &str,
    ) -> Option<T> {
        if bounds.contains(&value) {
            return Some(value);
        }
        self.wrong("the value is out of bounds", format!("write something from {low} to {high}"));
        None
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
