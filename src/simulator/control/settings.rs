//! Settings and time.

use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::clock::{parse_duration_ms, rfc3339};
use super::super::settings::Settings;
use super::super::world::World;
use super::{Answer, Shared, done, either, read, refused};

pub(super) async fn show(State(inner): Shared) -> Answer {
    done(inner.with(|world| json!(world.settings)))
}

/// Changes the settings that are named and leaves the others.
pub(super) async fn change(State(inner): Shared, body: Bytes) -> Answer {
    either(inner.with(|world| {
        let given: Value = read(&body)?;
        let mut merged = json!(world.settings);
        let Value::Object(given) = given else {
            return Err(refused(StatusCode::BAD_REQUEST, "write an object of settings"));
        };
        for (name, value) in given {
            merged[name.as_str()] = value;
        }
        let settings: Settings = serde_path_to_error::deserialize(merged).map_err(|error| {
            refused(StatusCode::BAD_REQUEST, &format!("at {}: {}", error.path(), error.inner()))
        })?;
        if settings.default_limit == 0 || settings.max_limit == 0 {
            return Err(refused(StatusCode::BAD_REQUEST, "a page has at least one entry"));
        }
        world.settings = settings;
        Ok(done(json!(world.settings)))
    }))
}

pub(super) async fn time(State(inner): Shared) -> Answer {
    done(inner.with(|world| clock(world)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeChange {
    advance: Option<String>,
    frozen: Option<bool>,
}

pub(super) async fn advance(State(inner): Shared, body: Bytes) -> Answer {
    let changed = inner.with(|world| {
        let change: TimeChange = read(&body)?;
        if let Some(frozen) = change.frozen {
            world.clock.set_frozen(frozen);
        }
        if let Some(text) = change.advance {
            let ms =
                parse_duration_ms(&text).map_err(|why| refused(StatusCode::BAD_REQUEST, &why))?;
            world.clock.advance(ms);
            world.tick();
        }
        Ok(done(clock(world)))
    });
    either(changed)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    steps: Option<u32>,
}

/// Lets the next transitions happen whatever the clock says.
pub(super) async fn step(State(inner): Shared, body: Bytes) -> Answer {
    either(inner.with(|world| {
        let steps: Steps = read(&body)?;
        let limit = steps.steps.and_then(|steps| usize::try_from(steps).ok()).unwrap_or(MAX_STEPS);
        let done_now = world.step(limit.min(MAX_STEPS));
        Ok(done(json!({ "done": done_now, "pending": world.pending_events() })))
    }))
}

fn clock(world: &World) -> Value {
    json!({ "time": rfc3339(world.now()), "frozen": world.clock.is_frozen() })
}

const MAX_STEPS: usize = 1_000_000;
