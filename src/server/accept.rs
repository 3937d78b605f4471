use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{extract::Request, response::Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    Limits, RenderRefusal, Tls,
    connection::{End, Protocol},
    edge::{Edge, Rules},
    opening,
    paced::Paced,
    watch::Watch,
};
use crate::telemetry::Metrics;

/// Serves HTTP/1.1 and HTTP/2 on one listener within [`Limits`]: over TLS where it has a
/// certificate, else in plain text (HTTP/2 by prior knowledge). Clones are the same server.
#[derive(Clone, Debug)]
pub struct Server {
    terms: Arc<ArcSwap<Terms>>,
    tls: Option<Tls>,
}

/// What a connection is served by, from its first byte to its last.
#[derive(Debug)]
struct Terms {
    rules: Arc<Rules>,
    protocol: Protocol,
}

/// How a drain went, in connections that were open when it began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Drained {
    /// Finished what they were doing, or had nothing to do.
    pub finished: usize,
    /// Were cut at the end of `drain_timeout`.
    pub aborted: usize,
}

impl Server {
    /// A server that answers what it turns away with `refuse` and counts into `metrics`.
    pub fn new(limits: Limits, refuse: RenderRefusal, metrics: Metrics) -> Self {
        let may_end_in_slash = Arc::new(|_: &str| false);
        let leaving = Arc::default();
        let terms = Terms::new(Rules { limits, refuse, may_end_in_slash, metrics, leaving });
        Self { terms: Arc::new(ArcSwap::from_pointee(terms)), tls: None }
    }

    /// Names the paths that may end in a slash. Elsewhere a final slash is an empty segment and
    /// refused; only one is ever allowed.
    #[must_use]
    pub fn with_final_slash(
        self,
        may_end_in_slash: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let rules = Rules::clone(&self.terms.load().rules);
        let rules = Rules { may_end_in_slash: Arc::new(may_end_in_slash), ..rules };
        self.terms.store(Arc::new(Terms::new(rules)));
        self
    }

    /// Speaks TLS and nothing else.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Serves new connections within other limits. Those that are open keep theirs.
    pub fn set_limits(&self, limits: Limits) {
        let rules = Rules { limits, ..Rules::clone(&self.terms.load().rules) };
        self.terms.store(Arc::new(Terms::new(rules)));
    }

    /// Says with each answer over HTTP/1 that its connection ends: whoever asks next gets another
    /// one, from a load balancer that knows better, before this listener closes.
    pub fn send_away(&self) {
        self.terms.load().rules.leaving.store(true, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn metrics(&self) -> Metrics {
        self.terms.load().rules.metrics.clone()
    }

    /// Accepts connections until `shutdown` is cancelled, then stops listening and returns when
    /// every connection has finished, at the latest after `drain_timeout`.
    ///
    /// A panic costs its connection (HTTP/1) or stream (HTTP/2) only. Errors of `accept` such as
    /// running out of file descriptors are waited out.
    pub async fn serve<S>(
        &self,
        listener: TcpListener,
        service: S,
        shutdown: CancellationToken,
    ) -> Drained
    where
        S: tower::Service<Request, Response = Response, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        self.run(listener, service, shutdown).await
    }

    pub(super) async fn run<L, S>(
        &self,
        mut listener: L,
        service: S,
        shutdown: CancellationToken,
    ) -> Drained
    where
        L: Listen,
        S: tower::Service<Request, Response = Response, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        let mut connections = JoinSet::new();
        let mut pause = MIN_PAUSE;
        loop {
            let has_room = connections.len() < self.terms.load().rules.limits.max_connections;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = connections.join_next() => self.ended(&ended),
                accepted = listener.accept(), if has_room => match accepted {
                    Ok((io, peer)) => {
                        pause = MIN_PAUSE;
                        connections.spawn(self.connection(io, peer, service.clone(), &shutdown));
                    }
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        tracing::warn!(%error, pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), "cannot accept");
                        tokio::select! {
                            () = shutdown.cancelled() => break,
                            () = sleep(pause) => {}
                        }
                        pause = (pause * 2).min(MAX_PAUSE);
                    }
                },
            }
        }
        drop(listener);
        self.drain(connections).await
    }

    fn connection<I, S>(
        &self,
        io: I,
        peer: SocketAddr,
        service: S,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = End> + Send + use<I, S>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: tower::Service<Request, Response = Response, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        let terms = self.terms.load_full();
        let tls = self.tls.clone();
        let shutdown = shutdown.clone();
        async move {
            let rules = Arc::clone(&terms.rules);
            let _open = rules.metrics.connection_opened();
            let watch = Watch::new(&rules.limits);
            let io = Paced::new(io, Arc::clone(&watch), rules.limits.write_timeout);
            let edge = Edge { service, rules, watch, peer, closed_to: None };
            match tls {
                None => terms.protocol.serve(io, edge, shutdown).await,
                Some(tls) => opening::serve(&terms.protocol, &tls, io, edge, shutdown).await,
            }
        }
    }

    async fn drain(&self, mut connections: JoinSet<End>) -> Drained {
        let mut finished = 0;
        let drained = async {
            while let Some(ended) = connections.join_next().await {
                self.ended(&ended);
                finished += 1;
            }
        };
        let limit = self.terms.load().rules.limits.drain_timeout;
        let in_time = tokio::time::timeout(limit, drained).await.is_ok();
        let aborted = connections.len();
        if !in_time {
            tracing::warn!(connections = aborted, "connections cut at the end of the drain");
            connections.shutdown().await;
        }
        Drained { finished, aborted }
    }

    fn ended(&self, ended: &Result<End, JoinError>) {
        let label = match ended {
            Ok(end) => {
                match end {
                    End::Failed(error) => tracing::debug!(%error, "connection failed"),
                    End::Handshake(error) => tracing::debug!(%error, "no TLS handshake"),
                    End::Done | End::Expired(_) => {}
                }
                end.label()
            }
            Err(error) if error.is_panic() => {
                tracing::error!("a connection panicked");
                Some("panic")
            }
            Err(_) => None,
        };
        if let Some(label) = label {
            self.terms.load().rules.metrics.connection_closed(label);
        }
    }
}

impl Terms {
    fn new(rules: Rules) -> Self {
        Self { protocol: Protocol::new(&rules.limits), rules: Arc::new(rules) }
    }
}

/// Where connections come from.
pub(super) trait Listen: Send {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

impl Listen for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Answers are written whole: waiting to fill a segment only adds latency.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        Ok((stream, peer))
    }
}

/// Whether only the connection that was being accepted has failed.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Pauses after an error of the listener itself: long enough not to spin, short enough that the
/// backlog does not fill.
const MIN_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_secs(1);
