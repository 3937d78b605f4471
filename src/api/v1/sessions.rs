use std::time::Duration;

use axum::{
    Json as JsonBody,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    machines::{ReasonBody, check_reason},
    paths::{SessionPath, SitePath},
};
use crate::{
    api::{
        ApiState,
        extract::{ActingCaller, Caller, Json, OptionalJson, Path, Query},
        list::{List, ListParams, json_utf8},
        openapi::{ActionProblems, ListProblems, ReadProblems},
        params::from_query,
        problem::{FieldError, Problem},
        views::{ItemView, ListView},
    },
    domain::{MessageStyle, ProblemCode, Session, SessionAction, SessionMessage},
    services::{LogoffOutcome, SessionFilter},
};

/// Which sessions.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionParams {
    /// Only sessions of users with this text in their name or user principal name.
    user: Option<String>,
    /// Only sessions in this state, such as `Active` or `Disconnected`; compared without case.
    state: Option<String>,
    /// Only sessions on the machine of this id, or with this text in its name.
    machine: Option<String>,
    /// Only sessions that have been disconnected for at least this long, such as `24h`.
    #[serde(deserialize_with = "span")]
    #[param(value_type = Option<String>)]
    disconnected_for: Option<Duration>,
}

from_query!(SessionParams);

/// A message for the user of a session.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageBody {
    /// Title of the message box.
    #[schema(min_length = 1, max_length = 256, example = "Please save your work")]
    title: String,
    /// What it says.
    #[schema(min_length = 1, max_length = 4096, example = "This desktop restarts in 15 minutes.")]
    text: String,
    /// Its icon.
    #[serde(default)]
    style: MessageStyle,
    /// Why; kept with the record of the action.
    #[serde(default)]
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// What became of an action on a session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionOutcomeView {
    /// `done`, or `accepted` when Citrix is still at it.
    #[schema(value_type = String, example = "done")]
    outcome: &'static str,
}

/// Lists sessions of every customer and site that the caller may see.
///
/// Short for `/v1/customers/-/sites/-/sessions`.
#[utoipa::path(
    get,
    path = "/sessions",
    tag = "sessions",
    params(ListParams, SessionParams),
    responses((status = 200, description = "Sessions, and what became of each source", body = ListView<ItemView<Session>>), ListProblems),
)]
pub(crate) async fn list_all_sessions(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    list: List<SessionParams>,
) -> Result<Response, Problem> {
    let scope = list.scope("-", None)?;
    let filter = list.filter.clone().into();
    let listing = api.services.sessions.list(&ctx, scope, filter, list.paging())?;
    list.answer(listing).await
}

/// Lists the sessions of a site.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}/sessions",
    tag = "sessions",
    params(SitePath, ListParams, SessionParams),
    responses((status = 200, description = "Sessions, and what became of each source", body = ListView<ItemView<Session>>), ListProblems),
)]
pub(crate) async fn list_sessions(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<SitePath>,
    list: List<SessionParams>,
) -> Result<Response, Problem> {
    let scope = list.scope(&path.customer, Some(&path.site))?;
    let filter = list.filter.clone().into();
    let listing = api.services.sessions.list(&ctx, scope, filter, list.paging())?;
    list.answer(listing).await
}

/// Shows one session.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}/sessions/{session}",
    tag = "sessions",
    params(SessionPath),
    responses((status = 200, description = "The session", body = ItemView<Session>), ReadProblems),
)]
pub(crate) async fn show_session(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<SessionPath>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let (customer, site, session) = path.parse()?;
    let found = api.services.sessions.get(&ctx, customer, &site, &session).await?;
    Ok(json_utf8(JsonBody(ItemView::from(found)).into_response()))
}

/// Logs a session off.
///
/// Citrix ends sessions in the background: 200 means that the session is gone, 202 that Citrix
/// took the request and the session is still there; read it again until it is 404.
#[utoipa::path(
    post,
    path = "/customers/{customer}/sites/{site}/sessions/{session}/actions/logoff",
    tag = "sessions",
    params(SessionPath),
    request_body(content = Option<ReasonBody>, description = "May be left out."),
    responses(
        (status = 200, description = "The session is gone", body = SessionOutcomeView),
        (status = 202, description = "The session is going", body = SessionOutcomeView),
        ActionProblems,
    ),
)]
pub(crate) async fn logoff_session(
    ActingCaller(ctx): ActingCaller,
    State(api): State<ApiState>,
    Path(path): Path<SessionPath>,
    Query(()): Query<()>,
    OptionalJson(body): OptionalJson<ReasonBody>,
) -> Result<Response, Problem> {
    check_reason(body.reason.as_deref())?;
    let (customer, site, session) = path.parse()?;
    let (status, outcome) =
        match api.services.sessions.log_off(&ctx, customer, &site, &session).await? {
            LogoffOutcome::Gone => (StatusCode::OK, "done"),
            LogoffOutcome::Going => (StatusCode::ACCEPTED, "accepted"),
        };
    Ok(json_utf8((status, JsonBody(SessionOutcomeView { outcome })).into_response()))
}

