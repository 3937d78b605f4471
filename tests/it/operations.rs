//! Bulk operations: planned, paced, and honest about every machine.

mod cancel_record;
mod cli;
mod crash;
mod events;
mod guards;
mod limits;
mod plan;
mod reload;
mod retention;
mod run;
mod takeover;
mod terminal;
mod visibility;

use std::time::Duration;

use cwsgate::simulator::{CatalogSpec, CustomerSpec, MachineSpec, Scenario};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Builder, Gateway, Reply, Store};

/// The machine catalog of the demo.
const POOL: &str = "customers/acme/sites/-/machine-catalogs/Win11-Pool";

/// A gateway whose simulated jobs take no time to speak of.
fn quick() -> Builder {
    Gateway::builder()
        .settings("[upstream]\njob_poll_min = \"5ms\"\njob_poll_max = \"50ms\"")
        .simulator(|options| {
            options.settings.job_start_ms = 0;
            options.settings.job_ms = 0;
            options.settings.reboot_ms = 300;
            options.settings.power_ms = 300;
        })
}

/// The same over a store of the test's.
fn over(store: &Store) -> Builder {
    quick().settings(&store.settings())
}

/// The demo, over a store of the test's.
async fn demo_over(store: &Store) -> Gateway {
    Gateway::builder().settings(&store.settings()).start().await
}

/// One customer with one catalog of machines that are all alike: idle.
fn flock(machines: usize) -> Scenario {
    let mut catalog = CatalogSpec::named("Flock");
    catalog.machines =
        (1..=machines).map(|n| MachineSpec::named(&format!("LAB\\BIRD{n:04}"))).collect();
    Scenario::with_regions(["us"])
        .customer(CustomerSpec::new("acme", "abcd1024xyz", "us").catalog(catalog))
}

const FLOCK: &str = "customers/acme/sites/-/machine-catalogs/Flock";

/// A request to do something to one place.
#[expect(clippy::needless_pass_by_value, reason = "so that it can be written in place")]
fn request(action: &str, place: &str, options: Value) -> Value {
    json!({ "action": action, "selector": { "in": [place] }, "options": options })
}

impl Gateway {
    /// Plans, which must work.
    async fn plan(&self, mut request: Value) -> Value {
        request["dryRun"] = json!(true);
        self.post("/v1/operations", request).await.ok(200)["plan"].clone()
    }

    /// Posts an operation under a key of its own.
    async fn operate(&self, request: Value) -> Reply {
        let post = self.request(Method::POST, "/v1/operations");
        let post = post.header("idempotency-key", Uuid::new_v4().to_string());
        let post = post.header("content-type", "application/json").body(request.to_string());
        self.send(post).await
    }

    /// Starts an operation, which must work, and returns its path.
    async fn begin(&self, request: Value) -> String {
        let reply = self.operate(request).await;
        let operation = reply.ok(202);
        assert_eq!(reply.header("location"), operation["self"].as_str().unwrap());
        operation["self"].as_str().unwrap().to_owned()
    }

    /// Waits until an operation has ended.
    async fn ended(&self, path: &str) -> Value {
        for _ in 0..10 {
            let operation = self.get(&format!("{path}?wait=30s")).await.ok(200);
            check_counts(&operation);
            if !matches!(operation["state"].as_str().unwrap(), "running" | "cancelling") {
                return operation;
            }
        }
        panic!("it should have ended: {}", self.get(path).await.text);
    }

    /// Starts an operation and waits until it has ended.
    async fn carry_out(&self, request: Value) -> Value {
        let path = self.begin(request).await;
        self.ended(&path).await
    }

    /// Every item of an operation.
    async fn items(&self, operation: &Value) -> Vec<Value> {
        let path = operation["self"].as_str().unwrap();
        let list = self.get(&format!("{path}/items?pageSize=1000")).await.ok(200);
        list["items"].as_array().unwrap().clone()
    }

    /// The item of the machine with that name.
    async fn item(&self, operation: &Value, name: &str) -> Value {
        let items = self.items(operation).await;
        let found = items.into_iter().find(|item| item["target"]["name"] == name);
        found.unwrap_or_else(|| panic!("no item {name}"))
    }
}

/// Every item is in exactly one state.
#[track_caller]
fn check_counts(operation: &Value) {
    let count = |name: &str| operation["counts"][name].as_u64().unwrap();
    let states =
        ["skipped", "queued", "dispatched", "succeeded", "failed", "indeterminate", "cancelled"];
    let sum: u64 = states.into_iter().map(count).sum();
    assert_eq!(sum, count("planned"), "{operation}");
}

fn names(things: &Value) -> Vec<String> {
    let things = things.as_array().unwrap();
    things.iter().map(|thing| thing["name"].as_str().unwrap().to_owned()).collect()
}

/// Waits until something holds, which must be soon.
async fn eventually<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    for _ in 0..600 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it should have happened by now");
}
