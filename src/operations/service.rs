use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::SignedDuration;
use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

use super::{
    BulkAction, Counts, Error, Event, Item, ItemState, Operation, OperationRequest, OperationState,
    Plan, PlanSummary, Settings, Target,
    journal::{KeptPlan, Key},
    record::{Creator, LeftOut, Order},
    runner::Shared,
};
use crate::{
    domain::CallContext,
    services::{Aim, Bulk, Idempotency, KeptAnswer, Paging, SourceReport},
};

/// Bulk operations: planning, starting, watching and stopping them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operations {
    shared: Arc<Shared>,
    /// Plans with the configuration that the caller's request came under.
    bulk: Bulk,
}

/// What became of a request for an operation.
#[derive(Clone, Debug)]
pub enum Accepted {
    /// A new operation was stored.
    New(Operation),
    /// The same request was accepted before.
    Again(Operation),
    /// The key stands for another request.
    KeyReused,
}

/// Some of a list, and where to go on.
#[derive(Clone, Debug)]
pub struct PageOf<T> {
    /// In order.
    pub items: Vec<T>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

impl Operations {
    pub(super) fn new(shared: Arc<Shared>, bulk: Bulk) -> Self {
        Self { shared, bulk }
    }

    /// Says what a request would do, and keeps that for an hour.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn plan(
        &self,
        ctx: &CallContext,
        request: &OperationRequest,
    ) -> Result<(Plan, Settings), Error> {
        let Shared { journal, clock, .. } = self.shared.as_ref();
        let now = clock.now();
        let settings = request.settings(now)?;
        let plan = Plan::make(&self.bulk, ctx, request, &settings, now).await?;
        let expires = now.checked_add(PLAN_LIFE).map_err(|_| Error::Unreadable)?;
        let app = ctx.principal.app.as_str();
        journal.keep_plan(app, request.action, &request.selector, &plan, expires).await?;
        Ok((plan, settings))
    }

    /// Plans and stores an operation. Once this returns, it survives the end of the process.
    ///
    /// # Errors
    /// See [`Error`]; nothing was started then.
    pub async fn start(
        &self,
        ctx: &CallContext,
        request: &OperationRequest,
        key: &Key,
        answer: impl Fn(&Operation) -> Option<KeptAnswer>,
    ) -> Result<Accepted, Error> {
        if let Some(before) = self.before(ctx, key).await? {
            return Ok(before);
        }
        let now = self.shared.clock.now();
        let settings = request.settings(now)?;
        let quoted = match &request.plan_digest {
            Some(digest) => Some(self.quoted(ctx, request, digest).await?),
            None => None,
        };
        let plan = Plan::make(&self.bulk, ctx, request, &settings, now).await?;
        let summary = PlanSummary {
            digest: Some(request.plan_digest.clone().unwrap_or_else(|| plan.digest.clone())),
            left_alone: plan.skipped_by_reason(),
            newcomers: 0,
            left_out: left_out(&plan.sources),
        };
        let (items, newcomers) = match quoted {
            Some(quoted) => compare(quoted.targets, plan.targets),
            None => (plan.targets.into_iter().map(Ok).collect(), 0),
        };
        let eligible = items.iter().filter(|item| item.is_ok()).count();
        let targets = u32::try_from(eligible).unwrap_or(u32::MAX);
        if targets > settings.max_targets {
            return Err(Error::TooManyTargets { targets, max: settings.max_targets });
        }
        let aims: Result<Vec<_>, _> = items.iter().flatten().map(Target::aim).collect();
        self.check_reason(ctx, request.action, request.reason.as_deref(), &aims?)?;
        let order = Order {
            selector: request.selector.clone(),
            options: request.options.clone(),
            message: request.message.clone(),
        };
        let summary = PlanSummary { newcomers, ..summary };
        let reason = request.reason.clone();
        let action = request.action;
        let draft = Draft { action, reason, order, settings, summary, retry_of: None };
        self.store(ctx, draft, items, Some(key), answer).await
    }

