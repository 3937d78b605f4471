use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use jsonwebtoken::crypto;
use serde_json::{Map, Value};

use super::{Token, claims};
use crate::{
    auth::{
        Refused,
        jwks::{Found, NoKey, Provider, Source, library_name},
        memory::{KeysVersion, Verified},
    },
    config::{Algorithm, App, Issuer, Subject},
    domain::{AppName, AuthMethod, Principal},
    net,
};

/// The identity providers of the configuration.
#[derive(Debug)]
pub(in crate::auth) struct Issuers {
    trusted: Vec<Trusted>,
    signatures_checked: AtomicU64,
}

#[derive(Debug)]
struct Trusted {
    issuer: Issuer,
    provider: Arc<Provider>,
    apps: Vec<(Subject, AppName)>,
}

impl Issuers {
    /// The issuers and which of their tokens stand for which app. Keys of `earlier` ones are kept
    /// where they come from the same place.
    pub(in crate::auth) fn new(
        configured: &BTreeMap<String, Issuer>,
        apps: &BTreeMap<AppName, App>,
        earlier: Option<&Self>,
    ) -> Result<Self, net::Error> {
        let mut client = None;
        let mut trusted = Vec::with_capacity(configured.len());
        for issuer in configured.values() {
            let source = Source::of(issuer);
            let provider = earlier.and_then(|earlier| earlier.provider(&source));
            let provider = if let Some(provider) = provider {
                provider
            } else {
                let client = match &client {
                    Some(client) => client,
                    None => client.insert(net::client(&one_question_at_a_time())?),
                };
                Arc::new(Provider::start(source, client.clone()))
            };
            let subjects = apps.values().filter_map(|app| Some((app.subject.clone()?, &app.name)));
            let subjects = subjects.filter(|(subject, _)| subject.issuer == issuer.name);
            trusted.push(Trusted {
                issuer: issuer.clone(),
                provider,
                apps: subjects.map(|(subject, app)| (subject, app.clone())).collect(),
            });
        }
        Ok(Self { trusted, signatures_checked: AtomicU64::new(0) })
    }

    /// Finds out who presents a token. Whatever is cheap comes first: no token causes a question
    /// to its issuer, or a signature to be checked, that would be refused anyway.
    pub(in crate::auth) async fn verify(
        &self,
        token: &Token<'_>,
        now: Timestamp,
    ) -> Result<Verified, Refused> {
        let name = claims::text(&token.claims, "iss")?;
        let at = self.trusted.iter().position(|trusted| trusted.issuer.issuer == name);
        let at = at.ok_or(Refused::UnknownIssuer)?;
        let Trusted { issuer, provider, apps } = &self.trusted[at];
        let algorithms = issuer.algorithms.iter().copied();
        let algorithm = algorithms.into_iter().find(|known| known.as_str() == token.algorithm);
        let algorithm = algorithm.ok_or(Refused::Algorithm)?;
        claims::audience(&token.claims, &issuer.audience)?;
        let validity = claims::validity(&token.claims, now)?;
        let subject = claims::optional_text(&token.claims, "sub")?;
        let app = app_of(&token.claims, apps)?;

        let key_id = token.key_id.as_deref();
        let found = if validity.expired {
            // Not worth a question: it is refused whatever the answer.
            provider.known_key(key_id, algorithm).ok_or(Refused::UnknownSigningKey)?
        } else {
            provider.key(key_id, algorithm).await.map_err(|no_key| match no_key {
                NoKey::Unknown => Refused::UnknownSigningKey,
                NoKey::Unavailable { retry_after } => Refused::IdentityUnavailable { retry_after },
            })?
        };
        self.check_signature(token, &found, algorithm)?;
        if validity.expired {
            return Err(Refused::TokenExpired);
        }
        let method = AuthMethod::Jwt { issuer: issuer.name.clone() };
        let subject = subject.map(ToOwned::to_owned);
        Ok(Verified {
            principal: Arc::new(Principal { app: app.clone(), method, subject }),
            until: validity.until,
            keys: Some(KeysVersion { issuer: at, version: found.version }),
        })
    }

