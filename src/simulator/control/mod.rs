//! The control API: what a test or a curious person tells the simulator.
//!
//! It has its own listener and is on no region's; [`INDEX`] describes it and is served at
//! `GET /_sim`. Browsers are kept out: a request with an `Origin` is refused.

mod customers;
mod faults;
mod machines;
mod settings;
mod state;
mod store_state;
mod stores;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Inner;
use super::http::mark;

/// An answer: a status and JSON.
type Answer = (StatusCode, axum::Json<Value>);

/// Every route of the control API.
pub(super) fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/_sim", get(index))
        .route("/_sim/state", get(state::state))
        .route("/_sim/requests", get(state::requests))
        .route("/_sim/counters", get(state::counters))
        .route("/_sim/reset", post(state::reset))
        .route("/_sim/regions/{region}", put(state::region))
        .route("/_sim/faults", get(faults::list).post(faults::add).delete(faults::clear))
        .route("/_sim/faults/{id}", delete(faults::remove))
        .route("/_sim/settings", get(settings::show).put(settings::change))
        .route("/_sim/time", get(settings::time).post(settings::advance))
        .route("/_sim/transitions", post(settings::step))
        .route("/_sim/customers/{customer}", get(customers::show).put(customers::change))
        .route("/_sim/stores", get(stores::list))
        .route("/_sim/stores/{store}", get(stores::show).patch(stores::change))
        .route(
            "/_sim/stores/{store}/users/{user}",
            get(stores::show_user).patch(stores::change_user),
        )
        .route(
            "/_sim/stores/{store}/resources/{resource}",
            get(stores::show_resource).patch(stores::change_resource),
        )
        .route("/_sim/machines/{customer}", get(machines::list))
        .route("/_sim/machines/{customer}/{machine}", get(machines::show).patch(machines::change))
        .route("/_sim/machines/{customer}/{machine}/sessions", post(machines::add_session))
        .route("/_sim/sessions/{id}", patch(machines::change_session).delete(machines::end_session))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(guard))
        .with_state(inner)
}

async fn index() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], INDEX).into_response()
}

async fn nowhere() -> Answer {
    refused(StatusCode::NOT_FOUND, "there is no such control; GET /_sim lists them")
}

/// Marks every answer, and lets no web page in.
async fn guard(request: Request, next: Next) -> Response<Body> {
    let mut response = if request.headers().contains_key(header::ORIGIN) {
        refused(StatusCode::FORBIDDEN, "the control API is not for web pages").into_response()
    } else {
        next.run(request).await
    };
    mark(&mut response);
    response
}

/// Reads a JSON body whatever its content type; an empty one is `{}`.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        refused(StatusCode::BAD_REQUEST, &format!("at {}: {}", error.path(), error.inner()))
    })
}

fn done(value: Value) -> Answer {
    (StatusCode::OK, axum::Json(value))
}

fn refused(status: StatusCode, why: &str) -> Answer {
    (status, axum::Json(json!({ "error": why })))
}

fn no_customer(name: &str) -> Answer {
    refused(StatusCode::NOT_FOUND, &format!("there is no customer `{name}`"))
}

/// Turns a result whose two sides are answers into an answer.
fn either(result: Result<Answer, Answer>) -> Answer {
    result.unwrap_or_else(|answer| answer)
}

type Shared = State<Arc<Inner>>;

const MAX_BODY: usize = 1024 * 1024;

/// The description of the control API.
pub(super) const INDEX: &str = include_str!("index.txt");
