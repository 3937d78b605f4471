use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use url::{Url, form_urlencoded};
use zeroize::{Zeroize as _, Zeroizing};

use super::mint::{Authorization, FailureClass, Mint, MintFailure, MintRequest, Minted};
use crate::{
    config::TokenForm,
    domain::Clock,
    net::Fault,
    upstream::{
        exchange::{Bounds, NoAnswer, exchange},
        fault,
        report::Reporter,
    },
};

/// Asks a token service over HTTP, in either of its forms.
#[derive(Debug)]
pub(in crate::upstream) struct HttpMint {
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    reporter: Arc<Reporter>,
    timeout: Duration,
}

impl HttpMint {
    pub(in crate::upstream) fn new(
        client: reqwest::Client,
        clock: Arc<dyn Clock>,
        reporter: Arc<Reporter>,
        timeout: Duration,
    ) -> Self {
        Self { client, clock, reporter, timeout }
    }

    async fn ask(&self, request: &MintRequest) -> Result<Minted, MintFailure> {
        let http = build(request)?;
        let bounds = Bounds {
            deadline: Instant::now() + self.timeout,
            read_timeout: self.timeout,
            max_body_bytes: MAX_BODY_BYTES,
        };
        let answer =
            exchange(&self.client, http, bounds).await.map_err(|error| no_answer(&error))?;
        let body = answer.body.map_err(|error| {
            let mut failure = transient(error.to_string());
            failure.status = Some(answer.status.as_u16());
            failure
        });
        match body {
            Ok(body) if answer.status.is_success() => {
                let minted = decode(answer.status, &body);
                // The token's last copy in our hands.
                if let Ok(mut body) = body.try_into_mut() {
                    body.as_mut().zeroize();
                }
                minted
            }
            // Without its body a refusal still has its status.
            body if !answer.status.is_success() => Err(refusal(
                answer.status,
                &answer.headers,
                &body.unwrap_or_default(),
                self.clock.as_ref(),
            )),
            Ok(_) => Err(transient("the token service's answer could not be read")),
            Err(failure) => Err(failure),
        }
    }
}

impl Mint for HttpMint {
    fn mint<'a>(&'a self, request: &'a MintRequest) -> BoxFuture<'a, Result<Minted, MintFailure>> {
        async move {
            let started = Instant::now();
            let result = self.ask(request).await;
            self.reporter.token_request_ended(
                request.region(),
                request.customer(),
                &result,
                started,
            );
            result
        }
        .boxed()
    }
}

/// Builds the request. The OAuth 2.0 form refuses a `charset` in the content type.
fn build(request: &MintRequest) -> Result<reqwest::Request, MintFailure> {
    let url = Url::parse(&request.endpoint).map_err(|_| {
        MintFailure::new(FailureClass::Configuration, "the token URL is not usable")
    })?;
    let secret = request.secret.expose_secret();
    let (content_type, body) = match request.form {
        TokenForm::OAuth2 => {
            // Room for the whole, so that no copy of the secret is left behind by growing.
            let room = String::with_capacity(128 + 3 * (request.client_id.len() + secret.len()));
            let form = form_urlencoded::Serializer::new(room)
                .append_pair("grant_type", "client_credentials")
                .append_pair("client_id", &request.client_id)
                .append_pair("client_secret", secret)
                .finish();
            ("application/x-www-form-urlencoded", form)
        }
        TokenForm::Trust => {
            let body = json!({ "ClientId": request.client_id, "ClientSecret": secret });
            ("application/json", body.to_string())
        }
    };
    let mut http = reqwest::Request::new(Method::POST, url);
    let headers = http.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    *http.body_mut() = Some(Bytes::from_owner(Zeroizing::new(body.into_bytes())).into());
    Ok(http)
}

fn no_answer(error: &NoAnswer) -> MintFailure {
    let class = match error {
        NoAnswer::Network { fault: Fault::UnknownHost | Fault::Tls, .. } => {
            FailureClass::Configuration
        }
        NoAnswer::Network { fault: Fault::Connect | Fault::Interrupted, .. }
        | NoAnswer::TimedOut => FailureClass::Transient,
    };
    MintFailure::new(class, format!("token service: {error}"))
}

