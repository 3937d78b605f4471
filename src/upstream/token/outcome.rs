use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::mint::{Authorization, MintFailure};

/// A token in hand. Shown to nobody.
pub(in crate::upstream) struct Token {
    pub(super) authorization: Authorization,
    /// Counts the tokens of a credential.
    pub(super) generation: u64,
    pub(super) refresh_at: Instant,
    pub(super) use_until: Instant,
    pub(super) ends_at: Instant,
    /// The end by the clock on the wall, for people.
    pub(super) expires: Timestamp,
}

impl Token {
    pub(in crate::upstream) fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// Whether its life has ended.
    pub(super) fn has_ended(&self, now: Instant) -> bool {
        now >= self.ends_at
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("generation", &self.generation)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Why a caller gets no token.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::upstream) enum Refusal {
    /// The caller's deadline passed while the token was asked for.
    #[error("the deadline passed while a token was asked for")]
    DeadlinePassed,
    /// Not just now.
    #[error("no token can be had just now")]
    Unavailable { retry_after: Duration, source: Option<Arc<MintFailure>> },
    /// Not until the credential changes, is released, or a probe succeeds.
    #[error("the credential is quarantined")]
    Quarantined { retry_after: Duration, source: Option<Arc<MintFailure>> },
    /// A service refused a token that had just been made.
    #[error("a fresh token was refused")]
    Rejected,
    /// The region has no token service.
    #[error("the region has no token service")]
    NotConfigured,
}

/// How the wait for a token ends.
pub(super) type Outcome = Result<Arc<Token>, Refusal>;
