use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Parses JSON as Citrix sends it. Some contents have been seen with `\xNN`, which JSON does not
/// know; only when the body cannot be read as it is, they are rewritten and it is read once more.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).or_else(|error| match repaired(body) {
        Cow::Owned(repaired) => serde_json::from_slice(&repaired),
        Cow::Borrowed(_) => Err(error),
    })
}

/// Turns `\xNN` into `\u00NN`.
fn repaired(body: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while at < body.len() {
        match &body[at..] {
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.extend_from_slice(&body[copied..at]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', *high, *low]);
                at += 4;
                copied = at;
            }
            // Any other escape, `\\` above all, hides what follows it.
            [b'\\', _, ..] => at += 2,
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(body);
    }
    out.extend_from_slice(&body[copied..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn escapes_that_json_does_not_know_are_repaired() {
        let body = br#"{"a":"\x41\\x42 \xe9","b":"\\\x43"}"#;
        assert_eq!(parse::<Value>(body).unwrap(), json!({"a": "A\\x42 \u{e9}", "b": "\\C"}));
    }

    #[test]
    fn what_is_not_json_stays_an_error() {
        for body in [&b"<html>"[..], b"", b"{\"a\":\"\\xZZ\"}", b"\\", b"\\x"] {
            assert!(parse::<Value>(body).is_err(), "{body:?}");
        }
    }
}
