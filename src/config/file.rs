//! The text of a configuration file, and what is said when it is no TOML.

use std::path::Path;

use super::{
    Severity,
    context::Context,
    document::{Origin, SyntaxError},
    secrets,
};

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