    /// Starts an operation of the failed items of another. One that is still at it is given back
    /// instead of a second one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn retry_failed(
        &self,
        ctx: &CallContext,
        id: Uuid,
        reason: Option<String>,
        key: Option<&Key>,
        answer: impl Fn(&Operation) -> Option<KeptAnswer>,
    ) -> Result<Accepted, Error> {
        let journal = &self.shared.journal;
        if let Some(key) = key
            && let Some(before) = self.before(ctx, key).await?
        {
            return Ok(before);
        }
        let first = self.own(ctx, id).await?;
        if !first.state.is_final() {
            return Err(Error::NotFinished { state: first.state });
        }
        if let Some(retry) = journal.retry_of(id).await?
            && !retry.state.is_final()
        {
            return Ok(Accepted::Again(retry));
        }
        let mut targets = Vec::new();
        let mut after = 0;
        loop {
            let some = journal.items(id, Some(ItemState::Failed), after, 1_000).await?;
            let Some(last) = some.last() else { break };
            after = last.index;
            targets.extend(some.into_iter().map(|item| Ok(item.target)));
        }
        let request = OperationRequest {
            action: first.action,
            selector: first.order.selector.clone(),
            options: first.order.options.clone(),
            message: first.order.message.clone(),
            dry_run: false,
            plan_digest: None,
            reason: None,
        };
        let mut settings = request.settings(self.shared.clock.now())?;
        // Time has passed since these were looked at.
        settings.recheck = true;
        let summary = PlanSummary::default();
        let reason = reason.or(first.reason);
        let draft = Draft {
            action: first.action,
            reason,
            order: first.order,
            settings,
            summary,
            retry_of: Some(id),
        };
        self.store(ctx, draft, targets, key, answer).await
    }

    /// The operation, if the caller may see it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(&self, ctx: &CallContext, id: Uuid) -> Result<Operation, Error> {
        self.own(ctx, id).await
    }

    /// The operation once it has ended, or as it is when the wait or the caller's time is over.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn wait(
        &self,
        ctx: &CallContext,
        id: Uuid,
        until: Instant,
    ) -> Result<Operation, Error> {
        let mut changes = self.changes();
        loop {
            let operation = self.own(ctx, id).await?;
            let over = Instant::now() >= until || self.shared.draining.is_cancelled();
            if operation.state.is_final() || over {
                return Ok(operation);
            }
            select! {
                () = changes.next() => {}
                () = sleep_until(until) => {}
                () = self.shared.draining.cancelled() => {}
            }
        }
    }

    /// Says whether everything went well.
    ///
    /// # Errors
    /// [`Error::NotFinished`] or [`Error::NotFullySucceeded`] if not.
    pub async fn result(&self, ctx: &CallContext, id: Uuid) -> Result<Operation, Error> {
        let operation = self.own(ctx, id).await?;
        match operation.state {
            OperationState::Succeeded => Ok(operation),
            state if !state.is_final() => Err(Error::NotFinished { state }),
            _ => Err(Error::NotFullySucceeded { counts: operation.counts }),
        }
    }

    /// Operations that the caller may see, newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list(
        &self,
        ctx: &CallContext,
        paging: &Paging,
    ) -> Result<PageOf<Operation>, Error> {
        let journal = &self.shared.journal;
        let all = self.bulk.administers_anything(ctx);
        let app = (!all).then(|| ctx.principal.app.as_str());
        let mut place: Option<(i64, String)> = self.bulk.place(paging)?;
        let mut items = Vec::new();
        loop {
            let before = place.as_ref().map(|(created, id)| (*created, id.as_str()));
            let some = journal.list(app, before, LISTED_AT_ONCE).await?;
            let more = i64::try_from(some.len()).is_ok_and(|listed| listed == LISTED_AT_ONCE);
            for operation in some {
                if items.len() == paging.size {
                    let next = place.map(|place| self.bulk.page_token(&place, paging));
                    return Ok(PageOf { items, next: next.transpose()? });
                }
                place = Some((operation.create_time.as_millisecond(), operation.id.to_string()));
                if self.is_visible(ctx, &operation).await? {
                    items.push(operation);
                }
            }
            if !more {
                return Ok(PageOf { items, next: None });
            }
        }
    }

    /// Items of an operation, in order; those in one state, if it is given.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn items(
        &self,
        ctx: &CallContext,
        id: Uuid,
        state: Option<ItemState>,
        paging: &Paging,
    ) -> Result<PageOf<Item>, Error> {
        self.own(ctx, id).await?;
        let after: i64 = self.bulk.place(paging)?.unwrap_or(0);
        let limit = i64::try_from(paging.size).unwrap_or(i64::MAX - 1);
        let mut items = self.shared.journal.items(id, state, after, limit + 1).await?;
        let more = items.len() > paging.size;
        items.truncate(paging.size);
        let last = items.last().filter(|_| more);
        let next = last.map(|item| self.bulk.page_token(&item.index, paging)).transpose()?;
        Ok(PageOf { items, next })
    }

    /// Asks for an operation to end early: what is under way goes on to its end.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn cancel(&self, ctx: &CallContext, id: Uuid) -> Result<Operation, Error> {
        let operation = self.own(ctx, id).await?;
        if operation.state != OperationState::Running {
            return Ok(operation);
        }
        self.shared.journal.request_cancel(id).await?;
        tracing::info!(operation.id = %id, app = %ctx.principal.app, "an operation is cancelled");
        self.own(ctx, id).await
    }

    /// Events of an operation after the one with that id. May be asked again and again, once
    /// [`get`](Self::get) has said that the caller may see it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn events(&self, id: Uuid, after: i64) -> Result<Vec<Event>, Error> {
        self.shared.journal.events(id, after, EVENTS_AT_ONCE).await
    }

    /// Tells when something may have changed.
    pub fn changes(&self) -> Changes {
        Changes { here: self.shared.changed.subscribe() }
    }

    /// Whether this process is about to end, so that who waits should come back later.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.is_cancelled()
    }

    /// Refuses an operation whose every item would be refused for want of a reason.
    fn check_reason(
        &self,
        ctx: &CallContext,
        action: BulkAction,
        reason: Option<&str>,
        aims: &[Aim],
    ) -> Result<(), Error> {
        let mut ctx = ctx.clone();
        ctx.reason = reason.filter(|reason| !reason.trim().is_empty()).map(Arc::from);
        Ok(self.bulk.check_reason(&ctx, action.needs(), aims)?)
    }

    async fn before(&self, ctx: &CallContext, key: &Key) -> Result<Option<Accepted>, Error> {
        let app = ctx.principal.app.as_str();
        let found = self.shared.journal.by_key(app, &key.key).await?;
        Ok(found.map(|(operation, fingerprint)| {
            let same = fingerprint.as_deref() == Some(key.fingerprint.as_str());
            if same { Accepted::Again(operation) } else { Accepted::KeyReused }
        }))
    }

    async fn quoted(
        &self,
        ctx: &CallContext,
        request: &OperationRequest,
        digest: &str,
    ) -> Result<KeptPlan, Error> {
        let Shared { journal, clock, .. } = self.shared.as_ref();
        let kept = journal.plan(ctx.principal.app.as_str(), digest, clock.now()).await?;
        let kept = kept.ok_or(Error::PlanExpired)?;
        if kept.action != request.action.as_str() || kept.selector != request.selector {
            let detail = "that plan is of another action or selector; make a new one with dryRun";
            return Err(Error::invalid("/planDigest", detail));
        }
        Ok(kept)
    }

    async fn store(
        &self,
        ctx: &CallContext,
        draft: Draft,
        targets: Vec<Result<Target, Drifted>>,
        key: Option<&Key>,
        answer: impl Fn(&Operation) -> Option<KeptAnswer>,
    ) -> Result<Accepted, Error> {
        let Shared { journal, clock, wake, .. } = self.shared.as_ref();
        let now = clock.now();
        let items: Vec<_> = (1..)
            .zip(targets)
            .map(|(index, target)| match target {
                Ok(target) => Item::queued(index, target),
                Err(Drifted(target)) => Item {
                    state: ItemState::Skipped,
                    code: Some("drifted".to_owned()),
                    message: Some("is not as it was when it was planned".to_owned()),
                    end_time: Some(now),
                    ..Item::queued(index, target)
                },
            })
            .collect();
        let mut counts = Counts::default();
        for item in &items {
            counts.planned += 1;
            counts.add(item.state, 1);
        }
        let state = counts.state(false, 0);
        let Draft { action, reason, order, settings, summary, retry_of } = draft;
        let operation = Operation {
            id: Uuid::now_v7(),
            action,
            state,
            counts,
            created_by: Creator::of(ctx),
            reason,
            order,
            settings,
            plan: summary,
            error: None,
            retry_of,
            create_time: now,
            start_time: None,
            end_time: state.is_final().then_some(now),
            verifying: 0,
            cancel_requested: false,
            settle_tries: 0,
            last_event: if state.is_final() { 2 } else { 1 },
        };
        // Written together: whoever asks again is answered, whatever happens next.
        let answer = ctx.reservation.zip(answer(&operation));
        let answer = answer.map(|(id, answer)| Idempotency::kept(id, &answer));
        if !journal.create(&operation, &items, key, answer).await? {
            // Somebody else was faster with the same key.
            let before = match key {
                Some(key) => self.before(ctx, key).await?,
                None => None,
            };
            return before.ok_or(Error::Unreadable);
        }
        wake.notify_one();
        Ok(Accepted::New(operation))
    }

    async fn own(&self, ctx: &CallContext, id: Uuid) -> Result<Operation, Error> {
        let found = self.shared.journal.operation(id).await?;
        let operation = found.ok_or(Error::NotFound { pointer: None })?;
        if self.is_visible(ctx, &operation).await? {
            return Ok(operation);
        }
        Err(Error::NotFound { pointer: None })
    }

    /// An app sees its own operations; who administers every customer that one reaches sees it
    /// too.
    async fn is_visible(&self, ctx: &CallContext, operation: &Operation) -> Result<bool, Error> {
        let bulk = &self.bulk;
        if operation.created_by.app == ctx.principal.app.as_str() {
            return Ok(true);
        }
        if !bulk.administers_anything(ctx) {
            return Ok(false);
        }
        let customers = self.shared.journal.customers(operation.id).await?;
        Ok(customers.iter().all(|customer| bulk.administers(ctx, customer)))
    }
}

