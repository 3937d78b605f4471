//! Notifications to the administrators of a customer.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Gateway;

#[tokio::test]
async fn a_title_and_a_description_are_enough() {
    let gateway = Gateway::demo().await;
    let before = Timestamp::now();

    let body = json!({ "title": "Maintenance tonight", "description": "Grüße, 22:00 UTC" });
    let sent = gateway.post(PATH, body).await.ok(200);

    assert_eq!(sent["severity"], "Information");
    assert_eq!(sent["priority"], "Normal");
    assert_eq!(sent["destinationAdmin"], "*");
    assert!(sent["component"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(sent["content"][0]["languageTag"], "en-US");
    assert_eq!(sent["content"][0]["title"], "Maintenance tonight");
    assert_eq!(sent["content"][0]["description"], "Grüße, 22:00 UTC");
    let created: Timestamp = sent["createdDate"].as_str().unwrap().parse().unwrap();
    assert!(created >= before && created <= Timestamp::now(), "{created}");
    assert!(uuid::Uuid::parse_str(sent["eventId"].as_str().unwrap()).is_ok());
    assert_eq!(sent["customer"], "acme");
    // There is no path to get it from.
    assert!(sent.get("self").is_none(), "{sent}");
    let customer = gateway.sim("GET", "/_sim/customers/acme", Value::Null).await;
    assert_eq!(customer["notifications"], 1);
}

#[tokio::test]
async fn everything_that_is_said_is_passed_on_and_two_notifications_differ() {
    let gateway = Gateway::demo().await;
    let body = json!({ "title": "Disk", "description": "Full", "severity": "Critical",
        "priority": "High", "component": "Storage", "destinationAdmin": "admin-7",
        "languageTag": "de-DE" });

    let first = gateway.post(PATH, body.clone()).await.ok(200);
    let second = gateway.post(PATH, body.clone()).await.ok(200);

    for name in ["severity", "priority", "component", "destinationAdmin"] {
        assert_eq!(first[name], body[name], "{name}");
    }
    assert_eq!(first["content"][0]["languageTag"], "de-DE");
    assert_ne!(first["eventId"], second["eventId"]);
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let gateway = Gateway::demo().await;
    let body = json!({ "title": "", "description": "x".repeat(4097), "severity": "",
        "priority": "x".repeat(65), "component": " ", "destinationAdmin": "",
        "languageTag": "x".repeat(36) });

    let problem = gateway.post(PATH, body).await.problem(400, "invalid_request");

    let errors = problem["errors"].as_array().unwrap();
    let named: Vec<_> = errors.iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    let all = [
        "/title",
        "/description",
        "/severity",
        "/priority",
        "/component",
        "/destinationAdmin",
        "/languageTag",
    ];
    assert_eq!(named, all);

    let extra = json!({ "title": "x", "description": "x", "Severity": "Error", "to": "me" });
    let problem = gateway.post(PATH, extra).await.problem(400, "unknown_parameter");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{problem}");
    assert!(errors[0]["detail"].as_str().unwrap().contains("\"severity\""), "{problem}");
    let missing = json!({ "title": "x" });
    let problem = gateway.post(PATH, missing).await.problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("description"), "{problem}");
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn what_citrix_refuses_is_told_in_its_words() {
    let gateway = Gateway::demo().await;
    let body = json!({ "title": "x", "description": "x", "severity": "Loud" });

    let problem = gateway.post(PATH, body).await.problem(502, "upstream_error");

    assert_eq!(problem["upstream"]["service"], "notifications");
    assert_eq!(problem["upstream"]["status"], 400);
    assert_eq!(problem["upstream"]["code"], "common/invalidEnum");
    assert!(problem["upstream"]["message"].as_str().unwrap().contains("severity"), "{problem}");
}

#[tokio::test]
async fn a_lost_answer_is_called_unknown_and_nothing_is_sent_twice() {
    let gateway = Gateway::demo().await;
    gateway.fault(json!({ "match": { "service": "notifications" }, "reset": true,
        "afterEffect": true }));

    let body = json!({ "title": "x", "description": "x" });
    let problem = gateway.post(PATH, body).await.problem(504, "outcome_unknown");

    assert_eq!(problem["outcome"], "unknown");
    let customer = gateway.sim("GET", "/_sim/customers/acme", Value::Null).await;
    assert_eq!(customer["notifications"], 1);
}

#[tokio::test]
async fn one_customer_must_be_named_and_the_action_granted() {
    let (builder, reader) = Gateway::builder()
        .app("reader", r#"{ actions = ["read", "write"], customers = ["acme"] }"#);
    let gateway = builder.start().await;
    let body = json!({ "title": "x", "description": "x" });

    let all = gateway.post("/v1/customers/-/notifications", body.clone()).await;
    all.problem(400, "invalid_request");
    let request = gateway.request_as(&reader, Method::POST, PATH);
    let request = request.header("content-type", "application/json").body(body.to_string());
    let problem = gateway.send(request).await.problem(403, "policy_denied");
    assert!(problem["detail"].as_str().unwrap().contains("notify"), "{problem}");
    assert_eq!(gateway.total_asked().await, 0);
}

const PATH: &str = "/v1/customers/acme/notifications";
