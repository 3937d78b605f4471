//! What the gateway refuses by itself, in a form that existing scripts can print.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ACME, call, request};
use crate::support::{Gateway, Reply};

/// Every surface.
const PATHS: [&str; 16] = [
    "/cvad/manage",
    "/cvad/manage/me",
    "/cvadapis/me",
    "/resourcelocations",
    "/administrators",
    "/systemlog/records",
    "/notifications",
    "/connectors",
    "/monitorodata/Machines",
    "/catalogservice/acme/x",
    "/quickcreateservice/acme/x",
    "/resourceprovider/acme/site/activation",
    "/acme/resourcelocations",
    "/acme/serviceStates",
    "/acme/notifications/items",
    "/nobody/serviceStates",
];

/// A problem that a script written for Citrix can print.
#[track_caller]
fn printable(reply: &Reply, status: u16, code: &str) -> Value {
    let problem = reply.problem(status, code);
    assert_eq!(problem["ErrorMessage"], problem["detail"]);
    assert!(problem["ErrorMessage"].as_str().is_some_and(|text| !text.is_empty()));
    problem
}

#[tokio::test]
async fn nothing_is_asked_for_a_caller_without_a_credential() {
    let gateway = Gateway::demo().await;
    for path in PATHS {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let bare = || gateway.bare(method.clone(), path).header("citrix-customerid", ACME);
            printable(&gateway.send(bare()).await, 401, "credentials_missing");
            for value in ["CwsAuth Bearer=nonsense", "Bearer cwsgate_x_y", "Basic YTpi"] {
                let reply = gateway.send(bare().header("authorization", value)).await;
                printable(&reply, 401, "credentials_invalid");
                assert!(!reply.header("www-authenticate").is_empty());
            }
        }
    }
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn paths_of_nobody_are_not_found() {
    let gateway = Gateway::demo().await;
    for path in ["/cvad", "/cvad/other", "/acme", "/acme/machines", "/accessSecurity/x", "/x/y/z"] {
        let problem = gateway.get(path).await.problem(404, "not_found");
        assert_eq!(problem["ErrorMessage"], Value::Null);
    }
}

