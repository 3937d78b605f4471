use std::{fmt, path::PathBuf, sync::Arc};

use sqlx::migrate::MigrateError;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug)]
pub struct Error {
    /// What can be done about it.
    pub kind: ErrorKind,
    source: Option<Arc<sqlx::Error>>,
}

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The database cannot be reached, read or written just now.
    Unavailable,
    /// There is no room left.
    Full,
    /// Something is already there, or is not as it must be: nothing was changed.
    Conflict,
    /// Another transaction was in the way: nothing was changed, and it may be tried again.
    Busy,
    /// A mistake in the program, or rows that it did not write.
    Broken,
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be opened.
    #[error(
        "cannot open the database {}: {source}; \
         database.url must name a file that this user may write", path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has the file open.
    #[error(
        "another gateway uses the database {}; stop it, or let replicas share PostgreSQL",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The server could not be asked, or the file is no database.
    #[error("cannot use the database {place}: {source}")]
    Unusable {
        /// Which.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A newer version has changed the tables.
    #[error(
        "the database {place} belongs to another version of the gateway ({detail}); \
         use that version, or another database"
    )]
    OtherVersion {
        /// Which.
        place: String,
        /// What does not fit.
        detail: String,
    },
    /// The library is one that may lose what was written.
    #[error("the SQLite library {found} is too old; 3.51.3 or newer is needed")]
    Library {
        /// Its version.
        found: String,
    },
}

impl Error {
    pub(super) fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Unavailable => "the database is not available",
            ErrorKind::Full => "the database has no room left",
            ErrorKind::Conflict => "a row of the database is already there, or not as it must be",
            ErrorKind::Busy => "another transaction of the database was in the way",
            ErrorKind::Broken => "the database answered with something unexpected",
        })
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self { kind: kind(&error), source: Some(Arc::new(error)) }
    }
}

impl OpenError {
    pub(super) fn migrating(place: String, error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_)
            | MigrateError::VersionMismatch(_)
            | MigrateError::Dirty(_) => Self::OtherVersion { place, detail: error.to_string() },
            other => Self::Unusable { place, source: other.into() },
        }
    }
}

fn kind(error: &sqlx::Error) -> ErrorKind {
    let error = match error {
        sqlx::Error::Database(error) => error,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => return ErrorKind::Unavailable,
        _ => return ErrorKind::Broken,
    };
    let code = error.code().unwrap_or_default();
    match error.kind() {
        sqlx::error::ErrorKind::Other => {}
        _ => return ErrorKind::Conflict,
    }
    if let Ok(extended) = code.parse::<u32>()
        && code.len() < 5
    {
        // https://www.sqlite.org/rescode.html: the low byte is the primary code.
        return match extended & 0xff {
            SQLITE_FULL => ErrorKind::Full,
            SQLITE_BUSY | SQLITE_LOCKED => ErrorKind::Busy,
            SQLITE_ERROR | SQLITE_MISUSE | SQLITE_RANGE => ErrorKind::Broken,
            _ => ErrorKind::Unavailable,
        };
    }
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    match code.as_ref() {
        "53100" => ErrorKind::Full,
        "40001" | "40P01" | "55P03" => ErrorKind::Busy,
        // Connections, resources, the operator's hand, the system, a server that only reads.
        other
            if ["08", "53", "57", "58", "XX", "28"]
                .iter()
                .any(|class| other.starts_with(class)) =>
        {
            ErrorKind::Unavailable
        }
        "25006" => ErrorKind::Unavailable,
        _ => ErrorKind::Broken,
    }
}

const SQLITE_ERROR: u32 = 1;
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_FULL: u32 = 13;
const SQLITE_MISUSE: u32 = 21;
const SQLITE_RANGE: u32 = 25;
