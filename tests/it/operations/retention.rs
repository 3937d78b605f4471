use std::sync::Arc;

use cwsgate::{
    db::{Db, query},
    domain::Clock,
    operations::Runner,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{FLOCK, eventually, flock, over, request};
use crate::support::{Store, defaults, over_both};

over_both!(
    operations_are_forgotten_a_month_after_their_end,
    a_key_stands_for_its_operation_for_a_day,
);

/// A clock that is ahead.
#[derive(Debug)]
struct Ahead(SignedDuration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::now() + self.0
    }
}

/// How many operations, items and events there are of an operation.
async fn rows(db: &Db, id: &str) -> [i64; 3] {
    let count = async |text: &'static str| {
        db.fetch_one(query(text).bind(id)).await.unwrap().unwrap().get::<i64>("rows").unwrap()
    };
    [
        count("SELECT COUNT(*) AS rows FROM operation WHERE id = $1").await,
        count("SELECT COUNT(*) AS rows FROM operation_item WHERE operation_id = $1").await,
        count("SELECT COUNT(*) AS rows FROM operation_event WHERE operation_id = $1").await,
    ]
}

async fn operations_are_forgotten_a_month_after_their_end(store: Store) {
    let day = SignedDuration::from_hours(24);
    let gateway = over(&store).scenario(flock(3)).start().await;
    let mut ended = Vec::new();
    for action in ["reboot", "set-maintenance", "clear-maintenance"] {
        ended.push(gateway.carry_out(request(action, FLOCK, json!({}))).await);
    }
    gateway.stop().await;
    let id = |operation: &Value| operation["id"].as_str().unwrap().to_owned();
    let [old, recent, endless] = [id(&ended[0]), id(&ended[1]), id(&ended[2])];
    let db = store.open().await;
    let two_days = i64::try_from((day * 2).as_millis()).unwrap();
    let earlier = query("UPDATE operation SET ended = ended - $1 WHERE id = $2");
    // Nobody runs this one; it has not ended all the same.
    let never = query(
        "UPDATE operation SET ended = NULL, state = 'running', created = created - $1
         WHERE id = $2",
    );
    db.write(vec![
        earlier.bind(two_days).bind(old.as_str()),
        never.bind(two_days * 100).bind(endless.as_str()),
    ])
    .await
    .unwrap();
    let before = [rows(&db, &recent).await, rows(&db, &endless).await];

    let clock = Arc::new(Ahead(day * 29));
    let runner = Runner::new(db.clone(), clock, defaults().operations);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(runner.run(shutdown.clone(), || std::time::Duration::ZERO));
    eventually(|| async { (rows(&db, &old).await == [0, 0, 0]).then_some(()) }).await;
    shutdown.cancel();
    running.await.unwrap();

    assert_eq!([rows(&db, &recent).await, rows(&db, &endless).await], before);
    db.close().await;
    drop(db);
    let gateway = over(&store).start().await;
    for part in ["", "/items", "/events", "/result"] {
        let path = format!("{}{part}", ended[0]["self"].as_str().unwrap());
        gateway.get(&path).await.problem(404, "not_found");
    }
    assert_eq!(gateway.get(ended[1]["self"].as_str().unwrap()).await.ok(200), ended[1]);
}

async fn a_key_stands_for_its_operation_for_a_day(store: Store) {
    let mut begun = Vec::new();
    for hours in [0, 23, 24, 0] {
        let db = store.open().await;
        let earlier = query("UPDATE operation SET created = created - $1");
        db.write(vec![earlier.bind(hours * 3_600_000)]).await.unwrap();
        db.close().await;
        drop(db);
        let gateway = over(&store).scenario(flock(3)).start().await;
        let post = gateway.request(reqwest::Method::POST, "/v1/operations");
        let post = post.header("idempotency-key", "nightly");
        let post = post.header("content-type", "application/json");
        let post = post.body(request("reboot", FLOCK, json!({})).to_string());
        let operation = gateway.send(post).await.ok(202);
        gateway.ended(operation["self"].as_str().unwrap()).await;
        begun.push(operation["id"].clone());
        gateway.stop().await;
    }
    assert_eq!(begun[0], begun[1]);
    assert_ne!(begun[1], begun[2], "47 hours later it is another night's");
    assert_eq!(begun[2], begun[3]);
}
