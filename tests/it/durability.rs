//! What the durable store holds, and what happens when the disk takes no more.

mod full_disk;

use std::{fs, time::Duration};

use cwsgate::{auth::ApiKey, commands::demo::upstream_config, simulator::Simulator};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Program, Reply, bash, write};

const MAINTAIN: &str = "/v1/customers/acme/sites/-/machines/KESTREL/actions/set-maintenance";

/// The real program over a simulator, with its database in a folder.
struct Setup {
    folder: tempfile::TempDir,
    simulator: Simulator,
    key: ApiKey,
    config: String,
    client: reqwest::Client,
}

impl Setup {
    /// `database` is the path of the database within the folder.
    async fn new(database: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(cwsgate::simulator::Options::default()).await.unwrap();
        let key = ApiKey::generate().unwrap();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nsecret = \"{SECRET}\"\ndrain_delay = \"0s\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = \"sqlite:{database}\"\n\
             [apps.desk]\nkeys = [\"{}\"]\ngrants = [{{ actions = [\"read\", \"maintain\", \
             \"audit\", \"power\"], customers = [\"*\"], stores = [\"*\"] }}]\n{}",
            key.hash(),
            upstream_config(&simulator)
        );
        let config = write(folder.path(), "gateway.toml", &text);
        let client = cwsgate::net::client(&cwsgate::net::ClientOptions::default()).unwrap();
        Self { folder, simulator, key, config, client }
    }

    /// Starts the program; no file of it may grow beyond so many KiB.
    async fn start(&self, limit: &str) -> (Program, String) {
        // Without the signal, a write beyond the limit fails as on a broken disk.
        let script =
            "trap '' XFSZ; ulimit -f \"$3\"; exec \"$1\" serve --config \"$2\" --output json";
        let program = env!("CARGO_BIN_EXE_cwsgate");
        Self::serve(bash(script, &[program, &self.config, limit])).await
    }

    /// Starts what becomes the program, and returns its address too.
    async fn serve(command: Command) -> (Program, String) {
        let mut program = Program::start_command(command);
        let url = program.json().await["gateway"].as_str().unwrap().to_owned();
        (program, url)
    }

    async fn post(&self, url: &str, key: &str, body: Value) -> Reply {
        self.post_to(&format!("{url}{MAINTAIN}"), key, body).await
    }

    async fn post_to(&self, url: &str, key: &str, body: Value) -> Reply {
        let request = self.client.post(url);
        let request = request.bearer_auth(self.key.expose()).header("idempotency-key", key);
        let request = request.header("content-type", "application/json").body(body.to_string());
        Reply::read(request.send().await.unwrap()).await
    }

    async fn get(&self, url: &str, path: &str) -> Reply {
        let request = self.client.get(format!("{url}{path}")).bearer_auth(self.key.expose());
        Reply::read(request.send().await.unwrap()).await
    }

    /// How many changes reached the simulator.
    async fn sent(&self) -> usize {
        let path = "/_sim/requests?method=PATCH&limit=5000";
        let (_, asked) = self.simulator.control("GET", path, Value::Null).await;
        asked["requests"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn a_disk_that_takes_no_more_stops_changes_and_loses_nothing() {
    let setup = Setup::new("state.db").await;
    let (program, url) = setup.start("2000").await;
    let mut done = 0;
    let refused = loop {
        let reply =
            setup.post(&url, &format!("k{done}"), json!({ "reason": "x".repeat(900) })).await;
        if reply.status != 200 {
            break reply;
        }
        done += 1;
        assert!(done < 2_000, "the limit does not work");
    };
    refused.problem(503, "audit_unavailable");
    assert!(done > 0);
    setup.post(&url, "another", json!({})).await.problem(503, "audit_unavailable");
    setup.get(&url, "/v1/machines?pageSize=1").await.ok(200);
    setup.get(&url, "/v1/audit?pageSize=1").await.ok(200);
    program.terminate().await;
    program.ended().await;

    let (program, url) = setup.start("unlimited").await;

    let first = setup.post(&url, "k0", json!({ "reason": "x".repeat(900) })).await;
    assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (200, "true"));
    let entries = setup.get(&url, "/v1/audit?pageSize=1000").await;
    let recorded = entries.of_items("action").len();
    assert!(recorded >= done, "{recorded} of {done} are recorded");
    let sent = setup.sent().await;
    assert!(sent <= recorded, "{sent} were sent and {recorded} recorded");
    setup.post(&url, "afterwards", json!({})).await.ok(200);
    program.terminate().await;
    assert_eq!(program.ended().await.code, Some(0));
}

#[tokio::test]
async fn no_secret_is_in_the_database() {
    let setup = Setup::new("state.db").await;
    let (program, url) = setup.start("unlimited").await;
    setup.post(&url, "k", json!({ "reason": "CHG-1" })).await.ok(200);
    let resources = setup.get(&url, "/v1/stores/hq/resources").await.of_items("self");
    let path = format!("{url}{}/actions/power-off", resources[0].as_str().unwrap());
    let off =
        setup.client.post(path).bearer_auth(setup.key.expose()).header("idempotency-key", "o");
    off.send().await.unwrap();
    // What a crash leaves, write-ahead log included.
    let mut all = Vec::new();
    for file in fs::read_dir(setup.folder.path()).unwrap() {
        let file = file.unwrap();
        if file.file_name().to_str().unwrap().starts_with("state.db") {
            all.extend(fs::read(file.path()).unwrap());
        }
    }
    let holds = |text: &str| all.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("CHG-1") && holds("set-maintenance"), "the search finds what is there");
    let customers = setup.simulator.customers();
    let mut secrets: Vec<String> = customers
        .iter()
        .map(|customer| secrecy::ExposeSecret::expose_secret(&customer.client_secret).to_owned())
        .collect();
    secrets.extend(
        setup
            .simulator
            .stores()
            .iter()
            .map(|store| secrecy::ExposeSecret::expose_secret(&store.password).to_owned()),
    );
    secrets.push(SECRET.to_owned());
    secrets.push(setup.key.expose().rsplit('_').next().unwrap().to_owned());
    for secret in secrets {
        assert!(secret.len() < 6 || !holds(&secret), "{secret} is in the database");
    }
    assert!(!holds("CwsAuth") && !holds("Bearer"));
    program.terminate().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    program.ended().await;
}

const SECRET: &str = "canary-root-0123456789abcdef0123456789abcdef";
