//! `GET /v1/attention`: what needs somebody now.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Gateway;

const ALL: &str = "/v1/attention?pageSize=1000";

#[tokio::test]
async fn everything_that_is_the_matter_is_listed_with_what_to_do() {
    let gateway = Gateway::demo().await;

    let body = gateway.get(ALL).await.ok(200);

    assert_eq!(body["completeness"]["ok"], 3);
    let items = body["items"].as_array().unwrap();
    let of = |name: &str| items.iter().find(|item| item["name"] == name);
    for (name, kind) in [
        (r"DEMOLAB\FINCH", "unregistered"),
        (r"DEMOLAB\STORK", "stuck"),
        (r"DEMOLAB\LINNET", "maintenance"),
    ] {
        let item = of(name).unwrap_or_else(|| panic!("no {name} in {items:#?}"));
        assert_eq!(item["kind"], kind, "{name}");
        assert!(!item["detail"].as_str().unwrap().is_empty());
        assert!(!item["advice"].as_str().unwrap().is_empty());
        let machine = gateway.get(item["self"].as_str().unwrap()).await.ok(200);
        assert_eq!(machine["name"], name);
    }
    for fine in [r"DEMOLAB\KESTREL", r"DEMOLAB\SWIFT", r"DEMOLAB\OSPREY"] {
        assert!(of(fine).is_none(), "{fine} is listed");
    }
    let stale: Vec<_> = items.iter().filter(|item| item["kind"] == "stale-session").collect();
    assert!(stale.iter().all(|item| item["since"].is_string()));
    let farid = stale.iter().find(|item| item["machine"]["name"] == r"DEMOLAB\IBIS").unwrap();
    assert_eq!(farid["detail"], "disconnected for 61 h");
    let session = gateway.get(farid["self"].as_str().unwrap()).await.ok(200);
    assert_eq!(session["state"], "Disconnected");
    let customers: BTreeSet<_> =
        items.iter().map(|item| item["customer"].as_str().unwrap()).collect();
    assert_eq!(customers, BTreeSet::from(["acme", "contoso", "globex"]));
}

#[tokio::test]
async fn it_can_be_narrowed_to_kinds_customers_and_longer_absences() {
    let gateway = Gateway::demo().await;
    let kinds = async |query: &str| {
        let reply = gateway.get(&format!("{ALL}&{query}")).await;
        reply.ok(200);
        let kinds: BTreeSet<_> =
            reply.of_items("kind").iter().map(|k| k.as_str().unwrap().to_owned()).collect();
        kinds
    };
    let some = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(kinds("kind=stuck&kind=stale-session").await, some(&["stuck", "stale-session"]));
    assert_eq!(kinds("kind=stale-session&customer=acme").await, some(&["stale-session"]));
    assert_eq!(kinds("kind=stale-session&disconnectedFor=1000h").await, some(&[]));
    let acme = gateway.get(&format!("{ALL}&customer=acme")).await;
    assert!(acme.of_items("customer").iter().all(|customer| customer == "acme"));
    for wrong in ["kind=broken", "kind=", "disconnectedFor=soon", "kinds=stuck"] {
        let reply = gateway.get(&format!("{ALL}&{wrong}")).await;
        assert_eq!(reply.status, 400, "{wrong}: {}", reply.text);
    }
    // Nobody is asked for sessions who does not want any, nor for machines.
    let listed = async |list: &str| {
        let asked = gateway.asked("service=daas&method=GET").await;
        asked.iter().filter(|call| call["path"].as_str().unwrap().ends_with(list)).count()
    };
    let (machines, sessions) = (listed("/Machines").await, listed("/Sessions").await);
    kinds("kind=stuck").await;
    assert_eq!(listed("/Sessions").await, sessions);
    let machines_after = listed("/Machines").await;
    assert_eq!(machines_after, machines + 3);
    kinds("kind=stale-session").await;
    assert_eq!(listed("/Machines").await, machines_after);
}

#[tokio::test]
async fn its_pages_hold_everything_once() {
    let gateway = Gateway::demo().await;
    let whole = gateway.get(ALL).await.of_items("self");
    let mut paged = Vec::new();
    let mut path = "/v1/attention?pageSize=7".to_owned();
    loop {
        let reply = gateway.get(&path).await;
        let body = reply.ok(200);
        paged.extend(reply.of_items("self"));
        let Some(token) = body["nextPageToken"].as_str() else { break };
        path = format!("/v1/attention?pageSize=7&pageToken={token}");
    }
    assert!(whole.len() > 14, "{whole:?}");
    assert_eq!(paged, whole);
}

#[tokio::test]
async fn a_region_that_is_down_is_named_and_the_others_are_listed() {
    let gateway = Gateway::demo().await;
    gateway.stop_region("eu").await;
    let body = gateway.get(ALL).await.ok(200);
    assert_eq!(body["completeness"]["status"], "partial");
    assert!(!body["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn only_what_the_caller_may_see_is_listed() {
    let (builder, key) =
        Gateway::builder().app("desk", r#"{ actions = ["read"], customers = ["globex"] }"#);
    let gateway = builder.start().await;
    let reply = gateway.send(gateway.request_as(&key, Method::GET, ALL)).await;
    reply.ok(200);
    assert!(reply.of_items("customer").iter().all(|customer| customer == "globex"));
}

#[tokio::test]
async fn it_is_read_from_the_same_lists_as_everything_else() {
    let gateway = Gateway::builder().caching().start().await;
    gateway.get("/v1/machines?pageSize=1000&powerState=On").await.ok(200);
    gateway.get("/v1/sessions?pageSize=1000&state=Active").await.ok(200);
    let asked = gateway.total_asked().await;

    let body = gateway.get(ALL).await.ok(200);

    assert_eq!(gateway.total_asked().await, asked);
    let caches: Vec<&Value> =
        body["sources"].as_array().unwrap().iter().map(|s| &s["cache"]).collect();
    assert_eq!(caches, [&json!("hit"), &json!("hit"), &json!("hit")]);
}
