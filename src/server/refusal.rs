use std::sync::Arc;

use axum::{http::StatusCode, response::Response};

/// Why a request was turned away before it was routed. Nothing of its body has been read, and
/// over HTTP/1 the connection is closed after the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a request that RFC 9112 or our URL rules allow; the reason is fit for a caller.
    BadRequest(&'static str),
    /// `CONNECT` and `TRACE`, which no resource here has.
    MethodNotAllowed,
    /// The target is longer than `max_uri_bytes`.
    UriTooLong,
    /// More header fields, or more bytes of them, than the limits allow.
    HeadersTooLarge,
    /// `Content-Length` is over `max_body_bytes`.
    PayloadTooLarge,
}

/// Turns a refusal into the answer that is sent.
pub type RenderRefusal = Arc<dyn Fn(Refusal) -> Response + Send + Sync>;

impl Refusal {
    /// The status that this refusal is answered with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// The label under which it is counted.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UriTooLong => "uri_too_long",
            Self::HeadersTooLarge => "headers_too_large",
            Self::PayloadTooLarge => "payload_too_large",
        }
    }
}
