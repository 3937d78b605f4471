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

/// The API keys of all apps, by id.
#[derive(Debug)]
pub(super) struct Keys(HashMap<String, KnownKey>);

/// A key of the configuration, and who presents it.
#[derive(Debug)]
pub(super) struct KnownKey {
    pub(super) hash: KeyHash,
    pub(super) principal: Arc<Principal>,
    /// Seconds since 1970; 0 is never. Shared with later configurations that keep the key.
    last_used: Arc<AtomicI64>,
}

/// When an API key was last accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyUse {
    /// The app it belongs to.
    pub app: AppName,
    /// Public part of the key.
    pub key_id: String,
    /// When the key stops working, where it does.
    pub expires: Option<Timestamp>,
    /// To the second; `None` if not since this process started.
    pub last_used: Option<Timestamp>,
}

impl Keys {
    /// The keys of these apps. `earlier` ones that are kept stay known as used.
    pub(super) fn new(apps: &BTreeMap<AppName, App>, earlier: Option<&Self>) -> Self {
        let all = apps.values().flat_map(|app| app.keys.iter().map(move |hash| (app, hash)));
        let known = all.map(|(app, hash)| {
            let before = earlier.and_then(|keys| keys.0.get(&hash.id));
            let before = before.filter(|before| before.hash.digest == hash.digest);
            let method = AuthMethod::ApiKey { key_id: hash.id.clone() };
            let known = KnownKey {
                hash: hash.clone(),
                principal: Arc::new(Principal { app: app.name.clone(), method, subject: None }),
                last_used: before.map(|before| Arc::clone(&before.last_used)).unwrap_or_default(),
            };
            (hash.id.clone(), known)
        });
        Self(known.collect())
    }

    /// The key that `text` is, if it is one and valid at `now`.
    pub(super) fn accept(&self, text: &str, now: Timestamp) -> Result<&KnownKey, Refused> {
        let key = ApiKey::parse(text).map_err(|_| Refused::Malformed)?;
        let known = self.0.get(key.id());
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
        self.0.get(id).filter(|known| !known.expired(now))
    }

    /// Every key and when it was last accepted, by app and id.
    pub(super) fn uses(&self) -> Vec<KeyUse> {
        let mut uses: Vec<_> = self.0.values().map(KnownKey::used).collect();
        uses.sort_by(|a, b| (&a.app, &a.key_id).cmp(&(&b.app, &b.key_id)));
        uses
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
