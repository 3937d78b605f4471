use std::{fmt, sync::Arc};

use http::StatusCode;
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use super::{
    PowerOffLink, PowerOffOutcome, Resources, Session,
    challenge::{Challenge, Remedy},
    http::{Failure, Request},
    origin,
    place::Store,
    power_off, resources,
    sign_in::{self, SignIn},
    token::{MAX_BYTES, TokenRequest},
    wallet::{self, Wallet},
};
use crate::{
    domain::{CallContext, ClientName},
    upstream::{
        Error, ErrorKind, ObservedCall, Service,
        exchange::{Answer, NoAnswer},
        fault,
        reply::Origin,
        transport::SIMULATED,
    },
};

/// One use case's calls to a store, all as the same account.
pub struct Visit {
    store: Arc<Store>,
    /// `None` where there is no account to ask as.
    wallet: Option<Arc<Wallet>>,
}

/// How one request, and what its challenges asked for, ended without an answer.
enum Lost {
    /// No token can be had, or none is good enough; or there was no leave to ask.
    NotSent(Failure),
    /// No answer.
    Request(NoAnswer),
}

impl Visit {
    pub(super) fn new(store: Arc<Store>, wallet: Option<Arc<Wallet>>) -> Self {
        Self { store, wallet }
    }

    /// What the store offers to the account. Never subscribes anybody to anything.
    ///
    /// # Errors
    /// [`ErrorKind::SessionExpired`] when a caller's sign-in or token is missing or not accepted.
    pub async fn resources(&self, ctx: &CallContext) -> Result<Resources, Error> {
        let origin = self.origin("storefront.resources.list", false);
        let started = Instant::now();
        let result = self.list(ctx, &origin).await;
        let outcome = result.as_ref().map(|_| "ok");
        self.report(&origin, started, outcome.map(|word| (word, Some(200))));
        result
    }

    /// Posts a power-off to a link that [`resources`](Self::resources) gave.
    ///
    /// Sent once; repeated only after a 401, which did nothing.
    ///
    /// # Errors
    /// [`ErrorKind::OutcomeUnknown`] when the answer was lost or the store broke down after the
    /// request was written. After every other error the machine was not touched.
    pub async fn power_off(
        &self,
        ctx: &CallContext,
        link: &PowerOffLink,
        client_name: &ClientName,
    ) -> Result<PowerOffOutcome, Error> {
        let origin = self.origin("storefront.resources.power-off", true);
        let started = Instant::now();
        let result = self.post_power_off(ctx, &origin, link, client_name).await;
        let outcome = result.as_ref().map(|outcome| (outcome.as_str(), None));
        self.report(&origin, started, outcome);
        result
    }

    pub(super) async fn sign_in(
        &self,
        ctx: &CallContext,
        username: &str,
        password: &SecretString,
    ) -> Result<Session, Error> {
        let origin = self.origin("storefront.sign-in", false);
        let started = Instant::now();
        let result = self.first_sign_in(ctx, username, password).await;
        let result = result.map_err(|failure| error(&origin, failure));
        self.report(&origin, started, result.as_ref().map(|_| ("ok", Some(200))));
        result
    }

    async fn list(&self, ctx: &CallContext, origin: &Origin) -> Result<Resources, Error> {
        let fail = |failure| error(origin, failure);
        self.wallet(origin)?;
        let mut url = self.list_url(ctx).await.map_err(fail)?;
        let query = match url.query() {
            Some(own) if !own.is_empty() => format!("{own}&{}", resources::GROUPS),
            _ => resources::GROUPS.to_owned(),
        };
        url.set_query(Some(&query));
        let request = Request::get(url.clone(), resources::ACCEPT);
        let answer = self.send(ctx, origin, &url, &request, resources::MAX_BYTES).await;
        let answer = answer.map_err(|lost| match lost {
            Lost::NotSent(failure) => error(origin, failure),
            Lost::Request(lost) => error(origin, Failure::no_answer(&lost)).caused_by(lost),
        })?;
        if !answer.status.is_success() {
            if answer.status == StatusCode::NOT_FOUND {
                self.store.forget_list();
            }
            return Err(refusal(origin, &answer, Failure::status(&answer, self.clock())));
        }
        let body = match &answer.body {
            Ok(body) => body.clone(),
            Err(lost) => {
                return Err(refusal(origin, &answer, Failure::body_lost(answer.status, lost)));
            }
        };
        let read = if body.len() <= LONG {
            Resources::read(&body).map_err(|why| why.to_string())
        } else {
            // Milliseconds of work, in which this thread could serve others.
            let reading = tokio::task::spawn_blocking(move || Resources::read(&body));
            let read = reading.await.map_err(|why| why.to_string());
            read.and_then(|read| read.map_err(|why| why.to_string()))
        };
        read.map_err(|why| refusal(origin, &answer, Failure::new(ErrorKind::Malformed, why)))
    }

