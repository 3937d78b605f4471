//! One item: look at the target again, say in the store that it is being sent, send it, and say
//! what came of it.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::{select, time::sleep};

use super::{
    BulkAction, Item, ItemState, Verify,
    guard::{LeftAlone, check_machine},
    record::Verification,
    recorder::{INTERRUPTED, Overtaken},
    worker::{WINDOW_CLOSED, Worker, deadline},
};
use crate::{
    domain::{CallContext, Machine, ProblemCode, RequestId, Via},
    services::{self, Aim, Bulk, Evidence, Sent, Taken},
};

/// One item on its way.
pub(super) struct ItemRun {
    pub(super) worker: Arc<Worker>,
    pub(super) item: Item,
    /// How often it had to wait without anything having been sent.
    pub(super) waits: u32,
}

/// What became of an item, as far as the rest of its site is concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// It counts against `maxErrors`.
    Failed,
    /// It does not.
    Other,
    /// Nobody knows yet what became of it, and it is to be looked at again.
    Unknown,
}

/// An answer that came after the operation had been lost.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct LateAnswer {
    state: ItemState,
    code: Option<String>,
    message: Option<String>,
    job_id: Option<String>,
}

/// What an attempt came to.
enum Attempt {
    /// It is over.
    Ended(Ending),
    /// Nothing was done, and it may be tried again after a while.
    Again(Duration),
}

impl ItemRun {
    /// Takes the item from waiting to its end.
    pub(super) async fn run(mut self) -> Result<Ending, Overtaken> {
        loop {
            match self.attempt().await? {
                Attempt::Ended(ending) => return Ok(ending),
                Attempt::Again(pause) => {
                    let worker = &self.worker;
                    let cancelled = worker.recorder.cancelled();
                    select! {
                        () = sleep(pause) => {}
                        // Cancelled with all that waits, or left for whoever runs it next.
                        () = cancelled.cancelled() => return Ok(Ending::Other),
                        () = worker.draining.cancelled() => return Ok(Ending::Other),
                        () = worker.tenure.lost().cancelled() => return Err(Overtaken),
                    }
                }
            }
        }
    }

    /// Goes on looking whether a machine is seen back.
    pub(super) async fn look_again(mut self) -> Result<Ending, Overtaken> {
        self.verify(None).await?;
        Ok(Ending::Other)
    }

    async fn attempt(&mut self) -> Result<Attempt, Overtaken> {
        if self.is_too_late() {
            return self.close().await;
        }
        let ctx = self.context();
        let aim = match self.item.target.aim() {
            Ok(aim) => aim,
            Err(error) => return self.fail_unsent("internal", Some(error.to_string())).await,
        };
        // Whoever may not act any more has no use for a look, and gets no answer out of it.
        let bulk = match self.means(&ctx, &aim) {
            Ok((bulk, _)) => bulk,
            Err(error) => return self.unsent(&error).await,
        };
        let before = match self.recheck(&bulk, &ctx, &aim).await {
            Ok(Ok(before)) => before,
            Ok(Err(LeftAlone { reason, detail })) => return self.skip(reason, detail).await,
            Err(services::Error::NotFound) => {
                return self.skip("gone", "is not there any more".to_owned()).await;
            }
            Err(error) => return self.unsent(&error).await,
        };
        // The configuration may have changed during the look.
        let bulk = match self.means(&ctx, &aim) {
            Ok((bulk, credential)) => {
                self.item.credential = Some(credential);
                bulk
            }
            Err(error) => return self.unsent(&error).await,
        };
        let worker = &self.worker;
        if worker.recorder.cancelled().is_cancelled() || worker.draining.is_cancelled() {
            return Ok(Attempt::Ended(Ending::Other));
        }
        if self.is_too_late() {
            return self.close().await;
        }
        let now = worker.clock.now();
        self.item.state = ItemState::Dispatched;
        self.item.attempts += 1;
        self.item.code = None;
        self.item.message = None;
        self.item.dispatch_time = Some(now);
        self.item.upstream_transaction_id = Some(ctx.transaction_id.to_string());
        if !self.record_item(ItemState::Queued).await? {
            return Ok(Attempt::Ended(Ending::Other));
        }
        let worker = &self.worker;
        let result = bulk.act(&ctx, &aim, worker.deed.clone(), worker.tenure.gate()).await;
        if !ctx.asked_for_change() {
            self.item.attempts -= 1;
            self.waits += 1;
        }
        self.conclude(result, before).await
    }

