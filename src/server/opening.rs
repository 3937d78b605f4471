//! How a connection to a TLS listener begins.

use std::{
    convert::Infallible,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use axum::{extract::Request, response::Response};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Refusal, Tls,
    connection::{End, Protocol},
    edge::Edge,
    watch::Expiry,
};

/// A connection whose first byte was looked at and is read again.
#[derive(Debug)]
struct Opening<I> {
    first: Option<u8>,
    io: I,
}

/// Shakes hands and serves. Handshake and first head share the time for a head. A client that
/// speaks plain HTTP gets a refusal that it can read.
pub(super) async fn serve<I, S>(
    protocol: &Protocol,
    tls: &Tls,
    io: I,
    edge: Edge<S>,
    shutdown: CancellationToken,
) -> End
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: tower::Service<Request, Response = Response, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let until = edge.watch.deadline().map_or_else(Instant::now, |(at, _)| at);
    let handshake = async {
        let opening = Opening::of(io).await?;
        if opening.is_text() { Ok(Err(opening)) } else { tls.accept(opening).await.map(Ok) }
    };
    let shaken = tokio::select! {
        biased;
        () = shutdown.cancelled() => return End::Done,
        ended = timeout_at(until, handshake) => ended,
    };
    match shaken {
        Ok(Ok(Ok(stream))) => protocol.serve(stream, edge, shutdown).await,
        Ok(Ok(Err(plain))) => {
            let edge = Edge { closed_to: Some(Refusal::BadRequest(PLAIN)), ..edge };
            protocol.serve(plain, edge, shutdown).await
        }
        // Whoever only looked whether the port is open has not failed at anything.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => End::Done,
        Ok(Err(error)) => End::Handshake(error),
        Err(_) => End::Expired(Expiry::Head),
    }
}

impl<I: AsyncRead + Unpin> Opening<I> {
    /// Waits for the first byte.
    async fn of(mut io: I) -> io::Result<Self> {
        let first = io.read_u8().await?;
        Ok(Self { first: Some(first), io })
    }

    /// Whether it begins like a method, in HTTP/1 as in the preface of HTTP/2. A record of TLS
    /// begins with its type, a control byte (RFC 8446 section 5.1).
    fn is_text(&self) -> bool {
        self.first.is_some_and(|first| first.is_ascii_alphabetic())
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Opening<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() > 0
            && let Some(first) = this.first.take()
        {
            buf.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Opening<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

const PLAIN: &str = "this port speaks HTTPS; write https:// in the URL";
