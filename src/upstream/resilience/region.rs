use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    BreakerState,
    switch::{Noted, Pass, Switch, Verdict},
};
use crate::{config::BreakerSettings, domain::CustomerName};

/// Keeps a service of a whole region alone. It counts customers and not calls: one customer in
/// trouble says nothing about the others, however much it asks.
#[derive(Debug)]
pub(super) struct RegionBreaker(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    switch: Switch,
    /// Who asked of late, and whether the service fails for them.
    customers: HashMap<CustomerName, (Instant, bool)>,
}

/// What a customer's call said of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    /// The customer's own breaker let the call through to find out.
    pub(super) known: bool,
    /// The customer's own breaker has given the service up.
    pub(super) failing: bool,
}

impl RegionBreaker {
    pub(super) fn new(settings: &BreakerSettings) -> Self {
        let switch = Switch::new(settings.open_min, settings.open_max);
        Self(Mutex::new(Inner { switch, customers: HashMap::new() }))
    }

    /// Leave to call; if there is none, when to ask again.
    pub(super) fn enter(&self, reads: bool) -> Result<Pass, Duration> {
        self.lock().switch.enter(reads, Instant::now())
    }

    /// Takes what a customer's call said; the new state, if it led to one.
    pub(super) fn note(
        &self,
        pass: Pass,
        customer: &CustomerName,
        report: Report,
        settings: &BreakerSettings,
    ) -> Option<BreakerState> {
        let Report { verdict, known, failing } = report;
        let now = Instant::now();
        let mut inner = self.lock();
        let verdict = match verdict {
            // It failed before: whether the region works is for another customer to find out.
            Verdict::Fails if pass.probe && known => Verdict::Silent,
            other => other,
        };
        match inner.switch.note(pass, verdict, now) {
            Noted::Ignored => return None,
            Noted::Moved(state) => {
                // What was known before says nothing about the time after.
                inner.customers.clear();
                return Some(state);
            }
            Noted::Counts => {}
        }
        inner.customers.insert(customer.clone(), (now, failing));
        if !failing {
            return None;
        }
        inner.customers.retain(|_, (last, _)| now.duration_since(*last) < settings.window);
        let active = inner.customers.len();
        let failing = inner.customers.values().filter(|(_, failing)| *failing).count();
        if failing >= settings.region_customers && failing * 2 > active {
            inner.customers.clear();
            return Some(inner.switch.trip(now));
        }
        None
    }

    /// The state, and how long it stays open.
    pub(super) fn state(&self) -> (BreakerState, Option<Duration>) {
        self.lock().switch.state(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
