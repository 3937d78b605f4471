use http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};

/// The secret that a request carries, not yet checked.
#[derive(Debug)]
pub struct Credential(SecretString);

/// Why no single credential could be read from the headers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CredentialError {
    /// A header that should hold a credential does not have the form of one.
    #[error("the Authorization header has no form that is known here")]
    Malformed,
    /// Two headers hold different credentials, and choosing one would be a guess.
    #[error("the request holds two different credentials")]
    Conflicting,
}

impl Credential {
    /// Reads the credential from `Authorization: Bearer …`, from `Authorization: CwsAuth
    /// Bearer=…` (what Citrix's own clients send, in any case) or from `X-Api-Key`.
    ///
    /// # Errors
    /// When a header is malformed, or when two credentials differ.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, CredentialError> {
        let mut found: Option<&str> = None;
        let authorization = headers.get_all(AUTHORIZATION).iter().map(|value| {
            value.to_str().ok().and_then(authorization_secret).ok_or(CredentialError::Malformed)
        });
        let api_key = headers.get_all(X_API_KEY).iter().map(|value| {
            let value = value.to_str().map(str::trim).unwrap_or_default();
            if value.is_empty() { Err(CredentialError::Malformed) } else { Ok(value) }
        });
        for secret in authorization.chain(api_key) {
            let secret = secret?;
            match found {
                Some(earlier) if earlier != secret => return Err(CredentialError::Conflicting),
                _ => found = Some(secret),
            }
        }
        Ok(found.map(|secret| Self(SecretString::from(secret))))
    }

    /// The secret, for the check alone.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// `X-Api-Key`.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The secret in the value of an `Authorization` header.
fn authorization_secret(value: &str) -> Option<&str> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let rest = rest.trim();
    let secret = if scheme.eq_ignore_ascii_case("bearer") {
        rest
    } else if scheme.eq_ignore_ascii_case("cwsauth") {
        let (word, secret) = rest.split_once('=')?;
        if !word.trim().eq_ignore_ascii_case("bearer") {
            return None;
        }
        secret.trim()
    } else {
        return None;
    };
    (!secret.is_empty() && !secret.contains(char::is_whitespace)).then_some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Result<Option<String>, CredentialError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        Ok(Credential::from_headers(&headers)?.map(|credential| credential.expose().to_owned()))
    }

    #[test]
    fn every_documented_spelling_is_read() {
        for value in ["Bearer s3", "bearer  s3", "CwsAuth Bearer=s3", "CWSAuth bearer=s3"] {
            assert_eq!(read(&[("authorization", value)]), Ok(Some("s3".into())), "{value}");
        }
        assert_eq!(read(&[("x-api-key", "s3")]), Ok(Some("s3".into())));
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn the_same_credential_in_both_headers_is_one_and_two_are_refused() {
        let bearer = ("authorization", "Bearer s3");
        assert_eq!(read(&[bearer, ("x-api-key", "s3")]), Ok(Some("s3".into())));
        assert_eq!(read(&[bearer, ("x-api-key", "s4")]), Err(CredentialError::Conflicting));
        assert_eq!(
            read(&[bearer, ("authorization", "Bearer s4")]),
            Err(CredentialError::Conflicting)
        );
    }

    #[test]
    fn other_schemes_and_empty_secrets_are_malformed() {
        for value in ["Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "CwsAuth s3", "s3"] {
            assert_eq!(
                read(&[("authorization", value)]),
                Err(CredentialError::Malformed),
                "{value}"
            );
        }
    }
}
