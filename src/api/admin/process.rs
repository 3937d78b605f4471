//! What is about the process: its configuration and its end.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout_at;

use super::{AdminState, Attempt, ReloadState, Trigger};
use crate::{
    api::{
        extract::{Caller, Query},
        list::json_utf8,
        problem::Problem,
    },
    config::Finding,
    domain::ProblemCode,
};

/// The configuration in force and the last attempt to replace it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReloadView<'a> {
    generation: u64,
    since: Timestamp,
    needs_restart: &'a [&'static str],
    last: AttemptView<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptView<'a> {
    at: Timestamp,
    trigger: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    findings: &'a [Finding],
}

/// Shows which configuration is in force and how the last reload went.
pub(super) async fn show_reload(
    Caller(ctx): Caller,
    State(AdminState { api, control }): State<AdminState>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    api.services.administration.authorize_process(&ctx)?;
    Ok(shown(&control.reload_state()))
}

/// Reads the configuration again and says what came of it.
pub(super) async fn reload(
    Caller(ctx): Caller,
    State(AdminState { api, control }): State<AdminState>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    api.services.administration.authorize_process(&ctx)?;
    match timeout_at(ctx.deadline, control.reload(Trigger::Admin)).await {
        Ok(Some(state)) => Ok(shown(&state)),
        Ok(None) => {
            let detail = "the configuration of this gateway does not come from a file";
            Err(Problem::new(ProblemCode::InvalidRequest, detail))
        }
        Err(_) => {
            let detail =
                "the configuration is still being read; GET /admin/v1/reload shows the end";
            Err(Problem::new(ProblemCode::DeadlineExceeded, detail))
        }
    }
}

/// Begins the drain, as SIGTERM does: the process ends when it is done.
pub(super) async fn drain(
    Caller(ctx): Caller,
    State(AdminState { api, control }): State<AdminState>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    api.services.administration.authorize_process(&ctx)?;
    tracing::info!(cwsgate.app = ctx.principal.app.as_str(), "an operator asked for the drain");
    control.drain().cancel();
    let answer = (StatusCode::ACCEPTED, Json(json!({ "status": "draining" })));
    Ok(json_utf8(answer.into_response()))
}

fn shown(state: &ReloadState) -> Response {
    json_utf8(Json(ReloadView::from(state)).into_response())
}

impl<'a> From<&'a ReloadState> for ReloadView<'a> {
    fn from(state: &'a ReloadState) -> Self {
        Self {
            generation: state.generation,
            since: state.since,
            needs_restart: &state.needs_restart,
            last: AttemptView::from(&state.last),
        }
    }
}

impl<'a> From<&'a Attempt> for AttemptView<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        Self {
            at: attempt.at,
            trigger: attempt.trigger.as_str(),
            outcome: if attempt.failure.is_none() { "applied" } else { "failed" },
            failure: attempt.failure.as_deref(),
            findings: &attempt.findings,
        }
    }
}
