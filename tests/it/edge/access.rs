//! From where callers come: web pages of other origins, and proxies.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::serving::Serving;
use crate::support::{Gateway, Reply};

const ALLOWED: &str = "https://app.example.test";
const CORS: [&str; 5] = [
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-allow-credentials",
];

async fn with_cors() -> Gateway {
    let origins = "cors_origins = [\"https://other.example.test\", \"https://app.example.test/\"]";
    Gateway::builder().server(origins).start().await
}

fn preflight(gateway: &Gateway, path: &str, origin: &str) -> RequestBuilder {
    gateway
        .bare(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,idempotency-key")
}

fn assert_no_cors(reply: &Reply) {
    for name in CORS {
        assert_eq!(reply.header(name), "", "{name}");
    }
}

#[tokio::test]
async fn a_listed_page_may_call_and_read_what_matters() {
    let gateway = with_cors().await;

    let reply = gateway.send(preflight(&gateway, "/v1/operations", ALLOWED)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), ALLOWED);
    assert!(reply.header("access-control-allow-methods").contains("POST"));
    let allowed = reply.header("access-control-allow-headers");
    for name in ["authorization", "idempotency-key", "x-api-key", "cwsgate-deadline-ms"] {
        assert!(allowed.contains(name), "{name}: {allowed}");
    }
    assert_eq!(reply.header("access-control-allow-credentials"), "");
    assert!(reply.header("vary").to_lowercase().contains("origin"), "{:?}", reply.headers);

    let request = gateway.request(Method::GET, "/v1/whoami").header("origin", ALLOWED);
    let reply = gateway.send(request).await;
    reply.ok(200);
    assert_eq!(reply.header("access-control-allow-origin"), ALLOWED);
    let exposed = reply.header("access-control-expose-headers");
    for name in ["x-request-id", "cwsgate-completeness", "retry-after", "location"] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
    // A page must be able to read why it was refused.
    let request = gateway.bare(Method::GET, "/v1/whoami").header("origin", ALLOWED);
    let reply = gateway.send(request).await;
    reply.problem(401, "credentials_missing");
    assert_eq!(reply.header("access-control-allow-origin"), ALLOWED);
}

#[tokio::test]
async fn a_listed_page_may_use_citrix_s_paths_with_citrix_s_headers() {
    let gateway = with_cors().await;
    let path = "/cvad/manage/Machines/DEMOLAB%7CKESTREL";

    let reply = gateway.send(preflight(&gateway, path, ALLOWED)).await;
    assert_eq!(reply.status, 200);
    let allowed = names(&reply, "access-control-allow-headers");
    for name in [
        "authorization",
        "citrix-customerid",
        "citrix-instanceid",
        "citrix-locale",
        "citrix-transactionid",
        "content-encoding",
        "if-match",
        "prefer",
        "x-accesstoken",
        "x-actionname",
        "x-admincredential",
        "x-timezone",
    ] {
        assert_eq!(allowed.iter().filter(|known| *known == name).count(), 1, "{name}: {allowed:?}");
    }
    // What is not for Citrix and not for the gateway stays with the page.
    for name in ["cookie", "host", "x-forwarded-for", "*"] {
        assert!(!allowed.iter().any(|known| known == name), "{name}: {allowed:?}");
    }

    let site = gateway.simulator.customer("acme").unwrap().site_id;
    let request = gateway
        .request(Method::GET, path)
        .header("origin", ALLOWED)
        .header("citrix-customerid", "acme")
        .header("citrix-instanceid", site);
    let reply = gateway.send(request).await;
    reply.ok(200);
    assert_eq!(reply.header("access-control-allow-origin"), ALLOWED);
    let exposed = names(&reply, "access-control-expose-headers");
    for name in [
        "citrix-ratelimit-limit",
        "citrix-ratelimit-remaining",
        "citrix-transactionid",
        "content-disposition",
        "etag",
        "link",
        "location",
        "retry-after",
    ] {
        assert_eq!(exposed.iter().filter(|known| *known == name).count(), 1, "{name}: {exposed:?}");
    }
    assert!(!exposed.iter().any(|known| known == "set-cookie"), "{exposed:?}");
}

/// The names that a header lists.
fn names(reply: &Reply, header: &str) -> Vec<String> {
    let listed = reply.header(header).to_ascii_lowercase();
    listed.split(',').map(|name| name.trim().to_owned()).collect()
}

