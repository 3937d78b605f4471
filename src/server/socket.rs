use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    framing::{Framing, Violation},
    watch::Watch,
};

/// One connection's bytes under watch: strict framing on what comes in, and a close that does not
/// destroy the last answer.
#[derive(Debug)]
pub(super) struct Socket<I> {
    inner: I,
    watch: Arc<Watch>,
    framing: Framing,
    reading: Reading,
    closing: Closing,
}

#[derive(Debug)]
enum Reading {
    Open,
    /// A head was bad: it is answered, and what follows it is not looked at.
    Answering,
    /// A body was bad.
    Failed(&'static str),
}

#[derive(Debug)]
enum Closing {
    Open,
    /// Our half is closed; what the client still sends is thrown away until it stops.
    Lingering(Pin<Box<Sleep>>, usize),
}

impl<I> Socket<I> {
    pub(super) fn new(inner: I, watch: Arc<Watch>, max_line: usize) -> Self {
        Self {
            inner,
            watch,
            framing: Framing::new(max_line),
            reading: Reading::Open,
            closing: Closing::Open,
        }
    }

    fn sent(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.watch.sent(*bytes);
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Socket<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.reading {
            Reading::Open => {}
            // Not the end of the stream: hyper would take that for a client that left and drop
            // the requests before this one. The connection ends with the answer.
            Reading::Answering => return Poll::Pending,
            Reading::Failed(reason) => return Poll::Ready(Err(malformed(reason))),
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let bytes = &buf.filled()[before..];
        if bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        this.watch.received();
        let verdict = this.framing.feed(bytes);
        match verdict.violation {
            None => {}
            Some(Violation::Head { good_before, reason }) => {
                this.watch.violated(good_before, reason);
                this.reading = Reading::Answering;
            }
            Some(Violation::Body(reason)) => {
                this.watch.left_unread();
                this.reading = Reading::Failed(reason);
                if verdict.passed == 0 {
                    return Poll::Ready(Err(malformed(reason)));
                }
            }
        }
        buf.set_filled(before + verdict.passed);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.sent(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bytes);
        this.sent(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    /// Closes our half, and where the client may still be sending waits for it to stop: a socket
    /// that is closed with unread bytes is reset, and the reset can overtake our answer
    /// (RFC 9112 section 9.6).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Closing::Open = this.closing {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            if !this.watch.may_still_receive() {
                return Poll::Ready(Ok(()));
            }
            this.closing = Closing::Lingering(Box::pin(sleep(LINGER_TIME)), LINGER_BYTES);
        }
        let Closing::Lingering(timer, budget) = &mut this.closing else {
            return Poll::Ready(Ok(()));
        };
        let mut scratch = [0; 4096];
        loop {
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buf));
            *budget = budget.saturating_sub(buf.filled().len());
            if read.is_err() || buf.filled().is_empty() || *budget == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn malformed(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// How long, and for how many bytes, a client that is still sending is listened to after we have
/// answered and closed our half.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 8 << 20;
