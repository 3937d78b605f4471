use std::time::Duration;

use serde_json::{Value, json};

use super::{Desktop, KIOSK};
use crate::support::{Gateway, Reply};

/// A failure that every answer of the store has once.
struct Failure {
    id: &'static str,
    status: u16,
    code: &'static str,
    origin: &'static str,
    retryable: bool,
}

#[tokio::test]
async fn a_machine_is_switched_off_with_one_request() {
    let gateway = Gateway::demo().await;
    // One with absolute links, one with links from the root of the host.
    for name in [KIOSK, "Réception & Büro <Süd>"] {
        let desktop = Desktop::of(&gateway, "hq", name).await;

        let reply = desktop.power_off(&gateway).await;

        let body = reply.ok(200);
        assert_eq!(body["outcome"], "done");
        assert_eq!(body["effect"], "hard-off");
        assert_eq!(body["resource"]["name"], name);
        assert_eq!(body["resource"]["self"], desktop.path);
        assert_eq!(body["resource"]["storeFrontId"], desktop.id);
        assert_eq!(reply.header("cwsgate-upstream"), "simulator");
        assert_eq!(desktop.posts(&gateway).await, (1, 1), "{name}");
    }
}

#[tokio::test]
async fn every_failure_means_the_same_in_every_shape() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    let mut sent = 0;
    for failure in FAILURES {
        for shape in SHAPES {
            let answer = json!({ "errorId": failure.id, "shape": shape });
            desktop.answers(&gateway, answer).await;

            let reply = desktop.power_off(&gateway).await;

            let place = format!("{} {shape}", failure.id);
            let problem = reply.problem(failure.status, failure.code);
            assert_eq!(problem["origin"], failure.origin, "{place}");
            assert_eq!(problem["retryable"], failure.retryable, "{place}");
            assert_eq!(problem["upstream"]["service"], "storefront", "{place}");
            assert_eq!(problem["upstream"]["region"], "hq", "{place}");
            let unknown = failure.code == "outcome_unknown";
            assert_eq!(is_unknown(&problem), unknown, "{place}: {problem}");
            let kept = failure.code == "upstream_unspecified";
            let code = if kept { json!(failure.id) } else { Value::Null };
            assert_eq!(problem["upstream"]["code"], code, "{place}");
            let busy = failure.code == "operation_in_progress";
            assert_eq!(retry_after(&reply).is_some(), busy, "{place}");
            sent += 1;
            assert_eq!(desktop.posts(&gateway).await, (sent, 0), "{place}");
        }
    }
}

#[tokio::test]
async fn a_failure_without_an_id_is_unspecified_in_every_case() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    for (number, failure) in (1..).zip(FAILURES) {
        desktop.answers(&gateway, json!({ "errorId": failure.id, "shape": "no-id" })).await;

        let problem = desktop.power_off(&gateway).await.problem(502, "upstream_unspecified");

        assert_eq!(problem["upstream"]["code"], Value::Null);
        assert!(!is_unknown(&problem), "{problem}");
        assert_eq!(desktop.posts(&gateway).await, (number, 0));
    }
}

#[tokio::test]
async fn a_store_fails_by_itself_as_it_fails_when_told() {
    let gateway = Gateway::demo().await;
    for (name, status, code, posts) in [
        ("Meeting room", 409, "machine_in_maintenance_mode", (1, 0)),
        ("Guest desktop", 404, "no_assigned_machine", (1, 0)),
        ("Shared desktop", 422, "action_not_supported", (1, 0)),
        // There is no link to send anything to.
        ("Pooled desktop", 422, "action_not_supported", (0, 0)),
        ("Notepad", 422, "action_not_supported", (0, 0)),
        // Enabled nowhere, and the second list has the same link.
        ("Closed desktop", 409, "resource_disabled", (1, 0)),
        ("Busy desktop", 409, "operation_in_progress", (1, 0)),
        // It says that it does not know: once it did, once it did not.
        ("Slow desktop", 504, "outcome_unknown", (1, 1)),
        ("Lost desktop", 504, "outcome_unknown", (1, 0)),
        ("Strange desktop", 502, "upstream_unspecified", (1, 0)),
        ("Newer desktop", 502, "upstream_unspecified", (1, 0)),
        ("Foreign desktop", 502, "upstream_not_trusted", (1, 0)),
    ] {
        let desktop = Desktop::of(&gateway, "hq", name).await;

        let problem = desktop.power_off(&gateway).await.problem(status, code);

        assert_eq!(is_unknown(&problem), code == "outcome_unknown", "{name}");
        assert_eq!(desktop.posts(&gateway).await, posts, "{name}");
    }
}

