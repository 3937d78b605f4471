//! Files that the main file includes.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry as Slot},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Severity,
    context::Context,
    document::{self, Entry, Origin, Table, Value},
    file::{read_text, report_syntax},
    reader::Section,
    schema,
};

/// The files that `include` names, in alphabetical order per pattern.
pub(super) fn files(context: &Context<'_>, include: Option<&Entry>) -> Vec<PathBuf> {
    let Some(entry) = include else { return Vec::new() };
    let table = Table::from([("include".to_owned(), entry.clone())]);
    let section = Section::open(context, "", "", &table, &entry.key, Severity::Error);
    let mut files = Vec::new();
    for (pattern, field) in section.field("include").strings().unwrap_or_default() {
        let path = context.resolve(&entry.node.origin, &pattern);
        match matching(context, &path) {
            Ok(found) if found.is_empty() => {
                field.warn("no file matches", "add files or correct the pattern");
            }
            Ok(found) => files.extend(found),
            Err(problem) => {
                field.wrong(problem, "name a file, or a pattern such as customers.d/*.toml");
            }
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    files
}

/// The files that `pattern` names: `*` and `?` stand for characters of the file name.
fn matching(context: &Context<'_>, pattern: &Path) -> Result<Vec<PathBuf>, &'static str> {
    let (Some(folder), Some(name)) =
        (pattern.parent(), pattern.file_name().and_then(|n| n.to_str()))
    else {
        return Err("this does not name a file");
    };
    if folder.to_str().is_some_and(|folder| folder.contains(['*', '?'])) {
        return Err("the name of a folder cannot be a pattern");
    }
    if !name.contains(['*', '?']) {
        return Ok(vec![pattern.to_path_buf()]);
    }
    context.uses(folder);
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(_) => return Err("the folder cannot be read"),
    };
    context.lists(folder);
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| !file.starts_with('.') && glob(name.as_bytes(), file.as_bytes()))
        .take(MAX_FILES + 1)
        .map(|file| folder.join(file))
        .filter(|file| Some(file.as_path()) != context.main.as_deref())
        .filter(|file| !file.is_dir())
        .collect();
    if files.len() > MAX_FILES {
        return Err("the pattern names more than 10,000 files");
    }
    files.sort();
    Ok(files)
}

/// Whether `name` has the form of `pattern`. Looks back to the last `*` only, so that no pattern
/// takes long.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => (p, n) = (p + 1, n + 1),
            Some(byte) if *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The content of an included file. One that cannot be read takes its own customers with it and
/// nothing else, unless it holds what must be read whole or not at all.
pub(super) fn table(
    context: &Context<'_>,
    path: &Path,
    unreadable: &mut BTreeMap<String, Origin>,
) -> Option<Table> {
    context.uses(path);
    let file: Arc<Path> = path.into();
    let origin = Origin { file: Some(Arc::clone(&file)), ..Origin::default() };
    let text = match read_text(path) {
        Ok(text) => text,
        Err(problem) => {
            let fix = "make it a readable TOML file, or take it out of `include`";
            context.report(Severity::Customer, &origin, "", problem, fix);
            return None;
        }
    };
    let (table, errors) = document::parse(&text, Some(&file));
    let table = allowed_in_includes(context, table);
    if errors.is_empty() {
        return Some(table);
    }
    let severity =
        if holds_more_than_customers(&text) { Severity::Error } else { Severity::Customer };
    for error in errors {
        let origin = Origin { line: Some(error.line), ..origin.clone() };
        report_syntax(context, severity, &origin, &error);
    }
    if let Some(Value::Table(customers)) = table.get("customers").map(|entry| &entry.node.value) {
        let names = customers.iter().map(|(name, entry)| (name.clone(), entry.key.clone()));
        unreadable.extend(names);
    }
    None
}

/// Whether a text that is no TOML was meant to hold what is read whole or not at all. Looks at the
/// text, because the error may be in the very line that would say so.
fn holds_more_than_customers(text: &str) -> bool {
    let starts = text.lines().map(|line| line.trim_start_matches(['[', ' ', '\t', '"', '\'']));
    let sections = ["apps", "issuers", "regions"];
    starts.into_iter().any(|start| sections.iter().any(|section| start.starts_with(section)))
}

/// Leaves what an included file may hold.
fn allowed_in_includes(context: &Context<'_>, mut table: Table) -> Table {
    table.retain(|section, entry| {
        let known = schema::keys("").contains(&section.as_str());
        let (problem, fix) = match (NAMED.contains(&section.as_str()), known) {
            (true, _) => return true,
            (false, true) => ("this cannot be included", "move it to the main file".to_owned()),
            (false, false) => {
                let fix = schema::one_of_or_nearest(section, NAMED.into_iter());
                ("there is no such key", fix)
            }
        };
        context.report(Severity::Customer, &entry.key, section, problem, fix);
        false
    });
    table
}

/// Adds the names of an included file. A name that is already there keeps its first meaning and
/// is noted.
pub(super) fn add(
    own: &mut Table,
    included: Table,
    repeated: &mut Vec<(&'static str, String, Origin)>,
) {
    for (section, entry) in included {
        let Some(known) = NAMED.iter().copied().find(|name| *name == section) else { continue };
        let Some(present) = own.get_mut(&section) else {
            own.insert(section, entry);
            continue;
        };
        let (Value::Table(present), Value::Table(new)) =
            (&mut present.node.value, entry.node.value.clone())
        else {
            // One of them is no table: whoever reads the section says so.
            if !matches!(entry.node.value, Value::Table(_)) {
                *present = entry;
            }
            continue;
        };
        for (name, entry) in new {
            match present.entry(name) {
                Slot::Vacant(slot) => {
                    slot.insert(entry);
                }
                Slot::Occupied(slot) => repeated.push((known, slot.key().clone(), entry.key)),
            }
        }
    }
}

/// Sections whose entries an operator names; only these may be included.
const NAMED: [&str; 5] = ["apps", "customers", "issuers", "regions", "stores"];

/// Files that one pattern may name.
const MAX_FILES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_as_in_a_shell() {
        let matches = |pattern: &str, name: &str| glob(pattern.as_bytes(), name.as_bytes());

        assert!(matches("*.toml", "acme.toml"));
        assert!(matches("a*e.t?ml", "acme.toml"));
        assert!(matches("*", "x"));
        assert!(matches("*a*b", "xaxbxb"));
        assert!(!matches("*.toml", "acme.toml.bak"));
        assert!(!matches("?.toml", ".toml"));
        assert!(!matches("a", "ab"));
    }
}
