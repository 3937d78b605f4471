use std::time::Duration;

use super::BreakerScope;
use crate::{
    domain::CustomerName,
    upstream::{Place, Service},
};

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls fail at once.
    Open,
    /// One call passes, to find out.
    HalfOpen,
}

impl BreakerState {
    /// The word in answers, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// One breaker.
#[derive(Clone, Debug)]
pub struct BreakerStatus {
    /// Whether it is one customer's, one store's, or that of all customers of a region.
    pub scope: BreakerScope,
    /// The region or the store.
    pub place: Place,
    /// The customer, where it is one customer's.
    pub customer: Option<CustomerName>,
    /// The service.
    pub service: Service,
    /// Where it stands.
    pub state: BreakerState,
    /// How long it stays open.
    pub retry_after: Option<Duration>,
}

/// A service that is left alone because it said 429.
#[derive(Clone, Debug)]
pub struct CooldownStatus {
    /// The region or the store.
    pub place: Place,
    /// For this customer.
    pub customer: Option<CustomerName>,
    /// The service.
    pub service: Service,
    /// How long still.
    pub remaining: Duration,
}

/// Calls of one customer to one service.
#[derive(Clone, Debug)]
pub struct SlotStatus {
    /// The region or the store.
    pub place: Place,
    /// The customer.
    pub customer: Option<CustomerName>,
    /// The service.
    pub service: Service,
    /// Calls under way.
    pub in_flight: usize,
    /// Calls that wait.
    pub waiting: usize,
}
