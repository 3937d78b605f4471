//! Customers: rotate a secret, freeze a site, revoke tokens.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::super::scenario::Secret;
use super::super::world::Credential;
use super::{Answer, Shared, done, either, no_customer, read, refused, state};

pub(super) async fn show(State(inner): Shared, Path(name): Path<String>) -> Answer {
    inner.with(|world| state::named(world, &name))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CustomerChange {
    client_secret: Option<Secret>,
    /// Whose secret; the customer's first client when absent.
    client_id: Option<String>,
    frozen: Option<bool>,
    #[serde(default)]
    revoke_tokens: bool,
}

pub(super) async fn change(State(inner): Shared, Path(name): Path<String>, body: Bytes) -> Answer {
    either(inner.with(|world| {
        let change: CustomerChange = read(&body)?;
        let at = world.customer_index(&name).ok_or_else(|| no_customer(&name))?;
        let customer = &mut world.customers[at];
        if let Some(secret) = change.client_secret {
            let wanted = |known: &&mut Credential| {
                change.client_id.as_ref().is_none_or(|id| id.eq_ignore_ascii_case(&known.client_id))
            };
            let credential = customer.credentials.iter_mut().find(wanted).ok_or_else(|| {
                refused(StatusCode::NOT_FOUND, "the customer has no such API client")
            })?;
            credential.secret = secret;
        }
        if let Some(frozen) = change.frozen {
            customer.frozen = frozen;
        }
        let revoked = if change.revoke_tokens { world.revoke_tokens(at) } else { 0 };
        Ok(done(json!({ "revokedTokens": revoked, "customer": state::customer(world, at) })))
    }))
}
