//! What the tests of this room share: a customer, and a stub that speaks HTTP on loopback and
//! remembers every byte it was sent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use url::Url;

use super::{NoObserver, Upstream};
use crate::{
    config::{
        BreakerSettings, ClientSecret, CooldownSettings, Customer, Region, ResilienceSettings,
        RetrySettings, SlotSettings, TokenForm, TokenSettings, UpstreamSettings,
    },
    domain::{
        AppName, AuthMethod, CallContext, Clock, CustomerId, CustomerName, Principal, RegionName,
        RequestId, SiteId,
    },
};

/// The client secret of every customer here: needs encoding in a form, and is easy to search for.
pub(super) const SECRET: &str = "canary+secret/7f3a==";
/// The token of the stub: easy to search for.
pub(super) const TOKEN: &str = "canary-token-9c41";
pub(super) const TRANSACTION: &str = "01980000-0000-7000-8000-000000000001";

/// Always the same moment.
#[derive(Debug)]
pub(super) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }
}

pub(super) fn settings() -> UpstreamSettings {
    UpstreamSettings {
        connect_timeout: Duration::from_secs(3),
        read_timeout: Duration::from_secs(10),
        max_body_bytes: 64 * 1024,
        max_fanout: 64,
        job_poll_min: Duration::from_millis(1),
        job_poll_max: Duration::from_millis(4),
        token: TokenSettings {
            mint_timeout: Duration::from_secs(10),
            refresh_at: 0.8,
            default_life: Duration::from_mins(5),
            margin: Duration::from_mins(1),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_mins(1),
            quarantine_probe: Duration::from_mins(15),
            rejected_pause: Duration::from_secs(30),
        },
        hibernated_recheck: Duration::from_mins(15),
        resilience: ResilienceSettings {
            retry: RetrySettings { max_attempts: 1, ..resilience().retry },
            ..resilience()
        },
    }
}

/// As the manual has it.
pub(super) fn resilience() -> ResilienceSettings {
    ResilienceSettings {
        retry: RetrySettings {
            max_attempts: 4,
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(10),
            budget_share: 0.2,
            budget_floor: 3,
        },
        cooldown: CooldownSettings {
            without_hint: Duration::from_secs(30),
            longest: Duration::from_mins(5),
        },
        slots: SlotSettings {
            in_flight: 64,
            bulk: 32,
            max_queue: 2000,
            max_queue_time: Duration::from_secs(20),
        },
        breaker: BreakerSettings {
            consecutive_failures: 5,
            window: Duration::from_secs(30),
            min_samples: 20,
            min_success: 0.5,
            open_min: Duration::from_secs(5),
            open_max: Duration::from_secs(15),
            region_customers: 3,
        },
    }
}

pub(super) fn customer(name: &str) -> Arc<Customer> {
    Arc::new(Customer {
        name: CustomerName::try_from(name).unwrap(),
        id: CustomerId::try_from(format!("{name}1024xyz")).unwrap(),
        display_name: name.to_owned(),
        region: RegionName::try_from("us").unwrap(),
        labels: Vec::new(),
        client_id: format!("client-of-{name}"),
        client_secrets: vec![ClientSecret {
            secret: SecretString::from(SECRET),
            version: "0123456789abcdef".to_owned(),
            expires: None,
        }],
    })
}

pub(super) fn site() -> SiteId {
    SiteId::try_from("5d1e0000-0000-4000-8000-00000000517e").unwrap()
}

/// A call with half a minute to go.
pub(super) fn context() -> CallContext {
    context_for(Duration::from_secs(30))
}

pub(super) fn context_for(time: Duration) -> CallContext {
    let principal = Principal {
        app: AppName::try_from("test").unwrap(),
        method: AuthMethod::UnsafeAnonymous,
        subject: None,
    };
    let id = RequestId::from_caller(TRANSACTION).unwrap();
    CallContext::new(Arc::new(principal), Instant::now() + time, id)
}

pub(super) fn regions(base: &str, form: TokenForm) -> BTreeMap<RegionName, Region> {
    let name = RegionName::try_from("us").unwrap();
    let url = |path: &str| Url::parse(&format!("{base}{path}")).unwrap();
    let region = Region {
        name: name.clone(),
        api: url(""),
        token: base.to_owned(),
        token_form: form,
        daas: Some(format!("{base}/cvad/manage")),
        registry: url("/registry"),
        core: url("/core"),
        notifications: url("/notifications-host"),
    };
    BTreeMap::from([(name, region)])
}

/// How the stub answers a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// With these bytes.
    Bytes(Vec<u8>),
    /// With these bytes, and by closing the connection then.
    Cut(Vec<u8>),
    /// By closing the connection once the request was read.
    Close,
    /// Never.
    Silence,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) head: String,
    pub(super) body: String,
}

