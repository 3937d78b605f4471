//! Bytes in: accepts connections, bounds everything a client can make us hold, refuses what is
//! not a clean HTTP request, and drains on shutdown. Knows nothing of routes or problem
//! documents: the service and the rendering of a [`Refusal`] are handed in.
//!
//! The accept loop is our own because `axum::serve` has no header deadline, no connection cap and
//! no drain deadline. Per connection:
//!
//! - *Deadlines*: `header_timeout` in total from accepting the connection (or from the first byte
//!   of a later request) to the end of the headers, `idle_timeout` between requests,
//!   `body_timeout` in total for a request body, `write_timeout` without any progress for an
//!   answer. A connection that sends nothing falls to the first.
//! - *Strictness*: hyper accepts more than RFC 9112 allows. `framing` watches the raw bytes for
//!   what hyper repairs silently (bare line feeds, `Content-Length` beside `Transfer-Encoding`,
//!   sloppy chunks, a fragment in the target); `check` looks at the parsed request (section
//!   3.2: one valid `Host`, origin-form target; no dot, empty or encoded-slash segments; one
//!   `Authorization`, no `_` in names). Only a request that passes both reaches the service.
//! - *TLS*: the handshake happens in the connection's own task and within `header_timeout`, so that
//!   a client that is slow or sends garbage disturbs nobody. The certificate can be replaced while
//!   serving.
//! - *Bodies*: capped in bytes and time. The service sees `http_body_util::LengthLimitError` or
//!   an `std::io::Error` of kind `TimedOut` somewhere in the error's source chain.
//!
//! At the connection cap nothing is accepted: further connections wait in the kernel's backlog.
//!
//! A head that hyper itself cannot parse, or that outgrows its buffer (some 32 KiB above
//! `max_header_bytes`), never gets here: hyper answers with an empty 400, 414 or 431 and closes.

mod accept;
mod body;
mod check;
mod connection;
mod edge;
mod framing;
mod host;
mod limits;
mod opening;
mod paced;
mod refusal;
mod socket;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod watch;

/// Whether a request with this path and query is routed; for the fuzz targets.
#[doc(hidden)]
pub fn may_be_routed(path: &str, query: &str) -> bool {
    target::check_path(path, false).is_ok() && target::check_query(query).is_ok()
}

pub use accept::{Drained, Server};
pub use limits::Limits;
pub use refusal::{Refusal, RenderRefusal};
pub use tls::Tls;
