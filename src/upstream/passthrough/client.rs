use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
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
        Error, ErrorKind,
        reply::Origin,
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

impl Client {
    pub(in crate::upstream) fn new(
        transport: Arc<Transport>,
        streaming: StreamingClient<Body>,
    ) -> Self {
        Self { transport, streaming }
    }

    /// Passes a call on and returns Citrix's answer as soon as its head is here, before the
    /// context's deadline. Every status is an answer but 401, which is about the gateway's own
    /// credential.
    pub async fn pass(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        passage: Passage,
    ) -> Result<Response<Body>, Error> {
        let started = Instant::now();
        let (operation, service) = (passage.operation, passage.service);
        let result = self.attempt(ctx, customer, passage).await;
        let passed = result.as_ref().map(Response::status);
        self.transport.reporter.passed(customer, operation, service, passed, started);
        result
    }

    async fn attempt(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        mut passage: Passage,
    ) -> Result<Response<Body>, Error> {
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
            request.headers_mut().insert(http::header::AUTHORIZATION, authorization.clone());
            request
        };

        let (body, again) =
            prepare(std::mem::replace(&mut passage.payload, Payload::Empty), &authorization);
        let tape = match &again {
            Again::Tape(tape) => Some(tape.clone()),
            Again::Nothing | Again::Batch(_) => None,
        };
        let first = self.exchange(ctx, &origin, request(body, &authorization), tape.as_ref());
        let response = first.await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.settle(ctx, customer, &passage, &base, &url, response, &authorization);
        }

        let newer = replaced(ctx, &origin, &lease, &response).await?;
        drop(response);
        let authorization = newer.token().authorization().header();
        let body = match again {
            Again::Nothing => Some(Body::empty()),
            Again::Batch(items) => Some(batch::render(&items, &authorization)),
            Again::Tape(tape) => tape.replay(),
        };
        let Some(body) = body else {
            let mut error = origin.error(ErrorKind::TokenUnavailable { retry_after: AT_ONCE });
            error.message = Some(SEND_AGAIN.to_owned());
            error.status = Some(StatusCode::UNAUTHORIZED.as_u16());
            return Err(error);
        };
        let second = self.exchange(ctx, &origin, request(body, &authorization), None).await?;
        if second.status() == StatusCode::UNAUTHORIZED {
            newer.rejected();
            return Err(rejected(ctx, &origin, &second));
        }
        self.settle(ctx, customer, &passage, &base, &url, second, &authorization)
    }

    async fn exchange(
        &self,
        ctx: &CallContext,
        origin: &Origin,
        request: Request<Body>,
        tape: Option<&Tape>,
    ) -> Result<Response<Incoming>, Error> {
        ctx.note_upstream_call();
        let failed = |kind| {
            let mut error = origin.error(kind);
            error.transaction_id = Some(ctx.transaction_id.to_string());
            error
        };
        match timeout_at(ctx.deadline, self.streaming.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let fault = streaming_fault(&error);
                // An incomplete request is no request (RFC 9112, section 8).
                if let Some(fault) = tape.and_then(Tape::fault) {
                    return Err(failed(ErrorKind::RequestBody(fault)).caused_by(error));
                }
                let kind = if fault.nothing_sent() || !origin.write {
                    ErrorKind::Unavailable { retry_after: None }
                } else {
                    ErrorKind::OutcomeUnknown
                };
                Err(failed(kind).caused_by(error))
            }
            Err(_) if origin.write => Err(failed(ErrorKind::OutcomeUnknown)),
            Err(_) => Err(failed(ErrorKind::TimedOut)),
        }
    }

    /// The answer as the caller gets it.
    #[expect(clippy::too_many_arguments, reason = "an answer and everything about its request")]
    fn settle(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        passage: &Passage,
        base: &str,
        url: &str,
        response: Response<Incoming>,
        authorization: &HeaderValue,
    ) -> Result<Response<Body>, Error> {
        let (head, body) = response.into_parts();
        if head.headers.contains_key(SIMULATED) {
            ctx.note_simulated();
        }
        let bodyless =
            passage.method == http::Method::HEAD || head.status == StatusCode::NOT_MODIFIED;
        let mut headers = headers::down(&head.headers, authorization, bodyless);
        if let (Ok(asked), Ok(base)) = (Url::parse(url), Url::parse(base)) {
            let addresses = Addresses {
                hosts: &self.transport.hosts,
                customer,
                asked: &asked,
                base: base.path().trim_end_matches('/'),
                prefix: passage.prefix,
                gateway: passage.gateway.as_ref().and_then(|value| value.to_str().ok()),
            };
            if let Some(host) = addresses.elsewhere(head.status, &head.headers) {
                return Err(wrong_region(ctx, customer, passage, &head, &host));
            }
            addresses.rewrite(&mut headers);
        }
        if !headers.contains_key(TRANSACTION_ID)
            && let Ok(id) = HeaderValue::try_from(ctx.transaction_id.to_string())
        {
            headers.insert(TRANSACTION_ID, id);
        }
        let silence = self.transport.read_timeout;
        let mut answer = Response::new(Body::new(Answer::new(body, silence)));
        *answer.status_mut() = head.status;
        *answer.headers_mut() = headers;
        Ok(answer)
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
    customer: &Customer,
    passage: &Passage,
    head: &http::response::Parts,
    host: &str,
) -> Error {
    let place = customer.region.clone();
    let mut error = Error::new(ErrorKind::Failed, passage.operation, passage.service, place);
    error.status = Some(head.status.as_u16());
    error.transaction_id = Some(transaction_id(ctx, &head.headers));
    error.message = Some(format!(
        "Citrix serves customer {:?} at {host}; its region in the gateway's configuration is wrong",
        customer.name.as_str()
    ));
    error
}

const AT_ONCE: Duration = Duration::from_secs(1);

const SEND_AGAIN: &str = "the token was refused before anything was done, and has been replaced; \
    the body is gone by, so send the request again";
