use serde_json::{Value, json};

use super::{Desktop, KIOSK};
use crate::support::Gateway;

#[tokio::test]
async fn a_connection_lost_after_the_request_leaves_the_outcome_open() {
    for (name, effect, applied) in [("before", false, 0), ("after", true, 1)] {
        let gateway = Gateway::demo().await;
        let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
        gateway.fault(json!({ "match": power_off(), "reset": true, "afterEffect": effect }));

        let problem = desktop.power_off(&gateway).await.problem(504, "outcome_unknown");

        assert_eq!(problem["outcome"], "unknown", "{name}");
        assert_eq!(problem["retryable"], false, "{name}");
        assert_eq!(problem["origin"], "upstream", "{name}");
        assert_eq!(sent(&gateway).await, 1, "{name}");
        assert_eq!(desktop.posts(&gateway).await.1, applied, "{name}");
    }
}

#[tokio::test]
async fn silence_until_the_deadline_leaves_the_outcome_open() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    gateway.fault(json!({ "match": power_off(), "hang": true, "afterEffect": true }));

    let request = desktop.request(&gateway).header("cwsgate-deadline-ms", "1500");
    let problem = gateway.send(request).await.problem(504, "outcome_unknown");

    assert_eq!(problem["outcome"], "unknown");
    assert_eq!(problem["retryable"], false);
    assert_eq!(sent(&gateway).await, 1);
    assert_eq!(desktop.posts(&gateway).await, (1, 1));
}

#[tokio::test]
async fn a_server_error_leaves_the_outcome_open() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    for (number, status) in (1..).zip([500, 502, 503, 504]) {
        desktop.answers(&gateway, json!({ "status": status, "withEffect": true })).await;

        let problem = desktop.power_off(&gateway).await.problem(504, "outcome_unknown");

        assert_eq!(problem["outcome"], "unknown", "{status}");
        assert_eq!(problem["upstream"]["status"], status);
        assert_eq!(desktop.posts(&gateway).await.0, number, "{status}");
    }
}

#[tokio::test]
async fn a_refused_media_type_is_malformed_and_nothing_has_happened() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    desktop.answers(&gateway, json!({ "status": 406 })).await;

    let problem = desktop.power_off(&gateway).await.problem(502, "upstream_malformed");

    assert_eq!(problem["retryable"], false);
    assert_eq!(problem["upstream"]["status"], 406);
    assert!(problem.get("outcome").is_none(), "{problem}");
    assert_eq!(desktop.posts(&gateway).await, (1, 0));
}

#[tokio::test]
async fn other_refusals_mean_what_they_say() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    for (number, (status, answered, code)) in
        (1..).zip([(400, 502, "upstream_error"), (403, 502, "upstream_forbidden")])
    {
        desktop.answers(&gateway, json!({ "status": status })).await;
        let problem = desktop.power_off(&gateway).await.problem(answered, code);
        assert!(problem.get("outcome").is_none(), "{problem}");
        assert_eq!(problem["upstream"]["status"], status);
        assert_eq!(desktop.posts(&gateway).await, (number, 0), "{status}");
    }
}

#[tokio::test]
async fn a_store_that_wants_to_be_left_alone_says_for_how_long() {
    let settings = "[upstream.cooldown]\nwithout_hint = \"40s\"";
    let gateway = Gateway::builder().settings(settings).start().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    desktop.answers(&gateway, json!({ "status": 429 })).await;

    let limited = desktop.power_off(&gateway).await;

    limited.problem(503, "upstream_rate_limited");
    assert_eq!(limited.header("retry-after"), "40");
    assert_eq!(desktop.posts(&gateway).await, (1, 0));
}

#[tokio::test]
async fn a_store_that_is_down_is_unavailable_and_comes_back() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    gateway.stop_region("storefront").await;

    for path in ["/v1/stores/hq/resources", &desktop.path] {
        let problem = gateway.get(path).await.problem(503, "upstream_unavailable");
        assert_eq!(problem["retryable"], true);
        assert_eq!(problem["upstream"]["service"], "storefront");
    }
    let problem = desktop.power_off(&gateway).await.problem(503, "upstream_unavailable");
    assert!(problem.get("outcome").is_none(), "{problem}");
    // Nobody needs a store to be told which ones there are, or to ask something else.
    gateway.get("/v1/stores").await.ok(200);
    gateway.get("/v1/customers/acme/sites").await.ok(200);

    gateway.sim("PUT", "/_sim/regions/storefront", json!({ "state": "up" })).await;
    // It is left alone for a moment before somebody finds it well.
    let found_well = async {
        while gateway.get(&desktop.path).await.status != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), found_well).await.unwrap();
    desktop.power_off(&gateway).await.ok(200);
    assert_eq!(desktop.posts(&gateway).await, (1, 1));
}

#[tokio::test]
async fn a_list_that_fails_is_not_an_unknown_outcome() {
    // Each case on its own: together they would have the store left alone.
    let settings = "[upstream.breaker]\nconsecutive_failures = 100";
    let gateway = Gateway::builder().settings(settings).start().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    for (effect, status, code) in [
        (json!({ "reset": true }), 503, "upstream_unavailable"),
        (json!({ "status": 503 }), 503, "upstream_unavailable"),
        (json!({ "status": 500 }), 502, "upstream_error"),
        (json!({ "hang": true }), 504, "upstream_timeout"),
    ] {
        let mut rule = effect;
        rule["match"] = json!({ "service": "storefront", "method": "GET" });
        rule["times"] = json!(10);
        let rule = gateway.sim("POST", "/_sim/faults", rule).await["id"].clone();

        let request = desktop.request(&gateway).header("cwsgate-deadline-ms", "1000");
        let problem = gateway.send(request).await.problem(status, code);

        assert!(problem.get("outcome").is_none(), "{problem}");
        gateway.sim("DELETE", &format!("/_sim/faults/{rule}"), Value::Null).await;
    }
    assert_eq!(desktop.posts(&gateway).await, (0, 0));
}

async fn sent(gateway: &Gateway) -> usize {
    gateway.asked("service=storefront&method=POST").await.len()
}

fn power_off() -> Value {
    json!({ "service": "storefront", "method": "POST", "pathContains": "/poweroff/" })
}
