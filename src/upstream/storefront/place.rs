use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use tokio::time::{Instant, sleep};
use url::Url;

use super::{
    http::{Failure, Http, Request},
    origin, resources,
    wallet::Wallet,
};
use crate::{
    config,
    domain::CallContext,
    upstream::{
        ErrorKind, Guard, Service,
        exchange::{Answer, NoAnswer, outcome},
        fault,
        report::Reporter,
        resilience::{Caller, Owner, Retry},
    },
};

/// What is known of one store.
pub(super) struct Store {
    pub(super) config: Arc<config::Store>,
    pub(super) http: Http,
    pub(super) reporter: Arc<Reporter>,
    pub(super) guard: Guard,
    pub(super) retry: Arc<Retry>,
    /// The tokens of its service account, where it has one.
    pub(super) account: Option<Arc<Wallet>>,
    list: Mutex<Option<(Url, Instant)>>,
}

impl Store {
    pub(super) fn new(
        config: Arc<config::Store>,
        http: Http,
        reporter: Arc<Reporter>,
        (guard, retry): (Guard, Arc<Retry>),
        account: Option<Arc<Wallet>>,
    ) -> Self {
        Self { config, http, reporter, guard, retry, account, list: Mutex::default() }
    }

    /// Sends a request once the guard lets it through, and again where that is safe and may help.
    /// The failure of one that was not let through stands outside.
    pub(super) async fn send(
        &self,
        ctx: &CallContext,
        request: Request,
        max_body_bytes: usize,
    ) -> Result<Result<Answer, NoAnswer>, Failure> {
        self.guarded(ctx, request, max_body_bytes, Some(&self.retry)).await
    }

    /// The same for what is never sent again, whatever came of it: a password.
    pub(super) async fn send_once(
        &self,
        ctx: &CallContext,
        request: Request,
        max_body_bytes: usize,
    ) -> Result<Result<Answer, NoAnswer>, Failure> {
        self.guarded(ctx, request, max_body_bytes, None).await
    }

    async fn guarded(
        &self,
        ctx: &CallContext,
        request: Request,
        max_body_bytes: usize,
        retry: Option<&Retry>,
    ) -> Result<Result<Answer, NoAnswer>, Failure> {
        let owner = Owner::store(&self.config.name, self.config.customer.as_ref());
        let (guard, reads) = (&self.guard, request.reads());
        let mut attempt = 1;
        loop {
            let permit = guard.admit(&owner, Service::StoreFront, Caller::of(ctx, reads)).await;
            let permit =
                permit.map_err(|refusal| Failure::new(refusal.kind(), refusal.to_string()))?;
            if attempt == 1 {
                permit.first_attempt();
            }
            ctx.note_upstream_call();
            let mut sent = self.http.send(request.clone(), ctx.deadline, max_body_bytes).await;
            let said = |answer: &Answer| fault::said(&answer.headers, b"", self.http.clock.now());
            let hint = sent.as_ref().ok().and_then(|answer| said(answer).retry_after);
            let outcome = outcome(&sent).with_hint(hint);
            let ended = permit.end(outcome);
            if let Ok(answer) = &mut sent {
                answer.cooldown = ended.cooldown;
            }
            match retry.and_then(|retry| retry.pause(attempt, outcome, reads)) {
                Some(pause) if pause < ctx.remaining() && ended.may_retry(guard) => {
                    sleep(pause).await;
                }
                _ => return Ok(sent),
            }
            attempt += 1;
        }
    }

    /// Where the store lists resources without subscribing anybody. Its endpoints document says
    /// so to everybody, and is asked again once an hour.
    pub(super) async fn list_url(&self, ctx: &CallContext) -> Result<Url, Failure> {
        let known = self.list.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((url, until)) = known
            && until > Instant::now()
        {
            return Ok(url);
        }
        let url = self.find_list(ctx).await?;
        let until = Instant::now() + REMEMBER;
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = Some((url.clone(), until));
        Ok(url)
    }

    /// The store's answers are not what they were: look again.
    pub(super) fn forget_list(&self) {
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn find_list(&self, ctx: &CallContext) -> Result<Url, Failure> {
        let endpoints = self.below("endpoints/v1");
        let request = Request::get(endpoints.clone(), resources::ENDPOINTS_ACCEPT);
        let sent = self.send(ctx, request, resources::ENDPOINTS_MAX_BYTES).await?;
        let answer = sent.map_err(|error| Failure::no_answer(&error))?;
        // Some stores do not publish the document; the documented place is where they all have it.
        if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED) {
            return Ok(self.below("resources/v2/withoutautoprovision"));
        }
        if !answer.status.is_success() {
            return Err(Failure::status(&answer, self.http.clock.as_ref()));
        }
        let body = answer.body.map_err(|lost| Failure::body_lost(answer.status, &lost))?;
        let malformed = |reason: String| Failure::new(ErrorKind::Malformed, reason);
        let link = resources::list_link(&body).map_err(|error| malformed(error.to_string()))?;
        let link = link
            .ok_or_else(|| malformed("the store offers no list without subscribing".to_owned()))?;
        origin::same_origin(&link, &endpoints)
            .ok_or_else(|| malformed("the store's list is on another origin".to_owned()))
    }

    /// One of the few fixed places below the store's own URL.
    fn below(&self, path: &str) -> Url {
        let mut url = self.config.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        url
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("name", &self.config.name).finish_non_exhaustive()
    }
}

const REMEMBER: Duration = Duration::from_hours(1);
