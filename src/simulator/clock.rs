//! Simulated time: the computer's clock plus whatever was added through the control API.

use std::time::Instant;

use jiff::Timestamp;

/// A clock that runs with real time, can be pushed forward, and can be stopped.
#[derive(Debug)]
pub(super) struct Clock {
    /// Simulated milliseconds since the Unix epoch at `since`.
    base_ms: i64,
    since: Instant,
    frozen: bool,
}

impl Clock {
    pub(super) fn starting_at(start: Timestamp, frozen: bool) -> Self {
        Self { base_ms: start.as_millisecond(), since: Instant::now(), frozen }
    }

    /// Simulated milliseconds since the Unix epoch.
    pub(super) fn now_ms(&self) -> i64 {
        if self.frozen {
            return self.base_ms;
        }
        let elapsed = i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.base_ms.saturating_add(elapsed).min(MAX_MS)
    }

    pub(super) fn advance(&mut self, ms: i64) {
        self.base_ms = self.base_ms.saturating_add(ms).min(MAX_MS);
    }

    /// Stops or restarts the clock where it stands.
    pub(super) fn set_frozen(&mut self, frozen: bool) {
        self.base_ms = self.now_ms();
        self.since = Instant::now();
        self.frozen = frozen;
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen
    }
}

/// RFC 3339 with seconds in UTC, the way DaaS writes its `Formatted…` properties.
pub(super) fn rfc3339(ms: i64) -> String {
    let whole = ms.div_euclid(1000) * 1000;
    timestamp(whole).to_string()
}

/// The site's display format: `10/12/2026 7:21:50 AM`.
pub(super) fn display(ms: i64) -> String {
    timestamp(ms).strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string()
}

/// A time of day without a date, as `/me` writes its two times: `6:50:19 PM`.
pub(super) fn time_of_day(ms: i64) -> String {
    timestamp(ms).strftime("%-I:%M:%S %p").to_string()
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Reads `2h`, `90m`, `1h30m`, `45s`, `250ms`, `3d` or a bare number of seconds.
///
/// # Errors
/// A sentence fit for the answer when the text is none of these or longer than ten years.
pub(super) fn parse_duration_ms(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is not a duration: write for example 250ms, 45s, 90m, 2h or 3d");
    let trimmed = text.trim();
    if let Ok(seconds) = trimmed.parse::<u32>() {
        return Ok(i64::from(seconds) * 1000);
    }
    let mut total: i64 = 0;
    let mut rest = trimmed;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let count: i64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit_and_more = &rest[digits..];
        let end = unit_and_more.find(|c: char| c.is_ascii_digit()).unwrap_or(unit_and_more.len());
        let unit = match &unit_and_more[..end] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        total = count.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or_else(bad)?;
        rest = &unit_and_more[end..];
    }
    if total > TEN_YEARS_MS { Err(bad()) } else { Ok(total) }
}

const TEN_YEARS_MS: i64 = 3_653 * 86_400_000;
/// The year 9000: far from what calendars cannot write.
const MAX_MS: i64 = 221_845_392_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_the_usual_spellings() {
        assert_eq!(parse_duration_ms("2h"), Ok(7_200_000));
        assert_eq!(parse_duration_ms("1h30m"), Ok(5_400_000));
        assert_eq!(parse_duration_ms("250ms"), Ok(250));
        assert_eq!(parse_duration_ms("90"), Ok(90_000));
        for bad in ["", "h", "2 fortnights", "-3s", "99999999999999999999d", "4000d"] {
            assert!(parse_duration_ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_written_the_way_the_service_writes_them() {
        let ms = 1_792_048_910_123;
        assert_eq!(rfc3339(ms), "2026-10-15T07:21:50Z");
        assert_eq!(display(ms), "10/15/2026 7:21:50 AM");
        assert_eq!(time_of_day(ms + 43_200_000), "7:21:50 PM");
    }

    #[test]
    fn a_frozen_clock_moves_only_when_pushed() {
        let mut clock = Clock::starting_at(Timestamp::UNIX_EPOCH, true);
        assert_eq!(clock.now_ms(), 0);
        clock.advance(1500);
        assert_eq!(clock.now_ms(), 1500);
    }
}
