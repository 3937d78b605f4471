use std::{collections::HashSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    BulkAction, Counts, Error, Item, ItemState, Operation, OperationRequest, Plan, PlanSummary,
    Settings, Target,
    journal::{KeptPlan, Key},
    record::{Creator, LeftOut, Order},
    runner::Shared,
};
use crate::{
    domain::CallContext,
    services::{Aim, Bulk, SourceReport, Verdict},
};

/// Bulk operations: planning, starting, watching and stopping them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operations {
    pub(super) shared: Arc<Shared>,
    /// Plans with the configuration that the caller's request came under.
    pub(super) bulk: Bulk,
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
        let plan = self.look(ctx, request, &settings, now).await?;
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
        let plan = self.look(ctx, request, &settings, now).await?;
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
        self.store(ctx, draft, items, Some(key)).await
    }

    /// What there is to do. Where nothing could be read, nobody knows; that fails as a list of it
    /// would.
    async fn look(
        &self,
        ctx: &CallContext,
        request: &OperationRequest,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Plan, Error> {
        let plan = Plan::make(&self.bulk, ctx, request, settings, now).await?;
        let sources = Verdict::AllowPartial.decide(plan.sources)?;
        Ok(Plan { sources, ..plan })
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

    pub(super) async fn before(
        &self,
        ctx: &CallContext,
        key: &Key,
    ) -> Result<Option<Accepted>, Error> {
        let app = ctx.principal.app.as_str();
        let now = self.shared.clock.now();
        let found = self.shared.journal.by_key(app, &key.key, now).await?;
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

    pub(super) async fn store(
        &self,
        ctx: &CallContext,
        draft: Draft,
        targets: Vec<Result<Target, Drifted>>,
        key: Option<&Key>,
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
        if !journal.create(&operation, &items, key).await? {
            // Somebody else was faster with the same key, or with the same retry.
            let before = match key {
                Some(key) => self.before(ctx, key).await?,
                None => None,
            };
            if let Some(before) = before {
                return Ok(before);
            }
            let retry = match operation.retry_of {
                Some(retried) => journal.retry_of(retried).await?,
                None => None,
            };
            return retry.map(Accepted::Again).ok_or(Error::Unreadable);
        }
        wake.notify_one();
        Ok(Accepted::New(operation))
    }
}

/// What an operation is made of, apart from its items.
pub(super) struct Draft {
    pub(super) action: BulkAction,
    pub(super) reason: Option<String>,
    pub(super) order: Order,
    pub(super) settings: Settings,
    pub(super) summary: PlanSummary,
    pub(super) retry_of: Option<Uuid>,
}

/// A target of the plan that was quoted, which is not one any more.
pub(super) struct Drifted(Target);

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
