use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::{
    Key, Weigh, Writing,
    class::Windows,
    entry::{Entry, Standing},
    flight::{Departure, Flight, Flights, Landed},
    store::Store,
    writes::Writes,
};
use crate::{
    config::{self, Customer},
    domain::{CallContext, Clock, Freshness, ReadSource, Reading, SiteId},
    telemetry::Metrics,
};

/// Keeps what Citrix answered, and asks once for what many want at the same time. Clones share
/// everything. `E` is why a fetch can fail.
pub struct Cache<E>(Arc<Parts<E>>);

struct Parts<E> {
    config: config::Cache,
    store: Store,
    flights: Arc<Flights<E>>,
    writes: Arc<Writes>,
    /// How often Citrix was asked.
    asked: AtomicU64,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// A value and how it was come by.
#[derive(Debug)]
pub struct Cached<T> {
    /// What Citrix answered.
    pub value: Arc<T>,
    /// When, and how it got here.
    pub reading: Reading,
}

/// Why there is no value.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The caller wanted a kept answer, and there is none that is good enough.
    #[error("there is no answer in the cache")]
    NotCached,
    /// The caller's time was over before the fetch was.
    #[error("the time was over before Citrix answered")]
    TimedOut {
        /// Whether Citrix had been asked by then.
        asked: bool,
    },
    /// The fetch panicked; the log has the cause.
    #[error("the fetch broke down")]
    Broken,
    /// The fetch failed.
    #[error("the fetch failed")]
    Fetch(E),
}

/// Why a fetch can fail.
pub trait FetchError: Clone + Send + Sync + 'static {
    /// Whether Citrix could not answer, rather than answered that it is not so: an older answer may
    /// stand in for this one.
    fn is_outage(&self) -> bool;
}

impl<E: FetchError> Cache<E> {
    /// An empty cache. `config` says how much is kept, and for how long.
    pub fn new(config: config::Cache, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self(Arc::new(Parts {
            store: Store::new(config.max_bytes, metrics.clone()),
            config,
            flights: Arc::default(),
            writes: Arc::default(),
            asked: AtomicU64::default(),
            clock,
            metrics,
        }))
    }

    /// Reads what `key` names: what is kept if it is recent enough for the call, else what `fetch`
    /// gets, which everybody shares who wants the same meanwhile.
    ///
    /// `fetch` must ask for exactly what the key says and may be run in a task of its own, with the
    /// deadline of the call that began it. A call that wants [`Freshness::Fresh`] shares with nobody.
    ///
    /// # Errors
    /// See [`ReadError`]. An outage of Citrix's is no error while an older answer may stand in.
    pub async fn read<T, F>(
        &self,
        ctx: &CallContext,
        key: &Key,
        fetch: F,
    ) -> Result<Cached<T>, ReadError<E>>
    where
        T: Weigh + Send + Sync + 'static,
        F: Fn(CallContext) -> BoxFuture<'static, Result<T, E>> + Clone + Send + 'static,
    {
        let Some(windows) = Windows::of(key.class(), &self.0.config) else {
            if matches!(ctx.freshness, Freshness::OnlyIfCached(_)) {
                return Err(ReadError::NotCached);
            }
            let entry = self.0.ask(ctx, key, None, fetch).await.map_err(ReadError::Fetch)?;
            return cached(entry, ReadSource::Bypassed);
        };
        if ctx.freshness == Freshness::Fresh {
            let entry = self.0.ask(ctx, key, Some(windows), fetch).await;
            return self.found(ctx, key, entry.map_err(ReadError::Fetch)?, ReadSource::Requested);
        }
        let kept = self.0.find(key);
        if let Some(entry) = &kept
            && let Some(source) = good_enough(entry, ctx.freshness)
        {
            if source == ReadSource::Renewing {
                self.renew(ctx, key, windows, fetch);
            }
            return self.found(ctx, key, entry.clone(), source);
        }
        if matches!(ctx.freshness, Freshness::OnlyIfCached(_)) {
            return Err(ReadError::NotCached);
        }
        let error = match self.share(ctx, key, windows, fetch).await {
            Ok((entry, source)) => return self.found(ctx, key, entry, source),
            Err(error) => error,
        };
        let outage = match &error {
            ReadError::Fetch(error) => error.is_outage(),
            ReadError::TimedOut { .. } => true,
            ReadError::NotCached | ReadError::Broken => false,
        };
        // Looked up again: a write may have come meanwhile.
        match self.0.find(key).filter(Entry::can_stand_in) {
            Some(entry) if outage && ctx.freshness == Freshness::Any => {
                self.found(ctx, key, entry, ReadSource::Fallback)
            }
            _ => Err(error),
        }
    }

