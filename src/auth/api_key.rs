use std::fmt;

use aws_lc_rs::{digest, rand};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::config::KeyHash;

/// An API key: `cwsgate_{id}_{secret}{checksum}`.
///
/// The id finds it, the secret (256 bits of randomness) proves it, the checksum lets leak scanners
/// tell a key from a text that looks like one, and spares the look-up of a mistyped one. All three
/// are letters and digits, so that a double click selects a whole part and no shell or URL minds.
#[derive(Clone)]
pub struct ApiKey {
    text: SecretString,
}

/// The text is not an API key: mistyped, cut off, or something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is not an API key")]
pub struct InvalidApiKey;

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no randomness could be had for a new key")]
pub struct GenerateError;

impl ApiKey {
    /// Makes a key that nobody has.
    pub fn generate() -> Result<Self, GenerateError> {
        let mut text = Zeroizing::new(String::with_capacity(LEN));
        text.push_str(PREFIX);
        push_random(&mut text, ID_LEN)?;
        text.push('_');
        push_random(&mut text, SECRET_LEN)?;
        let sum = checksum(text.as_bytes());
        text.extend(sum.map(char::from));
        Ok(Self { text: SecretString::from(text.as_str()) })
    }

    /// Reads a key as a caller sent it. A fixed amount of work, whatever is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidApiKey> {
        let bytes: &[u8; LEN] = text.as_bytes().try_into().map_err(|_| InvalidApiKey)?;
        let (body, sum) = bytes.split_at(LEN - SUM_LEN);
        let known_letters =
            bytes[PREFIX.len()..].iter().enumerate().fold(true, |good, (at, byte)| {
                let expected =
                    if at == ID_LEN { *byte == b'_' } else { byte.is_ascii_alphanumeric() };
                good & expected
            });
        let right_sum = bool::from(checksum(body).ct_eq(sum));
        if bytes.starts_with(PREFIX.as_bytes()) & known_letters & right_sum {
            Ok(Self { text: text.into() })
        } else {
            Err(InvalidApiKey)
        }
    }

    /// Whether `text` looks like an API key rather than some other credential.
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The public part, by which the key is looked up.
    pub fn id(&self) -> &str {
        &self.text.expose_secret()[PREFIX.len()..PREFIX.len() + ID_LEN]
    }

    /// The whole key: shown once, to whoever made it.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// What the configuration keeps instead of the key.
    pub fn hash(&self) -> KeyHash {
        KeyHash { id: self.id().to_owned(), digest: self.digest(), expires: None }
    }

    /// Whether `hash` is this key's, in time that does not depend on how alike they are. Says
    /// nothing about expiry.
    pub fn verify(&self, hash: &KeyHash) -> bool {
        self.verify_found(Some(hash))
    }

    /// The same for the outcome of a look-up by id: an unknown id costs what a wrong secret costs.
    pub fn verify_found(&self, hash: Option<&KeyHash>) -> bool {
        let nobody = [0; 32];
        let expected = hash.map_or(&nobody, |hash| &hash.digest);
        let same_secret = self.digest().ct_eq(expected);
        // The id is public and was the key of the look-up.
        bool::from(same_secret) & hash.is_some_and(|hash| hash.id == self.id())
    }

    fn digest(&self) -> [u8; 32] {
        let secret = &self.text.expose_secret()[SECRET_START..SECRET_START + SECRET_LEN];
        let digest = digest::digest(&digest::SHA256, secret.as_bytes());
        digest.as_ref().try_into().expect("SHA-256 is 32 bytes long")
    }
}

/// The id only: enough to find the key, useless to whoever reads it.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Appends `count` letters and digits, each equally likely.
fn push_random(text: &mut String, count: usize) -> Result<(), GenerateError> {
    let mut missing = count;
    while missing > 0 {
        let mut bytes = Zeroizing::new([0; 64]);
        rand::fill(bytes.as_mut()).map_err(|_| GenerateError)?;
        // The bytes above the last multiple of 62 would favour the first letters.
        let fair = bytes.iter().filter(|byte| **byte < 248).take(missing);
        let letters = fair.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        let before = text.len();
        text.extend(letters);
        missing -= text.len() - before;
    }
    Ok(())
}

