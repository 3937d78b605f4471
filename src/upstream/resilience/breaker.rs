use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{
    BreakerState,
    switch::{Noted, Pass, Switch, Verdict},
    window::Window,
};
use crate::config::BreakerSettings;

/// Keeps a service alone that fails for one customer.
#[derive(Debug)]
pub(super) struct Breaker(Mutex<(Switch, Window)>);

impl Breaker {
    pub(super) fn new(settings: &BreakerSettings) -> Self {
        let switch = Switch::new(settings.open_min, settings.open_max);
        Self(Mutex::new((switch, Window::default())))
    }

    /// Leave to call; if there is none, when to ask again.
    pub(super) fn enter(&self, reads: bool) -> Result<Pass, Duration> {
        self.lock().0.enter(reads, Instant::now())
    }

    /// Takes what a call said; the new state, if it led to one.
    pub(super) fn note(
        &self,
        pass: Pass,
        verdict: Verdict,
        settings: &BreakerSettings,
    ) -> Option<BreakerState> {
        let now = Instant::now();
        let mut inner = self.lock();
        let (switch, window) = &mut *inner;
        match switch.note(pass, verdict, now) {
            Noted::Ignored => return None,
            Noted::Moved(state) => {
                *window = Window::default();
                return Some(state);
            }
            Noted::Counts => {}
        }
        if verdict == Verdict::Works {
            window.success(now, settings.window);
            return None;
        }
        window.failure(now, settings.window);
        let (samples, share) = window.samples();
        let often = samples >= settings.min_samples && share < settings.min_success;
        if often || window.failures_in_a_row() >= settings.consecutive_failures {
            *window = Window::default();
            return Some(switch.trip(now));
        }
        None
    }

    /// The state, and how long it stays open.
    pub(super) fn state(&self) -> (BreakerState, Option<Duration>) {
        self.lock().0.state(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, (Switch, Window)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