    async fn post_power_off(
        &self,
        ctx: &CallContext,
        origin: &Origin,
        link: &PowerOffLink,
        client_name: &ClientName,
    ) -> Result<PowerOffOutcome, Error> {
        self.wallet(origin)?;
        let malformed = |reason: &str| {
            let failure = Failure::new(ErrorKind::Malformed, reason);
            error(origin, Failure { message: Some(reason.to_owned()), ..failure })
        };
        let list_url = self.list_url(ctx).await.map_err(|failure| error(origin, failure))?;
        let url = link.resolve(&list_url).ok_or_else(|| {
            malformed("the power-off link leads to another origin than the store's")
        })?;
        let body = power_off::write_request(client_name)
            .map_err(|_| malformed("the client name cannot be written"))?;
        let request = Request::post(url.clone(), power_off::ACCEPT, power_off::CONTENT_TYPE, body);
        ctx.note_change();
        let answer = self.send(ctx, origin, &url, &request, power_off::MAX_BYTES).await;
        let answer = answer.map_err(|end| match end {
            // Refused for its token, it did nothing.
            Lost::NotSent(failure) => error(origin, failure),
            Lost::Request(lost) => {
                let kind = match &lost {
                    NoAnswer::Network { fault, .. } if fault.nothing_sent() => {
                        ErrorKind::Unavailable { retry_after: None }
                    }
                    NoAnswer::Network { .. } | NoAnswer::TimedOut => ErrorKind::OutcomeUnknown,
                };
                origin.error(kind).caused_by(lost)
            }
        })?;
        self.power_off_outcome(origin, &answer)
    }

    fn power_off_outcome(
        &self,
        origin: &Origin,
        answer: &Answer,
    ) -> Result<PowerOffOutcome, Error> {
        let unreadable = |why: String| {
            let failure = Failure::new(ErrorKind::Malformed, why);
            PowerOffOutcome::Unreadable(refusal(origin, answer, failure))
        };
        match answer.status {
            status if status.is_success() => Ok(match &answer.body {
                Ok(body) => {
                    power_off::read_reply(body).unwrap_or_else(|why| unreadable(why.to_string()))
                }
                Err(lost) => unreadable(lost.to_string()),
            }),
            StatusCode::NOT_FOUND => Ok(power_off::not_found(&answer.headers)),
            status if power_off::may_have_happened(status) => {
                let reason = format!("the server answered {}", status.as_u16());
                Err(refusal(origin, answer, Failure::new(ErrorKind::OutcomeUnknown, reason)))
            }
            _ => Err(refusal(origin, answer, Failure::status(answer, self.clock()))),
        }
    }

    /// Sends a request, and once more after each challenge that a token answers: one for a token,
    /// one for another token. Whatever was refused with 401 did nothing.
    async fn send(
        &self,
        ctx: &CallContext,
        origin: &Origin,
        url: &Url,
        request: &Request,
        max_body_bytes: usize,
    ) -> Result<Answer, Lost> {
        let Some(wallet) = &self.wallet else { return Err(Lost::NotSent(no_session())) };
        let mut lease = wallet.lease(url);
        let mut replaced = false;
        loop {
            if ctx.remaining().is_zero() {
                let reason = "the deadline passed before the request was sent";
                return Err(Lost::NotSent(Failure::new(ErrorKind::DeadlineExceeded, reason)));
            }
            let attempt = request.clone().token(lease.as_ref().map(|lease| &lease.token));
            let sent = self.store.send(ctx, attempt, max_body_bytes).await;
            let answer = sent.map_err(Lost::NotSent)?.map_err(Lost::Request)?;
            if answer.headers.contains_key(SIMULATED) {
                ctx.note_simulated();
            }
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            let challenge = answerable(wallet, &answer).map_err(Lost::NotSent)?;
            if lease.is_some() && std::mem::replace(&mut replaced, true) {
                return Err(Lost::NotSent(rejected(wallet, &challenge)));
            }
            tracing::debug!(
                operation = origin.operation,
                store = self.store.config.name.as_str(),
                reason = challenge.reason.as_str(),
                "the store asks for a token"
            );
            let next = wallet.obtain(challenge, url, lease.as_ref(), ctx.deadline).await;
            lease = Some(next.map_err(Lost::NotSent)?);
        }
    }

