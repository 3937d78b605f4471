use std::{fmt, sync::Arc, time::Duration};

use super::mint::{FailureClass, MintFailure};
use crate::config::TokenSettings;

/// A source of numbers from 0 up to 1, injected so that tests know them.
#[derive(Clone)]
pub(in crate::upstream) struct Jitter(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Jitter {
    /// Numbers that nobody can tell beforehand.
    pub(in crate::upstream) fn random() -> Self {
        Self(Arc::new(fastrand::f64))
    }

    #[cfg(test)]
    pub(in crate::upstream) fn fixed(value: f64) -> Self {
        Self(Arc::new(move || value))
    }

    /// A number between the two.
    pub(in crate::upstream) fn between(&self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.0)()
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

/// How long a token may be used, counted from before its request was sent: the last 5 % of its
/// life, and the margin at least, are left out.
pub(super) fn usable_life(life: Duration, settings: &TokenSettings) -> Duration {
    life.saturating_sub(settings.margin.max(life.mul_f64(0.05)))
}

/// When a token is renewed, counted likewise: at its share of life give or take 5 % of life, so
/// that many credentials do not come at once, and in any case while the token is still usable.
pub(super) fn refresh_at(life: Duration, settings: &TokenSettings, jitter: &Jitter) -> Duration {
    let share = settings.refresh_at + jitter.between(-0.05, 0.05);
    let latest = usable_life(life, settings).mul_f64(0.95);
    life.mul_f64(share.clamp(0.0, 1.0)).min(latest)
}

/// The pause after the `failures`-th failure in a row, which took `took`.
///
/// A hint of the service's wins. Else the pause doubles, with jitter and never under the minimum.
/// A service that is out of reach is asked again within [`NOTICE_WITHIN`] of the attempt before,
/// so that its recovery is noticed soon; one that says that it is asked too often gets the whole
/// pause.
pub(super) fn pause(
    failure: &MintFailure,
    failures: u32,
    took: Duration,
    settings: &TokenSettings,
    jitter: &Jitter,
) -> Duration {
    let shortest = settings.backoff_min.max(Duration::from_secs(1));
    let longest = match failure.class {
        FailureClass::Throttled => settings.backoff_max,
        FailureClass::Transient | FailureClass::Credential | FailureClass::Configuration => {
            settings.backoff_max.min(NOTICE_WITHIN.saturating_sub(took))
        }
    };
    let doubled = shortest.saturating_mul(1 << failures.min(16)).min(longest).max(shortest);
    let drawn = jitter.between(shortest.as_secs_f64(), doubled.as_secs_f64());
    Duration::from_secs_f64(drawn).max(failure.retry_after.unwrap_or_default())
}

/// How soon after a failed attempt a service that is down is asked again at the latest.
const NOTICE_WITHIN: Duration = Duration::from_secs(15);
