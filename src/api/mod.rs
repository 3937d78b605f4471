//! HTTP in: routes, what a request must look like, and how answers and refusals look.
//!
//! Handlers are thin: extract, call one use case of `services`, convert. Everything under `/v1`
//! passes [`authenticate`] before its body is read, so that a route cannot be forgotten;
//! everything at all passes [`edge`], which gives each answer its request id, turns every
//! refusal into a problem document (RFC 9457) and writes the one access line.

mod authenticate;
mod docs;
mod dropin;
mod edge;
mod extract;
mod format;
mod headers;
mod list;
mod openapi;
mod params;
mod probes;
mod problem;
mod v1;
mod views;

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::DefaultBodyLimit, middleware};
use utoipa_axum::router::OpenApiRouter;

pub use openapi::{Document, document};
pub use probes::{Lifecycle, probes};
pub use problem::{Problem, refuse};

use crate::{
    auth::Authenticator, domain::Clock, operations::Operations, services::Services,
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
    /// What is counted.
    pub metrics: Metrics,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// How long calls may take.
    pub deadlines: Deadlines,
}

/// How long calls may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// A call that names no deadline.
    pub default: Duration,
    /// A power or session call that names none.
    pub action: Duration,
    /// The longest that may be asked for.
    pub max: Duration,
}

/// The public listener's routes.
pub fn router(state: ApiState) -> Router {
    let (v1, document) = routes().split_for_parts();
    let v1 = v1
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(middleware::from_fn_with_state(state.clone(), authenticate::authenticate));
    Router::new()
        .nest("/v1", v1)
        .merge(docs::router(document))
        .merge(dropin::routes())
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        // The server's own limit holds for every body.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(state.metrics.clone(), edge::edge))
        .with_state(state)
}

/// The documented routes under `/v1`.
fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(openapi::base()).merge(v1::routes())
}
