use tokio::io::AsyncWriteExt;

use super::support::{Gate, answer, limits, send, until_closed};

#[tokio::test]
async fn a_clean_request_reaches_the_service_and_the_connection_is_kept() {
    let gate = Gate::open(limits()).await;
    let mut stream = gate.connect().await;
    for path in ["/a?b=c", "/b/DEMOLAB%5CKESTREL", "/b/DEMOLAB|KESTREL", "/", "/docs/"] {
        send(&mut stream, format!("GET {path} HTTP/1.1\r\nHost: a:80\r\n\r\n").as_bytes()).await;
        let answer = answer(&mut stream).await;
        assert_eq!((answer.status, answer.body), (200, format!("GET {path} <>")));
    }
}

#[tokio::test]
async fn bodies_never_become_requests() {
    let gate = Gate::open(limits()).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n";
    let text = format!(
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{smuggled}\
         POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n\
         GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        smuggled.len(),
        smuggled.len(),
    );
    let answers = gate.exchange(&text).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    assert!(answers.contains(&format!("POST /1 <{smuggled}>")), "{answers}");
    assert!(answers.contains(&format!("POST /2 <{smuggled}>")), "{answers}");
    assert!(answers.contains("GET /3 <>") && !answers.contains("GET /smuggled <"), "{answers}");
}

#[tokio::test]
async fn what_the_rfc_forbids_is_refused_and_the_connection_closed() {
    let gate = Gate::open(limits()).await;
    for request in [
        // Host, RFC 9112 section 3.2
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a b\r\n\r\n",
        // target
        "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a%0a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a?b=%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET //a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        // framing, RFC 9112 section 6
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        // fields that could be read in two ways
        "GET / HTTP/1.1\r\nHost: a\r\nX_Api_Key: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer b\r\nAuthorization: Bearer b\r\n\r\n",
        // line ends, RFC 9112 section 2.2
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    ] {
        let answers = gate.exchange(request).await;
        assert!(
            answers.starts_with("HTTP/1.1 400") || answers.starts_with("HTTP/1.0 400"),
            "{request:?}: {answers}"
        );
        assert!(answers.contains("refused: BadRequest"), "{request:?}: {answers}");
        assert!(answers.contains("connection: close"), "{request:?}: {answers}");
    }
}

