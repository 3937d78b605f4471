use std::{sync::Arc, time::Duration};

use super::SourceReport;
use crate::{
    audit,
    auth::{Denied, Exceeded},
    db,
    domain::{CustomerName, ProblemCode, StoreName},
    upstream::{self, BodyFault, ErrorKind},
};

/// Why a use case could not be carried out. No HTTP here, and no vendor words.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The policy says no.
    #[error(transparent)]
    Denied(Denied),
    /// The thing does not exist, or the caller may not see it: deliberately the same.
    #[error("there is no such thing, or this app may not see it")]
    NotFound,
    /// A value is not usable; the pointer says where it stood.
    #[error("{detail}")]
    Invalid {
        /// Where, such as `/customer` for a query parameter or body field.
        pointer: String,
        /// What is wrong and what to write instead.
        detail: String,
    },
    /// The page token was not sealed for this query.
    #[error("the page token does not belong to this query, or is too old")]
    InvalidPageToken,
    /// The app has used up one of its limits.
    #[error(transparent)]
    QuotaExceeded(Exceeded),
    /// Several things have the name.
    #[error("{} things have this name", candidates.len())]
    AmbiguousName {
        /// All of them.
        candidates: Vec<Candidate>,
    },
    /// `-` was used for a site, and the customer has several.
    #[error("the customer has {} sites that this app may see", candidates.len())]
    AmbiguousSite {
        /// All of them.
        candidates: Vec<Candidate>,
    },
    /// The action would interrupt users, or might.
    #[error("{}", in_use(name, *sessions))]
    MachineInUse {
        /// The machine.
        name: String,
        /// Its sessions; `None` is unknown.
        sessions: Option<u32>,
    },
    /// The customer's own configuration is wrong.
    #[error("customer {customer} is misconfigured; `cwsgate check` says what to mend")]
    Misconfigured {
        /// The customer.
        customer: CustomerName,
    },
    /// Citrix did not give what was asked for.
    #[error("{}", upstream_failed(_0))]
    Upstream(#[from] Arc<upstream::Error>),
    /// A store answered, and refused or could not say.
    #[error("store {store}: {}", code.meaning())]
    Store {
        /// The store.
        store: StoreName,
        /// What its answer means.
        code: ProblemCode,
        /// Its own id of the failure.
        id: Option<String>,
    },
    /// A 2xx answer to a power-off could not be read: it may have happened.
    #[error("{}", upstream_failed(_0))]
    UnreadablePowerOff(Arc<upstream::Error>),
    /// The store could not say whether it has the resource.
    #[error("store {0} could not list everything, so that nobody can say whether it is there")]
    StoreIncomplete(StoreName),
    /// The user's sign-in to a store is missing, over, or for another store or app.
    #[error("this store needs a user's sign-in, and there is none that is good")]
    StoreSessionExpired,
    /// The caller wants a kept answer only, and there is none.
    #[error("there is no recent answer in the cache, and nothing else was wanted")]
    NotCached,
    /// The time was over before Citrix was asked.
    #[error("the time for this request was over before Citrix could be asked")]
    DeadlineExceeded,
    /// A source did not answer within its share of the caller's time.
    #[error("this source did not answer in the time there was")]
    TimedOut,
    /// A source failed on an earlier page of the same list and is not asked again.
    #[error("this source failed on an earlier page and was not asked again")]
    FailedEarlier(ProblemCode),
    /// A list could not be answered: too many of its sources failed.
    #[error("{}", sources_failed(sources))]
    Sources {
        /// The code that stands for all of them.
        code: ProblemCode,
        /// When trying again may help.
        retry_after: Option<Duration>,
        /// Every source and what became of it.
        sources: Vec<SourceReport>,
    },
    /// The caller's body did not arrive.
    #[error(transparent)]
    Body(BodyFault),
    /// Whoever sends it may not own the work any more; nothing was sent.
    #[error("the lease on this work had run out, and nothing was sent")]
    Superseded,
    /// The change could not be recorded, and was not made; or the record could not be read.
    #[error(transparent)]
    AuditUnavailable(#[from] audit::Unavailable),
    /// The `Idempotency-Key` could not be looked up or reserved; nothing was done.
    #[error("the Idempotency-Key could not be looked up, and nothing was done")]
    KeysUnavailable(#[source] db::Error),
    /// The work itself broke down; the log has the cause.
    #[error("the gateway failed while doing this")]
    Internal,
}

/// One of several things that a name could mean.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// What Citrix said of a failure, in plain data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamFault {
    /// Which of its services.
    pub service: &'static str,
    /// In which region.
    pub region: String,
    /// The status it answered with, if it answered.
    pub status: Option<u16>,
    /// Its own code for the fault.
    pub code: Option<String>,
    /// Its own words.
    pub message: Option<String>,
    /// The id that Citrix's support asks for.
    pub transaction_id: Option<String>,
    /// The job that was started, where the call had one.
    pub job_id: Option<String>,
}

impl Error {
    /// The stable name of this failure.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::Denied(Denied::Invisible) | Self::NotFound => ProblemCode::NotFound,
            Self::Denied(Denied::Forbidden { .. }) => ProblemCode::PolicyDenied,
            Self::UnreadablePowerOff(_) => ProblemCode::UpstreamMalformed,
            Self::StoreIncomplete(_) => ProblemCode::UpstreamUnavailable,
            Self::StoreSessionExpired => ProblemCode::StoreSessionExpired,
            Self::NotCached => ProblemCode::NotCached,
            Self::DeadlineExceeded => ProblemCode::DeadlineExceeded,
            Self::TimedOut => ProblemCode::UpstreamTimeout,
            Self::Body(fault) => body_code(*fault),
            Self::Invalid { .. } => ProblemCode::InvalidRequest,
            Self::InvalidPageToken => ProblemCode::InvalidPageToken,
            Self::QuotaExceeded(_) => ProblemCode::QuotaExceeded,
            Self::AmbiguousName { .. } => ProblemCode::AmbiguousName,
            Self::AmbiguousSite { .. } => ProblemCode::AmbiguousSite,
            Self::MachineInUse { .. } => ProblemCode::MachineInUse,
            Self::Misconfigured { .. } => ProblemCode::CredentialQuarantined,
            Self::Upstream(error) => upstream_code(error.kind),
            Self::FailedEarlier(code) | Self::Sources { code, .. } | Self::Store { code, .. } => {
                *code
            }
            Self::AuditUnavailable(audit::Unavailable::TakenOver) => {
                ProblemCode::IdempotencyInProgress
            }
            Self::AuditUnavailable(_) | Self::KeysUnavailable(_) => ProblemCode::AuditUnavailable,
            Self::Internal | Self::Superseded => ProblemCode::Internal,
        }
    }

    /// What Citrix said, where it was Citrix.
    pub fn upstream(&self) -> Option<UpstreamFault> {
        let error = match self {
            Self::Upstream(error) | Self::UnreadablePowerOff(error) => error,
            Self::Store { store, id, .. } => {
                return Some(UpstreamFault {
                    service: "storefront",
                    region: store.to_string(),
                    status: None,
                    code: id.clone(),
                    message: None,
                    transaction_id: None,
                    job_id: None,
                });
            }
            // The only source of a list: what it said explains the whole.
            Self::Sources { sources, .. } => match sources.as_slice() {
                [only] => return only.error.as_ref()?.upstream(),
                _ => return None,
            },
            _ => return None,
        };
        Some(UpstreamFault {
            service: error.service.as_str(),
            region: error.place.name().to_owned(),
            status: error.status,
            code: error.code.clone(),
            message: error.message.clone(),
            transaction_id: error.transaction_id.clone(),
            job_id: error.job_id.clone(),
        })
    }

    /// Whether something may have happened that nobody can vouch for.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::UnreadablePowerOff(_)) || self.code() == ProblemCode::OutcomeUnknown
    }

    /// When trying again may help, where somebody said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Upstream(error) => error.kind.retry_after(),
            Self::Sources { retry_after, .. } => *retry_after,
            Self::QuotaExceeded(exceeded) => Some(exceeded.retry_after),
            Self::Store { code: ProblemCode::OperationInProgress, .. } => Some(STORE_BUSY),
            _ => None,
        }
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        match denied {
            // Said in the same words as what does not exist.
            Denied::Invisible => Self::NotFound,
            Denied::Forbidden { .. } => Self::Denied(denied),
        }
    }
}

