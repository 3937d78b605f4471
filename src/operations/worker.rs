//! One operation while this process runs it.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, future::join_all, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use tokio::{select, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Error, Item, ItemState, Operation,
    item::{Ending, ItemRun},
    journal::{Journal, SiteShare},
    record::Stop,
    recorder::{Overtaken, Recorder},
    runner::Shared,
    tenure::Tenure,
};
use crate::{
    domain::{Clock, Principal},
    services::{self, Bulk, Deed},
};

/// One operation, its right to be run, and all that running it takes.
pub(super) struct Worker {
    pub(super) journal: Journal,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) operation: Arc<Operation>,
    pub(super) deed: Deed,
    /// Whoever started it: each item is authorized as theirs.
    pub(super) principal: Arc<Principal>,
    pub(super) tenure: Tenure,
    pub(super) recorder: Recorder,
    /// Cancelled when this process is about to end: nothing more is begun.
    pub(super) draining: CancellationToken,
    /// How long one call may take, all in all.
    pub(super) item_deadline: Duration,
}

impl Worker {
    /// Runs it to its end, or until it is lost or the process ends.
    pub(super) async fn run(self) -> Result<(), Halted> {
        let worker = Arc::new(self);
        if worker.operation.counts.dispatched > 0 {
            // Whoever sent these is gone: they are looked up, and never sent again.
            worker.recorder.interrupt().await?;
        }
        let shares = worker.journal.shares(worker.operation.id).await?;
        let sites = shares.into_iter().map(|share| {
            let worker = Arc::clone(&worker);
            async move { worker.site(share).await }
        });
        let mut unknown = 0;
        for result in join_all(sites).await {
            unknown += result?;
        }
        if worker.may_begin() && (unknown > 0 || worker.operation.state.is_final()) {
            let again = (unknown > 0).then(|| worker.next_look()).flatten();
            worker.recorder.settle_again(again).await?;
        }
        Ok(())
    }

    /// Works through the items of one site, some at a time: first those whose answer was lost,
    /// then those that wait. Says of how many nobody knows yet what became of them.
    async fn site(self: &Arc<Self>, share: SiteShare) -> Result<u32, Halted> {
        let settings = &self.operation.settings;
        let slots = settings.max_concurrency as usize;
        let limit = settings.error_limit(share.planned);
        let mut failures = share.failures;
        let mut lost = Line::new(self, share.clone(), ItemState::Indeterminate);
        let mut line = Line::new(self, share, ItemState::Queued);
        if self.operation.counts.queued == 0 {
            // All that is left is to look what became of things.
            line.close();
        }
        let mut unknown = 0;
        let mut running = FuturesUnordered::new();
        for item in self.journal.unseen(self.operation.id, &line.share).await? {
            running.push(self.item_run(item).look_again().boxed());
        }
        loop {
            while running.len() < slots && self.may_begin() {
                let Some(item) = lost.next().await? else {
                    lost.close();
                    break;
                };
                running.push(self.item_run(item).settle().boxed());
            }
            let mut why = self.why_stop(failures, limit);
            while why.is_none() && running.len() < slots && self.may_begin() {
                match line.next().await? {
                    Some(item) => running.push(self.item_run(item).run().boxed()),
                    None => break,
                }
                why = self.why_stop(failures, limit);
            }
            if let Some((code, message)) = why.filter(|_| !line.is_closed()) {
                self.cancel(&line.share, code, message).await?;
                line.close();
            }
            let ended = if running.is_empty() {
                if self.may_begin() && !line.is_closed() && line.peek().await? {
                    continue;
                }
                return self.left_off().map(|()| unknown);
            } else {
                // A cancel must not wait for the slowest item.
                select! {
                    ended = running.next() => ended,
                    () = self.recorder.cancelled().cancelled(), if !line.is_closed() => None,
                }
            };
            match ended {
                Some(Ok(Ending::Failed)) => failures += 1,
                Some(Ok(Ending::Unknown)) => unknown += 1,
                Some(Ok(Ending::Other)) | None => {}
                Some(Err(Overtaken)) => return Err(Halted::Overtaken),
            }
        }
    }

    /// What to act with: the configuration may have changed since the last item.
    pub(super) fn bulk(&self) -> Result<Arc<Bulk>, services::Error> {
        self.shared.bulk().ok_or(services::Error::Internal)
    }

