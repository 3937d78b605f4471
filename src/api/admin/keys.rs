//! The API keys of the apps, and which of them are in use.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;

use super::AdminState;
use crate::{
    api::{
        extract::{Caller, Query},
        list::json_utf8,
        problem::Problem,
    },
    auth::{KeyUse, KeyUses},
};

#[derive(Debug, Serialize)]
struct KeysView {
    since: Timestamp,
    items: Vec<KeyView>,
}

/// What may be known of a key: neither its secret nor what the configuration keeps of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    app: String,
    key_id: String,
    expires: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

/// Every key of the configuration and when this process last accepted it.
pub(super) async fn list(
    Caller(ctx): Caller,
    State(AdminState { api, .. }): State<AdminState>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    api.services.administration.authorize_process(&ctx)?;
    let view = KeysView::from(api.authenticator.key_uses());
    Ok(json_utf8(Json(view).into_response()))
}

impl From<KeyUses> for KeysView {
    fn from(uses: KeyUses) -> Self {
        Self { since: uses.since, items: uses.keys.into_iter().map(KeyView::from).collect() }
    }
}

impl From<KeyUse> for KeyView {
    fn from(used: KeyUse) -> Self {
        let KeyUse { app, key_id, expires, last_used } = used;
        Self { app: app.to_string(), key_id, expires, last_used_at: last_used }
    }
}
