use std::{collections::BTreeMap, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Extension, Request},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use futures_util::stream;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::PeerAddr,
    server::{Drained, Limits, Refusal, Server, Tls, accept::Listen},
    telemetry::Metrics,
};

/// A listener with a service that tells what reached it.
pub(super) struct Gate {
    pub(super) address: SocketAddr,
    pub(super) metrics: Metrics,
    pub(super) server: Server,
    pub(super) shutdown: CancellationToken,
    pub(super) serving: JoinHandle<Drained>,
    pub(super) slow: Slow,
}

/// Steers the handler of `/slow`.
#[derive(Clone, Default)]
pub(super) struct Slow {
    pub(super) entered: Arc<Notify>,
    pub(super) release: Arc<Notify>,
}

/// One answer as it came over the wire.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

/// In-memory connections, and errors of `accept`.
pub(super) struct Connections(mpsc::UnboundedReceiver<io::Result<DuplexStream>>);
pub(super) type Connector = mpsc::UnboundedSender<io::Result<DuplexStream>>;

impl Gate {
    pub(super) async fn open(limits: Limits) -> Self {
        Self::bind(server(limits)).await
    }

    pub(super) async fn open_tls(limits: Limits, tls: &Tls) -> Self {
        Self::bind(server(limits).with_tls(tls.clone())).await
    }

    async fn bind(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::over(listener, address, server)
    }

    /// A listener without a network, for paused time.
    pub(super) fn in_memory(limits: Limits) -> (Self, Connector) {
        Self::plugged(server(limits))
    }

    pub(super) fn in_memory_tls(limits: Limits, tls: &Tls) -> (Self, Connector) {
        Self::plugged(server(limits).with_tls(tls.clone()))
    }

    fn plugged(server: Server) -> (Self, Connector) {
        let (connector, accepted) = mpsc::unbounded_channel();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        (Self::over(Connections(accepted), address, server), connector)
    }

    fn over(listener: impl Listen + 'static, address: SocketAddr, server: Server) -> Self {
        let (shutdown, slow) = (CancellationToken::new(), Slow::default());
        let (metrics, handle) = (server.metrics(), server.clone());
        let (service, token) = (router(slow.clone()), shutdown.clone());
        let serving = tokio::spawn(async move { server.run(listener, service, token).await });
        Self { address, metrics, server: handle, shutdown, serving, slow }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the gate closes.
    pub(super) async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        until_closed(&mut stream).await
    }

    /// Sends bytes that are one request and reads one answer.
    pub(super) async fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        answer(&mut stream).await
    }

    /// Waits until the metrics hold a line.
    pub(super) async fn counted(&self, line: &str) {
        hang_guard(async {
            while !self.metrics.render().1.contains(&format!("{line}\n")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

impl Listen for Connections {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        let peer = SocketAddr::from(([192, 0, 2, 7], 4711));
        match self.0.recv().await {
            Some(accepted) => accepted.map(|stream| (stream, peer)),
            None => std::future::pending().await,
        }
    }
}

pub(super) fn limits() -> Limits {
    Limits {
        max_connections: 100,
        header_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_mins(1),
        write_timeout: Duration::from_secs(30),
        max_header_bytes: 4096,
        max_headers: 20,
        max_uri_bytes: 1024,
        max_body_bytes: 1000,
        max_streams: 10,
        drain_timeout: Duration::from_secs(20),
    }
}

/// Connects in memory; the kernel's buffers are `capacity` bytes each way.
pub(super) fn plug(connector: &Connector, capacity: usize) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(capacity);
    connector.send(Ok(theirs)).unwrap();
    ours
}

/// Reads one answer with a `Content-Length`.
pub(super) async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> Answer {
    hang_guard(async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(error) => panic!("{error} within {:?}", String::from_utf8_lossy(&head)),
            }
        }
        let head = String::from_utf8(head).unwrap();
        let (line, fields) = head.split_once("\r\n").unwrap();
        let headers: BTreeMap<_, _> = fields
            .lines()
            .filter_map(|field| field.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        Answer {
            status: line.split(' ').nth(1).unwrap().parse().unwrap(),
            headers,
            body: String::from_utf8(body).unwrap(),
        }
    })
    .await
}

/// Everything that comes until the other side closes or resets the connection.
pub(super) async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> String {
    hang_guard(async {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
    .await
}

pub(super) async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
}

/// Fails a test that would otherwise hang; says nothing about speed.
pub(super) async fn hang_guard<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(2), work).await.expect("the test hangs")
}

fn server(limits: Limits) -> Server {
    Server::new(limits, Arc::new(render), Metrics::new()).with_final_slash(|path| path == "/docs/")
}

fn render(refusal: Refusal) -> Response {
    (refusal.status(), format!("refused: {refusal:?}")).into_response()
}

fn router(slow: Slow) -> Router {
    let wait = move || async move {
        slow.entered.notify_one();
        slow.release.notified().await;
        "released"
    };
    Router::new()
        .route("/slow", get(wait))
        .route("/ignore", any(async || "ignored"))
        .route("/panic", any(panicking))
        .route("/big", get(big))
        .route("/blob", get(async || vec![b'x'; 64 << 20]))
        .route("/headers", any(async |headers: HeaderMap| format!("{headers:?}")))
        .route("/peer", any(async |Extension(peer): Extension<PeerAddr>| peer.0.to_string()))
        .fallback(echo)
}

async fn echo(request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    match axum::body::to_bytes(request.into_body(), usize::MAX).await {
        Ok(body) => format!("{line} <{}>", String::from_utf8_lossy(&body)).into_response(),
        Err(error) => {
            let mut text = format!("{line} failed");
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            (axum::http::StatusCode::IM_A_TEAPOT, text).into_response()
        }
    }
}

/// Far more than every buffer on the way.
async fn big() -> Body {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    Body::from_stream(stream::iter((0..1024).map(move |_| Ok::<_, io::Error>(chunk.clone()))))
}

async fn panicking() {
    panic!("a handler went wrong");
}
