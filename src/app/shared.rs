use std::{sync::Arc, time::Duration};

use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::{Error, Options};
use crate::{
    api::Lifecycle,
    audit::Audit,
    config::Config,
    db::Db,
    domain::{Clock, SystemClock},
    operations::Runner,
    services::{Idempotency, SignedOut},
    telemetry::Metrics,
};

/// What outlives every reading of the configuration. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) metrics: Metrics,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lifecycle: Lifecycle,
    pub(super) options: Options,
    /// What goes on without its caller, and is waited for at the end.
    pub(super) changes: TaskTracker,
    pub(super) operations: Runner,
    pub(super) db: Db,
    pub(super) audit: Audit,
    pub(super) idempotency: Idempotency,
    pub(super) signed_out: SignedOut,
    _sweeper: Arc<AbortOnDropHandle<()>>,
}

impl Shared {
    /// Opens the durable store; everything else is made from nothing.
    pub(super) async fn open(options: &Options, config: &Config) -> Result<Self, Error> {
        let db = Db::open(&config.database).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let audit = Audit::new(db.clone(), &config.audit, Arc::clone(&clock));
        let idempotency = Idempotency::new(db.clone());
        let sweeper = sweep(db.clone(), audit.clone(), idempotency.clone(), Arc::clone(&clock));
        let operations = Runner::new(db.clone(), Arc::clone(&clock), config.operations.clone());
        Ok(Self {
            metrics: Metrics::new(),
            clock,
            lifecycle: Lifecycle::default(),
            options: options.clone(),
            changes: TaskTracker::new(),
            operations,
            db,
            audit,
            idempotency,
            signed_out: SignedOut::default(),
            _sweeper: Arc::new(AbortOnDropHandle::new(tokio::spawn(sweeper))),
        })
    }
}

/// Deletes what has been kept long enough, now and then.
async fn sweep(db: Db, audit: Audit, idempotency: Idempotency, clock: Arc<dyn Clock>) {
    // A process that begins knows that nobody else is at work in a database of its own.
    let mut alone = !db.is_shared();
    loop {
        let swept = audit.sweep(clock.now(), alone).await;
        if let Err(error) = &swept {
            tracing::warn!(%error, "the audit trail could not be swept");
        }
        alone = alone && swept.is_err();
        if let Err(error) = idempotency.sweep().await {
            tracing::warn!(%error, "idempotency keys could not be swept");
        }
        tokio::time::sleep(EVERY).await;
    }
}

const EVERY: Duration = Duration::from_hours(1);
