//! Drives a started simulator over loopback, the way a client does.

mod control;
mod daas;
mod faults;
mod lists;
mod platform;
mod power;
mod regions;
mod search;
mod sessions;
mod storefront;
mod tokens;

use jiff::Timestamp;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Options, Scenario, SimulatedCustomer, Simulator};

/// A simulator and a client signed in as one of its customers.
struct Lab {
    simulator: Simulator,
    http: reqwest::Client,
    customer: SimulatedCustomer,
    base: String,
    token: String,
}

/// A read answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Lab {
    /// The demo, signed in as acme, the clock stopped.
    async fn demo() -> Self {
        Self::of(Scenario::demo(), "acme").await
    }

    async fn of(scenario: Scenario, customer: &str) -> Self {
        let start_time = Timestamp::from_second(1_792_048_910).ok();
        let options = Options { frozen_clock: true, start_time, ..Options::new(scenario) };
        let simulator = Simulator::start(options).await.expect("loopback ports are free");
        let customer = simulator.customer(customer).expect("the scenario has it");
        let base = simulator.region(&customer.region).expect("its region");
        let base = base.as_str().trim_end_matches('/').to_owned();
        let mut lab = Self { simulator, http: client(), customer, base, token: String::new() };
        lab.token = lab.sign_in().await;
        lab
    }

    async fn sign_in(&self) -> String {
        let answer = self.ask_token(self.customer.client_secret.expose_secret()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().expect("a token").to_owned()
    }

    async fn ask_token(&self, secret: &str) -> Answer {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.customer.client_id),
            ("client_secret", secret),
        ];
        let url = format!("{}/cctrustoauth2/root/tokens/clients", self.base);
        send(self.http.post(url).form(&form)).await
    }

    /// A request with nothing but a method and a path.
    fn bare(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// The same with the headers of the gateway's services.
    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.bare(method, path)
            .header("authorization", format!("CwsAuth Bearer={}", self.token))
            .header("accept", "application/json")
            .header("citrix-customerid", &self.customer.id)
            .header("citrix-instanceid", &self.customer.site_id)
    }

    /// Asks DaaS; `path` is what follows `/cvad/manage`.
    async fn daas(&self, method: &str, path: &str) -> Answer {
        send(self.request(method, &format!("/cvad/manage{path}"))).await
    }

    async fn daas_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = self.request(method, &format!("/cvad/manage{path}"));
        send(request.header("content-type", "application/json").body(body.to_string())).await
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.simulator.control(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {value}");
        value
    }

    async fn advance(&self, by: &str) {
        self.control("POST", "/_sim/time", json!({ "advance": by })).await;
    }

    /// A machine by its host name in the customer's first domain.
    async fn machine(&self, name: &str) -> Value {
        let answer = self.daas("GET", &format!("/Machines/{}", name.replace('\\', "%7C"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a whole body");
    Answer { status, headers, text }
}

#[expect(clippy::disallowed_methods, reason = "a plain client for loopback, apart from `net`")]
fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}
