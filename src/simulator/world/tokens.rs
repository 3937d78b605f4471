//! Access tokens that were issued and who may use them where.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::super::ids;
use super::World;

/// One issued token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    client_id: String,
    customer: usize,
    region: usize,
    expires_ms: i64,
}

/// Who a valid token speaks for.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) client_id: String,
    /// Index of the customer that owns the API client.
    pub(crate) customer: usize,
}

impl World {
    /// Issues a token of `region` for an API client, or `None` when id or secret are wrong there.
    pub(crate) fn issue(&mut self, client_id: &str, secret: &str, region: usize) -> Option<String> {
        let customer = self.owner_of_client(client_id)?;
        let known = &self.customers[customer];
        let right = known.credentials.iter().any(|credential| {
            credential.client_id.eq_ignore_ascii_case(client_id)
                && credential.secret.expose() == secret
        });
        if !right || !self.same_cloud(known.region, region) {
            return None;
        }
        let issued_ms = self.now();
        let expires_ms = issued_ms + i64::from(self.settings.token_lifetime_seconds) * 1000;
        let text = self.token_text(client_id, customer, region, issued_ms, expires_ms);
        make_room(&mut self.tokens, issued_ms);
        let client_id = client_id.to_owned();
        self.tokens.insert(text.clone(), Token { client_id, customer, region, expires_ms });
        Some(text)
    }

    /// Who a token speaks for at `region` now.
    pub(crate) fn caller(&self, token: &str, region: usize) -> Option<Caller> {
        let known = self.tokens.get(token)?;
        let at_home = known.region == region
            || self.settings.tokens_cross_regions && self.same_cloud(known.region, region);
        if !at_home || known.expires_ms <= self.now() {
            return None;
        }
        Some(Caller { client_id: known.client_id.clone(), customer: known.customer })
    }

    /// Forgets the tokens of a customer although they have not expired; returns how many.
    pub(crate) fn revoke_tokens(&mut self, customer: usize) -> usize {
        let before = self.tokens.len();
        self.tokens.retain(|_, token| token.customer != customer);
        before - self.tokens.len()
    }

    pub(crate) fn live_tokens(&self, customer: usize) -> usize {
        let now = self.now();
        let live = |token: &&Token| token.customer == customer && token.expires_ms > now;
        self.tokens.values().filter(live).count()
    }

    /// The texts of all tokens that have not expired.
    pub(crate) fn token_texts(&self) -> impl Iterator<Item = &str> {
        let now = self.now();
        self.tokens.iter().filter(move |(_, t)| t.expires_ms > now).map(|(text, _)| text.as_str())
    }

    /// Three base64url parts without padding, with the claims that the vendor's models name.
    fn token_text(
        &self,
        client: &str,
        customer: usize,
        region: usize,
        issued: i64,
        expires: i64,
    ) -> String {
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": ids::stable(&["kid", &self.regions[region].name]) });
        let payload = json!({
            "sub": ids::stable(&["admin", client]),
            "user_id": ids::stable(&["admin", client]),
            "displayname": format!("{} automation", self.customers[customer].display_name),
            "name": "",
            "iss": format!("cws-{}", self.regions[region].name),
            "nbf": issued / 1000,
            "iat": issued / 1000,
            "exp": expires / 1000,
            "refresh_expiration": rfc(expires + 11 * 3_600_000),
            "jti": ids::fresh(),
            "ctx_simulated": true,
            "connector": (0..8).map(|part| ids::stable(&["filler", &part.to_string()])).collect::<Vec<_>>(),
        });
        let mut signature = Vec::with_capacity(256);
        for _ in 0..16 {
            signature.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
        }
        format!("{}.{}.{}", encode(&header), encode(&payload), URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn same_cloud(&self, one: usize, other: usize) -> bool {
        self.regions.get(one).map(|region| &region.cloud)
            == self.regions.get(other).map(|region| &region.cloud)
    }
}

/// Forgets expired tokens, and all of them when that is not enough.
fn make_room(tokens: &mut HashMap<String, Token>, now: i64) {
    if tokens.len() < MAX_TOKENS {
        return;
    }
    tokens.retain(|_, token| token.expires_ms > now);
    if tokens.len() >= MAX_TOKENS {
        tokens.clear();
    }
}

fn rfc(ms: i64) -> String {
    super::super::clock::rfc3339(ms)
}

const MAX_TOKENS: usize = 20_000;
