//! What goes up and what comes down.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{
    ACME, asked_on, call, headers, machine, request, site,
    stub::{Lab, read_until},
};
use crate::support::Gateway;

#[tokio::test]
async fn every_family_of_paths_is_answered_by_citrix() {
    let gateway = Gateway::demo().await;
    let site = site(&gateway, "acme");
    for (path, pointer) in [
        ("/cvad/manage/me".to_owned(), "/Customers/0/Id"),
        ("/CVAD/Manage/Me".to_owned(), "/Customers/0/Id"),
        ("/cvad/manage/Machines?limit=2".to_owned(), "/Items/1/Id"),
        (format!("/cvad/manage/Sites/{site}"), "/Id"),
        ("/cvadapis/me".to_owned(), "/Customers/0/Id"),
        (format!("/cvadapis/{site}/MachineCatalogs"), "/Items/0/Id"),
        ("/resourcelocations".to_owned(), "/items/0/id"),
        ("/resourcelocations/".to_owned(), "/items/0/id"),
        ("/administrators".to_owned(), "/items/0/userId"),
        ("/administrators/?maxItemCount=10".to_owned(), "/items/0/userId"),
        ("/systemlog/records".to_owned(), "/items"),
        ("/notifications".to_owned(), "/items"),
        ("/connectors".to_owned(), "/0/id"),
        (format!("/{ACME}/resourcelocations"), "/items/0/id"),
        ("/acme/resourcelocations".to_owned(), "/items/0/id"),
        ("/acme/serviceStates".to_owned(), "/items/0/serviceName"),
        ("/acme/servicestates".to_owned(), "/items/0/serviceName"),
        ("/acme/notifications".to_owned(), "/items"),
    ] {
        let reply = call(&gateway, "GET", &path).await;
        assert!(reply.ok(200).pointer(pointer).is_some(), "{path}: {}", reply.text);
        assert_eq!(reply.header("cwsgate-upstream"), "simulator", "{path}");
        assert!(!reply.header("citrix-transactionid").is_empty(), "{path}");
        assert!(!reply.header("x-request-id").is_empty(), "{path}");
    }
    for path in ["/monitorodata/Machines", "/catalogservice/acme/x", "/quickcreateservice/acme/x"] {
        let reply = call(&gateway, "GET", path).await;
        assert_eq!(reply.json()["message"], "Resource not found", "{path}");
    }
    let activated = call(&gateway, "POST", "/resourceprovider/acme/site/activation").await;
    assert_eq!(activated.status, 200, "{}", activated.text);
}

#[tokio::test]
async fn only_listed_headers_go_up() {
    let gateway = Gateway::demo().await;
    let transaction = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let reply = request(&gateway, "PATCH", "/cvad/manage/Machines/DEMOLAB%7CKESTREL?async=false")
        .header("content-type", "application/json; charset=utf-8")
        .header("citrix-transactionid", transaction)
        .header("citrix-locale", "de-DE")
        .header("x-timezone", "UTC")
        .header("x-admincredential", "Basic Y2FuYXJ5OmNhbmFyeQ==")
        .header("x-accesstoken", "canary-azure-token")
        .header("if-match", "\"1\"")
        .header("accept", "text/html")
        .header("accept-encoding", "identity")
        .header("user-agent", "someone")
        .header("x-api-key", &gateway.key)
        .header("cookie", "a=b")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-http-method-override", "DELETE")
        .header("connection", "close, x-admincredential")
        .header("te", "trailers")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("cwsgate-on-behalf-of", "mira")
        .body(r#"{"InMaintenanceMode":true}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 204);
    assert_eq!(reply.headers()["citrix-transactionid"], transaction);

    let [asked] = &asked_on(&gateway, "KESTREL").await[..] else { panic!("one call") };
    let headers = headers(asked);
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "accept",
            "accept-encoding",
            "authorization",
            "citrix-customerid",
            "citrix-instanceid",
            "citrix-locale",
            "citrix-transactionid",
            "content-length",
            "content-type",
            "host",
            "if-match",
            "user-agent",
            "x-accesstoken",
            "x-admincredential",
            "x-timezone",
        ]
    );
    let value = |name: &str| &headers.iter().find(|(known, _)| known == name).unwrap().1;
    assert_eq!(value("accept"), "application/json");
    assert_eq!(value("citrix-customerid"), ACME);
    assert_eq!(value("citrix-transactionid"), transaction);
    assert_eq!(value("content-type"), "application/json; charset=utf-8");
    assert!(value("user-agent").starts_with("cwsgate/"));
    assert_eq!(asked["query"], "async=false");
    assert_eq!(asked["bodyBytes"], 26);
}

