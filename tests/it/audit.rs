//! The audit trail: who changed what, and what became of it.

use std::{sync::Arc, time::Duration};

use cwsgate::{audit::Audit, db::query, domain::SystemClock};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::{Gateway, Store, defaults, over_both};

over_both! {
    every_change_is_recorded_with_its_outcome,
    the_trail_is_filtered_paged_and_streamed,
    entries_survive_a_restart_and_those_left_open_say_unknown,
    entries_are_kept_for_400_days,
}

const KESTREL: &str = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL";

async fn gateway(store: &Store) -> Gateway {
    Gateway::builder().settings(&store.settings()).start().await
}

async fn entries(gateway: &Gateway, query: &str) -> Vec<Value> {
    let found = gateway.get(&format!("/v1/audit{query}")).await.ok(200);
    found["items"].as_array().unwrap().clone()
}

async fn every_change_is_recorded_with_its_outcome(store: Store) {
    let gateway = gateway(&store).await;
    let request = gateway.request(Method::POST, &format!("{KESTREL}/actions/reboot"));
    let request = request
        .header("cwsgate-on-behalf-of", "mira@example.test")
        .header("x-request-id", "0199c0de-0000-7000-8000-000000000001")
        .header("content-type", "application/json")
        .body(json!({ "reason": "CHG-1234", "ifInUse": "proceed" }).to_string());
    gateway.send(request).await.ok(200);
    let unknown = format!("{KESTREL}/actions/set-maintenance");
    gateway.fault(json!({ "match": { "service": "daas", "method": "PATCH" }, "status": 502 }));
    gateway.post(&unknown, Value::Null).await.problem(504, "outcome_unknown");
    let notification = json!({ "title": "t", "description": "d", "reason": "told" });
    gateway.post("/v1/customers/acme/notifications", notification).await.ok(200);

    let all = entries(&gateway, "").await;

    let actions: Vec<_> = all.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["notify", "set-maintenance", "reboot"], "newest first");
    let outcomes: Vec<_> = all.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["succeeded", "unknown", "succeeded"]);
    assert_eq!(all[1]["code"], "outcome_unknown");
    let reboot = &all[2];
    assert_eq!(reboot["actor"]["app"], "tests");
    assert_eq!(reboot["actor"]["keyId"].as_str().unwrap().len(), 12);
    assert_eq!(reboot["actor"]["onBehalfOf"], "mira@example.test");
    assert_eq!(reboot["via"], "api");
    assert_eq!(reboot["customer"], "acme");
    assert_eq!(reboot["target"]["type"], "machine");
    assert_eq!(reboot["target"]["name"], "DEMOLAB\\KESTREL");
    assert_eq!(reboot["reason"], "CHG-1234");
    assert_eq!(reboot["requestId"], "0199c0de-0000-7000-8000-000000000001");
    assert_eq!(reboot["citrixTransactionId"], "0199c0de-0000-7000-8000-000000000001");
    assert!(reboot["endTime"].as_str().unwrap() >= reboot["time"].as_str().unwrap());
    assert_eq!(reboot["operationId"], Value::Null);
}

