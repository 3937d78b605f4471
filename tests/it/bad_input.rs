//! What nobody should send, sent everywhere: every parameter and field of every operation of the
//! OpenAPI document.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use cwsgate::simulator::{CatalogSpec, CustomerSpec, MachineSpec, Scenario};

use crate::support::{Gateway, Operation, Reply, operations};

#[tokio::test]
async fn odd_path_parameters_are_answered_as_documented() {
    let gateway = small().await;
    let mut all = Vec::new();
    for operation in operations(&gateway).await {
        for parameter in operation.parameters() {
            for value in segments() {
                let request =
                    gateway.request(operation.method.clone(), &operation.with(parameter, &value));
                let request = with_good_body(request, &operation);
                all.push((operation.clone(), format!("{parameter}={value}"), request));
            }
        }
    }
    check_all(&gateway, all).await;
}

#[tokio::test]
async fn odd_query_parameters_are_answered_as_documented() {
    let gateway = small().await;
    let mut all = Vec::new();
    for operation in operations(&gateway).await {
        let mut names = operation.query.clone();
        names.extend(["nosuch", "%00", "%ff", "a[b]", "", "%0d%0aX-Evil:%201"].map(str::to_owned));
        for name in names {
            for value in query_values() {
                let path = operation.concrete();
                let separator = if value.starts_with('&') { "" } else { "=" };
                let target = format!("{path}?{name}{separator}{value}");
                let request = gateway.request(operation.method.clone(), &target);
                let request = with_good_body(request, &operation);
                all.push((operation.clone(), format!("?{name}={value}"), request));
            }
        }
    }
    check_all(&gateway, all).await;
}

#[tokio::test]
async fn odd_bodies_are_answered_as_documented() {
    let gateway = small().await;
    let mut all = Vec::new();
    for operation in operations(&gateway).await {
        let Some(names) = operation.body.clone() else { continue };
        let good = operation.good_body().unwrap();
        let mut bodies: Vec<Vec<u8>> = raw_bodies();
        for name in names.iter().map(String::as_str).chain(["nosuch", "", "a/b", "a.b", "\u{0}"]) {
            for value in field_values() {
                let mut body = good.clone();
                body[name] = value;
                bodies.push(body.to_string().into_bytes());
            }
            // Twice the same name, and numbers that are none.
            let name = json!(name);
            bodies.push(format!("{{{name}:\"x\",{name}:\"y\"}}").into_bytes());
            bodies.push(format!("{{{name}:1e999}}").into_bytes());
            bodies.push(format!("{{{name}:NaN}}").into_bytes());
        }
        for body in bodies {
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let request = gateway
                .request(operation.method.clone(), &operation.concrete())
                .header("content-type", "application/json")
                .body(body);
            all.push((operation.clone(), shown, request));
        }
    }
    check_all(&gateway, all).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_announced_or_not() {
    let gateway = small().await;
    let writes: Vec<_> =
        operations(&gateway).await.into_iter().filter(|o| o.body.is_some()).collect();
    for operation in &writes {
        let body = format!("{{\"reason\":\"{}\"}}", "x".repeat(2 << 20));
        let request = gateway
            .request(operation.method.clone(), &operation.concrete())
            .header("content-type", "application/json")
            .body(body);
        gateway.send(request).await.problem(413, "payload_too_large");
    }
    let parts = stream::iter(0..64).map(|_| Ok::<_, std::io::Error>("x".repeat(64 << 10)));
    let request = gateway
        .request(Method::POST, &writes[0].concrete())
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(parts));
    // The answer may get lost when the connection is closed while the client is still sending.
    if let Ok(response) = request.send().await {
        Reply::read(response).await.problem(413, "payload_too_large");
    }
    gateway.get("/v1/whoami").await.ok(200);
}

#[tokio::test]
async fn the_configured_limit_on_bodies_is_the_only_one() {
    let gateway = Gateway::builder().server("max_body_bytes = \"4 MiB\"").start().await;
    let body = json!({ "title": "x".repeat(3 << 20), "description": "x" });
    let problem = gateway
        .post("/v1/customers/acme/notifications", body)
        .await
        .problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/title");
}