#[tokio::test]
async fn a_customer_is_named_by_our_name_too_and_citrix_gets_its_id() {
    let gateway = Gateway::demo().await;
    let request = gateway.request(Method::GET, "/cvad/manage/me");
    let reply = gateway.send(request.header("citrix-customerid", "globex")).await.ok(200);
    assert_eq!(reply["Customers"][0]["Id"], "globex7q2m9w");
    let asked = asked_on(&gateway, "/cvad/manage/me").await;
    let sent = headers(&asked[0]);
    assert!(sent.contains(&("citrix-customerid".to_owned(), "globex7q2m9w".to_owned())));
    assert_eq!(asked[0]["customer"], "globex");
}

#[tokio::test]
async fn a_post_without_a_body_keeps_its_length() {
    let gateway = Gateway::demo().await;
    let id = machine(&gateway, "acme", "DEMOLAB%5CKESTREL").await;
    for header in [Some(("content-length", "0")), Some(("content-type", "application/json")), None]
    {
        let path = format!("/cvad/manage/Machines/{id}/$reboot?async=true");
        let mut request = request(&gateway, "POST", &path);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let reply = gateway.send(request).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
    }
    for asked in asked_on(&gateway, "$reboot").await {
        let headers = headers(&asked);
        assert!(headers.contains(&("content-length".into(), "0".into())), "{headers:?}");
        assert_eq!(asked["bodyBytes"], 0);
    }
}

#[tokio::test]
async fn addresses_of_citrix_become_addresses_of_the_gateway() {
    let gateway = Gateway::demo().await;
    let id = machine(&gateway, "acme", "DEMOLAB%5CKESTREL").await;
    let site = site(&gateway, "acme");
    for base in ["/cvad/manage".to_owned(), format!("/cvadapis/{site}")] {
        let path = format!("{base}/Machines/{id}/$reboot?async=true");
        let reply = call(&gateway, "POST", &path).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        let start = format!("http://{}{base}/Jobs/", gateway.address);
        let job = reply.header("location").to_owned();
        assert!(job.starts_with(&start), "{job}");
        let job = job.strip_prefix(&format!("http://{}", gateway.address)).unwrap();
        assert_eq!(call(&gateway, "GET", job).await.ok(200)["Type"], "RebootMachines");
    }

    let us = gateway.simulator.region("us").unwrap();
    let global = "https://api.cloud.com/cvad/manage/Jobs/7?x=1#f";
    for (given, expected) in [
        (global.to_owned(), "{gateway}/cvad/manage/Jobs/7?x=1#f"),
        (format!("{us}cvad/manage/Jobs/7"), "{gateway}/cvad/manage/Jobs/7"),
        (format!("{us}abcd1024xyz/resourcelocations"), "{gateway}/abcd1024xyz/resourcelocations"),
        ("/cvad/manage/Jobs/7".to_owned(), "{gateway}/cvad/manage/Jobs/7"),
        ("https://files.example/report".to_owned(), "https://files.example/report"),
        ("https://cloud.com.evil.example/x".to_owned(), "https://cloud.com.evil.example/x"),
    ] {
        let link = format!("<{given}>; rel=\"next\", </cvad/manage/x>; rel=\"first\"");
        gateway.fault(json!({ "match": { "service": "daas" }, "times": 1, "status": 201,
            "body": "{}", "headers": { "Location": given, "Link": link } }));
        let reply = call(&gateway, "GET", "/cvad/manage/HealthCheck").await;
        let expected = expected.replace("{gateway}", &format!("http://{}", gateway.address));
        assert_eq!(reply.status, 201);
        assert_eq!(reply.header("location"), expected);
        let first = format!("http://{}/cvad/manage/x", gateway.address);
        assert_eq!(
            reply.header("link"),
            format!("<{expected}>; rel=\"next\", <{first}>; rel=\"first\"")
        );
    }
    // Whoever reaches the gateway under another name has a proxy before it.
    let path = format!("/cvad/manage/Machines/{id}/$start?async=true");
    let request = request(&gateway, "POST", &path);
    let reply = gateway.send(request.header("host", "api.gateway.example")).await;
    assert!(reply.header("location").starts_with("/cvad/manage/Jobs/"), "{:?}", reply.headers);
}

