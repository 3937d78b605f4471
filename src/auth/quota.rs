use std::{collections::HashMap, fmt, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    NotUntil, Quota as Rate, RateLimiter,
    clock::Clock,
    middleware::{StateInformationMiddleware, StateSnapshot},
    state::{InMemoryState, NotKeyed},
};

use crate::{config::App, domain::AppName};

/// How much each app may still do. One meter per app and limit of the configuration, so that
/// nothing here grows.
#[derive(Debug, Default)]
pub struct Quotas {
    apps: HashMap<AppName, Meters>,
}

/// What is limited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limited {
    /// Requests, whatever they ask for.
    Requests,
    /// Machines that are acted on.
    Machines,
}

/// Where an app stands with one of its limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// What is limited.
    pub what: Limited,
    /// How many in a window.
    pub limit: u32,
    /// How long the window is.
    pub window: Duration,
    /// How many are left.
    pub remaining: u32,
    /// When all of them are back.
    pub reset: Duration,
}

/// An app has used up what it may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "this app may {} {} {} in {} seconds",
    standing.what.verb(), standing.limit, standing.what.as_str(), standing.window.as_secs()
)]
pub struct Exceeded {
    /// The limit.
    pub standing: Standing,
    /// When there is one more.
    pub retry_after: Duration,
}

#[derive(Clone, Debug, Default)]
struct Meters {
    requests: Option<Arc<Meter>>,
    machines: Option<Arc<Meter>>,
}

struct Meter {
    what: Limited,
    limit: NonZeroU32,
    window: Duration,
    limiter: RateLimiter<NotKeyed, InMemoryState, Monotonic, StateInformationMiddleware>,
}

/// Tokio's clock, which tests pause.
#[derive(Clone, Copy, Debug)]
struct Monotonic;

impl Quotas {
    /// The limits of the configuration. What apps have used of the same limits before, as
    /// `previous` knows, stays used.
    pub fn new<'a>(apps: impl IntoIterator<Item = &'a App>, previous: Option<&Self>) -> Self {
        let meters = |app: &App| {
            let before = previous.and_then(|previous| previous.apps.get(&app.name));
            let before = before.cloned().unwrap_or_default();
            let meter = |what, limit: Option<NonZeroU32>, window, known: Option<Arc<Meter>>| {
                let limit = limit?;
                let same = known.filter(|known| known.limit == limit);
                same.or_else(|| Meter::new(what, limit, window).map(Arc::new))
            };
            let limits = app.limits;
            let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
            let (requests, machines) = (limits.requests_per_minute, limits.machines_per_hour);
            let requests = meter(Limited::Requests, requests, minute, before.requests);
            let machines = meter(Limited::Machines, machines, hour, before.machines);
            (app.name.clone(), Meters { requests, machines })
        };
        let apps = apps.into_iter().map(meters);
        Self { apps: apps.filter(|(_, meters)| meters.is_limited()).collect() }
    }

    /// Counts one request; where the app stands then, if it is limited.
    ///
    /// # Errors
    /// When it has made too many.
    pub fn request(&self, app: &AppName) -> Result<Option<Standing>, Exceeded> {
        let meter = self.apps.get(app).and_then(|meters| meters.requests.as_ref());
        meter.map(|meter| meter.take(NonZeroU32::MIN)).transpose()
    }

    /// Counts machines that are about to be acted on, all of them or none.
    ///
    /// # Errors
    /// When the app has acted on too many, or these are more than it may ever act on at once.
    pub fn machines(&self, app: &AppName, count: NonZeroU32) -> Result<Option<Standing>, Exceeded> {
        self.machine_meter(app).map(|meter| meter.take(count)).transpose()
    }

    /// How many machines the app may act on in an hour; `None` is as many as it likes.
    pub fn machine_limit(&self, app: &AppName) -> Option<NonZeroU32> {
        self.machine_meter(app).map(|meter| meter.limit)
    }

    fn machine_meter(&self, app: &AppName) -> Option<&Meter> {
        self.apps.get(app).and_then(|meters| meters.machines.as_deref())
    }
}

impl Limited {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Machines => "machines",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Requests => "make",
            Self::Machines => "act on",
        }
    }
}

impl Meters {
    fn is_limited(&self) -> bool {
        self.requests.is_some() || self.machines.is_some()
    }
}

impl Meter {
    fn new(what: Limited, limit: NonZeroU32, window: Duration) -> Option<Self> {
        let rate = Rate::with_period(window / limit.get())?.allow_burst(limit);
        let limiter = RateLimiter::direct_with_clock(rate, Monotonic).with_middleware();
        Some(Self { what, limit, window, limiter })
    }

