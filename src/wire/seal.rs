//! Sealed text: bytes that callers carry for us and can neither read nor change.
//!
//! AES-256-GCM with a random nonce, in URL-safe base64 without padding. The key is derived from
//! a root secret with HKDF-SHA-256 (RFC 5869), one per purpose, so that text sealed for one
//! purpose cannot be opened as another.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Seals with one key and opens with that or an older one.
pub struct Sealer {
    current: RandomizedNonceKey,
    previous: Option<RandomizedNonceKey>,
}

/// The text was not sealed by us for this purpose and context, or has been changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the text cannot be opened")]
pub struct CannotOpen;

impl Sealer {
    /// A sealer for `purpose`. `previous` is the root secret before the last change: what it
    /// sealed can still be opened.
    pub fn new(root: &[u8], previous: Option<&[u8]>, purpose: &str) -> Self {
        Self { current: key(root, purpose), previous: previous.map(|root| key(root, purpose)) }
    }

    /// Seals `plain` so that it opens only together with the same `context`.
    ///
    /// # Panics
    /// When `plain` is longer than 64 GiB.
    pub fn seal(&self, plain: &[u8], context: &[u8]) -> String {
        let mut bytes = plain.to_vec();
        let nonce = self
            .current
            .seal_in_place_append_tag(Aad::from(context), &mut bytes)
            .expect("sealing fails only beyond 64 GiB");
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Opens what [`seal`](Self::seal) made.
    ///
    /// # Errors
    /// When the text is malformed, changed, sealed for another context or with an unknown key.
    pub fn open(&self, sealed: &str, context: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        if sealed.len() > MAX_SEALED_LEN {
            return Err(CannotOpen);
        }
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| CannotOpen)?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN).ok_or(CannotOpen)?;
        std::iter::once(&self.current)
            .chain(&self.previous)
            .find_map(|key| {
                let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
                let mut body = body.to_vec();
                let plain = key.open_in_place(nonce, Aad::from(context), &mut body).ok()?;
                Some(plain.to_vec())
            })
            .ok_or(CannotOpen)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// Longest sealed text that is looked at.
const MAX_SEALED_LEN: usize = 64 * 1024;

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        AES_256_GCM.key_len()
    }
}

fn key(root: &[u8], purpose: &str) -> RandomizedNonceKey {
    let mut bytes = [0; 32];
    Salt::new(HKDF_SHA256, b"cwsgate")
        .extract(root)
        .expand(&[purpose.as_bytes()], KeyLength)
        .and_then(|okm| okm.fill(&mut bytes))
        .expect("32 bytes are within what HKDF-SHA-256 can give");
    RandomizedNonceKey::new(&AES_256_GCM, &bytes).expect("the key has the length of AES-256")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(b"root", None, "test")
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_with_the_same_context_only(
            plain: Vec<u8>, context: Vec<u8>, other: Vec<u8>,
        ) {
            let sealed = sealer().seal(&plain, &context);
            prop_assert_eq!(sealer().open(&sealed, &context), Ok(plain));
            if other != context {
                prop_assert_eq!(sealer().open(&sealed, &other), Err(CannotOpen));
            }
        }

        #[test]
        fn no_text_from_outside_opens_or_panics(text: String) {
            prop_assert_eq!(sealer().open(&text, b""), Err(CannotOpen));
        }

        #[test]
        fn a_changed_byte_is_noticed(plain: Vec<u8>, at: prop::sample::Index, bit in 0..8) {
            let sealed = sealer().seal(&plain, b"");
            let mut bytes = URL_SAFE_NO_PAD.decode(sealed).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert_eq!(sealer().open(&URL_SAFE_NO_PAD.encode(bytes), b""), Err(CannotOpen));
        }
    }

    #[test]
    fn the_previous_root_still_opens_and_another_purpose_does_not() {
        let old = Sealer::new(b"old", None, "test").seal(b"x", b"");
        assert!(Sealer::new(b"new", Some(b"old"), "test").open(&old, b"").is_ok());
        assert!(Sealer::new(b"new", None, "test").open(&old, b"").is_err());
        assert!(Sealer::new(b"old", None, "other").open(&old, b"").is_err());
    }
}
