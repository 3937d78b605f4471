use std::{
    error::Error,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use http_body_util::Limited;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::watch::{InFlight, Watch};

/// A request body with a cap on its bytes and on the time it takes as a whole.
#[derive(Debug)]
pub(super) struct RequestBody {
    inner: Limited<Incoming>,
    timeout: Duration,
    /// Set when the body is first asked for: time before that is ours, not the client's.
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    failed: bool,
    progress: BodyProgress,
    watch: Arc<Watch>,
}

/// Whether a body has been read to its end.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyProgress(Arc<AtomicBool>);

/// An answer's body; the request is in flight until this is dropped.
#[derive(Debug)]
pub(super) struct ResponseBody {
    inner: Body,
    in_flight: InFlight,
}

impl RequestBody {
    pub(super) fn new(
        inner: Incoming,
        max_bytes: usize,
        timeout: Duration,
        watch: Arc<Watch>,
    ) -> Self {
        Self {
            inner: Limited::new(inner, max_bytes),
            timeout,
            deadline: None,
            timer: None,
            failed: false,
            progress: BodyProgress::default(),
            watch,
        }
    }

    pub(super) fn progress(&self) -> BodyProgress {
        self.progress.clone()
    }
}

impl BodyProgress {
    pub(super) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn completed(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(None);
        }
        let deadline = *this.deadline.get_or_insert_with(|| Instant::now() + this.timeout);
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                match &frame {
                    Some(Err(_)) => this.failed = true,
                    None => this.progress.completed(),
                    Some(Ok(_)) if this.inner.is_end_stream() => this.progress.completed(),
                    Some(Ok(_)) => {}
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.failed = true;
                let error = io::Error::new(io::ErrorKind::TimedOut, "the body took too long");
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.progress.is_complete() {
            self.watch.left_unread();
        }
    }
}

impl ResponseBody {
    pub(super) fn new(inner: Body, in_flight: InFlight) -> Self {
        Self { inner, in_flight }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        this.in_flight.resumes();
        let frame = Pin::new(&mut this.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(_))) = frame {
            this.in_flight.waits_for_client();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
