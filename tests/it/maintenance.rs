//! Maintenance mode of one machine.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Gateway;

#[tokio::test]
async fn setting_and_clearing_change_the_machine_itself() {
    let gateway = Gateway::demo().await;
    for (action, on) in [("set", true), ("set", true), ("clear", false), ("clear", false)] {
        let path = format!("{MACHINE}/actions/{action}-maintenance");
        let body = gateway.post(&path, json!({ "reason": "CHG-1234" })).await.ok(200);

        assert_eq!(body["outcome"], "done");
        assert_eq!(body["machine"]["name"], r"DEMOLAB\KESTREL");
        assert_eq!(body["machine"]["inMaintenanceMode"], on);
        let machine = gateway.simulated("acme", "DEMOLAB%7CKESTREL").await;
        assert_eq!(machine["inMaintenanceMode"], on);
        let seen = gateway.get(MACHINE).await.ok(200);
        assert_eq!(seen["inMaintenanceMode"], on);
    }
    let writes = gateway.writes().await;
    assert_eq!(writes.len(), 4);
    assert!(writes.iter().all(|request| request["method"] == "PATCH"), "{writes:#?}");
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_called_unknown_and_not_repeated() {
    for fault in [json!({ "reset": true, "afterEffect": true }), json!({ "status": 500 })] {
        let gateway = Gateway::demo().await;
        let mut rule = fault.clone();
        rule["match"] = json!({ "method": "PATCH" });
        gateway.fault(rule);

        let reply = gateway.post(&format!("{MACHINE}/actions/set-maintenance"), Value::Null).await;

        let problem = reply.problem(504, "outcome_unknown");
        assert_eq!(problem["outcome"], "unknown");
        assert_eq!(gateway.writes().await.len(), 1, "{fault}");
        let machine = gateway.simulated("acme", "DEMOLAB%7CKESTREL").await;
        assert_eq!(machine["inMaintenanceMode"], fault["afterEffect"] == true);
    }
}

#[tokio::test]
async fn it_takes_the_action_maintain_and_no_other() {
    let others = r#"{ actions = ["read", "session", "power", "notify", "write", "identity"], customers = ["acme"] }"#;
    let (builder, other) = Gateway::builder().app("other", others);
    let (builder, desk) =
        builder.app("desk", r#"{ actions = ["maintain"], customers = ["label:region-us"] }"#);
    let gateway = builder.start().await;
    for action in ["set", "clear"] {
        let path = format!("{MACHINE}/actions/{action}-maintenance");
        let denied = gateway.send(gateway.request_as(&other, Method::POST, &path)).await;
        let problem = denied.problem(403, "policy_denied");
        assert!(problem["detail"].as_str().unwrap().contains("maintain"), "{problem}");
        assert_eq!(gateway.total_asked().await, 0);
    }
    let path = format!("{MACHINE}/actions/set-maintenance");
    gateway.send(gateway.request_as(&desk, Method::POST, &path)).await.ok(200);
}

#[tokio::test]
async fn a_machine_that_is_not_there_cannot_be_maintained() {
    let gateway = Gateway::demo().await;
    for name in ["DEMOLAB%7CDODO", "DODO", "00000000-0000-0000-0000-000000000000"] {
        let path = format!("/v1/customers/acme/sites/-/machines/{name}/actions/set-maintenance");
        gateway.post(&path, Value::Null).await.problem(404, "not_found");
    }
    assert!(gateway.writes().await.is_empty());
}

const MACHINE: &str = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL";
