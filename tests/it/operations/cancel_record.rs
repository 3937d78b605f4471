//! The record of who stopped an operation, and why.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use super::{FLOCK, flock, over, quick, request};
use crate::support::{Gateway, Store, over_both};

over_both!(who_cancels_an_operation_is_recorded_with_the_reason);

async fn cancels(gateway: &Gateway, query: &str) -> Vec<Value> {
    let found = gateway.get(&format!("/v1/audit?action=cancel{query}")).await.ok(200);
    found["items"].as_array().unwrap().clone()
}

fn slowly(gateway: &Gateway) {
    gateway.fault(json!({ "match": { "service": "daas", "method": "POST" }, "latencyMs": 1000 }));
}

async fn who_cancels_an_operation_is_recorded_with_the_reason(store: Store) {
    let gateway = over(&store).scenario(flock(20)).start().await;
    slowly(&gateway);
    let options = json!({ "maxConcurrency": 1 });
    let path = gateway.begin(request("reboot", FLOCK, options)).await;
    let cancel = format!("{path}/actions/cancel");
    gateway.post(&cancel, json!({ "reason": "wrong pool" })).await.ok(200);
    // Once more changes nothing.
    gateway.post(&cancel, json!({ "reason": "again" })).await.ok(200);
    let operation = gateway.ended(&path).await;

    let id = operation["id"].as_str().unwrap();
    let recorded = cancels(&gateway, &format!("&operation={id}&customer=acme")).await;
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    let entry = &recorded[0];
    assert_eq!(entry["target"], json!({ "type": "operation", "id": id, "name": null }));
    assert_eq!(entry["reason"], "wrong pool");
    assert_eq!((&entry["outcome"], &entry["operationId"]), (&json!("succeeded"), &json!(id)));
    assert_eq!((&entry["actor"]["app"], &entry["via"]), (&json!("tests"), &json!("api")));
    gateway.post(&cancel, Value::Null).await.ok(200);
    assert_eq!(cancels(&gateway, "").await.len(), 1, "it had ended");
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_cancelled() {
    let store = Store::sqlite();
    let gateway = over(&store).scenario(flock(20)).start().await;
    slowly(&gateway);
    let path = gateway.begin(request("reboot", FLOCK, json!({ "maxConcurrency": 1 }))).await;
    let mut beside = SqliteConnection::connect(&store.url).await.unwrap();
    let away = sqlx::query("ALTER TABLE audit RENAME TO audit_elsewhere");
    away.execute(&mut beside).await.unwrap();
    let cancel = format!("{path}/actions/cancel");
    gateway.post(&cancel, Value::Null).await.problem(503, "audit_unavailable");
    assert_ne!(gateway.get(&path).await.ok(200)["state"], "cancelling");
    beside.close().await.unwrap();
}

#[tokio::test]
async fn the_end_of_work_for_several_customers_is_for_those_who_may_see_every_record() {
    let (builder, one) = quick().app("one", r#"{ actions = ["audit"], customers = ["acme"] }"#);
    let (builder, all) = builder.app("all", r#"{ actions = ["audit"], customers = ["*"] }"#);
    let (builder, shop) = builder.app("shop", r#"{ actions = ["audit"], stores = ["*"] }"#);
    let gateway = builder.start().await;
    slowly(&gateway);
    let options = json!({ "maxTargets": 500, "maxConcurrency": 1 });
    let path = gateway.begin(request("reboot", "customers/-/sites/-", options)).await;
    gateway.post(&format!("{path}/actions/cancel"), Value::Null).await.ok(200);

    let seen = async |key| {
        let get = gateway.request_as(key, Method::GET, "/v1/audit?action=cancel");
        gateway.send(get).await.of_items("customer")
    };
    assert_eq!(seen(&all).await, [Value::Null]);
    assert!(seen(&one).await.is_empty() && seen(&shop).await.is_empty());
}
