use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    fetch::{FetchError, Source},
    key_set::{Key, KeySet},
};
use crate::config::Algorithm;

/// An identity provider's keys, kept fresh by a task of their own that ends with this.
#[derive(Debug)]
pub(in crate::auth) struct Provider {
    source: Source,
    shared: Arc<Shared>,
    _keeper: AbortOnDropHandle<()>,
}

/// A key, and the version of the set that it came from.
#[derive(Debug)]
pub(in crate::auth) struct Found {
    pub(in crate::auth) key: Arc<Key>,
    pub(in crate::auth) version: u64,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::auth) enum NoKey {
    /// The provider does not have it.
    Unknown,
    /// The provider cannot be asked.
    Unavailable {
        /// When it is asked next.
        retry_after: Duration,
    },
}

#[derive(Debug)]
struct Shared {
    state: watch::Sender<State>,
    /// Wakes the keeper before its time.
    wanted: Notify,
    demand: Mutex<Demand>,
}

#[derive(Debug)]
struct State {
    keys: Option<Kept>,
    /// Rises with every change of the keys.
    version: u64,
    /// Fetches that have ended.
    fetches: u64,
    phase: Phase,
}

/// The last good keys.
#[derive(Clone, Debug)]
struct Kept {
    set: Arc<KeySet>,
    fetched: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Fetching,
    /// The last fetch succeeded.
    Resting,
    /// The last fetch failed; the next is at this time.
    Failing(Instant),
}

/// What callers wanted beyond the keys at hand.
#[derive(Debug, Default)]
struct Demand {
    last: Option<Instant>,
    /// Keys that the provider was found not to have, and when; the oldest first.
    absent: VecDeque<(String, Instant)>,
}

type Fetch = Box<dyn Fn() -> BoxFuture<'static, Result<KeySet, FetchError>> + Send + Sync>;

