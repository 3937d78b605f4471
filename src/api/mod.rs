//! HTTP in: routes, what a request must look like, and how answers and refusals look.
//!
//! Handlers are thin: extract, call one use case of `services`, convert. Everything under `/v1`
//! passes [`authenticate`] before its body is read, so that a route cannot be forgotten;
//! everything at all passes [`edge`], which gives each answer its request id, turns every
//! refusal into a problem document (RFC 9457) and writes the one access line.
//!
//! What is no path of ours may be one of Citrix's: see [`dropin`].

mod admin;
mod authenticate;
mod body;
mod caching;
mod client_address;
mod cors;
mod docs;
mod dropin;
mod edge;
mod extract;
mod format;
mod headers;
mod idempotency;
mod list;
mod openapi;
mod params;
mod problem;
mod quota;
mod trace;
mod v1;
mod views;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Router, extract::DefaultBodyLimit, middleware};
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;

pub use admin::{Ask, Attempt, Control, Lifecycle, ReloadState, Trigger, admin};
pub use openapi::{Document, document};
pub use problem::{Problem, refuse};

use self::{cors::Cors, edge::Edge};
use crate::{
    auth::{Authenticator, Quotas},
    config::Network,
    domain::{AppName, Clock},
    operations::Operations,
    services::Services,
    telemetry::Metrics,
};

/// What every handler may use. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// The use cases.
    pub services: Services,
    /// Bulk operations.
    pub operations: Operations,
    /// Finds out who calls.
    pub authenticator: Arc<Authenticator>,
    /// How much each app may do.
    pub quotas: Arc<Quotas>,
    /// What is counted.
    pub metrics: Metrics,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// How long calls may take.
    pub deadlines: Deadlines,
    /// From where callers come.
    pub access: Access,
    /// Knows what goes on without its caller, so that the process waits for it before it ends.
    pub changes: TaskTracker,
}

/// From where callers come.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Origins whose web pages may call from a browser.
    pub cors_origins: Vec<String>,
    /// Proxies that are believed about where a request comes from.
    pub trusted_proxies: Arc<[Network]>,
    /// Whether the public listener speaks TLS.
    pub tls: bool,
}

/// How long calls may take.
#[derive(Clone, Debug)]
pub struct Deadlines {
    /// A call that names no deadline.
    pub default: Duration,
    /// A power or session call that names none.
    pub action: Duration,
    /// The longest that may be asked for.
    pub max: Duration,
    /// The longest for apps that have less, whatever they ask for.
    pub of_apps: Arc<BTreeMap<AppName, Duration>>,
}

/// Reads a path's segments as names and a query as parameters; for the fuzz targets.
#[doc(hidden)]
pub fn read_target(path: &str, query: &str) {
    for segment in path.split('/') {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        let _ = extract::wildcard::<crate::domain::NameOrId>(&decoded);
    }
    v1::read_query(query);
}

/// The public listener's routes.
pub fn router(state: ApiState) -> Router {
    let v1 = Router::from(routes())
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(middleware::from_fn_with_state(state.clone(), idempotency::idempotency))
        .layer(middleware::from_fn_with_state(state.clone(), authenticate::authenticate));
    let mut routes = Router::new()
        .nest("/v1", v1)
        .merge(docs::router())
        .fallback(dropin::pass)
        .method_not_allowed_fallback(problem::no_method);
    if !state.access.cors_origins.is_empty() {
        let cors = Cors::new(&state.access.cors_origins);
        routes = routes.layer(middleware::from_fn_with_state(cors, cors::cors));
    }
    routes
        // The server's own limit holds for every body.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Edge::of(&state), edge::edge))
        .with_state(state)
}

/// The documented routes under `/v1`.
fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(openapi::base()).merge(v1::routes())
}