    /// What is kept, however old, without asking anybody.
    pub fn peek<T: Send + Sync + 'static>(&self, key: &Key) -> Option<Arc<T>> {
        self.0.find(key)?.value.downcast().ok()
    }

    /// Tells that something of a customer's is being changed: of one site, or anything at all. What
    /// was read of it before the returned value is dropped is not used after that.
    pub fn writing(&self, customer: &Customer, site: Option<&SiteId>) -> Writing {
        self.0.writes.begin(customer, site)
    }

    /// Bytes of everything that is kept.
    pub fn bytes(&self) -> u64 {
        self.0.store.bytes()
    }

    /// Takes part in the fetch that is under way, or begins one.
    async fn share<T, F>(
        &self,
        ctx: &CallContext,
        key: &Key,
        windows: Windows,
        fetch: F,
    ) -> Result<(Entry, ReadSource), ReadError<E>>
    where
        T: Weigh + Send + Sync + 'static,
        F: Fn(CallContext) -> BoxFuture<'static, Result<T, E>> + Clone + Send + 'static,
    {
        loop {
            let may_join = |flight: &Flight<E>| {
                let recent = match ctx.freshness {
                    Freshness::MaxAge(most) => flight.asked.elapsed() <= most,
                    _ => true,
                };
                recent && self.0.writes.allow(key, flight.begun)
            };
            let depart = || self.depart(ctx.clone(), key, windows, fetch.clone());
            let seat = self.0.flights.board(key, may_join, depart);
            // A fetch has the deadline of whoever began it, and says best what it ran into.
            let patience = if seat.first { GRACE } else { Duration::ZERO };
            let Ok(landed) = timeout_at(ctx.deadline + patience, seat.landed()).await else {
                let asked = seat.flight.ctx.asked_upstream();
                seat.let_go_on();
                return Err(ReadError::TimedOut { asked });
            };
            if seat.flight.ctx.simulated() {
                ctx.note_simulated();
            }
            match landed.ok_or(ReadError::Broken)? {
                Landed::Answer(entry) if seat.first => return Ok((entry, ReadSource::Miss)),
                Landed::Answer(entry) => return Ok((entry, ReadSource::Joined)),
                // It ended with the time of somebody else.
                Landed::OutOfTime(_) if !seat.first && !ctx.remaining().is_zero() => {}
                Landed::OutOfTime(error) | Landed::Failed(error) => {
                    return Err(ReadError::Fetch(error));
                }
            }
        }
    }

    /// Fetches in the background, unless that is going on.
    fn renew<T, F>(&self, ctx: &CallContext, key: &Key, windows: Windows, fetch: F)
    where
        T: Weigh + Send + Sync + 'static,
        F: Fn(CallContext) -> BoxFuture<'static, Result<T, E>> + Clone + Send + 'static,
    {
        let may_join = |flight: &Flight<E>| self.0.writes.allow(key, flight.begun);
        let depart = || {
            let ctx = ctx.in_background(Instant::now() + RENEWAL);
            self.depart(ctx, key, windows, fetch)
        };
        self.0.flights.board(key, may_join, depart).let_go_on();
    }

    fn depart<T, F>(&self, ctx: CallContext, key: &Key, windows: Windows, fetch: F) -> Departure<E>
    where
        T: Weigh + Send + Sync + 'static,
        F: Fn(CallContext) -> BoxFuture<'static, Result<T, E>> + Send + 'static,
    {
        let (parts, key, begun) = (Arc::clone(&self.0), key.clone(), self.0.writes.now());
        let asking = ctx.clone();
        let work = Box::pin(async move {
            match parts.ask(&asking, &key, Some(windows), fetch).await {
                Ok(entry) => Landed::Answer(entry),
                Err(error) if asking.remaining().is_zero() => Landed::OutOfTime(error),
                Err(error) => Landed::Failed(error),
            }
        });
        Departure { begun, ctx, work }
    }

    fn found<T: Send + Sync + 'static>(
        &self,
        ctx: &CallContext,
        key: &Key,
        entry: Entry,
        source: ReadSource,
    ) -> Result<Cached<T>, ReadError<E>> {
        if entry.simulated {
            ctx.note_simulated();
        }
        self.0.metrics.record_cache_read(key.class().as_str(), source.as_str());
        cached(entry, source)
    }
}

