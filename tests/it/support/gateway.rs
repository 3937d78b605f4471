use std::{fmt::Write, net::SocketAddr, path::Path, time::Duration};

use cwsgate::{
    app::{App, Options},
    auth::ApiKey,
    commands::demo::upstream_config,
    config::{Config, Environment, LoadOptions},
    simulator::{self, FaultRule, Scenario, Simulator},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Reply;

/// A gateway over a simulator. Dropping it ends both.
pub(crate) struct Gateway {
    pub(crate) simulator: Simulator,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// A key that may do everything.
    pub(crate) key: String,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
    client: reqwest::Client,
}

/// What a gateway is made of.
pub(crate) struct Builder {
    simulator: simulator::Options,
    apps: String,
    server: String,
    settings: String,
    secret: Option<String>,
    caches: bool,
}

impl Gateway {
    /// The demo: three customers in two regions, and a key that may do everything.
    pub(crate) async fn demo() -> Self {
        Self::builder().start().await
    }

    pub(crate) fn builder() -> Builder {
        let simulator = simulator::Options::default();
        Builder {
            simulator,
            apps: String::new(),
            server: String::new(),
            settings: String::new(),
            secret: None,
            caches: false,
        }
    }

    /// Gets `path` with the key that may do everything.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// Posts a JSON body; `null` posts none.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        let request = self.request(Method::POST, path);
        if body.is_null() {
            return self.send(request).await;
        }
        let request = request.header("content-type", "application/json").body(body.to_string());
        self.send(request).await
    }

    /// A request with the key that may do everything.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, path).bearer_auth(&self.key)
    }

    /// A request with the key of another app.
    pub(crate) fn request_as(
        &self,
        key: &ApiKey,
        method: Method,
        path: &str,
    ) -> reqwest::RequestBuilder {
        self.bare(method, path).bearer_auth(key.expose())
    }

    /// A request without a credential.
    pub(crate) fn bare(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        Reply::read(request.send().await.unwrap()).await
    }

    /// Gets `path` from the admin listener.
    pub(crate) async fn get_admin(&self, path: &str) -> Reply {
        self.send(self.client.get(format!("http://{}{path}", self.admin))).await
    }

    /// Calls the simulator's control API, which must accept it.
    pub(crate) async fn sim(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.simulator.control(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Takes a region down: its sockets are closed.
    pub(crate) async fn stop_region(&self, region: &str) {
        let down = json!({ "state": "down", "mode": "refuse" });
        self.sim("PUT", &format!("/_sim/regions/{region}"), down).await;
    }

    /// Stops as on SIGTERM, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let serving = &mut self.serving;
        tokio::time::timeout(Duration::from_mins(1), serving).await.unwrap().unwrap();
    }

    /// Adds a fault to the simulator.
    pub(crate) fn fault(&self, rule: Value) {
        let rule: FaultRule = serde_json::from_value(rule).unwrap();
        self.simulator.add_fault(rule).unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Builder {
    /// Simulates this instead of the demo.
    pub(crate) fn scenario(mut self, scenario: Scenario) -> Self {
        self.simulator.scenario = scenario;
        self
    }

    /// Changes how the simulator is started.
    pub(crate) fn simulator(mut self, change: impl FnOnce(&mut simulator::Options)) -> Self {
        change(&mut self.simulator);
        self
    }

    /// Adds an app with one key and these grants: the inside of a TOML array of tables, such as
    /// `{ actions = ["read"], customers = ["acme"] }`.
    pub(crate) fn app(mut self, name: &str, grants: &str) -> (Self, ApiKey) {
        let key = ApiKey::generate().unwrap();
        let hash = key.hash();
        writeln!(self.apps, "[apps.{name}]\nkeys = [\"{hash}\"]\ngrants = [{grants}]").unwrap();
        (self, key)
    }

    /// Adds lines of configuration, such as `[upstream]\nread_timeout = "1s"`.
    pub(crate) fn settings(mut self, lines: &str) -> Self {
        self.settings += lines;
        self.settings += "\n";
        self
    }

    /// Keeps machines, sessions and whatever holds them as it would by default. Without this every
    /// read of them asks the simulator, so that a test sees what it changed there.
    pub(crate) fn caching(mut self) -> Self {
        self.caches = true;
        self
    }

    /// Another replica of a gateway with this secret, which opens its page tokens.
    pub(crate) fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(secret.to_owned());
        self
    }
    /// Adds lines to the section `[server]`.
    pub(crate) fn server(mut self, lines: &str) -> Self {
        self.server += lines;
        self.server += "\n";
        self
    }

    pub(crate) async fn start(self) -> Gateway {
        let everything = r#"{ actions = ["read", "session", "power", "maintain", "notify", "write",
            "identity", "audit", "admin"], customers = ["*"], stores = ["*"] }"#
            .replace('\n', "");
        let (builder, key) = self.app("tests", &everything);
        let simulator = Simulator::start(builder.simulator).await.unwrap();
        let cache = if builder.caches { "" } else { NO_CACHE };
        let database = if builder.settings.contains("[database]") {
            String::new()
        } else {
            "[database]\nurl = \"sqlite::memory:\"\n".to_owned()
        };
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nsecret = \"{}\"\ndrain_delay = \"0s\"\n\
              {}[admin]\nlisten = \"127.0.0.1:0\"\n{database}{cache}\n{}\n{}\n{}",
            builder.secret.as_deref().unwrap_or(key.expose()),
            builder.server,
            builder.settings,
            builder.apps,
            upstream_config(&simulator),
        );
        let options = LoadOptions { now: jiff::Timestamp::now(), allow_anonymous: false };
        let loaded = Config::parse(&text, Path::new("."), &Environment::default(), options);
        let findings = loaded.findings;
        let config = loaded.config.unwrap_or_else(|| panic!("{findings:#?}"));
        let app = App::build(config, &Options::default()).await.unwrap();
        let addresses = app.addresses().unwrap();
        let shutdown = CancellationToken::new();
        Gateway {
            simulator,
            address: addresses.gateway,
            admin: addresses.admin,
            key: key.expose().to_owned(),
            serving: tokio::spawn(app.run(shutdown.clone())),
            shutdown,
            client: cwsgate::net::client(&cwsgate::net::ClientOptions::default()).unwrap(),
        }
    }
}

/// What is configured where nobody says anything.
pub(crate) fn defaults() -> Config {
    let options = LoadOptions { now: jiff::Timestamp::now(), allow_anonymous: true };
    let loaded = Config::parse("", Path::new("."), &Environment::default(), options);
    loaded.config.unwrap_or_else(|| panic!("{:#?}", loaded.findings))
}

/// Sites stay: they are no part of what tests change.
const NO_CACHE: &str = r#"[cache.ttl]
resource-locations = "0s"
service-states = "0s"
machine-catalogs = "0s"
delivery-groups = "0s"
machines = "0s"
sessions = "0s""#;
