use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use futures_util::future::BoxFuture;
use tokio::{sync::watch, task::AbortHandle, time::Instant};

use super::{Key, entry::Entry};
use crate::domain::CallContext;

/// The fetches that are under way, each in a task of its own: whoever began one may leave without
/// taking the answer away from the others.
#[derive(Debug)]
pub(super) struct Flights<E> {
    open: Mutex<HashMap<Arc<str>, Arc<Flight<E>>>>,
    count: AtomicU64,
}

/// One fetch.
pub(super) struct Flight<E> {
    number: u64,
    /// The writes there had been when it began.
    pub(super) begun: u64,
    /// When it began.
    pub(super) asked: Instant,
    /// The call on whose behalf it asks.
    pub(super) ctx: CallContext,
    landed: watch::Receiver<Option<Landed<E>>>,
    /// Nobody waits for it, and it goes on nevertheless.
    detached: AtomicBool,
    passengers: AtomicUsize,
    task: AbortHandle,
}

/// How a fetch ended.
#[derive(Clone, Debug)]
pub(super) enum Landed<E> {
    /// With an answer.
    Answer(Entry),
    /// With an error.
    Failed(E),
    /// With an error, and the time of whoever began it was over.
    OutOfTime(E),
}

/// A fetch that is about to begin.
pub(super) struct Departure<E> {
    pub(super) begun: u64,
    pub(super) ctx: CallContext,
    pub(super) work: BoxFuture<'static, Landed<E>>,
}

/// Somebody waits for a fetch. Dropping the last seat ends it: nobody would read the answer.
pub(super) struct Seat<E: Send + Sync + 'static> {
    flights: Arc<Flights<E>>,
    key: Arc<str>,
    pub(super) flight: Arc<Flight<E>>,
    /// Whether the fetch began for this one.
    pub(super) first: bool,
}

impl<E> Default for Flights<E> {
    fn default() -> Self {
        Self { open: Mutex::default(), count: AtomicU64::default() }
    }
}

impl<E: Clone + Send + Sync + 'static> Flights<E> {
    /// Waits for the fetch that is under way, if it may be joined, else begins one.
    pub(super) fn board(
        self: &Arc<Self>,
        key: &Key,
        may_join: impl FnOnce(&Flight<E>) -> bool,
        depart: impl FnOnce() -> Departure<E>,
    ) -> Seat<E> {
        let mut open = self.open();
        let joined = open.get(key.text()).filter(|flight| may_join(flight)).cloned();
        let first = joined.is_none();
        let flight = joined.unwrap_or_else(|| {
            let flight = self.begin(Arc::clone(key.text()), depart());
            open.insert(Arc::clone(key.text()), Arc::clone(&flight));
            flight
        });
        flight.passengers.fetch_add(1, Ordering::Relaxed);
        drop(open);
        Seat { flights: Arc::clone(self), key: Arc::clone(key.text()), flight, first }
    }

    fn begin(self: &Arc<Self>, key: Arc<str>, departure: Departure<E>) -> Arc<Flight<E>> {
        let Departure { begun, ctx, work } = departure;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let (land, landed) = watch::channel(None);
        let taken_off = TakenOff { flights: Arc::clone(self), key, number };
        let task = tokio::spawn(async move {
            let end = work.await;
            // First off the list, then told: who comes after finds the answer in the store.
            drop(taken_off);
            let _ = land.send(Some(end));
        });
        Arc::new(Flight {
            number,
            begun,
            asked: Instant::now(),
            ctx,
            landed,
            detached: AtomicBool::new(false),
            passengers: AtomicUsize::new(0),
            task: task.abort_handle(),
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Flight<E>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Flights<E> {
    fn remove(open: &mut HashMap<Arc<str>, Arc<Flight<E>>>, key: &str, number: u64) {
        if open.get(key).is_some_and(|flight| flight.number == number) {
            open.remove(key);
        }
    }
}

impl<E: Clone + Send + Sync + 'static> Seat<E> {
    /// Waits until the fetch has ended; `None` if it broke down.
    pub(super) async fn landed(&self) -> Option<Landed<E>> {
        let mut landed = self.flight.landed.clone();
        let end = landed.wait_for(Option::is_some).await.ok()?;
        end.clone()
    }

    /// Stops waiting without ending the fetch, which has a deadline of its own.
    pub(super) fn let_go_on(self) {
        self.flight.detached.store(true, Ordering::Relaxed);
    }
}

impl<E: Send + Sync + 'static> Drop for Seat<E> {
    fn drop(&mut self) {
        // Under the lock, so that nobody joins a fetch that is being ended.
        let mut open = self.flights.open.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.flight.passengers.fetch_sub(1, Ordering::Relaxed) == 1;
        if last && !self.flight.detached.load(Ordering::Relaxed) {
            Flights::remove(&mut open, &self.key, self.flight.number);
            self.flight.task.abort();
        }
    }
}

/// Takes a fetch off the list when its task ends, whichever way.
struct TakenOff<E> {
    flights: Arc<Flights<E>>,
    key: Arc<str>,
    number: u64,
}

impl<E> Drop for TakenOff<E> {
    fn drop(&mut self) {
        let mut open = self.flights.open.lock().unwrap_or_else(PoisonError::into_inner);
        Flights::remove(&mut open, &self.key, self.number);
    }
}

impl<E> fmt::Debug for Flight<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("number", &self.number).finish_non_exhaustive()
    }
}
