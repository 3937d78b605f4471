//! `recover`: getting a user out of a session that is stuck.

use std::time::Duration;

use cwsgate::auth::ApiKey;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{Gateway, Reply};

/// A machine whose only session goes once it is disconnected.
const FALCON: &str = r"DEMOLAB\FALCON";
/// A machine whose only session does not go.
const GOSHAWK: &str = r"DEMOLAB\GOSHAWK";
/// A machine that several users share.
const OSPREY: &str = r"DEMOLAB\OSPREY";

async fn gateway() -> Gateway {
    Gateway::builder().simulator(|options| options.settings.logoff_ms = 0).start().await
}

/// The path of the first session on a machine of acme.
async fn session_on(gateway: &Gateway, machine: &str) -> String {
    let machine = machine.replace('\\', "%7C");
    let list = format!("/v1/customers/acme/sites/-/sessions?machine={machine}");
    let sessions = gateway.get(&list).await.of_items("self");
    sessions[0].as_str().unwrap().to_owned()
}

async fn recover(gateway: &Gateway, session: &str, body: Value) -> Reply {
    let request = gateway.request(Method::POST, &format!("{session}/actions/recover"));
    let request = request.header("cwsgate-deadline-ms", "10000");
    if body.is_null() {
        return gateway.send(request).await;
    }
    gateway.send(request.header("content-type", "application/json").body(body.to_string())).await
}

/// Each step and how it went, such as `logoff done`.
fn steps(body: &Value) -> Vec<String> {
    let word = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    let steps = body["steps"].as_array().unwrap().iter();
    steps.map(|step| format!("{} {}", word(step, "action"), word(step, "status"))).collect()
}

