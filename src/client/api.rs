use std::{collections::HashMap, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use super::{Error, Events};
use crate::{
    domain::is_loopback,
    net::{self, ClientOptions},
};

/// A gateway and the key that opens it.
#[derive(Clone, Debug)]
pub struct Api {
    client: reqwest::Client,
    base: Url,
    key: SecretString,
}

/// What a gateway said of a request that it did not carry out (RFC 9457).
#[derive(Clone, Debug, Deserialize)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The stable name of the problem.
    pub code: String,
    /// What happened.
    pub detail: String,
    /// What to do now.
    pub fix: String,
    /// The places of the request that are wrong.
    #[serde(default)]
    pub errors: Vec<Fault>,
    /// What could not be read, where that is why.
    #[serde(default, rename = "sources", deserialize_with = "left_out")]
    pub left_out: Vec<LeftOut>,
}

/// A place of a request that is wrong.
#[derive(Clone, Debug, Deserialize)]
pub struct Fault {
    /// Where (RFC 6901).
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

/// A customer or site that was not read.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// The gateway's name of the customer.
    pub customer: String,
    /// The site, where it is about one.
    pub site_id: Option<String>,
    /// The stable name of the problem.
    pub code: String,
    /// What happened.
    pub detail: String,
}

/// What an operation would do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What it would act on.
    pub targets: Vec<Target>,
    /// What it would leave alone.
    pub skipped: Vec<Skipped>,
    /// Names the plan.
    pub digest: String,
    /// What could not be read, so that nothing of it is planned.
    #[serde(default, rename = "sources", deserialize_with = "left_out")]
    pub left_out: Vec<LeftOut>,
}

/// A machine.
#[derive(Clone, Debug, Deserialize)]
pub struct Target {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// A machine that is left alone.
#[derive(Clone, Debug, Deserialize)]
pub struct Skipped {
    /// Which.
    #[serde(flatten)]
    pub target: Target,
    /// Why, such as `has 2 sessions`.
    pub detail: String,
}

/// An operation as it stands.
#[derive(Clone, Debug, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// Its path.
    #[serde(rename = "self")]
    pub path: String,
    /// How it stands.
    pub state: String,
    /// How many items are in which state.
    pub counts: HashMap<String, u64>,
    /// What planning found.
    pub plan: PlanSummary,
}

/// What planning found.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanSummary {
    /// What could not be read, so that nothing of it was planned.
    pub left_out: Vec<LeftOut>,
}

/// One item of an operation.
#[derive(Clone, Debug, Deserialize)]
pub struct Item {
    /// Its place in the operation.
    pub index: i64,
    /// Its machine.
    pub target: Target,
    /// How it stands.
    pub state: String,
    /// What happened.
    pub message: Option<String>,
}

#[derive(Deserialize)]
struct PlanAnswer {
    plan: Plan,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemList {
    items: Vec<Item>,
    next_page_token: Option<String>,
}

impl Api {
    /// The gateway at `base`, such as `https://gateway.example`.
    ///
    /// # Errors
    /// When a key would go over the network in the clear.
    pub fn new(base: Url, key: SecretString) -> Result<Self, Error> {
        match base.scheme() {
            "https" => {}
            "http" if base.host().is_some_and(|host| is_loopback(&host)) => {}
            "http" => return Err(net::Error::PlainHttp(base.to_string()).into()),
            _ => return Err(net::Error::InvalidUrl(base.to_string()).into()),
        }
        let client =
            net::client(&ClientOptions { system_proxy: true, ..ClientOptions::default() })?;
        Ok(Self { client, base, key })
    }

    /// The address of a path on the gateway.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// What `request` would do.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn plan(&self, request: &Value) -> Result<Plan, Error> {
        let mut request = request.clone();
        request["dryRun"] = Value::Bool(true);
        Ok(self.post::<PlanAnswer>("/v1/operations", &request, None).await?.plan)
    }

    /// Starts an operation. With the same key it starts no second one, so that a request whose
    /// answer was lost is simply sent again.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start(&self, request: &Value, key: &str) -> Result<Operation, Error> {
        let mut tries = 1;
        loop {
            match self.post("/v1/operations", request, Some(key)).await {
                Err(Error::Unreachable(_)) if tries < TRIES => {}
                done => return done,
            }
            tokio::time::sleep(PAUSE * tries).await;
            tries += 1;
        }
    }

    /// An operation as it stands.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn operation(&self, path: &str) -> Result<Operation, Error> {
        self.get(path).await
    }

    /// Every item of an operation.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn items(&self, path: &str) -> Result<Vec<Item>, Error> {
        let mut all = Vec::new();
        let mut page = format!("{path}/items?pageSize=1000");
        loop {
            let list: ItemList = self.get(&page).await?;
            all.extend(list.items);
            match list.next_page_token {
                Some(token) => page = format!("{path}/items?pageSize=1000&pageToken={token}"),
                None => return Ok(all),
            }
        }
    }

    /// What happens to an operation after the event with that id.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn events(&self, path: &str, after: i64) -> Result<Events, Error> {
        let request = self.client.get(self.url(&format!("{path}/events")));
        let request = request.header("accept", "text/event-stream");
        let request = request.header("last-event-id", after.to_string());
        let response = request.bearer_auth(self.key.expose_secret()).send().await?;
        if response.status().is_success() {
            return Ok(Events::new(response));
        }
        Err(refusal(response).await)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let request = self.client.get(self.url(path)).timeout(PATIENCE);
        read(request.bearer_auth(self.key.expose_secret()).send().await?).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        key: Option<&str>,
    ) -> Result<T, Error> {
        let request = self.client.post(self.url(path)).timeout(PATIENCE);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        read(request.bearer_auth(self.key.expose_secret()).send().await?).await
    }
}

async fn read<T: DeserializeOwned>(response: reqwest::Response) -> Result<T, Error> {
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    let body = response.bytes().await?;
    serde_json::from_slice(&body).map_err(|_| Error::Unreadable)
}

async fn refusal(response: reqwest::Response) -> Error {
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap_or_default();
    match serde_json::from_slice(&body) {
        Ok(refusal) => Error::Refused(refusal),
        Err(_) => Error::NotAGateway(status),
    }
}

/// Those of all sources that have a problem.
fn left_out<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LeftOut>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Source {
        customer: String,
        site_id: Option<String>,
        problem: Option<Problem>,
    }
    #[derive(Deserialize)]
    struct Problem {
        code: String,
        detail: String,
    }
    let sources = Vec::<Source>::deserialize(deserializer)?;
    let left_out = sources.into_iter().filter_map(|source| {
        let Source { customer, site_id, problem } = source;
        let Problem { code, detail } = problem?;
        Some(LeftOut { customer, site_id, code, detail })
    });
    Ok(left_out.collect())
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(90);
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);