#[tokio::test]
async fn what_hyper_itself_cannot_parse_gets_an_empty_answer_and_the_connection_is_closed() {
    let gate = Gate::open(limits()).await;
    for (request, status) in [
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
        ("GET / HTTP/1.1\rHost: a\r\r", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ] {
        let answers = gate.exchange(request).await;
        let line = format!("HTTP/1.1 {status} ");
        assert!(answers.starts_with(&line), "{request:?}: {answers}");
        assert!(answers.contains("content-length: 0\r\n"), "{request:?}: {answers}");
        assert_eq!(answers.matches("HTTP/1.").count(), 1, "{request:?}: {answers}");
    }
}

#[tokio::test]
async fn a_bad_request_behind_a_good_one_does_not_cost_the_good_one_its_answer() {
    let gate = Gate::open(limits()).await;
    let text = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
        GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut stream = gate.connect().await;
    send(&mut stream, text.as_bytes()).await;
    gate.slow.entered.notified().await;
    gate.slow.release.notify_one();
    let answers = until_closed(&mut stream).await;
    assert!(answers.starts_with("HTTP/1.1 200") && answers.contains("released"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 2, "{answers}");
    assert!(answers.contains("refused: BadRequest"), "{answers}");
}

#[tokio::test]
async fn connect_and_trace_are_not_allowed() {
    let gate = Gate::open(limits()).await;
    for request in [
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answers = gate.exchange(request).await;
        assert!(answers.starts_with("HTTP/1.1 405"), "{answers}");
        assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    }
}

#[tokio::test]
async fn sloppy_chunks_fail_the_body_and_end_the_connection() {
    let gate = Gate::open(limits()).await;
    for body in ["5;\r\nhello\r\n", "5 \r\nhello\r\n", "5\nhello\r\n", "5\r\nhelloX\r\n", "z\r\n"] {
        let text = format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        let answers = gate.exchange(&text).await;
        assert!(answers.starts_with("HTTP/1.1 418"), "{body:?}: {answers}");
        assert!(answers.contains("connection: close"), "{body:?}: {answers}");
        assert!(!answers.contains("smuggled"), "{body:?}: {answers}");
    }
}

#[tokio::test]
async fn sizes_are_limited_and_the_limits_themselves_are_fine() {
    let gate = Gate::open(limits()).await;
    let get = |target: usize, fields: &str| {
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n{fields}\r\n", "a".repeat(target - 1))
    };
    let many = |fields: usize| "X: y\r\n".repeat(fields);
    let long = |bytes: usize| format!("X: {}\r\n", "a".repeat(bytes));
    let base = get(1, "X: \r\n").len() - 2;
    for (request, status) in [
        (get(1024, ""), 200),
        (get(1025, ""), 414),
        (get(1, &many(19)), 200),
        (get(1, &many(20)), 431),
        (get(1, &long(4096 - base)), 200),
        (get(1, &long(4097 - base)), 431),
        (get(1, &long(30_000)), 431),
    ] {
        let answer = gate.ask(&request).await;
        assert_eq!(answer.status, status, "{} bytes", request.len());
        assert_eq!(status == 200, !answer.body.starts_with("refused: "), "{answer:?}");
    }
}

#[tokio::test]
async fn a_limit_above_what_hyper_expects_is_kept_too() {
    let gate = Gate::open(crate::server::Limits { max_headers: 120, ..limits() }).await;
    for (fields, status) in [(119, 200), (120, 431), (150, 431)] {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(fields));
        let answer = gate.ask(&text).await;
        assert_eq!(answer.status, status, "{fields}");
        assert_eq!(status == 200, !answer.body.starts_with("refused: "), "{fields}");
    }
}

#[tokio::test]
async fn a_head_beyond_every_buffer_gets_the_empty_answer_of_hyper() {
    let gate = Gate::open(limits()).await;
    let flood = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(200_000));
    let answers = gate.exchange(&flood).await;
    assert!(answers.starts_with("HTTP/1.1 431"), "{answers}");
    assert!(answers.contains("content-length: 0\r\n"), "{answers}");

    let fields = "X: y\r\n".repeat(300);
    let answers = gate.exchange(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
    assert!(answers.starts_with("HTTP/1.1 431"), "{answers}");

    let target = "a".repeat(20_000);
    let answer = gate.ask(&format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert_eq!(answer.status, 414);
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused_before_it_is_sent() {
    let gate = Gate::open(limits()).await;
    let head = |length| {
        format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let refused = gate.exchange(&head(1001)).await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    assert!(refused.contains("connection: close"), "{refused}");

    let mut stream = gate.connect().await;
    send(&mut stream, head(1000).as_bytes()).await;
    assert_eq!(answer(&mut stream).await.status, 100);
    send(&mut stream, &[b'x'; 1000]).await;
    assert_eq!(answer(&mut stream).await.status, 200);
}

#[tokio::test]
async fn a_refused_client_that_is_still_sending_is_not_reset() {
    let gate = Gate::open(limits()).await;
    let (mut reader, mut writer) = gate.connect().await.into_split();
    send(&mut writer, b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n").await;
    let answers = until_closed(&mut reader).await;
    assert!(answers.starts_with("HTTP/1.1 413"), "{answers}");
    assert!(answers.contains("refused: PayloadTooLarge"), "{answers}");
    // Our half is closed; the client, which has not looked, can send all the same.
    for _ in 0..500 {
        writer.write_all(&[b'x'; 4000]).await.unwrap();
    }
}

#[tokio::test]
async fn a_streamed_body_over_the_cap_fails_for_the_service() {
    let gate = Gate::open(limits()).await;
    let chunked = |bytes: usize| {
        format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{}\r\n0\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    assert_eq!(gate.ask(&chunked(1000)).await.status, 200);
    let answers = gate.exchange(&chunked(1001)).await;
    assert!(answers.starts_with("HTTP/1.1 418"), "{answers}");
    assert!(answers.contains("length limit exceeded"), "{answers}");
}

#[tokio::test]
async fn a_service_that_leaves_a_body_unread_ends_the_connection() {
    let gate = Gate::open(limits()).await;
    let text = "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n\
        GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let answers = gate.exchange(text).await;
    assert!(answers.starts_with("HTTP/1.1 200") && answers.ends_with("ignored"), "{answers}");
    assert!(answers.contains("connection: close"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
}

#[tokio::test]
async fn an_upgrade_is_ignored() {
    let gate = Gate::open(limits()).await;
    let request = "GET /headers HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let answer = gate.ask(request).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("h2c"), "{}", answer.body);
}

#[tokio::test]
async fn the_service_learns_the_address_of_the_client() {
    let gate = Gate::open(limits()).await;
    let mut stream = gate.connect().await;
    send(&mut stream, b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer(&mut stream).await.body, stream.local_addr().unwrap().to_string());
}

#[tokio::test]
async fn an_old_client_without_host_is_served() {
    let gate = Gate::open(limits()).await;
    let answers = gate.exchange("GET /x HTTP/1.0\r\n\r\n").await;
    assert!(answers.contains("200 OK") && answers.ends_with("GET /x <>"), "{answers}");
}
