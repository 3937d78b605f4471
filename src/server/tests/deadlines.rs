use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, sleep},
};

use super::support::{Gate, answer, limits, plug, send, until_closed};

const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

/// Seconds until the connection is closed, and what came before.
async fn closed_after(stream: &mut (impl AsyncRead + Unpin)) -> (u64, String) {
    let start = Instant::now();
    let text = until_closed(stream).await;
    (start.elapsed().as_secs(), text)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_sends_nothing_is_closed_after_the_header_timeout() {
    let (gate, connector) = Gate::in_memory(limits());
    let mut stream = plug(&connector, 1024);
    assert_eq!(closed_after(&mut stream).await, (10, String::new()));
    gate.counted("cwsgate_connections_closed_total{reason=\"header_timeout\"} 1").await;
}

#[tokio::test(start_paused = true)]
async fn the_header_timeout_is_a_total_and_not_per_byte() {
    let (_gate, connector) = Gate::in_memory(limits());
    for head in ["GET /x HTTP/1.1\r\nHost: aaaaaaaaaaa\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n"] {
        let mut stream = plug(&connector, 1024);
        let start = Instant::now();
        for byte in head.bytes().cycle() {
            sleep(Duration::from_secs(1)).await;
            if tokio::io::AsyncWriteExt::write_all(&mut stream, &[byte]).await.is_err() {
                break;
            }
        }
        assert_eq!(start.elapsed().as_secs(), 11, "{head:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_for_the_idle_timeout() {
    let (gate, connector) = Gate::in_memory(limits());
    let mut stream = plug(&connector, 1024);
    for pause in [9, 59, 59] {
        sleep(Duration::from_secs(pause)).await;
        send(&mut stream, GET).await;
        assert_eq!(answer(&mut stream).await.status, 200);
    }
    assert_eq!(closed_after(&mut stream).await.0, 60);
    gate.counted("cwsgate_connections_open 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_later_request_has_the_header_timeout_from_its_first_byte() {
    let (_gate, connector) = Gate::in_memory(limits());
    let mut stream = plug(&connector, 1024);
    send(&mut stream, GET).await;
    assert_eq!(answer(&mut stream).await.status, 200);
    sleep(Duration::from_secs(30)).await;
    send(&mut stream, b"GET /").await;
    assert_eq!(closed_after(&mut stream).await, (10, String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_cut_and_the_service_told() {
    let (_gate, connector) = Gate::in_memory(limits());
    let (mut reader, mut writer) = tokio::io::split(plug(&connector, 1024));
    send(&mut writer, b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n").await;
    let dripping = tokio::spawn(async move {
        while tokio::io::AsyncWriteExt::write_all(&mut writer, b"x").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    let start = Instant::now();
    let answer = answer(&mut reader).await;
    assert_eq!(start.elapsed().as_secs(), 20);
    assert_eq!(answer.status, 418);
    assert!(answer.body.contains("the body took too long"), "{}", answer.body);
    assert_eq!(answer.headers["connection"], "close");
    assert!(closed_after(&mut reader).await.0 <= 2, "lingers for a bounded time");
    dripping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_disconnected() {
    let (gate, connector) = Gate::in_memory(limits());
    let mut stream = plug(&connector, 1024);
    send(&mut stream, b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let start = Instant::now();
    gate.counted("cwsgate_connections_closed_total{reason=\"write_timeout\"} 1").await;
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected_over_tcp_too() {
    let write_timeout = Duration::from_millis(200);
    let gate = Gate::open(crate::server::Limits { write_timeout, ..limits() }).await;
    let mut stream = gate.connect().await;
    send(&mut stream, b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
    gate.counted("cwsgate_connections_closed_total{reason=\"write_timeout\"} 1").await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_makes_progress_gets_the_whole_answer() {
    let (_gate, connector) = Gate::in_memory(limits());
    // As a stream, and in one piece that the service is done with long before the client is.
    for path in ["/big", "/blob"] {
        // 64 MiB through a buffer of 4 MiB: sixteen reads, each just before the write timeout.
        let mut stream = plug(&connector, 4 << 20);
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        send(&mut stream, request.as_bytes()).await;
        let mut buffer = vec![0; 4 << 20];
        let mut total = 0;
        loop {
            sleep(Duration::from_secs(29)).await;
            let read = stream.read(&mut buffer).await.unwrap();
            total += read;
            if read == 0 {
                break;
            }
        }
        assert!(total > 64 << 20, "{path}: {total}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_being_answered_is_not_idle() {
    let (gate, connector) = Gate::in_memory(limits());
    let mut stream = plug(&connector, 1024);
    send(&mut stream, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    gate.slow.entered.notified().await;
    sleep(Duration::from_mins(5)).await;
    gate.slow.release.notify_one();
    assert_eq!(answer(&mut stream).await.body, "released");
}
