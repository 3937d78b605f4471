use std::{collections::HashMap, sync::Arc};

use super::{ApiKey, Credential};
use crate::{
    config::{App, KeyHash},
    domain::{AppName, AuthMethod, Clock, Principal},
};

/// Turns credentials into principals.
#[derive(Debug)]
pub struct Authenticator {
    keys: HashMap<String, (AppName, KeyHash)>,
    anonymous: Option<AppName>,
    clock: Arc<dyn Clock>,
}

/// Why a credential was not accepted. The caller is told only whether one was sent at all; the
/// rest is for the log and the audit trail.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// There was no credential.
    #[error("no credential was sent")]
    Missing,
    /// The text is no API key: wrong form or wrong checksum.
    #[error("the credential is malformed")]
    Malformed,
    /// No app has a key of this id.
    #[error("the key is unknown")]
    Unknown,
    /// The id is known, the secret is not the one it belongs to.
    #[error("the secret is wrong")]
    WrongSecret,
    /// The key is genuine, and its time is over.
    #[error("the key has expired")]
    Expired,
}

impl Authenticator {
    /// Knows the keys of these apps. With `anonymous`, a request without a credential is that
    /// app's: only for gateways that were started with a flag that says `unsafe`.
    pub fn new<'a>(
        apps: impl IntoIterator<Item = &'a App>,
        anonymous: Option<AppName>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let keys = apps
            .into_iter()
            .flat_map(|app| app.keys.iter().map(|key| (app.name.clone(), key.clone())))
            .map(|(app, key)| (key.id.clone(), (app, key)))
            .collect();
        Self { keys, anonymous, clock }
    }

    /// Finds out who presents the credential.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn authenticate(&self, credential: Option<&Credential>) -> Result<Principal, Refused> {
        let Some(credential) = credential else {
            let app = self.anonymous.clone().ok_or(Refused::Missing)?;
            return Ok(Principal { app, method: AuthMethod::UnsafeAnonymous, subject: None });
        };
        let key = ApiKey::parse(credential.expose()).map_err(|_| Refused::Malformed)?;
        let known = self.keys.get(key.id());
        let matches = key.verify_found(known.map(|(_, hash)| hash));
        let Some((app, hash)) = known else { return Err(Refused::Unknown) };
        if !matches {
            return Err(Refused::WrongSecret);
        }
        if hash.expires.is_some_and(|end| end <= self.clock.now()) {
            return Err(Refused::Expired);
        }
        let method = AuthMethod::ApiKey { key_id: hash.id.clone() };
        Ok(Principal { app: app.clone(), method, subject: None })
    }
}
