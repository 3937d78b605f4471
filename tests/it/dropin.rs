//! Citrix's own paths: what is passed on, what is refused, and what neither side may see.

mod batch;
mod grants;
mod leaks;
mod passing;
mod quotas;
mod record;
mod refusals;
mod stub;
mod trouble;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::support::{Gateway, Reply};

/// A call for a customer of the demo, in the site that it has.
async fn call(gateway: &Gateway, method: &str, path: &str) -> Reply {
    gateway.send(request(gateway, method, path)).await
}

fn request(gateway: &Gateway, method: &str, path: &str) -> RequestBuilder {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let site = site(gateway, "acme");
    gateway
        .bare(method, path)
        .header("authorization", format!("CwsAuth Bearer={}", gateway.key))
        .header("citrix-customerid", ACME)
        .header("citrix-instanceid", site)
}

/// The id of a customer's site.
fn site(gateway: &Gateway, customer: &str) -> String {
    gateway.simulator.customer(customer).unwrap().site_id
}

/// The id of a machine of a customer.
async fn machine(gateway: &Gateway, customer: &str, name: &str) -> String {
    gateway.simulated(customer, name).await["id"].as_str().unwrap().to_owned()
}

/// What the simulator was asked on a path, without what was asked to prepare the test.
async fn asked_on(gateway: &Gateway, part: &str) -> Vec<Value> {
    let mut all = gateway.asked("after=0").await;
    all.retain(|request| request["path"].as_str().unwrap().contains(part));
    all
}

/// The headers of a request at the simulator, sorted by name.
fn headers(request: &Value) -> Vec<(String, String)> {
    let headers = request["headers"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<_> = headers.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
    all.sort();
    all
}

const ACME: &str = "abcd1024xyz";
