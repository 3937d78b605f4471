//! Which web pages may use the gateway, and which proxies are believed.

use url::Url;

use crate::config::{network::Network, reader::Section};

/// The origins (RFC 6454) whose pages may call the gateway from a browser.
pub(super) fn cors_origins(section: &Section<'_>) -> Vec<String> {
    let mut origins = Vec::new();
    for (text, field) in section.field("cors_origins").strings().unwrap_or_default() {
        match origin(&text) {
            Ok(origin) => origins.push(origin),
            Err(problem) => field.wrong(problem, "write \"https://app.example.test\""),
        }
    }
    origins
}

/// The proxies whose `X-Forwarded-For` is believed.
pub(super) fn trusted_proxies(section: &Section<'_>) -> Vec<Network> {
    let mut networks = Vec::new();
    for (text, field) in section.field("trusted_proxies").strings().unwrap_or_default() {
        match text.parse::<Network>() {
            Ok(network) if network.is_everything() => field.wrong(
                "everybody would be believed about where they call from",
                "name the proxies: \"10.1.2.3\" or \"10.1.2.0/24\"",
            ),
            Ok(network) => networks.push(network),
            Err(problem) => field.wrong(problem, "write \"10.1.2.3\" or \"10.1.2.0/24\""),
        }
    }
    networks
}

/// The origin as browsers send it.
fn origin(text: &str) -> Result<String, &'static str> {
    if text.contains('*') {
        return Err("every web page could call the gateway from its visitors' browsers");
    }
    let url = Url::parse(text).map_err(|_| "this is not an origin")?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    match url.scheme() {
        "https" | "http" if bare && url.has_host() => Ok(url.origin().ascii_serialization()),
        _ => Err("this is not an origin: scheme, host and port alone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for (text, sent) in [
            ("https://app.example.test", "https://app.example.test"),
            ("https://App.Example.test:443/", "https://app.example.test"),
            ("http://localhost:3000", "http://localhost:3000"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(sent));
        }
        for text in [
            "*",
            "https://*.example.test",
            "null",
            "app.example.test",
            "https://app.example.test/page",
            "https://app.example.test?x",
            "https://user@app.example.test",
            "file:///",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
