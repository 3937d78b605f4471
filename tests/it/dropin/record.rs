//! Changes on Citrix's paths are recorded like others.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ACME, call, machine, request, site};
use crate::support::Gateway;

#[tokio::test]
async fn every_change_is_recorded_with_what_became_of_it_and_no_read_is() {
    let gateway = Gateway::demo().await;
    let id = machine(&gateway, "acme", "DEMOLAB%5CKESTREL").await;
    let eagle = machine(&gateway, "acme", "DEMOLAB%5CEAGLE").await;
    call(&gateway, "GET", "/cvad/manage/me").await.ok(200);
    let search = request(&gateway, "POST", "/cvad/manage/Machines/$search");
    let search = search.header("content-type", "application/json").body(SEARCH);
    gateway.send(search).await.ok(200);
    assert_eq!(
        call(&gateway, "POST", &format!("/cvad/manage/Machines/{id}/%24Reboot")).await.status,
        200
    );
    let refused = call(&gateway, "POST", &format!("/cvad/manage/Machines/{eagle}/$start")).await;
    assert_eq!(refused.status, 400);
    gateway.fault(json!({ "match": { "pathContains": "$shutdown" }, "status": 502 }));
    let lost = call(&gateway, "POST", &format!("/cvad/manage/Machines/{id}/$shutdown")).await;
    assert_eq!(lost.status, 502);
    let batch = json!({ "Items": [
        { "Reference": "1", "Method": "DELETE", "RelativeUrl": "/Machines/none" },
        { "Reference": "2", "Method": "GET", "RelativeUrl": "/me" },
    ] });
    let batch = request(&gateway, "POST", "/cvad/manage/$batch")
        .header("content-type", "application/json")
        .body(batch.to_string());
    gateway.send(batch).await.ok(200);

    let entries = gateway.get("/v1/audit").await.ok(200)["items"].as_array().unwrap().clone();
    let told: Vec<_> =
        entries.iter().rev().map(|entry| (&entry["action"], &entry["outcome"])).collect();
    let expected = [
        (&json!("reboot"), &json!("succeeded")),
        (&json!("start"), &json!("failed")),
        (&json!("shutdown"), &json!("unknown")),
        (&json!("batch"), &json!("succeeded")),
    ];
    assert_eq!(told, expected, "{entries:#?}");
    for entry in &entries {
        assert_eq!(entry["via"], "drop-in");
        assert_eq!(entry["customer"], "acme");
        assert_eq!(entry["siteId"], json!(site(&gateway, "acme")));
        assert_eq!(entry["actor"]["app"], "tests");
    }
    let batch = entries[0]["target"]["name"].as_str().unwrap();
    assert!(batch.contains("DELETE /Machines/none"), "{batch}");
}

#[tokio::test]
async fn an_app_that_must_say_why_it_acts_cannot_act_where_there_is_no_place_for_it() {
    let (builder, key) = Gateway::builder().app(
        "careful",
        r#"{ actions = ["read", "power"], customers = ["acme"], require_reason = true }"#,
    );
    let gateway = builder.start().await;
    let ask = |method, path: &str| {
        gateway.request_as(&key, method, path).header("citrix-customerid", ACME)
    };
    gateway.send(ask(Method::GET, "/cvad/manage/me")).await.ok(200);
    let asked = gateway.total_asked().await;
    let reply = gateway.send(ask(Method::POST, "/cvad/manage/Machines/x/$reboot")).await;
    let problem: Value = reply.problem(400, "invalid_request");
    assert_eq!(problem["ErrorMessage"], problem["detail"]);
    assert_eq!(gateway.total_asked().await, asked);
}

const SEARCH: &str = r#"{ "SearchFilters": [
    { "Property": "SessionSupport", "Operator": "Equals", "Value": "MultiSession" }] }"#;
