//! Probes for whoever runs the gateway, and its numbers.
//!
//! Readiness is about the gateway, never about Citrix: a gateway whose upstreams are down still
//! has to be asked, because it is the one who can say so.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use crate::{api::problem, telemetry::Metrics};

/// Where the process is in its life. Cheap to clone; all clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<AtomicU8>);

impl Lifecycle {
    /// Both listeners answer.
    pub fn started(&self) {
        self.0.store(READY, Ordering::Relaxed);
    }

    /// The process takes no new work.
    pub fn draining(&self) {
        self.0.store(DRAINING, Ordering::Relaxed);
    }

    fn state(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            READY => "ready",
            DRAINING => "draining",
            _ => "starting",
        }
    }
}

/// The routes that need no credential.
pub(super) fn routes(lifecycle: Lifecycle, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/metrics", get(numbers))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .with_state((lifecycle, metrics))
}

type Probed = State<(Lifecycle, Metrics)>;

/// Whether the process runs at all: restart it if this fails.
async fn livez() -> Response {
    answer(StatusCode::OK, "live")
}

/// Whether it should be sent requests.
async fn readyz(State((lifecycle, _)): Probed) -> Response {
    match lifecycle.state() {
        "ready" => answer(StatusCode::OK, "ready"),
        state => answer(StatusCode::SERVICE_UNAVAILABLE, state),
    }
}

/// Whether it has come up: look at nothing else before.
async fn startupz(State((lifecycle, _)): Probed) -> Response {
    match lifecycle.state() {
        "starting" => answer(StatusCode::SERVICE_UNAVAILABLE, "starting"),
        _ => answer(StatusCode::OK, "started"),
    }
}

async fn numbers(State((_, metrics)): Probed) -> Response {
    let (content_type, text) = metrics.render();
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

async fn no_route() -> Response {
    problem::refuse(
        crate::domain::ProblemCode::NotFound,
        "the admin listener has /livez, /readyz, /startupz, /metrics and /admin/v1",
    )
}

async fn no_method() -> Response {
    problem::refuse(crate::domain::ProblemCode::MethodNotAllowed, "only GET is known here")
}

fn answer(status: StatusCode, state: &str) -> Response {
    let mut response = (status, Json(json!({ "status": state }))).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let value = axum::http::HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

const READY: u8 = 1;
const DRAINING: u8 = 2;
