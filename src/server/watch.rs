use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::Limits;

/// What one connection is doing, and until when it may: shared by its socket, its requests and
/// the task that closes it.
#[derive(Debug)]
pub(super) struct Watch {
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    state: Mutex<State>,
    /// Wakes the connection's task when a deadline has moved.
    waker: AtomicWaker,
    /// The first head whose framing is bad (counted from 1), and why.
    violation: OnceLock<(u64, &'static str)>,
    /// Heads that were handed to the service.
    heads: AtomicU64,
    /// Whether a request body was left unread, so that closing at once would reset the
    /// connection under the answer.
    unread: AtomicBool,
    /// Whether the socket gave up on a client that does not read.
    write_timed_out: AtomicBool,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    http2: bool,
    draining: bool,
    active: usize,
    /// HTTP/2 answers that wait for the client to open its flow-control window.
    stalled: BTreeMap<u64, Instant>,
    next_stream: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing of a request has arrived.
    Idle(Instant),
    /// Some bytes of a request's head have arrived (HTTP/1 only).
    Head(Instant),
    /// At least one request is being answered.
    Active,
}

/// What happens when a deadline passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expiry {
    /// The client had its chance to send another request: close politely.
    Idle,
    /// The head took too long.
    Head,
    /// The client does not take its answer.
    Write,
}

/// A request being answered: the connection cannot be idle while one exists.
#[derive(Debug)]
pub(super) struct InFlight {
    watch: Arc<Watch>,
    id: u64,
    http2: bool,
}

impl Watch {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.write_timeout,
            state: Mutex::new(State {
                // Before its first request a connection has only the time for a head.
                phase: Phase::Head(Instant::now() + limits.header_timeout),
                http2: false,
                draining: false,
                active: 0,
                stalled: BTreeMap::new(),
                next_stream: 0,
            }),
            waker: AtomicWaker::new(),
            violation: OnceLock::new(),
            heads: AtomicU64::new(0),
            unread: AtomicBool::new(false),
            write_timed_out: AtomicBool::new(false),
        })
    }

    /// Called by the task of the connection before it looks at the deadline.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// When the connection is to be closed if nothing changes, and how.
    pub(super) fn deadline(&self) -> Option<(Instant, Expiry)> {
        let state = self.lock();
        match state.phase {
            Phase::Idle(at) => Some((at, Expiry::Idle)),
            Phase::Head(at) => Some((at, Expiry::Head)),
            Phase::Active => state.stalled.values().min().map(|at| (*at, Expiry::Write)),
        }
    }

    /// Bytes arrived. On an idle HTTP/1 connection they begin a request.
    pub(super) fn received(&self) {
        let mut state = self.lock();
        if let Phase::Idle(_) = state.phase
            && !state.http2
        {
            state.phase = Phase::Head(Instant::now() + self.header_timeout);
        }
    }

    /// `bytes` of an answer were taken by the kernel. The rest of an answer whose body is complete
    /// may still be on its way, so the connection is not idle yet.
    pub(super) fn sent(&self, bytes: usize) {
        let mut state = self.lock();
        // On HTTP/2 a ping or an acknowledgement is no progress.
        if bytes == 0 || state.http2 && bytes <= MAX_CONTROL_FRAME {
            return;
        }
        let now = Instant::now();
        match &mut state.phase {
            Phase::Idle(at) => *at = (*at).max(now + self.write_timeout),
            Phase::Head(at) => *at = (*at).max(now + self.header_timeout),
            Phase::Active => {}
        }
    }

    /// A head is complete and goes to the service.
    pub(super) fn begin(self: &Arc<Self>, http2: bool) -> InFlight {
        let mut state = self.lock();
        state.http2 = http2;
        state.active += 1;
        state.phase = Phase::Active;
        let id = state.next_stream;
        state.next_stream += 1;
        drop(state);
        InFlight { watch: Arc::clone(self), id, http2 }
    }

    /// The shutdown has begun: an idle connection is not worth waiting for.
    pub(super) fn drain(&self) {
        let mut state = self.lock();
        state.draining = true;
        if let Phase::Idle(at) = &mut state.phase {
            *at = Instant::now() + POLITE_CLOSE;
        }
    }

    /// Records that the head after `good` others is not framed as RFC 9112 demands.
    pub(super) fn violated(&self, good: u64, reason: &'static str) {
        // A connection has one: nothing is read after it.
        let _ = self.violation.set((good + 1, reason));
    }

    /// Why the head that was just handed over must be refused, if it must.
    pub(super) fn next_head_violation(&self) -> Option<&'static str> {
        let head = self.heads.fetch_add(1, Ordering::Relaxed) + 1;
        self.violation.get().filter(|(bad, _)| *bad == head).map(|(_, reason)| *reason)
    }

    pub(super) fn left_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether the client may be in the middle of sending something nobody will read.
    pub(super) fn may_still_receive(&self) -> bool {
        self.unread.load(Ordering::Relaxed) || matches!(self.lock().phase, Phase::Head(_))
    }

    pub(super) fn write_timed_out(&self) {
        self.write_timed_out.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_write_timed_out(&self) -> bool {
        self.write_timed_out.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    /// The answer has a frame that the client has not made room for yet. Over HTTP/1 the socket
    /// notices; over HTTP/2 the socket may be idle while the client's window is shut.
    pub(super) fn waits_for_client(&self) {
        if self.http2 {
            let deadline = Instant::now() + self.watch.write_timeout;
            self.watch.lock().stalled.insert(self.id, deadline);
            self.watch.waker.wake();
        }
    }

    /// The client made room.
    pub(super) fn resumes(&self) {
        if self.http2 {
            self.watch.lock().stalled.remove(&self.id);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.watch.lock();
        state.active = state.active.saturating_sub(1);
        state.stalled.remove(&self.id);
        if state.active == 0 {
            let left = if state.draining { POLITE_CLOSE } else { self.watch.idle_timeout };
            state.phase = Phase::Idle(Instant::now() + left);
        }
        drop(state);
        self.watch.waker.wake();
    }
}

/// How long an idle connection may take to close once it was asked to.
pub(super) const POLITE_CLOSE: Duration = Duration::from_secs(1);

/// Settings, pings and window updates with their headers, a few at a time.
const MAX_CONTROL_FRAME: usize = 64;
