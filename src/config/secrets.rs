//! Secrets, resolved from where the configuration says they are.

use std::{
    fmt::Write as _,
    fs::{File, Metadata},
    io::{self, Read as _},
    path::Path,
};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{
    address::CUSTOMER,
    reader::{Field, Section},
    schema,
};

/// Reads `{ env = "NAME" }`, `{ file = "path" }`, or a literal, which is reported.
/// `{customer}` in a name or path becomes `customer`.
pub(super) fn read(field: &Field<'_>, customer: Option<&str>) -> Option<SecretString> {
    if !field.is_set() {
        return None;
    }
    if matches!(field.node?.value, super::document::Value::Text(_)) {
        return literal(field);
    }
    let section = field.section(schema::SECRET, FORM)?;
    referenced(field, &section, customer)
}

/// Reads the secret that `env` or `file` of `section`, the value of `field`, names.
pub(super) fn referenced(
    field: &Field<'_>,
    section: &Section<'_>,
    customer: Option<&str>,
) -> Option<SecretString> {
    let (env, file) = (section.field("env"), section.field("file"));
    match (env.is_set(), file.is_set()) {
        (true, false) => from_environment(&env, customer),
        (false, true) => from_file(&file, customer),
        (false, false) => {
            if !field.context.incomplete.get() {
                field.wrong("it does not say where the secret is", format!("write {FORM}"));
            }
            None
        }
        (true, true) => {
            field.wrong("it says both `env` and `file`", "keep one of them");
            None
        }
    }
}

/// The first 16 hexadecimal digits of the secret's SHA-256.
pub(super) fn version(secret: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
    digest.as_ref().iter().take(8).fold(String::with_capacity(16), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Reads a whole file of at most `limit` bytes. The problem is fit to be shown.
pub(super) fn read_file(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    // Looked at before it is opened: opening a pipe would wait for whoever writes to it.
    let metadata = path.metadata().map_err(|error| problem(&error))?;
    if !metadata.is_file() {
        return Err("the path does not name a file");
    }
    let file = File::open(path).map_err(|error| problem(&error))?;
    let mut content = Zeroizing::new(Vec::with_capacity(capacity(&metadata, limit)));
    file.take(limit + 1).read_to_end(&mut content).map_err(|error| problem(&error))?;
    if content.len() as u64 > limit {
        return Err("the file is too large");
    }
    Ok(content)
}

/// What to write where a secret is asked for.
pub(super) const FORM: &str = "{ file = \"path\" } or { env = \"NAME\" }";

fn literal(field: &Field<'_>) -> Option<SecretString> {
    let text = field.filled_text()?;
    if !field.is_variable() {
        field.warn("the secret is written into the file", format!("write {FORM}"));
    }
    Some(text.into())
}

fn from_environment(field: &Field<'_>, customer: Option<&str>) -> Option<SecretString> {
    // Variable names hold no dashes or dots, customer names may.
    let upper = |name: &str| name.replace(['-', '.'], "_").to_uppercase();
    let name = expanded(field, customer.map(upper).as_deref())?;
    match field.context.environment.get(&name).map(|value| value.trim_end_matches(NEWLINE)) {
        Some("") => {
            field.wrong("the environment variable is empty", "set it to the secret");
            None
        }
        Some(value) => Some(value.into()),
        None => {
            let fix = "set it to the secret, or correct its name";
            field.wrong("the environment variable is not set", fix);
            None
        }
    }
}

fn from_file(field: &Field<'_>, customer: Option<&str>) -> Option<SecretString> {
    let raw = expanded(field, customer)?;
    let path = field.context.resolve(&field.node?.origin, &raw);
    field.context.uses(&path);
    let content = match read_file(&path, MAX_SECRET) {
        Ok(content) => content,
        Err(problem) => {
            field.wrong(problem, "put the secret into the file, or correct its path");
            return None;
        }
    };
    if open_to_others(&path) {
        field.warn("every user of this machine may read the secret", "chmod 600 the file");
    }
    let Ok(text) = std::str::from_utf8(&content) else {
        field.wrong("the file is not UTF-8 text", "save it as UTF-8 (not UTF-16)");
        return None;
    };
    let secret = text.trim_start_matches('\u{feff}').trim_end_matches(NEWLINE);
    if secret.trim().is_empty() {
        field.wrong("the file is empty", "put the secret into it");
        return None;
    }
    Some(secret.into())
}

fn expanded(field: &Field<'_>, customer: Option<&str>) -> Option<String> {
    let raw = field.filled_text()?;
    let text = customer.map_or_else(|| raw.to_owned(), |name| raw.replace(CUSTOMER, name));
    if text.contains('\0') {
        field.wrong("it holds a NUL character", "remove it");
        return None;
    }
    Some(text)
}

fn problem(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "the file does not exist",
        io::ErrorKind::PermissionDenied => "this process may not read the file",
        _ => "the file cannot be read",
    }
}

fn capacity(metadata: &Metadata, limit: u64) -> usize {
    usize::try_from(metadata.len().min(limit)).unwrap_or_default() + 1
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> bool {
    false
}

const NEWLINE: [char; 2] = ['\r', '\n'];

/// Bytes of a secret file.
const MAX_SECRET: u64 = 64 * 1024;