impl From<upstream::Error> for Error {
    fn from(error: upstream::Error) -> Self {
        match error.kind {
            // Said in the same words as what the caller may not see.
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::RequestBody(fault) => Self::Body(fault),
            _ => Self::Upstream(Arc::new(error)),
        }
    }
}

/// What callers are told about a failure of Citrix's.
fn upstream_code(kind: ErrorKind) -> ProblemCode {
    match kind {
        ErrorKind::Unavailable { .. } => ProblemCode::UpstreamUnavailable,
        ErrorKind::TimedOut => ProblemCode::UpstreamTimeout,
        ErrorKind::Failed => ProblemCode::UpstreamError,
        ErrorKind::Forbidden => ProblemCode::UpstreamForbidden,
        ErrorKind::RejectedCredentials => ProblemCode::UpstreamRejectedCredentials,
        ErrorKind::NotFound => ProblemCode::NotFound,
        ErrorKind::ActionNotSupported => ProblemCode::ActionNotSupported,
        ErrorKind::InMaintenanceMode => ProblemCode::MachineInMaintenanceMode,
        ErrorKind::ActionInProgress => ProblemCode::OperationInProgress,
        ErrorKind::RateLimited { .. } => ProblemCode::UpstreamRateLimited,
        ErrorKind::Hibernated => ProblemCode::SiteHibernated,
        ErrorKind::Malformed => ProblemCode::UpstreamMalformed,
        ErrorKind::OutcomeUnknown => ProblemCode::OutcomeUnknown,
        ErrorKind::TokenUnavailable { .. } => ProblemCode::UpstreamTokenUnavailable,
        ErrorKind::Quarantined { .. } => ProblemCode::CredentialQuarantined,
        ErrorKind::SessionExpired => ProblemCode::StoreSessionExpired,
        ErrorKind::SignInRefused => ProblemCode::StoreSignInRefused,
        ErrorKind::Overloaded { .. } => ProblemCode::Overloaded,
        ErrorKind::DeadlineExceeded => ProblemCode::DeadlineExceeded,
        ErrorKind::NotConfigured => ProblemCode::Internal,
        ErrorKind::RequestBody(fault) => body_code(fault),
    }
}