    fn take(&self, count: NonZeroU32) -> Result<Standing, Exceeded> {
        match self.limiter.check_n(count) {
            Ok(Ok(snapshot)) => Ok(self.standing(&snapshot)),
            Ok(Err(until)) => Err(self.exceeded(&until)),
            // More than there ever are: a whole window brings no more back.
            Err(_) => Err(Exceeded { standing: self.with_remaining(0), retry_after: self.window }),
        }
    }

    fn standing(&self, snapshot: &StateSnapshot) -> Standing {
        self.with_remaining(snapshot.remaining_burst_capacity())
    }

    fn exceeded(&self, until: &NotUntil<std::time::Instant>) -> Exceeded {
        let retry_after = until.wait_time_from(Monotonic.now());
        Exceeded { standing: self.with_remaining(0), retry_after }
    }

    fn with_remaining(&self, remaining: u32) -> Standing {
        let limit = self.limit.get();
        let used = limit.saturating_sub(remaining);
        let reset = (self.window / limit) * used;
        Standing { what: self.what, limit, window: self.window, remaining, reset }
    }
}

impl Clock for Monotonic {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, limit, window, .. } = self;
        let mut shown = f.debug_struct("Meter");
        shown.field("what", what).field("limit", limit).field("window", window).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AppLimits;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn app(name: &str, requests: Option<u32>, machines: Option<u32>) -> App {
        let limits = AppLimits {
            requests_per_minute: requests.and_then(NonZeroU32::new),
            machines_per_hour: machines.and_then(NonZeroU32::new),
            max_deadline: None,
        };
        let name = AppName::try_from(name).unwrap();
        App { name, keys: Vec::new(), subject: None, grants: Vec::new(), limits }
    }

    #[tokio::test(start_paused = true)]
    async fn each_app_has_its_own_and_it_comes_back_bit_by_bit() {
        let apps = [app("a", Some(60), None), app("b", Some(60), Some(2)), app("c", None, None)];
        let quotas = Quotas::new(&apps, None);
        let [a, b, c] = apps.map(|app| app.name);
        let first = quotas.request(&a).unwrap().unwrap();
        assert_eq!((first.limit, first.remaining, first.reset.as_secs()), (60, 59, 1));
        for _ in 0..59 {
            quotas.request(&a).unwrap();
        }
        let exceeded = quotas.request(&a).unwrap_err();
        assert_eq!(exceeded.retry_after, Duration::from_secs(1));
        assert_eq!((exceeded.standing.remaining, exceeded.standing.reset.as_secs()), (0, 60));
        quotas.request(&b).unwrap();
        for _ in 0..1000 {
            assert_eq!(quotas.request(&c), Ok(None));
            assert_eq!(quotas.machines(&a, ONE), Ok(None));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        quotas.request(&a).unwrap();
        quotas.request(&a).unwrap_err();

        quotas.machines(&b, ONE).unwrap();
        quotas.machines(&b, ONE).unwrap();
        let exceeded = quotas.machines(&b, ONE).unwrap_err();
        assert_eq!(exceeded.retry_after, Duration::from_mins(30));
        assert_eq!(exceeded.to_string(), "this app may act on 2 machines in 3600 seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn several_machines_are_counted_together_or_not_at_all() {
        let quotas = Quotas::new(&[app("a", None, Some(3))], None);
        let a = AppName::try_from("a").unwrap();
        let [two, four] = [2, 4].map(|count| NonZeroU32::new(count).unwrap());
        quotas.machines(&a, four).unwrap_err();
        quotas.machines(&a, two).unwrap();
        quotas.machines(&a, two).unwrap_err();
        assert_eq!(quotas.machines(&a, ONE).unwrap().unwrap().remaining, 0);
        assert_eq!(quotas.machine_limit(&a), NonZeroU32::new(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_gives_nothing_back_unless_the_limit_changed() {
        let quotas = Quotas::new(&[app("a", Some(1), None)], None);
        let a = AppName::try_from("a").unwrap();
        quotas.request(&a).unwrap();
        let same = Quotas::new(&[app("a", Some(1), None)], Some(&quotas));
        same.request(&a).unwrap_err();
        let other = Quotas::new(&[app("a", Some(2), None)], Some(&same));
        other.request(&a).unwrap();
        let gone = Quotas::new(&[app("a", None, None)], Some(&other));
        assert_eq!(gone.request(&a), Ok(None));
    }
}
