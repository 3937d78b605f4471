use serde_json::{Value, json};

use super::warm;
use crate::support::{Gateway, Reply};

const LIST: &str = "/v1/machines?pageSize=5";

#[tokio::test]
async fn a_hibernated_site_is_left_out_of_lists_until_somebody_who_names_it_finds_it_awake() {
    let gateway = warm("").await;
    let site = gateway.get("/v1/customers/acme/sites").await.of_items("id").remove(0);
    let named = format!("/v1/customers/acme/sites/{}/machines?pageSize=5", site.as_str().unwrap());
    let fault = json!({ "match": { "service": "daas", "customer": "acme",
        "pathContains": "Machines" }, "status": 530, "style": "edge" });
    gateway.fault(fault);

    skipped(&gateway.get(LIST).await);
    let asked = machine_lists(&gateway).await;
    skipped(&gateway.get(LIST).await);
    assert_eq!(machine_lists(&gateway).await, asked, "nobody asked it again");

    for path in ["/v1/customers/acme/sites", "/v1/sites"] {
        let reply = gateway.get(path).await;
        if reply.status == 200 {
            assert_eq!(reply.of_items("hibernated")[0], true, "{path}");
        }
    }
    // Who names it is told by the site itself.
    gateway.get(&named).await.problem(503, "site_hibernated");
    assert_eq!(machine_lists(&gateway).await, asked + 1);

    gateway.sim("DELETE", "/_sim/faults", Value::Null).await;
    skipped(&gateway.get(LIST).await);
    gateway.get(&named).await.ok(200);
    let list = gateway.get(LIST).await.ok(200);
    assert_eq!(list["completeness"]["skipped"], 0);
    assert_eq!(gateway.get("/v1/customers/acme/sites").await.of_items("hibernated")[0], false);
}

#[tokio::test]
async fn nothing_of_ours_wakes_a_site() {
    let gateway = warm("").await;
    gateway.sim("PUT", "/_sim/customers/acme", json!({ "frozen": true })).await;
    for path in [LIST, "/v1/sessions", "/v1/customers/acme/sites", "/v1/customers/acme/me"] {
        gateway.get(path).await;
    }
    let all = gateway.asked("customer=acme").await;
    let woken = all.iter().any(|request| request["path"].as_str().unwrap().contains("activation"));
    assert!(!woken);
}

#[track_caller]
fn skipped(reply: &Reply) {
    let list = reply.ok(200);
    assert_eq!(list["completeness"]["skipped"], 1, "{list}");
    assert_eq!(list["completeness"]["failed"], 0, "{list}");
    let sources = list["sources"].as_array().unwrap();
    let acme = sources.iter().find(|source| source["customer"] == "acme").unwrap();
    assert_eq!(acme["status"], "skipped");
    assert_eq!(acme["problem"]["code"], "site_hibernated");
}

async fn machine_lists(gateway: &Gateway) -> usize {
    let asked = gateway.asked("service=daas&customer=acme").await;
    let lists = |request: &&Value| request["path"].as_str().unwrap().contains("Machines");
    asked.iter().filter(lists).count()
}
