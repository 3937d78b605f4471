use std::{mem, sync::Arc, time::Duration};

use axum::body::Body;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, RETRY_AFTER},
};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    BatchItem, Passage, Payload,
    addresses::Addresses,
    batch,
    body::Answer,
    headers::{self, TRANSACTION_ID},
    tape::{Recorded, Tape},
};
use crate::{
    config::Customer,
    domain::CallContext,
    net::{StreamingClient, streaming_fault},
    upstream::{
        Error, ErrorKind, fault,
        reply::Origin,
        resilience::Outcome,
        token::{Lease, Refusal},
        transport::{SIMULATED, Transport, no_token, transaction_id},
    },
};

/// Passes calls on.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
    streaming: StreamingClient<Body>,
}

/// What can be sent a second time.
enum Again {
    Nothing,
    Batch(Vec<BatchItem>),
    Tape(Tape),
}

/// Between which two ends an answer travels.
struct Link<'a> {
    customer: &'a Customer,
    passage: &'a Passage,
    /// The host's base.
    base: &'a str,
    /// What was asked.
    url: &'a str,
}

impl Client {
    pub(in crate::upstream) fn new(
        transport: Arc<Transport>,
        streaming: StreamingClient<Body>,
    ) -> Self {
        Self { transport, streaming }
    }

    /// Passes a call on and returns Citrix's answer as soon as its head is here, before the
    /// context's deadline; time in the queue counts. Every status is an answer but 401, which is
    /// about the gateway's own credential. Nothing is tried again: the caller sees what happens.
    pub async fn pass(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        passage: Passage,
    ) -> Result<Response<Body>, Error> {
        let (operation, service, reads) = (passage.operation, passage.service, !passage.writes);
        let guard = &self.transport.guard;
        let permit = guard.enter(ctx, customer, service, operation, reads).await?;
        permit.first_attempt();
        let started = Instant::now();
        let mut seen = Outcome::NotAsked;
        let result = self.attempt(ctx, customer, passage, &mut seen).await;
        let passed = result.as_ref().map(Response::status);
        self.transport.reporter.passed(customer, operation, service, passed, started);
        match result {
            Ok(mut response) => {
                let silence = self.transport.read_timeout;
                let room = match seen {
                    // Nobody should go on asking while the text of a refusal is being read.
                    Outcome::Answered { status: 400.., retry_after } => {
                        if let Some(wait) = permit.end(seen).cooldown {
                            say_when(wait, retry_after, response.headers_mut());
                        }
                        None
                    }
                    _ => Some((permit, seen)),
                };
                Ok(response.map(|body| Body::new(Answer::new(body, silence, room))))
            }
            Err(error) => {
                permit.done(seen);
                Err(error)
            }
        }
    }

    async fn attempt(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        mut passage: Passage,
        seen: &mut Outcome,
    ) -> Result<Response<Incoming>, Error> {
        let origin = Origin {
            operation: passage.operation,
            service: passage.service,
            place: customer.region.clone().into(),
            write: passage.writes,
        };
        let not_configured = || origin.error(ErrorKind::NotConfigured);
        let base = self.transport.hosts.base(customer, passage.host).ok_or_else(not_configured)?;
        let url = format!("{base}{}", passage.target);
        let uri: Uri = url.parse().map_err(|_| not_configured())?;
        if ctx.remaining().is_zero() {
            return Err(origin.error(ErrorKind::DeadlineExceeded));
        }
        let lease = self.transport.tokens.acquire(customer, ctx.deadline).await;
        let lease = lease.map_err(|refusal| no_token(&origin, refusal))?;
        let authorization = lease.token().authorization().header();
        let up = headers::up(ctx, customer, &passage, authorization.clone())
            .map_err(|error| origin.error(ErrorKind::NotConfigured).caused_by(error))?;
        let request = |body, authorization: &HeaderValue| {
            let mut request = Request::new(body);
            *request.method_mut() = passage.method.clone();
            *request.uri_mut() = uri.clone();
            request.headers_mut().clone_from(&up);
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
            request
        };
        let payload = mem::replace(&mut passage.payload, Payload::Empty);
        let (body, again) = prepare(payload, &authorization);
        let first = request(body, &authorization);
        let response = self.exchange(ctx, &origin, first, again.tape(), seen).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            let link = Link { customer, passage: &passage, base: &base, url: &url };
            return self.settle(ctx, &link, response, &authorization);
        }