#[tokio::test]
async fn status_and_body_come_down_unchanged_whatever_they_are() {
    let gateway = Gateway::demo().await;
    for (status, kind, body) in [
        (200, "application/json", "  {\"ErrorMessage\": 1}\n"),
        (400, "application/json; charset=utf-8", "{\"ErrorMessage\":\"No.\"}"),
        (403, "text/plain", "Access denied to query Monitor objects : Invalid Customer."),
        (404, "application/problem+json", "{}"),
        (409, "application/json", ""),
        (500, "application/json", "{\"statusCode\":500}"),
        (502, "text/html", "<html>502</html>"),
        (503, "text/html", ""),
        (530, "application/json", "{}"),
        // The last: nobody is asked for a while after it.
        (429, "application/json", "{\"statusCode\":429}"),
    ] {
        gateway.fault(json!({ "match": { "service": "daas" }, "times": 1, "status": status,
            "body": body, "headers": { "Content-Type": kind, "Retry-After": "7",
            "Server": "Citrix Systems, Inc.", "Set-Cookie": "a=b", "X-CC-LocalGeo": "US",
            "ETag": "\"1\"", "Cache-Control": "no-cache" } }));
        let reply = call(&gateway, "GET", "/cvad/manage/HealthCheck").await;
        assert_eq!(reply.status, status, "{}", reply.text);
        assert_eq!(reply.text, body);
        assert_eq!(reply.header("content-type"), kind);
        assert_eq!(reply.header("retry-after"), "7");
        assert_eq!(reply.header("etag"), "\"1\"");
        assert_eq!(reply.header("cache-control"), "no-cache");
        for name in ["server", "set-cookie", "x-cc-localgeo"] {
            assert_eq!(reply.header(name), "", "{name}");
        }
    }
}

#[tokio::test]
async fn a_head_tells_the_length_and_brings_no_body() {
    let gateway = Gateway::demo().await;
    let reply = call(&gateway, "HEAD", "/cvad/manage/Machines/DEMOLAB%7CKESTREL").await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, ""));
    let reply = call(&gateway, "HEAD", "/cvad/manage/Machines/DEMOLAB%7CNOBODY").await;
    assert_eq!(reply.status, 404);
    let reply = call(&gateway, "HEAD", "/acme/serviceStates").await;
    assert!(reply.header("content-length").parse::<u32>().unwrap() > 100, "{:?}", reply.headers);
    for asked in asked_on(&gateway, "KESTREL").await {
        assert_eq!(asked["method"], "HEAD");
    }
}

#[tokio::test]
async fn a_body_goes_up_while_it_still_comes_in() {
    let mut lab = Lab::start().await;
    let fields = "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n";
    let mut caller = lab.send("POST /cvad/manage/Icons", fields).await;
    caller.write_all(b"5\r\nfirst\r\n").await.unwrap();
    let mut citrix = lab.call().await;
    assert_eq!(citrix.field("transfer-encoding"), "chunked");
    citrix.read_until("5\r\nfirst\r\n").await;

    // Nothing of the rest exists yet. Later nothing of it is held: a part is gone when the next comes.
    for _ in 0..12 {
        let part = "x".repeat(64 * 1024);
        caller.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).await.unwrap();
    }
    caller.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    let seen = citrix.read_until("last\r\n0\r\n\r\n").await;
    assert_eq!(seen.matches('x').count(), 12 * 64 * 1024);
    citrix.answer("201 Created", "Content-Type: application/json\r\n", "{}").await;
    let answer = read_until(&mut caller, "{}").await;
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
}