#[tokio::test]
async fn a_session_that_can_be_logged_off_needs_nothing_else() {
    let gateway = gateway().await;
    let session = session_on(&gateway, OSPREY).await;

    let body = recover(&gateway, &session, json!({ "reason": "INC-1" })).await.ok(200);

    assert_eq!(body["outcome"], "gone");
    assert_eq!(steps(&body), ["logoff done"]);
    assert_eq!(body["session"]["self"], session.as_str());
    gateway.get(&session).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_session_that_hangs_on_its_connection_is_disconnected_first() {
    let gateway = gateway().await;
    let session = session_on(&gateway, FALCON).await;

    let body = recover(&gateway, &session, Value::Null).await.ok(200);

    assert_eq!(body["outcome"], "gone");
    assert_eq!(steps(&body), ["logoff done", "wait failed", "disconnect done", "logoff done"]);
    assert_eq!(gateway.power_counts(FALCON, "reboot").await.0, 0);
}

#[tokio::test]
async fn a_machine_is_restarted_only_when_the_request_allows_it() {
    let gateway = gateway().await;
    let session = session_on(&gateway, GOSHAWK).await;

    let kept = recover(&gateway, &session, json!({})).await.ok(200);

    assert_eq!(kept["outcome"], "still-there");
    let tried = [
        "logoff done",
        "wait failed",
        "disconnect done",
        "logoff done",
        "wait failed",
        "hide skipped",
    ];
    assert_eq!(steps(&kept), [&tried[..], &["restart skipped"]].concat());
    assert_eq!(gateway.power_counts(GOSHAWK, "reboot").await.0, 0);
    let restarted = recover(&gateway, &session, json!({ "allowRestart": true })).await.ok(200);
    assert_eq!(restarted["outcome"], "restarting");
    assert_eq!(steps(&restarted), [&tried[..], &["restart done"]].concat());
    assert_eq!(gateway.power_counts(GOSHAWK, "reboot").await, (1, 1));
}

#[tokio::test]
async fn a_restart_takes_the_action_power_and_the_rest_does_not() {
    let (builder, desk) = Gateway::builder()
        .simulator(|options| options.settings.logoff_ms = 0)
        .app("desk", r#"{ actions = ["read", "session"], customers = ["acme"] }"#);
    let (builder, reader) =
        builder.app("reader", r#"{ actions = ["read", "power"], customers = ["acme"] }"#);
    let gateway = builder.start().await;
    let session = session_on(&gateway, GOSHAWK).await;
    let recover = async |key: &ApiKey| {
        let path = format!("{session}/actions/recover");
        let request = gateway.request_as(key, Method::POST, &path);
        let request = request.header("content-type", "application/json");
        let request = request.header("cwsgate-deadline-ms", "10000");
        gateway.send(request.body(r#"{"allowRestart":true}"#)).await
    };

    let body = recover(&desk).await.ok(200);

    assert_eq!(body["outcome"], "still-there");
    let last = body["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["action"], &last["status"]), (&json!("restart"), &json!("skipped")));
    assert!(last["detail"].as_str().unwrap().contains("may not"), "{last}");
    assert_eq!(gateway.power_counts(GOSHAWK, "reboot").await.0, 0);
    recover(&reader).await.problem(403, "policy_denied");
}

#[tokio::test]
async fn nobody_else_loses_their_work_for_it() {
    let gateway = gateway().await;
    // A second session on a machine for one, whoever it says it is.
    let session = session_on(&gateway, GOSHAWK).await;
    let second = json!({ "user": "quentin", "state": "Active" });
    gateway.sim("POST", "/_sim/machines/acme/DEMOLAB%7CGOSHAWK/sessions", second).await;
    let body = recover(&gateway, &session, json!({ "allowRestart": true })).await.ok(200);
    assert_eq!(body["outcome"], "still-there", "{body:#}");
    assert_eq!(gateway.power_counts(GOSHAWK, "reboot").await.0, 0);
    // Nor does a machine restart whose sessions Citrix does not count.
    let unknown = json!({ "sessionCount": "absent" });
    gateway.sim("PATCH", "/_sim/machines/acme/DEMOLAB%7CGOSHAWK", unknown).await;
    recover(&gateway, &session, json!({ "allowRestart": true })).await.ok(200);
    assert_eq!(gateway.power_counts(GOSHAWK, "reboot").await.0, 0);

    // On a shared machine the session is hidden instead.
    let stuck = json!({ "user": "wei", "state": "Active", "ignoresLogoff": true });
    let stuck = gateway.sim("POST", "/_sim/machines/acme/DEMOLAB%7COSPREY/sessions", stuck).await;
    let session = format!("/v1/customers/acme/sites/-/sessions/{}", stuck["id"].as_str().unwrap());
    let body = recover(&gateway, &session, json!({ "allowRestart": true })).await.ok(200);
    assert_eq!(body["outcome"], "hidden");
    let steps = steps(&body);
    assert_eq!(steps[steps.len() - 2..], ["hide done", "restart skipped"]);
    assert_eq!(gateway.get(&session).await.ok(200)["isHidden"], true);
    assert_eq!(gateway.power_counts(OSPREY, "reboot").await.0, 0);
}

#[tokio::test]
async fn a_machine_without_power_management_is_left_alone() {
    let gateway = gateway().await;
    let session = session_on(&gateway, GOSHAWK).await;
    let none = json!({ "supportedPowerActions": [] });
    gateway.sim("PATCH", "/_sim/machines/acme/DEMOLAB%7CGOSHAWK", none).await;
    let body = recover(&gateway, &session, json!({ "allowRestart": true })).await.ok(200);
    assert_eq!(body["outcome"], "still-there");
    assert_eq!(gateway.power_counts(GOSHAWK, "reboot").await.0, 0);
}

#[tokio::test]
async fn when_the_time_is_over_it_says_so_and_how_far_it_came() {
    let gateway = gateway().await;
    let session = session_on(&gateway, GOSHAWK).await;
    gateway.fault(json!({ "match": { "pathContains": "$disconnect" }, "hang": true }));

    let body = recover(&gateway, &session, json!({ "allowRestart": true })).await.ok(202);

    assert_eq!(body["outcome"], "unfinished");
    let steps = body["steps"].as_array().unwrap();
    assert_eq!(steps[2]["action"], "disconnect");
    assert_eq!(
        (&steps[2]["status"], &steps[2]["code"]),
        (&json!("failed"), &json!("outcome_unknown"))
    );
    assert_eq!(gateway.power_counts(GOSHAWK, "reboot").await.0, 0);
}

#[tokio::test]
async fn it_goes_on_when_the_caller_hangs_up() {
    let gateway = gateway().await;
    let session = session_on(&gateway, FALCON).await;
    let request = gateway.request(Method::POST, &format!("{session}/actions/recover"));
    let request = request.header("cwsgate-deadline-ms", "10000");
    let caller = tokio::spawn(request.send());
    until(async || !gateway.writes().await.is_empty()).await;

    caller.abort();

    until(async || gateway.get(&session).await.status == 404).await;
    assert_eq!(gateway.writes().await.len(), 3);
}

#[tokio::test]
async fn a_session_that_is_not_there_is_not_found() {
    let gateway = gateway().await;
    let path = "/v1/customers/acme/sites/-/sessions/00000000-0000-0000-0000-000000000000";
    recover(&gateway, path, Value::Null).await.problem(404, "not_found");
    assert!(gateway.writes().await.is_empty());
}

async fn until(happened: impl AsyncFn() -> bool) {
    let wait = async {
        while !happened().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_mins(1), wait).await.expect("it did not happen");
}
