//! The token service in its two forms.
//!
//! Sources: "Get started with Citrix Cloud APIs" (OAuth2 form) and the older "Authenticate API
//! client" page (trust form), both on Citrix's developer documentation.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::json;

use super::errors;
use super::http::{Reply, Request, form_pairs};
use super::world::World;

/// `POST /cctrustoauth2/{root or customer}/tokens/clients`
pub(super) fn oauth2(world: &mut World, request: &Request) -> Reply {
    let kind = request.content_type();
    let strict = world.settings.strict_token_content_type;
    let is_form = match kind.as_deref() {
        Some(FORM) => true,
        Some(other) => !strict && other.starts_with(FORM),
        None => false,
    };
    if !is_form {
        let text = "Content-Type must be application/x-www-form-urlencoded.";
        return errors::oauth(400, "invalid_request", text);
    }
    let form = form_pairs(&String::from_utf8_lossy(&request.body));
    let field =
        |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match field("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return errors::oauth(400, "unsupported_grant_type", "Unsupported grant type."),
        None => return errors::oauth(400, "invalid_request", "Missing grant_type."),
    }
    let (Some(id), Some(secret)) = (field("client_id"), field("client_secret")) else {
        return invalid_client();
    };
    let Some(token) = world.issue(id, secret, request.region) else { return invalid_client() };
    let lifetime = world.settings.token_lifetime_seconds.to_string();
    let expires = world.settings.token_expires_in.clone().unwrap_or_else(|| json!(lifetime));
    // The template of the real service leaves white space around the object.
    let mut body = String::from("\r\n\r\n        ");
    // Writing to a string cannot fail.
    let _ = write!(
        body,
        "{{\r\n  \"token_type\": \"bearer\",\r\n  \"access_token\": \"{token}\",\r\n  \"expires_in\": {expires}\r\n}}\r\n    \r\n"
    );
    issued(&world.regions[request.region].name).typed("application/json", body)
}

/// `POST /{root or customer}/tokens/clients`
pub(super) fn trust(world: &mut World, request: &Request) -> Reply {
    let is_json = request.content_type().is_some_and(|kind| kind.starts_with("application/json"));
    if !is_json {
        return errors::management(415, "Unsupported media type").platform();
    }
    let Ok(given) = serde_json::from_slice::<TrustRequest>(&request.body) else {
        return errors::oauth(400, "invalid_request", "The request body is not valid.");
    };
    let Some(token) = world.issue(&given.client_id, &given.client_secret, request.region) else {
        return invalid_client();
    };
    let subject = super::ids::stable(&["admin", &given.client_id]);
    let body = json!({
        "principal": format!("{} automation", given.client_id),
        "subject": subject,
        "token": token,
        "openIdToken": token,
        "expiresIn": world.settings.token_lifetime_seconds,
        "locale": "en-US",
    });
    issued(&world.regions[request.region].name).typed("application/json", body.to_string())
}

/// The API client that a token request names, for the log and for fault rules.
pub(super) fn client_id(request: &Request) -> Option<String> {
    if request.content_type()?.starts_with("application/json") {
        return serde_json::from_slice::<TrustRequest>(&request.body)
            .ok()
            .map(|given| given.client_id);
    }
    let form = form_pairs(&String::from_utf8_lossy(&request.body));
    form.into_iter().find(|(key, _)| key == "client_id").map(|(_, value)| value)
}

#[derive(Deserialize)]
struct TrustRequest {
    #[serde(alias = "ClientId", rename = "clientId")]
    client_id: String,
    #[serde(alias = "ClientSecret", rename = "clientSecret")]
    client_secret: String,
}

fn issued(region: &str) -> Reply {
    Reply::empty(200)
        .platform()
        .header("cache-control", "no-store")
        .header("pragma", "no-cache")
        .header("access-control-expose-headers", "X-Cws-TransactionId")
        .header("x-cc-localgeo", region.to_uppercase())
        .header("x-content-type-options", "nosniff")
}

fn invalid_client() -> Reply {
    errors::oauth(400, "invalid_client", "Invalid client id or client secret.")
}

const FORM: &str = "application/x-www-form-urlencoded";
