//! The one place where a running operation's items, counts, state and events are written.
//!
//! An operation is run by one worker at a time. Its changes are collected for as long as the last
//! write takes and then written together: all of them in one transaction that first makes sure
//! that the worker still holds the operation. So counts always add up, events come in order, and
//! a worker that was overtaken changes nothing.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Counts, Error, Item, ItemState, Operation,
    journal::{SiteShare, insert_events, progress_json, to_json},
    record::{Stop, Verification},
    tenure::Tenure,
};
use crate::{
    db::{self, Db, Lock, Lost, Tx, query},
    domain::Clock,
};

/// Takes the changes of one operation. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    changes: mpsc::Sender<Request>,
    cancelled: CancellationToken,
}

/// Nothing was written: the operation is another's now, or the store has been silent for too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the operation is run by another")]
pub(super) struct Overtaken;

/// Something to write.
#[derive(Clone, Debug)]
enum Change {
    /// The item is as given; it was in that state before.
    Item { item: Box<Item>, from: ItemState },
    /// Every item of the site that waits is cancelled.
    CancelWaiting { share: Option<SiteShare>, code: &'static str, message: &'static str },
    /// Every item under way is unknown: its worker is gone.
    Interrupt,
    /// Work was stopped before its end.
    Stop(Stop),
    /// When to look again for what became of unknown items; never, if absent.
    Settle { again: Option<Timestamp> },
}

#[derive(Debug)]
struct Request {
    change: Change,
    done: oneshot::Sender<Result<bool, Overtaken>>,
}

/// What the recorder works with.
struct Writer {
    db: Db,
    clock: Arc<dyn Clock>,
    tenure: Tenure,
    id: Uuid,
    stand: Stand,
    cancelled: CancellationToken,
    changed: watch::Sender<u64>,
}

/// What is known of the operation as a whole; written with every change.
#[derive(Clone, Debug)]
struct Stand {
    counts: Counts,
    verifying: u32,
    last_event: i64,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    was_final: bool,
    settle_tries: u32,
    due: Option<i64>,
    error: Option<Stop>,
}