async fn the_trail_is_filtered_paged_and_streamed(store: Store) {
    let gateway = gateway(&store).await;
    for action in ["set-maintenance", "clear-maintenance"] {
        for _ in 0..3 {
            gateway.post(&format!("{KESTREL}/actions/{action}"), Value::Null).await.ok(200);
        }
    }
    let count = async |query: &str| entries(&gateway, query).await.len();

    for query in ["?machine=kestrel", "?machine=DEMOLAB%7CKESTREL", "?customer=acme", "?app=tests"]
    {
        assert_eq!(count(query).await, 6, "{query}");
    }
    for query in
        ["?machine=estrel", "?machine=k_strel", "?customer=globex", "?app=other", "?store=hq"]
    {
        assert_eq!(count(query).await, 0, "{query}");
    }
    assert_eq!(count("?action=set-maintenance&outcome=succeeded").await, 3);
    assert_eq!(count("?action=Set-Maintenance&outcome=SUCCEEDED&app=TESTS").await, 3);
    assert_eq!(count("?outcome=failed").await + count("?outcome=pending").await, 0);
    assert_eq!(count("?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z").await, 0);
    assert_eq!(count("?since=2020-01-01T00:00:00Z").await, 6);
    assert_eq!(count("?operation=01981D4C-93A1-7CC5-8B4E-2F6F8A8F1F0E").await, 0);
    for (wrong, pointer, advice) in [
        ("?outcome=suceeded", "/outcome", "did you mean \"succeeded\"?"),
        ("?outcome=sucess", "/outcome", "succeeded, failed, unknown, pending"),
        ("?operation=zzz", "/operation", "the id of an operation"),
    ] {
        let reply = gateway.get(&format!("/v1/audit{wrong}")).await;
        let problem = reply.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
        assert!(problem["detail"].as_str().unwrap().contains(advice), "{problem}");
    }

    let all = entries(&gateway, "").await;
    let (mut path, mut paged) = ("/v1/audit?pageSize=4".to_owned(), Vec::new());
    loop {
        let page = gateway.get(&path).await;
        paged.extend(page.ok(200)["items"].as_array().unwrap().clone());
        let Some(next) = page.header("link").strip_prefix('<') else { break };
        next.split('>').next().unwrap().clone_into(&mut path);
    }
    assert_eq!(paged, all);
    let foreign = path.replace("pageSize=4", "app=tests");
    gateway.get(&foreign).await.problem(400, "invalid_page_token");

    let stream = gateway.request(Method::GET, "/v1/audit?pageSize=1&fields=action");
    let stream = gateway.send(stream.header("accept", "application/x-ndjson")).await;
    let lines = stream.lines();
    assert_eq!(lines.len(), 7);
    assert_eq!(lines[0]["item"]["action"], "clear-maintenance");
    assert_eq!(lines[0]["item"].get("reason"), None);
    assert_eq!(lines[6]["type"], "end");
}

