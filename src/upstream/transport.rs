use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::time::{Instant, sleep};
use url::Url;

use super::{
    Error, ErrorKind,
    call::Call,
    exchange::{Answer, BodyLost, Bounds, NoAnswer, exchange, outcome},
    fault,
    hibernation::Hibernation,
    hosts::Hosts,
    reply::{Origin, Reply},
    report::Reporter,
    resilience::{Guard, Outcome, Retry},
    token::{Lease, Refusal, Tokens},
};
use crate::{
    config::Customer,
    domain::{CallContext, Clock},
};

/// The one way to Citrix: finds the host, gets the token, sends a call, reads the answer and says
/// what became of it.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) client: reqwest::Client,
    pub(super) hosts: Arc<Hosts>,
    pub(super) tokens: Tokens,
    pub(super) guard: Guard,
    pub(super) retry: Arc<Retry>,
    pub(super) hibernation: Hibernation,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reporter: Arc<Reporter>,
    /// Longest silence in the middle of an answer.
    pub(super) read_timeout: Duration,
    /// Bytes of an answer that are read at most.
    pub(super) max_body_bytes: usize,
}

/// One call on its way.
struct Sending<'a> {
    customer: &'a Customer,
    call: &'a Call,
    url: Url,
    origin: Origin,
}

