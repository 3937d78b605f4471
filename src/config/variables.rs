//! Environment variables that override keys.

use super::{
    Severity,
    context::Context,
    document::{self, Entry, Node, Origin, Table, Value},
    schema,
};

/// Puts every `CWSGATE_SECTION__KEY` variable over `table`.
pub(super) fn apply(context: &Context<'_>, table: &mut Table) {
    for (name, text) in context.environment.with_prefix(PREFIX) {
        let rest = &name[PREFIX.len()..];
        if !rest.contains("__") {
            continue;
        }
        let origin = Origin { variable: Some(name.into()), ..Origin::default() };
        let path: Vec<&str> = rest.split("__").collect();
        if path.iter().any(|part| part.is_empty()) || path.len() > MAX_DEPTH {
            let fix = "write CWSGATE_SECTION__KEY";
            context.report(Severity::Error, &origin, name, "this does not name a key", fix);
            continue;
        }
        set(context, table, &path, document::parse_variable(text, &origin));
    }
}

fn set(context: &Context<'_>, table: &mut Table, path: &[&str], node: Node) {
    let [part, rest @ ..] = path else { return };
    let same = |key: &&String| schema::plain(key) == schema::plain(part);
    if table.keys().filter(same).count() > 1 {
        let problem = "two names differ only in case and punctuation";
        let fix = "rename one of them, or set the key in a file";
        context.report(Severity::Error, &node.origin, "", problem, fix);
        return;
    }
    let key = table.keys().find(same).cloned();
    let key = key.unwrap_or_else(|| known_spelling(part).unwrap_or_else(|| part.to_lowercase()));
    if rest.is_empty() {
        // The other way to say where a secret is gives way.
        match key.as_str() {
            "file" => table.remove("env"),
            "env" => table.remove("file"),
            _ => None,
        };
        table.insert(key, Entry { key: node.origin.clone(), node });
        return;
    }
    let empty = || Node { value: Value::Table(Table::new()), origin: node.origin.clone() };
    let below =
        table.entry(key).or_insert_with(|| Entry { key: node.origin.clone(), node: empty() });
    if !matches!(below.node.value, Value::Table(_)) {
        below.node = empty();
    }
    if let Value::Table(below) = &mut below.node.value {
        set(context, below, rest, node);
    }
}

/// The spelling of a key that the schema has, for one in capitals.
fn known_spelling(part: &str) -> Option<String> {
    let mut known = schema::SECTIONS.iter().flat_map(|(_, keys)| keys.iter());
    let same = known.find(|key| schema::plain(key) == schema::plain(part));
    same.map(|key| (*key).to_owned())
}

/// Start of the names of variables that override keys.
const PREFIX: &str = "CWSGATE_";

/// Parts of a key.
const MAX_DEPTH: usize = 6;