        let newer = replaced(ctx, &origin, &lease, &response).await?;
        drop(response);
        let authorization = newer.token().authorization().header();
        let Some(body) = again.body(&authorization) else {
            let mut error = origin.error(ErrorKind::TokenUnavailable { retry_after: AT_ONCE });
            error.message = Some(SEND_AGAIN.to_owned());
            error.status = Some(StatusCode::UNAUTHORIZED.as_u16());
            return Err(error);
        };
        let second = request(body, &authorization);
        let response = self.exchange(ctx, &origin, second, None, seen).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            newer.rejected();
            return Err(rejected(ctx, &origin, &response));
        }
        let link = Link { customer, passage: &passage, base: &base, url: &url };
        self.settle(ctx, &link, response, &authorization)
    }

    /// Sends a request and waits for the head of its answer. `seen` learns what was seen of the
    /// service.
    async fn exchange(
        &self,
        ctx: &CallContext,
        origin: &Origin,
        request: Request<Body>,
        tape: Option<&Tape>,
        seen: &mut Outcome,
    ) -> Result<Response<Incoming>, Error> {
        ctx.note_upstream_call();
        let failed = |kind| {
            let mut error = origin.error(kind);
            error.transaction_id = Some(ctx.transaction_id.to_string());
            error
        };
        match timeout_at(ctx.deadline, self.streaming.request(request)).await {
            Ok(Ok(response)) => {
                let now = self.transport.clock.now();
                let retry_after = fault::said(response.headers(), b"", now).retry_after;
                *seen = Outcome::Answered { status: response.status().as_u16(), retry_after };
                Ok(response)
            }
            Ok(Err(error)) => {
                // An incomplete request is no request (RFC 9112, section 8).
                if let Some(fault) = tape.and_then(Tape::fault) {
                    *seen = Outcome::NotAsked;
                    return Err(failed(ErrorKind::RequestBody(fault)).caused_by(error));
                }
                let unreachable = streaming_fault(&error).nothing_sent();
                *seen = if unreachable { Outcome::Unreachable } else { Outcome::Lost };
                let kind = if unreachable || !origin.write {
                    ErrorKind::Unavailable { retry_after: None }
                } else {
                    ErrorKind::OutcomeUnknown
                };
                Err(failed(kind).caused_by(error))
            }
            Err(_) => {
                *seen = Outcome::TimedOut;
                let unknown = origin.write;
                Err(failed(if unknown { ErrorKind::OutcomeUnknown } else { ErrorKind::TimedOut }))
            }
        }
    }

    /// The answer as the caller gets it.
    fn settle(
        &self,
        ctx: &CallContext,
        link: &Link<'_>,
        mut response: Response<Incoming>,
        authorization: &HeaderValue,
    ) -> Result<Response<Incoming>, Error> {
        let given = mem::take(response.headers_mut());
        if given.contains_key(SIMULATED) {
            ctx.note_simulated();
        }
        let status = response.status();
        let bodyless = link.passage.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
        let mut headers = headers::down(&given, authorization, bodyless);
        if let (Ok(asked), Ok(base)) = (Url::parse(link.url), Url::parse(link.base)) {
            let gateway = link.passage.gateway.as_ref().and_then(|value| value.to_str().ok());
            let addresses = Addresses {
                hosts: &self.transport.hosts,
                customer: link.customer,
                asked: &asked,
                base: base.path().trim_end_matches('/'),
                prefix: link.passage.prefix,
                gateway,
            };
            if let Some(host) = addresses.elsewhere(status, &given) {
                return Err(wrong_region(ctx, link, status, &given, &host));
            }
            addresses.rewrite(&mut headers);
        }
        if !headers.contains_key(TRANSACTION_ID)
            && let Ok(id) = HeaderValue::try_from(ctx.transaction_id.to_string())
        {
            headers.insert(TRANSACTION_ID, id);
        }
        *response.headers_mut() = headers;
        Ok(response)
    }
}

impl Again {
    fn tape(&self) -> Option<&Tape> {
        match self {
            Self::Tape(tape) => Some(tape),
            Self::Nothing | Self::Batch(_) => None,
        }
    }

    /// The body once more, if there is one at hand.
    fn body(self, authorization: &HeaderValue) -> Option<Body> {
        match self {
            Self::Nothing => Some(Body::empty()),
            Self::Batch(items) => Some(batch::render(&items, authorization)),
            Self::Tape(tape) => tape.replay(),
        }
    }
}

/// Tells the caller when Citrix is asked again, where Citrix has given no hint that it could read.
fn say_when(wait: Duration, hint: Option<Duration>, headers: &mut HeaderMap) {
    if hint.is_none() || !headers.contains_key(RETRY_AFTER) {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, seconds.into());
    }
}

fn prepare(payload: Payload, authorization: &HeaderValue) -> (Body, Again) {
    match payload {
        Payload::Empty => (Body::empty(), Again::Nothing),
        Payload::Batch(items) => (batch::render(&items, authorization), Again::Batch(items)),
        Payload::Stream(body) => {
            let (body, tape) = Recorded::new(body);
            (Body::new(body), Again::Tape(tape))
        }
    }
}

/// A newer token after a 401.
async fn replaced(
    ctx: &CallContext,
    origin: &Origin,
    lease: &Lease,
    response: &Response<Incoming>,
) -> Result<Lease, Error> {
    lease.replace(ctx.deadline).await.map_err(|refusal| match refusal {
        Refusal::Rejected => rejected(ctx, origin, response),
        refusal => no_token(origin, refusal),
    })
}

/// The error for a 401 that a newer token did not or could not cure.
fn rejected(ctx: &CallContext, origin: &Origin, response: &Response<Incoming>) -> Error {
    let mut error = origin.error(ErrorKind::RejectedCredentials);
    error.status = Some(response.status().as_u16());
    error.transaction_id = Some(transaction_id(ctx, response.headers()));
    error
}

/// The error for an answer that sends the client to another region: it would lead a client of the
/// gateway round in a circle.
fn wrong_region(
    ctx: &CallContext,
    link: &Link<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    host: &str,
) -> Error {
    let Link { customer, passage, .. } = link;
    let place = customer.region.clone();
    let mut error = Error::new(ErrorKind::Failed, passage.operation, passage.service, place);
    error.status = Some(status.as_u16());
    error.transaction_id = Some(transaction_id(ctx, headers));
    error.message = Some(format!(
        "Citrix serves customer {:?} at {host}; its region in the gateway's configuration is wrong",
        customer.name.as_str()
    ));
    error
}

const AT_ONCE: Duration = Duration::from_secs(1);

const SEND_AGAIN: &str = "the token was refused before anything was done, and has been replaced; \
    the body is gone by, so send the request again";