#[tokio::test]
async fn a_machine_that_is_still_going_down_is_busy() {
    let gateway = Gateway::builder().simulator(|options| options.frozen_clock = true).start().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    desktop.power_off(&gateway).await.ok(200);

    let reply = desktop.power_off(&gateway).await;

    let problem = reply.problem(409, "operation_in_progress");
    assert_eq!(problem["retryable"], true);
    assert!(retry_after(&reply).is_some(), "{:?}", reply.headers);
    assert_eq!(desktop.posts(&gateway).await, (2, 1));
}

#[tokio::test]
async fn a_stale_link_is_looked_up_once_and_followed_only_if_it_is_another() {
    let gateway = Gateway::demo().await;
    for (reason, status, code) in [
        (json!("ResourceNotFound"), 404, "not_found"),
        (Value::Null, 404, "not_found"),
        (json!("ResourceDisabled"), 409, "resource_disabled"),
    ] {
        let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
        let (before, _) = desktop.posts(&gateway).await;
        let listings = listings(&gateway).await;
        desktop.answers(&gateway, json!({ "status": 404, "reason": reason })).await;

        let problem = desktop.power_off(&gateway).await.problem(status, code);

        assert!(!is_unknown(&problem), "{problem}");
        assert_eq!(desktop.posts(&gateway).await, (before + 1, 0), "{reason}");
        assert_eq!(self::listings(&gateway).await, listings + 2, "{reason}");
    }
    let unsupported = json!({ "status": 404, "reason": "UnsupportedOperation" });
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    desktop.answers(&gateway, unsupported).await;
    let listings = listings(&gateway).await;
    desktop.power_off(&gateway).await.problem(422, "action_not_supported");
    assert_eq!(desktop.posts(&gateway).await, (4, 0));
    // Nothing is stale about it.
    assert_eq!(self::listings(&gateway).await, listings + 1);
}

#[tokio::test]
async fn a_link_that_was_replaced_meanwhile_is_followed_once() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;

    let replaced = desktop.change(&gateway, json!({ "rotateLinks": true }));
    let reply = power_off_while(&gateway, &desktop, replaced).await;

    reply.ok(200);
    let sent = gateway.asked(POWER_OFFS).await;
    let paths: Vec<_> = sent.iter().map(|request| request["path"].clone()).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert_ne!(paths[0], paths[1]);
    // The first was answered before the store saw it.
    assert_eq!(desktop.posts(&gateway).await, (1, 1));
}

#[tokio::test]
async fn what_is_gone_from_the_second_list_is_not_found_only_if_that_is_full() {
    for (farms, status, code) in
        [(json!([]), 404, "not_found"), (json!(["Farm2"]), 503, "upstream_unavailable")]
    {
        let gateway = Gateway::demo().await;
        let desktop = Desktop::of(&gateway, "hq", KIOSK).await;

        let gone = async {
            super::change_store(&gateway, "hq", json!({ "farmsDown": farms })).await;
            desktop.change(&gateway, json!({ "hidden": true })).await;
        };
        let reply = power_off_while(&gateway, &desktop, gone).await;

        let problem = reply.problem(status, code);
        assert!(!is_unknown(&problem), "{problem}");
        assert_eq!(gateway.asked(POWER_OFFS).await.len(), 1);
    }
}

