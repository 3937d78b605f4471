use std::time::Duration;

use super::BreakerState;
use crate::upstream::{Place, Service};

/// Something that a guard did with a call, or learnt from it.
#[derive(Clone, Copy, Debug)]
pub struct GuardEvent<'a> {
    /// The service.
    pub service: Service,
    /// The region or the store.
    pub place: &'a Place,
    /// What.
    pub kind: GuardEventKind,
}

/// What a guard did or learnt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GuardEventKind {
    /// A call got its slot, after this time.
    Admitted(Duration),
    /// A call gave its slot back.
    Left,
    /// A call was refused; the reason is one of a fixed few.
    Refused(&'static str),
    /// A call is made again.
    Retried,
    /// A call could have been made again and was not; the reason is one of a fixed few.
    NotRetried(&'static str),
    /// 429 began a cooldown.
    CooledDown,
    /// A breaker moved.
    Breaker(BreakerScope, BreakerState),
}

/// Whose breaker it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BreakerScope {
    /// One customer's.
    Customer,
    /// One store's.
    Store,
    /// All customers of a region.
    Region,
}

impl BreakerScope {
    /// The word in answers, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Store => "store",
            Self::Region => "region",
        }
    }
}
