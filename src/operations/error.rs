use crate::{
    db,
    domain::ProblemCode,
    services::{self, SourceReport},
};

use super::{Counts, OperationState};

/// Why something about an operation could not be done. No HTTP here.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A value is not usable; the pointer says where it stood.
    #[error("{detail}")]
    Invalid {
        /// Where, such as `/options/maxErrors`.
        pointer: String,
        /// What is wrong and what to write instead.
        detail: String,
    },
    /// There is no such operation, or the caller may not see it; or a path of the selector names
    /// what is not there.
    #[error("there is no such thing, or this app may not see it")]
    NotFound {
        /// Where the path stood, if it was in the body.
        pointer: Option<String>,
    },
    /// Sources failed while planning: nobody can say what is missing.
    #[error(
        "some sources could not be read, so that the plan would have gaps; nothing was started"
    )]
    PlanIncomplete {
        /// Every source and what became of it.
        sources: Vec<SourceReport>,
    },
    /// The selector reaches more than the caller allows.
    #[error("the selector reaches {targets} targets, and maxTargets is {max}; nothing was started")]
    TooManyTargets {
        /// How many it reaches.
        targets: u32,
        /// How many are allowed.
        max: u32,
    },
    /// The digest names no plan, or one that is too old.
    #[error("there is no such plan any more")]
    PlanExpired,
    /// The operation goes on.
    #[error("the operation is {}", state.as_str())]
    NotFinished {
        /// How it stands.
        state: OperationState,
    },
    /// The operation has ended, and not everything went well.
    #[error(
        "of {} items {} succeeded, {} failed, {} were cancelled and {} are unknown",
        counts.planned, counts.succeeded, counts.failed, counts.cancelled, counts.indeterminate
    )]
    NotFullySucceeded {
        /// What became of its items.
        counts: Counts,
    },
    /// A use case failed.
    #[error(transparent)]
    Service(#[from] services::Error),
    /// The store cannot be written or read.
    #[error("operations cannot be stored or read just now: {0}")]
    Store(#[from] db::Error),
    /// The store holds something that this version cannot read.
    #[error("the stored operation cannot be read")]
    Unreadable,
}

impl Error {
    pub(super) fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid { pointer: pointer.into(), detail: detail.into() }
    }

    /// The stable name of this failure.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::Invalid { .. } => ProblemCode::InvalidRequest,
            Self::NotFound { .. } => ProblemCode::NotFound,
            Self::PlanIncomplete { .. } => ProblemCode::PlanIncomplete,
            Self::TooManyTargets { .. } => ProblemCode::TooManyTargets,
            Self::PlanExpired => ProblemCode::PlanExpired,
            Self::NotFinished { .. } => ProblemCode::OperationNotFinished,
            Self::NotFullySucceeded { .. } => ProblemCode::OperationNotFullySucceeded,
            Self::Service(error) => error.code(),
            Self::Store(_) => ProblemCode::AuditUnavailable,
            Self::Unreadable => ProblemCode::Internal,
        }
    }
}