#[tokio::test]
async fn the_name_of_the_device_reaches_the_store_and_a_bad_one_is_refused() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    let path = format!("{}/actions/power-off", desktop.path);
    for (body, seen) in [
        (json!({ "clientName": "kiosk-7" }), "kiosk-7"),
        (json!({ "clientName": "kiosk <7> & \"café\"/2" }), "kiosk <7> & \"café\"/2"),
        (json!({}), "cwsgate"),
        (Value::Null, "cwsgate"),
    ] {
        desktop.answers(&gateway, json!({ "withEffect": false })).await;
        gateway.post(&path, body).await.ok(200);
        let known = format!("/_sim/stores/hq/resources/{}", super::percent(&desktop.id));
        let known = gateway.sim("GET", &known, Value::Null).await;
        assert_eq!(known["lastClientName"], seen);
    }
    let (before, _) = desktop.posts(&gateway).await;
    for bad in ["", "  ", "two\nlines", "nul\0", "bell\u{7}", &"x".repeat(300)] {
        let reply = gateway.post(&path, json!({ "clientName": bad })).await;
        let problem = reply.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/clientName", "{bad:?}");
    }
    let reply = gateway.post(&path, json!({ "client": "kiosk-7" })).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert_eq!(desktop.posts(&gateway).await, (before, 0));
}

/// Switches off; the first request finds nothing, and `change` happens before it is told so.
async fn power_off_while(
    gateway: &Gateway,
    desktop: &Desktop,
    change: impl Future<Output = ()>,
) -> Reply {
    gateway.fault(json!({
        "match": { "service": "storefront", "method": "POST", "pathContains": "/poweroff/" },
        "times": 1, "latencyMs": 1000, "status": 404,
        "headers": { "x-citrix-error-reason": "ResourceNotFound" },
    }));
    let changing = async {
        while gateway.asked(POWER_OFFS).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        change.await;
    };
    let (reply, ()) = tokio::join!(desktop.power_off(gateway), changing);
    reply
}

fn is_unknown(problem: &Value) -> bool {
    match &problem["outcome"] {
        Value::Null => false,
        outcome => {
            assert_eq!(outcome, "unknown");
            true
        }
    }
}

fn retry_after(reply: &Reply) -> Option<u32> {
    reply.headers.get("retry-after")?;
    Some(reply.header("retry-after").parse().unwrap())
}

async fn listings(gateway: &Gateway) -> u64 {
    super::counters(gateway, "hq").await["listings"].as_u64().unwrap()
}

const POWER_OFFS: &str = "service=storefront&method=POST";

/// Every place of the id, with every `status` that is no success.
const SHAPES: [&str; 7] = [
    "element",
    "camel-element",
    "hyphen-element",
    "attribute",
    "nested",
    "no-status",
    "other-status",
];

const FAILURES: [Failure; 8] = [
    refusal("in-maintenance-mode", 409, "machine_in_maintenance_mode", "upstream"),
    refusal("no-machine", 404, "no_assigned_machine", "caller"),
    refusal("not-supported", 422, "action_not_supported", "upstream"),
    Failure {
        retryable: true,
        ..refusal("operation-in-progress", 409, "operation_in_progress", "upstream")
    },
    refusal("timed-out", 504, "outcome_unknown", "upstream"),
    refusal("not-trusted", 502, "upstream_not_trusted", "gateway"),
    refusal("unspecified", 502, "upstream_unspecified", "upstream"),
    refusal("hypervisor-out-of-tea", 502, "upstream_unspecified", "upstream"),
];

const fn refusal(
    id: &'static str,
    status: u16,
    code: &'static str,
    origin: &'static str,
) -> Failure {
    Failure { id, status, code, origin, retryable: false }
}
