use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use axum::{extract::Request, response::Response};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Limits,
    edge::Edge,
    socket::Socket,
    watch::{Expiry, Watch},
};

/// How HTTP is spoken on every connection of a listener.
#[derive(Clone, Debug)]
pub(super) struct Protocol {
    http: auto::Builder<TokioExecutor>,
    max_line: usize,
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// By the client, or after its last answer.
    Done,
    /// A deadline passed.
    Expired(Expiry),
    /// The handshake of TLS came to nothing.
    Handshake(std::io::Error),
    /// The bytes were not HTTP, or the network failed.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl Protocol {
    pub(super) fn new(limits: &Limits) -> Self {
        // Somewhat more than a head may have, so that one that is a little too large is still
        // parsed and answered by us rather than by hyper.
        let max_buffer = limits.max_header_bytes.saturating_add(32 * 1024);
        let mut http = auto::Builder::new(TokioExecutor::new());
        let mut http1 = http.http1();
        // The header deadline of hyper starts with the idle time before a request: ours does not.
        http1.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(max_buffer);
        if limits.max_headers >= HYPER_MAX_HEADERS {
            http1.max_headers(limits.max_headers.saturating_add(32));
        }
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(limits.max_streams)
            .max_header_list_size(u32::try_from(max_buffer).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_ERROR_RESETS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        Self { http, max_line: max_buffer }
    }

    /// Serves one connection to its end. When `shutdown` is cancelled it finishes the requests
    /// that are being answered and takes no other.
    pub(super) async fn serve<I, S>(&self, io: I, edge: Edge<S>, shutdown: CancellationToken) -> End
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: tower::Service<Request, Response = Response, Error = std::convert::Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        let watch = Arc::clone(&edge.watch);
        let socket = Socket::new(io, Arc::clone(&watch), self.max_line);
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(socket), edge));
        let mut cancelled = pin!(shutdown.cancelled());
        let mut timer = pin!(sleep_until(Instant::now()));
        let mut draining = false;
        let mut asked_to_close = false;
        poll_fn(|cx| {
            watch.register(cx.waker());
            if !draining && cancelled.as_mut().poll(cx).is_ready() {
                draining = true;
                asked_to_close = true;
                watch.drain();
                connection.as_mut().graceful_shutdown();
            }
            loop {
                if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                    return Poll::Ready(End::of(result, asked_to_close, &watch));
                }
                let Some((at, expiry)) = watch.deadline() else { return Poll::Pending };
                if timer.deadline() != at {
                    timer.as_mut().reset(at);
                }
                ready!(timer.as_mut().poll(cx));
                if expiry != Expiry::Idle || asked_to_close {
                    return Poll::Ready(End::Expired(expiry));
                }
                asked_to_close = true;
                watch.drain();
                connection.as_mut().graceful_shutdown();
            }
        })
        .await
    }
}

impl End {
    fn of(
        result: Result<(), Box<dyn std::error::Error + Send + Sync>>,
        asked_to_close: bool,
        watch: &Watch,
    ) -> Self {
        match result {
            Err(_) if watch.has_write_timed_out() => Self::Expired(Expiry::Write),
            // Closing before the first byte is an error to hyper-util.
            Err(_) if asked_to_close => Self::Done,
            Err(error) => Self::Failed(error),
            Ok(()) => Self::Done,
        }
    }

    /// The label under which it is counted, where the gateway ended the connection.
    pub(super) fn label(&self) -> Option<&'static str> {
        match self {
            Self::Done => None,
            Self::Expired(Expiry::Idle) => Some("idle_timeout"),
            Self::Expired(Expiry::Head) => Some("header_timeout"),
            Self::Expired(Expiry::Write) => Some("write_timeout"),
            Self::Handshake(_) => Some("tls_handshake"),
            Self::Failed(_) => Some("protocol_error"),
        }
    }
}

/// Above this many fields hyper must be told how many to expect; it allocates from then on.
const HYPER_MAX_HEADERS: usize = 100;
/// An HTTP/2 client that does not answer a ping is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// A client that opens streams only to reset them (or has us do so) is cut off beyond these: h2's
/// own defaults, stated so that they cannot change unseen.
const MAX_PENDING_RESETS: usize = 20;
const MAX_ERROR_RESETS: usize = 1024;
/// What one stream and one connection may send before we have read it.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
