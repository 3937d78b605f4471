use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{MACHINE, reads, warm};
use crate::support::{Gateway, Reply};

#[tokio::test]
async fn a_429_in_any_spelling_is_shared_by_all_callers_and_by_nobody_else() {
    for form in ["retry-after", "retry-delay", "text"] {
        let (builder, other) =
            Gateway::builder().app("other", r#"{ actions = ["read"], customers = ["*"] }"#);
        let gateway = builder.start().await;
        gateway.get(MACHINE).await.ok(200);
        gateway.fault(json!({ "match": { "service": "daas", "customer": "acme" },
            "rateLimit": form, "seconds": 200, "times": 1 }));

        let first = gateway.get(MACHINE).await;
        let second = gateway.send(gateway.request_as(&other, Method::GET, MACHINE)).await;

        for reply in [&first, &second] {
            let problem = reply.problem(503, "upstream_rate_limited");
            assert_eq!(
                (&problem["origin"], &problem["retryable"]),
                (&json!("upstream"), &json!(true))
            );
            assert!((150..=200).contains(&waits(reply)), "{form}: {}", waits(reply));
        }
        assert_eq!(reads(&gateway).await, 2, "{form}: the second caller's was not sent");
        gateway.get("/v1/customers/acme/service-states").await.ok(200);
        gateway.get("/v1/customers/globex/me").await.ok(200);
        let list = gateway.get("/v1/machines?pageSize=5").await.ok(200);
        assert_eq!(list["completeness"]["failed"], 1);
    }
}

#[tokio::test]
async fn a_429_without_a_hint_says_when_to_come_back_all_the_same() {
    let gateway = warm("").await;
    gateway.fault(json!({ "match": { "pathContains": "/Machines/" }, "rateLimit": "none" }));
    let reply = gateway.get(MACHINE).await;
    reply.problem(503, "upstream_rate_limited");
    assert_eq!(waits(&reply), 30);
}

#[tokio::test]
async fn a_failure_that_passes_is_not_seen_by_the_caller() {
    for fault in [
        json!({ "status": 502, "style": "edge" }),
        json!({ "status": 503, "style": "C" }),
        json!({ "status": 504 }),
        json!({ "reset": true }),
        json!({ "cutBody": 40 }),
        json!({ "rateLimit": "retry-after", "seconds": 1 }),
    ] {
        let gateway = warm("").await;
        gateway.fault(times(&fault, 1));

        gateway.get(MACHINE).await.ok(200);

        assert_eq!(reads(&gateway).await, 3, "{fault}");
    }
}

#[tokio::test]
async fn attempts_are_counted_exactly() {
    for (fault, attempts) in [
        (json!({ "status": 502, "style": "edge" }), 4),
        (json!({ "reset": true }), 4),
        (json!({ "status": 500, "style": "E" }), 1),
        (json!({ "status": 403, "style": "E" }), 1),
        (json!({ "status": 404, "style": "E" }), 1),
        (json!({ "status": 409, "style": "C" }), 1),
        (json!({ "status": 503, "headers": { "retry-after": "200" } }), 1),
    ] {
        let gateway = warm("").await;
        gateway.fault(times(&fault, 100));

        let reply = gateway.get(MACHINE).await;

        assert!(!reply.status.is_success());
        assert_eq!(reads(&gateway).await, 1 + attempts, "{fault}");
    }
    let gateway = warm("[upstream.retry]\nmax_attempts = 1").await;
    gateway.fault(times(&json!({ "status": 502 }), 100));
    gateway.get(MACHINE).await.problem(502, "upstream_error");
    assert_eq!(reads(&gateway).await, 2);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_at_citrix_once_and_its_outcome_unknown() {
    for fault in [
        json!({ "reset": true, "afterEffect": true }),
        json!({ "reset": true }),
        json!({ "status": 502, "style": "edge", "afterEffect": true }),
        json!({ "status": 503, "headers": { "retry-after": "1" } }),
        json!({ "cutBody": 0, "afterEffect": true }),
        json!({ "hang": true, "afterEffect": true }),
    ] {
        let gateway = warm("").await;
        let mut rule = fault.clone();
        rule["match"] = json!({ "pathContains": "$reboot" });
        gateway.fault(rule);

        let path = format!("{MACHINE}/actions/reboot");
        let request = gateway.request(Method::POST, &path).header("cwsgate-deadline-ms", "3000");
        let reply = gateway.send(request).await;

        if fault.get("cutBody").is_none() {
            let problem = reply.problem(504, "outcome_unknown");
            assert_eq!(
                (&problem["outcome"], &problem["retryable"]),
                (&json!("unknown"), &json!(false))
            );
        }
        assert_eq!(gateway.writes().await.len(), 1, "{fault}");
        let (_, applied) = gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await;
        assert!(applied <= 1, "{fault}");
    }
}

#[tokio::test]
async fn time_in_the_queue_counts_against_the_deadline_and_nothing_is_sent_after_it() {
    let gateway = warm("[upstream.slots]\nin_flight = 1").await;
    let hanging = hang_one(&gateway).await;

    let request = gateway.request(Method::GET, MACHINE).header("cwsgate-deadline-ms", "700");
    let problem = gateway.send(request).await.problem(504, "deadline_exceeded");

    assert_eq!(problem["origin"], "gateway");
    assert_eq!(reads(&gateway).await, 2);
    hanging.abort();
}

#[tokio::test]
async fn a_full_queue_says_so_at_once() {
    let gateway = warm("[upstream.slots]\nin_flight = 1\nmax_queue = 0").await;
    let hanging = hang_one(&gateway).await;

    let reply = gateway.get(MACHINE).await;

    let problem = reply.problem(503, "overloaded");
    assert_eq!((&problem["origin"], &problem["retryable"]), (&json!("gateway"), &json!(true)));
    assert!(waits(&reply) >= 1);
    gateway.get("/v1/customers/globex/me").await.ok(200);
    // The caller goes away, and its room is free again.
    hanging.abort();
    let freed = async {
        while gateway.get(MACHINE).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), freed).await.unwrap();
}

#[tokio::test]
async fn a_failing_service_is_left_alone_and_found_well_again() {
    let gateway = warm("[upstream.breaker]\nopen_min = \"1s\"\nopen_max = \"1s\"").await;
    gateway.fault(times(&json!({ "status": 500, "style": "E" }), 1000));
    for _ in 0..5 {
        gateway.get(MACHINE).await.problem(502, "upstream_error");
    }
    let sent = reads(&gateway).await;

    let reply = gateway.get(MACHINE).await;

    let problem = reply.problem(503, "upstream_unavailable");
    assert_eq!(problem["upstream"]["service"], "daas");
    assert!(waits(&reply) >= 1);
    assert_eq!(reads(&gateway).await, sent);
    gateway.get("/v1/customers/acme/service-states").await.ok(200);
    gateway.get("/v1/customers/globex/me").await.ok(200);

    gateway.sim("DELETE", "/_sim/faults", Value::Null).await;
    let well = async {
        while gateway.get(MACHINE).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), well).await.unwrap();
    let metrics = gateway.get_admin("/metrics").await.text;
    for state in ["open", "closed"] {
        let line = format!(
            "cwsgate_upstream_breaker_changes_total{{scope=\"customer\",service=\"daas\",region=\"us\",state=\"{state}\"}} 1\n"
        );
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[tokio::test]
async fn a_store_that_fails_is_left_alone_and_the_others_are_not() {
    let gateway = Gateway::demo().await;
    let path = |store: &str| format!("/v1/stores/{store}/resources");
    gateway.get(&path("hq")).await.ok(200);
    gateway.fault(json!({ "match": { "service": "storefront", "customer": "hq" }, "status": 500 }));
    for _ in 0..5 {
        gateway.get(&path("hq")).await.problem(502, "upstream_error");
    }
    let sent = gateway.asked("service=storefront&customer=hq").await.len();

    gateway.get(&path("hq")).await.problem(503, "upstream_unavailable");

    assert_eq!(gateway.asked("service=storefront&customer=hq").await.len(), sent);
    let names = gateway.get("/v1/stores").await.of_items("name");
    let other = names.iter().filter_map(Value::as_str).find(|name| !["hq", "users"].contains(name));
    if let Some(other) = other {
        assert_ne!(gateway.get(&path(other)).await.header("retry-after"), "5");
    }
}

/// A rule for reads of machines.
fn times(fault: &Value, times: u32) -> Value {
    let mut rule = fault.clone();
    rule["match"] = json!({ "pathContains": "/Machines/", "method": "GET" });
    rule["times"] = json!(times);
    rule
}

/// A read that has arrived at the simulator and gets no answer.
async fn hang_one(gateway: &Gateway) -> tokio::task::JoinHandle<()> {
    gateway.fault(times(&json!({ "hang": true }), 1));
    let before = reads(gateway).await;
    let request = gateway.request(Method::GET, MACHINE);
    let hanging = tokio::spawn(async move {
        let _ = request.send().await;
    });
    let arrived = async {
        while reads(gateway).await == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), arrived).await.unwrap();
    hanging
}

fn waits(reply: &Reply) -> u64 {
    reply.header("retry-after").parse().unwrap()
}
