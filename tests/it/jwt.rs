//! Tokens: those of identity providers, and those that the gateway sells for API keys.

mod bad_tokens;
mod claims;
mod endpoint;
mod memory;
mod outage;
mod providers;
mod secrets;

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use cwsgate::{
    auth::{Authenticator, AuthenticatorParts, Credential, Refused},
    config::{Config, Environment, LoadOptions},
    domain::{Clock, Principal},
    telemetry::Metrics,
};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::json;

use crate::support::{Gateway, IdentityProvider, Reply, Signer};

#[tokio::test]
async fn a_token_of_an_identity_provider_stands_for_the_app_that_a_claim_names() {
    for signer in [Signer::ec("k"), Signer::rsa("k")] {
        let (gateway, provider) = start_with(signer).await;
        let mut claims = provider.claims();
        let body = who(&gateway, &provider.token(&claims)).await.ok(200);
        assert_eq!(body["app"], "desk-corp");
        let seen = json!({ "method": "jwt", "issuer": "corp", "subject": "user-7", "keyId": null });
        assert_eq!(body["authentication"], seen);

        claims["aud"] = json!(["other", "gateway"]);
        claims["azp"] = json!("somebody");
        claims["groups"] = json!(["all", "ops"]);
        assert_eq!(who(&gateway, &provider.token(&claims)).await.ok(200)["app"], "ops-corp");

        claims["groups"] = json!([]);
        claims["sub"] = json!("robot");
        // One key that fits is meant without being named.
        let mut header = provider.signer.header();
        header.as_object_mut().unwrap().remove("kid");
        header["typ"] = json!("at+jwt");
        let token = provider.signer.sign(&header.to_string(), &claims.to_string());
        for value in [format!("bearer {token}"), format!("CwsAuth Bearer={token}")] {
            let request = gateway.bare(Method::GET, "/v1/whoami").header("authorization", value);
            assert_eq!(gateway.send(request).await.ok(200)["app"], "robot-corp");
        }
    }
}

#[tokio::test]
async fn grants_of_the_app_decide_what_a_token_may_do() {
    let (gateway, provider) = start().await;
    let token = provider.token(&provider.claims());
    let ask = |path: &str| {
        let request = gateway.bare(Method::GET, path).bearer_auth(&token);
        gateway.send(request)
    };
    ask("/v1/customers/acme").await.ok(200);
    ask("/v1/customers/globex").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_key_that_the_provider_begins_to_use_is_found() {
    let (gateway, provider) = start().await;
    who(&gateway, &provider.token(&provider.claims())).await.ok(200);
    let next = Signer::ec("key-2");
    provider.publish(&[provider.signer.jwk(), next.jwk()]);
    for signer in [&next, &provider.signer] {
        who(&gateway, &signer.token(&provider.claims())).await.ok(200);
    }
    assert_eq!(provider.fetches(), 2);
}

/// A gateway that trusts a provider by the name `corp`.
async fn start() -> (Gateway, IdentityProvider) {
    start_with(Signer::ec("key-1")).await
}

async fn start_with(signer: Signer) -> (Gateway, IdentityProvider) {
    let provider = IdentityProvider::start_with(signer).await;
    let gateway = Gateway::builder().settings(&provider.settings("corp")).start().await;
    (gateway, provider)
}

async fn who(gateway: &Gateway, token: &str) -> Reply {
    gateway.send(gateway.bare(Method::GET, "/v1/whoami").bearer_auth(token)).await
}

/// A clock that a test moves.
#[derive(Debug)]
struct Watch(Mutex<Timestamp>);

impl Watch {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Timestamp::now())))
    }

    fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// The part of a gateway that looks at credentials, by the configuration in `settings`.
fn authenticator(
    settings: &str,
    clock: &Arc<Watch>,
    earlier: Option<&Authenticator>,
) -> Authenticator {
    let text = format!("[server]\nsecret = \"{}\"\n{settings}", "r".repeat(32));
    let options = LoadOptions { now: Timestamp::now(), allow_anonymous: true };
    let loaded = Config::parse(&text, Path::new("."), &Environment::default(), options);
    let config = loaded.config.unwrap_or_else(|| panic!("{:#?}", loaded.findings));
    let parts = AuthenticatorParts {
        apps: &config.apps,
        issuers: &config.issuers,
        anonymous: None,
        secret: config.server.secret.as_ref().unwrap(),
        previous_secret: None,
        max_failures_per_minute: 0,
        metrics: Metrics::new(),
        clock: Arc::clone(clock) as _,
    };
    match earlier {
        Some(earlier) => earlier.reconfigured(parts).unwrap(),
        None => Authenticator::new(parts).unwrap(),
    }
}

async fn authenticate(gateway: &Authenticator, token: &str) -> Result<Arc<Principal>, Refused> {
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let credential = Credential::from_headers(&headers).unwrap();
    gateway.authenticate(credential.as_ref(), None).await
}
