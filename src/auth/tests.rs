//! What an [`Authenticator`] makes of API keys and of the gateway's own tokens.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::{
    config::{App, AppLimits, KeyHash},
    domain::{AppName, AuthMethod, Clock},
    telemetry::Metrics,
};

#[derive(Debug)]
struct Watch(Mutex<Timestamp>);

impl Watch {
    fn at_noon() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2030-01-01T12:00:00Z".parse().unwrap())))
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

/// A configuration with apps and secrets, and nothing else.
struct Setup {
    apps: BTreeMap<AppName, App>,
    secret: SecretString,
    previous: Option<SecretString>,
    limit: u32,
    metrics: Metrics,
    clock: Arc<Watch>,
}

impl Setup {
    fn new() -> Self {
        let secret = "r".repeat(32).into();
        let (metrics, clock) = (Metrics::new(), Watch::at_noon());
        Self { apps: BTreeMap::new(), secret, previous: None, limit: 0, metrics, clock }
    }

    fn app(mut self, name: &str, keys: &[KeyHash]) -> Self {
        let name = AppName::try_from(name).unwrap();
        let app = App {
            name: name.clone(),
            keys: keys.to_vec(),
            subject: None,
            limits: AppLimits::default(),
            grants: vec![],
        };
        self.apps.insert(name, app);
        self
    }

    fn parts<'a>(
        &'a self,
        issuers: &'a BTreeMap<String, crate::config::Issuer>,
    ) -> AuthenticatorParts<'a> {
        AuthenticatorParts {
            apps: &self.apps,
            issuers,
            anonymous: None,
            secret: &self.secret,
            previous_secret: self.previous.as_ref(),
            max_failures_per_minute: self.limit,
            metrics: self.metrics.clone(),
            clock: Arc::clone(&self.clock) as _,
        }
    }

    fn build(&self) -> Authenticator {
        Authenticator::new(self.parts(&BTreeMap::new())).unwrap()
    }

    fn after(&self, earlier: &Authenticator) -> Authenticator {
        earlier.reconfigured(self.parts(&BTreeMap::new())).unwrap()
    }
}

fn sell(gateway: &Authenticator, app: &str, key: &ApiKey) -> Result<IssuedToken, Refused> {
    match gateway.issue(app, &key.expose().into(), None) {
        Ok((sold_to, issued)) => {
            assert_eq!(sold_to.as_str(), app);
            Ok(issued)
        }
        Err(CannotIssue::Refused(refused)) => Err(refused),
        Err(CannotIssue::Internal(error)) => panic!("{error}"),
    }
}

async fn who(gateway: &Authenticator, text: &str) -> Result<(String, AuthMethod), Refused> {
    who_at(gateway, text, None).await
}

async fn who_at(
    gateway: &Authenticator,
    text: &str,
    address: Option<&str>,
) -> Result<(String, AuthMethod), Refused> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("Bearer {text}")).unwrap();
    headers.insert(AUTHORIZATION, value);
    let credential = Credential::from_headers(&headers).unwrap();
    let address = address.map(|address| address.parse().unwrap());
    let principal = gateway.authenticate(credential.as_ref(), address).await?;
    Ok((principal.app.to_string(), principal.method.clone()))
}

#[tokio::test]
async fn a_key_buys_a_token_that_stands_for_its_app() {
    let key = ApiKey::generate().unwrap();
    let gateway = Setup::new().app("desk", &[key.hash()]).build();

    let issued = sell(&gateway, "desk", &key).unwrap();

    assert_eq!(issued.expires_in, SignedDuration::from_hours(1));
    let token = issued.token.expose_secret();
    // Clients of Citrix split the header at "=".
    assert!(!token.contains('='), "{token}");
    let method = AuthMethod::GatewayToken { key_id: key.id().to_owned() };
    for _ in 0..3 {
        assert_eq!(who(&gateway, token).await, Ok(("desk".to_owned(), method.clone())));
    }
    // A token buys no token.
    let refused = gateway.issue("desk", &issued.token, None).unwrap_err();
    assert!(matches!(refused, CannotIssue::Refused(Refused::Malformed)));
}