    /// What to act with now, and the API client that does: whoever started the operation must
    /// still be granted the action.
    fn means(&self, ctx: &CallContext, aim: &Aim) -> Result<(Arc<Bulk>, String), services::Error> {
        let bulk = self.worker.bulk()?;
        let credential = bulk.credential(ctx, self.worker.operation.action.needs(), aim)?;
        Ok((bulk, credential))
    }

    /// Looks at the target once more, if that is asked for.
    async fn recheck(
        &self,
        bulk: &Bulk,
        ctx: &CallContext,
        aim: &Aim,
    ) -> Result<Result<Option<Machine>, LeftAlone>, services::Error> {
        let Worker { operation, clock, .. } = self.worker.as_ref();
        if !operation.settings.recheck {
            return Ok(Ok(None));
        }
        let action = operation.action;
        let filter = operation.order.selector.r#where.read(action);
        let filter = filter.map_err(|_| services::Error::Internal)?;
        if action.is_about_sessions() {
            let session = bulk.session(ctx, aim).await?;
            let machine = match session.machine.as_ref().and_then(|machine| machine.id.clone()) {
                Some(id) if filter.is_about_machines() => {
                    Some(bulk.machine(ctx, &Aim { id, ..aim.clone() }).await?)
                }
                _ => None,
            };
            let mismatches = filter.session_mismatches(&session, machine.as_ref(), clock.now());
            if mismatches.is_empty() {
                return Ok(Ok(None));
            }
            return Ok(Err(LeftAlone::not_wanted(&mismatches)));
        }
        let machine = bulk.machine(ctx, aim).await?;
        let verdict = check_machine(action, &filter, &operation.settings.include, &machine);
        Ok(verdict.map(|()| Some(machine)))
    }

    /// Says in the store what Citrix said, and goes on looking where that is asked for.
    async fn conclude(
        &mut self,
        result: Result<Taken, services::Error>,
        before: Option<Machine>,
    ) -> Result<Attempt, Overtaken> {
        let now = self.worker.clock.now();
        let item = &mut self.item;
        item.end_time = Some(now);
        let error = match result {
            Ok(taken) => {
                item.state = ItemState::Succeeded;
                item.upstream_job_id = taken.job_id;
                let verified = self.worker.operation.settings.verify != Verify::None;
                item.verification = verified.then_some(Verification::Waiting);
                self.record_answer().await?;
                if verified {
                    self.verify(before.as_ref()).await?;
                }
                return Ok(Attempt::Ended(Ending::Other));
            }
            Err(error) => error,
        };
        let fault = error.upstream();
        let said = fault.as_ref().and_then(|fault| fault.message.clone());
        item.upstream_job_id = fault.as_ref().and_then(|fault| fault.job_id.clone());
        item.message = Some(said.unwrap_or_else(|| error.to_string()));
        item.code = Some(error.code().to_string());
        if error.outcome_unknown() {
            item.state = ItemState::Indeterminate;
            self.record_answer().await?;
            return Ok(Attempt::Ended(Ending::Failed));
        }
        if matches!(error, services::Error::Superseded) {
            item.code = Some("not_sent".to_owned());
        }
        if let Some(pause) = self.pause(&error) {
            self.item.state = ItemState::Queued;
            self.item.end_time = None;
            self.record_answer().await?;
            return Ok(Attempt::Again(pause));
        }
        self.item.state = ItemState::Failed;
        self.record_answer().await?;
        Ok(Attempt::Ended(Ending::Failed))
    }

