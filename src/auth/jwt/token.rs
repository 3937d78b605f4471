use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::json;
use crate::auth::Refused;

/// A signed token (RFC 7515 section 3.1) taken apart. Nothing of it has been proved.
#[derive(Debug)]
pub(in crate::auth) struct Token<'a> {
    /// The first two parts: what the signature is of.
    pub(in crate::auth) signed: &'a str,
    /// The third part, well-formed base64url.
    pub(in crate::auth) signature: &'a str,
    /// The algorithm that the token says it was signed with. Only ever compared with what the
    /// configuration allows.
    pub(in crate::auth) algorithm: String,
    /// Which of its keys the issuer signed with.
    pub(in crate::auth) key_id: Option<String>,
    /// What the token claims.
    pub(in crate::auth) claims: Map<String, Value>,
}

impl<'a> Token<'a> {
    /// Takes a token apart, in work that its length bounds. Stricter than the RFCs ask, because
    /// whatever can be read in two ways has been used to get around a check somewhere.
    pub(in crate::auth) fn parse(text: &'a str) -> Result<Self, Refused> {
        if text.len() > MAX_TOKEN_LEN {
            return Err(Refused::TokenTooLong);
        }
        // Five parts are an encrypted token, which proves nothing about who made it.
        let mut dots = text.bytes().enumerate().filter(|(_, byte)| *byte == b'.').map(|(at, _)| at);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Refused::MalformedToken("it has not three parts"));
        };
        let signature = &text[second + 1..];
        if decoded(signature)?.is_empty() {
            return Err(Refused::MalformedToken("it has no signature"));
        }
        let object = |part| {
            json::object(&decoded(part)?)
                .ok_or(Refused::MalformedToken("a part is no JSON object, or one with repetitions"))
        };
        let (algorithm, key_id) = header(&object(&text[..first])?)?;
        Ok(Self {
            signed: &text[..second],
            signature,
            algorithm,
            key_id,
            claims: object(&text[first + 1..second])?,
        })
    }
}

/// The algorithm and the key id.
fn header(header: &Map<String, Value>) -> Result<(String, Option<String>), Refused> {
    // Extensions that must be understood (RFC 7515 section 4.1.11), bodies that are not what they
    // seem (RFC 7797, RFC 7516), and keys that the sender brings along.
    if let Some(name) = UNWANTED.iter().find(|name| header.contains_key(**name)) {
        return Err(Refused::Header(name));
    }
    let kind = match header.get("typ") {
        None => "JWT",
        Some(kind) => kind.as_str().ok_or(Refused::Header("typ"))?,
    };
    // A media type may be written without its first half (RFC 7515 section 4.1.9).
    let kind = kind.to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    if !["jwt", "at+jwt"].contains(&kind) {
        return Err(Refused::Header("typ"));
    }
    let algorithm = header.get("alg").and_then(Value::as_str).ok_or(Refused::Header("alg"))?;
    let key_id = match header.get("kid") {
        None => None,
        Some(id) => {
            let id = id.as_str().filter(|id| id.len() <= MAX_KEY_ID_LEN);
            Some(id.ok_or(Refused::Header("kid"))?.to_owned())
        }
    };
    Ok((algorithm.to_owned(), key_id))
}

fn decoded(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::MalformedToken("a part is not base64url"))
}

/// Members of a header that no token here may have.
const UNWANTED: [&str; 7] = ["crit", "b64", "enc", "zip", "jku", "jwk", "x5u"];

/// Bytes of the longest token that is looked at.
pub(in crate::auth) const MAX_TOKEN_LEN: usize = 8 * 1024;

/// Bytes of the longest key id.
pub(in crate::auth) const MAX_KEY_ID_LEN: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(header: &Value, claims: &str) -> String {
        let (header, claims) =
            (URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
        format!("{header}.{claims}.c2ln")
    }

    fn good() -> Value {
        json!({ "alg": "RS256", "kid": "k1", "typ": "JWT", "x5t": "abc" })
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = of(&good(), r#"{"iss":"https://x/"}"#);
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.algorithm, "RS256");
        assert_eq!(token.key_id.as_deref(), Some("k1"));
        assert_eq!(token.claims["iss"], "https://x/");
        assert_eq!(format!("{}.{}", token.signed, token.signature), text);
    }

    #[test]
    fn kinds_of_access_tokens_are_read_and_others_are_not() {
        for kind in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/JWT"] {
            let mut header = good();
            header["typ"] = kind.into();
            assert!(Token::parse(&of(&header, "{}")).is_ok(), "{kind}");
        }
        for kind in [json!("dpop+jwt"), json!("logout+jwt"), json!(""), json!(1), json!(null)] {
            let mut header = good();
            header["typ"] = kind.clone();
            let refused = Token::parse(&of(&header, "{}")).err();
            assert_eq!(refused, Some(Refused::Header("typ")), "{kind}");
        }
    }

    #[test]
    fn headers_that_change_what_is_checked_are_refused() {
        for name in UNWANTED {
            for value in [json!(["exp"]), json!("https://evil.example.test/"), json!(null)] {
                let mut header = good();
                header[name] = value;
                let refused = Token::parse(&of(&header, "{}")).err();
                assert_eq!(refused, Some(Refused::Header(name)));
            }
        }
        for (name, value) in [
            ("alg", json!(null)),
            ("alg", json!(["RS256"])),
            ("kid", json!(7)),
            ("kid", json!(null)),
            ("kid", json!("k".repeat(MAX_KEY_ID_LEN + 1))),
        ] {
            let mut header = good();
            header[name] = value;
            assert_eq!(Token::parse(&of(&header, "{}")).err(), Some(Refused::Header(name)));
        }
    }

    #[test]
    fn what_is_no_token_of_three_parts_is_refused() {
        let good = of(&good(), "{}");
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        for text in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            ".".repeat(8000),
            signed.to_owned(),
            format!("{signed}."),
            format!("{good}."),
            format!("{good}.{signature}.{signature}"),
            format!(".{claims}.{signature}"),
            format!("{header}..{signature}"),
            format!("{good}="),
            format!("{good}\u{e4}"),
            format!(" {good}"),
            format!("{signed}.c2l+"),
            // Bits that the last letter has and no byte holds: another text for the same bytes.
            format!("{signed}.c2l"),
            format!("{header}.bm8.{signature}"),
            format!("{header}.W10.{signature}"),
            of(&json!([]), "{}"),
            of(&self::good(), r#"{"sub":"a","sub":"b"}"#),
        ] {
            let refused = Token::parse(&text).err();
            assert!(matches!(refused, Some(Refused::MalformedToken(_))), "{text:.80}: {refused:?}");
        }
    }

    #[test]
    fn one_byte_too_many_is_too_many() {
        let padded = |length: usize| {
            let good = of(&good(), "{}");
            let missing = length - good.len();
            assert!(missing % 4 != 1, "such a length is no base64url");
            good + &"A".repeat(missing)
        };
        let at_limit = padded(MAX_TOKEN_LEN);
        assert!(Token::parse(&at_limit).is_ok());
        let over = at_limit + "A";
        assert_eq!(Token::parse(&over).err(), Some(Refused::TokenTooLong));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}", parts in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){2}") {
            let _ = Token::parse(&text);
            let _ = Token::parse(&parts);
        }
    }
}
