//! Identity providers in trouble: whoever has a key of the gateway's own notices nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

use super::{Bench, assert_logged, elsewhere};
use crate::support::{Reply, Signer, write};

/// What the provider does once it has read a request.
#[derive(Clone, Copy)]
enum Trouble {
    Hang,
    Reset,
    /// Sends this and closes.
    Says(&'static str),
    /// Sends a byte now and then of an answer that is promised to be longer.
    Drips,
    /// Sends 64 MiB.
    Floods,
}

/// A provider of which only its trouble is known.
struct Provider {
    url: String,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Provider {
    async fn start(trouble: Trouble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::<AtomicUsize>::default();
        let serving = tokio::spawn({
            let asked = Arc::clone(&asked);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    asked.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(trouble.act(stream));
                }
            }
        });
        Self { url, asked, serving }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Trouble {
    async fn act(self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.is_ok_and(|read| read == 0) {
                return;
            }
        }
        match self {
            Self::Hang => sleep(Duration::from_hours(1)).await,
            Self::Reset => stream.set_zero_linger().unwrap(),
            Self::Says(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Self::Drips => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
                while stream.write_all(b" ").await.is_ok() {
                    sleep(Duration::from_millis(200)).await;
                }
            }
            Self::Floods => {
                let size = 64 << 20;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                let piece = vec![b' '; 1 << 16];
                for _ in 0..size / piece.len() {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Where the trouble is: the document that says where the keys are, or the keys.
#[derive(Clone, Copy, Debug)]
enum At {
    Discovery,
    Keys,
}

/// An issuer, and an app that its tokens stand for.
fn settings(issuer: &str, keys: Option<&str>) -> String {
    let keys = keys.map(|url| format!("jwks_url = {url:?}\n")).unwrap_or_default();
    format!(
        "[issuers.corp]\nissuer = {issuer:?}\naudience = [\"cwsgate\"]\nalgorithms = [\"ES256\"]\n\
         {keys}[apps.desk]\nsubject = {{ issuer = \"corp\", claim = \"azp\", value = \"desk\" }}\n\
         grants = [{{ actions = [\"read\"], customers = [\"*\"] }}]\n"
    )
}

async fn check(at: At, trouble: Trouble, logged: &str) {
    let provider = Provider::start(trouble).await;
    let issuer = match at {
        At::Discovery => provider.url.as_str(),
        At::Keys => ISSUER,
    };
    let keys = matches!(at, At::Keys).then(|| format!("{}keys", provider.url));
    let bench = Bench::start(&settings(issuer, keys.as_deref()), &[]).await;
    is_told(bench, issuer, &[logged]).await;
    assert!(provider.asked.load(Ordering::SeqCst) > 0);
}

async fn check_elsewhere(host: elsewhere::Host) {
    let somebody = elsewhere::Elsewhere::start(host).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = write(folder.path(), "authority.pem", &somebody.authority);
    let keys = format!("{}/keys", somebody.url);
    let settings = settings(ISSUER, Some(&keys));
    let bench = Bench::start(&settings, &[("SSL_CERT_FILE", &authority)]).await;
    is_told(bench, ISSUER, host.logged()).await;
    assert_eq!(somebody.asked() > 0, host == elsewhere::Host::Good);
}

/// Whoever comes with a token of the issuer is told to come back, and nobody else is.
async fn is_told(bench: Bench, issuer: &str, logged: &[&str]) {
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({ "iss": issuer, "aud": "cwsgate", "sub": "user-7", "azp": "desk",
        "iat": now, "exp": now + 3600 });
    let token = Signer::ec("key-1").token(&claims);
    let request = bench.client.get(format!("{}/v1/customers/acme/me", bench.address));
    let reply = Reply::read(request.bearer_auth(token).send().await.unwrap()).await;

    let problem = reply.problem(503, "identity_unavailable");
    assert_eq!(bench.asked("limit=1", "").await, 0, "nothing is asked for somebody unknown");
    bench.send("GET", "/v1/customers/acme/me").await.ok(200);
    let log = bench.log().await;
    assert_logged(&log, &problem, &[""]);
    let said = |line: &&serde_json::Value| line["message"] == "the keys of an issuer cannot be had";
    let line = log.iter().find(said).unwrap_or_else(|| panic!("{log:#?}"));
    let error = line["error"].as_str().unwrap();
    assert_eq!((&line["level"], &line["cwsgate.issuer"]), (&json!("WARN"), &json!("corp")));
    assert!(logged.iter().any(|part| error.contains(part)), "{error:?} lacks {logged:?}");
}

const ISSUER: &str = "https://login.example.test/";

macro_rules! rows {
    ($($name:ident: $at:ident, $trouble:expr => $logged:literal;)*) => { $(
        #[tokio::test]
        async fn $name() {
            check(At::$at, $trouble, $logged).await;
        }
    )* };
}

mod discovery {
    use super::*;

    rows! {
        hang: Discovery, Trouble::Hang => "no answer in time";
        reset: Discovery, Trouble::Reset => "the connection was lost";
        half_closed: Discovery, Trouble::Says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") => "the connection was lost";
        truncated: Discovery, Trouble::Says("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"issuer\":") => "the connection was lost";
        slow_body: Discovery, Trouble::Drips => "no answer in time";
        huge_body: Discovery, Trouble::Floods => "larger than";
        wrong_type: Discovery, Trouble::Says("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>") => "not what it should be";
        server_error: Discovery, Trouble::Says("HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n") => "status 500";
    }
}

mod keys {
    use super::*;

    rows! {
        hang: Keys, Trouble::Hang => "no answer in time";
        reset: Keys, Trouble::Reset => "the connection was lost";
        half_closed: Keys, Trouble::Says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") => "the connection was lost";
        truncated: Keys, Trouble::Says("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"keys\":[") => "the connection was lost";
        slow_body: Keys, Trouble::Drips => "no answer in time";
        huge_body: Keys, Trouble::Floods => "larger than";
        wrong_type: Keys, Trouble::Says("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>") => "not what it should be";
        server_error: Keys, Trouble::Says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") => "status 503";
    }

    mod elsewhere {
        use crate::faults::elsewhere::{Host, hosts};
        use crate::faults::identity::check_elsewhere as check;

        hosts! {
            untrusted: Untrusted; expired: Expired; another_name: OtherName;
            plain_text: PlainText; unknown_name: Unknown; and_a_good_one_is_asked: Good;
        }
    }
}