#[tokio::test]
async fn methods_that_a_path_does_not_know_are_refused_with_those_it_knows() {
    let gateway = small().await;
    let all = operations(&gateway).await;
    for operation in &all {
        let known: Vec<_> =
            all.iter().filter(|o| o.path == operation.path).map(|o| o.method.clone()).collect();
        for method in
            [Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::POST, Method::GET]
        {
            if known.contains(&method) {
                continue;
            }
            let reply = gateway.send(gateway.request(method.clone(), &operation.concrete())).await;
            let problem = reply.problem(405, "method_not_allowed");
            assert_eq!(problem["origin"], "caller");
            let allowed: Vec<_> = reply.header("allow").split(',').map(str::trim).collect();
            for known in &known {
                assert!(
                    allowed.contains(&known.as_str()),
                    "{method} {}: {allowed:?}",
                    operation.path
                );
            }
            assert!(!allowed.contains(&method.as_str()), "{allowed:?}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(&operation.concrete()), "{detail}");
        }
        let brew = Method::from_bytes(b"BREW").unwrap();
        let reply = gateway.send(gateway.request(brew, &operation.concrete())).await;
        reply.problem(405, "method_not_allowed");
    }
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn an_answer_that_the_caller_cannot_take_is_not_made() {
    let gateway = small().await;
    for operation in operations(&gateway).await {
        for accept in ["text/html", "application/xml;q=1, application/json;q=0", "image/*"] {
            let request = gateway.request(operation.method.clone(), &operation.concrete());
            let request = with_good_body(request, &operation).header("accept", accept);
            gateway.send(request).await.problem(406, "not_acceptable");
        }
    }
    assert_eq!(gateway.total_asked().await, 0);
    for accept in ["*/*", "application/*", "text/html, */*;q=0.1", "APPLICATION/JSON", ""] {
        let request = gateway.request(Method::GET, "/v1/whoami").header("accept", accept);
        gateway.send(request).await.ok(200);
    }
}

#[tokio::test]
async fn odd_headers_are_ignored_replaced_or_refused() {
    let gateway = small().await;
    for value in
        ["0", "-1", "1.5", "1e3", "999999999", "soon", "", "120001", "99999999999999999999"]
    {
        let request =
            gateway.request(Method::GET, "/v1/whoami").header("cwsgate-deadline-ms", value);
        gateway.send(request).await.problem(400, "invalid_request");
    }
    for id in ["a b", "<script>", &"x".repeat(500), "ä", ""] {
        let request = gateway.request(Method::GET, "/v1/whoami").header("x-request-id", id);
        let reply = gateway.send(request).await;
        reply.ok(200);
        assert!(!reply.header("x-request-id").is_empty() && reply.header("x-request-id") != id);
    }
    for (name, value) in [
        ("traceparent", "nonsense"),
        ("if-none-match", "\"\""),
        ("cache-control", "max-age=x, ="),
        ("cwsgate-on-behalf-of", "\u{7f}"),
        ("range", "bytes=0-1"),
        ("cookie", "a=b"),
    ] {
        let value = reqwest::header::HeaderValue::from_bytes(value.as_bytes());
        let Ok(value) = value else { continue };
        let request = gateway.request(Method::GET, "/v1/whoami").header(name, value);
        gateway.send(request).await.ok(200);
    }
}

async fn check_all(gateway: &Gateway, all: Vec<(Operation, String, RequestBuilder)>) {
    assert!(all.len() > 100, "{}", all.len());
    let answers = stream::iter(all).map(|(operation, input, request)| async move {
        // An input that no client can send says nothing.
        let Ok(request) = request.build() else { return };
        let sent = tokio::time::timeout(PATIENCE, gateway.send_built(request)).await;
        let reply = sent.unwrap_or_else(|_| panic!("{} {input}: no answer", operation.path));
        check(&operation, &input, &reply);
    });
    answers.buffer_unordered(16).collect::<Vec<()>>().await;
    gateway.get("/v1/whoami").await.ok(200);
}

fn check(operation: &Operation, input: &str, reply: &Reply) {
    let said =
        format!("{} {} {input}: {} {}", operation.method, operation.path, reply.status, reply.text);
    if reply.status.is_success() {
        return;
    }
    assert_eq!(reply.header("content-type"), "application/problem+json; charset=utf-8", "{said}");
    let body = reply.json();
    let code = body["code"].as_str().unwrap_or_else(|| panic!("{said}"));
    assert_ne!(code, "internal", "{said}");
    reply.problem(reply.status.as_u16(), code);
    // The server says these of any request.
    if ["uri_too_long", "payload_too_large"].contains(&code) {
        return;
    }
    let documented = operation.problems.get(&reply.status.as_u16());
    assert!(documented.is_some_and(|codes| codes.contains(code)), "not documented: {said}");
    // A segment that is decoded may name another route, but never another operation's codes.
    assert!(reply.header("x-evil").is_empty(), "{said}");
}

impl Gateway {
    async fn send_built(&self, request: reqwest::Request) -> Reply {
        Reply::read(self.client().execute(request).await.unwrap()).await
    }
}

fn with_good_body(request: RequestBuilder, operation: &Operation) -> RequestBuilder {
    match operation.good_body() {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    }
}

/// Few machines and quick jobs: it is about what is asked, not about what there is.
async fn small() -> Gateway {
    let catalog = CatalogSpec {
        machines: vec![
            MachineSpec::named("DEMOLAB\\KESTREL"),
            MachineSpec::named("DEMOLAB\\HERON"),
        ],
        ..CatalogSpec::named("Win11-Pool")
    };
    let customer = CustomerSpec::new("acme", "abcd1024xyz", "us").catalog(catalog);
    Gateway::builder()
        .scenario(Scenario::with_regions(["us"]).customer(customer))
        .simulator(|options| {
            options.settings.job_start_ms = 0;
            options.settings.job_ms = 0;
        })
        .settings("[upstream]\njob_poll_min = \"10ms\"")
        .start()
        .await
}

/// Path segments as they stand on the wire. Dot segments are not among them, since the client
/// resolves them.
fn segments() -> Vec<String> {
    let mut all: Vec<String> = [
        "%20",
        "a%2fb",
        "%2F",
        "%5C",
        "%7C",
        "a%5C..%5Cb",
        "%00",
        "%0a",
        "%0d%0aX-Evil:%201",
        "%7f",
        "%ff",
        "%C3%28",
        "%",
        "%zz",
        "%25",
        "%252e%252e",
        "%252f",
        "-",
        "--",
        "0",
        "-1",
        "1e400",
        "null",
        "undefined",
        "%7B%22a%22%3A1%7D",
        "%5B%5D",
        "*",
        "$reboot",
        "a:b",
        "a;b=c",
        "+",
        "@",
        "%22",
        "%27%20OR%201%3D1--",
        "%3Cscript%3E",
        "label:x",
        "%F0%9F%A6%85",
        "%E2%80%AE",
        "%C3%BC",
        "00000000-0000-0000-0000-000000000000",
        "actions",
        "DEMOLAB%7CNOBODY",
        "a.b.c",
        "%3F",
        "%23",
        "%26",
    ]
    .map(str::to_owned)
    .into();
    all.extend(["x".repeat(256), "x".repeat(257), "x".repeat(3000), "%61".repeat(3000)]);
    all
}

fn query_values() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        "%00",
        "%",
        "%zz",
        "%ff",
        "%0d%0aX-Evil:%201",
        "0",
        "-1",
        "1.5",
        "1e400",
        "99999999999999999999",
        "true",
        "True",
        "tRuE",
        "null",
        "%5B%5D",
        "%7B%7D",
        "*",
        "-",
        "..",
        "%2F..%2F",
        "%F0%9F%A6%85",
        "%E2%80%AE",
        "+",
        "%2B",
        "a,b",
        ",",
        "a&a=b",
        "=",
        "1d",
        "-5h",
        "P1D",
        "label:",
        "label:x",
        "1&pageSize=1",
    ]
    .map(str::to_owned)
    .into();
    all.push("x".repeat(3000));
    all
}

fn field_values() -> Vec<Value> {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!(" "),
        json!("x"),
        json!("x".repeat(100_000)),
        json!("\u{0}\u{1b}[2J"),
        json!("two\nlines"),
        json!("\u{202e}\u{1f985}"),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({ "a": { "b": {} } }),
        deep,
        json!("../../etc"),
        json!("true"),
    ]
}

fn raw_bodies() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "true",
        "1",
        "\"x\"",
        "[]",
        "[{}]",
        "{",
        "}",
        "{}",
        "{}{}",
        "{} x",
        "{,}",
        "{\"a\":1,}",
        "{'a':1}",
        "// x",
        "<xml/>",
        "a=b",
        "\u{feff}{}",
        "\u{feff}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\ud800\"}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    all.extend([
        b"\xff\xfe{\0}\0".to_vec(),
        b"{\"a\":\"\xff\"}".to_vec(),
        "[".repeat(100_000).into_bytes(),
        "{\"a\":".repeat(50_000).into_bytes(),
        vec![0; 1000],
        vec![b' '; 500_000],
    ]);
    all
}

/// Long enough for any machine; only a request that hangs takes it.
const PATIENCE: Duration = Duration::from_secs(100);
