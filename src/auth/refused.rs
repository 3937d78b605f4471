use std::time::Duration;

/// Why a credential was not accepted. The caller is told as little as possible; the rest is for
/// the log and the audit trail.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// There was no credential.
    #[error("no credential was sent")]
    Missing,
    /// The text is neither an API key nor a token: wrong form or wrong checksum.
    #[error("the credential is malformed")]
    Malformed,
    /// No app has a key of this id.
    #[error("the key is unknown")]
    Unknown,
    /// The id is known, the secret is not the one it belongs to.
    #[error("the secret is wrong")]
    WrongSecret,
    /// The key is genuine, and its time is over.
    #[error("the key has expired")]
    Expired,
    /// The key is genuine, and another app's than the one named beside it.
    #[error("the key is another app's")]
    ForeignKey,
    /// The token is longer than any that is looked at.
    #[error("the token is too long")]
    TokenTooLong,
    /// The text is not a signed token of three parts (RFC 7515 section 3.1).
    #[error("the token is malformed: {0}")]
    MalformedToken(&'static str),
    /// The token's header names something that is not accepted.
    #[error("the token's header holds a {0} that is not accepted")]
    Header(&'static str),
    /// The token is signed in a way that the configuration does not allow its issuer.
    #[error("the token's algorithm is not one of its issuer's")]
    Algorithm,
    /// The configuration does not know who issued the token.
    #[error("the token's issuer is unknown")]
    UnknownIssuer,
    /// A claim is missing, of the wrong type or out of bounds.
    #[error("the token's claim {0} is missing or malformed")]
    Claim(&'static str),
    /// The token is meant for somebody else.
    #[error("the token is for another audience")]
    ForeignAudience,
    /// The token's time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token names no app.
    #[error("no app is meant by the token")]
    NoApp,
    /// The token could stand for more than one app, and choosing one would be a guess.
    #[error("the token fits several apps")]
    AmbiguousApp,
    /// The issuer has no such key.
    #[error("the token is signed with a key that its issuer does not have")]
    UnknownSigningKey,
    /// The token is not what its issuer signed.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// The token is genuine, and its time is over.
    #[error("the token has expired")]
    TokenExpired,
    /// The token is genuine, and the API key that bought it is good no longer.
    #[error("the key that bought the token is no longer valid")]
    KeyRevoked,
    /// Whether the token is genuine cannot be known: its issuer's keys cannot be had.
    #[error("the keys of the token's issuer cannot be had")]
    IdentityUnavailable {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The credential was refused, like many others from the same address.
    #[error("too many refused credentials from this address")]
    TooManyFailures {
        /// When the next failure gets its own answer.
        retry_after: Duration,
    },
}

impl Refused {
    /// One word of a closed set, for metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown_key",
            Self::WrongSecret => "wrong_secret",
            Self::Expired => "expired_key",
            Self::ForeignKey => "foreign_key",
            Self::TokenTooLong => "token_too_long",
            Self::MalformedToken(_) => "malformed_token",
            Self::Header(_) => "token_header",
            Self::Algorithm => "algorithm",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Claim(_) => "claim",
            Self::ForeignAudience => "foreign_audience",
            Self::NotYetValid => "not_yet_valid",
            Self::NoApp => "no_app",
            Self::AmbiguousApp => "ambiguous_app",
            Self::UnknownSigningKey => "unknown_signing_key",
            Self::BadSignature => "bad_signature",
            Self::TokenExpired => "expired_token",
            Self::KeyRevoked => "revoked_key",
            Self::IdentityUnavailable { .. } => "identity_unavailable",
            Self::TooManyFailures { .. } => "too_many_failures",
        }
    }

    /// Whether it may have been an attempt to guess.
    pub(super) fn may_be_a_guess(self) -> bool {
        // Expired ones were genuine, and an issuer's outage is nobody's attempt.
        !matches!(
            self,
            Self::Missing
                | Self::Expired
                | Self::TokenExpired
                | Self::IdentityUnavailable { .. }
                | Self::TooManyFailures { .. }
        )
    }
}