impl Transport {
    /// Sends `call` for a customer and reads the answer, all before the context's deadline, the
    /// time in the queue included. A 2xx comes back as it is; everything else is an error.
    ///
    /// What failed without an effect is tried again: as long as there are attempts, time and
    /// budget, and only after the guard has let it through anew.
    pub(super) async fn send(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        call: &Call,
    ) -> Result<Reply, Error> {
        let mut attempt = 1;
        let mut last = None;
        loop {
            let (service, reads) = (call.service, !call.is_write());
            let permit = self.guard.enter(ctx, customer, service, call.operation, reads).await;
            let permit = match permit {
                Ok(permit) => permit,
                // What Citrix said tells more than why it is not asked again.
                Err(refused) => return Err(last.unwrap_or(refused)),
            };
            if attempt == 1 {
                permit.first_attempt();
            }
            let started = Instant::now();
            let mut seen = Outcome::NotAsked;
            let mut result = self.attempt(ctx, customer, call, &mut seen).await;
            self.reporter.call_ended(customer, call, &result, started);
            self.note_hibernation(customer, call, seen);
            let ended = permit.end(seen);
            if let (Err(error), Some(cooldown)) = (&mut result, ended.cooldown) {
                error.kind = ErrorKind::RateLimited { retry_after: Some(cooldown) };
            }
            let error = match result {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let pause = self.retry.pause(attempt, seen, reads);
            log_failure(customer, call, &error, attempt, pause);
            let Some(pause) = pause else { return Err(error) };
            if pause >= ctx.remaining() {
                ended.too_late(&self.guard);
                return Err(error);
            }
            if !ended.may_retry(&self.guard) {
                return Err(error);
            }
            sleep(pause).await;
            attempt += 1;
            last = Some(error);
        }
    }

    /// Remembers whether a site is frozen: only a success proves that it is not.
    fn note_hibernation(&self, customer: &Customer, call: &Call, seen: Outcome) {
        let (Some(site), Outcome::Answered { status, .. }) = (&call.site, seen) else { return };
        if matches!(status, 200..300 | 530) {
            self.hibernation.note(&customer.name, site, status == 530);
        }
    }

    /// One attempt. A 401 did nothing upstream, so that any call is repeated once with a newer
    /// token; that is the only repetition here. `seen` learns what was seen of the service.
    async fn attempt(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        call: &Call,
        seen: &mut Outcome,
    ) -> Result<Reply, Error> {
        let origin = Origin {
            operation: call.operation,
            service: call.service,
            place: customer.region.clone().into(),
            write: call.is_write(),
        };
        let not_configured = || origin.error(ErrorKind::NotConfigured);
        let base = self.hosts.base(customer, call.service).ok_or_else(not_configured)?;
        let url = Url::parse(&format!("{base}{}", call.target)).map_err(|_| not_configured())?;
        if ctx.remaining().is_zero() {
            return Err(origin.error(ErrorKind::DeadlineExceeded));
        }
        let sending = Sending { customer, call, url, origin };
        let origin = &sending.origin;
        let lease = self.tokens.acquire(customer, ctx.deadline).await;
        let lease = lease.map_err(|refusal| no_token(origin, refusal))?;
        let answer = self.exchange(ctx, &sending, &lease, seen).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return self.settle(ctx, call, sending.origin, answer, seen);
        }
        let newer = match lease.replace(ctx.deadline).await {
            Ok(newer) => newer,
            Err(Refusal::Rejected) => return Err(self.rejected(ctx, origin, answer)),
            Err(refusal) => return Err(no_token(origin, refusal)),
        };
        let answer = self.exchange(ctx, &sending, &newer, seen).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            newer.rejected();
            return Err(self.rejected(ctx, origin, answer));
        }
        self.settle(ctx, call, sending.origin, answer, seen)
    }

    async fn exchange(
        &self,
        ctx: &CallContext,
        sending: &Sending<'_>,
        lease: &Lease,
        seen: &mut Outcome,
    ) -> Result<Answer, Error> {
        let Sending { customer, call, url, origin } = sending;
        if ctx.remaining().is_zero() {
            return Err(origin.error(ErrorKind::DeadlineExceeded));
        }
        let mut request = reqwest::Request::new(call.method.clone(), url.clone());
        *request.headers_mut() = headers(ctx, customer, call, lease)
            .map_err(|error| origin.error(ErrorKind::NotConfigured).caused_by(error))?;
        *request.body_mut() = call.body.clone().map(Into::into);
        let bounds = Bounds {
            deadline: ctx.deadline,
            read_timeout: self.read_timeout,
            max_body_bytes: self.max_body_bytes,
        };
        ctx.note_upstream_call();
        if call.is_write() {
            ctx.note_change();
        }
        let answer = exchange(&self.client, request, bounds).await;
        *seen = outcome(&answer);
        answer.map_err(|error| {
            let kind = match &error {
                NoAnswer::Network { fault, .. } if fault.nothing_sent() => {
                    ErrorKind::Unavailable { retry_after: None }
                }
                _ if call.is_write() => ErrorKind::OutcomeUnknown,
                NoAnswer::Network { .. } => ErrorKind::Unavailable { retry_after: None },
                NoAnswer::TimedOut => ErrorKind::TimedOut,
            };
            let mut failed = origin.error(kind).caused_by(error);
            failed.transaction_id = Some(ctx.transaction_id.to_string());
            failed
        })
    }

    /// Says what an answer means.
    fn settle(
        &self,
        ctx: &CallContext,
        call: &Call,
        origin: Origin,
        answer: Answer,
        seen: &mut Outcome,
    ) -> Result<Reply, Error> {
        if answer.headers.contains_key(SIMULATED) {
            ctx.note_simulated();
        }
        if !answer.status.is_success() {
            return Err(self.refusal(ctx, call, &origin, answer, seen));
        }
        let transaction_id = Some(transaction_id(ctx, &answer.headers));
        match answer.body {
            Ok(body) => Ok(Reply {
                origin,
                status: answer.status,
                headers: answer.headers,
                body,
                transaction_id,
            }),
            Err(lost) => {
                let kind = match lost {
                    _ if call.is_write() => ErrorKind::OutcomeUnknown,
                    BodyLost::TimedOut => ErrorKind::TimedOut,
                    BodyLost::TooLarge(_) | BodyLost::Interrupted(_) => ErrorKind::Malformed,
                };
                let mut error = origin.error(kind).caused_by(lost);
                error.status = Some(answer.status.as_u16());
                error.transaction_id = transaction_id;
                Err(error)
            }
        }
    }

    /// The error for an answer that is no success. Its body may be lost; its status is certain.
    fn refusal(
        &self,
        ctx: &CallContext,
        call: &Call,
        origin: &Origin,
        answer: Answer,
        seen: &mut Outcome,
    ) -> Error {
        let body = answer.body.unwrap_or_default();
        let said = fault::said(&answer.headers, &body, self.clock.now());
        let retry_after = said.retry_after;
        *seen = seen.with_hint(retry_after);
        let kind = match answer.status.as_u16() {
            400 | 409 if call.is_power() && said.code.is_some() => {
                power_refusal(said.code.as_deref(), answer.status)
            }
            403 => ErrorKind::Forbidden,
            404 if call.names_object => ErrorKind::NotFound,
            429 => ErrorKind::RateLimited { retry_after },
            // The edge says this before the site is asked: nothing was done.
            530 => ErrorKind::Hibernated,
            500.. if call.is_write() => ErrorKind::OutcomeUnknown,
            503 => ErrorKind::Unavailable { retry_after },
            504 => ErrorKind::TimedOut,
            _ => ErrorKind::Failed,
        };
        let mut error = origin.error(kind);
        error.status = Some(answer.status.as_u16());
        error.transaction_id = Some(transaction_id(ctx, &answer.headers));
        error.code = said.code;
        error.message = said.message;
        error
    }

    /// The error for a 401 that a newer token did not or could not cure.
    fn rejected(&self, ctx: &CallContext, origin: &Origin, answer: Answer) -> Error {
        let body = answer.body.unwrap_or_default();
        let said = fault::said(&answer.headers, &body, self.clock.now());
        let mut error = origin.error(ErrorKind::RejectedCredentials);
        error.status = Some(answer.status.as_u16());
        error.transaction_id = Some(transaction_id(ctx, &answer.headers));
        error.code = said.code;
        error.message = said.message;
        error
    }
}

