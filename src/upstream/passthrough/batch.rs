use axum::body::{Body, Bytes};
use http::HeaderValue;
use serde::Serialize;
use zeroize::Zeroizing;

/// One call of a `$batch` of DaaS, its headers already reduced to those that may pass.
#[derive(Clone, Debug)]
pub struct BatchItem {
    /// The caller's name of it.
    pub reference: String,
    /// Its method.
    pub method: String,
    /// Its path below the site, and query: encoded anew.
    pub relative_url: String,
    /// Its own headers, without any that names a caller, a customer or a site.
    pub headers: Vec<(String, String)>,
    /// Its body, JSON as text.
    pub body: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item<'a> {
    reference: &'a str,
    method: &'a str,
    relative_url: &'a str,
    headers: Vec<Header<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Header<'a> {
    name: &'a str,
    value: &'a str,
}

/// The body of a batch. Items carry a plain `Bearer`, as those of Citrix's own clients do.
pub(super) fn render(items: &[BatchItem], authorization: &HeaderValue) -> Body {
    let token = authorization.to_str().unwrap_or_default();
    let token = token.split_once('=').map_or(token, |(_, token)| token);
    let bearer = Zeroizing::new(format!("Bearer {token}"));
    let shown = items.iter().map(|item| Item {
        reference: &item.reference,
        method: &item.method,
        relative_url: &item.relative_url,
        headers: std::iter::once(Header { name: "Authorization", value: &bearer })
            .chain(item.headers.iter().map(|(name, value)| Header { name, value }))
            .collect(),
        body: item.body.as_deref(),
    });
    let batch = Batch { items: shown.collect() };
    let mut text = Zeroizing::new(Vec::new());
    // Names and values are text, so that nothing can fail.
    let _ = serde_json::to_writer(&mut *text, &batch);
    Body::from(Bytes::from_owner(text))
}
