//! `Idempotency-Key`: the same request twice is carried out once.

use std::time::Duration;

use cwsgate::{
    db::query,
    domain::AppName,
    services::{Idempotency, KeptAnswer, Reservation},
};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Gateway, Reply, Store, over_both};

over_both! {
    the_same_request_again_gets_the_first_answer,
    fifty_at_once_act_once,
    a_caller_who_hangs_up_finds_the_answer_later,
    what_a_dead_process_left_is_never_done_again,
    two_replicas_share_keys_and_only_one_acts,
}

const KESTREL: &str = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL";

async fn gateway(store: &Store) -> Gateway {
    Gateway::builder().settings(&store.settings()).start().await
}

async fn post(gateway: &Gateway, path: &str, key: &str, body: &Value) -> Reply {
    let request = gateway.request(Method::POST, path).header("idempotency-key", key);
    let request = request.header("content-type", "application/json").body(body.to_string());
    gateway.send(request).await
}

fn reboot() -> String {
    format!("{KESTREL}/actions/reboot")
}

fn proceed() -> Value {
    json!({ "ifInUse": "proceed" })
}

async fn the_same_request_again_gets_the_first_answer(store: Store) {
    let gateway = gateway(&store).await;

    let first = post(&gateway, &reboot(), "one", &proceed()).await;
    let again = post(&gateway, &reboot(), "one", &proceed()).await;

    assert_eq!(first.ok(200), again.ok(200));
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(again.header("idempotent-replayed"), "true");
    for name in ["content-type", "citrix-transactionid", "cwsgate-upstream"] {
        assert_eq!(first.header(name), again.header(name), "{name}");
        assert_ne!(again.header(name), "", "{name}");
    }
    assert_ne!(first.header("x-request-id"), again.header("x-request-id"));
    assert_eq!(gateway.power_counts("DEMOLAB\\KESTREL", "reboot").await.0, 1);
    assert_eq!(gateway.get("/v1/audit").await.of_items("action"), ["reboot"]);

    // Another body, query or path is another request.
    let reused = |reply: Reply| reply.problem(422, "idempotency_key_reused");
    reused(post(&gateway, &reboot(), "one", &json!({ "ifInUse": "proceed", "reason": "x" })).await);
    reused(post(&gateway, &format!("{KESTREL}/actions/start"), "one", &proceed()).await);
    let other_key = post(&gateway, &reboot(), "two", &proceed()).await;
    assert_eq!(other_key.header("idempotent-replayed"), "");
}

async fn fifty_at_once_act_once(store: Store) {
    let gateway = gateway(&store).await;
    let (path, body) = (format!("{KESTREL}/actions/set-maintenance"), json!({}));

    let all = join_all((0..50).map(|_| post(&gateway, &path, "same", &body))).await;

    for reply in &all {
        if reply.status == 409 {
            reply.problem(409, "idempotency_in_progress");
            assert_eq!(reply.header("retry-after"), "1");
        } else {
            reply.ok(200);
        }
    }
    assert!(all.iter().any(|reply| reply.status == 200));
    assert_eq!(gateway.writes().await.len(), 1);
    post(&gateway, &path, "same", &body).await.ok(200);
    assert_eq!(gateway.writes().await.len(), 1);
}

async fn a_caller_who_hangs_up_finds_the_answer_later(store: Store) {
    let gateway = gateway(&store).await;
    let rule = json!({ "match": { "service": "daas", "method": "PATCH" }, "latencyMs": 4000 });
    gateway.fault(rule);
    let (path, body) = (format!("{KESTREL}/actions/set-maintenance"), json!({}));

    let impatient = post(&gateway, &path, "gone", &body);
    assert!(timeout(Duration::from_secs(2), impatient).await.is_err(), "it takes longer");

    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let again = post(&gateway, &path, "gone", &body).await;
        if again.status == 200 {
            assert_eq!(again.header("idempotent-replayed"), "true");
            break;
        }
        again.problem(409, "idempotency_in_progress");
        assert!(Instant::now() < until, "it should be done by now");
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(gateway.writes().await.len(), 1);
}

async fn what_a_dead_process_left_is_never_done_again(store: Store) {
    let app = AppName::try_from("tests").unwrap();
    let db = store.open().await;
    let dead = Idempotency::new(db.clone());
    let reserve = async |keys: &Idempotency, key: &str, busy: u64| {
        keys.reserve(&app, key, "the same", Duration::from_millis(busy)).await.unwrap()
    };
    let Reservation::New(stale) = reserve(&dead, "reserved", 0).await else { panic!("it is new") };
    let Reservation::New(id) = reserve(&dead, "acting", 0).await else { panic!("it is new") };
    let acting = query("UPDATE idempotency SET state = 'acting' WHERE id = $1").must_touch(1);
    db.write(vec![acting.bind(id.to_string())]).await.unwrap();
    let Reservation::New(done) = reserve(&dead, "done", 0).await else { panic!("it is new") };
    let answer = KeptAnswer { status: 202, headers: Vec::new(), body: "{}".to_owned() };
    dead.keep(done, &answer).await.unwrap();
    sleep(Duration::from_millis(5)).await;

    let next = Idempotency::new(db);

    assert!(matches!(reserve(&next, "reserved", 60_000).await, Reservation::New(_)));
    assert!(matches!(reserve(&next, "reserved", 60_000).await, Reservation::InProgress));
    assert!(matches!(reserve(&next, "acting", 60_000).await, Reservation::Lost));
    assert!(matches!(reserve(&next, "acting", 60_000).await, Reservation::Lost), "for good");
    let Reservation::Answered(kept) = reserve(&next, "done", 60_000).await else {
        panic!("it was answered")
    };
    assert_eq!(kept, answer);
    let other = next.reserve(&app, "done", "another", Duration::ZERO).await.unwrap();
    assert!(matches!(other, Reservation::Reused));
    // What was taken over is of no use to the dead process, should it wake up.
    next.release(stale).await.unwrap();
    assert!(matches!(reserve(&next, "reserved", 60_000).await, Reservation::InProgress));
}