fn log_failure(
    customer: &Customer,
    call: &Call,
    error: &Error,
    attempt: u32,
    pause: Option<Duration>,
) {
    tracing::debug!(
        operation = call.operation,
        cwsgate.region = customer.region.as_str(),
        cwsgate.customer = customer.name.as_str(),
        http.response.status_code = error.status,
        error.r#type = error.kind.code(),
        attempt,
        pause_ms = pause.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
        "upstream call failed"
    );
}

/// What DaaS means when it refuses a power action, by its code.
pub(super) fn power_refusal(code: Option<&str>, status: StatusCode) -> ErrorKind {
    match code {
        Some("InMaintenanceMode") => ErrorKind::InMaintenanceMode,
        Some("PowerActionInProgress") => ErrorKind::ActionInProgress,
        // The guideline's codes have a path; they are about the request and not the machine.
        Some(code) if status == StatusCode::BAD_REQUEST && !code.contains('/') => {
            ErrorKind::ActionNotSupported
        }
        _ => ErrorKind::Failed,
    }
}

/// Exactly the headers that Citrix documents. `Accept` may hold nothing else, and a call without
/// a body has no content type.
fn headers(
    ctx: &CallContext,
    customer: &Customer,
    call: &Call,
    lease: &Lease,
) -> Result<HeaderMap, header::InvalidHeaderValue> {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::AUTHORIZATION, lease.token().authorization().header());
    headers.insert("citrix-customerid", HeaderValue::from_str(customer.id.as_str())?);
    if let Some(site) = &call.site {
        headers.insert("citrix-instanceid", HeaderValue::from_str(site.as_str())?);
    }
    let transaction = ctx.transaction_id.to_string();
    headers.insert("citrix-transactionid", HeaderValue::from_str(&transaction)?);
    headers.insert(header::ACCEPT, json.clone());
    if call.body.is_some() {
        headers.insert(header::CONTENT_TYPE, json);
    } else if call.method != Method::GET {
        // Some proxies on the way want a length on every POST (RFC 9110, section 8.6).
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Ok(headers)
}

/// Citrix's id of the call, else the one it was sent with: edge servers return none.
pub(super) fn transaction_id(ctx: &CallContext, headers: &HeaderMap) -> String {
    fault::transaction_id(headers).unwrap_or_else(|| ctx.transaction_id.to_string())
}

/// The error for a call that was not made for want of a token.
pub(super) fn no_token(origin: &Origin, refusal: Refusal) -> Error {
    let (kind, source) = match &refusal {
        Refusal::DeadlinePassed => (ErrorKind::DeadlineExceeded, None),
        Refusal::NotConfigured => (ErrorKind::NotConfigured, None),
        Refusal::Rejected => (ErrorKind::RejectedCredentials, None),
        Refusal::Unavailable { retry_after, source } => {
            (ErrorKind::TokenUnavailable { retry_after: *retry_after }, source.as_deref())
        }
        Refusal::Quarantined { retry_after, source } => {
            (ErrorKind::Quarantined { retry_after: *retry_after }, source.as_deref())
        }
    };
    let mut error = origin.error(kind);
    if let Some(failure) = source {
        error.service = super::Service::Token;
        error.status = failure.status;
        error.code.clone_from(&failure.code);
        error.message = Some(failure.reason.clone());
        error = error.caused_by(failure.clone());
    } else {
        error = error.caused_by(refusal);
    }
    error
}

/// What every answer of the simulator carries, so that nobody takes one for real.
pub(super) const SIMULATED: HeaderName = HeaderName::from_static("cwsgate-upstream");
