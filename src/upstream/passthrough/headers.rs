use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{Passage, Payload};
use crate::{config::Customer, domain::CallContext, net::USER_AGENT};

/// What goes up: named by name from what the caller sent, and our own. A credential of the
/// caller's, a cookie or a forwarded identity is on no list.
pub(super) fn up(
    ctx: &CallContext,
    customer: &Customer,
    passage: &Passage,
    authorization: HeaderValue,
) -> Result<HeaderMap, header::InvalidHeaderValue> {
    let mut headers = HeaderMap::with_capacity(12);
    for name in &UP {
        for value in passage.headers.get_all(name) {
            let mut value = value.clone();
            value.set_sensitive(SECRET.contains(name));
            headers.append(name, value);
        }
    }
    headers.insert(header::AUTHORIZATION, authorization);
    headers.insert(CUSTOMER_ID, HeaderValue::from_str(customer.id.as_str())?);
    if let Some(site) = &passage.site {
        headers.insert(INSTANCE_ID, HeaderValue::from_str(site.as_str())?);
    }
    let transaction = ctx.transaction_id.to_string();
    headers.insert(TRANSACTION_ID, HeaderValue::from_str(&transaction)?);
    // Anything beside this is refused by some of Citrix's services.
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let usual = matches!(passage.method, Method::POST | Method::PUT | Method::PATCH);
    match &passage.payload {
        // Some proxies on the way want a length on every POST (RFC 9110, section 8.6).
        Payload::Empty if usual || passage.headers.contains_key(header::CONTENT_LENGTH) => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Payload::Empty | Payload::Stream(_) => {}
        Payload::Batch(_) => {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
    }
    Ok(headers)
}

/// What comes down: named by name from what Citrix sent. Nothing passes that holds the token.
pub(super) fn down(given: &HeaderMap, authorization: &HeaderValue, bodyless: bool) -> HeaderMap {
    let token = token(authorization);
    let mut headers = HeaderMap::with_capacity(given.len());
    for name in &DOWN {
        for value in given.get_all(name) {
            if !holds(value.as_bytes(), token) {
                headers.append(name, value.clone());
            }
        }
    }
    // Where there is a body, its own length says it.
    if bodyless && let Some(length) = given.get(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, length.clone());
    }
    headers
}

/// Every header of a caller's that has a meaning to Citrix, or to the gateway on Citrix's paths.
pub fn request_headers() -> impl Iterator<Item = HeaderName> {
    UP.into_iter().chain([CUSTOMER_ID, INSTANCE_ID, TRANSACTION_ID])
}

/// Every header of Citrix's that comes down.
pub fn answer_headers() -> impl Iterator<Item = HeaderName> {
    DOWN.into_iter()
}

/// Whether an item of a batch may have this header of its own.
pub fn passes_in_batch(name: &str) -> bool {
    UP.iter().any(|known| known.as_str().eq_ignore_ascii_case(name))
        && !name.eq_ignore_ascii_case(header::ACCEPT_ENCODING.as_str())
}

fn token(authorization: &HeaderValue) -> &[u8] {
    let bytes = authorization.as_bytes();
    bytes.iter().position(|byte| *byte == b'=').map_or(bytes, |at| &bytes[at + 1..])
}

fn holds(value: &[u8], token: &[u8]) -> bool {
    !token.is_empty() && value.windows(token.len()).any(|window| window == token)
}

pub(super) const TRANSACTION_ID: HeaderName = HeaderName::from_static("citrix-transactionid");
const CUSTOMER_ID: HeaderName = HeaderName::from_static("citrix-customerid");
const INSTANCE_ID: HeaderName = HeaderName::from_static("citrix-instanceid");
const ADMIN_CREDENTIAL: HeaderName = HeaderName::from_static("x-admincredential");
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-accesstoken");

/// Of the caller's headers, those that Citrix documents or its own clients send.
const UP: [HeaderName; 15] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::ACCEPT_ENCODING,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    HeaderName::from_static("prefer"),
    HeaderName::from_static("odata-version"),
    HeaderName::from_static("odata-maxversion"),
    HeaderName::from_static("citrix-locale"),
    HeaderName::from_static("x-timezone"),
    HeaderName::from_static("x-actionname"),
    ADMIN_CREDENTIAL,
    ACCESS_TOKEN,
];

/// Those of them that are secrets of the caller's, which Citrix needs.
const SECRET: [HeaderName; 2] = [ADMIN_CREDENTIAL, ACCESS_TOKEN];

/// Of Citrix's headers, those that say something of the answer. `Location` and `Link` are looked
/// at once more.
const DOWN: [HeaderName; 23] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_DISPOSITION,
    header::CACHE_CONTROL,
    header::PRAGMA,
    header::EXPIRES,
    header::ETAG,
    header::LAST_MODIFIED,
    header::VARY,
    header::ALLOW,
    header::LOCATION,
    header::LINK,
    header::RETRY_AFTER,
    TRANSACTION_ID,
    HeaderName::from_static("x-cws-transactionid"),
    HeaderName::from_static("cc-transactionid"),
    HeaderName::from_static("odata-version"),
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("citrix-ratelimit-limit"),
    HeaderName::from_static("citrix-ratelimit-remaining"),
    HeaderName::from_static("deprecation"),
    HeaderName::from_static("sunset"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_repeats_the_token_does_not_come_down() {
        let authorization = HeaderValue::from_static("CwsAuth Bearer=canary.token");
        let mut given = HeaderMap::new();
        given.insert(header::ETAG, HeaderValue::from_static("\"1\""));
        given.insert(header::LOCATION, HeaderValue::from_static("/x?t=canary.token"));
        given.insert("set-cookie", HeaderValue::from_static("a=b"));
        given.insert(header::CONTENT_LENGTH, HeaderValue::from_static("5"));

        let down_headers = down(&given, &authorization, false);

        assert_eq!(down_headers.len(), 1);
        assert_eq!(down_headers[header::ETAG], "\"1\"");
        assert_eq!(down(&given, &authorization, true)[header::CONTENT_LENGTH], "5");
    }

    #[test]
    fn an_item_of_a_batch_brings_neither_caller_nor_customer_nor_site() {
        for name in
            ["Authorization", "X-Api-Key", "Cookie", "Citrix-CustomerId", "Citrix-InstanceId"]
        {
            assert!(!passes_in_batch(name), "{name}");
        }
        assert!(passes_in_batch("X-AdminCredential") && passes_in_batch("content-type"));
    }
}
