//! The table of faults: what is answered, what is counted at the simulator, and what is logged.
//! One test a row.

mod api;
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

use crate::support::{Program, Reply, write};

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

impl Row<'_> {
    async fn check(self) {
        let Self { ask, fault, settings, status, code, asked, logged } = self;
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let key = ApiKey::generate().unwrap();
        let upstreams = upstream_config(&simulator);
        let port = simulator.region("us").unwrap().port().unwrap();
        let settings = settings.replace("PLAIN", &port.to_string());
        // Lines for a section that is there already go into it.
        let (settings, upstreams) = match settings.strip_prefix(REGION) {
            Some(lines) => ("", upstreams.replacen(REGION, &format!("{REGION}{lines}\n"), 1)),
            None => (settings.as_str(), upstreams),
        };
        let mut text = String::from(
            "[server]\nlisten = \"127.0.0.1:0\"\ndrain_delay = \"0s\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n[cache.ttl]\nmachines = \"0s\"\n",
        );
        write!(
            text,
            "{settings}\n[apps.tests]\nkeys = [\"{}\"]\ngrants = [{{ actions = [\"read\", \
             \"power\"], customers = [\"*\"], stores = [\"*\"] }}]\n{upstreams}",
            key.hash()
        )
        .unwrap();
        let config = write(folder.path(), "gateway.toml", &text);
        let mut gateway = Program::start(&["serve", "--config", &config, "--output", "json"]);
        let address = gateway.json().await["gateway"].as_str().unwrap().to_owned();
        let client = client(&ClientOptions::default()).unwrap();
        let send = async |method: &str, path: &str| -> Reply {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let request = client.request(method, format!("{address}{path}"));
            let request = request.bearer_auth(key.expose()).header("cwsgate-deadline-ms", "8000");
            Reply::read(request.send().await.unwrap()).await
        };
        let path = stores::resolved(ask.path, async |path| send("GET", path).await).await;
        if ask.warm {
            send("GET", path.split("/actions/").next().unwrap()).await.ok(200);
        }
        let before = count(&simulator, ask).await;
        let rule: FaultRule = serde_json::from_value(fault.clone()).unwrap();
        simulator.add_fault(rule).unwrap();

        let reply = send(ask.method, &path).await;

        let problem = reply.problem(status, code);
        assert_eq!(count(&simulator, ask).await - before, asked, "{fault}: {problem}");
        gateway.terminate().await;
        let ended = gateway.ended().await;
        let lines = ended.errors.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let lines: Vec<Value> = lines.filter(|line| line["error.type"] == code).collect();
        let [line] = lines.as_slice() else { panic!("not one access line: {}", ended.errors) };
        let cause = line["error.cause"].as_str().unwrap_or_default();
        assert!(cause.contains(logged), "{cause:?} lacks {logged:?}");
        assert_eq!(line["http.response.status_code"], status);
        assert_eq!(line["cwsgate.request_id"], problem["requestId"]);
    }
}

const REGION: &str = "[regions.us]\n";

async fn count(simulator: &Simulator, ask: Ask) -> usize {
    let path = format!("/_sim/requests?limit=5000&{}", ask.counted);
    let (_, answer) = simulator.control("GET", &path, Value::Null).await;
    let requests = answer["requests"].as_array().unwrap();
    let counts = |request: &&Value| request["path"].as_str().unwrap().contains(ask.path_part);
    requests.iter().filter(counts).count()
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
