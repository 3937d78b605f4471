use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::auth::Refused;

/// When a token is good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::auth) struct Validity {
    /// The end, leeway included.
    pub(in crate::auth) until: Timestamp,
    /// Whether that was before now.
    pub(in crate::auth) expired: bool,
}

/// A text claim that must be there.
pub(in crate::auth) fn text<'a>(
    claims: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a str, Refused> {
    optional_text(claims, name)?.ok_or(Refused::Claim(name))
}

/// A text claim that may be missing, and must be a short text otherwise.
pub(in crate::auth) fn optional_text<'a>(
    claims: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, Refused> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let text = value.as_str().filter(|text| (1..=MAX_TEXT).contains(&text.len()));
    text.map(Some).ok_or(Refused::Claim(name))
}

/// Checks `exp`, and `nbf` and `iat` where they are there (RFC 7519 section 4.1). A token that has
/// expired is reported and not refused: whether it was ever good is not known yet.
pub(in crate::auth) fn validity(
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Validity, Refused> {
    let expires = time(claims, "exp")?.ok_or(Refused::Claim("exp"))?;
    let now = now.as_second();
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|time| time > now + LEEWAY) {
            return Err(Refused::NotYetValid);
        }
    }
    let until = expires + LEEWAY;
    let stamp = Timestamp::from_second(until).map_err(|_| Refused::Claim("exp"))?;
    Ok(Validity { until: stamp, expired: until <= now })
}

/// Checks that `aud`, a text or a list of texts, names one of `wanted`.
pub(in crate::auth) fn audience(
    claims: &Map<String, Value>,
    wanted: &[String],
) -> Result<(), Refused> {
    let malformed = Refused::Claim("aud");
    let is_wanted = |name: &str| wanted.iter().any(|wanted| wanted == name);
    let found = match claims.get("aud").ok_or(malformed)? {
        Value::String(name) => is_wanted(name),
        Value::Array(names) => {
            let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
            names.ok_or(malformed)?.into_iter().any(is_wanted)
        }
        _ => return Err(malformed),
    };
    if found { Ok(()) } else { Err(Refused::ForeignAudience) }
}

/// A time in whole seconds. Fractions, negative numbers and the far future are what wrong
/// conversions make of a time, and no provider's intention.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, Refused> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_u64().filter(|seconds| *seconds <= MAX_TIME);
    let seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok());
    seconds.map(Some).ok_or(Refused::Claim(name))
}

/// Seconds by which two clocks may differ.
pub(in crate::auth) const LEEWAY: i64 = 30;

/// The start of the year 3000, in seconds since 1970.
const MAX_TIME: u64 = 32_503_680_000;

/// Bytes of a text claim.
const MAX_TEXT: usize = 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_900_000_000;

    fn checked(claims: &Value) -> Result<Validity, Refused> {
        validity(claims.as_object().unwrap(), Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn a_token_is_good_between_its_times_give_or_take_the_leeway() {
        for (claims, expired) in [
            (json!({ "exp": NOW + 1 }), false),
            (json!({ "exp": NOW - LEEWAY + 1 }), false),
            (json!({ "exp": NOW - LEEWAY }), true),
            (json!({ "exp": 0 }), true),
            (json!({ "exp": NOW + 9, "nbf": NOW, "iat": NOW }), false),
            (json!({ "exp": NOW + 9, "nbf": NOW + LEEWAY, "iat": 0 }), false),
        ] {
            assert_eq!(checked(&claims).map(|validity| validity.expired), Ok(expired), "{claims}");
        }
        for name in ["nbf", "iat"] {
            let early = json!({ "exp": NOW + 99, name: NOW + LEEWAY + 1 });
            assert_eq!(checked(&early), Err(Refused::NotYetValid), "{early}");
        }
        assert_eq!(checked(&json!({})), Err(Refused::Claim("exp")));
    }

    #[test]
    fn a_time_is_a_whole_number_of_seconds_and_nothing_else() {
        for name in ["exp", "nbf", "iat"] {
            for odd in [
                json!(null),
                json!("1900000000"),
                json!([NOW]),
                json!({}),
                json!(true),
                json!(-1),
                json!(i64::MIN),
                json!(1.9e9),
                json!(1_900_000_000.5),
                json!(MAX_TIME + 1),
                json!(u64::MAX),
                json!(1e300),
            ] {
                let mut claims = json!({ "exp": NOW + 9 });
                claims[name] = odd;
                assert_eq!(checked(&claims), Err(Refused::Claim(name)), "{claims}");
            }
        }
    }

    #[test]
    fn the_audience_is_one_text_or_several() {
        let wanted = ["cwsgate".to_owned(), "other".to_owned()];
        let check = |aud: Value| {
            let claims = json!({ "aud": aud });
            audience(claims.as_object().unwrap(), &wanted)
        };
        for good in [json!("cwsgate"), json!(["x", "other"]), json!(["cwsgate"])] {
            assert_eq!(check(good), Ok(()));
        }
        for foreign in [json!("CWSGATE"), json!("cwsgate "), json!(""), json!([]), json!(["x"])] {
            assert_eq!(check(foreign), Err(Refused::ForeignAudience));
        }
        for odd in [json!(null), json!(1), json!({}), json!(["cwsgate", 1]), json!([["cwsgate"]])] {
            assert_eq!(check(odd), Err(Refused::Claim("aud")));
        }
        assert_eq!(audience(&Map::new(), &wanted), Err(Refused::Claim("aud")));
    }

    #[test]
    fn a_text_claim_is_a_text_that_is_neither_empty_nor_endless() {
        let long = "x".repeat(MAX_TEXT + 1);
        for odd in [json!(""), json!(1), json!(null), json!(["a"]), json!({}), json!(long)] {
            let claims = json!({ "sub": odd });
            let claims = claims.as_object().unwrap();
            assert_eq!(optional_text(claims, "sub"), Err(Refused::Claim("sub")));
        }
        assert_eq!(optional_text(&Map::new(), "sub"), Ok(None));
        assert_eq!(text(&Map::new(), "iss"), Err(Refused::Claim("iss")));
    }
}
