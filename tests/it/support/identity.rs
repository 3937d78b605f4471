use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use axum::{
    Json, Router,
    http::header::CONNECTION,
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// An identity provider on loopback. Signs without the library that the gateway checks with.
/// Dropping it stops it.
pub(crate) struct IdentityProvider {
    pub(crate) address: SocketAddr,
    /// The key that it signs with.
    pub(crate) signer: Signer,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// A private key.
pub(crate) enum Signer {
    Ec { id: String, pair: Box<EcdsaKeyPair> },
    Rsa { id: String, pair: Box<RsaKeyPair> },
}

#[derive(Default)]
struct Shared {
    issuer: String,
    keys: Mutex<Vec<Value>>,
    /// Answered in place of the documents, by path.
    instead: Mutex<Option<(&'static str, Instead)>>,
    fetches: AtomicUsize,
}

/// Another answer than the document.
#[derive(Clone)]
pub(crate) enum Instead {
    Json(Value),
    Redirect(String),
    Bytes(usize),
}

impl IdentityProvider {
    /// One with a key for ES256.
    pub(crate) async fn start() -> Self {
        Self::start_with(Signer::ec("key-1")).await
    }

    pub(crate) async fn start_with(signer: Signer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = format!("http://{address}/");
        let keys = Mutex::new(vec![signer.jwk()]);
        let shared = Arc::new(Shared { issuer, keys, ..Shared::default() });
        let serving = serve(listener, Arc::clone(&shared));
        Self { address, signer, shared, serving }
    }

    /// Its `iss`.
    pub(crate) fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// The configuration of it as an issuer, and of three apps that its tokens stand for.
    pub(crate) fn settings(&self, name: &str) -> String {
        let issuer = self.issuer();
        let app = |app: &str, claim: &str, value: &str, actions: &str| {
            format!(
                "[apps.{app}-{name}]\nsubject = {{ issuer = \"{name}\", claim = \"{claim}\", \
                 value = \"{value}\" }}\n\
                 grants = [{{ actions = [{actions}], customers = [\"acme\"] }}]\n"
            )
        };
        format!(
            "[issuers.{name}]\nissuer = \"{issuer}\"\naudience = [\"cwsgate\", \"gateway\"]\n\
             algorithms = [\"ES256\", \"RS256\"]\n{}{}{}",
            app("desk", "azp", "desk-web", "\"read\""),
            app("ops", "groups", "ops", "\"read\", \"power\""),
            app("robot", "sub", "robot", "\"read\""),
        )
    }

    /// Claims that stand for the app `desk-{name}` for an hour.
    pub(crate) fn claims(&self) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({
            "iss": self.issuer(),
            "aud": "cwsgate",
            "sub": "user-7",
            "azp": "desk-web",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
        })
    }

    /// A token with these claims, signed.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.signer.token(claims)
    }

    /// Changes the keys that it publishes.
    pub(crate) fn publish(&self, keys: &[Value]) {
        *self.shared.keys.lock().unwrap() = keys.to_vec();
    }

    /// Answers differently at a path.
    pub(crate) fn answer(&self, path: &'static str, instead: Instead) {
        *self.shared.instead.lock().unwrap() = Some((path, instead));
    }

    /// How often its keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.shared.fetches.load(Ordering::Relaxed)
    }

    /// Closes its socket.
    pub(crate) async fn stop(&mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }

    /// Opens it again.
    pub(crate) async fn restart(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serving = serve(listener, Arc::clone(&self.shared));
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Signer {
    pub(crate) fn ec(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self::Ec { id: id.to_owned(), pair: Box::new(pair) }
    }

    pub(crate) fn rsa(id: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self::Rsa { id: id.to_owned(), pair: Box::new(pair) }
    }

    /// The public half (RFC 7517).
    pub(crate) fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec { id, pair } => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
                        "x": text(x), "y": text(y) })
            }
            Self::Rsa { id, pair } => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "kid": id, "use": "sig",
                        "n": text(&public.n), "e": text(&public.e) })
            }
        }
    }

    /// The header that belongs to its tokens.
    pub(crate) fn header(&self) -> Value {
        let (id, algorithm) = match self {
            Self::Ec { id, .. } => (id, "ES256"),
            Self::Rsa { id, .. } => (id, "RS256"),
        };
        json!({ "alg": algorithm, "kid": id, "typ": "JWT" })
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    /// A token with exactly this header and these claims.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = signed_part(header, claims);
        let signature = self.signature(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec { pair, .. } => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Rsa { pair, .. } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// The first two parts of a token.
pub(crate) fn signed_part(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

fn serve(listener: TcpListener, shared: Arc<Shared>) -> JoinHandle<()> {
    let discovery = {
        let shared = Arc::clone(&shared);
        async move || {
            let issuer = &shared.issuer;
            let document = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}keys") });
            shared.answer("discovery", document)
        }
    };
    let keys = async move || {
        shared.fetches.fetch_add(1, Ordering::Relaxed);
        let keys = shared.keys.lock().unwrap().clone();
        shared.answer("keys", json!({ "keys": keys }))
    };
    let routes = Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/keys", get(keys));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() })
}

impl Shared {
    fn answer(&self, path: &str, document: Value) -> Response {
        let instead = self.instead.lock().unwrap().clone();
        let instead = instead.filter(|(at, _)| *at == path).map(|(_, instead)| instead);
        let mut response = match instead.unwrap_or(Instead::Json(document)) {
            Instead::Json(document) => Json(document).into_response(),
            Instead::Redirect(to) => (http::StatusCode::FOUND, [("location", to)]).into_response(),
            Instead::Bytes(count) => vec![b' '; count].into_response(),
        };
        // Else a connection that is open would outlive a stop.
        response.headers_mut().insert(CONNECTION, "close".parse().unwrap());
        response
    }
}
