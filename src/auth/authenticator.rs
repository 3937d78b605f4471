use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    ApiKey, Credential, IssuedToken, KeyUses, Refused,
    failures::Failures,
    issuer::{CannotSign, TokenIssuer},
    jwt::{Issuers, MAX_TOKEN_LEN, Token},
    keys::Keys,
    memory::{Memory, TokenDigest, Verified},
};
use crate::{
    config::{App, Issuer},
    domain::{AppName, AuthMethod, Clock, Principal},
    net,
    telemetry::Metrics,
};

/// Turns credentials into principals, by one configuration.
#[derive(Debug)]
pub struct Authenticator {
    keys: Keys,
    own: TokenIssuer,
    issuers: Issuers,
    memory: Memory,
    failures: Arc<Failures>,
    anonymous: Option<Arc<Principal>>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
}

/// What an [`Authenticator`] is made of.
#[derive(Debug)]
pub struct AuthenticatorParts<'a> {
    /// The callers.
    pub apps: &'a BTreeMap<AppName, App>,
    /// The identity providers.
    pub issuers: &'a BTreeMap<String, Issuer>,
    /// The app of requests without a credential: only for gateways that were started with a flag
    /// that says `unsafe`.
    pub anonymous: Option<AppName>,
    /// Root of the key that signs the gateway's own tokens.
    pub secret: &'a SecretString,
    /// The root before the last change: its tokens are accepted until they expire.
    pub previous_secret: Option<&'a SecretString>,
    /// Refused credentials of one address in a minute that get an answer of their own; 0 is all.
    pub max_failures_per_minute: u32,
    /// Where refusals are counted.
    pub metrics: Metrics,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// What a caller has shown, as far as that can be told.
#[derive(Clone, Copy, Debug)]
enum Shown {
    Nothing,
    Unreadable,
    ApiKey,
    Token,
    /// At the token endpoint.
    ClientSecret,
}

/// Why no token was issued.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum CannotIssue {
    /// The app or its key is not accepted.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A fault inside the gateway.
    #[error(transparent)]
    Internal(#[from] CannotSign),
}

impl Authenticator {
    /// Knows what the configuration says. Begins to fetch the keys of identity providers in the
    /// background, and waits for none of them.
    ///
    /// # Errors
    /// When no HTTP client for identity providers can be made.
    ///
    /// # Panics
    /// When there are issuers, outside of a tokio runtime.
    pub fn new(parts: AuthenticatorParts<'_>) -> Result<Self, net::Error> {
        Self::build(parts, None)
    }

