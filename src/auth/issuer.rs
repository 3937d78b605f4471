use std::fmt;

use aws_lc_rs::{
    digest,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    Refused,
    jwt::{Token, claims},
    keys::KnownKey,
};
use crate::config::KeyHash;

/// Issues the gateway's own tokens and checks them.
///
/// They are signed symmetrically (HS256, RFC 7518 section 3.2) with a key derived from the root
/// secret: only gateways with that secret check them, and each of those may issue them.
pub(super) struct TokenIssuer {
    signing: EncodingKey,
    /// The current key, and the one before the last change of the root secret.
    verifying: Vec<DecodingKey>,
}

/// A token of the gateway's own.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: SecretString,
    /// How long it is good, unless its key is removed before.
    pub expires_in: SignedDuration,
}

/// What one of our own tokens says, its signature checked.
#[derive(Debug)]
pub(super) struct OwnClaims<'a> {
    /// The key that bought it.
    pub(super) key_id: &'a str,
    /// The app that the key belonged to.
    pub(super) app: &'a str,
    /// Tells the key from another of the same id.
    pub(super) fingerprint: &'a str,
    /// The end of its life.
    pub(super) until: Timestamp,
}

/// No signature could be made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the token could not be signed")]
pub struct CannotSign;

impl TokenIssuer {
    /// Signs with a key derived from `root`; checks with that and the one from `previous`.
    pub(super) fn new(root: &SecretString, previous: Option<&SecretString>) -> Self {
        let current = derived(root);
        let verifying = [Some(current.clone()), previous.map(derived)].into_iter().flatten();
        Self {
            signing: EncodingKey::from_secret(current.as_ref()),
            verifying: verifying.map(|key| DecodingKey::from_secret(key.as_ref())).collect(),
        }
    }

    /// A token for the owner of `key`, which is good now. It does not outlive the key.
    pub(super) fn issue(&self, key: &KnownKey, now: Timestamp) -> Result<IssuedToken, CannotSign> {
        let left = key.hash.expires.map_or(LIFE, |expires| expires.duration_since(now).min(LIFE));
        let claims = json!({
            "iss": ISSUER,
            "aud": ISSUER,
            "sub": key.principal.app.as_str(),
            "iat": now.as_second(),
            "exp": now.as_second() + left.as_secs(),
            "key_id": key.hash.id,
            "key_fingerprint": fingerprint(&key.hash),
        });
        let header = URL_SAFE_NO_PAD.encode(HEADER);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = crypto::sign(signed.as_bytes(), &self.signing, Algorithm::HS256)
            .map_err(|_| CannotSign)?;
        let token = format!("{signed}.{signature}").into();
        Ok(IssuedToken { token, expires_in: SignedDuration::from_secs(left.as_secs()) })
    }

    /// Whether `token` says that the gateway issued it.
    pub(super) fn is_named_by(token: &Token<'_>) -> bool {
        token.claims.get("iss").is_some_and(|issuer| issuer == ISSUER)
    }

    /// Checks a token of our own, but for the key that bought it.
    pub(super) fn verify<'a>(
        &self,
        token: &'a Token<'_>,
        now: Timestamp,
    ) -> Result<OwnClaims<'a>, Refused> {
        if token.algorithm != "HS256" {
            return Err(Refused::Algorithm);
        }
        claims::audience(&token.claims, &[ISSUER.to_owned()])?;
        let validity = claims::validity(&token.claims, now)?;
        let own = OwnClaims {
            key_id: claims::text(&token.claims, "key_id")?,
            app: claims::text(&token.claims, "sub")?,
            fingerprint: claims::text(&token.claims, "key_fingerprint")?,
            until: validity.until,
        };
        let is_right = |key| {
            let signed = token.signed.as_bytes();
            crypto::verify(token.signature, signed, key, Algorithm::HS256).unwrap_or(false)
        };
        if !self.verifying.iter().any(is_right) {
            return Err(Refused::BadSignature);
        }
        if validity.expired { Err(Refused::TokenExpired) } else { Ok(own) }
    }
}

impl OwnClaims<'_> {
    /// Whether `key` is the one that bought the token.
    pub(super) fn were_bought_with(&self, key: &KnownKey) -> bool {
        self.app == key.principal.app.as_str() && self.fingerprint == fingerprint(&key.hash)
    }
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenIssuer(…)")
    }
}

/// Names a key without saying anything of what the configuration keeps of it.
fn fingerprint(hash: &KeyHash) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{PURPOSE}\0{hash}").as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..FINGERPRINT_LEN])
}

fn derived(root: &SecretString) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, b"cwsgate")
        .extract(root.expose_secret().as_bytes())
        .expand(&[PURPOSE.as_bytes()], KeyLength)
        .and_then(|okm| okm.fill(key.as_mut()))
        .expect("32 bytes are within what HKDF-SHA-256 can give");
    key
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

/// What tells the signing key from the other keys of the same root.
const PURPOSE: &str = "access tokens of the gateway";

/// Our `iss` and `aud`. No identity provider can have this name: theirs are URLs.
const ISSUER: &str = "cwsgate";

/// RFC 9068 section 2.1.
const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt"}"#;

/// Life of a token.
const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// Bytes of a key's fingerprint.
const FINGERPRINT_LEN: usize = 16;
