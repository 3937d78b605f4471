use std::sync::Arc;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use crate::{auth::jwt::MAX_KEY_ID_LEN, config::Algorithm};

/// The usable keys of an issuer.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Arc<Key>>,
    /// Keys that cannot be used here.
    pub(super) skipped: usize,
    /// Of the whole document.
    pub(super) digest: [u8; 32],
}

/// A public key and what it may check.
#[derive(Debug)]
pub(in crate::auth) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

impl Key {
    /// The key as the library takes it.
    pub(in crate::auth) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

impl KeySet {
    /// Reads a key set, key by key: one odd key does not spoil the others. `None` if it is no key
    /// set at all.
    pub(super) fn parse(document: &[u8], allowed: &[Algorithm]) -> Option<Self> {
        let read: Value = serde_json::from_slice(document).ok()?;
        let all = read.get("keys")?.as_array()?;
        let taken = all.iter().take(MAX_KEYS);
        let keys: Vec<_> = taken.filter_map(|key| parse_key(key, allowed)).map(Arc::new).collect();
        let digest = digest::digest(&digest::SHA256, document);
        let digest = digest.as_ref().try_into().expect("SHA-256 is 32 bytes long");
        Some(Self { skipped: all.len() - keys.len(), keys, digest })
    }

    /// The key of this id that checks `algorithm`. A token need not name a key if only one can be
    /// meant (OpenID Connect Core 1.0 section 10.1).
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Arc<Key>> {
        let mut fit = self.keys.iter().filter(|key| key.algorithms.contains(&algorithm));
        match id {
            Some(id) => fit.find(|key| key.id.as_deref() == Some(id)),
            None => fit.next().filter(|_| fit.next().is_none()),
        }
    }

    /// How many keys can be used.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// The algorithm's name in the library.
pub(in crate::auth) fn library_name(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Ps384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::Ps512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    }
}

fn parse_key(key: &Value, allowed: &[Algorithm]) -> Option<Key> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let absent_or = |name: &str, wanted: &str| key.get(name).is_none_or(|word| word == wanted);
    if !absent_or("use", "sig") {
        return None;
    }
    let checks = |words: &Value| words.as_array().is_some_and(|w| w.contains(&"verify".into()));
    if !key.get("key_ops").is_none_or(checks) {
        return None;
    }
    // Who publishes the private half has no secret left to sign with.
    if key.get("d").is_some() {
        return None;
    }
    let id = match key.get("kid") {
        None => None,
        Some(id) => Some(id.as_str().filter(|id| id.len() <= MAX_KEY_ID_LEN)?.to_owned()),
    };
    let (fits, decoding) = match text("kty")? {
        "RSA" => rsa(&bytes(text("n")?)?, &bytes(text("e")?)?)?,
        "EC" => elliptic(text("crv")?, &bytes(text("x")?)?, &bytes(text("y")?)?)?,
        "OKP" if text("crv")? == "Ed25519" => edwards(&bytes(text("x")?)?)?,
        // Symmetric keys above all: who can check with them can sign with them.
        _ => return None,
    };
    let fits = fits.iter().copied().filter(|algorithm| allowed.contains(algorithm));
    let algorithms: Vec<_> = fits.filter(|fit| absent_or("alg", fit.as_str())).collect();
    (!algorithms.is_empty()).then_some(Key { id, algorithms, decoding })
}

