use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::Timestamp;

use super::{ApiKey, Refused};
use crate::{
    config::{App, KeyHash},
    domain::{AppName, AuthMethod, Principal},
};

/// The API keys of all apps.
#[derive(Debug)]
pub(super) struct Keys {
    by_id: HashMap<String, KnownKey>,
    /// Since when their use is noted.
    since: Timestamp,
}

/// A key of the configuration, and who presents it.
#[derive(Debug)]
pub(super) struct KnownKey {
    pub(super) hash: KeyHash,
    pub(super) principal: Arc<Principal>,
    /// Seconds since 1970; 0 is never. Shared with later configurations that keep the key.
    last_used: Arc<AtomicI64>,
}

/// When API keys were last accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyUses {
    /// Since when this process takes note of it.
    pub since: Timestamp,
    /// Every key of the configuration, by app and id.
    pub keys: Vec<KeyUse>,
}

/// When an API key was last accepted, by itself or to buy a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyUse {
    /// The app it belongs to.
    pub app: AppName,
    /// Public part of the key.
    pub key_id: String,
    /// When the key stops working, where it does.
    pub expires: Option<Timestamp>,
    /// To the second; `None` if not since it is noted.
    pub last_used: Option<Timestamp>,
}

impl Keys {
    /// The keys of these apps. `earlier` ones that are kept stay known as used.
    pub(super) fn new(
        apps: &BTreeMap<AppName, App>,
        earlier: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        let all = apps.values().flat_map(|app| app.keys.iter().map(move |hash| (app, hash)));
        let known = all.map(|(app, hash)| {
            let before = earlier.and_then(|keys| keys.by_id.get(&hash.id));
            let before = before.filter(|before| before.hash.digest == hash.digest);
            let method = AuthMethod::ApiKey { key_id: hash.id.clone() };
            let known = KnownKey {
                hash: hash.clone(),
                principal: Arc::new(Principal { app: app.name.clone(), method, subject: None }),
                last_used: before.map(|before| Arc::clone(&before.last_used)).unwrap_or_default(),
            };
            (hash.id.clone(), known)
        });
        Self { by_id: known.collect(), since: earlier.map_or(now, |earlier| earlier.since) }
    }

    /// The key that `text` is, if it is one and valid at `now`.
    pub(super) fn accept(&self, text: &str, now: Timestamp) -> Result<&KnownKey, Refused> {
        let key = ApiKey::parse(text).map_err(|_| Refused::Malformed)?;
        let known = self.by_id.get(key.id());
        let matches = key.verify_found(known.map(|known| &known.hash));
        let known = known.ok_or(Refused::Unknown)?;
        if !matches {
            return Err(Refused::WrongSecret);
        }
        if known.expired(now) {
            return Err(Refused::Expired);
        }
        known.last_used.store(now.as_second(), Ordering::Relaxed);
        Ok(known)
    }

    /// The key of this id, if it is valid at `now`.
    pub(super) fn find(&self, id: &str, now: Timestamp) -> Option<&KnownKey> {
        self.by_id.get(id).filter(|known| !known.expired(now))
    }

    /// Every key and when it was last accepted.
    pub(super) fn uses(&self) -> KeyUses {
        let mut keys: Vec<_> = self.by_id.values().map(KnownKey::used).collect();
        keys.sort_by(|a, b| (&a.app, &a.key_id).cmp(&(&b.app, &b.key_id)));
        KeyUses { since: self.since, keys }
    }
}

impl KnownKey {
    fn expired(&self, now: Timestamp) -> bool {
        self.hash.expires.is_some_and(|end| end <= now)
    }

    fn used(&self) -> KeyUse {
        let seconds = self.last_used.load(Ordering::Relaxed);
        KeyUse {
            app: self.principal.app.clone(),
            key_id: self.hash.id.clone(),
            expires: self.hash.expires,
            last_used: Timestamp::from_second(seconds).ok().filter(|_| seconds != 0),
        }
    }
}
