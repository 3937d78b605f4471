use std::{any::Any, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::class::Windows;
use crate::domain::{ReadSource, Reading};

/// An answer that was kept.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) value: Arc<dyn Any + Send + Sync>,
    /// The writes there had been when the read began.
    pub(super) begun: u64,
    /// Its number among everything that Citrix was asked.
    pub(super) number: u64,
    /// When Citrix was asked.
    pub(super) asked: Instant,
    /// When the answer was there.
    pub(super) arrived: Instant,
    /// The time of day when Citrix was asked.
    pub(super) as_of: Timestamp,
    /// Whether it came from the simulator.
    pub(super) simulated: bool,
    /// What it is good for.
    pub(super) windows: Windows,
    /// Bytes it takes.
    pub(super) weight: u32,
}

/// What a kept answer is good for now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Everything.
    Fresh,
    /// Being answered with while it is renewed.
    Renew,
    /// Being answered with if there is nothing newer.
    FallBack,
    /// Nothing.
    Gone,
}

impl Entry {
    /// What it is good for now.
    pub(super) fn standing(&self) -> Standing {
        let Windows { fresh, renew, fall_back } = self.windows;
        let kept = self.arrived.elapsed();
        if kept < fresh {
            Standing::Fresh
        } else if kept < fresh + renew {
            Standing::Renew
        } else if kept < fresh + fall_back {
            Standing::FallBack
        } else {
            Standing::Gone
        }
    }

    /// Whether it can stand in for an answer that could not be had.
    pub(super) fn can_stand_in(&self) -> bool {
        self.arrived.elapsed() < self.windows.fresh + self.windows.fall_back
    }

    /// Its age, from when Citrix was asked.
    pub(super) fn age(&self) -> Duration {
        self.asked.elapsed()
    }

    pub(super) fn reading(&self, source: ReadSource) -> Reading {
        let kept = self.arrived.elapsed();
        Reading {
            source,
            as_of: self.as_of,
            age: self.age(),
            fresh_for: self.windows.fresh.saturating_sub(kept),
            stale_for: kept.saturating_sub(self.windows.fresh),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("as_of", &self.as_of).finish_non_exhaustive()
    }
}
