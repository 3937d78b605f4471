//! What becomes of an operation when whoever started it may not go on, by the real program over
//! files that change.

use cwsgate::{auth::ApiKey, simulator::Options};
use reqwest::Method;
use serde_json::{Value, json};

use super::{POOL, check_counts, eventually, request};
use crate::{
    edge::serving::{Serving, app},
    support::Reply,
};

/// A gateway whose customer `acme`, which has two API clients, is in a file of its own, and an app
/// that may restart its machines.
async fn start() -> (Serving, ApiKey) {
    let mut acme = String::new();
    let mut citrix = Options::default();
    let clients = &mut citrix.scenario.customers[0].more_credentials;
    let second = json!({ "clientId": "second", "clientSecret": "of the second" });
    clients.push(serde_json::from_value(second).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let gateway = Serving::start_over(citrix, folder, "", |upstream| {
        let at = upstream.find("[customers.acme]").unwrap();
        let end = upstream[at + 1..].find("\n[").map_or(upstream.len(), |end| at + 1 + end);
        upstream[at..end].clone_into(&mut acme);
        format!("{}{}", &upstream[..at], &upstream[end..])
    })
    .await;
    let desk = ApiKey::generate().unwrap();
    gateway.write("customers.d/acme.toml", &acme);
    gateway.configure("", &app("desk", &desk, POWER));
    reload(&gateway).await;
    (gateway, desk)
}

async fn reload(gateway: &Serving) {
    let state = gateway.admin(Method::POST, "/actions/reload").await.ok(200);
    assert_eq!(state["last"]["outcome"], "applied", "{state}");
}

fn slow(gateway: &Serving, fault: &Value) {
    let mut rule = json!({ "match": { "service": "daas", "method": "POST",
        "pathContains": "$reboot" }, "latencyMs": 400 });
    rule.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
    gateway.simulator.add_fault(serde_json::from_value(rule).unwrap()).unwrap();
}

async fn begin(gateway: &Serving, key: &ApiKey, body: Value) -> String {
    let post = gateway.client.post(format!("{}/v1/operations", gateway.url));
    let post = post.bearer_auth(key.expose()).header("idempotency-key", "one");
    let post = post.header("content-type", "application/json").body(body.to_string());
    let operation = Reply::read(post.send().await.unwrap()).await.ok(202);
    operation["self"].as_str().unwrap().to_owned()
}

async fn when(gateway: &Serving, path: &str, so: impl Fn(&Value) -> bool) -> Value {
    eventually(|| async {
        let operation = gateway.get(path).await.ok(200);
        check_counts(&operation);
        so(&operation).then_some(operation)
    })
    .await
}

fn is_over(operation: &Value) -> bool {
    !matches!(operation["state"].as_str().unwrap(), "running" | "cancelling")
}

/// How often the simulator was asked to restart a machine.
async fn reboots(gateway: &Serving) -> u64 {
    let (_, counters) = gateway.simulator.control("GET", "/_sim/counters", Value::Null).await;
    let machines = counters["powerActions"].as_object().unwrap().values();
    machines.map(|machine| machine["actions"]["reboot"]["requests"].as_u64().unwrap_or(0)).sum()
}

/// Begins to restart a catalog one machine after the other, changes the configuration in the
/// midst of it, and looks what became of the rest.
async fn changed_midway(change: impl Fn(&Serving, &ApiKey), code: &str) {
    for recheck in [true, false] {
        let (gateway, desk) = start().await;
        slow(&gateway, &json!({}));
        let options = json!({ "maxConcurrency": 1, "recheck": recheck });
        let path = begin(&gateway, &desk, request("reboot", POOL, options)).await;
        when(&gateway, &path, |now| now["counts"]["succeeded"].as_u64().unwrap() >= 2).await;
        change(&gateway, &desk);
        reload(&gateway).await;
        let sent = reboots(&gateway).await;
        let ended = when(&gateway, &path, is_over).await;

        assert_eq!(ended["state"], "partiallySucceeded", "{ended}");
        // One may have been under way.
        let after = reboots(&gateway).await;
        assert!(after <= sent + 1, "{after} after {sent}");
        let counts = &ended["counts"];
        assert_eq!(counts["skipped"], 0, "nobody decided to leave them alone: {ended}");
        assert_eq!(ended["error"]["code"], "max_errors_exceeded");
        let items = gateway.get(&format!("{path}/items?state=failed")).await;
        // EAGLE, the second of the catalog, cannot be restarted at all.
        let mut codes = items.of_items("code");
        codes.retain(|code| code != "action_not_supported");
        assert!(!codes.is_empty() && codes.iter().all(|found| found == code), "{codes:?}");
        assert!(items.of_items("attempts").iter().all(|attempts| attempts == 0 || attempts == 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_is_taken_away_stops_what_was_not_sent() {
    changed_midway(
        |gateway, desk| gateway.configure("", &app("desk", desk, &POWER.replace("power", "read"))),
        "policy_denied",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_the_end_of_the_app() {
    changed_midway(|gateway, _| gateway.configure("", ""), "not_found").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_the_end_of_the_customer() {
    changed_midway(
        |gateway, _| std::fs::remove_file(gateway.path("customers.d/acme.toml")).unwrap(),
        "not_found",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_is_settled_all_the_same() {
    let (gateway, evidence) = lost_and_settled(|gateway| gateway.configure("", "")).await;
    assert!(evidence.starts_with("job "), "{evidence}");
    assert!(looks_at_jobs(&gateway).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_api_client_is_not_asked_for_jobs_that_it_cannot_see() {
    let (gateway, evidence) = lost_and_settled(|gateway| {
        let acme = std::fs::read_to_string(gateway.path("customers.d/acme.toml")).unwrap();
        let others = acme.lines().filter(|line| !line.starts_with("client_"));
        let acme = others.collect::<Vec<_>>().join("\n");
        let second = "client_id = \"second\"\nclient_secret = \"of the second\"\n";
        gateway.write("customers.d/acme.toml", &format!("{acme}\n{second}"));
    })
    .await;
    assert!(evidence.starts_with("the machine"), "{evidence}");
    assert_eq!(looks_at_jobs(&gateway).await, 0);
}

/// Restarts one machine, changes the configuration before the answer is lost, and returns the
/// evidence that settled it.
async fn lost_and_settled(change: impl FnOnce(&Serving)) -> (Serving, String) {
    let (gateway, desk) = start().await;
    slow(&gateway, &json!({ "latencyMs": 3000, "afterEffect": true, "reset": true }));
    let kestrel = "customers/acme/sites/-/machines/KESTREL";
    let path = begin(&gateway, &desk, request("reboot", kestrel, json!({}))).await;
    when(&gateway, &path, |now| now["counts"]["dispatched"] == 1).await;
    change(&gateway);
    reload(&gateway).await;
    assert_eq!(gateway.get(&path).await.ok(200)["counts"]["dispatched"], 1);

    let ended = when(&gateway, &path, |now| now["state"] == "succeeded").await;

    assert_eq!(ended["counts"]["succeeded"], 1);
    assert_eq!(reboots(&gateway).await, 1);
    let items = gateway.get(&format!("{path}/items")).await;
    let evidence = items.of_items("evidence")[0].as_str().unwrap().to_owned();
    (gateway, evidence)
}

/// How often anybody looked at jobs of `acme`.
async fn looks_at_jobs(gateway: &Serving) -> usize {
    let log = "/_sim/requests?limit=5000&service=daas&customer=acme&method=GET";
    let (_, log) = gateway.simulator.control("GET", log, Value::Null).await;
    let requests = log["requests"].as_array().unwrap().iter();
    requests.filter(|request| request["path"].as_str().unwrap().contains("/Jobs")).count()
}

const POWER: &str = "{ actions = [\"power\"], customers = [\"acme\"] }";
