use std::time::Duration;

use http::{HeaderMap, header};
use jiff::{Timestamp, civil, fmt::rfc2822, tz::TimeZone};

/// The longest hint that is believed.
pub(super) const LONGEST: Duration = Duration::from_mins(5);

/// Reads `Retry-After`.
pub(super) fn from_headers(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    parse(headers.get(header::RETRY_AFTER)?.to_str().ok()?, now)
}

/// Reads a hint: seconds, an HTTP date (RFC 9110, section 5.6.7) or an RFC 3339 date, which some
/// Citrix products send. A time that has passed means now.
pub(super) fn parse(raw: &str, now: Timestamp) -> Option<Duration> {
    let raw = raw.trim();
    if let Ok(seconds) = raw.parse::<f64>() {
        // NaN and infinities parse as numbers too.
        return (seconds.is_finite() && seconds >= 0.0)
            .then(|| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())));
    }
    let until = date(raw)?.duration_since(now);
    Some(Duration::try_from(until).unwrap_or(Duration::ZERO).min(LONGEST))
}

/// Finds "try again in N seconds" in a message.
pub(super) fn in_text(message: &str) -> Option<Duration> {
    let message = message.to_ascii_lowercase();
    let (_, rest) = message.split_once("again in ")?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = rest.split_at(digits);
    if !unit.trim_start().starts_with("second") {
        return None;
    }
    let seconds = number.parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

fn date(raw: &str) -> Option<Timestamp> {
    let zoned = rfc2822::DateTimeParser::new().parse_timestamp(raw).ok();
    let obsolete = || {
        ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"].iter().find_map(|format| {
            civil::DateTime::strptime(format, raw).ok()?.to_zoned(TimeZone::UTC).ok()
        })
    };
    zoned.or_else(|| raw.parse().ok()).or_else(|| obsolete().map(|zoned| zoned.timestamp()))
}