/// Declares the handler of an action on a session; they differ in name, path and words only.
macro_rules! session_handler {
    ($(#[$doc:meta])* $name:ident, $path:literal, $action:ident) => {
        $(#[$doc])*
        #[utoipa::path(
            post,
            path = $path,
            tag = "sessions",
            params(SessionPath),
            request_body(content = Option<ReasonBody>, description = "May be left out."),
            responses((status = 200, description = "Done", body = SessionOutcomeView), ActionProblems),
        )]
        pub(crate) async fn $name(
            ActingCaller(ctx): ActingCaller,
            State(api): State<ApiState>,
            Path(path): Path<SessionPath>,
            Query(()): Query<()>,
            OptionalJson(body): OptionalJson<ReasonBody>,
        ) -> Result<Response, Problem> {
            check_reason(body.reason.as_deref())?;
            let (customer, site, session) = path.parse()?;
            let action = SessionAction::$action;
            api.services.sessions.act(&ctx, customer, &site, &session, action).await?;
            Ok(json_utf8(JsonBody(SessionOutcomeView { outcome: "done" }).into_response()))
        }
    };
}

session_handler! {
    /// Disconnects a session: it goes on without its user, who can come back to it.
    disconnect_session, "/customers/{customer}/sites/{site}/sessions/{session}/actions/disconnect", Disconnect
}
session_handler! {
    /// Hides a session, so that its user gets a new one at the next launch.
    hide_session, "/customers/{customer}/sites/{site}/sessions/{session}/actions/hide", Hide
}
session_handler! {
    /// Makes a hidden session visible again.
    unhide_session, "/customers/{customer}/sites/{site}/sessions/{session}/actions/unhide", Unhide
}

/// Shows a message box to the user of a session.
#[utoipa::path(
    post,
    path = "/customers/{customer}/sites/{site}/sessions/{session}/actions/send-message",
    tag = "sessions",
    params(SessionPath),
    request_body = MessageBody,
    responses((status = 200, description = "Citrix took the message", body = SessionOutcomeView), ActionProblems),
)]
pub(crate) async fn send_session_message(
    ActingCaller(ctx): ActingCaller,
    State(api): State<ApiState>,
    Path(path): Path<SessionPath>,
    Query(()): Query<()>,
    Json(body): Json<MessageBody>,
) -> Result<Response, Problem> {
    let (customer, site, session) = path.parse()?;
    let message = body.check()?;
    api.services.sessions.send_message(&ctx, customer, &site, &session, message).await?;
    Ok(json_utf8(JsonBody(SessionOutcomeView { outcome: "done" }).into_response()))
}

impl MessageBody {
    fn check(self) -> Result<SessionMessage, Problem> {
        check_reason(self.reason.as_deref())?;
        let errors: Vec<_> = [("title", &self.title, 256), ("text", &self.text, 4096)]
            .into_iter()
            .filter(|(_, text, max)| text.trim().is_empty() || text.chars().count() > *max)
            .map(|(name, _, max)| FieldError {
                pointer: format!("/{name}"),
                detail: format!("{name} must have 1 to {max} characters"),
            })
            .collect();
        if !errors.is_empty() {
            return Err(Problem::invalid(ProblemCode::InvalidRequest, errors));
        }
        Ok(SessionMessage { title: self.title, text: self.text, style: self.style })
    }
}

impl From<SessionParams> for SessionFilter {
    fn from(params: SessionParams) -> Self {
        let SessionParams { user, state, machine, disconnected_for } = params;
        Self { user, state, machine, disconnected_for }
    }
}

/// A span of time such as `24h` or `1h 30m`.
pub(super) fn span<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|span| Duration::try_from(span).ok())
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("write a span of time such as \"24h\" or \"30m\""))
}