async fn two_replicas_share_keys_and_only_one_acts(store: Store) {
    if store.file().is_some() {
        return; // A file serves one gateway.
    }
    let one = gateway(&store).await;
    let simulated = one.simulator.url();
    let two = gateway(&store).await;
    let body = json!({});
    let path = format!("{KESTREL}/actions/set-maintenance");

    post(&one, &path, "shared", &body).await.ok(200);
    let replayed = post(&two, &path, "shared", &body).await;

    assert_eq!(replayed.header("idempotent-replayed"), "true", "{simulated}");
    assert_eq!(two.writes().await.len(), 0);
    assert_eq!(two.get("/v1/audit").await.of_items("action"), ["set-maintenance"]);
}

#[tokio::test]
async fn a_refusal_before_anything_was_sent_gives_the_key_free() {
    let gateway = Gateway::demo().await;
    let path = format!("{KESTREL}/actions/set-maintenance");
    let wrong = post(&gateway, &path, "typo", &json!({ "reasn": "x" })).await;
    wrong.problem(400, "unknown_parameter");
    post(&gateway, &path, "typo", &json!({ "reason": "x" })).await.ok(200);

    // Citrix proves that it did nothing.
    let busy = json!({ "match": { "service": "daas", "method": "PATCH" }, "status": 429 });
    gateway.fault(busy);
    for _ in 0..2 {
        let refused = post(&gateway, &path, "later", &json!({})).await;
        refused.problem(503, "upstream_rate_limited");
        assert_eq!(refused.header("idempotent-replayed"), "");
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_kept_and_never_tried_again() {
    let gateway = Gateway::demo().await;
    gateway.fault(
        json!({ "match": { "service": "daas", "method": "PATCH" }, "status": 502, "times": 1 }),
    );
    let path = format!("{KESTREL}/actions/set-maintenance");

    let first = post(&gateway, &path, "k", &json!({})).await;
    let again = post(&gateway, &path, "k", &json!({})).await;

    first.problem(504, "outcome_unknown");
    assert_eq!(first.text, again.text);
    assert_eq!((again.status, again.header("idempotent-replayed")), (first.status, "true"));
    assert_eq!(gateway.writes().await.len(), 1);
}

#[tokio::test]
async fn keys_belong_to_their_app_and_malformed_ones_are_refused() {
    let maintain = r#"{ actions = ["read", "maintain"], customers = ["*"] }"#;
    let (builder, other) = Gateway::builder().app("other", maintain);
    let gateway = builder.start().await;
    let path = format!("{KESTREL}/actions/set-maintenance");
    post(&gateway, &path, "mine", &json!({})).await.ok(200);

    let theirs = gateway.request_as(&other, Method::POST, &path).header("idempotency-key", "mine");
    let theirs = gateway.send(theirs).await;
    assert_eq!((theirs.status.as_u16(), theirs.header("idempotent-replayed")), (200, ""));

    let long = "x".repeat(256);
    for bad in ["", "two words", &long] {
        let refused = post(&gateway, &path, bad, &json!({})).await;
        let refused = refused.problem(400, "invalid_request");
        assert_eq!(refused["errors"][0]["pointer"], "/Idempotency-Key");
        let operation = json!({ "action": "reboot", "selector": { "in": ["customers/acme"] } });
        let refused = post(&gateway, "/v1/operations", bad, &operation).await;
        let refused = refused.problem(400, "invalid_request");
        assert_eq!(refused["errors"][0]["pointer"], "/Idempotency-Key");
    }
    // Where nothing acts it means nothing.
    let list = gateway.request(Method::GET, "/v1/customers").header("idempotency-key", "two words");
    gateway.send(list).await.ok(200);
}

#[tokio::test]
async fn the_answer_to_a_sign_in_is_never_kept() {
    let gateway = Gateway::demo().await;
    let body = json!({ "username": "DEMOLAB\\mira", "password": "x" });
    let path = "/v1/stores/portal/sign-ins";
    let first = post(&gateway, path, "k", &body).await;
    let again = post(&gateway, path, "k", &body).await;
    assert_eq!(first.status, again.status);
    assert_eq!(again.header("idempotent-replayed"), "");
}
