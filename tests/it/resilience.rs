//! What keeps callers and customers from hurting each other, over HTTP.

mod calls;
mod neighbours;
mod quotas;
mod sites;

use crate::support::Gateway;

/// A gateway that has a token of acme's and knows its site.
async fn warm(settings: &str) -> Gateway {
    let gateway = Gateway::builder().settings(settings).start().await;
    gateway.get(MACHINE).await.ok(200);
    gateway
}

/// Reads of the machine that the simulator has had.
async fn reads(gateway: &Gateway) -> usize {
    let asked = gateway.asked("service=daas&method=GET").await;
    asked.iter().filter(|request| request["path"].as_str().unwrap().contains("/Machines/")).count()
}

const MACHINE: &str = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL";