/// Tells when something may have changed, here or at another replica.
#[derive(Debug)]
pub struct Changes {
    here: watch::Receiver<u64>,
}

impl Changes {
    /// Waits until something may have changed.
    pub async fn next(&mut self) {
        select! {
            changed = self.here.changed() => {
                if changed.is_err() {
                    sleep(ELSEWHERE).await;
                }
            }
            () = sleep(ELSEWHERE) => {}
        }
    }
}

/// What an operation is made of, apart from its items.
struct Draft {
    action: BulkAction,
    reason: Option<String>,
    order: Order,
    settings: Settings,
    summary: PlanSummary,
    retry_of: Option<Uuid>,
}

/// A target of the plan that was quoted, which is not one any more.
struct Drifted(Target);

/// What was planned and still is, what has drifted, and how many things are new.
fn compare(planned: Vec<Target>, now: Vec<Target>) -> (Vec<Result<Target, Drifted>>, u32) {
    let known: HashSet<&str> = planned.iter().map(|target| target.path.as_str()).collect();
    let newcomers = now.iter().filter(|target| !known.contains(target.path.as_str())).count();
    let still: HashSet<String> = now.into_iter().map(|target| target.path).collect();
    let items = planned
        .into_iter()
        .map(|target| if still.contains(&target.path) { Ok(target) } else { Err(Drifted(target)) })
        .collect();
    (items, u32::try_from(newcomers).unwrap_or(u32::MAX))
}

fn left_out(sources: &[SourceReport]) -> Vec<LeftOut> {
    sources
        .iter()
        .filter_map(|source| {
            let error = source.error.as_ref()?;
            Some(LeftOut {
                customer: source.customer.to_string(),
                site_id: source.site_id.clone(),
                code: error.code().to_string(),
                detail: error.to_string(),
            })
        })
        .collect()
}

/// How long a plan may be quoted.
const PLAN_LIFE: SignedDuration = SignedDuration::from_hours(1);
const LISTED_AT_ONCE: i64 = 200;
const EVENTS_AT_ONCE: i64 = 500;
/// How soon what other replicas write is seen.
const ELSEWHERE: Duration = Duration::from_millis(500);
