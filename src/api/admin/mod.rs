//! The admin listener: probes for whoever runs the gateway, its numbers, and the admin API.
//!
//! `/admin/v1` needs a caller with the action `admin`: on one customer or store for what is about
//! that one, on all customers for what is about the process. It is not part of the OpenAPI document,
//! which describes the public listener; `docs/administration.md` describes it.

mod control;
mod credentials;
mod guards;
mod keys;
mod probes;
mod process;

use axum::{
    Router, middleware,
    routing::{get, post},
};

pub use control::{Ask, Attempt, Control, ReloadState, Trigger};
pub use probes::Lifecycle;

use super::{
    ApiState, authenticate,
    edge::{self, Edge},
    problem,
};

/// What the handlers of the admin API may use.
#[derive(Clone, Debug)]
pub(super) struct AdminState {
    api: ApiState,
    control: Control,
}

/// The admin listener's routes.
pub fn admin(state: ApiState, lifecycle: Lifecycle, control: Control) -> Router {
    let probes = probes::routes(lifecycle, state.metrics.clone());
    let authenticate = middleware::from_fn_with_state(state.clone(), authenticate::authenticate);
    let edge = middleware::from_fn_with_state(Edge::of(&state), edge::edge);
    let admin = Router::new()
        .route("/tokens", get(credentials::list))
        .route("/customers/{customer}/actions/release-credential", post(credentials::release))
        .route("/customers/{customer}/actions/test-credential", post(credentials::test))
        .route("/stores/{store}/actions/release-credential", post(credentials::release_store))
        .route("/keys", get(keys::list))
        .route("/breakers", get(guards::show))
        .route("/reload", get(process::show_reload))
        .route("/actions/reload", post(process::reload))
        .route("/actions/drain", post(process::drain))
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(authenticate)
        .layer(edge)
        .with_state(AdminState { api: state, control });
    probes.nest("/admin/v1", admin)
}
