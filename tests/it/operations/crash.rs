//! The real program, killed and stopped at bad moments, against what the simulator saw.

use std::{collections::HashMap, time::Duration};

use cwsgate::{
    auth::ApiKey,
    commands::demo::upstream_config,
    net,
    simulator::{Options, Simulator},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{FLOCK, check_counts, flock, request};
use crate::support::{Postgres, Program, Reply, Store, over_both, write};

/// A simulator that outlives the gateways in front of it, and a configuration for those.
struct Lab {
    simulator: Simulator,
    key: ApiKey,
    config: String,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

/// One gateway as a process of its own.
struct Replica {
    program: Program,
    url: String,
}

impl Lab {
    async fn start(machines: usize, store: &Store) -> Self {
        let mut options = Options::new(flock(machines));
        options.settings.job_start_ms = 20;
        options.settings.job_ms = 60;
        options.settings.reboot_ms = 300;
        options.settings.latency_ms = 20;
        let simulator = Simulator::start(options).await.unwrap();
        let key = ApiKey::generate().unwrap();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\ndrain_delay = \"0s\"\nsecret = \"{}\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = \"{}\"\n\
             [operations]\nlease = \"2s\"\n\
             [upstream]\njob_poll_min = \"20ms\"\njob_poll_max = \"100ms\"\n\
             [apps.tests]\nkeys = [\"{}\"]\ngrants = [{{ actions = [\"power\"], customers = [\"*\"] }}]\n{}",
            key.expose(),
            store.url,
            key.hash(),
            upstream_config(&simulator),
        );
        let folder = tempfile::tempdir().unwrap();
        let config = write(folder.path(), "cwsgate.toml", &text);
        let client = net::client(&net::ClientOptions::default()).unwrap();
        Self { simulator, key, config, client, _folder: folder }
    }

    async fn replica(&self) -> Replica {
        let mut program = Program::start(&["serve", "--config", &self.config, "--output", "json"]);
        let url = program.json().await["gateway"].as_str().unwrap().to_owned();
        Replica { program, url }
    }

    async fn get(&self, replica: &Replica, path: &str) -> Value {
        let get = self.client.get(format!("{}{path}", replica.url));
        let get = get.bearer_auth(self.key.expose()).timeout(Duration::from_mins(1));
        Reply::read(get.send().await.unwrap()).await.ok(200)
    }

    /// Starts an operation; `None` if the gateway did not live to say that it had.
    async fn begin(&self, replica: &Replica, body: &Value, key: &mut String) -> Option<String> {
        let post = self.client.post(format!("{}/v1/operations", replica.url));
        let post = post.bearer_auth(self.key.expose()).header("idempotency-key", key.as_str());
        let post = post.header("content-type", "application/json").body(body.to_string());
        let reply = Reply::read(post.send().await.ok()?).await;
        if reply.status == 409 {
            // Another replica may still be planning, as far as anybody knows: nothing was stored.
            reply.problem(409, "idempotency_in_progress");
            *key = Uuid::new_v4().to_string();
            return None;
        }
        Some(reply.ok(202)["self"].as_str().unwrap().to_owned())
    }

    /// Waits until the operation has ended and nothing of it can be found out any more, or for a
    /// while; then holds it against what the simulator saw.
    async fn check(&self, replica: &Replica, path: &str, machines: usize) {
        let until = Instant::now() + Duration::from_secs(90);
        let mut ended_at = None;
        let operation = loop {
            let operation = self.get(replica, &format!("{path}?wait=5s")).await;
            check_counts(&operation);
            let ended = !matches!(operation["state"].as_str().unwrap(), "running" | "cancelling");
            let now = Instant::now();
            assert!(ended || now < until, "it should have ended: {operation}");
            // What was lost before it reached Citrix's door leaves no trace to be found.
            let settled_by =
                if ended { *ended_at.get_or_insert(now) + Duration::from_secs(15) } else { until };
            if ended && (operation["counts"]["indeterminate"] == 0 || now > settled_by) {
                break operation;
            }
            sleep(Duration::from_millis(200)).await;
        };
        let list = self.get(replica, &format!("{path}/items?pageSize=1000")).await;
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), machines);
        let seen = self.reboots().await;
        for item in items {
            let name = item["target"]["name"].as_str().unwrap();
            let times = seen.get(name).copied().unwrap_or(0);
            assert!(times <= 1, "{name} was rebooted {times} times: {item}");
            match item["state"].as_str().unwrap() {
                "succeeded" => assert_eq!(times, 1, "{item}"),
                // Lost on the way, before or behind Citrix's door.
                "indeterminate" => {}
                // Stopped at the last moment, by a replica that had been overtaken.
                "failed" if item["code"] == "not_sent" => {
                    assert_eq!(times, 0, "{item}");
                    assert_eq!(item["evidence"], "its answer came late", "{item}");
                }
                other => panic!("{other}: {item}"),
            }
        }
        let succeeded = operation["counts"]["succeeded"].as_u64().unwrap();
        assert!(succeeded * 10 >= machines as u64 * 7, "{operation}");
    }

    /// How often each machine was asked to reboot.
    async fn reboots(&self) -> HashMap<String, u64> {
        let (_, counters) = self.simulator.control("GET", "/_sim/counters", Value::Null).await;
        let machines = counters["powerActions"].as_object().unwrap();
        machines
            .values()
            .map(|machine| {
                let times = machine["actions"]["reboot"]["requests"].as_u64().unwrap_or(0);
                (machine["name"].as_str().unwrap().to_owned(), times)
            })
            .collect()
    }
}

over_both!(no_kill_makes_anything_happen_twice, a_stop_at_the_end_is_resumed_at_the_start);

