//! Puts the layers of a configuration on each other: what is built in, the file and what it
//! includes, environment variables.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use super::{
    Severity,
    context::Context,
    document::{self, Entry, Node, Origin, Table, Value},
    file::report_syntax,
    includes,
    reader::Field,
    variables,
};

/// One table of everything, and what could not be put into it.
pub(super) struct Layers {
    pub(super) table: Table,
    /// Customers of a file that cannot be read: known by name, not usable.
    pub(super) unreadable: BTreeMap<String, Origin>,
    /// Names that a second file gave again, with their section and that second place.
    pub(super) repeated: Vec<(&'static str, String, Origin)>,
    /// The included files, with their places in the order of reading.
    included: HashMap<PathBuf, usize>,
}

/// The text of the manual, which holds every default.
const DEFAULTS: &str = include_str!("../../config/default.toml");

impl Layers {
    /// The layers of `text`, the content of the main file.
    pub(super) fn of(context: &Context<'_>, text: &str) -> Self {
        let mut own = main_table(context, text);
        let include = own.remove("include");
        let (mut unreadable, mut repeated) = (BTreeMap::new(), Vec::new());
        let included = includes::files(context, include.as_ref());
        for path in &included {
            let Some(table) = includes::table(context, path, &mut unreadable) else { continue };
            includes::add(&mut own, table, &mut repeated);
        }
        let (mut table, _) = document::parse(DEFAULTS, None);
        forget_lines(&mut table);
        lay_over(&mut table, own);
        variables::apply(context, &mut table);
        let included = included.into_iter().enumerate().map(|(at, path)| (path, at)).collect();
        Self { table, unreadable, repeated, included }
    }

    /// Where `origin` stands in the order of reading: the main file, what it includes, variables.
    pub(super) fn turn(&self, origin: &Origin) -> (usize, Option<usize>) {
        let place = |file: &Path| self.included.get(file).map(|at| at + 1);
        let file = match &origin.variable {
            Some(_) => usize::MAX,
            None => origin.file.as_deref().and_then(place).unwrap_or_default(),
        };
        (file, origin.line)
    }

    /// Reports the places where the name of `field`, in `section`, stands again.
    pub(super) fn report_repeated(&self, section: &str, field: &Field<'_>) {
        let again =
            |(other, name, _): &&(&str, String, Origin)| *other == section && name == field.last;
        for (_, _, place) in self.repeated.iter().filter(again) {
            let problem = match &field.origin.file {
                Some(first) => format!("the same name stands in {} already", first.display()),
                None => "the same name stands in another file already".to_owned(),
            };
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
