//! Tokens: opaque, per user, per realm and per origin.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use super::super::ids;
use super::super::world::World;
use super::host::Store;

/// A protection space.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Realm {
    /// The store's resources.
    Resources,
    /// The token service itself: what a primary token is for.
    Tokens,
    /// The token service's validation.
    Validation,
}

/// One issued token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    store: usize,
    realm: Realm,
    user: usize,
    password_version: u32,
    /// Scheme, host and port it was asked for.
    origin: String,
    expires_ms: i64,
}

/// What is asked of the token service.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) store: usize,
    pub(super) realm: Realm,
    pub(super) user: usize,
    pub(super) origin: String,
    pub(super) lifetime_ms: i64,
}

impl Realm {
    pub(super) const ALL: [Self; 3] = [Self::Resources, Self::Tokens, Self::Validation];

    /// Its id on the wire.
    pub(super) fn id(self, store: &Store) -> String {
        let (path, what) = match self {
            Self::Resources => (&store.path, "resources"),
            Self::Tokens => (&store.auth_path, "tokens"),
            Self::Validation => (&store.auth_path, "validation"),
        };
        ids::stable(&["storefront realm", &store.name, path, what])
    }
}

impl World {
    /// Issues a token; returns its text and when it expires.
    pub(super) fn issue_store_token(&mut self, order: Order) -> (String, i64) {
        let now = self.now();
        let expires_ms = now.saturating_add(order.lifetime_ms);
        let text = text();
        let store = &mut self.storefront.stores[order.store];
        match order.realm {
            Realm::Tokens => store.counts.primary_tokens += 1,
            _ => store.counts.service_tokens += 1,
        }
        let token = Token {
            store: order.store,
            realm: order.realm,
            user: order.user,
            password_version: store.users[order.user].password_version,
            origin: order.origin,
            expires_ms,
        };
        let tokens = &mut self.storefront.tokens;
        if tokens.len() >= MAX_TOKENS {
            tokens.retain(|_, token| token.expires_ms > now);
        }
        if tokens.len() >= MAX_TOKENS {
            tokens.clear();
        }
        tokens.insert(text.clone(), token);
        (text, expires_ms)
    }

    /// Whose token this is at `realm` of `store`.
    ///
    /// # Errors
    /// The reason that the challenge gives.
    pub(super) fn store_user(
        &self,
        text: &str,
        (store, realm): (usize, Realm),
        origin: &str,
    ) -> Result<usize, &'static str> {
        if !text.starts_with(START) || STANDARD.decode(text).is_err() {
            return Err("invalidtoken");
        }
        let token = self.storefront.tokens.get(text).ok_or("tokenSignatureNotVerified")?;
        if token.store != store {
            return Err(if token.realm == realm { "nottrusted" } else { "notforthisservice" });
        }
        if token.realm != realm {
            return Err("notforthisservice");
        }
        if !token.origin.eq_ignore_ascii_case(origin) {
            return Err("invalidAudience");
        }
        if token.expires_ms <= self.now() {
            return Err("expired");
        }
        let user = &self.storefront.stores[store].users[token.user];
        if user.locked {
            return Err("badaccount");
        }
        if user.password_version != token.password_version || user.password_expired {
            return Err("badpassword");
        }
        Ok(token.user)
    }

    /// Every token that has not expired.
    pub(crate) fn store_token_texts(&self) -> impl Iterator<Item = &str> {
        let now = self.now();
        let live = self.storefront.tokens.iter().filter(move |(_, t)| t.expires_ms > now);
        live.map(|(text, _)| text.as_str())
    }

    /// Ends every token of a store, or of one of its users; returns how many there were.
    pub(crate) fn expire_store_tokens(
        &mut self,
        store: usize,
        user: Option<usize>,
        realm: Option<Realm>,
    ) -> usize {
        let now = self.now();
        let hit = |token: &&mut Token| {
            token.store == store
                && token.expires_ms > now
                && user.is_none_or(|user| user == token.user)
                && realm.is_none_or(|realm| realm == token.realm)
        };
        let ended = self.storefront.tokens.values_mut().filter(hit);
        ended.map(|token| token.expires_ms = now).count()
    }
}

/// Looks like the real ones: compressed data in base64 with its padding, over a kilobyte.
fn text() -> String {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0];
    for _ in 0..64 {
        bytes.extend_from_slice(Uuid::new_v4().as_bytes());
    }
    STANDARD.encode(bytes)
}

const START: &str = "H4sI";
const MAX_TOKENS: usize = 20_000;