    /// Whether anything may be begun here and now.
    fn may_begin(&self) -> bool {
        !self.draining.is_cancelled() && self.tenure.holds()
    }

    /// How a site is left whose items are not under way any more.
    fn left_off(&self) -> Result<(), Halted> {
        if self.tenure.lost().is_cancelled() { Err(Halted::Overtaken) } else { Ok(()) }
    }

    /// Why the items that wait shall not have their turn.
    fn why_stop(&self, failures: u32, limit: u32) -> Option<(&'static str, &'static str)> {
        if self.recorder.cancelled().is_cancelled() {
            return Some(("cancelled", "the operation was cancelled"));
        }
        if failures > limit {
            return Some((MAX_ERRORS, "more items of this site failed than `maxErrors` allows"));
        }
        if self.clock.now() > self.operation.settings.not_after {
            return Some((WINDOW_CLOSED, "`notAfter` was over before its turn came"));
        }
        None
    }

    async fn cancel(
        &self,
        share: &SiteShare,
        code: &'static str,
        message: &'static str,
    ) -> Result<(), Halted> {
        if code != "cancelled" {
            let detail = match code {
                MAX_ERRORS => format!(
                    "site {} of customer {} was stopped: {message}",
                    share.site, share.customer
                ),
                _ => message.to_owned(),
            };
            self.recorder.stop(Stop { code: code.to_owned(), detail }).await?;
        }
        Ok(self.recorder.cancel_waiting(Some(share), code, message).await?)
    }

    fn item_run(self: &Arc<Self>, item: Item) -> ItemRun {
        ItemRun { worker: Arc::clone(self), item, waits: 0 }
    }

    /// When to look again, less and less often; never once the trail is cold.
    fn next_look(&self) -> Option<Timestamp> {
        let tries = self.operation.settle_tries;
        let now = self.clock.now();
        let began = self.operation.end_time.unwrap_or(now);
        let pause = FIRST_LOOK.saturating_mul(1 << tries.min(16)).min(LONGEST_LOOK);
        let next = now.checked_add(SignedDuration::try_from(pause).ok()?).ok()?;
        (next < began.checked_add(JOBS_LAST).ok()?).then_some(next)
    }
}

/// The items of one site in one state, a few at a time.
struct Line {
    worker: Arc<Worker>,
    share: SiteShare,
    state: ItemState,
    after: i64,
    next: std::vec::IntoIter<Item>,
}

impl Line {
    fn new(worker: &Arc<Worker>, share: SiteShare, state: ItemState) -> Self {
        Self { worker: Arc::clone(worker), share, state, after: 0, next: Vec::new().into_iter() }
    }

    async fn next(&mut self) -> Result<Option<Item>, Error> {
        if self.is_closed() || !self.peek().await? {
            return Ok(None);
        }
        Ok(self.next.next())
    }

    /// Whether there is one more.
    async fn peek(&mut self) -> Result<bool, Error> {
        if self.next.len() == 0 {
            let Worker { journal, operation, .. } = self.worker.as_ref();
            let (id, after) = (operation.id, self.after);
            let some = journal.of_site(id, &self.share, self.state, after, ITEMS_AT_ONCE).await?;
            if let Some(last) = some.last() {
                self.after = last.index;
            }
            self.next = some.into_iter();
        }
        Ok(self.next.len() > 0)
    }

    fn close(&mut self) {
        self.after = i64::MAX;
        self.next = Vec::new().into_iter();
    }

    fn is_closed(&self) -> bool {
        self.after == i64::MAX
    }
}

/// Why a worker has left off before the end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Halted {
    /// Another has the operation now.
    #[error("another has the operation now")]
    Overtaken,
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<Overtaken> for Halted {
    fn from(_: Overtaken) -> Self {
        Self::Overtaken
    }
}

/// When the answer of one call is due at the latest.
pub(super) fn deadline(after: Duration) -> Instant {
    Instant::now() + after
}

pub(super) const MAX_ERRORS: &str = "max_errors_exceeded";
pub(super) const WINDOW_CLOSED: &str = "window_closed";

/// Items that are held in memory while they wait for their turn, for each site.
const ITEMS_AT_ONCE: i64 = 64;

const FIRST_LOOK: Duration = Duration::from_secs(2);
const LONGEST_LOOK: Duration = Duration::from_hours(1);
/// Citrix forgets jobs after 48 hours.
const JOBS_LAST: SignedDuration = SignedDuration::from_hours(47);
