//! Finds operations that nobody runs, and runs them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use jiff::SignedDuration;
use tokio::{
    join, select,
    sync::{Notify, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Error, Operations,
    journal::Journal,
    recorder::Recorder,
    tenure::Tenure,
    worker::{Halted, Worker},
};
use crate::{
    config,
    db::{Db, query},
    domain::Clock,
    services::Bulk,
};

/// Runs operations in the background, those of other replicas that have gone away included.
#[derive(Clone, Debug)]
pub struct Runner {
    shared: Arc<Shared>,
}

/// What the runner and those who ask about operations have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) journal: Journal,
    /// What items act with: made by the newest configuration.
    bulk: ArcSwapOption<Bulk>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: config::Operations,
    /// Grows whenever something was written here.
    pub(super) changed: watch::Sender<u64>,
    /// Told when there may be something to run.
    pub(super) wake: Notify,
    pub(super) draining: CancellationToken,
    /// This process, as holder of leases.
    holder: String,
    /// Each operation that runs here, and how it is told that it is cancelled.
    running: Mutex<HashMap<Uuid, CancellationToken>>,
}

impl Shared {
    fn new(db: Db, clock: Arc<dyn Clock>, settings: config::Operations) -> Self {
        Self {
            journal: Journal { db },
            bulk: ArcSwapOption::empty(),
            clock,
            settings,
            changed: watch::Sender::new(0),
            wake: Notify::new(),
            draining: CancellationToken::new(),
            holder: Uuid::new_v4().to_string(),
            running: Mutex::default(),
        }
    }

    /// What items act with now.
    pub(super) fn bulk(&self) -> Option<Arc<Bulk>> {
        self.bulk.load_full()
    }

    /// Tells the operation that it is cancelled, if it runs here.
    pub(super) fn cancel_here(&self, id: Uuid) {
        if let Some(cancelled) = self.running().get(&id) {
            cancelled.cancel();
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an operation among those that run here: free again however it ends.
struct Place {
    shared: Arc<Shared>,
    id: Uuid,
}

impl Place {
    fn take(shared: &Arc<Shared>, id: Uuid, cancelled: CancellationToken) -> Self {
        shared.running().insert(id, cancelled);
        Self { shared: Arc::clone(shared), id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.running().remove(&self.id);
        self.shared.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Runner {
    /// Operations that are kept in `db`. One for each process.
    pub fn new(db: Db, clock: Arc<dyn Clock>, settings: config::Operations) -> Self {
        Self { shared: Arc::new(Shared::new(db, clock, settings)) }
    }

    /// The operations as callers see them, under one reading of the configuration. Items act
    /// under the one that was given last.
    pub fn serve(&self, bulk: Bulk) -> Operations {
        self.shared.bulk.store(Some(Arc::new(bulk.clone())));
        self.shared.wake.notify_one();
        Operations::new(Arc::clone(&self.shared), bulk)
    }

    /// Runs operations until `shutdown` is cancelled; then begins nothing more, waits for what is
    /// under way at most `patience`, which is asked for then. What is left is taken over by another
    /// once its lease has run out.
    pub async fn run(self, shutdown: CancellationToken, patience: impl FnOnce() -> Duration) {
        let shared = &self.shared;
        self.forget_dead_holders().await;
        let mut workers = JoinSet::new();
        let mut swept: Option<Instant> = None;
        loop {
            select! {
                () = shutdown.cancelled() => break,
                () = shared.wake.notified() => {}
                () = sleep(POLL) => {}
                Some(ended) = workers.join_next(), if !workers.is_empty() => note(ended),
            }
            self.begin_due(&mut workers).await;
            if swept.is_none_or(|at| at.elapsed() > SWEEP) {
                swept = Some(Instant::now());
                self.sweep().await;
            }
        }
        shared.draining.cancel();
        let waiting = async {
            while let Some(ended) = workers.join_next().await {
                note(ended);
            }
        };
        if timeout(patience(), waiting).await.is_err() {
            // What is under way is looked up by whoever runs it next.
            tracing::warn!("operations were left with calls under way");
        }
    }

    /// Where one process has the database for itself, whoever held leases before is dead.
    async fn forget_dead_holders(&self) {
        let db = &self.shared.journal.db;
        if db.is_shared() {
            return;
        }
        let free = query("UPDATE lease SET expires = 0 WHERE name LIKE 'operation:%'");
        if let Err(error) = db.write(vec![free]).await {
            tracing::warn!(%error, "operations of the last process are taken over a little later");
        }
    }

    async fn begin_due(&self, workers: &mut JoinSet<()>) {
        let shared = &self.shared;
        if shared.bulk().is_none() {
            return;
        }
        let limit = i64::from(shared.settings.max_running) * 2;
        let due = match shared.journal.due(shared.clock.now(), limit).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "operations cannot be read");
                return;
            }
        };
        for id in due {
            if shared.running().len() >= shared.settings.max_running as usize {
                return;
            }
            if shared.running().contains_key(&id) {
                continue;
            }
            let cancelled = CancellationToken::new();
            let place = Place::take(shared, id, cancelled.clone());
            match self.take(id, cancelled).await {
                Ok(Some(worker)) => {
                    workers.spawn(async move {
                        let _place = place;
                        Box::pin(run_one(worker)).await;
                    });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, operation.id = %id, "an operation cannot be run");
                }
            }
        }
    }

    /// Takes an operation over, if nobody has it.
    async fn take(&self, id: Uuid, cancelled: CancellationToken) -> Result<Option<Worker>, Error> {
        let shared = &self.shared;
        let Shared { journal, clock, settings, .. } = shared.as_ref();
        let tenure = Tenure::begin(&journal.db, id, &shared.holder, settings.lease).await?;
        let Some(tenure) = tenure else { return Ok(None) };
        // Read only now: the last holder may have written until a moment ago.
        let found = journal.operation(id).await;
        let (operation, deed, principal) = match found {
            Ok(Some(operation)) => match operation
                .deed()
                .and_then(|deed| Ok((deed, Arc::new(operation.created_by.principal()?))))
            {
                Ok((deed, principal)) => (operation, deed, principal),
                Err(error) => {
                    tenure.end().await;
                    return Err(error);
                }
            },
            Ok(None) => {
                tenure.end().await;
                return Ok(None);
            }
            Err(error) => {
                tenure.end().await;
                return Err(error);
            }
        };
        let changed = shared.changed.clone();
        let (db, clock) = (&journal.db, Arc::clone(clock));
        let recorder =
            Recorder::start(db, Arc::clone(&clock), tenure.clone(), &operation, cancelled, changed);
        Ok(Some(Worker {
            journal: journal.clone(),
            shared: Arc::clone(shared),
            clock,
            operation: Arc::new(operation),
            deed,
            principal,
            tenure,
            recorder,
            draining: shared.draining.clone(),
            item_deadline: ITEM_DEADLINE,
        }))
    }

    async fn sweep(&self) {
        let Shared { journal, clock, settings, .. } = self.shared.as_ref();
        let now = clock.now();
        let kept = SignedDuration::try_from(settings.retention).unwrap_or(SignedDuration::MAX);
        let Ok(before) = now.checked_sub(kept) else { return };
        loop {
            match journal.sweep(now, before).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "old operations cannot be removed");
                    return;
                }
            }
        }
    }
}

