use std::time::Duration;

use tokio::time::Instant;

use super::slots::{COME_BACK, NoSlot};
use crate::{
    domain::{AppName, CallContext, Via},
    upstream::{Error, ErrorKind, Place, Service},
};

/// Why a call was not let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::upstream) enum Refusal {
    /// 429, a moment ago.
    #[error("cooling down after 429")]
    CoolingDown(Duration),
    /// The service fails for this customer, or for the whole region.
    #[error("left alone, since it keeps failing")]
    BreakerOpen(Duration),
    /// Too many calls wait already, or this one waited for too long.
    #[error("too many calls wait for it")]
    Overloaded,
    /// The deadline passed in the queue.
    #[error("the deadline passed in the queue")]
    DeadlinePassed,
}

/// For whom a call is made.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) struct Caller<'a> {
    pub(in crate::upstream) app: &'a AppName,
    pub(in crate::upstream) bulk: bool,
    pub(in crate::upstream) deadline: Instant,
    /// Whether the call changes nothing.
    pub(in crate::upstream) reads: bool,
}

impl<'a> Caller<'a> {
    pub(in crate::upstream) fn of(ctx: &'a CallContext, reads: bool) -> Self {
        let bulk = ctx.via == Via::Operation;
        Self { app: &ctx.principal.app, bulk, deadline: ctx.deadline, reads }
    }
}

impl Refusal {
    /// The word in metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::CoolingDown(_) => "cooldown",
            Self::BreakerOpen(_) => "breaker",
            Self::Overloaded => "overloaded",
            Self::DeadlinePassed => "deadline",
        }
    }

    pub(in crate::upstream) fn kind(self) -> ErrorKind {
        match self {
            Self::CoolingDown(left) => ErrorKind::RateLimited { retry_after: Some(left) },
            Self::BreakerOpen(wait) => ErrorKind::Unavailable { retry_after: Some(wait) },
            Self::Overloaded => ErrorKind::Overloaded { retry_after: COME_BACK },
            Self::DeadlinePassed => ErrorKind::DeadlineExceeded,
        }
    }

    pub(super) fn into_error(
        self,
        operation: &'static str,
        service: Service,
        place: Place,
    ) -> Error {
        Error::new(self.kind(), operation, service, place).caused_by(self)
    }
}

impl From<NoSlot> for Refusal {
    fn from(why: NoSlot) -> Self {
        match why {
            NoSlot::QueueFull | NoSlot::WaitedTooLong => Self::Overloaded,
            NoSlot::DeadlinePassed => Self::DeadlinePassed,
        }
    }
}
