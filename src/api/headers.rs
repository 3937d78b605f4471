//! What every answer carries, whoever gives it.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

use crate::domain::RequestId;

/// Writes what every answer carries.
pub(super) fn mark(response: &mut Response, id: &RequestId) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Under which id the gateway's log knows a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
