use std::{sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::support::{Gate, answer, hang_guard, limits, plug, send, until_closed};
use crate::server::{Limits, Tls};

const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A certificate of its own, which clients must be told to trust.
struct Identity {
    certified: Arc<CertifiedKey>,
    certificate: CertificateDer<'static>,
}

impl Identity {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(vec![certificate.clone()], key, &provider).unwrap();
        Self { certified: Arc::new(certified), certificate }
    }

    fn tls(&self) -> Tls {
        Tls::new(Arc::clone(&self.certified))
    }

    /// Shakes hands as a client that trusts this certificate alone.
    async fn connect<I>(&self, io: I, protocols: &[&str]) -> std::io::Result<TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, io).await
    }
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> u16 {
    send(stream, GET).await;
    answer(stream).await.status
}

#[tokio::test]
async fn http_1_and_http_2_are_spoken_over_tls() {
    let identity = Identity::new();
    let gate = Gate::open_tls(limits(), &identity.tls()).await;

    let mut old = identity.connect(gate.connect().await, &[]).await.unwrap();
    assert_eq!(ask(&mut old).await, 200);
    let mut first = identity.connect(gate.connect().await, &["http/1.1"]).await.unwrap();
    assert_eq!(first.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(ask(&mut first).await, 200);

    let mut second = identity.connect(gate.connect().await, &["http/1.1", "h2"]).await.unwrap();
    assert_eq!(second.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    send(&mut second, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let mut frame = [0; 9];
    hang_guard(second.read_exact(&mut frame)).await.unwrap();
    assert_eq!(frame[3], 4, "the first frame is SETTINGS (RFC 9113 section 3.4)");
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_costs_no_old_one() {
    let (old, new) = (Identity::new(), Identity::new());
    let tls = old.tls();
    let gate = Gate::open_tls(limits(), &tls).await;
    let mut before = old.connect(gate.connect().await, &[]).await.unwrap();
    assert_eq!(ask(&mut before).await, 200);

    tls.replace(Arc::clone(&new.certified));

    let mut after = new.connect(gate.connect().await, &[]).await.unwrap();
    assert_eq!(ask(&mut after).await, 200);
    assert!(old.connect(gate.connect().await, &[]).await.is_err(), "the old certificate is gone");
    assert_eq!(ask(&mut before).await, 200);
}

#[tokio::test]
async fn garbage_in_place_of_a_handshake_disturbs_nobody() {
    let identity = Identity::new();
    let gate = Gate::open_tls(limits(), &identity.tls()).await;
    let mut good = identity.connect(gate.connect().await, &[]).await.unwrap();
    for garbage in
        [&b"\x16\x03\x01\xff\xff garbage"[..], b"\0\0\0\0\0\0\0\0", b"\x16\x03\x01\0\x01\0"]
    {
        let mut bad = gate.connect().await;
        send(&mut bad, garbage).await;
        bad.shutdown().await.unwrap();
        until_closed(&mut bad).await;
    }
    // Somebody only looks whether the port is open.
    drop(gate.connect().await);

    assert_eq!(ask(&mut good).await, 200);
    let mut another = identity.connect(gate.connect().await, &[]).await.unwrap();
    assert_eq!(ask(&mut another).await, 200);
    gate.counted("cwsgate_connections_open 2").await;
    let metrics = gate.metrics.render().1;
    assert!(
        metrics.contains("cwsgate_connections_closed_total{reason=\"tls_handshake\"} "),
        "{metrics}"
    );
}

#[tokio::test]
async fn plain_http_is_told_to_come_back_with_https() {
    let identity = Identity::new();
    let gate = Gate::open_tls(limits(), &identity.tls()).await;
    let mut stream: TcpStream = gate.connect().await;
    send(&mut stream, GET).await;
    let answer = answer(&mut stream).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("this port speaks HTTPS"), "{}", answer.body);
    assert_eq!(answer.headers["connection"], "close");
    assert_eq!(until_closed(&mut stream).await, "");
}

#[tokio::test(start_paused = true)]
async fn the_handshake_is_part_of_the_time_for_a_head() {
    let identity = Identity::new();
    let (gate, connector) = Gate::in_memory_tls(limits(), &identity.tls());

    // Nothing at all, the beginning of a handshake, and a handshake without a request.
    let start = Instant::now();
    let mut silent = plug(&connector, 16 * 1024);
    let mut slow = plug(&connector, 16 * 1024);
    send(&mut slow, b"\x16\x03\x01").await;
    let mut late = identity.connect(plug(&connector, 16 * 1024), &[]).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    send(&mut late, b"GET /").await;

    for stream in [&mut silent, &mut slow] {
        assert_eq!(until_closed(stream).await, "");
        assert_eq!(start.elapsed().as_secs(), 10);
    }
    assert_eq!(until_closed(&mut late).await, "");
    assert_eq!(start.elapsed().as_secs(), 10);
    gate.counted("cwsgate_connections_closed_total{reason=\"header_timeout\"} 3").await;
    gate.counted("cwsgate_connections_open 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_disconnected_over_tls_too() {
    let identity = Identity::new();
    let (gate, connector) = Gate::in_memory_tls(limits(), &identity.tls());
    let mut stream = identity.connect(plug(&connector, 16 * 1024), &[]).await.unwrap();
    send(&mut stream, b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let start = Instant::now();
    gate.counted("cwsgate_connections_closed_total{reason=\"write_timeout\"} 1").await;
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn other_limits_are_for_new_connections() {
    let gate = Gate::open(limits()).await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(500));
    let mut before = gate.connect().await;
    send(&mut before, long.as_bytes()).await;
    assert_eq!(answer(&mut before).await.status, 200);

    gate.server.set_limits(Limits { max_uri_bytes: 100, ..limits() });

    assert_eq!(gate.ask(&long).await.status, 414);
    send(&mut before, long.as_bytes()).await;
    assert_eq!(answer(&mut before).await.status, 200);
}
