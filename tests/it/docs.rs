//! The browser of the API: complete, and from nowhere else.

use std::collections::BTreeSet;

use reqwest::Method;

use crate::support::{Gateway, Reply};

#[tokio::test]
async fn the_page_is_found_with_and_without_its_slash() {
    let gateway = Gateway::demo().await;
    let reply = open(&gateway, "/docs/").await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").starts_with("text/html"), "{:?}", reply.headers);
    let short = open(&gateway, "/docs").await;
    if short.status.is_redirection() {
        let target = short.header("location");
        assert!(["/docs/", "docs/", "/docs/index.html"].contains(&target), "{target}");
        assert_eq!(open(&gateway, "/docs/").await.status, 200);
    } else {
        // Without the slash relative assets would be looked for beside `/docs`.
        assert_eq!(short.text, reply.text);
        assert!(!short.text.contains("\"./"), "{}", short.text);
    }
}

#[tokio::test]
async fn the_page_and_all_it_needs_come_from_the_gateway() {
    let gateway = Gateway::demo().await;
    let page = open(&gateway, "/docs/").await;
    let assets = references(&page.text);
    assert!(assets.len() >= 3, "{assets:?}");
    let base = url::Url::parse(&format!("http://{}/docs/", gateway.address)).unwrap();
    let mut initializer = String::new();
    for asset in &assets {
        let url = base.join(asset).unwrap();
        assert_eq!(url.origin(), base.origin(), "{asset}");
        let reply = open(&gateway, url.path()).await;
        assert_eq!(reply.status, 200, "{asset}");
        assert!(!reply.text.is_empty(), "{asset}");
        if asset.contains("initializer") {
            initializer = reply.text;
        }
    }
    for text in [&page.text, &initializer] {
        assert!(!text.is_empty());
        for scheme in ["http://", "https://", "\"//"] {
            assert!(!text.contains(scheme), "{text}");
        }
    }
    assert!(initializer.contains("/openapi.json"), "{initializer}");
}

/// Opens a page without a credential, as a browser does.
async fn open(gateway: &Gateway, path: &str) -> Reply {
    gateway.send(gateway.bare(Method::GET, path)).await
}

/// What `src` and `href` name.
fn references(html: &str) -> BTreeSet<String> {
    ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| html.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .map(ToOwned::to_owned)
        .collect()
}