    /// An error before anything was sent.
    async fn unsent(&mut self, error: &services::Error) -> Result<Attempt, Overtaken> {
        if let Some(pause) = self.pause(error) {
            self.waits += 1;
            return Ok(Attempt::Again(pause));
        }
        let said = error.upstream().and_then(|fault| fault.message);
        let message = said.unwrap_or_else(|| error.to_string());
        self.fail_unsent(error.code().as_str(), Some(message)).await
    }

    async fn fail_unsent(
        &mut self,
        code: &str,
        message: Option<String>,
    ) -> Result<Attempt, Overtaken> {
        self.item.state = ItemState::Failed;
        self.item.code = Some(code.to_owned());
        self.item.message = message;
        self.item.end_time = Some(self.worker.clock.now());
        let failed = self.record_item(ItemState::Queued).await?;
        Ok(Attempt::Ended(if failed { Ending::Failed } else { Ending::Other }))
    }

    /// Whether nothing may be begun any more.
    fn is_too_late(&self) -> bool {
        self.worker.clock.now() > self.worker.operation.settings.not_after
    }

    async fn close(&mut self) -> Result<Attempt, Overtaken> {
        self.item.state = ItemState::Cancelled;
        self.item.code = Some(WINDOW_CLOSED.to_owned());
        self.item.message = Some("`notAfter` was over before its turn came".to_owned());
        self.item.end_time = Some(self.worker.clock.now());
        self.record_item(ItemState::Queued).await?;
        Ok(Attempt::Ended(Ending::Other))
    }

    async fn skip(&mut self, reason: &str, detail: String) -> Result<Attempt, Overtaken> {
        self.item.state = ItemState::Skipped;
        self.item.code = Some(reason.to_owned());
        self.item.message = Some(detail);
        self.item.end_time = Some(self.worker.clock.now());
        self.record_item(ItemState::Queued).await?;
        Ok(Attempt::Ended(Ending::Other))
    }

    /// How long to wait before another attempt; `None` where none makes sense. Nothing has been
    /// done where one does: the call reached nobody, or was turned away at the door.
    fn pause(&self, error: &services::Error) -> Option<Duration> {
        let tries = self.item.attempts + self.waits;
        match error.code() {
            // Its turn comes, unless `notAfter` comes first.
            ProblemCode::UpstreamRateLimited | ProblemCode::QuotaExceeded => {}
            ProblemCode::UpstreamUnavailable
            | ProblemCode::UpstreamTimeout
            | ProblemCode::UpstreamTokenUnavailable
            | ProblemCode::AuditUnavailable
            | ProblemCode::Overloaded
            | ProblemCode::DeadlineExceeded
                if tries < MOST_TRIES => {}
            _ if matches!(error, services::Error::Superseded) && tries < MOST_TRIES => {}
            _ => return None,
        }
        let left = self.worker.clock.now().duration_until(self.worker.operation.settings.not_after);
        // A little more, so that the window is over then.
        let left = Duration::try_from(left).unwrap_or_default() + FIRST_PAUSE;
        Some(wait(tries, error.retry_after()).min(left))
    }

    /// Stores the item as it is now. `false` when it was cancelled in the meantime.
    async fn record_item(&self, from: ItemState) -> Result<bool, Overtaken> {
        self.worker.recorder.item(&self.item, from).await
    }

    /// Stores what came of a call that was marked as sent. If the operation has been lost, the
    /// answer is kept for whoever has it now.
    async fn record_answer(&self) -> Result<(), Overtaken> {
        let recorded = self.record_item(ItemState::Dispatched).await;
        let Err(overtaken) = recorded.map(drop) else { return Ok(()) };
        let item = &self.item;
        let Some(transaction) = &item.upstream_transaction_id else { return Err(overtaken) };
        if item.state == ItemState::Indeterminate {
            return Err(overtaken);
        }
        let answer = LateAnswer {
            // What reached nobody is over all the same: nobody sends it again.
            state: if item.state == ItemState::Queued { ItemState::Failed } else { item.state },
            code: item.code.clone(),
            message: item.message.clone(),
            job_id: item.upstream_job_id.clone(),
        };
        let Ok(answer) = serde_json::to_string(&answer) else { return Err(overtaken) };
        let (journal, id) = (&self.worker.journal, self.worker.operation.id);
        let kept = journal.keep_late_answer(id, item.index, transaction, answer).await;
        if let Err(error) = kept {
            tracing::warn!(%error, operation.id = %id, "an answer came late and could not be kept");
        }
        Err(overtaken)
    }

