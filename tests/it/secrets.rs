//! Plants secrets that are easy to find, uses everything, and searches every output for them.

use std::{
    fmt::Write as _,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cwsgate::{
    auth::ApiKey,
    commands::demo::upstream_config,
    simulator::{Options, Simulator},
};
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

#[tokio::test]
async fn no_output_holds_a_secret() {
    for format in ["json", "text"] {
        let running = Running::start(format).await;
        let mut tokens = running.exercise().await;
        tokens.extend(running.fail().await);
        assert!(tokens.len() >= 3, "the simulator issued {} tokens", tokens.len());
        let secrets = running.secrets(&tokens);
        let output = running.stop().await;

        // The log was on and says a lot, but for this.
        assert!(output.contains("upstream call"), "no trace of calls");
        assert!(output.contains("got no token"), "no trace of failures");
        assert!(output.contains("h2::"), "no trace of HTTP/2");
        for (what, secret) in &secrets {
            assert!(secret.len() >= 11, "{what} is too short to be looked for");
            let at = output.find(secret.as_str());
            let around = at.map(|at| {
                let line = output[..at].lines().next_back().unwrap_or_default();
                line.chars()
                    .rev()
                    .take(300)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect::<String>()
            });
            assert_eq!(around, None, "{what} is in the output, after this");
        }
    }
}

#[tokio::test]
async fn a_configuration_that_is_wrong_is_explained_without_its_secrets() {
    let good = "[server]\nlisten = \"127.0.0.1:0\"\n[apps.desk]\n\
        keys = [\"cwsgate_hash_x\"]\ngrants = [{ actions = [\"read\"], customers = [\"*\"] }]\n";
    let customer = "[customers.acme]\nid = \"abcd\"\nregion = \"us\"\nclient_id = \"c\"\n";
    let leaked = ApiKey::generate().unwrap();
    for lines in [
        "client_secrte = \"CANARY-SECRET-1\"".to_owned(),
        "client_secret = [\"CANARY-SECRET-1\"]".to_owned(),
        "client_secret = { evn = \"CANARY-SECRET-1\" }".to_owned(),
        "client_secret = { file = \"x\", env = \"Y\", value = \"CANARY-SECRET-1\" }".to_owned(),
        "client_secret = \"CANARY-SECRET-1".to_owned(),
        "client_secret = CANARY-SECRET-1".to_owned(),
        "client_secret = \"CANARY-SECRET-1\\q\"".to_owned(),
        "client_secret = \"CANARY-SECRET-1\"\nclient_secret = \"CANARY-SECRET-1\"".to_owned(),
        "client_secrets = [\"CANARY-SECRET-1\", { file = 7 }]".to_owned(),
        "password = \"CANARY-SECRET-1\"".to_owned(),
        "[server]\nsecret = \"CANARY-SECRET-1".to_owned(),
        "[stores.hq]\nurl = \"https://u:CANARY-SECRET-1@sf.example.test/\"".to_owned(),
        "[stores.hq]\nurl = \"https://sf.example.test/Citrix/Store\"\n\
         auth = { method = \"http-basic\", username = \"u\", passwrod = \"CANARY-SECRET-1\" }"
            .to_owned(),
        "[database]\nurl = \"postgres://u:CANARY-SECRET-1@db.example.test:nonsense/x\"".to_owned(),
        format!("[apps.leak]\nkeys = [\"{}\"]", leaked.expose()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cwsgate.toml");
        std::fs::write(&file, format!("{good}{customer}{lines}\n")).unwrap();
        for output in ["text", "json"] {
            for command in ["check", "serve"] {
                let said = run(&[command, "--output", output], &file).await;
                assert!(!said.contains("CANARY-SECRET-1"), "{command} {lines}:\n{said}");
                assert!(!said.contains(leaked.expose()), "{command} {lines}:\n{said}");
                assert!(!said.is_empty());
            }
        }
    }
}

/// The program as its users run it, over a simulator in this process.
struct Running {
    child: Child,
    gateway: String,
    admin: String,
    simulator: Simulator,
    key: ApiKey,
    stranger: ApiKey,
    client: reqwest::Client,
    /// HTTP/2, which has a log of its own.
    client2: reqwest::Client,
    /// Every answer.
    seen: Mutex<String>,
    outputs: Vec<Collected>,
    _folder: tempfile::TempDir,
}

impl Running {
    async fn start(format: &str) -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let (key, stranger) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cwsgate.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nsecret = \"{SERVER_SECRET}\"\ndrain_delay = \"0s\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [log]\nfilter = \"trace\"\nformat = \"{format}\"\n\
             [apps.desk]\nkeys = [\"{}\"]\ngrants = [{{ actions = [\"read\", \"power\", \
             \"notify\", \"session\", \"maintain\"], customers = [\"*\"], stores = [\"*\"] }}]\n{}",
            key.hash(),
            upstream_config(&simulator),
        );
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_cwsgate"))
            .args(["serve", "--output", "json", "--config"])
            .arg(&file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let errors = collect(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).await.unwrap();
        let addresses: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            let said = errors.0.lock().unwrap().clone();
            panic!("{error}: {line} {}", String::from_utf8_lossy(&said))
        });
        let address = |name: &str| addresses[name].as_str().unwrap().to_owned();
        let client = cwsgate::net::client(&cwsgate::net::ClientOptions::default()).unwrap();
        Self {
            child,
            gateway: address("gateway"),
            admin: address("admin"),
            simulator,
            key,
            stranger,
            client,
            client2: http2(),
            seen: Mutex::new(line),
            outputs: vec![errors, collect(stdout)],
            _folder: folder,
        }
    }

    /// Uses what works; returns the tokens that were good then.
    async fn exercise(&self) -> Vec<String> {
        for client in [&self.client, &self.client2] {
            for path in [
                "/v1/whoami",
                "/v1/customers",
                "/v1/regions",
                "/v1/machines?pageSize=5",
                "/v1/sessions",
                "/v1/customers/acme/me",
                "/v1/customers/acme/service-states",
                "/v1/customers/acme/resource-locations",
                MACHINE,
                "/openapi.json",
                "/nowhere",
            ] {
                self.send(self.with_key(client.get(self.url(path)))).await;
            }
            let url = self.url("/v1/whoami");
            self.send(client.get(&url).header("x-api-key", self.key.expose())).await;
            let value = format!("CwsAuth Bearer={}", self.key.expose());
            self.send(client.get(&url).header("authorization", value)).await;
        }
        let ndjson = self.with_key(self.client.get(self.url("/v1/machines?pageSize=5")));
        self.send(ndjson.header("accept", "application/x-ndjson")).await;
        self.post(&format!("{MACHINE}/actions/reboot"), json!({ "reason": "x" })).await;
        self.post(&format!("{MACHINE}/actions/set-maintenance"), json!({})).await;
        let note = json!({ "title": "x", "description": "x" });
        self.post("/v1/customers/acme/notifications", note).await;
        self.use_stores().await;
        self.use_citrix_s_paths().await;
        self.send(self.client.get(format!("{}/metrics", self.admin))).await;
        self.tokens()
    }

    /// Passes calls on that carry secrets of the caller's which Citrix needs.
    async fn use_citrix_s_paths(&self) {
        for client in [&self.client, &self.client2] {
            let calls = [
                client.get(self.url("/cvad/manage/me")),
                client.get(self.url("/acme/serviceStates")),
                client.get(self.url("/nobody/serviceStates")),
                client.post(self.url("/cvad/manage/Machines/x/$reboot")),
                client.patch(self.url("/cvad/manage/Machines/x")).body(ADMIN_CREDENTIAL),
                client.post(self.url("/cvad/manage/$batch")).body(
                    json!({ "Items": [{ "Reference": "1", "Method": "GET", "RelativeUrl": "/me",
                        "Headers": [{ "Name": "X-AdminCredential", "Value": ADMIN_CREDENTIAL }] }] })
                    .to_string(),
                ),
            ];
            for call in calls {
                let call = call
                    .header("citrix-customerid", "acme")
                    .header("x-admincredential", ADMIN_CREDENTIAL)
                    .header("x-accesstoken", ACCESS_TOKEN);
                self.send(self.with_key(call)).await;
            }
        }
    }

    /// Asks stores of both kinds, with both protocols, and lets sign-ins fail.
    async fn use_stores(&self) {
        for store in ["hq", "kiosk"] {
            let list = format!("/v1/stores/{store}/resources");
            let listed = self.send(self.with_key(self.client.get(self.url(&list)))).await;
            let first = listed["items"][0]["self"].as_str().unwrap();
            self.post(&format!("{first}/actions/power-off"), Value::Null).await;
        }
        let users = self.simulator.store("portal").unwrap().users;
        let list = || self.with_key(self.client.get(self.url("/v1/stores/portal/resources")));
        let sign_in = async |username: &str, password: &str| {
            let body = json!({ "username": username, "password": password });
            self.post("/v1/stores/portal/sign-ins", body).await
        };
        for (username, password) in &users {
            let signed_in = sign_in(username, password.expose_secret()).await;
            if let Some(handle) = signed_in["storeSession"].as_str() {
                self.send(list().header("cwsgate-store-session", handle)).await;
            }
        }
        sign_in(&users[1].0, WRONG_PASSWORD).await;
        for token in self.store_tokens() {
            self.send(list().header("cwsgate-store-token", token)).await;
        }
        for fault in
            [json!({ "status": 500 }), json!({ "document": "cut" }), json!({ "reset": true })]
        {
            let mut rule = fault;
            rule["match"] = json!({ "service": "storeauth" });
            self.sim("POST", "/_sim/faults", rule).await;
            sign_in(&users[1].0, users[1].1.expose_secret()).await;
            self.sim("DELETE", "/_sim/faults", Value::Null).await;
        }
        // A service account that is refused.
        let changed = json!({ "password": ROTATED });
        self.sim("PATCH", "/_sim/stores/kiosk/users/kiosk", changed).await;
        self.sim("PATCH", "/_sim/stores/kiosk", json!({ "expireTokens": "all" })).await;
        self.send(self.with_key(self.client.get(self.url("/v1/stores/kiosk/resources")))).await;
    }

    /// Lets everything fail; returns the tokens that were good meanwhile.
    async fn fail(&self) -> Vec<String> {
        let url = self.url("/v1/whoami");
        for client in [&self.client, &self.client2] {
            for key in [self.stranger.expose(), &self.key.expose()[1..]] {
                self.send(client.get(&url).bearer_auth(key)).await;
                self.send(client.get(&url).header("x-api-key", key)).await;
                self.send(client.get(&url).header("authorization", key)).await;
                self.send(client.get(&url).header("authorization", format!("Basic {key}"))).await;
                self.send(self.with_key(client.get(&url)).header("x-api-key", key)).await;
            }
            for name in ["api_key", "access_token", self.key.expose()] {
                let url = format!("{url}?{name}={}", self.key.expose());
                self.send(client.get(&url)).await;
                self.send(self.with_key(client.get(&url))).await;
            }
        }
        let mut tokens = Vec::new();
        for fault in [
            json!({ "status": 401, "style": "B" }),
            json!({ "status": 403, "style": "E" }),
            json!({ "status": 500, "style": "A" }),
            json!({ "garbage": "<html>" }),
            json!({ "cutBody": 5 }),
            json!({ "reset": true }),
        ] {
            let mut rule = fault;
            rule["match"] = json!({ "service": "daas", "customer": "acme" });
            self.sim("POST", "/_sim/faults", rule).await;
            self.send(self.with_key(self.client.get(self.url(MACHINE)))).await;
            self.post(&format!("{MACHINE}/actions/reboot"), json!({})).await;
            tokens.extend(self.tokens());
            self.sim("DELETE", "/_sim/faults", Value::Null).await;
        }
        // Customers whose secret is refused, one of them by a service that repeats it.
        for customer in ["globex", "contoso"] {
            let rotated = json!({ "clientSecret": ROTATED, "revokeTokens": true });
            self.sim("PUT", &format!("/_sim/customers/{customer}"), rotated).await;
        }
        let secret = self.simulator.customer("contoso").unwrap().client_secret;
        let said = format!("the secret {} is wrong", secret.expose_secret());
        let body = json!({ "error": secret.expose_secret(), "error_description": said });
        self.sim(
            "POST",
            "/_sim/faults",
            json!({ "status": 400, "body": body.to_string(),
            "match": { "service": "token", "customer": "contoso" } }),
        )
        .await;
        for _ in 0..30 {
            for customer in ["globex", "contoso"] {
                let path = format!("/v1/customers/{customer}/me");
                self.send(self.with_key(self.client.get(self.url(&path)))).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for path in ["/v1/customers", "/v1/machines", "/v1/regions"] {
            self.send(self.with_key(self.client.get(self.url(path)))).await;
        }
        self.send(self.client.get(format!("{}/metrics", self.admin))).await;
        tokens
    }

    /// Everything that must not be seen, with what it is.
    fn secrets(&self, tokens: &[String]) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("the server's secret", SERVER_SECRET.to_owned()),
            ("the rotated secret", ROTATED.to_owned()),
            ("an administrator's password", ADMIN_CREDENTIAL.to_owned()),
            ("an access token of a caller", ACCESS_TOKEN.to_owned()),
        ];
        for (what, key) in [("the key", &self.key), ("a stranger's key", &self.stranger)] {
            // The part between id and checksum.
            let secret = key.expose()[21..64].to_owned();
            all.push((what, secret));
        }
        for customer in self.simulator.customers() {
            all.push(("a client secret", customer.client_secret.expose_secret().to_owned()));
        }
        for store in self.simulator.stores() {
            for (username, password) in store.users {
                let password = password.expose_secret();
                let basic = STANDARD.encode(format!("{username}:{password}"));
                all.push(("a password of a store, as HTTP Basic sends it", basic));
                // As forms send it.
                let form: String =
                    url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
                all.push(("a password of a store, in a form", form));
                all.push(("a password of a store", password.to_owned()));
            }
        }
        all.push(("a wrong password", WRONG_PASSWORD.to_owned()));
        for token in self.store_tokens() {
            all.push(("the beginning of a StoreFront token", token[20..60].to_owned()));
        }
        for token in tokens {
            all.push(("a token", token.clone()));
            let signature = token.rsplit('.').next().unwrap();
            all.push(("a token's signature", signature[..40].to_owned()));
        }
        all
    }

    /// Ends the program and returns all that it ever said.
    async fn stop(mut self) -> String {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
        let mut all = self.seen.into_inner().unwrap();
        for (bytes, task) in self.outputs {
            task.await.unwrap();
            all += &String::from_utf8_lossy(&bytes.lock().unwrap());
        }
        all
    }

    fn tokens(&self) -> Vec<String> {
        self.simulator.live_tokens().iter().map(|t| t.expose_secret().to_owned()).collect()
    }

    fn store_tokens(&self) -> Vec<String> {
        let tokens = self.simulator.live_store_tokens();
        tokens.iter().map(|token| token.expose_secret().to_owned()).collect()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gateway)
    }

    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(self.key.expose())
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.with_key(self.client.request(Method::POST, self.url(path)));
        let request = match body {
            Value::Null => request,
            body => request.header("content-type", "application/json").body(body.to_string()),
        };
        self.send(request).await
    }

    /// Keeps the answer; returns its JSON.
    async fn send(&self, request: RequestBuilder) -> Value {
        let response = request.send().await.unwrap();
        let head = format!("{} {:?}\n", response.status(), response.headers());
        let body = response.text().await.unwrap();
        writeln!(self.seen.lock().unwrap(), "{head}{body}").unwrap();
        serde_json::from_str(&body).unwrap_or_default()
    }

    async fn sim(&self, method: &str, path: &str, body: Value) {
        let (status, answer) = self.simulator.control(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a caller that knows the gateway speaks HTTP/2")]
fn http2() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap()
}

/// What an output has given so far, and the task that reads it.
type Collected = (Arc<Mutex<Vec<u8>>>, JoinHandle<()>);

/// Reads an output to its end, so that the program never waits for its reader.
fn collect(mut output: impl AsyncRead + Send + Unpin + 'static) -> Collected {
    let all = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&all);
    let task = tokio::spawn(async move {
        let mut part = vec![0; 64 * 1024];
        while let Ok(read) = output.read(&mut part).await
            && read > 0
        {
            kept.lock().unwrap().extend_from_slice(&part[..read]);
        }
    });
    (all, task)
}

/// Runs a command on a configuration that it must refuse; returns what it says.
async fn run(arguments: &[&str], config: &Path) -> String {
    let command = Command::new(env!("CARGO_BIN_EXE_cwsgate"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_mins(1), command).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).unwrap()
}

const MACHINE: &str = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL";
const SERVER_SECRET: &str = "CANARY-server-secret-0123456789abcdefghijklmnopqr";
const ADMIN_CREDENTIAL: &str = "Basic Q0FOQVJZOmFkbWluLXBhc3N3b3Jk";
const ACCESS_TOKEN: &str = "CANARY-azure-access-token";
const WRONG_PASSWORD: &str = "CANARY-not-the-password-1";
const ROTATED: &str = "CANARY-rotated-client-secret";
