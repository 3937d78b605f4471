mod access;
mod read;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::{network::Network, tls::Tls};

/// The public listener and its limits.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Certificate and key; without them the listener speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Origins whose web pages may call from a browser, as browsers send them.
    pub cors_origins: Vec<String>,
    /// Proxies that are believed about where a request comes from.
    pub trusted_proxies: Vec<Network>,
    /// Root of the keys that seal page tokens and sign our own tokens; made when absent.
    pub secret: Option<SecretString>,
    /// The root before the last change, still good for opening, never for sealing.
    pub previous_secret: Option<SecretString>,
    /// Connections that may be open at once.
    pub max_connections: usize,
    /// Time from accepting a connection, or from the first byte of a later request, to the end of
    /// the headers.
    pub header_timeout: Duration,
    /// Time a request body may take to arrive.
    pub body_timeout: Duration,
    /// Time a connection may be kept open between requests.
    pub idle_timeout: Duration,
    /// Time a client may take nothing of its answer.
    pub write_timeout: Duration,
    /// Bytes of request line and headers together.
    pub max_header_bytes: usize,
    /// Number of header fields.
    pub max_headers: usize,
    /// Bytes of a request target.
    pub max_uri_bytes: usize,
    /// Bytes of a request body.
    pub max_body_bytes: usize,
    /// Streams that one HTTP/2 connection may have open.
    pub max_streams: u32,
    /// Refused credentials of one address in a minute that get an answer of their own; 0 is all.
    pub max_auth_failures_per_minute: u32,
    /// Deadline of a call that names none.
    pub default_deadline: Duration,
    /// Deadline of a power or session call that names none.
    pub action_deadline: Duration,
    /// The longest deadline a caller may ask for.
    pub max_deadline: Duration,
    /// After SIGTERM: time to be seen as not ready before connections are refused.
    pub drain_delay: Duration,
    /// After that: time for requests in flight to finish.
    pub drain_timeout: Duration,
}

/// The listener for probes, metrics and the admin API: never reachable by callers.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Address to listen on; loopback unless told otherwise.
    pub listen: SocketAddr,
}

/// What is logged, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// A level, or `tracing` filter directives.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The durable store.
#[derive(Clone, Debug)]
pub struct Database {
    /// `sqlite:PATH`, `sqlite::memory:` or `postgres://…`; may hold a password.
    pub url: SecretString,
    /// The SQLite file, where it is one: made when missing, and our secret beside it.
    pub sqlite_path: Option<PathBuf>,
}

/// Durable bulk operations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operations {
    /// How long they are kept after their end.
    pub retention: Duration,
    /// How long a replica that has died keeps others from going on with its operations.
    pub lease: Duration,
    /// Operations that one replica runs at the same time.
    pub max_running: u32,
}

/// The audit trail, which is kept in the database.
#[derive(Clone, Debug)]
pub struct Audit {
    /// How long an entry is kept.
    pub retention: Duration,
    /// A file of JSON lines for a log collector, where there is to be one.
    pub file: Option<PathBuf>,
}

/// The response cache.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cache {
    /// Bytes it may hold.
    pub max_bytes: u64,
    /// How long an answer is fresh, per resource class (`machines`, `sites`, …).
    pub ttl: BTreeMap<String, Duration>,
    /// How long after that it may be served while a new one is fetched.
    pub stale_while_revalidate: Duration,
    /// How long after that it may be served when Citrix fails.
    pub stale_if_error: Duration,
}