/// CRC-32 (ISO 3309) in base 62, most significant digit first.
fn checksum(body: &[u8]) -> [u8; SUM_LEN] {
    let crc = body.iter().fold(u32::MAX, |crc, byte| {
        let index = (crc ^ u32::from(*byte)) & 0xff;
        (crc >> 8) ^ CRC_TABLE[index as usize]
    });
    let mut rest = !crc as usize;
    let mut digits = [0; SUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    digits
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[index as usize] = crc;
        index += 1;
    }
    table
}

const CRC_TABLE: [u32; 256] = crc_table();
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX: &str = "cwsgate_";
const ID_LEN: usize = 12;
/// 43 digits to the base of 62 are 256 bits.
const SECRET_LEN: usize = 43;
const SUM_LEN: usize = 6;
const SECRET_START: usize = PREFIX.len() + ID_LEN + 1;
const LEN: usize = SECRET_START + SECRET_LEN + SUM_LEN;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_key_reads_back_and_matches_its_own_hash_only() {
        let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        let read = ApiKey::parse(one.expose()).unwrap();

        assert_eq!(one.expose().len(), 70);
        assert_eq!(read.id(), one.id());
        assert!(read.verify(&one.hash()));
        assert!(!read.verify(&other.hash()));
        assert!(!read.verify_found(None));
    }

    #[test]
    fn a_hash_of_another_id_does_not_match_though_the_secret_does() {
        let key = ApiKey::generate().unwrap();
        let moved = KeyHash { id: "Other0000000".to_owned(), ..key.hash() };
        assert!(!key.verify(&moved));
    }

    #[test]
    fn a_hash_survives_being_written_and_read() {
        let hash = ApiKey::generate().unwrap().hash();
        let text = hash.to_string();

        assert_eq!(text.len(), "cwsgate_hash_".len() + 12 + 1 + 64);
        assert_eq!(KeyHash::parse(&text), Some(hash));
    }

    #[test]
    fn debug_shows_the_id_and_nothing_else() {
        let key = ApiKey::generate().unwrap();
        let shown = format!("{key:?}");
        assert!(shown.contains(key.id()));
        assert!(!shown.contains(&key.expose()[SECRET_START..]));
    }

    #[test]
    fn the_checksum_is_the_common_crc_32() {
        // The check value of CRC-32: 0xcbf43926 for "123456789".
        let digits = checksum(b"123456789");
        let position = |digit: &u8| ALPHABET.iter().position(|letter| letter == digit).unwrap();
        let value = digits.iter().fold(0, |value, digit| value * 62 + position(digit));
        assert_eq!(value, 0xcbf4_3926);
    }

    #[test]
    fn every_letter_is_used_and_no_key_comes_twice() {
        let keys: Vec<ApiKey> = (0..200).map(|_| ApiKey::generate().unwrap()).collect();
        let secrets = keys.iter().map(|key| &key.expose()[SECRET_START..SECRET_START + SECRET_LEN]);
        let letters: HashSet<char> = secrets.clone().flat_map(str::chars).collect();

        assert_eq!(secrets.collect::<HashSet<_>>().len(), 200);
        assert_eq!(letters.len(), 62);
    }

    proptest! {
        #[test]
        fn one_changed_letter_is_noticed(at in PREFIX.len()..LEN, letter in 0..62_usize) {
            let key = ApiKey::generate().unwrap();
            let mut text = key.expose().to_owned();
            let letter = char::from(ALPHABET[letter]);
            prop_assume!(!text[at..].starts_with(letter));
            text.replace_range(at..=at, &letter.to_string());
            prop_assert!(ApiKey::parse(&text).is_err());
        }

        #[test]
        fn no_text_panics_or_passes_by_chance(text in "(cwsgate_)?.{0,80}") {
            prop_assert!(ApiKey::parse(&text).is_err());
            let _ = KeyHash::parse(&text);
        }
    }
}
