use axum::{
    Json as JsonBody,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{machines::reason, paths::SessionPath};
use crate::{
    api::{
        ApiState,
        extract::{ActingCaller, OptionalJson, Path, Query},
        list::json_utf8,
        openapi::ActionProblems,
        problem::Problem,
        views::{ItemView, millis},
    },
    domain::Session,
    services::{Recovery, RecoveryAction, RecoveryOutcome, RecoveryStep, StepStatus},
};

/// How far to go to get a user out of a session; everything may be left out.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RecoverBody {
    /// Restart the machine when nothing else helps, nobody else uses it and the caller may.
    allow_restart: bool,
    /// Why; kept with the record of the action.
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// What was tried, and where it led.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecoveryView {
    /// Where it led: `gone`, `hidden` (its user gets a new one), `restarting`, `still-there`
    /// (nothing helped), or `unfinished` (the time was over; what was asked may still take effect).
    outcome: RecoveryOutcome,
    /// What was tried, in that order.
    steps: Vec<RecoveryStepView>,
    /// The session as it was before.
    session: ItemView<Session>,
}

/// One thing that was tried.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecoveryStepView {
    /// `logoff`, `wait` (until it is gone), `disconnect`, `hide` or `restart`.
    action: RecoveryAction,
    /// `done`, `failed` or `skipped`. `done` means that Citrix took it; of `wait`, that the session
    /// is gone.
    status: StepStatus,
    /// What there is to say about it, such as why it was skipped.
    detail: Option<String>,
    /// Name of the problem that it failed with.
    code: Option<&'static str>,
    /// When it began.
    began_at: Timestamp,
    /// How long it took, in milliseconds.
    duration_ms: u64,
}

/// Gets a user out of a session that is stuck.
///
/// One means after another, until one helps: logs the session off and waits until it is gone;
/// disconnects it and logs it off again; hides it where others use the machine too, so that its user
/// gets a new one; restarts the machine. A restart needs `"allowRestart": true`, the action `power`, a
/// machine for one session whose power Citrix manages, and nobody else on it.
///
/// Every step is in the answer. 200 means that everything was tried that was needed or allowed:
/// `outcome` says whether it helped. 202 means that the time was over before; ask for more with
/// `Cwsgate-Deadline-Ms`, or look at the session again.
#[utoipa::path(
    post,
    path = "/customers/{customer}/sites/{site}/sessions/{session}/actions/recover",
    tag = "sessions",
    params(SessionPath),
    request_body(content = Option<RecoverBody>, description = "May be left out."),
    responses(
        (status = 200, description = "What was tried, and where it led", body = RecoveryView),
        (status = 202, description = "What was tried until the time was over", body = RecoveryView),
        ActionProblems,
    ),
)]
pub(crate) async fn recover_session(
    ActingCaller(mut ctx): ActingCaller,
    State(api): State<ApiState>,
    Path(path): Path<SessionPath>,
    Query(()): Query<()>,
    OptionalJson(body): OptionalJson<RecoverBody>,
) -> Result<Response, Problem> {
    ctx.reason = reason(body.reason.as_deref())?;
    let (customer, site, session) = path.parse()?;
    let recoveries = &api.services.recoveries;
    let recovery = recoveries.recover(&ctx, customer, &site, &session, body.allow_restart).await?;
    let status = match recovery.outcome {
        RecoveryOutcome::Unfinished => StatusCode::ACCEPTED,
        RecoveryOutcome::Gone
        | RecoveryOutcome::Hidden
        | RecoveryOutcome::Restarting
        | RecoveryOutcome::StillThere => StatusCode::OK,
    };
    Ok(json_utf8((status, JsonBody(RecoveryView::from(recovery))).into_response()))
}

impl From<Recovery> for RecoveryView {
    fn from(Recovery { session, outcome, steps }: Recovery) -> Self {
        let steps = steps.into_iter().map(RecoveryStepView::from).collect();
        Self { outcome, steps, session: session.into() }
    }
}

impl From<RecoveryStep> for RecoveryStepView {
    fn from(step: RecoveryStep) -> Self {
        let RecoveryStep { action, status, detail, error, began, duration } = step;
        Self {
            action,
            status,
            detail,
            code: error.map(|error| error.code().as_str()),
            began_at: began,
            duration_ms: millis(duration),
        }
    }
}