fn body_code(fault: BodyFault) -> ProblemCode {
    match fault {
        BodyFault::TooLarge => ProblemCode::PayloadTooLarge,
        BodyFault::Incomplete => ProblemCode::InvalidRequest,
    }
}

fn upstream_failed(error: &upstream::Error) -> String {
    let (service, place) = (error.service.as_str(), &error.place);
    match &error.message {
        Some(message) => format!("{service} in {place}: {message}"),
        None => format!("{service} in {place}: {}", error.kind),
    }
}

fn in_use(name: &str, sessions: Option<u32>) -> String {
    match sessions {
        Some(1) => format!("{name} has 1 session"),
        Some(count) => format!("{name} has {count} sessions"),
        None => format!("Citrix does not say how many sessions {name} has"),
    }
}

fn sources_failed(sources: &[SourceReport]) -> String {
    if let [SourceReport { error: Some(error), .. }] = sources {
        return error.to_string();
    }
    let failed: Vec<_> = sources
        .iter()
        .filter_map(|source| {
            let error = source.error.as_ref()?;
            Some(format!("{} ({})", source.customer, error.code()))
        })
        .collect();
    match failed.len() {
        0 => "none of the sources could be asked".to_owned(),
        1..=5 => format!("failed: {}", failed.join(", ")),
        more => format!("failed: {} and {} more", failed[..5].join(", "), more - 5),
    }
}

/// How long a machine takes to be done with what another operation does with it. Stores do not say.
const STORE_BUSY: Duration = Duration::from_secs(10);
