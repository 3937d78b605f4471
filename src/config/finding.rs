use std::{fmt, path::PathBuf};

use serde::{Serialize, Serializer};

/// One problem in the configuration, said so that an operator can mend it, and so shown by
/// `cwsgate check --output json` and the admin API. Never holds a value.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// Whether it stops a start, stops one customer, or is only worth knowing.
    pub severity: Severity,
    /// The file; `None` for an environment variable, or where there is no file.
    #[serde(serialize_with = "displayed")]
    pub file: Option<PathBuf>,
    /// Line in that file, from 1.
    pub line: Option<usize>,
    /// The key with its section, such as `customers.acme.client_id`, or the environment variable;
    /// empty where it is about the file as a whole.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Works, but should not stay.
    Warning,
    /// Makes one customer or store unusable.
    Customer,
    /// Keeps the gateway from starting.
    Error,
}

impl Severity {
    /// The word for it in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Customer => "customer",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
            (Some(file), None) => write!(f, "{}: ", file.display())?,
            (None, _) => {}
        }
        write!(f, "{}: ", self.severity.as_str())?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{} ({})", self.problem, self.fix)
    }
}

/// A path need not be UTF-8; a report has to be.
#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn displayed<S: Serializer>(file: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    file.as_ref().map(|file| file.display().to_string()).serialize(serializer)
}
