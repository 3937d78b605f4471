//! Fault rules.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};

use super::super::faults::FaultRule;
use super::super::world::World;
use super::{Answer, Shared, done, read, refused};

pub(super) async fn list(State(inner): Shared) -> Answer {
    done(inner.with(|world| json!({ "faults": shown(world) })))
}

pub(super) async fn add(State(inner): Shared, body: Bytes) -> Answer {
    let rule: FaultRule = match read(&body) {
        Ok(rule) => rule,
        Err(answer) => return answer,
    };
    match inner.with(|world| world.faults.add(rule)) {
        Ok(id) => (StatusCode::CREATED, axum::Json(json!({ "id": id }))),
        Err(why) => refused(StatusCode::BAD_REQUEST, &why),
    }
}

pub(super) async fn clear(State(inner): Shared) -> Answer {
    inner.with(|world| world.faults.clear());
    done(json!({ "faults": [] }))
}

pub(super) async fn remove(State(inner): Shared, Path(id): Path<u64>) -> Answer {
    if inner.with(|world| world.faults.remove(id)) {
        done(json!({ "removed": id }))
    } else {
        refused(StatusCode::NOT_FOUND, &format!("there is no fault {id}"))
    }
}

/// The rules with their ids; `times` is what is left of it.
pub(super) fn shown(world: &World) -> Value {
    world.faults.rules().iter().map(|(id, rule)| json!({ "id": id, "rule": rule })).collect()
}
