use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    db::{Db, Error, Lease, Lost},
    services::Gate,
};

/// The right to run one operation, while it lasts. Whoever has lost it sends nothing more: that
/// is looked at by the clock just before something is sent, and in the store whenever something
/// is written.
#[derive(Clone, Debug)]
pub(super) struct Tenure {
    lease: Arc<Lease>,
    db: Db,
    ttl: Duration,
    /// By this process's monotonic clock, which goes on while the process stands still.
    until: Arc<Mutex<Instant>>,
    taken: Arc<AtomicBool>,
    lost: CancellationToken,
}

impl Tenure {
    /// Takes the operation over; `None` while another has it.
    pub(super) async fn begin(
        db: &Db,
        operation: Uuid,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Self>, Error> {
        let began = Instant::now();
        let lease = Lease::acquire(db, &format!("operation:{operation}"), holder, ttl).await?;
        Ok(lease.map(|lease| Self {
            lease: Arc::new(lease),
            db: db.clone(),
            ttl,
            until: Arc::new(Mutex::new(began + ttl)),
            taken: Arc::default(),
            lost: CancellationToken::new(),
        }))
    }

    /// Cancelled once the operation is another's.
    pub(super) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Whether something may be sent now.
    pub(super) fn holds(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        !self.taken.load(Ordering::Acquire) && Instant::now() < until
    }

    /// The same question, for the last moment before something is sent.
    pub(super) fn gate(&self) -> Gate {
        let tenure = self.clone();
        Gate::new(move || tenure.holds())
    }

    /// Keeps the lease until it is lost or this is dropped.
    pub(super) async fn keep(&self) {
        while !self.lost.is_cancelled() {
            sleep(self.ttl / 4).await;
            // What the store cannot say now it may say later; until then nothing is sent.
            let _unanswered = self.renew().await;
        }
    }

    /// Makes the lease last again, if nobody else has taken it.
    pub(super) async fn renew(&self) -> Result<(), Lost> {
        let began = Instant::now();
        let renewed = self.lease.renew(&self.db, self.ttl).await;
        match &renewed {
            Ok(()) => {
                *self.until.lock().unwrap_or_else(PoisonError::into_inner) = began + self.ttl;
            }
            Err(Lost::Gone) => {
                self.taken.store(true, Ordering::Release);
                self.lost.cancel();
            }
            Err(Lost::Db(_)) => {}
        }
        renewed
    }

    /// Gives the operation back, so that another can have it at once.
    pub(super) async fn end(self) {
        self.lost.cancel();
        let lease = Lease::clone(&self.lease);
        if let Err(error) = lease.release(&self.db).await {
            tracing::debug!(%error, "a lease could not be given back; it runs out by itself");
        }
    }
}
