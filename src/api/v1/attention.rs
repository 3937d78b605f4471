use std::time::Duration;

use axum::{extract::State, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::sessions::span;
use crate::{
    api::{
        ApiState,
        extract::Caller,
        list::{List, ListParams},
        openapi::ListProblems,
        params::from_query,
        problem::Problem,
        views::{ItemView, ListView},
    },
    domain::{Attention, AttentionKind},
    services::AttentionFilter,
};

/// What is worth somebody's time.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct AttentionParams {
    /// Only these kinds, such as `unregistered`; may be repeated.
    kind: Vec<AttentionKind>,
    /// How long a session must have been disconnected, such as `8h`; 24 hours by default.
    #[serde(deserialize_with = "span")]
    #[param(value_type = Option<String>)]
    disconnected_for: Option<Duration>,
}

from_query!(AttentionParams);

/// Lists what needs somebody now: the morning round over every customer and site that the caller
/// may see.
///
/// Machines that have lost Citrix, hang while they start, have another fault, or were left in
/// maintenance mode; and sessions whose users left them long ago. Each item says since when, what is
/// known and what to do; its `self` is the path of the machine or session, for looking at it and for
/// acting on it. A machine is listed once, with the worst that is the matter with it.
#[utoipa::path(
    get,
    path = "/attention",
    tag = "machines",
    params(ListParams, AttentionParams),
    responses((status = 200, description = "What needs somebody, and what became of each source", body = ListView<ItemView<Attention>>), ListProblems),
)]
pub(crate) async fn list_attention(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    list: List<AttentionParams>,
) -> Result<Response, Problem> {
    let scope = list.scope("-", None)?;
    let filter = AttentionFilter {
        kinds: list.filter.kind.clone(),
        disconnected_for: list.filter.disconnected_for.unwrap_or(LONG_GONE),
    };
    let listing = api.services.attentions.list(&ctx, scope, filter, list.paging())?;
    list.answer(listing).await
}

/// A night and the working day before it.
const LONG_GONE: Duration = Duration::from_hours(24);
