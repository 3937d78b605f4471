use std::{fmt, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::{
    config::TokenForm,
    domain::{CustomerName, RegionName},
};

/// Asks a token service once. The network stands behind this, so that everything else about
/// tokens can be driven in paused time.
pub(in crate::upstream) trait Mint: fmt::Debug + Send + Sync {
    /// Asks for a token. The caller sets the time limit.
    fn mint<'a>(&'a self, request: &'a MintRequest) -> BoxFuture<'a, Result<Minted, MintFailure>>;
}

/// What a token service is asked with.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct MintRequest {
    pub(super) endpoint: String,
    pub(super) form: TokenForm,
    pub(super) client_id: String,
    pub(super) secret: SecretString,
    pub(super) region: RegionName,
    pub(super) customer: CustomerName,
}

impl MintRequest {
    pub(super) fn region(&self) -> &RegionName {
        &self.region
    }

    pub(super) fn customer(&self) -> &CustomerName {
        &self.customer
    }
}

/// A token as it came.
#[derive(Debug)]
pub(in crate::upstream) struct Minted {
    pub(super) authorization: Authorization,
    /// How long it lives; `None` where the service said nothing usable.
    pub(super) life: Option<Duration>,
}

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(in crate::upstream) struct MintFailure {
    pub(in crate::upstream) class: FailureClass,
    /// Our words: what a service says of a credential is not repeated.
    pub(in crate::upstream) reason: String,
    /// The service's own code, such as `invalid_client`.
    pub(in crate::upstream) code: Option<String>,
    pub(in crate::upstream) status: Option<u16>,
    pub(in crate::upstream) retry_after: Option<Duration>,
}

/// What a failure says about the next attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::upstream) enum FailureClass {
    /// The service is in trouble or out of reach: this passes.
    Transient,
    /// The service asks to be left alone for a while.
    Throttled,
    /// The credential is refused.
    Credential,
    /// The service is not where the configuration says.
    Configuration,
}

impl MintFailure {
    pub(super) fn new(class: FailureClass, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into(), code: None, status: None, retry_after: None }
    }

    pub(super) fn with(mut self, class: FailureClass) -> Self {
        self.class = class;
        self
    }
}

/// The value of `Authorization`. Its bytes are wiped when the last copy is dropped, and it is
/// never shown.
#[derive(Clone)]
pub(in crate::upstream) struct Authorization(HeaderValue);

impl Authorization {
    /// `None` for what cannot be a token.
    pub(super) fn new(token: &str) -> Option<Self> {
        let usable = |c: u8| c.is_ascii_graphic();
        if token.is_empty() || token.len() > MAX_TOKEN_LEN || !token.bytes().all(usable) {
            return None;
        }
        let mut text = Zeroizing::new(Vec::with_capacity(SCHEME.len() + token.len()));
        text.extend_from_slice(SCHEME.as_bytes());
        text.extend_from_slice(token.as_bytes());
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// The header value: it shares the bytes and is marked sensitive.
    pub(in crate::upstream) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization([REDACTED])")
    }
}

/// The scheme in Citrix's documentation.
const SCHEME: &str = "CwsAuth Bearer=";

/// Longest token that is taken: real ones are about 1.5 kB.
const MAX_TOKEN_LEN: usize = 16 * 1024;
