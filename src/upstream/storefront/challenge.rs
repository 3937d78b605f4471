//! The `CitrixAuth` challenge: `WWW-Authenticate: CitrixAuth realm="…", reason="…", …`.

use http::{HeaderMap, header};

/// What a 401 asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Challenge {
    /// The id of the service that a token is wanted for.
    pub(super) realm: String,
    /// To be sent back in the token request. Always empty today.
    pub(super) template: String,
    pub(super) reason: Reason,
    /// Where a token can be had, best first.
    pub(super) locations: Vec<String>,
    /// Below which URL the same token is good.
    pub(super) service_root: Option<String>,
}

/// Why a token, or none, was not good enough.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    NoToken,
    Expired,
    NotForThisService,
    NotTrusted,
    InvalidToken,
    PasswordClaimNotFound,
    BadPassword,
    BadAccount,
    InvalidAudience,
    TokenSignatureNotVerified,
    WrongClaims,
    GatewayClaimsInconsistent,
    /// The set is open.
    Other(String),
}

/// What to do about a refused token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Remedy {
    /// Another token of the same sign-in.
    NewToken,
    /// Another token of the same sign-in, asked for with the other URL of the service.
    OtherAudience,
    /// Another sign-in.
    SignIn,
    /// The account itself is no good: never try it again unasked.
    GiveUpAccount,
    /// Nothing that a client could do.
    GiveUp,
}

impl Challenge {
    /// The first challenge of this scheme that names a realm, in an answer's headers.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .filter(|value| value.len() <= MAX_LEN)
            .find_map(|value| Self::parse(&String::from_utf8_lossy(value.as_bytes())))
    }

    fn parse(value: &str) -> Option<Self> {
        let at = scheme(value)?;
        let parameters = scan(&value[at + SCHEME.len()..]);
        let get = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim().to_owned())
        };
        let realm = get("realm").filter(|realm| !realm.is_empty())?;
        let locations = get("locations").unwrap_or_default();
        Some(Self {
            realm,
            template: get("reqtokentemplate").unwrap_or_default(),
            reason: Reason::of(&get("reason").unwrap_or_default()),
            locations: locations
                .split('|')
                .map(str::trim)
                .filter(|location| !location.is_empty())
                .take(MAX_LOCATIONS)
                .map(str::to_owned)
                .collect(),
            service_root: get("serviceroot-hint").filter(|root| !root.is_empty()),
        })
    }
}

impl Reason {
    /// Printed with mixed case in the documentation, so compared without it.
    fn of(raw: &str) -> Self {
        let known = [
            Self::NoToken,
            Self::Expired,
            Self::NotForThisService,
            Self::NotTrusted,
            Self::InvalidToken,
            Self::PasswordClaimNotFound,
            Self::BadPassword,
            Self::BadAccount,
            Self::InvalidAudience,
            Self::TokenSignatureNotVerified,
            Self::WrongClaims,
            Self::GatewayClaimsInconsistent,
        ];
        let found = known.into_iter().find(|reason| reason.as_str().eq_ignore_ascii_case(raw));
        found.unwrap_or_else(|| {
            let word = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            Self::Other(raw.chars().filter(word).take(64).collect())
        })
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::NoToken => "notoken",
            Self::Expired => "expired",
            Self::NotForThisService => "notforthisservice",
            Self::NotTrusted => "nottrusted",
            Self::InvalidToken => "invalidtoken",
            Self::PasswordClaimNotFound => "passwordClaimNotFound",
            Self::BadPassword => "badpassword",
            Self::BadAccount => "badaccount",
            Self::InvalidAudience => "invalidAudience",
            Self::TokenSignatureNotVerified => "tokenSignatureNotVerified",
            Self::WrongClaims => "wrongclaims",
            Self::GatewayClaimsInconsistent => "gatewayclaimsinconsistent",
            Self::Other(word) => word,
        }
    }

    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::NoToken
            | Self::Expired
            | Self::NotForThisService
            | Self::InvalidToken
            | Self::TokenSignatureNotVerified
            | Self::Other(_) => Remedy::NewToken,
            Self::InvalidAudience => Remedy::OtherAudience,
            Self::PasswordClaimNotFound | Self::BadPassword | Self::GatewayClaimsInconsistent => {
                Remedy::SignIn
            }
            Self::BadAccount => Remedy::GiveUpAccount,
            Self::NotTrusted | Self::WrongClaims => Remedy::GiveUp,
        }
    }
}

/// Where the scheme's word stands as a word of its own, outside quotes.
fn scheme(value: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, c) in value.char_indices() {
        if c == '"' {
            quoted = !quoted;
        }
        let rest = &value[at..];
        let alone = || {
            value[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || c == ',')
                && rest[SCHEME.len()..].chars().next().is_none_or(char::is_whitespace)
        };
        if !quoted && rest.starts_with(SCHEME) && alone() {
            return Some(at);
        }
    }
    None
}