#[tokio::test]
async fn a_key_buys_for_its_own_app_while_it_is_valid() {
    let [key, expired, stranger] = [(); 3].map(|()| ApiKey::generate().unwrap());
    let setup = Setup::new();
    let expired_hash = KeyHash { expires: Some(setup.clock.now()), ..expired.hash() };
    let gateway = setup.app("desk", &[key.hash(), expired_hash]).app("other", &[]).build();
    for (app, key, refused) in [
        ("other", &key, Refused::ForeignKey),
        ("Desk", &key, Refused::ForeignKey),
        ("", &key, Refused::ForeignKey),
        ("desk", &expired, Refused::Expired),
        ("desk", &stranger, Refused::Unknown),
    ] {
        assert_eq!(sell(&gateway, app, key).err(), Some(refused), "{app}");
    }
}

#[tokio::test]
async fn a_token_ends_after_an_hour_remembered_or_not() {
    let key = ApiKey::generate().unwrap();
    let setup = Setup::new().app("desk", &[key.hash()]);
    let gateway = setup.build();
    let token = sell(&gateway, "desk", &key).unwrap().token;
    let token = token.expose_secret();

    setup.clock.advance(SignedDuration::from_mins(59));
    who(&gateway, token).await.unwrap();
    setup.clock.advance(SignedDuration::from_secs(90));
    assert_eq!(who(&gateway, token).await, Err(Refused::TokenExpired));
    assert_eq!(who(&setup.build(), token).await, Err(Refused::TokenExpired));
}

#[tokio::test]
async fn a_token_dies_with_the_key_that_bought_it() {
    let [key, other] = [(); 2].map(|()| ApiKey::generate().unwrap());
    let setup = Setup::new().app("desk", &[key.hash(), other.hash()]);
    let gateway = setup.build();
    let token = sell(&gateway, "desk", &key).unwrap().token;
    let token = token.expose_secret();
    who(&gateway, token).await.unwrap();

    let expires = Some(setup.clock.now() + SignedDuration::from_mins(10));
    let same_id = KeyHash { digest: other.hash().digest, ..key.hash() };
    for (why, later) in [
        ("removed", Setup::new().app("desk", &[other.hash()])),
        ("of another app now", Setup::new().app("desk", &[]).app("other", &[key.hash()])),
        ("with another secret", Setup::new().app("desk", &[same_id])),
        ("of no app", Setup::new()),
    ] {
        let refused = who(&later.after(&gateway), token).await;
        assert_eq!(refused, Err(Refused::KeyRevoked), "{why}");
    }
    // Unchanged, it lives on.
    who(&setup.after(&gateway), token).await.unwrap();

    let ending = Setup {
        clock: Arc::clone(&setup.clock),
        ..Setup::new().app("desk", &[KeyHash { expires, ..key.hash() }])
    };
    let gateway = ending.after(&gateway);
    // The key is the same one; its end is no part of it.
    who(&gateway, token).await.unwrap();
    let last = sell(&gateway, "desk", &key).unwrap();
    assert_eq!(last.expires_in, SignedDuration::from_mins(10));
    who(&gateway, last.token.expose_secret()).await.unwrap();
    setup.clock.advance(SignedDuration::from_mins(10));
    for token in [token, last.token.expose_secret()] {
        assert_eq!(who(&gateway, token).await, Err(Refused::KeyRevoked));
    }
}

#[tokio::test]
async fn tokens_are_good_at_every_gateway_with_the_secret_or_its_successor() {
    let key = ApiKey::generate().unwrap();
    let setup = || Setup::new().app("desk", &[key.hash()]);
    let token = sell(&setup().build(), "desk", &key).unwrap().token;
    let token = token.expose_secret();

    who(&setup().build(), token).await.unwrap();
    let next = SecretString::from("n".repeat(32));
    let rotated = Setup { secret: next.clone(), previous: Some(setup().secret), ..setup() };
    who(&rotated.build(), token).await.unwrap();
    let changed = Setup { secret: next, ..setup() };
    assert_eq!(who(&changed.build(), token).await, Err(Refused::BadSignature));
}

