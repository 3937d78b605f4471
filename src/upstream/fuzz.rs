//! Doors for the fuzz targets to what this room does with answers of strangers.

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

use super::{fault, storefront, token};

/// What a store answers.
pub fn xml_reply(bytes: &[u8]) {
    let _ = storefront::read_reply(bytes);
    storefront::fuzz(bytes);
}

/// What a token service answers.
pub fn token_reply(bytes: &[u8]) {
    token::fuzz(bytes);
}

/// The value of `Retry-After`; behind a line break the body it came with.
pub fn refusal(bytes: &[u8]) {
    let (value, body) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &b""[..]),
    };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(header::RETRY_AFTER, value);
    }
    let said = fault::said(&headers, body, Timestamp::UNIX_EPOCH);
    assert!(said.retry_after.is_none_or(|wait| wait.as_secs() <= 300), "{said:?}");
    let clean =
        |text: &Option<String>| text.as_ref().is_none_or(|text| !text.contains(char::is_control));
    assert!(clean(&said.code) && clean(&said.message), "{said:?}");
}