async fn no_kill_makes_anything_happen_twice(store: Store) {
    const MACHINES: usize = 60;
    let lab = Lab::start(MACHINES, &store).await;
    let body = request("reboot", FLOCK, json!({ "maxTargets": MACHINES, "maxConcurrency": 4 }));
    let mut key = Uuid::new_v4().to_string();
    let mut path = None;
    for _ in 0..6 {
        let replica = lab.replica().await;
        let life = Duration::from_millis(fastrand::u64(20..700));
        let dies = sleep(life);
        tokio::pin!(dies);
        if path.is_none() {
            tokio::select! {
                begun = lab.begin(&replica, &body, &mut key) => path = begun,
                () = &mut dies => {}
            }
        }
        dies.await;
        replica.program.kill().await;
    }
    let replica = lab.replica().await;
    // What was acknowledged is there; what was not is begun now, or was, once.
    let again = match lab.begin(&replica, &body, &mut key).await {
        Some(again) => again,
        None => lab.begin(&replica, &body, &mut key).await.unwrap(),
    };
    assert!(path.is_none_or(|path| path == again));
    lab.check(&replica, &again, MACHINES).await;
}

async fn a_stop_at_the_end_is_resumed_at_the_start(store: Store) {
    const MACHINES: usize = 30;
    let lab = Lab::start(MACHINES, &store).await;
    let body = request("reboot", FLOCK, json!({ "maxTargets": MACHINES, "maxConcurrency": 4 }));
    let replica = lab.replica().await;
    let path = lab.begin(&replica, &body, &mut "key".to_owned()).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    replica.program.terminate().await;
    assert_eq!(replica.program.ended().await.code, Some(0));
    let replica = lab.replica().await;
    let operation = lab.get(&replica, &path).await;
    assert_eq!(operation["counts"]["indeterminate"], 0, "what was under way finished: {operation}");
    lab.check(&replica, &path, MACHINES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_closes_meanwhile_stays_closed_after_a_crash() {
    let store = Store::sqlite();
    let lab = Lab::start(30, &store).await;
    let options = json!({ "maxTargets": 30, "maxConcurrency": 1, "notAfter": "2s" });
    let replica = lab.replica().await;
    let path = lab
        .begin(&replica, &request("reboot", FLOCK, options), &mut "key".to_owned())
        .await
        .unwrap();
    replica.program.kill().await;
    sleep(Duration::from_millis(2_100)).await;
    let before = lab.reboots().await.values().sum::<u64>();
    let replica = lab.replica().await;
    let operation = lab.get(&replica, &format!("{path}?wait=30s")).await;
    check_counts(&operation);
    assert_eq!(operation["counts"]["queued"], 0, "{operation}");
    assert!(operation["counts"]["cancelled"].as_u64().unwrap() > 0, "{operation}");
    assert_eq!(lab.reboots().await.values().sum::<u64>(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_an_operation_and_one_that_stood_still_does_nothing_twice() {
    const MACHINES: usize = 80;
    let Some(server) = Postgres::start().await else { return };
    let store = Store::postgres(&server, "replicas").await;
    let lab = Lab::start(MACHINES, &store).await;
    let body = request("reboot", FLOCK, json!({ "maxTargets": MACHINES, "maxConcurrency": 4 }));
    let (first, second) = (lab.replica().await, lab.replica().await);
    let path = lab.begin(&first, &body, &mut "key".to_owned()).await.unwrap();
    let done = |operation: &Value| operation["counts"]["succeeded"].as_u64().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while done(&lab.get(&second, &path).await) < 8 {
        assert!(Instant::now() < until);
        sleep(Duration::from_millis(20)).await;
    }
    first.program.signal("STOP").await;
    let stood = done(&lab.get(&second, &path).await);
    // Past the lease: the other goes on.
    while done(&lab.get(&second, &path).await) < stood + 16 {
        assert!(Instant::now() < until);
        sleep(Duration::from_millis(50)).await;
    }
    first.program.signal("CONT").await;
    lab.check(&second, &path, MACHINES).await;
    assert_eq!(lab.get(&first, &path).await, lab.get(&second, &path).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_runs_out_unnoticed_fails_no_machine() {
    const MACHINES: usize = 40;
    let Some(server) = Postgres::start().await else { return };
    let store = Store::postgres(&server, "lapse").await;
    let lab = Lab::start(MACHINES, &store).await;
    let body = request("reboot", FLOCK, json!({ "maxTargets": MACHINES, "maxConcurrency": 8 }));
    let replica = lab.replica().await;
    let path = lab.begin(&replica, &body, &mut "key".to_owned()).await.unwrap();
    let mut other = PgConnection::connect(&store.url).await.unwrap();
    sqlx::query("BEGIN").execute(&mut other).await.unwrap();
    // Items that are marked as sent gather before their record, and then the lease cannot be kept.
    for (table, wait) in [("audit", 1_000), ("lease", 3_000)] {
        let lock = format!("LOCK TABLE {table} IN EXCLUSIVE MODE");
        sqlx::query(AssertSqlSafe(lock)).execute(&mut other).await.unwrap();
        sleep(Duration::from_millis(wait)).await;
    }
    let waiting = lab.get(&replica, &path).await;
    assert_eq!(waiting["counts"]["dispatched"], 8, "{waiting}");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    lab.check(&replica, &path, MACHINES).await;
    let operation = lab.get(&replica, &path).await;
    assert_eq!(operation["counts"]["succeeded"], MACHINES, "{operation}");
    let list = lab.get(&replica, &format!("{path}/items?pageSize=1000")).await;
    // What was stopped at the last moment was not sent: that is no attempt.
    let sent_once = |item: &Value| item["attempts"] == 1;
    assert!(list["items"].as_array().unwrap().iter().all(sent_once), "{list}");
}
