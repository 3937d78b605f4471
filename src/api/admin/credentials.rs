//! What is about one credential: of a customer, or of a store.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::AdminState;
use crate::{
    api::{
        extract::{Caller, Path, Query},
        list::json_utf8,
        problem::Problem,
    },
    services::{CredentialCheck, CredentialDetail, StoreCredentialDetail, TokenState, TokenStatus},
};

/// What is known of the token of a customer or a store. The token is shown to nobody.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenView {
    #[serde(flatten)]
    owner: OwnerView,
    state: &'static str,
    expires: Option<Timestamp>,
    quarantined_since: Option<Timestamp>,
    last_error: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum OwnerView {
    Customer { customer: String, customer_id: String, region: Option<String> },
    Store { store: String },
}

/// What came of trying a credential.
#[derive(Debug, Serialize)]
struct CheckView {
    customer: String,
    ok: bool,
    steps: Vec<StepView>,
}

#[derive(Debug, Serialize)]
struct StepView {
    name: &'static str,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// The states of the tokens of every customer and store that the caller may administer.
pub(super) async fn list(
    Caller(ctx): Caller,
    State(AdminState { api, .. }): State<AdminState>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let administration = &api.services.administration;
    let customers = administration.credentials(&ctx)?.into_iter().map(TokenView::from);
    let stores = administration.store_credentials(&ctx).into_iter().map(TokenView::from);
    let items: Vec<_> = customers.chain(stores).collect();
    Ok(json_utf8(Json(json!({ "items": items })).into_response()))
}

/// Lifts the quarantine of a customer's credential, so that the next call asks for a token.
pub(super) async fn release(
    Caller(ctx): Caller,
    State(AdminState { api, .. }): State<AdminState>,
    Path(customer): Path<String>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let released = api.services.administration.release(&ctx, &customer)?;
    Ok(json_utf8(Json(TokenView::from(released)).into_response()))
}

/// Lifts the quarantine of a store's service account, so that the next call signs in.
pub(super) async fn release_store(
    Caller(ctx): Caller,
    State(AdminState { api, .. }): State<AdminState>,
    Path(store): Path<String>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let released = api.services.administration.release_store(&ctx, &store)?;
    Ok(json_utf8(Json(TokenView::from(released)).into_response()))
}

/// Asks Citrix for a token with each secret of a customer, and who that is.
pub(super) async fn test(
    Caller(ctx): Caller,
    State(AdminState { api, .. }): State<AdminState>,
    Path(customer): Path<String>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let check = api.services.administration.test(&ctx, &customer).await?;
    Ok(json_utf8(Json(CheckView::from(check)).into_response()))
}

impl TokenView {
    fn new(owner: OwnerView, status: Option<TokenStatus>) -> Self {
        let state = status.as_ref().map(|status| status.state).map(TokenState::as_str);
        Self {
            owner,
            state: state.unwrap_or("misconfigured"),
            expires: status.as_ref().and_then(|status| status.expires),
            quarantined_since: status.as_ref().and_then(|status| status.quarantined_since),
            last_error: status.and_then(|status| status.last_error_reason),
        }
    }
}

impl From<CredentialDetail> for TokenView {
    fn from(CredentialDetail { account, status }: CredentialDetail) -> Self {
        let owner = OwnerView::Customer {
            customer: account.name().to_string(),
            customer_id: account.id().to_owned(),
            region: account.region().map(ToString::to_string),
        };
        Self::new(owner, status)
    }
}

impl From<StoreCredentialDetail> for TokenView {
    fn from(StoreCredentialDetail { store, status }: StoreCredentialDetail) -> Self {
        Self::new(OwnerView::Store { store: store.to_string() }, Some(status))
    }
}

impl From<CredentialCheck> for CheckView {
    fn from(check: CredentialCheck) -> Self {
        let step = |step: crate::services::Step| match step.outcome {
            Ok(detail) => StepView { name: step.name, ok: true, detail, fix: None },
            Err(trouble) => StepView {
                name: step.name,
                ok: false,
                detail: trouble.detail,
                fix: Some(trouble.fix),
            },
        };
        Self {
            ok: check.is_well(),
            customer: check.customer.to_string(),
            steps: check.steps.into_iter().map(step).collect(),
        }
    }
}
