use axum::{extract::State, response::Response};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    api::{
        ApiState,
        extract::Caller,
        list::{List, ListParams},
        openapi::AuditProblems,
        params::{from_query, suggestion},
        problem::Problem,
        views::ListView,
    },
    audit::{Entry, Filter, OUTCOMES},
    services::AuditQuery,
};

/// Which entries.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParams {
    /// Only entries of this store.
    store: Option<String>,
    /// Only entries of this machine, by id, by name, or by name without its domain; compared
    /// without case.
    machine: Option<String>,
    /// Only changes by this person: whom the caller's token named, or whom the app said it acted
    /// for; compared without case.
    user: Option<String>,
    /// Only this action, such as `reboot`, `set-maintenance`, `logoff`, `power-off` or `cancel`;
    /// compared without case.
    action: Option<String>,
    /// Only changes by this app; compared without case.
    app: Option<String>,
    /// Only entries with this outcome: `succeeded`, `failed`, `unknown` or `pending`; compared
    /// without case.
    #[serde(deserialize_with = "outcome")]
    outcome: Option<String>,
    /// Only entries of this bulk operation, by its id.
    #[serde(deserialize_with = "operation_id")]
    operation: Option<Uuid>,
    /// Only entries from this time on, such as `2026-05-01T00:00:00Z`.
    since: Option<Timestamp>,
    /// Only entries before this time.
    until: Option<Timestamp>,
}

from_query!(AuditParams);

/// Lists who changed what, newest first.
///
/// Every change that this gateway was asked for is recorded before Citrix is asked, and its
/// outcome when Citrix has answered. An entry whose outcome is `unknown` is about a change that may
/// have happened. `Accept: application/x-ndjson` exports everything that matches, whatever
/// `pageSize` says.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "audit",
    operation_id = "list_audit_entries",
    params(ListParams, AuditParams),
    responses((status = 200, description = "Entries, newest first", body = ListView<Entry>), AuditProblems),
)]
pub(crate) async fn list_audit_entries(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    list: List<AuditParams>,
) -> Result<Response, Problem> {
    let scope = list.scope("-", None)?;
    let query = AuditQuery::from(list.filter.clone());
    let trail = &api.services.audit;
    if list.is_streamed() {
        let entries = trail.all(&ctx, &scope, query, &list.paging())?;
        return list.answer_stream(entries).await;
    }
    let (entries, next) = trail.page(&ctx, &scope, &query, &list.paging()).await?;
    list.answer_known(entries, next)
}

impl From<AuditParams> for AuditQuery {
    fn from(params: AuditParams) -> Self {
        let AuditParams { store, machine, user, action, app, outcome, operation, since, until } =
            params;
        let operation = operation.map(|id| id.to_string());
        let filter = Filter { machine, user, action, app, outcome, since, until, operation };
        Self { filter, store }
    }
}

fn outcome<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let word = String::deserialize(deserializer)?.to_ascii_lowercase();
    if OUTCOMES.contains(&word.as_str()) {
        return Ok(Some(word));
    }
    let near = suggestion(&word, OUTCOMES.into_iter());
    let words = OUTCOMES.join(", ");
    Err(serde::de::Error::custom(format!("it must be one of {words}{near}")))
}

fn operation_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = "write the id of an operation, such as 01981d4c-93a1-7cc5-8b4e-2f6f8a8f1f0e";
    Uuid::parse_str(&text).map(Some).map_err(|_| serde::de::Error::custom(wrong))
}
