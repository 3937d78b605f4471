use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::upstream::resilience::{Outcome, Permit};

/// An answer on its way down, with limits on silence and on the time it takes as a whole.
pub(super) struct Answer {
    inner: Incoming,
    /// The call has its room until the answer has been read.
    permit: Option<(Permit, Outcome)>,
    silence: Duration,
    end: Instant,
    /// Runs only while nothing comes.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Answer {
    /// `outcome` is how the call ends if this can be read to its end.
    pub(super) fn new(
        inner: Incoming,
        silence: Duration,
        permit: Permit,
        outcome: Outcome,
    ) -> Self {
        let end = Instant::now() + LONGEST;
        let permit = Some((permit, outcome));
        let mut answer = Self { inner, permit, silence, end, timer: None, waiting: false };
        // Nobody should go on asking while the text of a refusal is being read.
        let refused = matches!(outcome, Outcome::Answered { status: 400.., .. });
        if refused || answer.inner.is_end_stream() {
            answer.ended(None);
        }
        answer
    }

    /// Gives the room back; `failure` is what it was in the place of an end.
    fn ended(&mut self, failure: Option<Outcome>) {
        if let Some((permit, outcome)) = self.permit.take() {
            permit.done(failure.unwrap_or(outcome));
        }
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
            this.waiting = false;
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
            this.waiting = true;
        }
        match timer.as_mut().poll(cx) {
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