#[tokio::test]
async fn for_other_pages_it_is_as_if_there_were_no_cors() {
    let (with, without) = (with_cors().await, Gateway::demo().await);
    for origin in [
        "https://evil.example.test",
        "https://app.example.test.evil.test",
        "https://APP.example.test",
        "http://app.example.test",
        "https://app.example.test:8443",
        "null",
        "*",
        "",
    ] {
        for gateway in [&with, &without] {
            let reply = gateway.send(preflight(gateway, "/v1/whoami", origin)).await;
            reply.problem(401, "credentials_missing");
            assert_no_cors(&reply);
            let request = gateway.request(Method::GET, "/v1/whoami").header("origin", origin);
            let reply = gateway.send(request).await;
            reply.ok(200);
            assert_no_cors(&reply);
        }
    }
    // None is listed here at all.
    let reply = without.send(preflight(&without, "/v1/whoami", ALLOWED)).await;
    reply.problem(401, "credentials_missing");
    assert_no_cors(&reply);
    // Two origins are none.
    let two = preflight(&with, "/v1/whoami", ALLOWED).header("origin", ALLOWED);
    assert_no_cors(&with.send(two).await);
    // What differs by origin says so to caches.
    let reply = with.send(with.request(Method::GET, "/v1/whoami")).await;
    assert!(reply.headers.get_all("vary").iter().any(|value| value == "Origin"));
    // OPTIONS that is no preflight is a method like others.
    let request = with.request(Method::OPTIONS, "/v1/whoami").header("origin", ALLOWED);
    with.send(request).await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn forwarded_headers_count_for_trusted_proxies_alone() {
    for (trusted, believed) in [
        ("", false),
        ("trusted_proxies = [\"192.0.2.0/24\"]", false),
        ("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]", true),
    ] {
        let gateway = Serving::start(trusted).await;
        let ask = async |id: &str, headers: &[(&str, &str)]| {
            let request = gateway.client.get(format!("{}/v1/whoami", gateway.url));
            let request = request.bearer_auth(gateway.key.expose()).header("x-request-id", id);
            let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
            Reply::read(request.send().await.unwrap()).await.ok(200);
        };
        ask("plain", &[]).await;
        ask("one", &[("x-forwarded-for", "203.0.113.9")]).await;
        ask("made-up", &[("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.1.1.1")]).await;
        ask("two-lines", &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9")])
            .await;
        ask("garbage", &[("x-forwarded-for", "203.0.113.9, ' OR 1=1 --")]).await;
        ask(
            "others",
            &[
                ("forwarded", "for=203.0.113.9"),
                ("x-real-ip", "203.0.113.9"),
                ("x-forwarded-host", "evil.example.test"),
                ("x-forwarded-proto", "https"),
                ("x-client-ip", "203.0.113.9"),
            ],
        )
        .await;
        gateway.program.terminate().await;
        let log = gateway.program.ended().await.errors;
        let address_of = |id: &str| {
            let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let line = lines.into_iter().find(|line| line["cwsgate.request_id"] == id);
            line.unwrap()["client.address"].as_str().unwrap().to_owned()
        };
        let through = if believed { "203.0.113.9" } else { "127.0.0.1" };
        for id in ["one", "made-up", "two-lines"] {
            assert_eq!(address_of(id), through, "{trusted}: {id}");
        }
        for id in ["plain", "garbage", "others"] {
            assert_eq!(address_of(id), "127.0.0.1", "{trusted}: {id}");
        }
    }
}

#[tokio::test]
async fn the_trace_of_a_caller_is_in_the_log_and_not_sent_on() {
    let gateway = Serving::start("").await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    for (id, value) in
        [("with", format!("00-{trace}-b7ad6b7169203331-01")), ("without", "00-".to_owned())]
    {
        let request = gateway.client.get(format!("{}/v1/customers/acme/me", gateway.url));
        let request = request.bearer_auth(gateway.key.expose()).header("traceparent", value);
        Reply::read(request.header("x-request-id", id).send().await.unwrap()).await.ok(200);
    }
    gateway.program.terminate().await;
    let log = gateway.program.ended().await.errors;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: &str| {
        let line = lines.iter().find(|line| line["cwsgate.request_id"] == id).unwrap();
        line["trace_id"].clone()
    };
    assert_eq!((of("with"), of("without")), (trace.into(), Value::Null));
}