    /// Follows the challenges to the token service without a token and signs in there.
    async fn first_sign_in(
        &self,
        ctx: &CallContext,
        username: &str,
        password: &SecretString,
    ) -> Result<Session, Failure> {
        let malformed = |reason: &str| Failure::new(ErrorKind::Malformed, reason);
        let url = self.list_url(ctx).await?;
        let request = Request::get(url.clone(), resources::ACCEPT);
        let sent = self.store.send(ctx, request, resources::MAX_BYTES).await?;
        let answer = sent.map_err(|lost| Failure::no_answer(&lost))?;
        if answer.headers.contains_key(SIMULATED) {
            ctx.note_simulated();
        }
        if answer.status != StatusCode::UNAUTHORIZED {
            return Err(Failure::status(&answer, self.clock()));
        }
        let challenge = Challenge::of(&answer.headers)
            .ok_or_else(|| malformed("the store refuses without a CitrixAuth challenge"))?;
        let request = TokenRequest {
            service: &challenge.realm,
            url: url.as_str(),
            template: &challenge.template,
        };
        let request = request.write().map_err(|error| malformed(&error.to_string()))?;
        let mut failure = malformed("the store names no token service on its own host");
        for location in &challenge.locations {
            let Some(service) = origin::same_host(location, &self.store.config.url) else {
                continue;
            };
            let post = Request::post(
                service.clone(),
                sign_in::ACCEPT_TOKEN,
                sign_in::TOKEN_REQUEST,
                request.clone(),
            );
            let answer = match self.store.send_once(ctx, post, MAX_BYTES).await? {
                Ok(answer) => answer,
                Err(lost) => {
                    failure = Failure::no_answer(&lost);
                    continue;
                }
            };
            if answer.status != StatusCode::UNAUTHORIZED {
                return Err(Failure::status(&answer, self.clock()));
            }
            let challenge = Challenge::of(&answer.headers)
                .ok_or_else(|| malformed("the token service refuses without a challenge"))?;
            let sign_in = SignIn {
                http: &self.store.http,
                guarded: Some((&self.store, ctx)),
                store: &self.store.config.url,
                method: None,
                username,
                password,
                deadline: ctx.deadline,
            };
            let issued = sign_in.run(&challenge, &service).await?;
            return Ok(Session::new(issued.token, issued.expires));
        }
        Err(failure)
    }

    async fn list_url(&self, ctx: &CallContext) -> Result<Url, Failure> {
        if ctx.remaining().is_zero() {
            let reason = "the deadline passed before the store was asked";
            return Err(Failure::new(ErrorKind::DeadlineExceeded, reason));
        }
        self.store.list_url(ctx).await
    }

    fn wallet(&self, origin: &Origin) -> Result<&Arc<Wallet>, Error> {
        self.wallet.as_ref().ok_or_else(|| error(origin, no_session()))
    }

    fn clock(&self) -> &dyn crate::domain::Clock {
        self.store.http.clock.as_ref()
    }

    fn origin(&self, operation: &'static str, write: bool) -> Origin {
        let place = self.store.config.name.clone().into();
        Origin { operation, service: Service::StoreFront, place, write }
    }

    fn report(
        &self,
        origin: &Origin,
        started: Instant,
        result: Result<(&'static str, Option<u16>), &Error>,
    ) {
        let (outcome, status) = match result {
            Ok(known) => known,
            Err(error) => (error.kind.code(), error.status),
        };
        self.store.reporter.store_call_ended(&ObservedCall {
            operation: origin.operation,
            service: origin.service,
            place: &origin.place,
            customer: self.store.config.customer.as_ref(),
            outcome,
            status,
            duration: started.elapsed(),
        });
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").field("store", &self.store.config.name).finish_non_exhaustive()
    }
}

/// The challenge, if a token can answer it.
fn answerable(wallet: &Wallet, answer: &Answer) -> Result<Challenge, Failure> {
    let Some(challenge) = Challenge::of(&answer.headers) else {
        let reason = "the store refuses without a CitrixAuth challenge";
        return Err(Failure::new(ErrorKind::Malformed, reason));
    };
    match challenge.reason.remedy() {
        Remedy::NewToken | Remedy::OtherAudience | Remedy::SignIn => Ok(challenge),
        _ if !wallet.is_account() => Err(no_session().code(challenge.reason.as_str())),
        Remedy::GiveUp => Err(wallet::give_up(&challenge)),
        Remedy::GiveUpAccount => {
            let reason = "the account is locked or not valid";
            let failure = Failure::new(ErrorKind::SignInRefused, reason);
            Err(wallet.quarantine(failure.code(challenge.reason.as_str())))
        }
    }
}

/// A second token was refused.
fn rejected(wallet: &Wallet, challenge: &Challenge) -> Failure {
    if wallet.is_account() {
        wallet.rejected();
        wallet::give_up(challenge)
    } else {
        no_session().code(challenge.reason.as_str())
    }
}

/// There is no sign-in to ask with, or it has ended.
fn no_session() -> Failure {
    Failure::new(ErrorKind::SessionExpired, "there is no sign-in that the store accepts")
}

fn error(origin: &Origin, failure: Failure) -> Error {
    let mut error = origin.error(failure.kind);
    error.status = failure.status.map(|status| status.as_u16());
    error.code.clone_from(&failure.code);
    error.message.clone_from(&failure.message);
    error.caused_by(failure)
}

/// The error for an answer that came.
fn refusal(origin: &Origin, answer: &Answer, failure: Failure) -> Error {
    let mut error = error(origin, failure);
    error.status = Some(answer.status.as_u16());
    error.transaction_id = fault::transaction_id(&answer.headers);
    error
}

/// Bytes of a list that takes long to read.
const LONG: usize = 256 * 1024;
