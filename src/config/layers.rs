//! Puts the layers of a configuration on each other: what is built in, the file and what it
//! includes, environment variables.

use std::{collections::BTreeMap, path::Path};

use super::{
    Severity,
    context::Context,
    document::{self, Entry, Node, Origin, SyntaxError, Table, Value},
    includes,
    reader::Field,
    secrets, variables,
};

/// One table of everything, and what could not be put into it.
pub(super) struct Layers {
    pub(super) table: Table,
    /// Customers of a file that cannot be read: known by name, not usable.
    pub(super) unreadable: BTreeMap<String, Origin>,
    /// Names that a second file gave again, with their section and that second place.
    pub(super) repeated: Vec<(&'static str, String, Origin)>,
}

/// The text of the manual, which holds every default.
const DEFAULTS: &str = include_str!("../../config/default.toml");

impl Layers {
    /// The layers of `text`, the content of the main file.
    pub(super) fn of(context: &Context<'_>, text: &str) -> Self {
        let mut own = main_table(context, text);
        let include = own.remove("include");
        let (mut unreadable, mut repeated) = (BTreeMap::new(), Vec::new());
        for path in includes::files(context, include.as_ref()) {
            let Some(table) = includes::table(context, &path, &mut unreadable) else { continue };
            includes::add(&mut own, table, &mut repeated);
        }
        let (mut table, _) = document::parse(DEFAULTS, None);
        forget_lines(&mut table);
        lay_over(&mut table, own);
        variables::apply(context, &mut table);
        Self { table, unreadable, repeated }
    }

    /// Reports the places where the name of `field`, in `section`, stands again.
    pub(super) fn report_repeated(&self, section: &str, field: &Field<'_>) {
        let again =
            |(other, name, _): &&(&str, String, Origin)| *other == section && name == field.last;
        for (_, _, place) in self.repeated.iter().filter(again) {
            let problem = "the same name stands in another file too";
            field.context.report(field.severity, place, &field.path, problem, "keep one of them");
        }
    }
}

fn main_table(context: &Context<'_>, text: &str) -> Table {
    let (table, errors) = document::parse(text, context.main.as_ref());
    context.incomplete.set(!errors.is_empty());
    for error in errors {
        let origin = Origin { line: Some(error.line), ..Origin::default() };
        report_syntax(context, Severity::Error, &origin, &error);
    }
    table
}

<<<<<<< HEAD
/// The files that `include` names, in alphabetical order per pattern.
fn included_files(context: &Context<'_>, include: Option<&Entry>) -> Vec<PathBuf> {
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
    let Ok(entries) = folder.read_dir() else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| !file.starts_with('.') && glob(name.as_bytes(), file.as_bytes()))
        .take(MAX_FILES)
        .map(|file| folder.join(file))
        .filter(|file| !file.is_dir())
        .collect();
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
fn included_table(
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
    let whole = ["apps", "issuers", "regions"].iter().any(|section| table.contains_key(*section));
    let severity = if whole { Severity::Error } else { Severity::Customer };
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
fn add(own: &mut Table, included: Table, repeated: &mut Vec<(&'static str, String, Origin)>) {
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

=======
>>>>>>> refs/heads/config
/// Puts `upper` over `lower`: tables are merged, anything else is replaced.
fn lay_over(lower: &mut Table, upper: Table) {
    for (key, entry) in upper {
        match (lower.get_mut(&key), entry) {
            (
                Some(Entry { node: Node { value: Value::Table(below), origin }, key: place }),
                Entry { node: Node { value: Value::Table(above), origin: over }, key: over_place },
            ) => {
                (*origin, *place) = (over, over_place);
                lay_over(below, above);
            }
            (_, entry) => {
                lower.insert(key, entry);
            }
        }
    }
}

/// A default has no place that an operator could look at.
fn forget_lines(table: &mut Table) {
    for entry in table.values_mut() {
        (entry.key, entry.node.origin) = (Origin::default(), Origin::default());
        if let Value::Table(below) = &mut entry.node.value {
            forget_lines(below);
        }
    }
}

/// The content of a configuration file. The problem is fit to be shown.
pub(super) fn read_text(path: &Path) -> Result<zeroize::Zeroizing<String>, &'static str> {
    let bytes = secrets::read_file(path, MAX_FILE)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "the file is not UTF-8 text")?;
    Ok(text.to_owned().into())
}

pub(super) fn report_syntax(
    context: &Context<'_>,
    severity: Severity,
    at: &Origin,
    error: &SyntaxError,
) {
    let problem = format!("column {}: {}", error.column, error.message);
    let fix = if error.message.starts_with("duplicate") {
        "keep one of the two"
    } else {
        "correct the TOML syntax; strings stand in quotes"
    };
    context.report_syntax(severity, at, problem, fix);
}

/// Bytes of a configuration file.
const MAX_FILE: u64 = 8 * 1024 * 1024;
