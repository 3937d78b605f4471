use std::{
    error::Error,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use futures_util::stream;
use http_body::{Frame, SizeHint};
use http_body_util::LengthLimitError;

/// A caller's body on its way up, of which the beginning is kept: clones of the same bytes.
#[derive(Debug)]
pub(super) struct Recorded {
    inner: Body,
    tape: Tape,
}

/// What has gone up of a body.
#[derive(Clone, Debug, Default)]
pub(super) struct Tape(Arc<Mutex<Recording>>);

#[derive(Debug, Default)]
enum Recording {
    #[default]
    Blank,
    /// So far this, and the end has not been seen.
    Running(Vec<Bytes>, usize),
    /// All of it.
    Whole(Vec<Bytes>),
    /// Longer than is kept, or with trailers.
    TooLong,
    Failed(BodyFault),
}

/// Why a caller's body did not arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyFault {
    /// It is longer than is taken.
    #[error("the request body is larger than this gateway takes")]
    TooLarge,
    /// It took too long, or broke off.
    #[error("the request body did not arrive whole and in time")]
    Incomplete,
}

impl Recorded {
    pub(super) fn new(inner: Body) -> (Self, Tape) {
        let tape = Tape::default();
        (Self { inner, tape: tape.clone() }, tape)
    }
}

impl Tape {
    /// The whole body once more, if it was short enough to be kept.
    pub(super) fn replay(&self) -> Option<Body> {
        match mem::take(&mut *self.lock()) {
            Recording::Whole(parts) => {
                let parts = parts.into_iter().map(Ok::<_, io::Error>);
                Some(Body::from_stream(stream::iter(parts)))
            }
            _ => None,
        }
    }

    /// Why the body did not arrive, if that is what went wrong.
    pub(super) fn fault(&self) -> Option<BodyFault> {
        match *self.lock() {
            Recording::Failed(fault) => Some(fault),
            _ => None,
        }
    }

    fn keep(&self, part: &Bytes) {
        let mut recording = self.lock();
        *recording = match mem::take(&mut *recording) {
            Recording::Blank if part.len() <= LONGEST => {
                Recording::Running(vec![part.clone()], part.len())
            }
            Recording::Running(mut parts, kept) if kept + part.len() <= LONGEST => {
                parts.push(part.clone());
                Recording::Running(parts, kept + part.len())
            }
            _ => Recording::TooLong,
        };
    }

    fn ended(&self) {
        let mut recording = self.lock();
        *recording = match mem::take(&mut *recording) {
            Recording::Blank => Recording::Whole(Vec::new()),
            Recording::Running(parts, _) => Recording::Whole(parts),
            other => other,
        };
    }

    fn set(&self, recording: Recording) {
        *self.lock() = recording;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recording> {
        // Whole at every step, and nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if let Poll::Ready(frame) = &polled {
            match frame {
                Some(Ok(frame)) => match frame.data_ref() {
                    Some(part) => this.tape.keep(part),
                    None => this.tape.set(Recording::TooLong),
                },
                Some(Err(error)) => this.tape.set(Recording::Failed(fault(error))),
                None => this.tape.ended(),
            }
            if matches!(frame, Some(Ok(_))) && this.inner.is_end_stream() {
                this.tape.ended();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn fault(error: &axum::Error) -> BodyFault {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return BodyFault::TooLarge;
        }
        cause = error.source();
    }
    BodyFault::Incomplete
}

/// Bytes of a body that are kept for a second attempt.
pub(super) const LONGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn played(parts: Vec<Vec<u8>>) -> (Tape, usize) {
        let parts = parts.into_iter().map(|part| Ok::<_, io::Error>(Bytes::from(part)));
        let (body, tape) = Recorded::new(Body::from_stream(stream::iter(parts)));
        let length = body.collect().await.unwrap().to_bytes().len();
        (tape, length)
    }

    #[tokio::test]
    async fn a_short_body_can_be_sent_again_and_a_long_one_not() {
        let (tape, _) = played(vec![b"ab".to_vec(), b"cd".to_vec()]).await;
        let again = tape.replay().unwrap().collect().await.unwrap().to_bytes();
        assert_eq!(again, "abcd");
        let (tape, length) = played(vec![vec![0; LONGEST], vec![1]]).await;
        assert_eq!(length, LONGEST + 1);
        assert!(tape.replay().is_none());
    }

    #[tokio::test]
    async fn a_body_that_has_not_gone_up_whole_is_not_sent_again() {
        let endless = stream::once(async { Ok::<_, io::Error>(Bytes::from_static(b"x")) });
        let (mut body, tape) = Recorded::new(Body::from_stream(futures_util::StreamExt::chain(
            endless,
            stream::pending(),
        )));
        body.frame().await.unwrap().unwrap();
        assert!(tape.replay().is_none());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_from_one_that_is_too_long() {
        let broken = stream::once(async { Err::<Bytes, _>(io::Error::other("gone")) });
        let (body, tape) = Recorded::new(Body::from_stream(broken));
        assert!(body.collect().await.is_err());
        assert_eq!(tape.fault(), Some(BodyFault::Incomplete));
        let limited = http_body_util::Limited::new(Body::from("abc"), 2);
        let (body, tape) = Recorded::new(Body::new(limited));
        assert!(body.collect().await.is_err());
        assert_eq!(tape.fault(), Some(BodyFault::TooLarge));
    }
}
