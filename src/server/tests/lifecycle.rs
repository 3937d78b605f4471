use std::{io, time::Duration};

use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{Instant, timeout},
};

use super::support::{Gate, answer, hang_guard, limits, plug, send, until_closed};
use crate::server::{Drained, Limits};

const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
const SLOW: &[u8] = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn connections_over_the_cap_wait_their_turn() {
    let gate = Gate::open(Limits { max_connections: 1, ..limits() }).await;
    let mut first = gate.connect().await;
    send(&mut first, GET).await;
    assert_eq!(answer(&mut first).await.status, 200);

    let mut second = gate.connect().await;
    send(&mut second, GET).await;
    let early = timeout(Duration::from_millis(100), second.read_u8()).await;
    assert!(early.is_err(), "served over the cap");
    drop(first);
    assert_eq!(answer(&mut second).await.status, 200);
}

#[tokio::test]
async fn a_panic_costs_one_connection() {
    let gate = Gate::open(limits()).await;
    assert_eq!(gate.exchange("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await, "");
    gate.counted("cwsgate_connections_closed_total{reason=\"panic\"} 1").await;
    gate.counted("cwsgate_connections_open 0").await;
    assert_eq!(gate.ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_failing_accept_is_waited_out_with_growing_pauses() {
    let (_gate, connector) = Gate::in_memory(limits());
    let start = Instant::now();
    for _ in 0..5 {
        connector.send(Err(io::Error::other("too many open files"))).unwrap();
    }
    let mut stream = plug(&connector, 1024);
    send(&mut stream, GET).await;
    assert_eq!(answer(&mut stream).await.status, 200);
    assert_eq!(start.elapsed().as_millis(), 5 + 10 + 20 + 40 + 80);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_died_in_the_backlog_delays_nobody() {
    let (_gate, connector) = Gate::in_memory(limits());
    let start = Instant::now();
    connector.send(Err(io::ErrorKind::ConnectionAborted.into())).unwrap();
    let mut stream = plug(&connector, 1024);
    send(&mut stream, GET).await;
    assert_eq!(answer(&mut stream).await.status, 200);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    let gate = Gate::open(limits()).await;
    let mut busy = gate.connect().await;
    send(&mut busy, SLOW).await;
    gate.slow.entered.notified().await;
    let mut idle = gate.connect().await;
    send(&mut idle, GET).await;
    assert_eq!(answer(&mut idle).await.status, 200);
    let mut silent = gate.connect().await;
    gate.counted("cwsgate_connections_open 3").await;

    gate.shutdown.cancel();
    assert_eq!(until_closed(&mut idle).await, "");
    assert_eq!(until_closed(&mut silent).await, "");
    assert!(TcpStream::connect(gate.address).await.is_err(), "still listening");
    assert!(!gate.serving.is_finished());

    gate.slow.release.notify_one();
    let answer = answer(&mut busy).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "released"));
    assert_eq!(answer.headers["connection"], "close");
    let drained = hang_guard(gate.serving).await.unwrap();
    assert_eq!(drained, Drained { finished: 3, aborted: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_at_its_timeout() {
    let (gate, connector) = Gate::in_memory(limits());
    let mut stream = plug(&connector, 1024);
    send(&mut stream, SLOW).await;
    gate.slow.entered.notified().await;
    let start = Instant::now();
    gate.shutdown.cancel();
    let drained = hang_guard(gate.serving).await.unwrap();
    assert_eq!(drained, Drained { finished: 0, aborted: 1 });
    assert_eq!(start.elapsed().as_secs(), 20);
    assert_eq!(until_closed(&mut stream).await, "");
}

#[tokio::test]
async fn refusals_are_counted_by_reason() {
    let gate = Gate::open(limits()).await;
    gate.exchange("GET / HTTP/1.1\r\n\r\n").await;
    gate.exchange("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    gate.counted("cwsgate_requests_refused_total{reason=\"bad_request\"} 1").await;
    gate.counted("cwsgate_requests_refused_total{reason=\"method_not_allowed\"} 1").await;
}