async fn entries_survive_a_restart_and_those_left_open_say_unknown(store: Store) {
    let first = gateway(&store).await;
    first.post(&format!("{KESTREL}/actions/set-maintenance"), Value::Null).await.ok(200);
    let first_entries = entries(&first, "").await;
    first.stop().await;

    // What a process leaves behind that dies between the two steps.
    let db = store.open().await;
    let open = "UPDATE audit SET outcome = NULL, code = NULL, ended = NULL, id = $1";
    // Longer ago than any call lasts; the id begins with the time.
    let then = Timestamp::now().as_millisecond() - 3 * 3_600_000;
    let id = first_entries[0]["id"].as_str().unwrap();
    let old = format!("{:08x}-{:04x}{}", then >> 16, then & 0xffff, &id[13..]);
    db.write(vec![query(open).bind(old)]).await.unwrap();
    db.close().await;
    drop(db);

    let second = gateway(&store).await;

    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let entry = entries(&second, "").await.remove(0);
        assert_eq!(entry["target"], first_entries[0]["target"]);
        if entry["outcome"] == "unknown" {
            assert_eq!(entry["code"], "outcome_unknown");
            break;
        }
        assert_eq!(entry["outcome"], "pending");
        assert!(Instant::now() < until, "{entry}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn entries_are_kept_for_400_days(store: Store) {
    let gateway = gateway(&store).await;
    gateway.post(&format!("{KESTREL}/actions/set-maintenance"), Value::Null).await.ok(200);
    gateway.stop().await;
    let db = store.open().await;
    let audit = Audit::new(db.clone(), &defaults().audit, Arc::new(SystemClock));
    let in_days = |days: i64| Timestamp::now() + SignedDuration::from_hours(24 * days);
    let left = async || db.fetch(query("SELECT id FROM audit LIMIT 10")).await.unwrap().len();

    audit.sweep(in_days(399), true).await.unwrap();
    assert_eq!(left().await, 1);
    audit.sweep(in_days(401), true).await.unwrap();
    assert_eq!(left().await, 0);
}

#[tokio::test]
async fn only_those_with_the_action_audit_see_entries_and_only_of_what_is_theirs() {
    let (builder, auditor) =
        Gateway::builder().app("auditor", r#"{ actions = ["audit"], customers = ["globex"] }"#);
    let (builder, shop) =
        builder.app("shop", r#"{ actions = ["audit", "read"], stores = ["hq"] }"#);
    let (builder, desk) =
        builder.app("desk", r#"{ actions = ["read", "maintain"], customers = ["*"] }"#);
    let gateway = builder.start().await;
    gateway.post(&format!("{KESTREL}/actions/set-maintenance"), Value::Null).await.ok(200);
    let notification = json!({ "title": "t", "description": "d" });
    gateway.post("/v1/customers/globex/notifications", notification).await.ok(200);

    let seen = async |key: &cwsgate::auth::ApiKey, query: &str| {
        let request = gateway.request_as(key, Method::GET, &format!("/v1/audit{query}"));
        gateway.send(request).await
    };

    assert_eq!(seen(&auditor, "").await.of_items("customer"), ["globex"]);
    assert_eq!(seen(&shop, "").await.of_items("customer"), [Value::Null; 0]);
    seen(&desk, "").await.problem(403, "policy_denied");
    seen(&auditor, "?customer=acme").await.problem(404, "not_found");
    seen(&auditor, "?store=hq").await.problem(404, "not_found");
    assert_eq!(seen(&shop, "?store=hq").await.of_items("store"), [Value::Null; 0]);
}

#[tokio::test]
async fn a_grant_may_require_a_reason() {
    let must = r#"{ actions = ["read", "maintain", "notify"], customers = ["acme"], require_reason = true }"#;
    let may = r#"{ actions = ["read", "maintain"], customers = ["acme"] }"#;
    let (builder, strict) = Gateway::builder().app("strict", must);
    let (builder, lax) = builder.app("lax", &format!("{must}, {may}"));
    let gateway = builder.start().await;
    let maintain = async |key, body: Value| {
        let path = format!("{KESTREL}/actions/set-maintenance");
        let request = gateway.request_as(key, Method::POST, &path);
        gateway
            .send(request.header("content-type", "application/json").body(body.to_string()))
            .await
    };

    for silent in [json!({}), json!({ "reason": "  " })] {
        let refused = maintain(&strict, silent).await.problem(400, "invalid_request");
        assert_eq!(refused["errors"][0]["pointer"], "/reason");
    }
    assert_eq!(gateway.writes().await.len(), 0);
    let read = gateway.request_as(&strict, Method::GET, KESTREL);
    gateway.send(read).await.ok(200);
    maintain(&strict, json!({ "reason": "CHG-1" })).await.ok(200);
    maintain(&lax, json!({})).await.ok(200);
    let notify = gateway.request_as(&strict, Method::POST, "/v1/customers/acme/notifications");
    let notify = notify.header("content-type", "application/json");
    let notify = notify.body(json!({ "title": "t", "description": "d" }).to_string());
    gateway.send(notify).await.problem(400, "invalid_request");
}

#[tokio::test]
async fn a_file_of_json_lines_follows_the_trail_and_may_be_moved_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let settings = format!("[audit]\nfile = {:?}\n", file.to_str().unwrap());
    let gateway = Gateway::builder().settings(&settings).start().await;
    let lines = async |count: usize| {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let lines: Vec<Value> =
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            if lines.len() == count {
                return lines;
            }
            assert!(Instant::now() < until, "{text}");
            sleep(Duration::from_millis(20)).await;
        }
    };

    gateway.post(&format!("{KESTREL}/actions/set-maintenance"), Value::Null).await.ok(200);
    let first = lines(2).await;
    assert_eq!(first[0]["outcome"], "pending");
    assert_eq!(first[1]["outcome"], "succeeded");
    assert_eq!(first[0]["id"], first[1]["id"]);

    std::fs::rename(&file, folder.path().join("audit.1")).unwrap();
    gateway.post(&format!("{KESTREL}/actions/clear-maintenance"), Value::Null).await.ok(200);
    assert_eq!(lines(2).await[0]["action"], "clear-maintenance");
}