#[tokio::test]
async fn a_changed_token_is_refused_before_and_after_it_was_remembered() {
    let key = ApiKey::generate().unwrap();
    let gateway = Setup::new().app("desk", &[key.hash()]).build();
    let token = sell(&gateway, "desk", &key).unwrap().token;
    let token = token.expose_secret();
    for _ in 0..2 {
        for at in (0..token.len()).step_by(3) {
            let letter = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut changed = token.to_owned();
            changed.replace_range(at..=at, letter);
            assert!(who(&gateway, &changed).await.is_err(), "{changed}");
        }
        who(&gateway, token).await.unwrap();
    }
}

#[tokio::test]
async fn failures_beyond_the_limit_are_told_apart_and_valid_credentials_pass() {
    let [key, stranger] = [(); 2].map(|()| ApiKey::generate().unwrap());
    let setup = Setup { limit: 5, ..Setup::new().app("desk", &[key.hash()]) };
    let gateway = setup.build();
    let token = sell(&gateway, "desk", &key).unwrap().token;
    let here = Some("192.0.2.1");
    for _ in 0..5 {
        let refused = who_at(&gateway, stranger.expose(), here).await;
        assert_eq!(refused, Err(Refused::Unknown));
    }
    let limited = |refused| matches!(refused, Err(Refused::TooManyFailures { .. }));
    for text in [stranger.expose(), "nonsense", "a.b.c"] {
        assert!(limited(who_at(&gateway, text, here).await), "{text}");
        assert!(limited(who_at(&setup.after(&gateway), text, here).await), "after a reload");
        assert!(!limited(who_at(&gateway, text, Some("192.0.2.2")).await), "elsewhere");
    }
    let selling =
        gateway.issue("desk", &stranger.expose().into(), here.map(|a| a.parse().unwrap()));
    assert!(matches!(selling, Err(CannotIssue::Refused(Refused::TooManyFailures { .. }))));
    for valid in [key.expose(), token.expose_secret()] {
        who_at(&gateway, valid, here).await.unwrap();
    }
    // What is told to nobody any more is counted as what it was.
    let (_, counted) = setup.metrics.render();
    for line in [
        "{credential=\"api_key\",reason=\"unknown_key\"} 8",
        "{credential=\"token\",reason=\"malformed_token\"} 6",
        "{credential=\"client_secret\",reason=\"unknown_key\"} 1",
    ] {
        assert!(counted.contains(&format!("cwsgate_auth_refusals_total{line}\n")), "{counted}");
    }
    assert_eq!(
        gateway.authenticate(None, here.map(|a| a.parse().unwrap())).await.err(),
        Some(Refused::Missing)
    );
}

#[tokio::test]
async fn the_last_use_of_a_key_is_known_across_reloads() {
    let [key, idle] = [(); 2].map(|()| ApiKey::generate().unwrap());
    let setup = Setup::new().app("desk", &[key.hash(), idle.hash()]);
    let gateway = setup.build();
    let last = |gateway: &Authenticator, key: &ApiKey| {
        let uses = gateway.key_uses().keys;
        uses.into_iter().find(|used| used.key_id == key.id()).unwrap().last_used
    };
    let began = setup.clock.now();
    setup.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(last(&gateway, &key), None);
    who(&gateway, key.expose()).await.unwrap();
    let noon = setup.clock.now();
    setup.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(last(&gateway, &key), Some(noon));
    let later = setup.after(&gateway);
    assert_eq!(last(&later, &key), Some(noon));
    assert_eq!(last(&later, &idle), None);
    assert_eq!(later.key_uses().since, began);
    who(&later, key.expose()).await.unwrap();
    assert_eq!(last(&later, &key), Some(noon + SignedDuration::from_mins(1)));
}