    /// Looks until the machine is where the action leads to, or it takes too long.
    async fn verify(&mut self, before: Option<&Machine>) -> Result<(), Overtaken> {
        let worker = Arc::clone(&self.worker);
        let operation = &worker.operation;
        let Ok(aim) = self.item.target.aim() else { return Ok(()) };
        let since = self.item.dispatch_time.unwrap_or(operation.create_time);
        let patience = SignedDuration::try_from(operation.settings.verify_timeout);
        let until = since.checked_add(patience.unwrap_or(SignedDuration::MAX));
        let until = until.unwrap_or(Timestamp::MAX);
        let mut seen_away = false;
        let mut pause = FIRST_GLANCE;
        loop {
            select! {
                () = sleep(pause) => {}
                // Whoever runs it next goes on looking.
                () = worker.draining.cancelled() => return Ok(()),
                () = worker.tenure.lost().cancelled() => return Err(Overtaken),
            }
            pause = (pause * 2).min(LONGEST_GLANCE);
            let ctx = self.context();
            let seen = match worker.bulk() {
                Ok(bulk) => bulk.machine(&ctx, &aim).await,
                Err(error) => Err(error),
            };
            if let Ok(machine) = seen {
                seen_away |= has_left(&machine, before, since);
                if is_back(operation.action, operation.settings.verify, &machine, seen_away) {
                    self.item.verification = Some(Verification::Verified);
                    return self.record_item(ItemState::Succeeded).await.map(drop);
                }
            }
            if worker.clock.now() > until {
                self.item.verification = Some(Verification::TimedOut);
                self.item.code = Some("verify_timeout".to_owned());
                let message = "Citrix took it, and the machine was not seen back in time";
                self.item.message = Some(message.to_owned());
                return self.record_item(ItemState::Succeeded).await.map(drop);
            }
        }
    }

    /// Looks what became of an item whose answer was lost, unless the process ends first.
    pub(super) async fn settle(self) -> Result<Ending, Overtaken> {
        let draining = self.worker.draining.clone();
        select! {
            ending = self.find_out() => ending,
            () = draining.cancelled() => Ok(Ending::Unknown),
        }
    }

    async fn find_out(mut self) -> Result<Ending, Overtaken> {
        let worker = Arc::clone(&self.worker);
        let id = worker.operation.id;
        // Any other counted when its answer was lost.
        let counts = self.item.code.as_deref() == Some(INTERRUPTED);
        let ending = |state| match state {
            ItemState::Failed if counts => Ending::Failed,
            _ => Ending::Other,
        };
        if let Ok(Some(late)) = worker.journal.late_answer(id, self.item.index).await
            && let Ok(late) = serde_json::from_str::<LateAnswer>(&late)
            && ItemState::Indeterminate.may_become(late.state)
        {
            self.item.state = late.state;
            self.item.code = late.code;
            self.item.message = late.message;
            self.item.upstream_job_id = late.job_id;
            self.item.evidence = Some("its answer came late".to_owned());
            self.record_item(ItemState::Indeterminate).await?;
            return Ok(ending(late.state));
        }
        let (Ok(aim), Some(since)) = (self.item.target.aim(), self.item.dispatch_time) else {
            return Ok(Ending::Unknown);
        };
        let sent = Sent {
            credential: self.item.credential.as_deref(),
            job_id: self.item.upstream_job_id.as_deref(),
            since,
        };
        let ctx = self.context();
        let evidence = match worker.bulk() {
            Ok(bulk) => bulk.evidence(&ctx, &aim, &worker.deed, &sent).await,
            Err(error) => Err(error),
        };
        let (state, because, job_id) = match evidence {
            Ok(Evidence::Happened { because, job_id }) => (ItemState::Succeeded, because, job_id),
            Ok(Evidence::Refused { because, job_id }) => (ItemState::Failed, because, job_id),
            Ok(Evidence::None) => return Ok(Ending::Unknown),
            Err(error) => {
                tracing::debug!(%error, operation.id = %id, "no evidence can be had now");
                return Ok(Ending::Unknown);
            }
        };
        self.item.state = state;
        self.item.code = (state == ItemState::Failed).then(|| "upstream_error".to_owned());
        self.item.message = (state == ItemState::Failed).then(|| because.clone());
        self.item.evidence = Some(because);
        self.item.upstream_job_id = job_id.or(self.item.upstream_job_id);
        self.record_item(ItemState::Indeterminate).await?;
        Ok(ending(state))
    }

