//! Durations and byte sizes as people write them: always with a unit.

use std::time::Duration;

/// Reads `500ms`, `30s`, `5m`, `24h`, `7d` and sums such as `4h30m`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, tail) = number(rest)?;
        let unit_len = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let part = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" | "min" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3_600)?),
            "d" => Duration::from_secs(number.checked_mul(86_400)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = tail.trim_start();
    }
    Some(total)
}

/// Reads `512 B`, `32 KiB`, `256 MiB`, `1 GiB` and the decimal `kB`, `MB`, `GB`.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = number(text.trim())?;
    let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Writes a duration so that [`duration`] reads it: in its largest whole unit.
pub(super) fn show_duration(value: Duration) -> String {
    let ms = value.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fits = |(size, _): &(u128, &str)| ms >= *size && ms.is_multiple_of(*size);
    match units.into_iter().find(fits) {
        Some((size, unit)) => format!("{}{unit}", ms / size),
        None => format!("{ms}ms"),
    }
}

/// Writes a size so that [`bytes()`] reads it: in its largest whole unit.
pub(super) fn show_bytes(value: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fits = |(size, _): &(u64, &str)| value >= *size && value.is_multiple_of(*size);
    match units.into_iter().find(fits) {
        Some((size, unit)) => format!("{} {unit}", value / size),
        None => format!("{value} B"),
    }
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_need_units_and_may_be_sums() {
        let seconds = |text| duration(text).map(|value| value.as_secs());

        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(seconds("30s"), Some(30));
        assert_eq!(seconds("5m"), Some(300));
        assert_eq!(seconds("24h"), Some(86_400));
        assert_eq!(seconds("4h30m"), Some(16_200));
        assert_eq!(seconds("1d 2h"), Some(93_600));
        for bad in [
            "",
            "30",
            "s",
            "30 s",
            "-1s",
            "1.5h",
            "1w",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes_need_units() {
        assert_eq!(bytes("256 MiB"), Some(268_435_456));
        assert_eq!(bytes("1KiB"), Some(1_024));
        assert_eq!(bytes("5 kB"), Some(5_000));
        for bad in ["", "256", "MiB", "1 MiBi", "1.5 MiB", "-1 B", "99999999999 GiB"] {
            assert_eq!(bytes(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(ms in 0..u64::from(u32::MAX), size in any::<u32>()) {
            let value = Duration::from_millis(ms);
            prop_assert_eq!(duration(&show_duration(value)), Some(value));
            prop_assert_eq!(bytes(&show_bytes(u64::from(size))), Some(u64::from(size)));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = duration(&text);
            let _ = bytes(&text);
        }
    }
}
