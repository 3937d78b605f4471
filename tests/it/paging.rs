//! Pages: each item once, in one order, and tokens that grant nothing.

use std::collections::HashSet;

use cwsgate::simulator::Scenario;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    lists::two_sites,
    support::{Gateway, Reply},
};

#[tokio::test]
async fn pages_of_any_size_give_every_machine_of_a_big_catalog_once() {
    let gateway = Gateway::builder().scenario(Scenario::big_catalog(400)).start().await;
    for path in [
        "/v1/customers/acme/sites/-/machine-catalogs/Big/machines",
        "/v1/customers/acme/sites/-/machines",
    ] {
        for size in [7, 100, 1000] {
            let pages = walk(&gateway, &format!("{path}?fields=name&pageSize={size}")).await;
            assert_eq!(pages.len(), 400_usize.div_ceil(size), "{path} {size}");
            let ids = ids(&pages);
            assert_eq!(ids.len(), 400);
            assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 400);
        }
    }
    // Without a page size there is one of 100.
    let first = gateway.get("/v1/machines").await.ok(200);
    assert_eq!(first["items"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_thousand_machines_come_in_one_page() {
    let gateway = Gateway::builder().scenario(Scenario::big_catalog(1000)).start().await;
    let body = gateway.get("/v1/machines?pageSize=1000").await.ok(200);
    assert_eq!(body["items"].as_array().unwrap().len(), 1000);
    assert_eq!(body["nextPageToken"], Value::Null);
}

#[tokio::test]
async fn the_link_header_leads_to_the_page_of_the_token() {
    let gateway = Gateway::demo().await;
    let reply = gateway.get("/v1/machines?pageSize=3&powerState=On&fields=name").await;
    let token = reply.ok(200)["nextPageToken"].as_str().unwrap().to_owned();

    let link = reply.header("link");
    let target = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    let query = target.split_once('?').unwrap().1;
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert!(pairs.contains(&("pageToken".to_owned(), token.clone())), "{link}");

    let followed = gateway.get(target).await.ok(200);
    let path = "/v1/machines?pageSize=3&powerState=On&fields=name&pageToken=";
    let asked = gateway.get(&format!("{path}{token}")).await.ok(200);
    assert_eq!(followed["items"], asked["items"]);
    assert_ne!(followed["items"], reply.json()["items"]);
    assert_eq!(gateway.get("/v1/machines?pageSize=1000").await.header("link"), "");
}

#[tokio::test]
async fn pages_over_several_customers_give_every_machine_once_in_one_order() {
    let gateway = Gateway::demo().await;
    let whole = walk(&gateway, "/v1/machines?fields=name&pageSize=1000").await;
    for size in [11, 100] {
        let pages = walk(&gateway, &format!("/v1/machines?fields=name&pageSize={size}")).await;
        assert_eq!(ids(&pages), ids(&whole), "{size}");
        for page in &pages {
            let body = page.json();
            assert_eq!(body["completeness"]["requested"], 3);
            assert_eq!(body["completeness"]["status"], "complete");
            let listed: u64 = body["sources"]
                .as_array()
                .unwrap()
                .iter()
                .map(|source| source["items"].as_u64().unwrap())
                .sum();
            assert_eq!(listed, body["items"].as_array().unwrap().len() as u64);
        }
    }
    assert_eq!(ids(&whole).len(), 240);
}

#[tokio::test]
async fn every_other_list_can_be_walked_in_pages_of_one_or_two() {
    let gateway = Gateway::demo().await;
    for path in [
        "/v1/customers",
        "/v1/regions",
        "/v1/customers/-/sites",
        "/v1/customers/-/resource-locations",
        "/v1/customers/-/service-states",
        "/v1/customers/-/sites/-/machine-catalogs",
        "/v1/customers/-/sites/-/delivery-groups",
    ] {
        let whole = gateway.get(path).await.of_items("self");
        let pages = walk(&gateway, &format!("{path}?pageSize=2")).await;
        let walked: Vec<Value> = pages.iter().flat_map(|page| page.of_items("self")).collect();
        assert_eq!(walked, whole, "{path}");
        assert_eq!(pages.len(), whole.len().div_ceil(2), "{path}");
    }
}

#[tokio::test]
async fn a_filter_keeps_its_items_over_all_pages() {
    let gateway = Gateway::builder().scenario(Scenario::big_catalog(400)).start().await;
    let pages = walk(&gateway, "/v1/machines?sessionCount=0&fields=name&pageSize=10").await;
    let ids = ids(&pages);
    assert_eq!(ids.len(), 360);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 360);
    let busy = walk(&gateway, "/v1/machines?sessionCount=1&fields=name&pageSize=7").await;
    assert_eq!(self::ids(&busy).len(), 40);
}

#[tokio::test]
async fn a_source_that_failed_is_not_asked_again_and_stays_failed() {
    let gateway = Gateway::demo().await;
    gateway.fault(json!({
        "match": { "customer": "acme", "pathContains": "Machines" }, "status": 403,
    }));
    let path = "/v1/machines?fields=name&pageSize=30";
    let first = gateway.get(path).await;
    first.ok(200);
    // It would answer now; the pages of this walk go on without it.
    gateway.sim("DELETE", "/_sim/faults", Value::Null).await;
    let asked = acme_requests(&gateway).await;

    let rest = walk(&gateway, &following(path, &first)).await;

    assert!(rest.len() > 3);
    for page in &rest {
        let body = page.json();
        assert_eq!(body["completeness"]["status"], "partial");
        assert_eq!(body["completeness"]["requested"], 3);
        let acme = &body["sources"][0];
        assert_eq!(acme["customer"], "acme");
        assert_eq!(acme["status"], "failed");
        assert_eq!(acme["problem"]["code"], "upstream_forbidden");
        assert!(page.of_items("customer").iter().all(|customer| customer != "acme"));
    }
    assert_eq!(acme_requests(&gateway).await, asked);
    assert_eq!(ids(&rest).len() + 30, 160);
}

#[tokio::test]
async fn every_page_lists_the_same_sources_with_their_sites() {
    let gateway = Gateway::builder().scenario(two_sites()).start().await;
    let demo = Gateway::demo().await;
    demo.sim("PUT", "/_sim/customers/acme", json!({ "frozen": true })).await;
    for (gateway, path) in [
        (&gateway, "/v1/customers/acme/sites/-/machines?pageSize=1"),
        (&demo, "/v1/machines?fields=name&pageSize=40"),
    ] {
        let pages = walk(gateway, path).await;
        assert!(pages.len() > 1);
        let sources = |page: &Reply| -> Vec<Value> {
            let body = page.json();
            let sources = body["sources"].as_array().unwrap();
            let name = |s: &Value| json!([s["customer"], s["siteId"], s["status"]]);
            sources.iter().map(name).collect()
        };
        for page in &pages {
            assert_eq!(sources(page), sources(&pages[0]), "{path}");
            assert_eq!(page.json()["completeness"]["skipped"], 1);
        }
    }
}

#[tokio::test]
async fn the_first_page_asks_every_source_and_tells_the_truth_about_all() {
    let gateway = Gateway::demo().await;
    gateway.stop_region("eu").await;
    let body = gateway.get("/v1/machines?pageSize=1&customer=acme&customer=contoso").await.ok(200);
    assert_eq!(body["items"].as_array().unwrap().len(), 1);
    assert_eq!(body["completeness"]["failed"], 1);
}

#[tokio::test]
async fn the_page_size_may_change_between_pages() {
    let gateway = Gateway::demo().await;
    let whole = walk(&gateway, "/v1/machines?fields=name&pageSize=1000").await;
    let mut seen = Vec::new();
    let mut token = String::new();
    for size in [1, 50, 7, 100, 1000] {
        let path = format!("/v1/machines?fields=name&pageSize={size}{token}");
        let reply = gateway.get(&path).await;
        reply.ok(200);
        seen.extend(reply.of_items("id"));
        match reply.json()["nextPageToken"].as_str() {
            Some(next) => token = format!("&pageToken={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids(&whole));
}

#[tokio::test]
async fn page_sizes_outside_of_the_bounds_are_refused() {
    let gateway = Gateway::demo().await;
    for size in ["0", "1001", "-1", "abc", "", "%20", "1.5", "99999999999999999999"] {
        for path in ["/v1/machines", "/v1/customers"] {
            let reply = gateway.get(&format!("{path}?pageSize={size}")).await;
            let problem = reply.problem(400, "invalid_request");
            assert_eq!(problem["errors"][0]["pointer"], "/pageSize", "{size}");
        }
    }
}

#[tokio::test]
async fn a_page_token_is_good_for_its_own_query_app_and_gateway_only() {
    let everything = r#"{ actions = ["read"], customers = ["*"] }"#;
    let (builder, other) = Gateway::builder().app("other", everything);
    let gateway = builder.start().await;
    let path = "/v1/machines?pageSize=5&fields=name&region=us";
    let token = token(&gateway.get(path).await);
    let next = format!("{path}&pageToken={token}");
    gateway.get(&next).await.ok(200);

    let mut tampered = token.clone();
    let middle = tampered.len() / 2;
    let replacement = if tampered.as_bytes()[middle] == b'A' { "B" } else { "A" };
    tampered.replace_range(middle..=middle, replacement);
    for bad in [
        format!("/v1/machines?pageSize=5&fields=name&pageToken={token}"),
        format!("/v1/machines?pageSize=5&fields=name&region=eu&pageToken={token}"),
        format!("/v1/machines?pageSize=5&fields=id&region=us&pageToken={token}"),
        format!("/v1/sessions?pageSize=5&region=us&pageToken={token}"),
        format!("/v1/customers?pageToken={token}"),
        format!("{path}&pageToken={tampered}"),
        format!("{path}&pageToken={}", &token[..token.len() - 1]),
        format!("{path}&pageToken={token}A"),
        format!("{path}&pageToken=garbage"),
        format!("{path}&pageToken=%C3%A9%FF"),
    ] {
        gateway.get(&bad).await.problem(400, "invalid_page_token");
    }
    let reply = gateway.send(gateway.request_as(&other, Method::GET, &next)).await;
    reply.problem(400, "invalid_page_token");
    let elsewhere = Gateway::demo().await;
    elsewhere.get(&next).await.problem(400, "invalid_page_token");
}

#[tokio::test]
async fn a_page_token_shows_nothing_of_a_customer_that_is_no_longer_granted() {
    let secret = "a root of keys that two replicas share";
    let start = async |customers: &str| {
        let grant = format!(r#"{{ actions = ["read"], customers = [{customers}] }}"#);
        let (builder, key) = Gateway::builder().secret(secret).app("desk", &grant);
        (builder.start().await, key)
    };
    let (before, key) = start(r#""acme", "contoso""#).await;
    let path = "/v1/machines?pageSize=5&fields=name";
    let first = before.send(before.request_as(&key, Method::GET, path)).await;
    assert!(first.of_items("customer").iter().all(|customer| customer == "acme"));
    let next = following(path, &first);
    let same = before.send(before.request_as(&key, Method::GET, &next)).await;
    assert!(same.of_items("customer").iter().all(|customer| customer == "acme"));

    let (after, key) = start(r#""contoso""#).await;
    let reply = after.send(after.request_as(&key, Method::GET, &next)).await;

    let body = reply.ok(200);
    assert_eq!(reply.of_items("customer"), ["contoso"; 5]);
    assert_eq!(body["sources"].as_array().unwrap().len(), 1);
}

/// Every page from this one on, by their tokens.
async fn walk(gateway: &Gateway, path: &str) -> Vec<Reply> {
    let mut pages = Vec::new();
    let mut at = path.to_owned();
    loop {
        let reply = gateway.get(&at).await;
        let body = reply.ok(200);
        pages.push(reply);
        assert!(pages.len() < 200, "{path} has no end");
        if body["nextPageToken"].is_null() {
            return pages;
        }
        let base = path.split("&pageToken=").next().unwrap();
        at = following(base, pages.last().unwrap());
    }
}

fn following(path: &str, reply: &Reply) -> String {
    format!("{path}&pageToken={}", token(reply))
}

fn token(reply: &Reply) -> String {
    let token = reply.ok(200)["nextPageToken"].as_str().unwrap().to_owned();
    url::form_urlencoded::byte_serialize(token.as_bytes()).collect()
}

fn ids(pages: &[Reply]) -> Vec<Value> {
    pages.iter().flat_map(|page| page.of_items("id")).collect()
}

/// How many requests of DaaS the simulator has had for acme.
async fn acme_requests(gateway: &Gateway) -> Value {
    let counters = gateway.sim("GET", "/_sim/counters", Value::Null).await;
    let found = counters["requests"]["daas"]["acme"].clone();
    assert!(found.is_object(), "{counters}");
    found
}
