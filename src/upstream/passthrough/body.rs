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

/// An answer on its way down, with limits on silence and on the time it takes as a whole.
pub(super) struct Answer {
    inner: Incoming,
    silence: Duration,
    end: Instant,
    /// Runs only while nothing comes.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Answer {
    pub(super) fn new(inner: Incoming, silence: Duration) -> Self {
        Self { inner, silence, end: Instant::now() + LONGEST, timer: None, waiting: false }
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
