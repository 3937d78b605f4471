//! A store over loopback, the way a client of the Store Services API uses it.

mod enumeration;
mod forms;
mod hostile;
mod power_off;
mod sign_in;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::SimulatedStore;
use super::*;

/// A simulator and one of its stores.
struct Shop {
    simulator: Simulator,
    http: reqwest::Client,
    store: SimulatedStore,
}

impl Shop {
    /// The demo's store of this name, the clock stopped.
    async fn demo(name: &str) -> Self {
        let start_time = Timestamp::from_second(1_792_048_910).ok();
        let options = Options { frozen_clock: true, start_time, ..Options::default() };
        let simulator = Simulator::start(options).await.expect("loopback ports are free");
        let store = simulator.store(name).expect("the demo has it");
        Self { simulator, http: client(), store }
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.simulator.control(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {value}");
        value
    }

    async fn change_resource(&self, id: &str, change: Value) -> Value {
        let path = format!("/_sim/stores/{}/resources/{}", self.store.name, encoded(id));
        self.control("PATCH", &path, change).await
    }

    async fn counters(&self) -> Value {
        let all = self.control("GET", "/_sim/counters", Value::Null).await;
        all["stores"][&self.store.name].clone()
    }

    fn password(&self, user: &str) -> String {
        let found = self.store.users.iter().find(|(name, _)| name == user);
        found.expect("a user").1.expose_secret().to_owned()
    }

    /// The list's URL, taken from the endpoints document.
    async fn list_url(&self) -> String {
        let answer = send(self.http.get(format!("{}/endpoints/v1", self.store.url))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let endpoint = between(&answer.text, "id=\"ListResources\"", "</endpoint>");
        between(&endpoint, "<url>", "</url>")
    }

    /// A GET of the list, with a token or without.
    async fn list(&self, token: Option<&str>, query: &str) -> Answer {
        let request = self.http.get(format!("{}{query}", self.list_url().await));
        send(with_token(request, token).header("accept", RESOURCES)).await
    }

    /// A token request to `location` for what a challenge is about.
    fn ask(&self, location: &str, challenge: &Challenge) -> RequestBuilder {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><requesttoken xmlns=\"http://citrix.com/\
             delivery-services/1-0/auth/requesttoken\"><for-service>{}</for-service>\
             <for-service-url>\n{}\n</for-service-url><reqtokentemplate /></requesttoken>",
            challenge.realm, challenge.root
        );
        let request = self.http.post(location).body(body);
        request.header("content-type", "application/vnd.citrix.requesttoken+xml")
    }

    /// Both challenges: the store's, then the token service's.
    async fn challenges(&self) -> (Challenge, Challenge) {
        let store = Challenge::of(&self.list(None, "").await);
        let auth = send(self.ask(&store.location, &store)).await;
        (store, Challenge::of(&auth))
    }

    /// The location of a protocol in the choices.
    async fn choice(&self, auth: &Challenge, protocol: &str) -> Option<String> {
        let choices = send(self.ask(&auth.location, auth)).await;
        assert_eq!((choices.status, choices.header("location")), (300, None), "{choices:?}");
        let choice = choices
            .text
            .split("<choice>")
            .find(|choice| choice.contains(&format!("<protocol>{protocol}</protocol>")))?;
        Some(between(choice, "<location>", "</location>").trim().to_owned())
    }

    /// A primary token by HTTP Basic; the answer itself when there is none.
    async fn basic(&self, user: &str, password: &str) -> Result<String, Answer> {
        let (_, auth) = self.challenges().await;
        let location = self.choice(&auth, "HttpBasic").await.expect("it is offered");
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        let request = self.ask(&location, &auth);
        let answer = send(request.header("authorization", format!("Basic {credentials}"))).await;
        if answer.status == 200 { Ok(token(&answer)) } else { Err(answer) }
    }

    /// A service token for a primary one.
    async fn service_token(&self, primary: &str) -> Answer {
        let (store, _) = self.challenges().await;
        send(with_token(self.ask(&store.location, &store), Some(primary))).await
    }

    /// A service token of the service account, or of somebody else, by HTTP Basic.
    async fn sign_in(&self, user: &str) -> String {
        let primary = self.basic(user, &self.password(user)).await.expect("a primary token");
        token(&self.service_token(&primary).await)
    }

    /// The power-off link of a resource, as a browser would complete it.
    async fn link(&self, token: &str, id: &str) -> Option<String> {
        let list = self.list(Some(token), "").await;
        let start = format!("<id>{id}</id>");
        let resource = list.text.split("<resource>").find(|text| text.starts_with(&start))?;
        let link = resource.split_once("<machinepoweroff><url>")?.1.split_once('<')?.0;
        let link = link.replace("&amp;", "&");
        Some(self.store.url.join(&link).expect("a link").to_string())
    }

    /// Follows a power-off link.
    async fn power_off(&self, token: &str, link: &str) -> Answer {
        send(self.power_off_request(token, link)).await
    }

    fn power_off_request(&self, token: &str, link: &str) -> RequestBuilder {
        with_token(self.http.post(link), Some(token))
            .header("accept", "application/vnd.citrix.machinepoweroff+xml")
            .header("content-type", "application/vnd.citrix.machinepoweroffparams+xml")
            .body(PARAMS)
    }
}

/// A read challenge.
#[derive(Debug)]
struct Challenge {
    realm: String,
    reason: String,
    location: String,
    root: String,
}

impl Challenge {
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 401, "{answer:?}");
        let line = answer.header("www-authenticate").expect("a challenge");
        assert!(line.starts_with("CitrixAuth realm=\""), "{line}");
        let value = |name: &str| between(line, &format!(" {name}=\""), "\"");
        Self {
            realm: value("realm"),
            reason: value("reason"),
            location: value("locations"),
            root: value("serviceroot-hint"),
        }
    }
}

fn with_token(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.header("authorization", format!("CitrixAuth {token}")),
        None => request,
    }
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    between(&answer.text, "<token>", "</token>")
}

fn between(text: &str, start: &str, end: &str) -> String {
    let from = text.find(start).unwrap_or_else(|| panic!("no {start} in {text}")) + start.len();
    let to = text[from..].find(end).unwrap_or_else(|| panic!("no {end} in {text}"));
    text[from..from + to].to_owned()
}

fn encoded(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}

const KIOSK: &str = "DEMOLAB\\kiosk";
const MIRA: &str = "DEMOLAB\\mira";
const RESOURCES: &str = "application/vnd.citrix.resources+xml";
const PARAMS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><machinepoweroffparams \
                      xmlns=\"http://citrix.com/delivery-services/1-0/machinepoweroffparams\">\
                      <clientName>gw-01</clientName></machinepoweroffparams>";