impl Seen {
    /// The request line and the sorted headers, without those that depend on the port.
    pub(super) fn normalised(&self) -> String {
        let mut lines = self.head.lines();
        let first = lines.next().unwrap_or_default();
        let mut headers: Vec<_> =
            lines.filter(|line| !line.is_empty() && !line.starts_with("host:")).collect();
        headers.sort_unstable();
        format!("{first}\n{}\n\n{}", headers.join("\n"), self.body)
    }

    pub(super) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn is_token_request(&self) -> bool {
        self.line().contains("/tokens/clients")
    }
}

/// Answers token requests with a good token and everything else from a script; past its end the
/// last answer is repeated.
#[derive(Debug)]
pub(super) struct Stub {
    pub(super) base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Stub {
    pub(super) async fn start(answers: Vec<Answer>) -> Self {
        Self::with_tokens(vec![good_token()], answers).await
    }

    pub(super) async fn with_tokens(tokens: Vec<Answer>, answers: Vec<Answer>) -> Self {
        let (tokens, answers) = (Arc::new(tokens), Arc::new(answers));
        Self::serving(Script::Listed { tokens, answers }).await
    }

    /// Answers everything as it is told to.
    pub(super) async fn answering(
        handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::serving(Script::Told(Arc::new(handler))).await
    }

    async fn serving(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, script) = (Arc::clone(&log), script.clone());
                tokio::spawn(Connection { stream, seen, script }.serve());
            }
        });
        Self { base, seen }
    }

    pub(super) fn upstream(&self) -> Upstream {
        self.upstream_with(TokenForm::OAuth2, &settings())
    }

    pub(super) fn upstream_with(&self, form: TokenForm, settings: &UpstreamSettings) -> Upstream {
        let regions = regions(&self.base, form);
        Upstream::new(&regions, settings, Arc::new(FixedClock), Arc::new(NoObserver)).unwrap()
    }

    /// What was asked apart from tokens.
    pub(super) fn calls(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| !seen.is_token_request()).cloned().collect()
    }

    pub(super) fn token_requests(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.is_token_request()).cloned().collect()
    }
}

struct Connection {
    stream: TcpStream,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Script,
}

/// What a stub answers.
#[derive(Clone)]
enum Script {
    /// Token requests and everything else from a list each.
    Listed { tokens: Arc<Vec<Answer>>, answers: Arc<Vec<Answer>> },
    /// Whatever this says.
    Told(Arc<dyn Fn(&Seen) -> Answer + Send + Sync>),
}

impl Connection {
    async fn serve(mut self) {
        let mut buffer = Vec::new();
        while let Some(request) = self.read(&mut buffer).await {
            match self.next_answer(request) {
                Answer::Bytes(bytes) => {
                    if self.stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Answer::Cut(bytes) => {
                    // What counts is that the connection is closed.
                    let _ = self.stream.write_all(&bytes).await;
                    return;
                }
                Answer::Close => return,
                Answer::Silence => std::future::pending::<()>().await,
            }
        }
    }

    fn next_answer(&self, request: Seen) -> Answer {
        let (tokens, answers) = match &self.script {
            Script::Listed { tokens, answers } => (tokens, answers),
            Script::Told(handler) => {
                self.seen.lock().unwrap().push(request.clone());
                return handler(&request);
            }
        };
        let mut seen = self.seen.lock().unwrap();
        let is_token = request.is_token_request();
        let before = seen.iter().filter(|seen| seen.is_token_request() == is_token).count();
        seen.push(request);
        let script = if is_token { tokens } else { answers };
        script.get(before).or(script.last()).cloned().unwrap_or(Answer::Close)
    }

    async fn read(&mut self, buffer: &mut Vec<u8>) -> Option<Seen> {
        loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
                let mut request = Seen { head, body: String::new() };
                let length = request.header("content-length").map_or(0, |n| n.parse().unwrap());
                let total = end + 4 + length;
                if buffer.len() >= total {
                    request.body = String::from_utf8(buffer[end + 4..total].to_vec()).unwrap();
                    buffer.drain(..total);
                    return Some(request);
                }
            }
            if self.stream.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        }
    }
}

/// A JSON answer.
pub(super) fn json(status: u16, body: &str) -> Answer {
    with_headers(status, "Content-Type: application/json\r\n", body)
}

/// An answer with further header lines, each ending in CR LF.
pub(super) fn with_headers(status: u16, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {length}\r\n\r\n");
    Answer::Bytes(format!("{head}{body}").into_bytes())
}

/// An answer without a body: 204 has no length either.
pub(super) fn no_content() -> Answer {
    Answer::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())
}

/// A token as Citrix sends it: white space around the body, the life as a string.
pub(super) fn good_token() -> Answer {
    let body = format!(
        "\n\n    {{ \"token_type\": \"bearer\", \"access_token\": \"{TOKEN}\", \"expires_in\": \"3600\" }}\n  "
    );
    json(200, &body)
}
