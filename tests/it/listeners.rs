//! Both listeners of the real gateway: what is where, what is refused, and how it ends.

use std::net::SocketAddr;

use cwsgate::simulator::{self, Simulator};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    cli::{LISTENERS, app, get as http_get, new_key},
    support::{Gateway, Program, write},
};

#[tokio::test]
async fn probes_and_numbers_are_on_the_admin_listener_alone() {
    let gateway = Gateway::demo().await;
    for (path, state) in [("/livez", "live"), ("/readyz", "ready"), ("/startupz", "started")] {
        assert_eq!(gateway.get_admin(path).await.ok(200)["status"], state);
    }
    let metrics = gateway.get_admin("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    assert!(metrics.text.ends_with("# EOF\n"), "{}", metrics.text);

    for path in ["/livez", "/readyz", "/startupz", "/metrics", "/admin/v1/tokens"] {
        gateway.get(path).await.problem(404, "not_found");
        gateway.send(gateway.bare(Method::GET, path)).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn the_api_is_on_the_public_listener_alone() {
    let gateway = Gateway::demo().await;
    for path in ["/", "/v1/whoami", "/v1/machines", "/openapi.json", "/docs", "/problems/not_found"]
    {
        gateway.get_admin(path).await.problem(404, "not_found");
    }
    for method in [Method::POST, Method::DELETE, Method::PUT] {
        let request = cwsgate::net::client(&cwsgate::net::ClientOptions::default()).unwrap();
        let request = request.request(method, format!("http://{}/livez", gateway.admin));
        gateway.send(request).await.problem(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn readiness_is_about_the_gateway_and_not_about_citrix() {
    let gateway = Gateway::demo().await;
    gateway.stop_region("us").await;
    gateway.stop_region("eu").await;
    gateway.get("/v1/machines").await.problem(503, "upstream_token_unavailable");
    assert_eq!(gateway.get_admin("/readyz").await.ok(200)["status"], "ready");
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let gateway = Gateway::demo().await;
    gateway.get("/v1/customers/acme/sites").await.ok(200);
    gateway.get("/v1/customers/planted-name/sites").await.problem(404, "not_found");
    gateway.get("/v1/planted-path").await.problem(404, "not_found");

    let metrics = gateway.get_admin("/metrics").await.text;

    assert!(metrics.contains("http_server_request_duration_seconds_count"), "{metrics}");
    assert!(metrics.contains("/v1/customers/{customer}/sites"), "{metrics}");
    assert!(!metrics.contains("planted"), "{metrics}");
    assert!(!metrics.contains(&gateway.key));
}

#[tokio::test]
async fn what_the_server_refuses_is_a_problem_document_with_a_request_id() {
    let gateway = Gateway::demo().await;
    let long = "a".repeat(9000);
    let large = "x".repeat(33 * 1024);
    let many = "x: y\r\n".repeat(120);
    for (request, status, code) in [
        ("GET /v1/regions HTTP/1.1\r\n\r\n".to_owned(), 400, "invalid_request"),
        (get("/v1/regions", "Host: other\r\n"), 400, "invalid_request"),
        (get("http://gateway/v1/regions", ""), 400, "invalid_request"),
        (get("/v1/customers/a%2fb", ""), 400, "invalid_request"),
        (get("/v1/customers/a%2Fb", ""), 400, "invalid_request"),
        (get("/v1/customers/%00", ""), 400, "invalid_request"),
        (get("/v1/customers/%zz", ""), 400, "invalid_request"),
        (get("/v1//customers", ""), 400, "invalid_request"),
        (get("/v1/customers/..", ""), 400, "invalid_request"),
        (get("/v1/customers/%2e%2e", ""), 400, "invalid_request"),
        (get("/v1/customers/", ""), 400, "invalid_request"),
        (get(&format!("/v1/customers/{long}"), ""), 414, "uri_too_long"),
        (get(&format!("/v1/machines?name={long}"), ""), 414, "uri_too_long"),
        (get("/v1/regions", &format!("X-Large: {large}\r\n")), 431, "headers_too_large"),
        (get("/v1/regions", &many), 431, "headers_too_large"),
        ("CONNECT gateway:80 HTTP/1.1\r\nHost: gateway\r\n\r\n".into(), 405, "method_not_allowed"),
        ("TRACE / HTTP/1.1\r\nHost: gateway\r\n\r\n".into(), 405, "method_not_allowed"),
        (
            "POST /v1/customers/acme/notifications HTTP/1.1\r\nHost: a\r\n\
             Content-Length: 99999999\r\n\r\n"
                .into(),
            413,
            "payload_too_large",
        ),
    ] {
        // The admin listener takes fewer header fields, so that hyper says this one there.
        let listeners = if request.contains("x: y") {
            vec![gateway.address]
        } else {
            vec![gateway.address, gateway.admin]
        };
        for address in listeners {
            let shown = &request[..request.len().min(80)];
            let (head, body) = exchange(address, &request).await;
            let head = head.to_lowercase();
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{shown}: {head}");
            let media_type = "\r\ncontent-type: application/problem+json; charset=utf-8\r\n";
            assert!(head.contains(media_type), "{shown}: {head}");
            let problem: Value = serde_json::from_str(&body).expect("a problem document");
            assert_eq!(problem["code"], code, "{shown}");
            assert_eq!(problem["status"], status);
            assert_eq!(problem["origin"], "caller");
            let id = problem["requestId"].as_str().unwrap();
            assert!(head.contains(&format!("\r\nx-request-id: {id}\r\n")), "{shown}: {head}");
            assert!(head.contains("\r\nconnection: close\r\n"), "{shown}: {head}");
        }
    }
}

#[tokio::test]
async fn refusals_are_counted() {
    let gateway = Gateway::demo().await;
    exchange(gateway.address, &get("/v1/customers/a%2fb", "")).await;
    let metrics = gateway.get_admin("/metrics").await.text;
    let counted = |line: &str| line.contains("refus") && line.ends_with(" 1");
    assert!(metrics.lines().any(counted), "{metrics}");
}

#[tokio::test]
async fn a_drain_is_seen_and_costs_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(simulator::Options::default()).await.unwrap();
    let mut gate = Gate::open().await;
    let (key, hash) = new_key().await;
    let (us, ours) = (simulator.region("us").unwrap(), simulator.customer("acme").unwrap());
    let text = format!(
        "{}{}[regions.lab]\napi = \"{us}\"\nregistry = \"{}\"\ncore = \"{us}\"\n\
         notifications = \"{us}\"\n[customers.acme]\nid = {:?}\nregion = \"lab\"\n\
         client_id = {:?}\nclient_secret = {:?}\n",
        LISTENERS.replace("\"0s\"", "\"3s\""),
        app(&hash),
        gate.url,
        ours.id,
        ours.client_id,
        ours.client_secret.expose_secret(),
    );
    let config = write(folder.path(), "gateway.toml", &text);
    let mut gateway = Program::start(&["serve", "--config", &config, "--output", "json"]);
    let said = gateway.json().await;
    let at = |name: &str| said[name].as_str().unwrap().to_owned();
    let (url, admin) = (at("gateway"), at("admin"));

    // One request is inside …
    let slow = format!("{url}/v1/customers/acme/resource-locations");
    let slow = tokio::spawn({
        let key = key.clone();
        async move { http_get(&slow, &key).await }
    });
    let waiting = gate.entered().await;
    gateway.terminate().await;
    // … and keeps the process, which says that it wants no more, and still takes what comes …
    let ready = loop {
        let ready = http_get(&format!("{admin}/readyz"), "").await;
        if ready.status != 200 {
            break ready;
        }
    };
    assert_eq!((ready.status.as_u16(), &ready.json()["status"]), (503, &json!("draining")));
    assert!(ready.header("retry-after").parse::<u32>().is_ok());
    assert_eq!(http_get(&format!("{admin}/livez"), "").await.status, 200);
    assert_eq!(http_get(&format!("{url}/v1/whoami"), &key).await.status, 200);
    // … until nobody can come any more.
    let public = url.strip_prefix("http://").unwrap();
    while TcpStream::connect(public).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(http_get(&format!("{admin}/readyz"), "").await.status, 503);
    assert!(!slow.is_finished());

    waiting.answer(r#"{"items":[{"id":"rl-1","name":"London"}]}"#).await;

    assert_eq!(slow.await.unwrap().of_items("name"), ["London"]);
    let ended = gateway.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("\"aborted\":0"), "{}", ended.errors);
}

/// A server that answers when a test says so.
struct Gate {
    url: String,
    listener: TcpListener,
}

struct Waiting(TcpStream);

impl Gate {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { url: format!("http://{}", listener.local_addr().unwrap()), listener }
    }

    /// Waits for a request without a body.
    async fn entered(&mut self) -> Waiting {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0);
        }
        Waiting(stream)
    }
}

impl Waiting {
    async fn answer(mut self, body: &str) {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        self.0.write_all((head + body).as_bytes()).await.unwrap();
    }
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: gateway\r\n{fields}\r\n")
}

/// Sends raw bytes and reads until the gateway closes; head and body.
async fn exchange(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (format!("{head}\r\n"), body.to_owned())
}
