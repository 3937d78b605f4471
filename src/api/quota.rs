//! The limits of apps on the wire: `RateLimit` and `RateLimit-Policy`
//! (draft-ietf-httpapi-ratelimit-headers).

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::{ApiState, problem::Problem};
use crate::{auth::Standing, domain::AppName};

/// Counts a request of an app. Where the app stands is to be shown in any case, if it is limited.
pub(super) fn count(api: &ApiState, app: &AppName) -> (Option<Standing>, Result<(), Problem>) {
    match api.quotas.request(app) {
        Ok(standing) => (standing, Ok(())),
        Err(exceeded) => (Some(exceeded.standing), Err(exceeded.into())),
    }
}

/// Says where the app stands, if it is limited.
pub(super) fn show(standing: Option<&Standing>, headers: &mut HeaderMap) {
    let Some(Standing { what, limit, window, remaining, reset }) = standing else { return };
    let reset = reset.as_secs() + u64::from(reset.subsec_nanos() > 0);
    let what = what.as_str();
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
