//! The table of faults: what is answered, what is counted at the simulator, and what is logged.
//! One test a row.

mod api;
mod database;
mod elsewhere;
mod identity;
mod process;
mod stores;
mod tokens;

use std::fmt::Write as _;

use cwsgate::{
    auth::ApiKey,
    commands::demo::upstream_config,
    net::{ClientOptions, client},
    simulator::{FaultRule, Options, Simulator},
};
use serde_json::Value;
use tempfile::TempDir;

use self::elsewhere::{Elsewhere, Host};
use crate::support::{Program, Reply, bash, write};

/// What is asked of the gateway.
#[derive(Clone, Copy)]
struct Ask {
    method: &'static str,
    path: &'static str,
    /// Whether the same is asked once before anything goes wrong.
    warm: bool,
    /// The requests that are counted at the simulator, as its log selects them …
    counted: &'static str,
    /// … and a part of their path.
    path_part: &'static str,
}

/// One row of the table.
struct Row<'a> {
    ask: Ask,
    fault: Value,
    /// Lines of configuration.
    settings: &'a str,
    status: u16,
    code: &'a str,
    /// Requests that arrived at the simulator after the fault was set.
    asked: usize,
    /// Part of the cause in the access line.
    logged: &'a str,
}

/// A gateway process over a simulator.
struct Bench {
    simulator: Simulator,
    folder: TempDir,
    key: ApiKey,
    gateway: Program,
    address: String,
    client: reqwest::Client,
}

impl Bench {
    /// Serves with these lines of configuration and variables.
    async fn start(settings: &str, variables: &[(&str, &str)]) -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let key = ApiKey::generate().unwrap();
        let mut text = String::from(
            "[server]\nlisten = \"127.0.0.1:0\"\ndrain_delay = \"0s\"\n\
             secret = \"0123456789abcdef0123456789abcdef\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n[cache.ttl]\nmachines = \"0s\"\n",
        );
        write!(
            text,
            "{settings}\n[apps.tests]\nkeys = [\"{}\"]\ngrants = [{{ actions = [\"read\", \
             \"power\", \"maintain\", \"audit\"], customers = [\"*\"], stores = [\"*\"] }}]\n{}",
            key.hash(),
            upstream_config(&simulator)
        )
        .unwrap();
        write(folder.path(), "gateway.toml", &text);
        let (gateway, address) = serve(&folder, variables).await;
        let client = client(&ClientOptions::default()).unwrap();
        Self { simulator, folder, key, gateway, address, client }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, format!("{}{path}", self.address));
        request.bearer_auth(self.key.expose()).header("cwsgate-deadline-ms", "8000")
    }

    async fn send(&self, method: &str, path: &str) -> Reply {
        Reply::read(self.request(method, path).send().await.unwrap()).await
    }

    fn fault(&self, rule: Value) {
        let rule: FaultRule = serde_json::from_value(rule).unwrap();
        self.simulator.add_fault(rule).unwrap();
    }

    async fn asked(&self, counted: &str, path_part: &str) -> usize {
        let path = format!("/_sim/requests?limit=5000&{counted}");
        let (_, answer) = self.simulator.control("GET", &path, Value::Null).await;
        let requests = answer["requests"].as_array().unwrap();
        let counts = |request: &&Value| request["path"].as_str().unwrap().contains(path_part);
        requests.iter().filter(counts).count()
    }

    /// Ends the gateway, and gives what it has logged.
    async fn log(self) -> Vec<Value> {
        self.gateway.terminate().await;
        lines(&self.gateway.ended().await.errors)
    }
}

async fn serve(folder: &TempDir, variables: &[(&str, &str)]) -> (Program, String) {
    let config = folder.path().join("gateway.toml");
    // A file that would grow beyond its limit fails its write, and the process is not killed.
    let mut command = bash(
        "trap '' XFSZ; exec \"$1\" serve --config \"$2\" --output json",
        &[env!("CARGO_BIN_EXE_cwsgate"), config.to_str().unwrap()],
    );
    command.envs(variables.iter().copied());
    let mut gateway = Program::start_command(command);
    let address = gateway.json().await["gateway"].as_str().unwrap().to_owned();
    (gateway, address)
}

fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Looks for the one access line of a problem, and for what lay behind it.
#[track_caller]
fn assert_logged(log: &[Value], problem: &Value, logged: &[&str]) {
    let lines: Vec<_> =
        log.iter().filter(|line| line["cwsgate.request_id"] == problem["requestId"]).collect();
    let access: Vec<_> =
        lines.into_iter().filter(|line| line["target"] == "cwsgate::access").collect();
    let [line] = access.as_slice() else { panic!("not one access line: {log:#?}") };
    assert_eq!(line["error.type"], problem["code"]);
    assert_eq!(line["http.response.status_code"], problem["status"]);
    let cause = line["error.cause"].as_str().unwrap_or_default();
    assert!(logged.iter().any(|part| cause.contains(part)), "{cause:?} lacks {logged:?}");
}

impl Row<'_> {
    async fn check(self) {
        let Self { ask, fault, settings, status, code, asked, logged } = self;
        let bench = Bench::start(settings, &[]).await;
        let path = stores::resolved(ask.path, async |path| bench.send("GET", path).await).await;
        if ask.warm {
            bench.send("GET", path.split("/actions/").next().unwrap()).await.ok(200);
        }
        let before = bench.asked(ask.counted, ask.path_part).await;
        bench.fault(fault.clone());

        let problem = bench.send(ask.method, &path).await.problem(status, code);

        let after = bench.asked(ask.counted, ask.path_part).await;
        assert_eq!(after - before, asked, "{fault}: {problem}");
        assert_logged(&bench.log().await, &problem, &[logged]);
    }

    /// The row of an upstream that is somewhere else: where `key` of the configuration says that
    /// it is there is `host`, and `path` below it.
    async fn check_elsewhere(
        ask: Ask,
        host: Host,
        (key, path): (&str, &str),
        status: u16,
        code: &str,
    ) {
        let elsewhere = Elsewhere::start(host).await;
        let folder = tempfile::tempdir().unwrap();
        let authority = write(folder.path(), "authority.pem", &elsewhere.authority);
        let url = format!("{}{path}", elsewhere.url);
        let bench = Bench::start("", &[(key, &url), ("SSL_CERT_FILE", &authority)]).await;

        let problem = bench.send(ask.method, ask.path).await.problem(status, code);

        assert_eq!(elsewhere.asked(), usize::from(host == Host::Good), "{problem}");
        assert_eq!(bench.asked(ask.counted, ask.path_part).await, 0, "{problem}");
        assert_logged(&bench.log().await, &problem, host.logged());
    }
}

/// Makes a test of each row.
macro_rules! rows {
    ($($name:ident: $ask:expr, $fault:tt, $settings:expr => $status:literal $code:literal, $asked:literal, $logged:literal;)*) => { $(
        #[tokio::test]
        async fn $name() {
            let mut fault = serde_json::json!($fault);
            fault["match"] = MATCH();
            let row = $crate::faults::Row {
                ask: $ask, fault, settings: $settings,
                status: $status, code: $code, asked: $asked, logged: $logged,
            };
            row.check().await;
        }
    )* };
}
use rows;