/// Finds every `key="value"` and `key=value`, whatever stands between them: the documented samples
/// have blanks before commas, a missing comma, a value without quotes, and line folding. Values
/// may hold commas and equals signs, as URLs do.
fn scan(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while found.len() < MAX_PARAMETERS {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let key_len = rest.find(|c| !is_key(c)).unwrap_or(rest.len());
        let (key, after) = rest.split_at(key_len);
        let Some(value) = after.trim_start().strip_prefix('=') else {
            // Another word, such as the next challenge's scheme, or an odd character: skipped.
            if key.is_empty() {
                let mut after = after.chars();
                if after.next().is_none() {
                    break;
                }
                rest = after.as_str();
            } else {
                rest = after;
            }
            continue;
        };
        let value = value.trim_start();
        let (value, after) = if let Some(inner) = value.strip_prefix('"') {
            inner.split_once('"').unwrap_or((inner, ""))
        } else {
            let end = value.find(|c: char| c.is_whitespace() || c == ',');
            value.split_at(end.unwrap_or(value.len()))
        };
        found.push((key, value));
        rest = after;
    }
    found
}

/// Case-sensitive, as the documentation says.
const SCHEME: &str = "CitrixAuth";
const MAX_LEN: usize = 16 * 1024;
const MAX_PARAMETERS: usize = 32;
const MAX_LOCATIONS: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expected() -> Challenge {
        Challenge {
            realm: "6f0a-guid".to_owned(),
            template: String::new(),
            reason: Reason::NoToken,
            locations: vec![
                "https://sf.example.test/Auth/v1/token?a=1,2".to_owned(),
                "https://two.example.test/x".to_owned(),
            ],
            service_root: Some("https://sf.example.test/Citrix/Store/resources/v2".to_owned()),
        }
    }

    const LOCATIONS: &str =
        "https://sf.example.test/Auth/v1/token?a=1,2|https://two.example.test/x";

    #[test]
    fn a_challenge_is_read_as_servers_and_samples_write_it() {
        let root = "https://sf.example.test/Citrix/Store/resources/v2";
        for line in [
            format!(
                r#"CitrixAuth realm="6f0a-guid", reqtokentemplate="", reason="notoken", locations="{LOCATIONS}", serviceroot-hint="{root}""#
            ),
            format!(
                r#"CitrixAuth realm="6f0a-guid" , reqtokentemplate="" ,reason="NoToken", locations="{LOCATIONS}" serviceroot-hint={root}"#
            ),
            format!(
                "CitrixAuth realm=\"6f0a-guid\",\t  reason = notoken,   locations=\" {LOCATIONS} \" serviceroot-hint={root} , future=\"x=1\""
            ),
            format!(
                r#"Negotiate, Basic realm="CitrixAuth", CitrixAuth realm="6f0a-guid", reason="notoken", locations="{LOCATIONS}", serviceroot-hint="{root}""#
            ),
        ] {
            assert_eq!(Challenge::parse(&line), Some(expected()), "{line}");
        }
    }

    #[test]
    fn what_is_no_challenge_of_the_scheme_is_left_alone() {
        for line in [
            "",
            "Negotiate",
            "Basic realm=\"CitrixAuth \"",
            "citrixauth realm=\"x\"",
            "CitrixAuth",
            "CitrixAuth realm=\"\"",
            "CitrixAuthX realm=\"x\"",
        ] {
            assert_eq!(Challenge::parse(line), None, "{line}");
        }
    }

    #[test]
    fn every_documented_reason_is_known_in_any_case() {
        for (word, remedy) in [
            ("notoken", Remedy::NewToken),
            ("expired", Remedy::NewToken),
            ("notforthisservice", Remedy::NewToken),
            ("nottrusted", Remedy::GiveUp),
            ("invalidtoken", Remedy::NewToken),
            ("passwordClaimNotFound", Remedy::SignIn),
            ("badpassword", Remedy::SignIn),
            ("badaccount", Remedy::GiveUpAccount),
            ("invalidAudience", Remedy::OtherAudience),
            ("tokenSignatureNotVerified", Remedy::NewToken),
            ("wrongclaims", Remedy::GiveUp),
            ("gatewayclaimsinconsistent", Remedy::SignIn),
        ] {
            let reason = Reason::of(&word.to_uppercase());
            assert!(!matches!(reason, Reason::Other(_)), "{word}");
            assert_eq!((reason.as_str(), reason.remedy()), (word, remedy));
        }
        assert_eq!(Reason::of("new<b>"), Reason::Other("newb".to_owned()));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_scanner_panic(line in "(CitrixAuth )?[ -~é]{0,80}") {
            let _ = Challenge::parse(&line);
        }
    }
}
