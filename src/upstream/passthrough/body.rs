use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    task::AbortHandle,
    time::{Instant, Sleep, sleep, sleep_until},
};

use crate::upstream::resilience::{Outcome, Permit};

/// An answer on its way down, with limits on silence and on the time it takes as a whole.
pub(super) struct Answer {
    inner: Incoming,
    room: Option<Room>,
    silence: Duration,
    end: Instant,
    /// Runs only while nothing comes.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

/// The room that a call has until its answer has been read, or until the one who reads it has
/// dawdled for too long: what its caller does not take must not keep others from Citrix.
struct Room {
    shared: Arc<Shared>,
    watch: AbortHandle,
}

struct Shared {
    /// How the call ends if its answer can be read to the end, beside its room.
    held: Mutex<Option<(Permit, Outcome)>>,
    /// Whether it is Citrix that is being waited for.
    at_citrix: AtomicBool,
}

impl Answer {
    /// `room` is what is still to be given back, and how the call ends if this can be read to its
    /// end.
    pub(super) fn new(inner: Incoming, silence: Duration, room: Option<(Permit, Outcome)>) -> Self {
        let end = Instant::now() + LONGEST;
        let room = room.and_then(|(permit, outcome)| {
            if inner.is_end_stream() {
                permit.done(outcome);
                return None;
            }
            Some(Room::hold(permit, outcome))
        });
        Self { inner, room, silence, end, timer: None, waiting: false }
    }

    /// Gives the room back; `failure` is what it was in the place of an end.
    fn ended(&mut self, failure: Option<Outcome>) {
        if let Some(room) = self.room.take() {
            room.shared.give_back(failure);
        }
    }

    fn waits(&mut self, waiting: bool) {
        self.waiting = waiting;
        if let Some(room) = &self.room {
            room.shared.at_citrix.store(waiting, Ordering::Relaxed);
        }
    }
}

impl Room {
    fn hold(permit: Permit, outcome: Outcome) -> Self {
        let held = Mutex::new(Some((permit, outcome)));
        let shared = Arc::new(Shared { held, at_citrix: AtomicBool::new(false) });
        let watched = Arc::clone(&shared);
        let watch = tokio::spawn(async move {
            let mut left = DAWDLING;
            while !left.is_zero() {
                sleep(TICK).await;
                if !watched.at_citrix.load(Ordering::Relaxed) {
                    left = left.saturating_sub(TICK);
                }
            }
            watched.give_back(None);
        });
        Self { shared, watch: watch.abort_handle() }
    }
}

impl Shared {
    fn give_back(&self, failure: Option<Outcome>) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((permit, outcome)) = held {
            permit.done(failure.unwrap_or(outcome));
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.watch.abort();
        // Dropped by itself, the permit says nothing of the service.
        drop(self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            this.waits(false);
            match &frame {
                Some(Err(_)) => this.ended(Some(Outcome::Lost)),
                None => this.ended(None),
                Some(Ok(_)) if this.inner.is_end_stream() => this.ended(None),
                Some(Ok(_)) => {}
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let limit = (Instant::now() + this.silence).min(this.end);
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(limit)));
        if !this.waiting {
            timer.as_mut().reset(limit);
        }
        let silent = timer.as_mut().poll(cx);
        this.waits(true);
        match silent {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                this.ended(Some(Outcome::TimedOut));
                let error = io::Error::new(io::ErrorKind::TimedOut, "the answer has stopped");
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// The longest that one answer may take. The largest known ones are a few megabytes.
const LONGEST: Duration = Duration::from_mins(15);

/// How long, in all, an answer may lie with its caller before the call loses its room: many times
/// what a client takes that reads as fast as it gets.
const DAWDLING: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_secs(1);
