//! `cwsgate serve` over files that a test changes.

use std::{fmt::Write as _, fs, future::Future, path::PathBuf, time::Duration};

use cwsgate::{
    auth::ApiKey,
    commands::demo::upstream_config,
    net::{ClientOptions, client},
    simulator::{Options, Simulator},
};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::support::{Program, Reply};

/// A gateway process over a simulator, and the folder that its configuration is in.
pub(crate) struct Serving {
    pub(crate) folder: TempDir,
    pub(crate) simulator: Simulator,
    pub(crate) program: Program,
    pub(crate) url: String,
    pub(crate) admin: String,
    /// May do everything.
    pub(crate) key: ApiKey,
    pub(crate) client: reqwest::Client,
    base: String,
}

impl Serving {
    /// Serves with these lines in `[server]`. Customers are the demo's; more may be put into
    /// `customers.d`.
    pub(crate) async fn start(server: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, server, |upstream| upstream).await
    }

    pub(crate) async fn start_in(
        folder: TempDir,
        server: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        Self::start_over(Options::default(), folder, server, change).await
    }

    pub(crate) async fn start_over(
        citrix: Options,
        folder: TempDir,
        server: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let simulator = Simulator::start(citrix).await.unwrap();
        fs::create_dir_all(folder.path().join("customers.d")).unwrap();
        let key = ApiKey::generate().unwrap();
        let base = format!(
            "include = [\"customers.d/*.toml\"]\n{}\n[admin]\nlisten = \"127.0.0.1:0\"\n{}",
            change(upstream_config(&simulator)),
            app("everything", &key, EVERYTHING),
        );
        let path = folder.path().join("gateway.toml");
        fs::write(&path, config(&base, server, "")).unwrap();
        let path = path.to_str().unwrap();
        let mut program = Program::start(&["serve", "--config", path, "--output", "json"]);
        let said = program.json().await;
        let at = |name: &str| said[name].as_str().unwrap().to_owned();
        let client = client(&ClientOptions::default()).unwrap();
        let (url, admin) = (at("gateway"), at("admin"));
        Self { folder, simulator, program, url, admin, key, client, base }
    }

    /// Writes the configuration anew: other lines in `[server]`, more sections.
    pub(crate) fn configure(&self, server: &str, more: &str) {
        self.write("gateway.toml", &config(&self.base, server, more));
    }

    /// Puts a file in place at once, as a careful editor does.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let (next, path) = (self.path("next"), self.path(name));
        fs::write(&next, text).unwrap();
        fs::rename(next, path).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.get_as(&self.key, path).await
    }

    pub(crate) async fn get_as(&self, key: &ApiKey, path: &str) -> Reply {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(key.expose());
        Reply::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn admin(&self, method: Method, path: &str) -> Reply {
        self.admin_as(&self.key, method, path).await
    }

    pub(crate) async fn admin_as(&self, key: &ApiKey, method: Method, path: &str) -> Reply {
        let request = self.client.request(method, format!("{}/admin/v1{path}", self.admin));
        Reply::read(request.bearer_auth(key.expose()).send().await.unwrap()).await
    }

    /// What the admin API says of the configuration.
    pub(crate) async fn reload_state(&self) -> Value {
        self.admin(Method::GET, "/reload").await.ok(200)
    }

    pub(crate) async fn metrics(&self) -> String {
        let answer = self.client.get(format!("{}/metrics", self.admin)).send().await.unwrap();
        answer.text().await.unwrap()
    }
}

/// Waits until it is so. The bound is far more than anything here takes.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_mins(1), waiting).await.expect("it should have come about")
}

/// Lines of an app with one key.
pub(crate) fn app(name: &str, key: &ApiKey, grants: &str) -> String {
    let mut text = String::new();
    writeln!(text, "[apps.{name}]\nkeys = [\"{}\"]\ngrants = [{grants}]", key.hash()).unwrap();
    text
}

fn config(base: &str, server: &str, more: &str) -> String {
    let secret = "0123456789abcdef0123456789abcdef";
    // Without `include`, which must stand first.
    let (include, rest) = base.split_once('\n').unwrap();
    let delay = if server.contains("drain_delay") { "" } else { "drain_delay = \"0s\"\n" };
    let listen = if server.contains("listen") { "" } else { "listen = \"127.0.0.1:0\"\n" };
    format!("{include}\n[server]\nsecret = \"{secret}\"\n{listen}{delay}{server}\n{rest}\n{more}")
}

const EVERYTHING: &str = "{ actions = [\"read\", \"session\", \"power\", \"maintain\", \"notify\", \
    \"write\", \"identity\", \"audit\", \"admin\"], customers = [\"*\"], stores = [\"*\"] }";