    /// Whether the issuer's keys are still these.
    pub(in crate::auth) fn are_current(&self, keys: KeysVersion) -> bool {
        let trusted = self.trusted.get(keys.issuer);
        trusted.is_some_and(|trusted| trusted.provider.version() == Some(keys.version))
    }

    /// How many signatures were checked so far.
    pub(in crate::auth) fn signatures_checked(&self) -> u64 {
        self.signatures_checked.load(Ordering::Relaxed)
    }

    fn provider(&self, source: &Source) -> Option<Arc<Provider>> {
        let mut providers = self.trusted.iter().map(|trusted| &trusted.provider);
        providers.find(|provider| provider.source() == source).cloned()
    }

    fn check_signature(
        &self,
        token: &Token<'_>,
        found: &Found,
        algorithm: Algorithm,
    ) -> Result<(), Refused> {
        self.signatures_checked.fetch_add(1, Ordering::Relaxed);
        let (signed, key) = (token.signed.as_bytes(), found.key.decoding());
        match crypto::verify(token.signature, signed, key, library_name(algorithm)) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Refused::BadSignature),
        }
    }
}

/// A provider is asked seldom, and by one task.
fn one_question_at_a_time() -> net::ClientOptions {
    net::ClientOptions { pool_max_idle_per_host: 1, ..net::ClientOptions::default() }
}

/// The one app that the claims stand for.
fn app_of<'a>(
    claims: &Map<String, Value>,
    apps: &'a [(Subject, AppName)],
) -> Result<&'a AppName, Refused> {
    let mut meant = apps.iter().filter(|(subject, _)| has(claims, subject)).map(|(_, app)| app);
    let app = meant.next().ok_or(Refused::NoApp)?;
    if meant.next().is_some() { Err(Refused::AmbiguousApp) } else { Ok(app) }
}

/// Whether a claim is the text that is looked for, or a list that holds it (groups, roles).
fn has(claims: &Map<String, Value>, subject: &Subject) -> bool {
    match claims.get(&subject.claim) {
        Some(Value::String(text)) => *text == subject.value,
        Some(Value::Array(texts)) => texts.iter().any(|text| *text == *subject.value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subject(claim: &str, value: &str) -> Subject {
        Subject { issuer: "corp".into(), claim: claim.into(), value: value.into() }
    }

    #[test]
    fn a_claim_stands_for_the_one_app_that_names_its_value() {
        let app = |name: &str| AppName::try_from(name).unwrap();
        let apps = [
            (subject("azp", "desk-web"), app("desk")),
            (subject("groups", "ops"), app("ops")),
            (subject("sub", "robot"), app("robot")),
        ];
        let meant = |claims: Value| app_of(claims.as_object().unwrap(), &apps).cloned();
        assert_eq!(meant(json!({ "azp": "desk-web" })), Ok(app("desk")));
        assert_eq!(meant(json!({ "groups": ["x", "ops"], "azp": "x" })), Ok(app("ops")));
        assert_eq!(meant(json!({ "groups": "ops" })), Ok(app("ops")));
        for nobody in [
            json!({}),
            json!({ "azp": "DESK-WEB" }),
            json!({ "azp": null }),
            json!({ "azp": { "desk-web": true } }),
            json!({ "groups": [["ops"]] }),
            json!({ "groups": "ops desk" }),
            json!({ "client_id": "desk-web" }),
        ] {
            assert_eq!(meant(nobody.clone()), Err(Refused::NoApp), "{nobody}");
        }
        let both = json!({ "azp": "desk-web", "groups": ["ops"] });
        assert_eq!(meant(both), Err(Refused::AmbiguousApp));
    }
}
