//! The gateway's own process in trouble, in the middle of a change.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Bench, lines, serve};
use crate::support::{Ended, Program, Reply};

const MAINTAIN: &str = "/v1/customers/acme/sites/-/machines/KESTREL/actions/set-maintenance";

impl Bench {
    /// Begins a change under the key `k`; back when it is at Citrix, and nobody waits for it.
    async fn begin_and_hang_up(&self) {
        let request = self.request("POST", MAINTAIN).header("idempotency-key", "k");
        let caller = tokio::spawn(request.send());
        let arrived = async {
            while self.asked("service=daas&method=PATCH", "").await == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_mins(1), arrived).await.expect("it should have been sent");
        caller.abort();
        assert!(caller.await.is_err(), "it takes longer");
    }

    /// Ends the process, and serves the same configuration with another one.
    async fn replaced<T>(self, end: impl AsyncFnOnce(Program) -> T) -> (Self, T) {
        let Self { gateway, .. } = self;
        let ended = end(gateway).await;
        let (gateway, address) = serve(&self.folder, &[]).await;
        (Self { gateway, address, ..self }, ended)
    }

    /// The same request under the same key.
    async fn again(&self) -> Reply {
        let request = self.request("POST", MAINTAIN).header("idempotency-key", "k");
        let reply = Reply::read(request.send().await.unwrap()).await;
        assert_eq!(reply.header("idempotent-replayed"), "true", "{}", reply.text);
        assert_eq!(self.asked("service=daas&method=PATCH", "").await, 1, "{}", reply.text);
        reply
    }

    async fn recorded(&self) -> Vec<Value> {
        self.send("GET", "/v1/audit").await.of_items("outcome")
    }
}

#[tokio::test]
async fn killed_in_a_change() {
    let bench = Bench::start("", &[]).await;
    bench.send("GET", "/v1/machines?pageSize=1").await.ok(200);
    bench.fault(json!({ "match": { "method": "PATCH" }, "hang": true, "afterEffect": true }));
    bench.begin_and_hang_up().await;

    let (bench, ()) = bench.replaced(async |gateway| gateway.kill().await).await;

    bench.again().await.problem(504, "outcome_unknown");
    assert_eq!(bench.recorded().await, ["unknown"]);
}

#[tokio::test]
async fn told_to_end_in_a_change_whose_caller_has_left() {
    let bench = Bench::start("", &[]).await;
    bench.send("GET", "/v1/machines?pageSize=1").await.ok(200);
    bench.fault(json!({ "match": { "method": "PATCH" }, "latencyMs": 2000 }));
    bench.begin_and_hang_up().await;

    let end = async |gateway: Program| -> Ended {
        gateway.terminate().await;
        gateway.ended().await
    };
    let (bench, ended) = bench.replaced(end).await;

    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(lines(&ended.errors).iter().any(|line| line["message"] == "drained"));
    bench.again().await.ok(200);
    assert_eq!(bench.recorded().await, ["succeeded"]);
}

#[tokio::test]
async fn told_to_read_rubbish() {
    let bench = Bench::start("", &[]).await;
    bench.send("GET", "/v1/machines?pageSize=1").await.ok(200);
    for rubbish in [&b"\xff\xfe\x00rubbish"[..], b"[[[", b"[apps]\n", b""] {
        fs::write(bench.folder.path().join("gateway.toml"), rubbish).unwrap();
        let before = bench.gateway.log().matches(REFUSED).count();

        bench.gateway.signal("HUP").await;

        let said = async {
            while bench.gateway.log().matches(REFUSED).count() == before {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_mins(1), said).await.expect("it should have been said");
        bench.send("GET", "/v1/machines?pageSize=1").await.ok(200);
        bench.send("POST", MAINTAIN).await.ok(200);
    }
    let log = bench.log().await;
    let loud = |line: &&Value| line["level"] == "ERROR" && line["message"] == REFUSED;
    assert!(log.iter().filter(loud).count() >= 4);
}

const REFUSED: &str = "configuration not reloaded: the one in force stays";