type Fit = (&'static [Algorithm], DecodingKey);

fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Fit> {
    let modulus = without_leading_zeros(modulus);
    let exponent = without_leading_zeros(exponent);
    let good = RSA_BYTES.contains(&modulus.len())
        && (1..=4).contains(&exponent.len())
        && exponent != [1]
        && exponent.last()? & 1 == 1;
    good.then(|| (RSA, DecodingKey::from_rsa_raw_components(modulus, exponent)))
}

fn elliptic(curve: &str, x: &[u8], y: &[u8]) -> Option<Fit> {
    let (algorithms, length) = match curve {
        "P-256" => (P256, 32),
        "P-384" => (P384, 48),
        _ => return None,
    };
    // The uncompressed form of SEC 1 section 2.3.3.
    let point = [&[4], x, y].concat();
    let whole = x.len() == length && y.len() == length;
    whole.then(|| (algorithms, DecodingKey::from_ec_der(&point)))
}

fn edwards(x: &[u8]) -> Option<Fit> {
    (x.len() == 32).then(|| (ED25519, DecodingKey::from_ed_der(x)))
}

/// Base64url; some providers pad it.
fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// Some providers write the sign byte of ASN.1.
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

const RSA: &[Algorithm] = &[
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];
const P256: &[Algorithm] = &[Algorithm::Es256];
const P384: &[Algorithm] = &[Algorithm::Es384];
const ED25519: &[Algorithm] = &[Algorithm::EdDsa];

/// 2,048 to 8,192 bits: less is too weak (RFC 7518 section 3.3), more too slow.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Keys of a set that are looked at.
const MAX_KEYS: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

    fn parse(keys: &Value) -> Option<KeySet> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), &ALL)
    }

    fn ec(id: &str) -> Value {
        let half = URL_SAFE_NO_PAD.encode([7; 32]);
        json!({ "kty": "EC", "crv": "P-256", "x": half, "y": half, "kid": id })
    }

    fn rsa(bytes: usize) -> Value {
        json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(vec![0xff; bytes]), "e": "AQAB" })
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    #[test]
    fn odd_keys_are_skipped_and_the_others_are_used() {
        let odd = [
            json!(null),
            json!("key"),
            json!({}),
            json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "new" }),
            json!({ "kty": "oct", "k": "AAAA", "kid": "shared" }),
            json!({ "kty": "OKP", "crv": "X25519", "x": URL_SAFE_NO_PAD.encode([1; 32]) }),
            with(ec("enc"), "use", json!("enc")),
            with(ec("ops"), "key_ops", json!(["encrypt"])),
            with(ec("ops"), "key_ops", json!("verify")),
            with(ec("alg"), "alg", json!("ES384")),
            with(ec("alg"), "alg", json!("HS256")),
            with(ec("alg"), "alg", json!(null)),
            with(ec("curve"), "crv", json!("secp256k1")),
            with(ec("short"), "x", json!("AAAA")),
            with(ec("text"), "x", json!("+++")),
            with(ec("kid"), "kid", json!(1)),
            with(ec("kid"), "kid", json!("k".repeat(257))),
            with(ec("private"), "d", json!("AAAA")),
            rsa(128),
            rsa(1025),
            with(rsa(256), "e", json!("AQ")),
            with(rsa(256), "e", json!("Ag")),
            with(rsa(256), "e", json!("")),
        ];
        let mut keys = odd.to_vec();
        keys.insert(5, ec("good"));
        keys.push(with(with(rsa(256), "kid", json!("old")), "alg", json!("RS256")));
        let set = parse(&json!(keys)).unwrap();
        assert_eq!((set.len(), set.skipped), (2, odd.len()));
        assert!(set.find(Some("good"), Algorithm::Es256).is_some());
        assert!(set.find(Some("old"), Algorithm::Rs256).is_some());
    }

    #[test]
    fn a_key_checks_what_it_is_made_for_and_nothing_else() {
        let set = parse(&json!([ec("a"), with(rsa(256), "kid", json!("a"))])).unwrap();
        assert!(set.find(Some("a"), Algorithm::Es256).is_some());
        assert!(set.find(Some("a"), Algorithm::Rs256).is_some());
        // Not in the configuration.
        assert!(set.find(Some("a"), Algorithm::Ps256).is_none());
        assert!(set.find(Some("A"), Algorithm::Es256).is_none());
        assert!(set.find(Some("a"), Algorithm::EdDsa).is_none());
    }

    #[test]
    fn without_an_id_the_key_is_meant_that_alone_fits() {
        let one = parse(&json!([ec("a"), rsa(256)])).unwrap();
        assert!(one.find(None, Algorithm::Es256).is_some());
        let two = parse(&json!([ec("a"), ec("b")])).unwrap();
        assert!(two.find(None, Algorithm::Es256).is_none());
    }

    #[test]
    fn a_hundred_keys_are_read_and_no_more() {
        let keys: Vec<Value> = (0..200).map(|number| ec(&number.to_string())).collect();
        let set = parse(&json!(keys)).unwrap();
        assert_eq!((set.len(), set.skipped), (100, 100));
        assert!(set.find(Some("99"), Algorithm::Es256).is_some());
        assert!(set.find(Some("100"), Algorithm::Es256).is_none());
    }

    #[test]
    fn what_is_no_key_set_is_none() {
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>", r#"{"keys":[]"#] {
            assert!(KeySet::parse(text.as_bytes(), &ALL).is_none(), "{text}");
        }
        assert_eq!(parse(&json!([])).unwrap().len(), 0);
    }
}
