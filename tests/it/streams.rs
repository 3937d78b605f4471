//! Lists as streams of lines.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Gateway, Reply};

const NDJSON: &str = "application/x-ndjson";

#[tokio::test]
async fn a_stream_has_its_items_its_sources_and_an_end() {
    let gateway = Gateway::demo().await;

    let reply = stream(&gateway, "/v1/machines?pageSize=1000").await;

    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").starts_with(NDJSON), "{:?}", reply.headers);
    assert_eq!(reply.header("cwsgate-upstream"), "simulator");
    assert!(reply.text.ends_with('\n'));
    let lines = reply.lines();
    let plain = gateway.get("/v1/machines?pageSize=1000").await.ok(200);
    assert_eq!(json!(of(&lines, "item")), plain["items"]);
    let names: Vec<_> = of(&lines, "source").iter().map(|s| s["customer"].clone()).collect();
    assert_eq!(names, ["acme", "contoso", "globex"]);
    let end = lines.last().unwrap();
    assert_eq!(end["type"], "end");
    assert_eq!(end["completeness"], plain["completeness"]);
    assert_eq!(end["nextPageToken"], Value::Null);
    assert!(end.as_object().unwrap().contains_key("nextPageToken"));
    assert_eq!(lines.iter().filter(|line| line["type"] == "end").count(), 1);
}

#[tokio::test]
async fn lists_that_ask_nobody_stream_too() {
    let gateway = Gateway::demo().await;
    for path in ["/v1/customers", "/v1/regions"] {
        let lines = stream(&gateway, path).await.lines();
        assert_eq!(json!(of(&lines, "item")), gateway.get(path).await.ok(200)["items"]);
        assert_eq!(lines.last().unwrap()["type"], "end");
    }
}

#[tokio::test]
async fn the_token_in_the_last_line_leads_to_the_next_page() {
    let gateway = Gateway::demo().await;
    let mut seen = Vec::new();
    let mut at = String::new();
    for pages in 1.. {
        assert!(pages <= 10);
        let lines = stream(&gateway, &format!("/v1/machines?pageSize=50{at}")).await.lines();
        seen.extend(of(&lines, "item").into_iter().map(|item| item["id"].clone()));
        match lines.last().unwrap()["nextPageToken"].as_str() {
            Some(token) => at = format!("&pageToken={token}"),
            None => break,
        }
    }
    let whole = gateway.get("/v1/machines?pageSize=1000").await;
    assert_eq!(seen, whole.of_items("id"));
}

#[tokio::test]
async fn fields_holds_for_the_items_of_a_stream() {
    let gateway = Gateway::demo().await;
    let lines = stream(&gateway, "/v1/machines?pageSize=2&fields=name").await.lines();
    let items = of(&lines, "item");
    assert_eq!(items.len(), 2);
    for item in items {
        let mut names: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
        names.sort();
        let kept = ["customer", "customerId", "id", "name", "region", "self", "siteId"];
        assert_eq!(names, kept);
    }
}

#[tokio::test]
async fn a_source_that_fails_is_named_in_the_stream_and_counted_at_its_end() {
    let gateway = Gateway::demo().await;
    gateway.stop_region("eu").await;
    let reply = stream(&gateway, "/v1/machines?pageSize=1000&fields=name").await;
    assert_eq!(reply.status, 200);
    let lines = reply.lines();
    let failed = of(&lines, "source").into_iter().find(|s| s["status"] == "failed").unwrap();
    assert_eq!(failed["customer"], "contoso");
    assert_eq!(failed["problem"]["origin"], "upstream");
    let end = lines.last().unwrap();
    assert_eq!(end["completeness"]["status"], "partial");
    assert_eq!(end["completeness"]["failed"], 1);
    assert_eq!(of(&lines, "item").len(), 140);
}

#[tokio::test]
async fn a_stream_that_would_hold_nothing_or_too_little_is_a_problem_document() {
    let gateway = Gateway::demo().await;
    gateway.stop_region("eu").await;
    let denied = stream(&gateway, "/v1/machines?partial=deny").await;
    assert_eq!(denied.status, 503);
    let code = denied.json()["code"].as_str().unwrap().to_owned();
    assert_eq!(denied.problem(503, &code)["sources"].as_array().unwrap().len(), 3);
    gateway.stop_region("us").await;
    let nothing = stream(&gateway, "/v1/machines").await;
    let code = nothing.json()["code"].as_str().unwrap().to_owned();
    assert_eq!(nothing.problem(503, &code)["completeness"]["failed"], 3);
    stream(&gateway, "/v1/machines?pageToken=x").await.problem(400, "invalid_page_token");
    stream(&gateway, "/v1/machines?customer=nobody").await.problem(404, "not_found");
}

async fn stream(gateway: &Gateway, path: &str) -> Reply {
    gateway.send(gateway.request(Method::GET, path).header("accept", NDJSON)).await
}

/// What the lines of one kind hold.
fn of(lines: &[Value], kind: &str) -> Vec<Value> {
    lines.iter().filter(|line| line["type"] == kind).map(|line| line[kind].clone()).collect()
}