/// Reads an answer of a stranger as a success and as a refusal.
pub(super) fn fuzz(bytes: &[u8]) {
    if let Ok(minted) = decode(StatusCode::OK, bytes) {
        assert!(minted.life.is_none_or(|life| life.as_secs_f64() <= LONGEST_LIFE_S));
    }
    let clock = crate::domain::SystemClock;
    let _ = refusal(StatusCode::BAD_REQUEST, &HeaderMap::new(), bytes, &clock);
}

/// Decodes a 2xx answer, which may still be a refusal. White space around the body is normal.
fn decode(status: StatusCode, body: &[u8]) -> Result<Minted, MintFailure> {
    let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return Err(transient("the token service answered something else than a JSON object"));
    };
    if let Some(error) = fields.get("error").filter(|error| !error.is_null()) {
        return Err(refused(status, error.as_str().and_then(code)));
    }
    let token = take(&mut fields, &["access_token", "token"]);
    let authorization = match token {
        Some(Value::String(token)) => Authorization::new(Zeroizing::new(token).trim()),
        _ => None,
    };
    let Some(authorization) = authorization else {
        return Err(transient("the token service's answer holds no usable token"));
    };
    let life = take(&mut fields, &["expires_in", "expiresIn"]).as_ref().and_then(life);
    Ok(Minted { authorization, life })
}

/// Services of one kind differ in the case of their keys.
fn take(fields: &mut Map<String, Value>, names: &[&str]) -> Option<Value> {
    let known = |key: &&String| names.iter().any(|name| key.eq_ignore_ascii_case(name));
    let key = fields.keys().find(known)?.clone();
    fields.remove(&key)
}

/// Seconds as a string or a number; `None` for what cannot be the life of a token.
fn life(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        Value::Number(number) => number.as_f64()?,
        _ => return None,
    };
    // NaN is in no range.
    (1.0..=LONGEST_LIFE_S).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// Classifies an answer that is not 2xx.
fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8], clock: &dyn Clock) -> MintFailure {
    let said = fault::said(headers, body, clock.now());
    let mut failure = match status.as_u16() {
        401 | 403 => {
            refused(status, said.code.as_deref().and_then(code)).with(FailureClass::Credential)
        }
        400 => refused(status, said.code.as_deref().and_then(code)),
        429 => refused(status, None).with(FailureClass::Throttled),
        408 | 500.. => refused(status, None).with(FailureClass::Transient),
        _ => refused(status, None).with(FailureClass::Configuration),
    };
    failure.retry_after = said.retry_after;
    failure
}

/// A refusal with an OAuth 2.0 error code (RFC 6749, section 5.2). Without one the credential is
/// the likeliest cause.
fn refused(status: StatusCode, code: Option<String>) -> MintFailure {
    let class = match code.as_deref() {
        Some("invalid_request" | "unsupported_grant_type" | "invalid_scope") => {
            FailureClass::Configuration
        }
        Some("server_error" | "temporarily_unavailable") => FailureClass::Transient,
        Some("slow_down" | "too_many_requests") => FailureClass::Throttled,
        Some(_) | None => FailureClass::Credential,
    };
    let status = status.as_u16();
    let reason = match &code {
        Some(code) => format!("the token service answered {status} {code}"),
        None => format!("the token service answered {status}"),
    };
    MintFailure { code, status: Some(status), ..MintFailure::new(class, reason) }
}

/// A code that is known. Anything else could repeat what was sent.
fn code(raw: &str) -> Option<String> {
    CODES.contains(&raw).then(|| raw.to_owned())
}

fn transient(reason: impl Into<String>) -> MintFailure {
    MintFailure::new(FailureClass::Transient, reason)
}

/// Codes of RFC 6749, sections 4.1.2.1 and 5.2, and RFC 8628, section 3.5; the last is Citrix's.
const CODES: [&str; 11] = [
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "too_many_requests",
];

/// An answer is about 2 kB.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Lives beyond a day are taken for mistakes.
const LONGEST_LIFE_S: f64 = 86_400.0;