    /// A call of its own, as whoever started the operation.
    fn context(&self) -> CallContext {
        let operation = &self.worker.operation;
        let until = deadline(self.worker.item_deadline);
        let principal = Arc::clone(&self.worker.principal);
        let mut ctx = CallContext::new(principal, until, RequestId::generate());
        ctx.on_behalf_of.clone_from(&operation.created_by.on_behalf_of);
        ctx.reason = operation.reason.as_deref().map(Arc::from);
        ctx.via = Via::Operation;
        ctx.operation_id = Some(operation.id);
        ctx
    }
}

/// A pause that grows with the number of tries, or as long as somebody said.
fn wait(tries: u32, hint: Option<Duration>) -> Duration {
    let own = FIRST_PAUSE.saturating_mul(1 << tries.min(8)).min(LONGEST_PAUSE);
    hint.unwrap_or_default().max(own)
}

/// Whether the machine has been away since.
fn has_left(machine: &Machine, before: Option<&Machine>, since: Timestamp) -> bool {
    let left = machine.last_deregistration_time;
    let newer = match before {
        Some(before) => left.is_some() && left != before.last_deregistration_time,
        // Clocks differ, and Citrix may write whole seconds.
        None => left.is_some_and(|left| left >= since - SKEW),
    };
    newer || !is_word(machine.power_state.as_deref(), "On")
}

/// Whether the machine is where the action leads to.
fn is_back(action: BulkAction, verify: Verify, machine: &Machine, seen_away: bool) -> bool {
    let power = machine.power_state.as_deref();
    let pending = machine.power_action_pending == Some(true);
    let reached = match action {
        BulkAction::Shutdown => is_word(power, "Off"),
        BulkAction::Suspend => is_word(power, "Suspended"),
        BulkAction::Reboot => seen_away && is_word(power, "On"),
        _ => is_word(power, "On"),
    };
    let registered = is_word(machine.registration_state.as_deref(), "Registered");
    reached && !pending && (verify != Verify::Registered || registered)
}

fn is_word(actual: Option<&str>, word: &str) -> bool {
    actual.is_some_and(|actual| actual.eq_ignore_ascii_case(word))
}

/// Most tries of an item while Citrix or the store is out of reach.
const MOST_TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
const FIRST_GLANCE: Duration = Duration::from_millis(250);
const LONGEST_GLANCE: Duration = Duration::from_secs(5);
const SKEW: SignedDuration = SignedDuration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_wait_is_waited_out_and_a_drawn_one_is_bounded() {
        let five_minutes = Duration::from_mins(5);
        assert_eq!(wait(1, Some(five_minutes)), five_minutes);
        assert_eq!(wait(1, Some(Duration::ZERO)), FIRST_PAUSE * 2);
        assert_eq!(wait(1, None), FIRST_PAUSE * 2);
        assert_eq!(wait(1_000, None), LONGEST_PAUSE);
    }
}
