//! Everything that strangers' bytes meet first, one function each.
//!
//! The fuzz targets in `fuzz/` and the test that replays their corpus call these. None may panic,
//! loop or grow, whatever it is given; what more must hold is asserted here.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::{
    api, auth::Credential, config::Config, config::Environment, config::LoadOptions, server,
    upstream,
};

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 6] = [
    ("xml_reply", xml_reply),
    ("token_reply", token_reply),
    ("path_and_query", path_and_query),
    ("authorization", authorization),
    ("retry_after", retry_after),
    ("configuration", configuration),
];

/// What a store answers: to a power-off, to a list, and to a request for a token.
pub fn xml_reply(bytes: &[u8]) {
    upstream::fuzz::xml_reply(bytes);
}

/// What a token service answers.
pub fn token_reply(bytes: &[u8]) {
    upstream::fuzz::token_reply(bytes);
}

/// A request target, as its text: what may be routed is also read as a name and as parameters.
pub fn path_and_query(bytes: &[u8]) {
    let Ok(target) = std::str::from_utf8(bytes) else { return };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if server::may_be_routed(path, query) {
        assert!(!path.contains(['\0', '\\', '#', ' ']), "{path:?}");
        assert!(!path.split('/').any(|segment| segment == ".." || segment == "."), "{path:?}");
        api::read_target(path, query);
    }
}

/// The value of an `Authorization` header, and of an `X-Api-Key` behind a line break.
pub fn authorization(bytes: &[u8]) {
    let (first, second) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(first) {
        headers.insert(header::AUTHORIZATION, value);
    }
    if let Some(Ok(value)) = second.map(HeaderValue::from_bytes) {
        headers.insert("x-api-key", value);
    }
    if let Ok(Some(credential)) = Credential::from_headers(&headers) {
        let text = credential.expose();
        assert!(!text.is_empty() && text == text.trim(), "nothing is no credential");
    }
}

/// The value of a `Retry-After` header; behind a line break the body it came with.
pub fn retry_after(bytes: &[u8]) {
    upstream::fuzz::refusal(bytes);
}

/// A configuration file.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // No file of this machine is meant.
    if text.contains("file") || text.contains("include") {
        return;
    }
    let options = LoadOptions { now: jiff::Timestamp::UNIX_EPOCH, allow_anonymous: false };
    let nowhere = std::path::Path::new("nowhere");
    let loaded = Config::parse(text, nowhere, &Environment::default(), options);
    assert!(loaded.config.is_some() || !loaded.findings.is_empty(), "a refusal gives a reason");
}
