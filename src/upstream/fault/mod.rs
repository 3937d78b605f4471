//! What Citrix says when it refuses: its fault bodies, retry hints and transaction ids.
//!
//! Services answer in several shapes, sometimes in one that belongs to another service, so bodies
//! are told apart by content and not by who sent them.

mod body;
mod retry_after;
mod text;

#[cfg(test)]
mod tests;

use http::HeaderMap;
use jiff::Timestamp;
use std::time::Duration;

pub(super) use text::clean;

/// What could be understood of a refusal. Holds no control bytes, is short, and is never raw text
/// or markup of an edge server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Said {
    /// Citrix's own code for the fault.
    pub(super) code: Option<String>,
    /// Citrix's own words.
    pub(super) message: Option<String>,
    /// How long to wait, at most [`retry_after::LONGEST`].
    pub(super) retry_after: Option<Duration>,
}

/// Understands a refusal. Hints to wait are looked for in the header, then in the body's
/// parameters, then in its text.
pub(super) fn said(headers: &HeaderMap, body: &[u8], now: Timestamp) -> Said {
    let decoded = body::decode(body);
    let retry_after = retry_after::from_headers(headers, now)
        .or_else(|| retry_after::parse(decoded.retry_delay.as_deref()?, now))
        .or_else(|| retry_after::in_text(decoded.message.as_deref()?));
    Said { code: decoded.code, message: decoded.message, retry_after }
}

/// The id under which Citrix's support finds the call.
pub(super) fn transaction_id(headers: &HeaderMap) -> Option<String> {
    TRANSACTION_HEADERS.iter().find_map(|name| {
        let id = headers.get(*name)?.to_str().ok()?.trim();
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        (!id.is_empty() && id.len() <= 128 && id.chars().all(safe)).then(|| id.to_owned())
    })
}

const TRANSACTION_HEADERS: [&str; 3] =
    ["citrix-transactionid", "x-cws-transactionid", "cc-transactionid"];