impl<E: FetchError> Parts<E> {
    /// What is kept and was read after the last write.
    fn find(&self, key: &Key) -> Option<Entry> {
        let entry = self.store.find(key)?;
        let counts = self.writes.allow(key, entry.begun) && entry.standing() != Standing::Gone;
        counts.then_some(entry)
    }

    /// Asks Citrix, and keeps the answer for as long as `windows` say.
    async fn ask<T, F>(
        &self,
        ctx: &CallContext,
        key: &Key,
        windows: Option<Windows>,
        fetch: F,
    ) -> Result<Entry, E>
    where
        T: Weigh + Send + Sync + 'static,
        F: Fn(CallContext) -> BoxFuture<'static, Result<T, E>>,
    {
        let (begun, asked, as_of) = (self.writes.now(), Instant::now(), self.clock.now());
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let value = match fetch(ctx.clone()).await {
            Ok(value) => value,
            Err(error) => {
                if !error.is_outage() {
                    self.store.forget(key);
                }
                return Err(error);
            }
        };
        let entry = Entry {
            weight: weight(key, &value),
            value: Arc::new(value),
            begun,
            number,
            asked,
            arrived: Instant::now(),
            as_of,
            simulated: ctx.simulated(),
            windows: windows.unwrap_or(Windows::NONE),
        };
        if windows.is_some() && self.writes.allow(key, begun) {
            self.store.keep(key, entry.clone());
        }
        Ok(entry)
    }
}

impl<E> Clone for Cache<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for Cache<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("bytes", &self.0.store.bytes()).finish_non_exhaustive()
    }
}

/// Whether a kept answer will do, and as what.
fn good_enough(entry: &Entry, freshness: Freshness) -> Option<ReadSource> {
    let (most, stale_will_do) = match freshness {
        Freshness::Any => (None, true),
        Freshness::OnlyIfCached(most) => (most, most.is_none()),
        Freshness::MaxAge(most) => (Some(most), false),
        Freshness::Fresh => return None,
    };
    if most.is_some_and(|most| entry.age() > most) {
        return None;
    }
    match entry.standing() {
        Standing::Fresh => Some(ReadSource::Hit),
        Standing::Renew if stale_will_do => Some(ReadSource::Renewing),
        Standing::Renew | Standing::FallBack | Standing::Gone => None,
    }
}

fn cached<T: Send + Sync + 'static, E>(
    entry: Entry,
    source: ReadSource,
) -> Result<Cached<T>, ReadError<E>> {
    let reading = entry.reading(source);
    // Cannot fail: the resource that the key names decides the type.
    let value = entry.value.downcast().map_err(|_| ReadError::Broken)?;
    Ok(Cached { value, reading })
}

fn weight<T: Weigh + Any>(key: &Key, value: &T) -> u32 {
    let bytes = key.text().len() + size_of::<T>() + value.heap() + OVERHEAD;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Bytes that an entry costs beside its key and its value: its times, and the cache's own lists.
const OVERHEAD: usize = 512;

/// How much longer than its own time a call waits for the fetch that it began.
const GRACE: Duration = Duration::from_millis(20);

/// Time that fetching a newer answer may take when nobody waits for it.
const RENEWAL: Duration = Duration::from_secs(30);
