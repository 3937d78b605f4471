use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Successes and failures of the last while, in a few parts of it, so that old ones drop out.
#[derive(Debug, Default)]
pub(super) struct Window {
    parts: VecDeque<Part>,
    in_a_row: u32,
}

#[derive(Debug)]
struct Part {
    began: Instant,
    successes: u32,
    failures: u32,
}

impl Window {
    pub(super) fn success(&mut self, now: Instant, length: Duration) {
        self.in_a_row = 0;
        self.part(now, length).successes += 1;
    }

    pub(super) fn failure(&mut self, now: Instant, length: Duration) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.part(now, length).failures += 1;
    }

    /// Failures since the last success.
    pub(super) fn failures_in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Calls in the window, and the share of them that succeeded.
    pub(super) fn samples(&self) -> (u32, f64) {
        let successes: u32 = self.parts.iter().map(|part| part.successes).sum();
        let failures: u32 = self.parts.iter().map(|part| part.failures).sum();
        let all = successes.saturating_add(failures);
        (all, f64::from(successes) / f64::from(all.max(1)))
    }

    fn part(&mut self, now: Instant, length: Duration) -> &mut Part {
        while self.parts.front().is_some_and(|part| now.duration_since(part.began) >= length) {
            self.parts.pop_front();
        }
        let fresh = |part: &Part| now.duration_since(part.began) < length / PARTS;
        if !self.parts.back().is_some_and(fresh) {
            self.parts.push_back(Part { began: now, successes: 0, failures: 0 });
        }
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }
}

/// How finely old samples drop out.
const PARTS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(30);

    #[test]
    fn old_samples_drop_out_and_the_number_of_parts_is_bounded() {
        let mut window = Window::default();
        let start = Instant::now();
        for second in 0..600 {
            window.failure(start + Duration::from_secs(second), LENGTH);
            assert!(window.parts.len() <= PARTS as usize + 1);
        }
        let (samples, share) = window.samples();
        assert!((25..=35).contains(&samples), "{samples}");
        assert!(share < f64::EPSILON);
        assert_eq!(window.failures_in_a_row(), 600);
        window.success(start + Duration::from_secs(700), LENGTH);
        assert_eq!(window.samples(), (1, 1.0));
        assert_eq!(window.failures_in_a_row(), 0);
    }
}
