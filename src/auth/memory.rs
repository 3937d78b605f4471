use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use jiff::Timestamp;
use moka::sync::Cache;

use crate::domain::Principal;

/// Remembers who stands behind tokens that were verified, so that a signature is checked once and
/// not at every request. What they may do is decided anew each time.
///
/// It belongs to one configuration and ends with it: what another one would not accept cannot be
/// found here.
pub(super) struct Memory(Cache<[u8; 32], Verified>);

/// A token that was verified.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    /// Who presents it.
    pub(super) principal: Arc<Principal>,
    /// The end of its life.
    pub(super) until: Timestamp,
    /// For tokens of an identity provider: which, and the version of its keys then.
    pub(super) keys: Option<KeysVersion>,
}

/// The keys of an issuer as they were at some time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct KeysVersion {
    /// Position of the issuer in the configuration.
    pub(super) issuer: usize,
    /// Rises with every change of its keys.
    pub(super) version: u64,
}

/// SHA-256 of a whole token.
#[derive(Clone, Copy)]
pub(super) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(super) fn of(token: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, token.as_bytes());
        Self(digest.as_ref().try_into().expect("SHA-256 is 32 bytes long"))
    }
}

impl Memory {
    /// An empty one.
    pub(super) fn new() -> Self {
        let cache = Cache::builder().max_capacity(MAX_TOKENS).time_to_idle(IDLE);
        Self(cache.build())
    }

    /// What was found out of a token whose life has not ended at `now`.
    pub(super) fn recall(&self, token: TokenDigest, now: Timestamp) -> Option<Verified> {
        let verified = self.0.get(&token.0)?;
        if verified.until <= now {
            self.0.invalidate(&token.0);
            return None;
        }
        Some(verified)
    }

    /// Keeps what was found out of a token.
    pub(super) fn keep(&self, token: TokenDigest, verified: Verified) {
        self.0.insert(token.0, verified);
    }
}

/// Tells nothing of what it holds.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("tokens", &self.0.entry_count()).finish()
    }
}

/// Tokens that are remembered at a time: some 5 MB.
const MAX_TOKENS: u64 = 10_000;

/// How long a token that nobody presents is kept.
const IDLE: Duration = Duration::from_mins(15);
