//! Clients that take their time, many at once, and what the others notice of it.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::serving::{Serving, until};

const LIMITS: &str = "header_timeout = \"2s\"\nbody_timeout = \"2s\"\nidle_timeout = \"2s\"\n\
    write_timeout = \"2s\"\n";

#[derive(Clone, Copy, Debug)]
enum Slow {
    /// Sends its headers a byte at a time.
    Headers,
    /// Sends its body a byte at a time.
    Body,
    /// Asks for much and reads nothing.
    Reading,
    /// Says nothing.
    Silent,
}

impl Slow {
    /// Goes on until the gateway has had enough.
    async fn act(self, address: SocketAddr, key: String) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        match self {
            Self::Headers => drip(&mut stream, b"GET /v1/whoami HTTP/1.1\r\nX: ").await,
            Self::Body => {
                let head = format!(
                    "POST /v1/customers/acme/notifications HTTP/1.1\r\nHost: a\r\n\
                     Authorization: Bearer {key}\r\nContent-Type: application/json\r\n\
                     Content-Length: 1000\r\n\r\n"
                );
                drip(&mut stream, head.as_bytes()).await;
            }
            Self::Reading => {
                let asked = "GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
                if stream.write_all(asked.as_bytes()).await.is_ok() {
                    closed_unread(&stream).await;
                }
            }
            Self::Silent => {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            }
        }
    }
}

/// Sends a beginning and then a byte now and then, until the other side is gone.
async fn drip(stream: &mut TcpStream, beginning: &[u8]) {
    if stream.write_all(beginning).await.is_err() {
        return;
    }
    let (mut reader, mut writer) = stream.split();
    let dripping = async {
        while writer.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(200)).await;
        }
    };
    let mut rest = Vec::new();
    tokio::select! {
        () = dripping => {}
        _ = reader.read_to_end(&mut rest) => {}
    }
}

/// Waits for the reset without reading.
async fn closed_unread(stream: &TcpStream) {
    while stream.take_error().unwrap().is_none() {
        if stream.try_write(b"G").is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock) {
            return;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_thousand_slow_clients_are_closed_and_nobody_else_notices() {
    let gateway = Serving::start(LIMITS).await;
    let address: SocketAddr = gateway.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut slow = JoinSet::new();
    for (kind, clients) in
        [(Slow::Headers, 400), (Slow::Body, 250), (Slow::Reading, 100), (Slow::Silent, 250)]
    {
        for _ in 0..clients {
            slow.spawn(kind.act(address, gateway.key.expose().to_owned()));
        }
    }
    until(async || {
        let metrics = gateway.metrics().await;
        let line = metrics.lines().find(|line| line.starts_with("cwsgate_connections_open "));
        let open: u32 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        (open > 500).then_some(())
    })
    .await;

    // Others are served all the while, on new connections.
    let mut served = 0;
    while !slow.is_empty() {
        let fresh = cwsgate::net::client(&cwsgate::net::ClientOptions::default()).unwrap();
        let request = fresh.get(format!("{}/v1/whoami", gateway.url));
        let answer = request.bearer_auth(gateway.key.expose()).send();
        let answer = timeout(Duration::from_secs(20), answer).await.expect("an answer in time");
        assert_eq!(answer.unwrap().status(), 200);
        served += 1;
        let ended = async { while slow.join_next().await.is_some() {} };
        // The bound is far above the limits, on a machine that is busy with other things.
        let _ = timeout(Duration::from_millis(300), ended).await;
        assert!(served < 300, "{} slow clients are still there", slow.len());
    }
    until(async || {
        let metrics = gateway.metrics().await;
        metrics.contains("cwsgate_connections_open 0\n").then_some(())
    })
    .await;
    let metrics = gateway.metrics().await;
    for (reason, at_least) in [("header_timeout", 650), ("write_timeout", 100)] {
        let name = format!("cwsgate_connections_closed_total{{reason=\"{reason}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        let count: u32 = count.unwrap_or("0").parse().unwrap();
        assert!(count >= at_least, "{reason}: {count}\n{metrics}");
    }
}