    /// The same for a new configuration. It takes over what the world told and not the old
    /// configuration: the keys of identity providers that are asked in the same way, when API keys
    /// were used, and how often addresses were refused.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn reconfigured(&self, parts: AuthenticatorParts<'_>) -> Result<Self, net::Error> {
        Self::build(parts, Some(self))
    }

    fn build(parts: AuthenticatorParts<'_>, earlier: Option<&Self>) -> Result<Self, net::Error> {
        let AuthenticatorParts { apps, issuers, anonymous, secret, previous_secret, .. } = parts;
        let limit = parts.max_failures_per_minute;
        let failures = earlier.map(|earlier| &earlier.failures);
        let failures = failures.filter(|failures| failures.per_minute() == limit).cloned();
        let anonymous = anonymous.map(|app| {
            let method = AuthMethod::UnsafeAnonymous;
            Arc::new(Principal { app, method, subject: None })
        });
        Ok(Self {
            keys: Keys::new(apps, earlier.map(|earlier| &earlier.keys), parts.clock.now()),
            own: TokenIssuer::new(secret, previous_secret),
            issuers: Issuers::new(issuers, apps, earlier.map(|earlier| &earlier.issuers))?,
            memory: Memory::new(),
            failures: failures.unwrap_or_else(|| Arc::new(Failures::new(limit))),
            anonymous,
            metrics: parts.metrics,
            clock: parts.clock,
        })
    }

    /// Finds out who presents the credential. `address` is where the request comes from: it is
    /// never a reason to refuse a valid credential.
    ///
    /// Waits, for some seconds at most, only where a token is signed with a key that its issuer
    /// may have begun to use since it was last asked.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn authenticate(
        &self,
        credential: Option<&Credential>,
        address: Option<IpAddr>,
    ) -> Result<Arc<Principal>, Refused> {
        let Some(credential) = credential else {
            let refused = || self.refuse(Shown::Nothing, Refused::Missing, address);
            return self.anonymous.clone().ok_or_else(refused);
        };
        let (text, now) = (credential.expose(), self.clock.now());
        let (shown, accepted) = if ApiKey::is_meant_by(text) {
            let known = self.keys.accept(text, now);
            (Shown::ApiKey, known.map(|known| Arc::clone(&known.principal)))
        } else {
            (Shown::Token, self.token(text, now).await)
        };
        accepted.map_err(|refused| self.refuse(shown, refused, address))
    }

    /// Refuses a request whose headers should hold a credential and hold none that can be read.
    pub fn refuse_unreadable(&self, address: Option<IpAddr>) -> Refused {
        self.refuse(Shown::Unreadable, Refused::Malformed, address)
    }

    /// Sells a token for an API key of the app (OAuth 2.0 client credentials, RFC 6749 section
    /// 4.4).
    ///
    /// # Errors
    /// See [`CannotIssue`].
    pub fn issue(
        &self,
        app: &str,
        key: &SecretString,
        address: Option<IpAddr>,
    ) -> Result<(AppName, IssuedToken), CannotIssue> {
        use secrecy::ExposeSecret as _;
        let now = self.clock.now();
        let accepted = self.keys.accept(key.expose_secret(), now).and_then(|known| {
            let fits = known.principal.app.as_str() == app;
            if fits { Ok(known) } else { Err(Refused::ForeignKey) }
        });
        let known =
            accepted.map_err(|refused| self.refuse(Shown::ClientSecret, refused, address))?;
        Ok((known.principal.app.clone(), self.own.issue(known, now)?))
    }

    /// When each API key was last accepted.
    pub fn key_uses(&self) -> KeyUses {
        self.keys.uses()
    }

    /// How many signatures of identity providers' tokens were checked so far.
    pub fn signatures_checked(&self) -> u64 {
        self.issuers.signatures_checked()
    }

    /// The one way to a refusal, which counts it. The answer is what to tell the caller.
    fn refuse(&self, shown: Shown, refused: Refused, address: Option<IpAddr>) -> Refused {
        self.metrics.caller_refused(shown.as_str(), refused.reason());
        let address = address.filter(|_| refused.may_be_a_guess());
        match address.and_then(|address| self.failures.count(address)) {
            None => refused,
            Some(retry_after) => {
                tracing::debug!(error.cause = %refused, "one refused credential too many");
                Refused::TooManyFailures { retry_after }
            }
        }
    }

    async fn token(&self, text: &str, now: Timestamp) -> Result<Arc<Principal>, Refused> {
        if text.len() > MAX_TOKEN_LEN {
            return Err(Refused::TokenTooLong);
        }
        let digest = TokenDigest::of(text);
        if let Some(verified) = self.memory.recall(digest, now)
            && verified.keys.is_none_or(|keys| self.issuers.are_current(keys))
        {
            return Ok(verified.principal);
        }
        let token = Token::parse(text)?;
        let verified = if TokenIssuer::is_named_by(&token) {
            self.own_token(&token, now)?
        } else {
            self.issuers.verify(&token, now).await?
        };
        self.memory.keep(digest, verified.clone());
        Ok(verified.principal)
    }

    fn own_token(&self, token: &Token<'_>, now: Timestamp) -> Result<Verified, Refused> {
        let claims = self.own.verify(token, now)?;
        let key = self.keys.find(claims.key_id, now).ok_or(Refused::KeyRevoked)?;
        if !claims.were_bought_with(key) {
            return Err(Refused::KeyRevoked);
        }
        let app = key.principal.app.clone();
        let method = AuthMethod::GatewayToken { key_id: key.hash.id.clone() };
        Ok(Verified {
            principal: Arc::new(Principal { app, method, subject: None }),
            until: key.hash.expires.map_or(claims.until, |expires| expires.min(claims.until)),
            keys: None,
        })
    }
}

impl Shown {
    fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Unreadable => "unreadable",
            Self::ApiKey => "api_key",
            Self::Token => "token",
            Self::ClientSecret => "client_secret",
        }
    }
}
