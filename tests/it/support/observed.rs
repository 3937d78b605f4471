use serde_json::Value;

use super::Gateway;

/// What the simulator saw.
impl Gateway {
    /// Requests that the simulator has had so far, of every service.
    pub(crate) async fn total_asked(&self) -> u64 {
        let answer = self.sim("GET", "/_sim/requests?limit=1", Value::Null).await;
        answer["total"].as_u64().unwrap()
    }

    /// The requests that fit `filter`, such as `service=daas&method=POST`, oldest first.
    pub(crate) async fn asked(&self, filter: &str) -> Vec<Value> {
        let path = format!("/_sim/requests?limit=5000&{filter}");
        let answer = self.sim("GET", &path, Value::Null).await;
        answer["requests"].as_array().unwrap().iter().rev().cloned().collect()
    }

    /// What the simulator was asked to write in DaaS, oldest first: searches read.
    pub(crate) async fn writes(&self) -> Vec<Value> {
        let mut all = self.asked("service=daas").await;
        all.retain(|request| {
            request["method"] != "GET" && !request["path"].as_str().unwrap().ends_with("/$search")
        });
        all
    }

    /// Token requests of a customer.
    pub(crate) async fn tokens_asked(&self, customer: &str) -> usize {
        self.asked(&format!("service=token&customer={customer}")).await.len()
    }

    /// A machine as the simulator has it.
    pub(crate) async fn simulated(&self, customer: &str, machine: &str) -> Value {
        self.sim("GET", &format!("/_sim/machines/{customer}/{machine}"), Value::Null).await
    }

    /// How often the simulator was asked for a power action on a machine and began it.
    pub(crate) async fn power_counts(&self, machine: &str, action: &str) -> (u64, u64) {
        let counters = self.sim("GET", "/_sim/counters", Value::Null).await;
        let machines = counters["powerActions"].as_object().unwrap();
        let counted = machines.values().find(|entry| entry["name"] == machine);
        let count = |which: &str| {
            counted.map_or(0, |entry| entry["actions"][action][which].as_u64().unwrap_or(0))
        };
        (count("requests"), count("applied"))
    }
}
