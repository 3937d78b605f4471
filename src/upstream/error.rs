use std::{fmt, time::Duration};

use super::{BodyFault, Service};
use crate::domain::{RegionName, StoreName};

/// Why a call to Citrix did not give what was asked for. One type for every upstream: each
/// client translates its vendor's fault bodies into this.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {kind}")]
pub struct Error {
    /// What happened, as far as it decides what to do next.
    pub kind: ErrorKind,
    /// The call, in the vendor's words, such as `daas.machines.list`.
    pub operation: &'static str,
    /// Which of Citrix's services.
    pub service: Service,
    /// Where.
    pub place: Place,
    /// The status it answered with, where it answered.
    pub status: Option<u16>,
    /// Its own code for the fault, where the body could be decoded.
    pub code: Option<String>,
    /// Its own words, where the body could be decoded. Fit for a caller.
    pub message: Option<String>,
    /// The id that Citrix's support asks for.
    pub transaction_id: Option<String>,
    /// The job that carries the write out, where one was started before its end was lost.
    pub job_id: Option<String>,
    /// The cause, for the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error about which the upstream said nothing.
    pub fn new(
        kind: ErrorKind,
        operation: &'static str,
        service: Service,
        place: impl Into<Place>,
    ) -> Self {
        Self {
            kind,
            operation,
            service,
            place: place.into(),
            status: None,
            code: None,
            message: None,
            transaction_id: None,
            job_id: None,
            source: None,
        }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// Where a service is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Place {
    /// In a control plane of Citrix Cloud.
    Region(RegionName),
    /// In a StoreFront store.
    Store(StoreName),
}

impl Place {
    /// The name of the region or the store.
    pub fn name(&self) -> &str {
        match self {
            Self::Region(name) => name.as_str(),
            Self::Store(name) => name.as_str(),
        }
    }
}

impl From<RegionName> for Place {
    fn from(name: RegionName) -> Self {
        Self::Region(name)
    }
}

impl From<StoreName> for Place {
    fn from(name: StoreName) -> Self {
        Self::Store(name)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(name) => write!(f, "region {name}"),
            Self::Store(name) => write!(f, "store {name}"),
        }
    }
}

/// What happened to a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Connection refused, name not found, or 503.
    #[error("the service is not available")]
    Unavailable {
        /// When to try again, where it said so.
        retry_after: Option<Duration>,
    },
    /// No answer in time, or 504.
    #[error("the service did not answer in time")]
    TimedOut,
    /// 500, 501, 502 or a 4xx without a meaning of its own.
    #[error("the service answered with an error")]
    Failed,
    /// 403.
    #[error("the service refuses this credential the call")]
    Forbidden,
    /// A new token was refused as well.
    #[error("the service does not accept the credential's tokens")]
    RejectedCredentials,
    /// 404 on a named object.
    #[error("there is no such object")]
    NotFound,
    /// 400 that refuses a power action.
    #[error("the machine does not support the action")]
    ActionNotSupported,
    /// A job refused: the machine is in maintenance mode.
    #[error("the machine is in maintenance mode")]
    InMaintenanceMode,
    /// A job refused: another action is under way.
    #[error("another action is in progress")]
    ActionInProgress,
    /// 429.
    #[error("the service's rate limit is reached")]
    RateLimited {
        /// When to try again, where it said so.
        retry_after: Option<Duration>,
    },
    /// 530: the site is frozen.
    #[error("the site is hibernated")]
    Hibernated,
    /// An answer that cannot be read.
    #[error("the service's answer could not be read")]
    Malformed,
    /// A write was sent and nobody knows what became of it.
    #[error("the outcome of the call is not known")]
    OutcomeUnknown,
    /// No token can be had just now.
    #[error("no token can be had for this credential just now")]
    TokenUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The credential was refused and is left alone until it changes or is released.
    #[error("the credential is quarantined")]
    Quarantined {
        /// When it may be probed again.
        retry_after: Duration,
    },
    /// A caller's own sign-in to a store, or token of one, is missing or no longer good.
    #[error("the sign-in to the store has ended")]
    SessionExpired,
    /// A store does not accept a caller's user name and password.
    #[error("the store refuses the user name and password")]
    SignInRefused,
    /// Too many calls wait for the service already.
    #[error("too many calls wait for the service")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The caller's own deadline passed before the call was sent.
    #[error("the deadline passed before the call was made")]
    DeadlineExceeded,
    /// The region has no host for this service.
    #[error("the region has no host for this service")]
    NotConfigured,
    /// The caller's own body did not arrive, so that the call was not made.
    #[error(transparent)]
    RequestBody(BodyFault),
}

impl ErrorKind {
    /// The problem code that callers know it by.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unavailable { .. } | Self::NotConfigured => "upstream_unavailable",
            Self::TimedOut => "upstream_timeout",
            Self::Failed => "upstream_error",
            Self::Forbidden => "upstream_forbidden",
            Self::RejectedCredentials => "upstream_rejected_credentials",
            Self::NotFound => "not_found",
            Self::ActionNotSupported => "action_not_supported",
            Self::InMaintenanceMode => "machine_in_maintenance_mode",
            Self::ActionInProgress => "operation_in_progress",
            Self::RateLimited { .. } => "upstream_rate_limited",
            Self::Hibernated => "site_hibernated",
            Self::Malformed => "upstream_malformed",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::TokenUnavailable { .. } => "upstream_token_unavailable",
            Self::Quarantined { .. } => "credential_quarantined",
            Self::SessionExpired => "store_session_expired",
            Self::SignInRefused => "store_sign_in_refused",
            Self::Overloaded { .. } => "overloaded",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::RequestBody(BodyFault::TooLarge) => "payload_too_large",
            Self::RequestBody(BodyFault::Incomplete) => "invalid_request",
        }
    }

    /// How long to wait before trying again, where that is known.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } | Self::RateLimited { retry_after } => retry_after,
            Self::TokenUnavailable { retry_after }
            | Self::Quarantined { retry_after }
            | Self::Overloaded { retry_after } => Some(retry_after),
            _ => None,
        }
    }
}