#[tokio::test]
async fn the_customer_must_be_named_once_and_known() {
    let gateway = Gateway::demo().await;
    let get = |path: &str| gateway.request(Method::GET, path);
    for path in ["/cvad/manage/me", "/resourcelocations", "/monitorodata/x"] {
        let problem = printable(&gateway.send(get(path)).await, 400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/Citrix-CustomerId");
        let twice =
            get(path).header("citrix-customerid", "acme").header("citrix-customerid", "globex");
        printable(&gateway.send(twice).await, 400, "invalid_request");
        let unknown = get(path).header("citrix-customerid", "nobody");
        printable(&gateway.send(unknown).await, 404, "not_found");
    }
    printable(&gateway.get("/nobody/serviceStates").await, 404, "not_found");
    let other = get("/catalogservice/globex/x").header("citrix-customerid", "acme");
    printable(&gateway.send(other).await, 400, "invalid_request");
    let site = get("/cvad/manage/Machines")
        .header("citrix-customerid", "acme")
        .header("citrix-instanceid", "a/b");
    printable(&gateway.send(site).await, 400, "invalid_request");
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused() {
    let gateway = Gateway::demo().await;
    let id = super::machine(&gateway, "acme", "DEMOLAB%5CKESTREL").await;
    let before = gateway.total_asked().await;
    for path in [
        "/cvad/manage/Machines/{id}/%2524reboot",
        "/cvad/manage/Machines/{id}/$reboot%20",
        "/cvad/manage/Machines/{id}/$reboot.",
        "/cvad/manage/Machines/{id}/$reboot;x",
        "/cvad/manage/Machines%20/{id}/$reboot",
        "/cvad/manage/%ff/{id}",
        "/cvad/manage/Machines/{id}?_method=DELETE",
        "/cvad/manage/Machines/{id}?a=b&X-HTTP-Method-Override=DELETE",
        "/cvad/manage/Machines/{id}?x%2Dhttp-method=DELETE",
    ] {
        let path = path.replace("{id}", &id);
        let reply = gateway
            .send(
                gateway
                    .request(Method::POST, &path)
                    .header("citrix-customerid", ACME)
                    .header("citrix-instanceid", "any"),
            )
            .await;
        printable(&reply, 400, "invalid_request");
    }
    // The server refuses these before anything is routed.
    for path in ["/cvad/manage//me", "/cvad/manage/a%2fb", "/cvad/manage/x//"] {
        let reply = gateway.send(gateway.request(Method::GET, path)).await;
        printable(&reply, 400, "invalid_request");
    }
    assert_eq!(gateway.total_asked().await, before);
}

#[tokio::test]
async fn a_credential_in_the_query_goes_nowhere() {
    let (builder, other) =
        Gateway::builder().app("other", r#"{ actions = ["read"], customers = ["acme"] }"#);
    let gateway = builder.start().await;
    for query in [
        "access_token=x",
        "a=b&Api_Key=x",
        "APIKEY=x",
        "authorization=Bearer%20x",
        "X-Api-Key=x",
        "client%5Fsecret=x",
        &format!("token={}", gateway.key),
        &format!("token={}", other.expose()),
        &gateway.key,
    ] {
        for path in ["/cvad/manage/me", "/acme/serviceStates", "/resourcelocations"] {
            let reply = call(&gateway, "GET", &format!("{path}?{query}")).await;
            printable(&reply, 400, "invalid_request");
            assert!(!reply.text.contains(&gateway.key));
        }
        let url = format!("/me?{query}");
        let item = json!({ "Reference": "1", "Method": "GET", "RelativeUrl": url });
        let batch = request(&gateway, "POST", "/cvad/manage/$batch");
        let batch = batch.body(json!({ "Items": [item] }).to_string());
        printable(&gateway.send(batch).await, 400, "invalid_request");
    }
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn headers_that_could_be_read_in_two_ways_are_refused() {
    let gateway = Gateway::demo().await;
    for path in ["/cvad/manage/me", "/v1/whoami"] {
        let good = || request(&gateway, "GET", path);
        let twice = good().header("authorization", format!("CwsAuth Bearer={}", gateway.key));
        printable(&gateway.send(twice).await, 400, "invalid_request");
        for name in ["x_api_key", "citrix_customerid", "a_b"] {
            printable(&gateway.send(good().header(name, "x")).await, 400, "invalid_request");
        }
    }
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn methods_that_citrix_does_not_know_are_refused() {
    let gateway = Gateway::demo().await;
    for method in ["OPTIONS", "MERGE", "SEARCH", "PROPFIND"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = gateway.request(method, "/cvad/manage/me").header("citrix-customerid", ACME);
        printable(&gateway.send(request).await, 405, "method_not_allowed");
    }
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_announced_or_not() {
    let gateway = Gateway::builder().server("max_body_bytes = \"64 KiB\"").start().await;
    let body = "x".repeat(65 * 1024);
    let post = request(&gateway, "POST", "/cvad/manage/Icons").body(body.clone());
    printable(&gateway.send(post).await, 413, "payload_too_large");

    let parts = futures_util::stream::iter([body.clone(), body]).map(Ok::<_, std::io::Error>);
    let post = request(&gateway, "POST", "/cvad/manage/Icons");
    let post = post.body(reqwest::Body::wrap_stream(parts));
    // The answer may get lost when the connection is closed while the client is still sending.
    if let Ok(response) = post.send().await {
        printable(&Reply::read(response).await, 413, "payload_too_large");
    }
}

#[tokio::test]
async fn two_credentials_and_a_bad_deadline_are_the_caller_s_mistakes() {
    let gateway = Gateway::demo().await;
    let two = request(&gateway, "GET", "/cvad/manage/me").header("x-api-key", "another");
    printable(&gateway.send(two).await, 400, "invalid_request");
    let bad = request(&gateway, "GET", "/cvad/manage/me").header("cwsgate-deadline-ms", "soon");
    printable(&gateway.send(bad).await, 400, "invalid_request");
}

#[tokio::test]
async fn a_script_that_reads_error_message_prints_both_citrix_s_words_and_ours() {
    let (builder, reader) =
        Gateway::builder().app("reader", r#"{ actions = ["read"], customers = ["acme"] }"#);
    let gateway = builder.start().await;
    let id = super::machine(&gateway, "acme", "DEMOLAB%5CEAGLE").await;
    let path = format!("/cvad/manage/Machines/{id}/$reboot");
    let said = call(&gateway, "POST", &path).await;
    assert_eq!(said.status, 400);
    assert_eq!(said.json()["ErrorMessage"], "Machine does not support specified power action.");

    let denied = gateway
        .request_as(&reader, Method::POST, &path)
        .header("citrix-customerid", ACME)
        .header("citrix-instanceid", super::site(&gateway, "acme"));
    let problem = printable(&gateway.send(denied).await, 403, "policy_denied");
    let said = problem["ErrorMessage"].as_str().unwrap();
    assert!(said.contains("\"power\"") && said.contains("\"acme\""), "{said}");
}

#[tokio::test]
async fn what_citrix_does_not_accept_stays_with_the_caller() {
    let gateway = Gateway::demo().await;
    // 406 for `Accept` is ours to avoid; 415 is about the caller's own body.
    let request = request(&gateway, "PATCH", "/cvad/manage/Machines/DEMOLAB%7CKESTREL");
    let reply = gateway.send(request.header("content-type", "text/plain").body("{}")).await;
    assert_eq!(reply.status, 415);
    assert_eq!(reply.json()["parameters"][0]["name"], json!("mediaType"));
}
