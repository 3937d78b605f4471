//! StoreFront stores: what they list, who may ask as whom, and a power-off that is sent once and
//! means exactly what the store said.

mod access;
mod documents;
mod grants;
mod listing;
mod power_off;
mod trouble;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Gateway, Reply};

/// A desktop that a store lists, as the gateway shows it.
struct Desktop {
    store: &'static str,
    /// Path of the resource on the gateway.
    path: String,
    /// The store's own id.
    id: String,
}

impl Desktop {
    /// The desktop of this name, as the store's service account sees it.
    async fn of(gateway: &Gateway, store: &'static str, name: &str) -> Self {
        let list = gateway.get(&format!("/v1/stores/{store}/resources")).await.ok(200);
        Self::in_list(store, &list, name)
    }

    #[track_caller]
    fn in_list(store: &'static str, list: &Value, name: &str) -> Self {
        let items = list["items"].as_array().unwrap();
        let found = items.iter().find(|item| item["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name}: {list}"));
        let text = |property: &str| found[property].as_str().unwrap().to_owned();
        Self { store, path: text("self"), id: text("storeFrontId") }
    }

    async fn power_off(&self, gateway: &Gateway) -> Reply {
        gateway.post(&format!("{}/actions/power-off", self.path), Value::Null).await
    }

    /// The request, to be changed before it is sent.
    fn request(&self, gateway: &Gateway) -> RequestBuilder {
        gateway.request(Method::POST, &format!("{}/actions/power-off", self.path))
    }

    /// Changes the resource in the simulator.
    async fn change(&self, gateway: &Gateway, change: Value) {
        let id = percent(&self.id);
        let path = format!("/_sim/stores/{}/resources/{id}", self.store);
        gateway.sim("PATCH", &path, change).await;
    }

    /// Says how the next power-off is answered.
    async fn answers(&self, gateway: &Gateway, answer: Value) {
        self.change(gateway, json!({ "powerOff": answer })).await;
    }

    /// How often the store got a power-off of it, and how often that switched it off.
    async fn posts(&self, gateway: &Gateway) -> (u64, u64) {
        let counters = counters(gateway, self.store).await;
        let own = &counters["resources"][&self.id];
        let count = |which: &str| own[which].as_u64().unwrap_or(0);
        (count("powerOffPosts"), count("powerOffsApplied"))
    }
}

/// What the simulator counted at a store.
async fn counters(gateway: &Gateway, store: &str) -> Value {
    gateway.sim("GET", "/_sim/counters", Value::Null).await["stores"][store].clone()
}

async fn password_checks(gateway: &Gateway, store: &str) -> u64 {
    counters(gateway, store).await["passwordChecks"].as_u64().unwrap()
}

/// Changes a store in the simulator.
async fn change_store(gateway: &Gateway, store: &str, change: Value) {
    gateway.sim("PATCH", &format!("/_sim/stores/{store}"), change).await;
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A desktop of the store `hq` that can be switched off.
const KIOSK: &str = "Kiosk";
