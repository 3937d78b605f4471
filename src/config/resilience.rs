use std::time::Duration;

use super::reader::{Field, Section};

/// How calls to Citrix are kept from hurting each other, and Citrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResilienceSettings {
    /// When a call is made again.
    pub retry: RetrySettings,
    /// What a 429 leads to.
    pub cooldown: CooldownSettings,
    /// How many calls may be under way.
    pub slots: SlotSettings,
    /// When a service that fails is left alone.
    pub breaker: BreakerSettings,
}

/// When a call is made again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySettings {
    /// Attempts in all.
    pub max_attempts: u32,
    /// Longest pause before the second attempt; doubles with each.
    pub backoff_min: Duration,
    /// Longest pause there is, hints of Citrix's apart.
    pub backoff_max: Duration,
    /// Retries that a customer may cause at a service, as a share of its calls …
    pub budget_share: f64,
    /// … and in any case this many a second.
    pub budget_floor: u32,
}

/// What a 429 leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CooldownSettings {
    /// How long a service is left alone that does not say how long.
    pub without_hint: Duration,
    /// The longest hint that is followed.
    pub longest: Duration,
}

/// How many calls of one customer to one service may be under way. Nothing is shared between
/// customers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlotSettings {
    /// Calls under way at the same time.
    pub in_flight: usize,
    /// Of those, calls of bulk operations.
    pub bulk: usize,
    /// Calls that may wait.
    pub max_queue: usize,
    /// Longest wait; bulk operations wait half as long.
    pub max_queue_time: Duration,
}

/// When a service that fails is left alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub consecutive_failures: u32,
    /// It also opens when over this time …
    pub window: Duration,
    /// … at least this many calls …
    pub min_samples: u32,
    /// … had a smaller share of successes.
    pub min_success: f64,
    /// How long it stays open at first; doubles while the service keeps failing.
    pub open_min: Duration,
    /// The longest that it stays open.
    pub open_max: Duration,
    /// Customers that must fail, being more than half, for a service of a whole region to be left
    /// alone.
    pub region_customers: usize,
}

impl ResilienceSettings {
    /// The sections it is made of, all below `upstream`.
    pub(super) const SECTIONS: [&'static str; 4] = ["retry", "cooldown", "slots", "breaker"];

    pub(super) fn read(fields: &[Field<'_>; 4]) -> Option<Self> {
        let [retry, cooldown, slots, breaker] = fields;
        let retry = retry.section("upstream.retry", TABLE);
        let cooldown = cooldown.section("upstream.cooldown", TABLE);
        let slots = slots.section("upstream.slots", TABLE);
        let breaker = breaker.section("upstream.breaker", TABLE);
        Some(Self {
            retry: RetrySettings::read(&retry?),
            cooldown: CooldownSettings::read(&cooldown?),
            slots: SlotSettings::read(&slots?),
            breaker: BreakerSettings::read(&breaker?),
        })
    }
}

impl RetrySettings {
    fn read(section: &Section<'_>) -> Self {
        let (backoff_min, backoff_max) = section.range("backoff_min", "backoff_max");
        Self {
            max_attempts: section.count("max_attempts", 1..=20),
            backoff_min,
            backoff_max,
            budget_share: section.field("budget_share").fraction(&(0.0..=1.0)).unwrap_or_default(),
            budget_floor: section.count("budget_floor", 0..=1_000),
        }
    }
}

impl CooldownSettings {
    fn read(section: &Section<'_>) -> Self {
        let (without_hint, longest) = section.range("without_hint", "longest");
        Self { without_hint, longest }
    }
}

impl SlotSettings {
    fn read(section: &Section<'_>) -> Self {
        let in_flight = section.count("in_flight", 1..=10_000);
        // Whoever lowers the one need not know of the other.
        let bulk = section.count("bulk", 1..=10_000).min(in_flight);
        Self {
            in_flight: in_flight as usize,
            bulk: bulk as usize,
            max_queue: section.count("max_queue", 0..=100_000) as usize,
            max_queue_time: section.duration("max_queue_time", SECOND..=SECOND * 120),
        }
    }
}

impl BreakerSettings {
    fn read(section: &Section<'_>) -> Self {
        let (open_min, open_max) = section.range("open_min", "open_max");
        Self {
            consecutive_failures: section.count("consecutive_failures", 1..=1_000),
            window: section.duration("window", SECOND..=SECOND * 600),
            min_samples: section.count("min_samples", 1..=100_000),
            min_success: section.field("min_success").fraction(&(0.0..=1.0)).unwrap_or_default(),
            open_min,
            open_max,
            region_customers: section.count("region_customers", 1..=10_000) as usize,
        }
    }
}

const TABLE: &str = "a table";
const SECOND: Duration = Duration::from_secs(1);