impl Recorder {
    /// Begins to record for an operation that was just taken over. The task ends with the last
    /// clone of the recorder.
    pub(super) fn start(
        db: &Db,
        clock: Arc<dyn Clock>,
        tenure: Tenure,
        operation: &Operation,
        cancelled: CancellationToken,
        changed: watch::Sender<u64>,
    ) -> Self {
        if operation.cancel_requested {
            cancelled.cancel();
        }
        let writer = Writer {
            db: db.clone(),
            clock,
            tenure,
            id: operation.id,
            stand: Stand {
                counts: operation.counts,
                verifying: operation.verifying,
                last_event: operation.last_event,
                started: operation.start_time,
                ended: operation.end_time,
                was_final: operation.state.is_final(),
                settle_tries: operation.settle_tries,
                due: Some(0),
                error: operation.error.clone(),
            },
            cancelled: cancelled.clone(),
            changed,
        };
        let (sender, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(writer.run(waiting));
        Self { changes: sender, cancelled }
    }

    /// Cancelled once somebody asked for the operation to be.
    pub(super) fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// The item as it is from now on. `false` when it was to leave the queue and had been taken
    /// out of it before, or was to be sent and somebody has asked for the operation to be
    /// cancelled: nothing is sent then.
    pub(super) async fn item(&self, item: &Item, from: ItemState) -> Result<bool, Overtaken> {
        debug_assert!(from == item.state || from.may_become(item.state), "{from:?} {item:?}");
        self.send(Change::Item { item: Box::new(item.clone()), from }).await
    }

    /// Cancels what waits: of one site, or everywhere.
    pub(super) async fn cancel_waiting(
        &self,
        share: Option<&SiteShare>,
        code: &'static str,
        message: &'static str,
    ) -> Result<(), Overtaken> {
        self.send(Change::CancelWaiting { share: share.cloned(), code, message }).await.map(drop)
    }

    /// Says of everything under way that nobody knows what became of it.
    pub(super) async fn interrupt(&self) -> Result<(), Overtaken> {
        self.send(Change::Interrupt).await.map(drop)
    }

    /// Says why work was stopped.
    pub(super) async fn stop(&self, stop: Stop) -> Result<(), Overtaken> {
        self.send(Change::Stop(stop)).await.map(drop)
    }

    /// Says when to look again for what became of unknown items.
    pub(super) async fn settle_again(&self, again: Option<Timestamp>) -> Result<(), Overtaken> {
        self.send(Change::Settle { again }).await.map(drop)
    }

    async fn send(&self, change: Change) -> Result<bool, Overtaken> {
        let (done, answer) = oneshot::channel();
        self.changes.send(Request { change, done }).await.map_err(|_| Overtaken)?;
        answer.await.map_err(|_| Overtaken)?
    }
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Request>) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
            let (changes, answers): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|request: Request| (request.change, request.done)).unzip();
            let results = match self.write(&changes).await {
                Ok(done) => done.into_iter().map(Ok).collect(),
                Err(overtaken) => vec![Err(overtaken); answers.len()],
            };
            for (answer, result) in answers.into_iter().zip(results) {
                // Whoever asked may have gone; what was written stays.
                let _ = answer.send(result);
            }
            self.changed.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Writes, for as long as the operation is ours and the store may come back.
    async fn write(&mut self, changes: &[Change]) -> Result<Vec<bool>, Overtaken> {
        let until = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.commit(changes).await {
                Ok((stand, done)) => {
                    self.stand = stand;
                    return Ok(done);
                }
                Err(error) => error,
            };
            match error {
                // It may only have run out while the store was silent.
                Failed::Lease => match self.tenure.renew().await {
                    Ok(()) => continue,
                    Err(Lost::Gone) => return Err(Overtaken),
                    Err(Lost::Db(error)) => {
                        tracing::warn!(%error, "an operation cannot be written");
                    }
                },
                Failed::Db(error) => tracing::warn!(%error, "an operation cannot be written"),
                Failed::Surprise(reason) => {
                    tracing::error!(operation.id = %self.id, reason, "an operation is not as it was left");
                    self.tenure.lost().cancel();
                    return Err(Overtaken);
                }
            }
            if Instant::now() > until {
                return Err(Overtaken);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn commit(&self, changes: &[Change]) -> Result<(Stand, Vec<bool>), Failed> {
        let id = self.id.to_string();
        let mut tx = self.db.begin().await?;
        match self.tenure.lease().check(&mut tx).await {
            Ok(()) => {}
            Err(Lost::Gone) => return Err(Failed::Lease),
            Err(Lost::Db(error)) => return Err(Failed::Db(error)),
        }
        let row = query("SELECT cancel_requested FROM operation WHERE id = $1").bind(id.as_str());
        let row = tx.fetch_one(row.lock(Lock::Update)).await?;
        let cancel_requested: bool =
            row.ok_or(Failed::Surprise("it is gone"))?.get("cancel_requested")?;
        if cancel_requested {
            self.cancelled.cancel();
        }
        let now = self.clock.now();
        let mut stand = self.stand.clone();
        let mut events = Vec::new();
        let mut done = Vec::with_capacity(changes.len());
        for change in changes {
            let is_sending = matches!(change, Change::Item { item, from: ItemState::Queued }
                if item.state == ItemState::Dispatched);
            // The answer to the cancel may be out: nothing is sent after it.
            done.push(
                !(is_sending && cancel_requested)
                    && self.apply(change, &mut tx, &mut stand, &mut events, now).await?,
            );
        }
        let state = stand.counts.state(cancel_requested, stand.verifying);
        let progress = super::record::Progress { state, counts: stand.counts };
        let progress = progress_json(progress).map_err(|_| Failed::Surprise("its counts"))?;
        events.push(("progress", progress.clone()));
        if state.is_final() {
            if !stand.was_final {
                stand.ended = Some(now);
                let unknown = stand.counts.indeterminate > 0;
                stand.due = unknown.then_some(now.as_millisecond());
            }
            stand.was_final = true;
            events.push(("end", progress));
        }
        let first = stand.last_event + 1;
        stand.last_event += i64::try_from(events.len()).unwrap_or(0);
        tx.execute(insert_events(self.id, first, &events, now.as_millisecond())).await?;
        let Counts { skipped, queued, dispatched, succeeded, failed, .. } = stand.counts;
        let Counts { indeterminate, cancelled, verified, .. } = stand.counts;
        let update = query(
            "UPDATE operation SET state = $1, skipped = $2, queued = $3, dispatched = $4,
                succeeded = $5, failed = $6, indeterminate = $7, cancelled = $8, verified = $9,
                verifying = $10, settle_tries = $11, last_event = $12, due = $13, started = $14,
                ended = $15, error = $16
             WHERE id = $17",
        );
        let error = stand.error.as_ref().map(to_json).transpose();
        let update = update
            .bind(state.as_str())
            .bind(i64::from(skipped))
            .bind(i64::from(queued))
            .bind(i64::from(dispatched))
            .bind(i64::from(succeeded))
            .bind(i64::from(failed))
            .bind(i64::from(indeterminate))
            .bind(i64::from(cancelled))
            .bind(i64::from(verified))
            .bind(i64::from(stand.verifying))
            .bind(i64::from(stand.settle_tries))
            .bind(stand.last_event)
            .bind(stand.due)
            .bind(stand.started.map(Timestamp::as_millisecond))
            .bind(stand.ended.map(Timestamp::as_millisecond))
            .bind(error.map_err(|_| Failed::Surprise("its error"))?)
            .bind(id);
        tx.execute(update).await?;
        tx.commit().await?;
        Ok((stand, done))
    }

    async fn apply(
        &self,
        change: &Change,
        tx: &mut Tx,
        stand: &mut Stand,
        events: &mut Vec<(&'static str, String)>,
        now: Timestamp,
    ) -> Result<bool, Failed> {
        match change {
            Change::Item { item, from } => {
                let (touched, was_waiting) = self.update_item(tx, item, *from).await?;
                match (touched, *from) {
                    (true, _) => {}
                    (false, ItemState::Queued) => return Ok(false),
                    (false, _) => return Err(Failed::Surprise("an item is in another state")),
                }
                stand.counts.add(*from, -1);
                stand.counts.add(item.state, 1);
                let waits = item.verification == Some(Verification::Waiting);
                stand.verifying = stand.verifying + u32::from(waits) - u32::from(was_waiting);
                if was_waiting && item.verification == Some(Verification::Verified) {
                    stand.counts.verified += 1;
                }
                if item.state == ItemState::Dispatched && stand.started.is_none() {
                    stand.started = Some(now);
                }
                if !matches!(item.state, ItemState::Queued | ItemState::Dispatched) {
                    let data = to_json(item).map_err(|_| Failed::Surprise("an item"))?;
                    events.push(("item", data));
                }
            }
            Change::CancelWaiting { share, code, message } => {
                let mut update = query("UPDATE operation_item SET state = 'cancelled', code = ")
                    .push_value(*code)
                    .push(", message = ")
                    .push_value(*message)
                    .push(", ended = ")
                    .push_value(now.as_millisecond())
                    .push(" WHERE state = 'queued' AND operation_id = ")
                    .push_value(self.id.to_string());
                if let Some(share) = share {
                    update = update
                        .push(" AND customer = ")
                        .push_value(share.customer.as_str())
                        .push(" AND site = ")
                        .push_value(share.site.as_str());
                }
                let touched = i64::try_from(tx.execute(update).await?).unwrap_or(i64::MAX);
                stand.counts.add(ItemState::Queued, -touched);
                stand.counts.add(ItemState::Cancelled, touched);
            }
            Change::Interrupt => {
                let update = query(
                    "UPDATE operation_item SET state = 'indeterminate', code = $1, message = $2,
                        ended = $3
                     WHERE state = 'dispatched' AND operation_id = $4",
                );
                let update = update.bind(INTERRUPTED).bind(LOOKED_UP).bind(now.as_millisecond());
                let touched = tx.execute(update.bind(self.id.to_string())).await?;
                let touched = i64::try_from(touched).unwrap_or(i64::MAX);
                stand.counts.add(ItemState::Dispatched, -touched);
                stand.counts.add(ItemState::Indeterminate, touched);
            }
            Change::Stop(stop) => stand.error = Some(stop.clone()),
            Change::Settle { again } => {
                stand.settle_tries += 1;
                let running = !stand.was_final;
                let again = again.map(Timestamp::as_millisecond);
                stand.due = if running { Some(0) } else { again };
            }
        }
        Ok(true)
    }

    /// Writes an item that is in state `from`. Says whether it was, and whether it was waiting to
    /// be seen back.
    async fn update_item(
        &self,
        tx: &mut Tx,
        item: &Item,
        from: ItemState,
    ) -> Result<(bool, bool), Failed> {
        let id = self.id.to_string();
        let mut was_waiting = false;
        if from == ItemState::Succeeded {
            let was = query(
                "SELECT verification FROM operation_item WHERE operation_id = $1 AND seq = $2",
            );
            let row = tx.fetch_one(was.bind(id.as_str()).bind(item.index)).await?;
            let was: Option<String> = row.map(|row| row.get("verification")).transpose()?.flatten();
            was_waiting = was.as_deref() == Some(Verification::Waiting.as_str());
        }
        let update = query(
            "UPDATE operation_item SET state = $1, code = $2, message = $3, attempts = $4,
                credential = $5, job_id = $6, transaction_id = $7, evidence = $8,
                verification = $9, dispatched = $10, ended = $11
             WHERE operation_id = $12 AND seq = $13 AND state = $14",
        );
        let update = update
            .bind(item.state.as_str())
            .bind(item.code.as_deref())
            .bind(item.message.as_deref())
            .bind(i64::from(item.attempts))
            .bind(item.credential.as_deref())
            .bind(item.upstream_job_id.as_deref())
            .bind(item.upstream_transaction_id.as_deref())
            .bind(item.evidence.as_deref())
            .bind(item.verification.map(Verification::as_str))
            .bind(item.dispatch_time.map(Timestamp::as_millisecond))
            .bind(item.end_time.map(Timestamp::as_millisecond))
            .bind(id)
            .bind(item.index)
            .bind(from.as_str());
        Ok((tx.execute(update).await? == 1, was_waiting))
    }
}

/// Why a batch was not written.
enum Failed {
    /// The lease is not good now.
    Lease,
    /// The store did not answer.
    Db(db::Error),
    /// The operation is not as this worker left it, so that it is no longer its worker.
    Surprise(&'static str),
}

impl From<db::Error> for Failed {
    fn from(error: db::Error) -> Self {
        Self::Db(error)
    }
}

impl From<Error> for Failed {
    fn from(_: Error) -> Self {
        Self::Surprise("a value")
    }
}

/// Code of an item whose worker is gone.
pub(super) const INTERRUPTED: &str = "interrupted";
const LOOKED_UP: &str =
    "the gateway ended while this was under way; whether Citrix took it is being looked up";

/// Changes that are written together.
const MAX_BATCH: usize = 128;
/// Changes that may wait for their turn.
const MAX_WAITING: usize = 1_024;
/// How long a store may be silent before what is known of an item is given up.
const PATIENCE: Duration = Duration::from_mins(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
