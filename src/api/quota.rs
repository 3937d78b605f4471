//! The limits of apps on the wire: `RateLimit` and `RateLimit-Policy`
//! (draft-ietf-httpapi-ratelimit-headers).

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::Standing;

/// Says where the app stands.
pub(super) fn show(standing: &Standing, headers: &mut HeaderMap) {
    let Standing { what, limit, window, remaining, reset } = standing;
    let reset = reset.as_secs() + u64::from(reset.subsec_nanos() > 0);
    let policy = format!("\"{what}\";q={limit};w={}", window.as_secs());
    let now = format!("\"{what}\";r={remaining};t={reset}");
    for (name, value) in [(POLICY, policy), (RATE_LIMIT, now)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
