use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::{digest, hmac, rand::SystemRandom};
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    Access, Session,
    http::Http,
    place::Store,
    sign_in::Method,
    visit::Visit,
    wallet::{Proof, Wallet},
};
use crate::{
    config::{self, StoreAccount, StoreAuth, TokenSettings},
    domain::CallContext,
    domain::StoreName,
    upstream::{Error, Guard, TokenState, TokenStatus, report::Reporter, resilience::Retry},
};

/// Asks StoreFront stores. Stores come with each call, so that new ones and new accounts need no
/// new client. Cheap to clone; the clones share tokens.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    http: Http,
    settings: TokenSettings,
    reporter: Arc<Reporter>,
    guard: Guard,
    retry: Arc<Retry>,
    /// One entry per store of the configuration, replaced when its URL or account changes. Never
    /// forgotten, since a quarantine must not end by itself.
    stores: Mutex<HashMap<StoreName, (Digest, Arc<Store>)>>,
    /// Service tokens of callers' own sign-ins.
    sessions: Cache<Digest, Arc<Wallet>>,
    /// Secrets are told apart by a keyed digest, so that no table of digests gives them away.
    key: hmac::Key,
}

type Digest = [u8; 32];

impl Client {
    pub(in crate::upstream) fn new(
        client: reqwest::Client,
        clock: Arc<dyn crate::domain::Clock>,
        reporter: Arc<Reporter>,
        (guard, retry): (Guard, Arc<Retry>),
        read_timeout: Duration,
        settings: TokenSettings,
    ) -> Self {
        let sessions =
            Cache::builder().max_capacity(MAX_SESSIONS).time_to_idle(FORGET_AFTER).build();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .unwrap_or_else(|_| hmac::Key::new(hmac::HMAC_SHA256, uuid::Uuid::new_v4().as_bytes()));
        let http = Http { client, clock, read_timeout };
        let stores = Mutex::default();
        Self(Arc::new(Shared { http, settings, reporter, guard, retry, stores, sessions, key }))
    }

    /// A visit to a store: one use case's calls, all as the same account. Sends nothing.
    pub fn visit(&self, store: &Arc<config::Store>, access: Access) -> Visit {
        let place = self.store(store);
        let wallet = match access {
            Access::Account => place.account.clone(),
            Access::Session(session) => self.session(&place, &session),
            // Kept by the visit and by nobody else.
            Access::Token(token) => {
                Some(Arc::new(self.wallet(Proof::Either(token.into_token()), &store.url)))
            }
        };
        Visit::new(place, wallet)
    }

    /// Signs a caller's user in, once: a refusal is never tried again, since repeated failures
    /// lock accounts.
    ///
    /// # Errors
    /// [`ErrorKind::SignInRefused`](crate::upstream::ErrorKind::SignInRefused) for a wrong or
    /// expired password and whatever else the store wants that a user name and a password cannot
    /// give.
    pub async fn sign_in(
        &self,
        ctx: &CallContext,
        store: &Arc<config::Store>,
        username: &str,
        password: &SecretString,
    ) -> Result<Session, Error> {
        Visit::new(self.store(store), None).sign_in(ctx, username, password).await
    }

    /// What is known of the store's service account and its sign-in. Never the token.
    pub fn account_status(&self, store: &Arc<config::Store>) -> TokenStatus {
        self.store(store).account.as_ref().map_or(
            TokenStatus {
                state: TokenState::Empty,
                expires: None,
                quarantined_since: None,
                last_error_reason: None,
            },
            |wallet| wallet.status(),
        )
    }

    /// Lifts the quarantine of the store's service account, so that the next call signs in.
    pub fn release(&self, store: &Arc<config::Store>) {
        if let Some(wallet) = &self.store(store).account {
            wallet.release();
        }
    }

    /// What is known of a store, afresh where its configuration changed.
    fn store(&self, store: &Arc<config::Store>) -> Arc<Store> {
        let account = match &store.auth {
            StoreAuth::HttpBasic(account) => Some((Method::HttpBasic, account)),
            StoreAuth::ExplicitForms(account) => Some((Method::ExplicitForms, account)),
            StoreAuth::Caller => None,
        };
        let version = self.version(&store.url, account);
        let mut stores = self.0.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let known = stores.get(&store.name).filter(|(known, _)| *known == version);
        if let Some((_, known)) = known.filter(|(_, known)| Arc::ptr_eq(&known.config, store)) {
            return Arc::clone(known);
        }
        // A store that only belongs to another customer now keeps its tokens.
        let kept = known.and_then(|(_, known)| known.account.clone());
        let account = account.map(|(method, account)| {
            if let Some(kept) = kept {
                return kept;
            }
            let (username, password) = (account.username.clone(), account.password.clone());
            let proof = Proof::Password { method, username, password };
            Arc::new(self.wallet(proof, &store.url))
        });
        let place = Arc::new(Store::new(
            Arc::clone(store),
            self.0.http.clone(),
            Arc::clone(&self.0.reporter),
            (self.0.guard.clone(), Arc::clone(&self.0.retry)),
            account,
        ));
        stores.insert(store.name.clone(), (version, Arc::clone(&place)));
        place
    }

    /// The tokens of a caller's own sign-in; `None` once it has ended.
    fn session(&self, store: &Store, session: &Session) -> Option<Arc<Wallet>> {
        if session.expires() <= self.0.http.clock.now() {
            return None;
        }
        let url = &store.config.url;
        let key = self.digest(&[
            store.config.name.as_str().as_bytes(),
            url.as_str().as_bytes(),
            session.token().bytes(),
        ]);
        let new = || Arc::new(self.wallet(Proof::Primary(session.token().clone()), url));
        Some(self.0.sessions.get_with(key, new))
    }

    fn wallet(&self, proof: Proof, store: &Url) -> Wallet {
        Wallet::new(proof, store.clone(), self.0.http.clone(), self.0.settings.clone())
    }

    fn version(&self, url: &Url, account: Option<(Method, &StoreAccount)>) -> Digest {
        let Some((method, account)) = account else {
            return self.digest(&[url.as_str().as_bytes()]);
        };
        let kind: &[u8] = match method {
            Method::HttpBasic => b"basic",
            Method::ExplicitForms => b"forms",
        };
        let (username, password) = (
            account.username.expose_secret().as_bytes(),
            account.password.expose_secret().as_bytes(),
        );
        self.digest(&[url.as_str().as_bytes(), kind, username, password])
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0.key);
        for part in parts {
            // Of one length each, so that no two lists of parts are alike.
            context.update(digest::digest(&digest::SHA256, part).as_ref());
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(&context.sign().as_ref()[..32]);
        digest
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Sign-ins whose service tokens are remembered; others cost one more request.
const MAX_SESSIONS: u64 = 4096;
const FORGET_AFTER: Duration = Duration::from_hours(1);
