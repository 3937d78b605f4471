use axum::{extract::State, response::Response};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::{
        ApiState,
        extract::Caller,
        list::{List, ListParams},
        openapi::AuditProblems,
        params::from_query,
        problem::Problem,
        views::ListView,
    },
    audit::{Entry, Filter},
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
    /// Only this action, such as `reboot`, `set-maintenance`, `logoff` or `power-off`.
    action: Option<String>,
    /// Only changes by this app.
    app: Option<String>,
    /// Only entries with this outcome: `succeeded`, `failed`, `unknown` or `pending`.
    outcome: Option<String>,
    /// Only entries of this bulk operation.
    operation: Option<String>,
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
        let filter = Filter { machine, user, action, app, outcome, since, until, operation };
        Self { filter, store }
    }
}
