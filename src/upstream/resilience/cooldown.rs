use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::config::CooldownSettings;

/// The time in which a service is not asked because it said 429. All callers share it: the quota
/// is the customer's, whoever used it up.
#[derive(Debug, Default)]
pub(super) struct Cooldown(Mutex<Option<Instant>>);

impl Cooldown {
    /// Begins, or makes longer what is under way; how long it lasts from now.
    pub(super) fn begin(&self, hint: Option<Duration>, settings: &CooldownSettings) -> Duration {
        let wait = hint.unwrap_or(settings.without_hint).min(settings.longest);
        let now = Instant::now();
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = until.map_or(now + wait, |known| known.max(now + wait));
        *until = Some(end);
        end - now
    }

    /// What is left of it.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: CooldownSettings =
        CooldownSettings { without_hint: Duration::from_secs(30), longest: Duration::from_mins(5) };

    async fn after(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_hint_is_followed_up_to_the_longest_and_none_means_the_default() {
        for (hint, lasts) in [(Some(7), 7), (None, 30), (Some(86_400), 300)] {
            let cooldown = Cooldown::default();
            assert_eq!(cooldown.remaining(), None);
            let lasts = Duration::from_secs(lasts);
            assert_eq!(cooldown.begin(hint.map(Duration::from_secs), &SETTINGS), lasts);
            assert_eq!(cooldown.remaining(), Some(lasts));
            after(lasts.as_secs()).await;
            assert_eq!(cooldown.remaining(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_and_shorter_hint_shortens_nothing() {
        let cooldown = Cooldown::default();
        cooldown.begin(Some(Duration::from_mins(1)), &SETTINGS);
        after(10).await;
        let left = cooldown.begin(Some(Duration::from_secs(1)), &SETTINGS);
        assert_eq!(left, Duration::from_secs(50));
    }
}
