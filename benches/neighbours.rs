//! What customers in trouble cost another one: `cargo bench --bench neighbours`.
//!
//! One customer's reads are measured while three others are asked as well and answer, and again
//! when of these three the credential of one is refused, one is throttled and one never answers. Both
//! in one run, with the same callers at the same pace: what differs is the trouble. Every read goes
//! to Citrix. Ends with 1 when a read of the first customer fails or its median grows by more than a
//! half.

use std::{path::Path, process::ExitCode, time::Duration};

use cwsgate::{
    app::{App, Options},
    auth::ApiKey,
    commands::demo::upstream_config,
    config::{Config, Environment, LoadOptions},
    net::{ClientOptions, client},
    simulator::{self, FaultRule, Scenario, Simulator},
};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    let arena = Arena::start().await;
    arena.measure(READS / 10).await;
    let alone = arena.measure(READS).await;
    let asking = tokio::spawn(ask_again_and_again(arena.others()));
    tokio::time::sleep(WARM_UP).await;
    let beside_fine = arena.measure(READS).await;
    arena.trouble().await;
    tokio::time::sleep(WARM_UP).await;
    let beside_trouble = arena.measure(READS).await;
    asking.abort();

    println!("alone                    {alone}");
    println!("beside three that answer {beside_fine}");
    println!("beside three in trouble  {beside_trouble}");
    let ratio = beside_trouble.median.as_secs_f64() / beside_fine.median.as_secs_f64();
    println!("ratio of the last two    {ratio:.2}");
    let fine = beside_fine.failed == 0 && beside_trouble.failed == 0 && ratio <= 1.5;
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A gateway over a simulator with four customers of one region.
struct Arena {
    simulator: Simulator,
    base: String,
    key: String,
    client: reqwest::Client,
    _stop: tokio_util::sync::DropGuard,
}

/// What a number of reads took.
struct Measured {
    median: Duration,
    p99: Duration,
    failed: usize,
}

impl Arena {
    async fn start() -> Self {
        let options = simulator::Options {
            scenario: Scenario::many_customers(8, 5),
            ..simulator::Options::default()
        };
        let simulator = Simulator::start(options).await.expect("loopback has ports");
        let key = ApiKey::generate().expect("the system has randomness");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nsecret = {:?}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [apps.bench]\nkeys = [\"{}\"]\n\
             grants = [{{ actions = [\"read\"], customers = [\"*\"] }}]\n{}",
            key.expose(),
            key.hash(),
            upstream_config(&simulator),
        );
        let options = LoadOptions { now: jiff::Timestamp::now(), allow_anonymous: false };
        let loaded = Config::parse(&text, Path::new("."), &Environment::default(), options);
        let config = loaded.config.expect("the configuration is good");
        let app = App::build(config, &Options::default()).await.expect("loopback has ports");
        let base = format!("http://{}", app.addresses().expect("it is bound").gateway);
        let stop = CancellationToken::new();
        tokio::spawn(app.run(stop.clone()));
        let client = client(&ClientOptions::default()).expect("plain HTTP needs nothing");
        let key = key.expose().to_owned();
        Self { simulator, base, key, client, _stop: stop.drop_guard() }
    }

    fn read(&self, customer: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/v1/customers/{customer}/sites/-/machines?pageSize=5", self.base);
        // An answer that is kept would say nothing about the way to Citrix.
        self.client.get(url).bearer_auth(&self.key).header("cache-control", "no-cache")
    }

    async fn measure(&self, reads: usize) -> Measured {
        let one = async |_| {
            let began = Instant::now();
            let answer = self.read(HEALTHY).send().await;
            let fine = answer.is_ok_and(|answer| answer.status().is_success());
            (began.elapsed(), fine)
        };
        let all: Vec<_> = stream::iter(0..reads).map(one).buffer_unordered(4).collect().await;
        let mut times: Vec<_> = all.iter().map(|(time, _)| *time).collect();
        times.sort_unstable();
        Measured {
            median: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
            failed: all.iter().filter(|(_, fine)| !fine).count(),
        }
    }

    /// Lets the three others go wrong, each in its way.
    async fn trouble(&self) {
        let path = format!("/_sim/customers/{DEAD}");
        self.simulator.control("PUT", &path, json!({ "clientSecret": "another" })).await;
        self.simulator.control("PUT", &path, json!({ "revokeTokens": true })).await;
        for rule in [
            json!({ "match": { "service": "daas", "customer": THROTTLED }, "rateLimit": "text" }),
            json!({ "match": { "service": "daas", "customer": HANGING }, "hang": true }),
        ] {
            let rule: FaultRule = serde_json::from_value(rule).expect("the rule is good");
            self.simulator.add_fault(rule).expect("there is room for rules");
        }
    }

    fn others(&self) -> Vec<reqwest::RequestBuilder> {
        [DEAD, THROTTLED, HANGING].map(|customer| self.read(customer)).into()
    }
}

/// Ten callers of each, again and again: enough to fill a queue behind a customer that hangs, too few
/// to fill the machine.
async fn ask_again_and_again(requests: Vec<reqwest::RequestBuilder>) {
    let ten = |request: reqwest::RequestBuilder| (0..10).filter_map(move |_| request.try_clone());
    let callers = requests.into_iter().flat_map(ten);
    let callers = callers.map(async |request: reqwest::RequestBuilder| {
        while let Some(request) = request.try_clone() {
            let _ = request.send().await;
            // A refusal comes at once; this is no flood.
            tokio::time::sleep(PACE).await;
        }
    });
    futures_util::future::join_all(callers).await;
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, p99, failed } = self;
        write!(f, "median {median:.1?}, p99 {p99:.1?}, {failed} failed")
    }
}

const READS: usize = 400;
const WARM_UP: Duration = Duration::from_secs(2);
const PACE: Duration = Duration::from_millis(500);

/// All of region `us`.
const HEALTHY: &str = "customer-0001";
const DEAD: &str = "customer-0003";
const THROTTLED: &str = "customer-0005";
const HANGING: &str = "customer-0007";
