use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// As whom a store is asked.
#[derive(Clone, Debug)]
pub enum Access {
    /// As the service account in the store's configuration. A store where each caller signs its
    /// own user in has none: asking it so is [`SessionExpired`](crate::upstream::ErrorKind).
    Account,
    /// As a user whom a caller has signed in.
    Session(Session),
    /// With a StoreFront token of the caller's own.
    Token(CallerToken),
}

/// A user's sign-in to a store: the primary token, which proves the logon to the store's token
/// service. Shown to nobody; [`expose_token`](Self::expose_token) is for sealing it.
#[derive(Clone)]
pub struct Session {
    token: Token,
    expires: Timestamp,
}

/// A primary or service token that a caller brought, kept no longer than the visit it is for.
#[derive(Clone)]
pub struct CallerToken(Token);

impl Session {
    /// A sign-in that was kept elsewhere. `None` for what cannot be a token.
    pub fn restore(token: &SecretString, expires: Timestamp) -> Option<Self> {
        Some(Self { token: Token::new(token.expose_secret())?, expires })
    }

    pub(super) fn new(token: Token, expires: Timestamp) -> Self {
        Self { token, expires }
    }

    /// When it ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The token, to be sealed at once and shown to nobody.
    pub fn expose_token(&self) -> &str {
        self.token.expose()
    }

    pub(super) fn token(&self) -> &Token {
        &self.token
    }
}

impl CallerToken {
    /// `None` for what cannot be a token: empty, longer than 32 KiB, or with other characters
    /// than the visible ones of ASCII.
    pub fn new(raw: &SecretString) -> Option<Self> {
        Token::new(raw.expose_secret()).map(Self)
    }

    pub(super) fn into_token(self) -> Token {
        self.0
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl fmt::Debug for CallerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerToken([REDACTED])")
    }
}

/// A `CitrixAuth` token as the value of `Authorization`. Its bytes are wiped when the last copy is
/// dropped, and it is never shown.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Token(HeaderValue);

impl Token {
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
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    fn expose(&self) -> &str {
        self.0.to_str().ok().and_then(|text| text.strip_prefix(SCHEME)).unwrap_or_default()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([REDACTED])")
    }
}

/// The scheme's word is case-sensitive.
const SCHEME: &str = "CitrixAuth ";

/// Tokens are several kilobytes at most.
const MAX_TOKEN_LEN: usize = 32 * 1024;
