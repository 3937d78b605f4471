use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::services;

/// Which web pages may call the gateway from a browser (the Fetch standard's CORS protocol).
#[derive(Clone, Debug)]
pub(super) struct Cors {
    origins: Arc<[HeaderValue]>,
    layer: CorsLayer,
}

impl Cors {
    /// Allows these origins, which are complete: `*` stands for nothing here. Cookies are not
    /// allowed: every credential is a header that the page sets itself.
    pub(super) fn new(origins: &[String]) -> Self {
        let origins: Arc<[HeaderValue]> =
            origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins.iter().cloned()))
            .allow_methods(METHODS)
            .allow_headers(names(&REQUEST_HEADERS, services::request_headers()))
            .expose_headers(names(&ANSWER_HEADERS, services::answer_headers()))
            .max_age(MAX_AGE);
        Self { origins, layer }
    }

    fn lists(&self, request: &Request) -> bool {
        let mut stated = request.headers().get_all(header::ORIGIN).iter();
        let first = stated.next();
        stated.next().is_none() && first.is_some_and(|origin| self.origins.contains(origin))
    }
}

/// Answers the preflights of pages that are listed and marks what they may read. For everybody
/// else the gateway is as if this were not there.
pub(super) async fn cors(State(cors): State<Cors>, request: Request, next: Next) -> Response {
    let preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let served = request.method() != Method::OPTIONS || preflight;
    if cors.lists(&request) && served {
        let Ok(response) = cors.layer.layer(next).oneshot(request).await;
        return response;
    }
    let mut response = next.run(request).await;
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    response
}

/// The gateway's own headers and those that pass on Citrix's paths, each once.
fn names(ours: &[&'static str], passing: impl Iterator<Item = HeaderName>) -> Vec<HeaderName> {
    let ours: Vec<_> = ours.iter().copied().map(HeaderName::from_static).collect();
    let passing: Vec<_> = passing.filter(|name| !ours.contains(name)).collect();
    ours.into_iter().chain(passing).collect()
}

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What callers of `/v1` may send.
const REQUEST_HEADERS: [&str; 14] = [
    "accept",
    "authorization",
    "cache-control",
    "content-type",
    "cwsgate-deadline-ms",
    "cwsgate-on-behalf-of",
    "cwsgate-store-session",
    "cwsgate-store-token",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "traceparent",
    "x-api-key",
    "x-request-id",
];

/// What the gateway's own answers say beside their body.
const ANSWER_HEADERS: [&str; 15] = [
    "age",
    "cache-status",
    "citrix-transactionid",
    "cwsgate-completeness",
    "cwsgate-upstream",
    "etag",
    "idempotent-replayed",
    "link",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "server-timing",
    "www-authenticate",
    "x-request-id",
];

/// How long a browser may remember the answer to a preflight.
const MAX_AGE: Duration = Duration::from_mins(10);
