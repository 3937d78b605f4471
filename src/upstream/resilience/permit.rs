use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    BreakerScope, BreakerState, Guard, GuardEventKind,
    lane::{Lane, Owner},
    region::{RegionBreaker, Report},
    slots::Slot,
    switch::{Pass, Verdict},
};
use crate::domain::CustomerName;

/// Leave for one call, with its room. Dropped without [`done`](Self::done), it says nothing of the
/// service: the caller went away.
#[must_use = "the room is given back when this is dropped"]
pub struct Permit {
    pub(super) guard: Guard,
    pub(super) lane: Arc<Lane>,
    pub(super) region: Option<(Arc<RegionBreaker>, Pass)>,
    pub(super) own: Pass,
    pub(super) began: Instant,
    pub(super) settled: bool,
    pub(super) _slot: Slot,
}

/// How a call ended, as far as it says something of the service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It answered, and its answer was read to the end.
    Answered {
        /// The status.
        status: u16,
        /// How long to wait, where it said so.
        retry_after: Option<Duration>,
    },
    /// No connection could be made: it is certain that nothing was sent.
    Unreachable,
    /// The connection was lost once something may have been sent.
    Lost,
    /// The deadline passed without a whole answer.
    TimedOut,
    /// It was not asked, for want of a token say; or nobody waited for its answer.
    NotAsked,
}

/// A call that has ended.
pub(in crate::upstream) struct Ended {
    lane: Arc<Lane>,
    /// How long nobody asks the service for this customer, after a 429.
    pub(in crate::upstream) cooldown: Option<Duration>,
}

impl Permit {
    /// Says how the call ended, and gives its room back.
    pub fn done(self, outcome: Outcome) {
        self.end(outcome);
    }

    /// The first attempt of a call adds to what may be spent on repeating calls.
    pub(in crate::upstream) fn first_attempt(&self) {
        self.lane.deposit();
    }

    pub(in crate::upstream) fn end(mut self, outcome: Outcome) -> Ended {
        let cooldown = self.settle(outcome);
        Ended { lane: Arc::clone(&self.lane), cooldown }
    }

    fn settle(&mut self, outcome: Outcome) -> Option<Duration> {
        self.settled = true;
        let settings = self.guard.settings();
        let verdict = outcome.verdict(self.began.elapsed());
        let lane = &self.lane;
        lane.tell(&self.guard, GuardEventKind::Left);
        if let Some(state) = lane.breaker.note(self.own, verdict, &settings.breaker) {
            lane.breaker_moved(&self.guard, lane.scope(), state);
        }
        if let (Some((region, pass)), Some(customer)) = (&self.region, &lane.owner.customer) {
            let failing = lane.breaker.state().0 != BreakerState::Closed;
            let report = Report { verdict, known: self.own.probe, failing };
            if let Some(state) = region.note(*pass, customer, report, &settings.breaker) {
                lane.breaker_moved(&self.guard, BreakerScope::Region, state);
            }
        }
        let Outcome::Answered { status: 429, retry_after } = outcome else { return None };
        let cooldown = lane.cooldown.begin(retry_after, &settings.cooldown);
        tracing::warn!(
            cwsgate.upstream.service = lane.service.as_str(),
            cwsgate.place = lane.owner.place.name(),
            cwsgate.customer = lane.owner.customer.as_ref().map(CustomerName::as_str),
            duration_ms = u64::try_from(cooldown.as_millis()).unwrap_or(u64::MAX),
            "rate limited: the service is left alone for this customer"
        );
        lane.tell(&self.guard, GuardEventKind::CooledDown);
        Some(cooldown)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.settled {
            self.settle(Outcome::NotAsked);
        }
    }
}

impl Ended {
    /// Takes leave to make the call again, if there is any left.
    pub(in crate::upstream) fn may_retry(&self, guard: &Guard) -> bool {
        let allowed = self.lane.withdraw();
        self.tell(guard, if allowed { GuardEventKind::Retried } else { NO_BUDGET });
        allowed
    }

    /// Says that there is no time to make the call again.
    pub(in crate::upstream) fn too_late(&self, guard: &Guard) {
        self.tell(guard, GuardEventKind::NotRetried("deadline"));
    }

    fn tell(&self, guard: &Guard, kind: GuardEventKind) {
        self.lane.tell(guard, kind);
    }
}

impl Outcome {
    /// The same with the service's hint when to come back.
    #[must_use]
    pub(in crate::upstream) fn with_hint(self, retry_after: Option<Duration>) -> Self {
        match self {
            Self::Answered { status, .. } => Self::Answered { status, retry_after },
            other => other,
        }
    }

    fn verdict(self, took: Duration) -> Verdict {
        match self {
            // The edge's answer for a site that is frozen, and an operation that does not exist.
            Self::Answered { status: 501 | 530, .. } => Verdict::Works,
            Self::Answered { status: 500.., .. } | Self::Unreachable | Self::Lost => Verdict::Fails,
            Self::Answered { .. } => Verdict::Works,
            // A caller in a hurry says nothing about the service.
            Self::TimedOut if took < FAIR_WAIT => Verdict::Silent,
            Self::TimedOut => Verdict::Fails,
            Self::NotAsked => Verdict::Silent,
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner { place, customer } = &self.lane.owner;
        f.debug_struct("Permit")
            .field("place", place)
            .field("customer", customer)
            .finish_non_exhaustive()
    }
}

const NO_BUDGET: GuardEventKind = GuardEventKind::NotRetried("budget");

/// How long a service must have been silent for that to count against it.
const FAIR_WAIT: Duration = Duration::from_secs(5);
