//! Requests to a store and its token service, and what failures of theirs mean.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;
use url::Url;

use super::access::Token;
use crate::{
    domain::Clock,
    upstream::{
        ErrorKind,
        exchange::{Answer, BodyLost, Bounds, NoAnswer, exchange},
        fault,
    },
};

/// Sends one request and reads one answer.
#[derive(Clone, Debug)]
pub(super) struct Http {
    pub(super) client: reqwest::Client,
    pub(super) clock: Arc<dyn Clock>,
    /// Longest silence in the middle of an answer.
    pub(super) read_timeout: Duration,
}

/// One request as a plain value. Everything it may hold of secrets is marked sensitive or wiped.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    url: Url,
    accept: &'static str,
    content: Option<(&'static str, Bytes)>,
    authorization: Option<HeaderValue>,
    cookie: Option<HeaderValue>,
}

impl Request {
    pub(super) fn get(url: Url, accept: &'static str) -> Self {
        let method = Method::GET;
        Self { method, url, accept, content: None, authorization: None, cookie: None }
    }

    pub(super) fn post(
        url: Url,
        accept: &'static str,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        let content = Some((content_type, body.into()));
        Self { method: Method::POST, content, ..Self::get(url, accept) }
    }

    /// Whether it changes nothing.
    pub(super) fn reads(&self) -> bool {
        self.method == Method::GET
    }

    pub(super) fn token(mut self, token: Option<&Token>) -> Self {
        self.authorization = token.map(Token::header);
        self
    }

    pub(super) fn authorization(mut self, value: HeaderValue) -> Self {
        self.authorization = Some(value);
        self
    }

    pub(super) fn cookie(mut self, value: Option<HeaderValue>) -> Self {
        self.cookie = value;
        self
    }

    fn build(self) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method, self.url);
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(self.accept));
        // One language, so that the same server always answers in the same words.
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
        if let Some(value) = self.authorization {
            headers.insert(header::AUTHORIZATION, value);
        }
        if let Some(value) = self.cookie {
            headers.insert(header::COOKIE, value);
        }
        if let Some((content_type, body)) = self.content {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            *request.body_mut() = Some(body.into());
        }
        request
    }
}

impl Http {
    pub(super) async fn send(
        &self,
        request: Request,
        deadline: Instant,
        max_body_bytes: usize,
    ) -> Result<Answer, NoAnswer> {
        let bounds = Bounds { deadline, read_timeout: self.read_timeout, max_body_bytes };
        exchange(&self.client, request.build(), bounds).await
    }
}

/// Why something could not be had of a store. Shared by everybody who waited for it; holds no
/// secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) status: Option<StatusCode>,
    /// The server's own word for it.
    pub(super) code: Option<String>,
    /// The server's own words.
    pub(super) message: Option<String>,
    /// Ours, for the log.
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self { kind, status: None, code: None, message: None, reason: reason.into() }
    }

    /// There is no answer. Nothing here was a write, so that it never matters what was sent.
    pub(super) fn no_answer(error: &NoAnswer) -> Self {
        let kind = match error {
            NoAnswer::Network { .. } => ErrorKind::Unavailable { retry_after: None },
            NoAnswer::TimedOut => ErrorKind::TimedOut,
        };
        Self::new(kind, error.to_string())
    }

    /// The body of an answer got lost.
    pub(super) fn body_lost(answer: StatusCode, lost: &BodyLost) -> Self {
        let kind = match lost {
            BodyLost::TimedOut => ErrorKind::TimedOut,
            BodyLost::TooLarge(_) => ErrorKind::Malformed,
            BodyLost::Interrupted(_) => ErrorKind::Unavailable { retry_after: None },
        };
        Self { status: Some(answer), ..Self::new(kind, lost.to_string()) }
    }

    /// A status that is no success and has no meaning of its own where it came.
    pub(super) fn status(answer: &Answer, clock: &dyn Clock) -> Self {
        let said = || fault::said(&answer.headers, b"", clock.now()).retry_after;
        let retry_after = answer.cooldown.or_else(said);
        let kind = match answer.status.as_u16() {
            403 => ErrorKind::Forbidden,
            406 => ErrorKind::Malformed,
            429 => ErrorKind::RateLimited { retry_after },
            503 => ErrorKind::Unavailable { retry_after },
            504 => ErrorKind::TimedOut,
            _ => ErrorKind::Failed,
        };
        let reason = format!("the server answered {}", answer.status.as_u16());
        Self { status: Some(answer.status), ..Self::new(kind, reason) }
    }

    pub(super) fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }
}
