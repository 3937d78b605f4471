//! Calls that are passed on as they came: the caller's method, path, query and body go to the
//! customer's own host, Citrix's status and body come back, both unread and as they stream by.
//!
//! What is ours is on the way in between: the host, the token, the headers (lists say which pass
//! in either direction, everything else stays behind), the limits on time, and addresses in
//! `Location` and `Link`, which must not lead past the gateway.
//!
//! A 401 of Citrix proves that nothing was done. The call is then repeated once with a newer token
//! if its body is at hand: there is none, it was built here, or it was short and had already gone
//! up whole (a copy of at most [`tape::LONGEST`] bytes is kept while it streams by). Otherwise the
//! token is replaced for those who come next, and the caller is told to send the call again.

mod addresses;
mod batch;
mod body;
mod client;
mod headers;
mod tape;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method};

pub use batch::BatchItem;
pub use client::Client;
pub use headers::{answer_headers, passes_in_batch, request_headers};
pub use tape::BodyFault;

use super::Service;
use crate::domain::SiteId;

/// One call to pass on.
#[derive(Debug)]
pub struct Passage {
    /// Names the call in logs and metrics: one of a fixed few.
    pub operation: &'static str,
    /// Whose health and limits it counts towards.
    pub service: Service,
    /// On whose host the path is.
    pub host: Service,
    /// As the caller sent it.
    pub method: Method,
    /// Path below the host's base, and query: encoded, ready to be appended.
    pub target: String,
    /// Everything the caller sent; only what is on the list goes on.
    pub headers: HeaderMap,
    /// Sent as `Citrix-InstanceId`.
    pub site: Option<SiteId>,
    /// What goes up.
    pub payload: Payload,
    /// Whether it changes something, so that losing the answer leaves the outcome unknown.
    pub writes: bool,
    /// How paths on the host begin when the caller asks the gateway for them.
    pub prefix: &'static str,
    /// Where the caller reaches the gateway, such as `https://gateway.example`; without it,
    /// addresses in answers are paths.
    pub gateway: Option<HeaderValue>,
}

/// The body of a call.
#[derive(Debug)]
pub enum Payload {
    /// None at all.
    Empty,
    /// The caller's, unread.
    Stream(Body),
    /// Calls in one, each of which carries the token too.
    Batch(Vec<BatchItem>),
}