#[tokio::test]
async fn an_answer_comes_down_while_it_still_goes_on() {
    let mut lab = Lab::start().await;
    let mut caller = lab.send("GET /cvad/manage/Machines", "").await;
    let mut citrix = lab.call().await;
    citrix.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let answer = read_until(&mut caller, "first\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    citrix.write("4\r\nlast\r\n0\r\n\r\n").await;
    read_until(&mut caller, "last\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn compressed_answers_stay_compressed() {
    let mut lab = Lab::start().await;
    let mut caller = lab.send("GET /cvad/manage/me", "Accept-Encoding: gzip\r\n").await;
    let mut citrix = lab.call().await;
    assert_eq!(citrix.field("accept-encoding"), "gzip");
    citrix.answer("200 OK", "Content-Encoding: gzip\r\n", "not looked at").await;
    let answer = read_until(&mut caller, "not looked at").await;
    assert!(answer.to_lowercase().contains("content-encoding: gzip"), "{answer}");
}

#[tokio::test]
async fn the_path_goes_up_encoded_anew_and_the_query_as_it_came() {
    let mut lab = Lab::start().await;
    for (given, expected) in [
        (
            "/cvad/manage/Machines/A%5cB%7CC|D/%24start?x=%41+b&y=|",
            "/cvad/manage/Machines/A%5CB%7CC%7CD/$start?x=%41+b&y=%7C",
        ),
        ("/CVADAPIS/one/Machines", "/cvadapis/one/Machines"),
        (
            "/monitorodata/Machines('a%20b')?$filter=Name%20eq%20'x'&$top=5",
            "/monitorodata/Machines('a%20b')?$filter=Name%20eq%20'x'&$top=5",
        ),
        ("/lab/ResourceLocations/x", "/lab1024/resourcelocations/x"),
    ] {
        let mut caller = lab.send(&format!("GET {given}"), "Connection: close\r\n").await;
        let mut citrix = lab.call().await;
        let line = citrix.head.lines().next().unwrap().to_owned();
        assert_eq!(line, format!("GET {expected} HTTP/1.1"));
        citrix.answer("200 OK", "", "done").await;
        read_until(&mut caller, "done").await;
    }
}

#[tokio::test]
async fn logs_and_metrics_know_the_surface_and_not_the_path() {
    let gateway = Gateway::demo().await;
    call(&gateway, "GET", "/cvad/manage/Machines/DEMOLAB%7CKESTREL").await.ok(200);
    call(&gateway, "GET", "/acme/serviceStates").await.ok(200);
    gateway.send(gateway.bare(Method::GET, "/acme/resourcelocations/canary")).await;
    let metrics = gateway.get_admin("/metrics").await.text;
    for route in
        ["/cvad/manage/{path}", "/{customer}/serviceStates", "/{customer}/resourcelocations/{path}"]
    {
        assert!(metrics.contains(&format!("http_route=\"{route}\"")), "{route}: {metrics}");
    }
    assert!(!metrics.contains("KESTREL") && !metrics.contains("canary"), "{metrics}");
    let upstream = r#"cwsgate_upstream_request_duration_seconds_count{service="core",region="us",outcome="ok"} 1"#;
    assert!(metrics.contains(upstream), "{metrics}");
}

#[tokio::test]
async fn the_same_things_are_seen_as_through_the_api() {
    let gateway = Gateway::demo().await;
    let path = "/cvad/manage/Machines?limit=250&fields=Id";
    let listed = call(&gateway, "GET", path).await.ok(200);
    let mut listed: Vec<Value> =
        listed["Items"].as_array().unwrap().iter().map(|item| item["Id"].clone()).collect();
    let api = gateway.get("/v1/customers/acme/sites/-/machines?pageSize=1000").await;
    let mut known = api.of_items("id");
    let by_text = |a: &Value, b: &Value| a.as_str().cmp(&b.as_str());
    listed.sort_by(by_text);
    known.sort_by(by_text);
    assert_eq!(listed, known);
}
