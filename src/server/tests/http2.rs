use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, sleep},
};

use super::support::{Gate, hang_guard, limits, plug, send, until_closed};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// RFC 9113 section 7.
const REFUSED_STREAM: u8 = 7;
const CANCEL: u8 = 8;
const ENHANCE_YOUR_CALM: u8 = 11;

/// RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn hello(settings: &[u8]) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, settings));
    bytes
}

/// A GET without a body. RFC 7541: `:method: GET` and `:scheme: http` are entries 2 and 6 of the
/// static table, `:path` and `:authority` have their names there and literal values.
fn get(stream: u32, path: &str, authority: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (name, value) in [(0x04, path), (0x01, authority)] {
        block.extend([name, u8::try_from(value.len()).unwrap()]);
        block.extend_from_slice(value.as_bytes());
    }
    frame(HEADERS, 0x5, stream, &block)
}

/// The status of the next answer, which begins its header block: RFC 7541 appendix A has 200 and
/// 400 as entries of its own.
async fn status(stream: &mut (impl AsyncRead + Unpin)) -> u16 {
    loop {
        match next_frame(stream).await {
            (HEADERS, block) if block[0] == 0x88 => return 200,
            (HEADERS, block) if block[0] == 0x8c => return 400,
            (HEADERS, block) => panic!("neither 200 nor 400: {block:x?}"),
            _ => {}
        }
    }
}

async fn next_frame(stream: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    hang_guard(async {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        (head[3], payload)
    })
    .await
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served_and_checked_alike() {
    let gate = Gate::open(limits()).await;
    let mut stream = gate.connect().await;
    send(&mut stream, &hello(&[])).await;
    for (id, path, authority, expected) in [
        (1, "/x", "a:80", 200),
        (3, "/a/../b", "a", 400),
        (5, "/a%2fb", "a", 400),
        (7, "/x", "user@a", 400),
        (9, "/x", "a,b", 400),
        (11, "/y", "a", 200),
    ] {
        send(&mut stream, &get(id, path, authority)).await;
        assert_eq!(status(&mut stream).await, expected, "{path} {authority}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_http2_connection_is_told_goodbye_and_closed() {
    let (_gate, connector) = Gate::in_memory(limits());
    let mut stream = plug(&connector, 64 * 1024);
    send(&mut stream, &hello(&[])).await;
    send(&mut stream, &get(1, "/x", "a")).await;
    assert_eq!(status(&mut stream).await, 200);
    let start = Instant::now();
    // Pings that nobody answers would close it earlier: answer them.
    let mut told = false;
    while !told && start.elapsed().as_secs() <= 60 {
        let (kind, payload) = next_frame(&mut stream).await;
        if kind == PING {
            send(&mut stream, &frame(PING, 1, 0, &payload)).await;
        }
        told = kind == GOAWAY;
    }
    assert!(told, "a ping kept it open");
    assert_eq!(start.elapsed().as_secs(), 60);
    until_closed(&mut stream).await;
    assert!(start.elapsed().as_secs() <= 61);
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_without_a_request_falls_to_the_header_timeout() {
    let (_gate, connector) = Gate::in_memory(limits());
    let mut stream = plug(&connector, 64 * 1024);
    let start = Instant::now();
    send(&mut stream, &hello(&[])).await;
    sleep(Duration::from_secs(5)).await;
    // Headers that never end: no END_HEADERS.
    send(&mut stream, &frame(HEADERS, 0x1, 1, &[0x82, 0x86])).await;
    until_closed(&mut stream).await;
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_shut_flow_control_window_does_not_hold_an_answer_for_ever() {
    let (gate, connector) = Gate::in_memory(limits());
    let (mut reader, mut writer) = tokio::io::split(plug(&connector, 64 * 1024));
    // SETTINGS_INITIAL_WINDOW_SIZE (4) = 16
    send(&mut writer, &hello(&[0, 4, 0, 0, 0, 16])).await;
    send(&mut writer, &get(1, "/big", "a")).await;
    let start = Instant::now();
    let pongs = tokio::spawn(async move {
        let mut head = [0; 9];
        while reader.read_exact(&mut head).await.is_ok() {
            let mut payload = vec![0; usize::from(head[2])];
            reader.read_exact(&mut payload).await.unwrap();
            if head[3] == PING && head[4] == 0 {
                send(&mut writer, &frame(PING, 1, 0, &payload)).await;
            }
        }
    });
    gate.counted("cwsgate_connections_closed_total{reason=\"write_timeout\"} 1").await;
    assert_eq!(start.elapsed().as_secs(), 30);
    pongs.await.unwrap();
}

/// The error code of the next frame of this kind.
async fn error_code(stream: &mut (impl AsyncRead + Unpin), wanted: u8) -> u8 {
    loop {
        let (kind, payload) = next_frame(stream).await;
        if kind == wanted {
            // After the last stream's number, in a GOAWAY.
            return payload[if kind == GOAWAY { 7 } else { 3 }];
        }
    }
}

#[tokio::test]
async fn streams_over_the_cap_are_refused_and_the_others_served() {
    let gate = Gate::open(limits()).await;
    let mut stream = gate.connect().await;
    send(&mut stream, &hello(&[])).await;
    for index in 0..11 {
        send(&mut stream, &get(1 + 2 * index, "/slow", "a")).await;
    }
    assert_eq!(error_code(&mut stream, RST_STREAM).await, REFUSED_STREAM);
    for _ in 0..10 {
        gate.slow.release.notify_one();
        assert_eq!(status(&mut stream).await, 200);
    }
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let gate = Gate::open(limits()).await;
    let (mut reader, mut writer) = gate.connect().await.into_split();
    let flood: Vec<u8> = (0..10_000)
        .flat_map(|index| {
            let mut pair = get(1 + 2 * index, "/slow", "a");
            pair.extend(frame(RST_STREAM, 0, 1 + 2 * index, &[0, 0, 0, CANCEL]));
            pair
        })
        .collect();
    send(&mut writer, &hello(&[])).await;
    let flooding = tokio::spawn(async move {
        // Fails when the gate has had enough.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut writer, &flood).await;
    });
    assert_eq!(error_code(&mut reader, GOAWAY).await, ENHANCE_YOUR_CALM);
    until_closed(&mut reader).await;
    flooding.await.unwrap();
    gate.counted("cwsgate_connections_open 0").await;
}

#[tokio::test]
async fn headers_without_end_are_cut_off() {
    let gate = Gate::open(limits()).await;
    let (mut reader, mut writer) = gate.connect().await.into_split();
    send(&mut writer, &hello(&[])).await;
    send(&mut writer, &frame(HEADERS, 0x1, 1, &[0x82, 0x86])).await;
    // Literal fields without indexing (RFC 7541 section 6.2.2): name `x`, value of 100 bytes.
    let field: Vec<u8> = [&[0, 1, b'x', 100][..], &[b'v'; 100]].concat();
    let more = frame(CONTINUATION, 0, 1, &field.repeat(100));
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        while tokio::io::AsyncWriteExt::write_all(&mut writer, &more).await.is_ok() {
            sent += more.len();
        }
        sent
    });
    until_closed(&mut reader).await;
    let sent = hang_guard(sending).await.unwrap();
    assert!(sent < 16 << 20, "took {sent} bytes");
    gate.counted("cwsgate_connections_open 0").await;
}
