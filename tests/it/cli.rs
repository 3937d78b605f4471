//! The command line, with the real program as a process of its own.

mod demo;
mod once;
mod serve;
mod simulate;

use crate::support::{Reply, run};

/// A key that works and the hash for the configuration.
pub(crate) async fn new_key() -> (String, String) {
    let made = run(&["key", "new", "--app", "tester", "--output", "json"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let made: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    (made["key"].as_str().unwrap().to_owned(), made["hash"].as_str().unwrap().to_owned())
}

/// Lines of configuration for both listeners on free ports of loopback.
pub(crate) const LISTENERS: &str = "[server]\nlisten = \"127.0.0.1:0\"\ndrain_delay = \"0s\"\n\
    [admin]\nlisten = \"127.0.0.1:0\"\n";

/// Lines for an app that may do everything a test needs.
pub(crate) fn app(hash: &str) -> String {
    format!(
        "[apps.tester]\nkeys = [\"{hash}\"]\n\
         grants = [{{ actions = [\"read\", \"power\"], customers = [\"*\"] }}]\n"
    )
}

pub(crate) async fn get(url: &str, key: &str) -> Reply {
    let client = cwsgate::net::client(&cwsgate::net::ClientOptions::default()).unwrap();
    let request = client.get(url);
    let request = if key.is_empty() { request } else { request.bearer_auth(key) };
    Reply::read(request.send().await.unwrap()).await
}
