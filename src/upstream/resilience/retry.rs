use std::time::Duration;

use super::Outcome;
use crate::{config::RetrySettings, upstream::token::Jitter};

/// Decides whether an attempt that failed is made again, and after which pause.
///
/// What was sent decides: as long as no connection was made, anything may be; after that only what
/// changes nothing, and only where another attempt can help.
#[derive(Debug)]
pub(in crate::upstream) struct Retry {
    settings: RetrySettings,
    jitter: Jitter,
}

impl Retry {
    pub(in crate::upstream) fn new(settings: RetrySettings, jitter: Jitter) -> Self {
        Self { settings, jitter }
    }

    /// The pause after the `attempt`-th attempt (from 1), which ended with `outcome`; `None` if it
    /// was the last. A hint of Citrix's comes on top of the jitter, so that those who were told the
    /// same do not come back at the same moment.
    pub(in crate::upstream) fn pause(
        &self,
        attempt: u32,
        outcome: Outcome,
        reads: bool,
    ) -> Option<Duration> {
        let may_repeat = match outcome {
            Outcome::Unreachable => true,
            Outcome::Lost => reads,
            Outcome::Answered { status, .. } => reads && matches!(status, 429 | 502 | 503 | 504),
            // There is no time left; or nothing is known of the service.
            Outcome::TimedOut | Outcome::NotAsked => false,
        };
        if !may_repeat || attempt >= self.settings.max_attempts {
            return None;
        }
        let hint = match outcome {
            Outcome::Answered { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let doubled = self.settings.backoff_min.saturating_mul(1 << (attempt - 1).min(16));
        let longest = doubled.min(self.settings.backoff_max);
        Some(hint + Duration::from_secs_f64(self.jitter.between(0.0, longest.as_secs_f64())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(drawn: f64) -> Retry {
        let settings = RetrySettings {
            max_attempts: 9,
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(10),
            budget_share: 0.2,
            budget_floor: 3,
        };
        Retry::new(settings, Jitter::fixed(drawn))
    }

    fn answered(status: u16, hint: Option<u64>) -> Outcome {
        Outcome::Answered { status, retry_after: hint.map(Duration::from_secs) }
    }

    #[test]
    fn what_was_sent_decides() {
        let retry = retry(1.0);
        let again = |outcome, reads| retry.pause(1, outcome, reads).is_some();
        assert!(again(Outcome::Unreachable, true) && again(Outcome::Unreachable, false));
        assert!(again(Outcome::Lost, true) && !again(Outcome::Lost, false));
        for status in [429, 502, 503, 504] {
            assert!(again(answered(status, None), true), "{status}");
            assert!(!again(answered(status, None), false), "{status}");
        }
        for status in [200, 400, 401, 403, 404, 406, 409, 415, 500, 501, 530] {
            assert!(!again(answered(status, None), true), "{status}");
        }
        assert!(!again(Outcome::TimedOut, true) && !again(Outcome::NotAsked, true));
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_are_drawn_from_zero() {
        let pauses = |drawn: f64| -> Vec<u128> {
            let pause = |attempt| retry(drawn).pause(attempt, Outcome::Lost, true);
            (1..=9).filter_map(pause).map(|pause| pause.as_millis()).collect()
        };
        assert_eq!(pauses(1.0), [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert_eq!(pauses(0.0), [0; 8]);
        assert_eq!(pauses(0.5)[..3], [100, 200, 400]);
    }

    #[test]
    fn a_hint_raises_the_pause_and_never_lowers_it() {
        let pause = |drawn, hint| retry(drawn).pause(4, answered(503, hint), true).unwrap();
        assert_eq!(pause(1.0, Some(7)).as_millis(), 8_600);
        assert_eq!(pause(0.0, Some(7)).as_millis(), 7_000);
        assert_eq!(pause(1.0, Some(0)), pause(1.0, None));
        assert_eq!(pause(0.0, Some(300)).as_secs(), 300);
    }
}
