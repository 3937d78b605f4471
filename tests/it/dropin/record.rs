//! Changes on Citrix's paths are recorded like others.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{
    ACME, call, machine, request, site,
    stub::{Lab, read_until},
};
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
        (&json!("delete"), &json!("failed")),
    ];
    assert_eq!(told, expected, "{entries:#?}");
    for entry in &entries {
        assert_eq!(entry["via"], "drop-in");
        assert_eq!(entry["customer"], "acme");
        assert_eq!(entry["siteId"], json!(site(&gateway, "acme")));
        assert_eq!(entry["actor"]["app"], "tests");
    }
    let target = |entry: &Value| (entry["target"]["type"].clone(), entry["target"]["id"].clone());
    assert_eq!(target(&entries[0]), (json!("machine"), json!("none")));
    assert_eq!(target(&entries[3]), (json!("machine"), json!(id)));
    assert_eq!(found(&gateway, &format!("machine={id}")).await.len(), 2);
}

#[tokio::test]
async fn each_change_of_a_batch_is_recorded_however_much_is_read_beside_it() {
    let gateway = Gateway::demo().await;
    let kestrel = machine(&gateway, "acme", "DEMOLAB%5CKESTREL").await;
    let eagle = machine(&gateway, "acme", "DEMOLAB%5CEAGLE").await;
    let item = |reference: &str, method: &str, path: &str| json!({ "Reference": reference, "Method": method, "RelativeUrl": path });
    let items = [
        item("a", "GET", &format!("/Machines/{}", "A".repeat(4200))),
        item("b", "POST", &format!("/Machines/{kestrel}/$reboot")),
        item("c", "POST", &format!("/Machines/{eagle}/$start?async=false")),
        item("d", "POST", "/Sessions/none/$sendMessage"),
        item("e", "POST", "/Machines/$search"),
    ];
    let batch = request(&gateway, "POST", "/cvad/manage/$batch")
        .header("accept-encoding", "gzip")
        .body(json!({ "Items": items }).to_string());
    let answer = gateway.send(batch).await.ok(200);
    assert_eq!(answer["Items"].as_array().unwrap().len(), 5);

    let entries = found(&gateway, "").await;
    let told: Vec<_> = entries
        .iter()
        .rev()
        .map(|entry| {
            let target = &entry["target"];
            ["action", "outcome"].map(|name| entry[name].as_str().unwrap().to_owned()).join(" ")
                + &["type", "id"]
                    .map(|name| format!(" {}", target[name].as_str().unwrap()))
                    .concat()
        })
        .collect();
    let expected = [
        format!("reboot succeeded machine {kestrel}"),
        format!("start failed machine {eagle}"),
        "send-message failed session none".to_owned(),
    ];
    assert_eq!(told, expected);
    assert_eq!(found(&gateway, &format!("machine={kestrel}&action=reboot")).await.len(), 1);
}

#[tokio::test]
async fn a_batch_whose_answer_tells_nothing_has_changes_of_unknown_outcome() {
    let mut lab = Lab::start().await;
    let item = |reference: &str, method: &str| json!({ "Reference": reference, "Method": method, "RelativeUrl": "/Machines/x" });
    let items = [item("1", "DELETE"), item("2", "PATCH"), item("3", "GET")];
    let body = json!({ "Items": items }).to_string();
    for (answer, outcomes) in [
        (r#"{"Items":[{"Reference":"1","Code":204},{"Reference":"2"#, ["unknown", "unknown"]),
        (r#"{"Items":[{"Reference":"1","Code":204}],"X":[]}"#, ["unknown", "succeeded"]),
    ] {
        let fields = format!("Content-Length: {}\r\n", body.len());
        let mut caller = lab.send("POST /cvad/manage/$batch", &fields).await;
        caller.write_all(body.as_bytes()).await.unwrap();
        let mut citrix = lab.call().await;
        citrix.read_until("]}").await;
        citrix.answer("200 OK", "Content-Type: application/json\r\n", answer).await;
        read_until(&mut caller, answer).await;
        let entries = found(&lab.gateway, "").await;
        let told: Vec<_> = entries.iter().take(2).map(|entry| entry["outcome"].clone()).collect();
        assert_eq!(told, outcomes, "{answer}");
    }
}

#[tokio::test]
async fn a_change_is_found_by_machine_and_site_whichever_way_it_came() {
    let gateway = Gateway::demo().await;
    let site = site(&gateway, "acme");
    let upper = site.to_uppercase();
    for path in [
        format!("/cvadapis/{upper}/machines/DEMOLAB%7CKESTREL/$reboot"),
        "/cvad/manage/Machines/DEMOLAB%5CKESTREL/$Shutdown".to_owned(),
    ] {
        call(&gateway, "POST", &path).await;
    }
    call(&gateway, "POST", "/acme/serviceStates").await;

    for machine in ["kestrel", "DEMOLAB%5CKESTREL", "demolab|kestrel"] {
        let entries = found(&gateway, &format!("machine={machine}")).await;
        assert_eq!(entries.len(), 2, "{machine}");
        for entry in entries {
            assert_eq!(entry["siteId"], json!(site));
            let kestrel = "DEMOLAB\\KESTREL";
            assert_eq!(
                entry["target"],
                json!({ "type": "machine", "id": kestrel, "name": kestrel })
            );
        }
    }
    let other = &found(&gateway, "").await[0];
    assert_eq!((&other["target"]["type"], &other["siteId"]), (&json!("path"), &Value::Null));
}

async fn found(gateway: &Gateway, query: &str) -> Vec<Value> {
    let found = gateway.get(&format!("/v1/audit?{query}")).await.ok(200);
    found["items"].as_array().unwrap().clone()
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