async fn run_one(worker: Worker) {
    let id = worker.operation.id;
    let tenure = worker.tenure.clone();
    let keeping = {
        let (tenure, journal) = (tenure.clone(), worker.journal.clone());
        let cancelled = worker.recorder.cancelled().clone();
        async move {
            join!(tenure.keep(), heed_cancel(&journal, id, &cancelled));
        }
    };
    let result = {
        tokio::pin!(keeping);
        let working = worker.run();
        tokio::pin!(working);
        select! {
            result = &mut working => result,
            // Only once the lease is lost, too: the work ends by itself, at its next write.
            () = &mut keeping => working.await,
        }
    };
    match result {
        Ok(()) => tracing::debug!(operation.id = %id, "an operation rests"),
        Err(Halted::Overtaken) => {
            tracing::info!(operation.id = %id, "an operation went to another");
        }
        Err(Halted::Store(error)) => {
            tracing::warn!(%error, operation.id = %id, "an operation had to be left for later");
        }
    }
    tenure.end().await;
}

/// Says so when an operation broke off: it is taken up again once its lease has run out.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an operation broke off");
    }
}

/// Looks whether the operation was cancelled at another replica, until it was.
async fn heed_cancel(journal: &Journal, id: Uuid, cancelled: &CancellationToken) {
    while !cancelled.is_cancelled() {
        sleep(HEED).await;
        // What the store cannot say now it may say later.
        if journal.is_cancel_requested(id).await.unwrap_or(false) {
            cancelled.cancel();
        }
    }
}

/// How often to look whether an operation was cancelled.
const HEED: Duration = Duration::from_secs(1);
/// How often to look for operations that nobody runs.
const POLL: Duration = Duration::from_secs(1);
/// How often to look for old ones.
const SWEEP: Duration = Duration::from_mins(10);
/// How long one item's call may take, all in all.
const ITEM_DEADLINE: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SystemClock;

    #[tokio::test]
    async fn an_operation_that_breaks_off_leaves_its_place() {
        let settings = config::Operations {
            retention: Duration::from_hours(24),
            lease: Duration::from_secs(10),
            max_running: 1,
        };
        let db = Db::in_memory().await.unwrap();
        let shared = Arc::new(Shared::new(db, Arc::new(SystemClock), settings));
        let id = Uuid::now_v7();
        let place = Place::take(&shared, id, CancellationToken::new());
        assert!(shared.running().contains_key(&id));
        let broken = tokio::spawn(async move {
            let _place = place;
            panic!("a fault");
        });
        assert!(broken.await.unwrap_err().is_panic());
        assert!(shared.running().is_empty());
    }
}