impl Provider {
    /// Begins to fetch the keys, in the background: nothing waits for the provider.
    pub(in crate::auth) fn start(source: Source, client: reqwest::Client) -> Self {
        let fetch = {
            let source = source.clone();
            move || -> BoxFuture<'static, _> {
                let (source, client) = (source.clone(), client.clone());
                Box::pin(async move { source.fetch(&client).await })
            }
        };
        Self::start_with(source, Box::new(fetch))
    }

    pub(super) fn start_with(source: Source, fetch: Fetch) -> Self {
        let state = State { keys: None, version: 0, fetches: 0, phase: Phase::Fetching };
        let shared = Arc::new(Shared {
            state: watch::Sender::new(state),
            wanted: Notify::new(),
            demand: Mutex::default(),
        });
        let keeper = keep(Arc::clone(&shared), source.name.clone(), fetch);
        Self { source, shared, _keeper: AbortOnDropHandle::new(tokio::spawn(keeper)) }
    }

    /// Where the keys come from.
    pub(in crate::auth) fn source(&self) -> &Source {
        &self.source
    }

    /// The version of the keys at hand; `None` without any that may still be used.
    pub(in crate::auth) fn version(&self) -> Option<u64> {
        let state = self.shared.state.borrow();
        state.usable().map(|_| state.version)
    }

    /// The key, if it is at hand.
    pub(in crate::auth) fn known_key(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Option<Found> {
        self.shared.state.borrow().find(id, algorithm)
    }

    /// The key; the provider is asked for it where that is due.
    pub(in crate::auth) async fn key(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Found, NoKey> {
        let mut changes = self.shared.state.subscribe();
        let (before, phase) = {
            let state = changes.borrow_and_update();
            if let Some(found) = state.find(id, algorithm) {
                return Ok(found);
            }
            (state.fetches, state.phase)
        };
        match phase {
            Phase::Fetching => {}
            Phase::Failing(next) => return Err(unavailable(next)),
            Phase::Resting if self.shared.ask(id) => {}
            Phase::Resting => return self.known_key(id, algorithm).ok_or(NoKey::Unknown),
        }
        // The keeper's own deadline is shorter.
        let ended = changes.wait_for(|state| state.fetches > before);
        let Ok(Ok(state)) = timeout(FETCH_TIMEOUT * 2, ended).await else {
            return Err(NoKey::Unavailable { retry_after: FETCH_TIMEOUT });
        };
        match (state.find(id, algorithm), state.phase) {
            (Some(found), _) => Ok(found),
            (None, Phase::Failing(next)) => Err(unavailable(next)),
            (None, Phase::Fetching | Phase::Resting) => {
                drop(state);
                self.shared.note_absent(id);
                Err(NoKey::Unknown)
            }
        }
    }
}

impl State {
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Found> {
        let key = self.usable()?.find(id, algorithm)?;
        Some(Found { key: Arc::clone(key), version: self.version })
    }

    /// The keys, unless they are too old to be believed.
    fn usable(&self) -> Option<&KeySet> {
        let kept = self.keys.as_ref()?;
        (kept.fetched.elapsed() < KEEP).then_some(&*kept.set)
    }

    fn end_fetch(&mut self, outcome: Result<KeySet, FetchError>, next: Instant) {
        self.fetches += 1;
        match outcome {
            Ok(set) => {
                let same = self.keys.as_ref().is_some_and(|kept| kept.set.digest == set.digest);
                self.version += u64::from(!same);
                self.keys = Some(Kept { set: Arc::new(set), fetched: Instant::now() });
                self.phase = Phase::Resting;
            }
            Err(_) => self.phase = Phase::Failing(next),
        }
    }
}

impl Shared {
    /// Has the provider asked for a key that it did not have when it was last asked, where that is
    /// due. Whether a fetch is under way.
    fn ask(&self, id: Option<&str>) -> bool {
        let mut demand = self.demand.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state.borrow().phase == Phase::Fetching {
            return true;
        }
        demand.absent.retain(|(_, since)| since.elapsed() < ABSENT_FOR);
        if id.is_some_and(|id| demand.absent.iter().any(|(absent, _)| absent == id)) {
            return false;
        }
        if demand.last.is_some_and(|last| last.elapsed() < ASK_EVERY) {
            return false;
        }
        demand.last = Some(Instant::now());
        // Whoever comes next joins in, though the keeper has not woken up yet.
        self.state.send_modify(|state| state.phase = Phase::Fetching);
        self.wanted.notify_one();
        true
    }

    fn note_absent(&self, id: Option<&str>) {
        let Some(id) = id else { return };
        let mut demand = self.demand.lock().unwrap_or_else(PoisonError::into_inner);
        if demand.absent.iter().any(|(absent, _)| absent == id) {
            return;
        }
        if demand.absent.len() == MAX_ABSENT {
            demand.absent.pop_front();
        }
        demand.absent.push_back((id.to_owned(), Instant::now()));
    }
}

/// Fetches the keys again and again.
async fn keep(shared: Arc<Shared>, name: String, fetch: Fetch) {
    let mut failures = 0_u32;
    loop {
        if failures == 0 {
            // Else nobody waits for another failure.
            shared.state.send_modify(|state| state.phase = Phase::Fetching);
        }
        let outcome = timeout(FETCH_TIMEOUT, fetch()).await.unwrap_or(Err(FetchError::TimedOut));
        report(&name, &outcome, failures);
        let pause = if outcome.is_ok() {
            failures = 0;
            REFRESH_EVERY
        } else {
            failures += 1;
            (FIRST_RETRY * 2_u32.saturating_pow(failures - 1)).min(LAST_RETRY)
        };
        // Replicas that started together need not ask together.
        let pause = pause.mul_f64(0.9 + 0.2 * fastrand::f64());
        let next = Instant::now() + pause;
        shared.state.send_modify(|state| state.end_fetch(outcome, next));
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.wanted.notified() => {}
        }
    }
}

fn report(name: &str, outcome: &Result<KeySet, FetchError>, failures: u32) {
    match outcome {
        Ok(set) if set.len() == 0 => {
            tracing::warn!(
                cwsgate.issuer = name,
                skipped = set.skipped,
                "the issuer has no usable keys"
            );
        }
        Ok(set) => {
            let (usable, skipped) = (set.len(), set.skipped);
            tracing::debug!(
                cwsgate.issuer = name,
                usable,
                skipped,
                "fetched the keys of an issuer"
            );
            if failures > 0 {
                tracing::info!(cwsgate.issuer = name, "the keys of the issuer can be had again");
            }
        }
        Err(error) if failures == 0 => {
            tracing::warn!(cwsgate.issuer = name, %error, "the keys of an issuer cannot be had");
        }
        Err(error) => {
            tracing::debug!(cwsgate.issuer = name, %error, "the keys of an issuer cannot be had");
        }
    }
}

fn unavailable(next: Instant) -> NoKey {
    NoKey::Unavailable { retry_after: next.saturating_duration_since(Instant::now()) }
}

/// Time that one fetch may take, discovery included.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between two fetches when nothing is wanted.
const REFRESH_EVERY: Duration = Duration::from_mins(10);

/// Pauses after failed fetches: the first, doubling, and the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Least time between two fetches that unknown keys cause.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(30);

/// How long a key that the provider did not have causes no fetch, and how many such are known.
pub(super) const ABSENT_FOR: Duration = Duration::from_mins(2);
const MAX_ABSENT: usize = 256;

/// How long keys are believed while the provider does not answer.
pub(super) const KEEP: Duration = Duration::from_hours(24);
