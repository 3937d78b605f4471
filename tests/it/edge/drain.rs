//! How the process ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use super::serving::{Serving, until};
use crate::support::Reply;

/// Callers as a load balancer sends them: in haste, and as long as the gateway says it is ready.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    callers: JoinSet<()>,
}

impl Load {
    fn on(gateway: &Serving, callers: usize) -> Self {
        let load = Self { stop: Arc::default(), answered: Arc::default(), callers: JoinSet::new() };
        (0..callers).fold(load, |mut load, _| {
            let (stop, answered) = (Arc::clone(&load.stop), Arc::clone(&load.answered));
            let (client, key) = (gateway.client.clone(), gateway.key.clone());
            let url = format!("{}/v1/customers/acme/resource-locations", gateway.url);
            load.callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    // Citrix itself, not what is remembered of it.
                    let request = client.get(&url).header("cache-control", "no-cache");
                    let answer = request.bearer_auth(key.expose()).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    assert!(answer.text().await.unwrap().contains("items"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
            load
        })
    }

    async fn ended(mut self) {
        while let Some(caller) = self.callers.join_next().await {
            caller.unwrap();
        }
    }
}

#[tokio::test]
async fn sigterm_under_load_loses_no_request() {
    let gateway = Serving::start("drain_delay = \"2s\"\n").await;
    // Slow enough that some are always under way, also when the listener closes.
    let slow = json!({ "match": { "service": "registry" }, "latencyMs": 300 });
    gateway.simulator.control("POST", "/_sim/faults", slow).await;
    let load = Load::on(&gateway, 16);
    until(async || (load.answered.load(Ordering::Relaxed) > 50).then_some(())).await;

    gateway.program.signal("TERM").await;
    let ready = format!("{}/readyz", gateway.admin);
    until(async || {
        let answer = gateway.client.get(&ready).send().await.unwrap();
        (answer.status() == 503).then_some(())
    })
    .await;
    // Connections are not to be relied on any more.
    let answer = gateway.get("/v1/whoami").await;
    answer.ok(200);
    assert_eq!(answer.header("connection"), "close");
    // Still taken until the delay is over; then nobody sends any more.
    let before = load.answered.load(Ordering::Relaxed);
    sleep(Duration::from_millis(500)).await;
    assert!(load.answered.load(Ordering::Relaxed) > before);
    load.stop.store(true, Ordering::Relaxed);
    load.ended().await;

    let ended = gateway.program.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("\"aborted\":0"), "{}", ended.errors);
}

#[tokio::test]
async fn what_is_under_way_when_the_listener_closes_is_finished() {
    let gateway = Serving::start("").await;
    let slow = json!({ "match": { "service": "registry" }, "latencyMs": 1500 });
    gateway.simulator.control("POST", "/_sim/faults", slow).await;
    let path = "/v1/customers/acme/resource-locations";
    let asking = async {
        let requests = (0..20).map(|_| gateway.get(path));
        futures_util::future::join_all(requests).await
    };
    let ending = async {
        // All of them are at Citrix.
        until(async || {
            let metrics = gateway.metrics().await;
            metrics.contains("http_server_active_requests 20\n").then_some(())
        })
        .await;
        gateway.program.signal("TERM").await;
    };
    let (answers, ()) = tokio::join!(asking, ending);
    for answer in answers {
        answer.ok(200);
    }
    let ended = gateway.program.ended().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.errors.contains("\"aborted\":0"), "{}", ended.errors);
}

#[tokio::test]
async fn how_long_operations_are_waited_for_is_what_was_configured_last() {
    let gateway = Serving::start("drain_timeout = \"1s\"\n").await;
    gateway.configure("drain_timeout = \"1m\"\n", "");
    let reloaded = gateway.admin(Method::POST, "/actions/reload").await.ok(200);
    assert_eq!(reloaded["last"]["outcome"], "applied", "{reloaded}");
    let slow =
        json!({ "match": { "service": "daas", "pathContains": "$reboot" }, "latencyMs": 4000 });
    gateway.simulator.control("POST", "/_sim/faults", slow).await;
    let body = json!({ "action": "reboot", "options": { "maxConcurrency": 1 },
        "selector": { "in": ["customers/acme/sites/-/machine-catalogs/Win11-Pool"] } });
    let post = gateway.client.post(format!("{}/v1/operations", gateway.url));
    let post = post.bearer_auth(gateway.key.expose()).header("idempotency-key", "k");
    let post = post.header("content-type", "application/json").body(body.to_string());
    let begun: Value = Reply::read(post.send().await.unwrap()).await.ok(202);
    let path = begun["self"].as_str().unwrap();
    until(async || {
        let shown = gateway.get(path).await.ok(200);
        (shown["counts"]["dispatched"] != 0).then_some(())
    })
    .await;

    gateway.program.signal("TERM").await;

    // The call that is under way takes longer than what was configured at first.
    let ended = gateway.program.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(!ended.errors.contains("left with calls under way"), "{}", ended.errors);
}

#[tokio::test]
async fn who_follows_an_operation_is_told_to_come_back() {
    let gateway = Serving::start("drain_delay = \"1s\"\n").await;
    let slow = json!({ "match": { "service": "daas", "method": "POST" }, "latencyMs": 1500 });
    gateway.simulator.control("POST", "/_sim/faults", slow).await;
    let body = json!({ "action": "reboot", "options": { "maxConcurrency": 1 },
        "selector": { "in": ["customers/acme/sites/-/machine-catalogs/Win11-Pool"] } });
    let ask = |method: Method, path: &str| {
        let request = gateway.client.request(method, format!("{}{path}", gateway.url));
        request.bearer_auth(gateway.key.expose())
    };
    let begun = ask(Method::POST, "/v1/operations").header("idempotency-key", "k");
    let begun = begun.header("content-type", "application/json").body(body.to_string());
    let begun: Value = Reply::read(begun.send().await.unwrap()).await.ok(202);
    let path = begun["self"].as_str().unwrap();
    let events = ask(Method::GET, &format!("{path}/events")).send().await.unwrap();
    let waiting = tokio::spawn(ask(Method::GET, &format!("{path}?wait=50s")).send());

    gateway.program.signal("TERM").await;

    let text = events.text().await.unwrap();
    assert!(text.contains("event: progress\n") && !text.contains("event: end\n"), "{text}");
    assert!(text.ends_with("retry: 1000\n\n"), "{text}");
    let shown = Reply::read(waiting.await.unwrap().unwrap()).await.ok(200);
    assert_eq!(shown["state"], "running");
    let ended = gateway.program.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("\"aborted\":0"), "{}", ended.errors);
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let gateway = Serving::start("drain_delay = \"600s\"\n").await;
    gateway.program.signal("TERM").await;
    let ready = format!("{}/readyz", gateway.admin);
    until(async || {
        let answer = gateway.client.get(&ready).send().await.unwrap();
        (answer.status() == 503).then_some(())
    })
    .await;
    gateway.program.signal("TERM").await;
    assert_eq!(gateway.program.ended().await.code, Some(1));
}
