use jiff::Timestamp;

/// What may be known of a credential's token. The token itself is shown to nobody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenStatus {
    /// Where the token is in its life.
    pub state: TokenState,
    /// When the token in hand ends.
    pub expires: Option<Timestamp>,
    /// Since when the credential is left alone.
    pub quarantined_since: Option<Timestamp>,
    /// Why the last token request failed, until one succeeds. Our words; holds no secret.
    pub last_error_reason: Option<String>,
}

/// Where a credential's token is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenState {
    /// None was asked for yet.
    Empty,
    /// The first one, or one after an expiry, is being asked for.
    Minting,
    /// There is one to use.
    Fresh,
    /// There is one to use while its successor is asked for.
    Refreshing,
    /// The last one has ended and nobody has asked since.
    Expired,
    /// The token service failed, or a service refused a new token: a pause runs.
    Backoff,
    /// The credential is refused and left alone until it changes or is released.
    Quarantined,
}

impl TokenState {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Minting => "minting",
            Self::Fresh => "fresh",
            Self::Refreshing => "refreshing",
            Self::Expired => "expired",
            Self::Backoff => "backoff",
            Self::Quarantined => "quarantined",
        }
    }
}
