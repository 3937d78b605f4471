//! When Citrix, the way to it, or the caller fails.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{
    asked_on, call, machine, request,
    stub::{Lab, read_until},
};
use crate::support::{Gateway, Reply};

#[tokio::test]
async fn a_token_that_citrix_has_forgotten_is_replaced_and_the_call_repeated() {
    let gateway = Gateway::demo().await;
    let id = machine(&gateway, "acme", "DEMOLAB%5CKESTREL").await;
    let maintain = async || {
        let request = request(&gateway, "PATCH", &format!("/cvad/manage/Machines/{id}"));
        let request = request.header("content-type", "application/json");
        gateway.send(request.body(r#"{"InMaintenanceMode":true}"#)).await
    };
    let revoke = || gateway.sim("PUT", "/_sim/customers/acme", json!({ "revokeTokens": true }));
    assert_eq!(maintain().await.status, 204);

    revoke().await;
    assert_eq!(maintain().await.status, 204, "a short body is sent again");
    revoke().await;
    let path = format!("/cvad/manage/Machines/{id}/$start");
    assert_eq!(call(&gateway, "POST", &path).await.status, 200, "so is none");
    revoke().await;
    call(&gateway, "GET", "/cvad/manage/me").await.ok(200);

    let asked = asked_on(&gateway, &id).await;
    let answers: Vec<_> = asked.iter().map(|asked| asked["status"].clone()).collect();
    assert_eq!(answers, [204, 401, 204, 401, 200], "each was done once");
    assert!(asked.iter().all(|asked| asked["method"] == "POST" || asked["bodyBytes"] == 26));
}

#[tokio::test]
async fn a_long_body_that_has_gone_by_is_not_repeated_and_the_caller_is_told_to() {
    let mut lab = Lab::start().await;
    let body = "x".repeat(100 * 1024);
    let fields = format!("Content-Length: {}\r\n", body.len());
    let mut caller = lab.send("POST /cvad/manage/Icons", &fields).await;
    caller.write_all(body.as_bytes()).await.unwrap();
    let mut citrix = lab.call().await;
    citrix.read_until(&body).await;
    citrix.answer("401 Unauthorized", "", "{}").await;
    let answer = read_until(&mut caller, "}").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.contains("upstream_token_unavailable") && answer.contains("send the request again")
    );
    assert!(answer.to_lowercase().contains("retry-after: 1"), "{answer}");
    assert!(!lab.has_call());

    // The next one has a new token.
    let _caller = lab.send("GET /cvad/manage/me", "").await;
    let mut citrix = lab.call().await;
    assert_eq!(citrix.field("authorization"), "CwsAuth Bearer=lab-token-2");
    citrix.answer("200 OK", "", "{}").await;
}

#[tokio::test]
async fn a_second_401_is_not_the_caller_s() {
    let gateway = Gateway::demo().await;
    gateway.fault(json!({ "match": { "service": "daas" }, "status": 401, "style": "C" }));
    let reply = call_without_site(&gateway, "/cvad/manage/me").await;
    let problem = reply.problem(502, "upstream_rejected_credentials");
    assert_eq!(problem["ErrorMessage"], problem["detail"]);
    assert_eq!(asked_on(&gateway, "/me").await.len(), 2);
}

#[tokio::test]
async fn no_token_no_call() {
    let gateway = Gateway::demo().await;
    gateway.fault(json!({ "match": { "service": "token" }, "status": 503 }));
    let reply = call_without_site(&gateway, "/cvad/manage/me").await;
    reply.problem(503, "upstream_token_unavailable");
    assert!(asked_on(&gateway, "/cvad").await.is_empty());
}

#[tokio::test]
async fn a_region_that_is_down_is_said_to_be_so() {
    let gateway = Gateway::demo().await;
    call_without_site(&gateway, "/cvad/manage/me").await.ok(200);
    gateway.stop_region("us").await;
    for (method, path) in [("GET", "/cvad/manage/me"), ("POST", "/acme/notifications/items")] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = gateway.request(method, path).header("citrix-customerid", "acme");
        let problem = gateway.send(request).await.problem(503, "upstream_unavailable");
        assert_eq!(problem["ErrorMessage"], problem["detail"]);
    }
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_has_an_unknown_outcome_and_is_sent_once() {
    let gateway = Gateway::demo().await;
    let id = machine(&gateway, "acme", "DEMOLAB%5CKESTREL").await;
    gateway.fault(
        json!({ "match": { "pathContains": "$reboot" }, "reset": true, "afterEffect": true }),
    );
    let reply = call(&gateway, "POST", &format!("/cvad/manage/Machines/{id}/$reboot")).await;
    let problem = reply.problem(504, "outcome_unknown");
    assert_eq!(problem["outcome"], "unknown");
    assert_eq!(asked_on(&gateway, "$reboot").await.len(), 1);
}

#[tokio::test]
async fn a_deadline_ends_the_wait() {
    let gateway = Gateway::demo().await;
    gateway.fault(json!({ "match": { "service": "core" }, "hang": true }));
    gateway.fault(json!({ "match": { "service": "notifications" }, "hang": true }));
    let asked = |method, path| gateway.request(method, path).header("cwsgate-deadline-ms", "1500");
    let reply = gateway.send(asked(Method::GET, "/acme/serviceStates")).await;
    reply.problem(504, "upstream_timeout");
    let reply = gateway.send(asked(Method::POST, "/acme/notifications/items")).await;
    reply.problem(504, "outcome_unknown");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_seen_to_be_cut_off() {
    let gateway = Gateway::demo().await;
    gateway.fault(json!({ "match": { "service": "core" }, "cutBody": 10 }));
    let request = gateway.request(Method::GET, "/acme/serviceStates");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn an_answer_that_stops_is_given_up() {
    let mut lab = Lab::with("[upstream]\nread_timeout = \"1s\"").await;
    let request = lab.gateway.request(Method::GET, "/lab/serviceStates");
    let asking = tokio::spawn(async move {
        let response = request.send().await.unwrap();
        (response.status(), response.bytes().await.is_err())
    });
    let mut citrix = lab.call().await;
    citrix.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345").await;
    assert_eq!(asking.await.unwrap(), (reqwest::StatusCode::OK, true));
    assert!(citrix.is_closed().await, "the connection is not used again");
}

#[tokio::test]
async fn a_change_goes_on_without_its_caller_and_a_read_stops() {
    let mut lab = Lab::start().await;
    let caller = lab.send("GET /cvad/manage/Machines", "").await;
    let mut citrix = lab.call().await;
    drop(caller);
    assert!(citrix.is_closed().await, "a read is given up");

    let fields = "Content-Length: 2\r\n";
    let mut caller = lab.send("POST /cvad/manage/Machines/x/$reboot", fields).await;
    caller.write_all(b"{}").await.unwrap();
    let mut citrix = lab.call().await;
    citrix.read_until("{}").await;
    drop(caller);
    // The next request tells that the gateway has seen the end of the last connection.
    lab.gateway.get("/v1/whoami").await.ok(200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    citrix.answer("200 OK", "", "{}").await;
    let counted = || async {
        let metrics = lab.gateway.get_admin("/metrics").await.text;
        metrics.contains(r#"{service="daas",region="lab",outcome="ok"} 1"#)
    };
    for _ in 0..100 {
        if counted().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the change was given up");
}

#[tokio::test]
async fn a_change_whose_caller_leaves_in_the_middle_of_the_body_is_not_made() {
    let mut lab = Lab::start().await;
    let fields = "Content-Length: 100\r\n";
    let mut caller = lab.send("POST /cvad/manage/Icons", fields).await;
    caller.write_all(b"half").await.unwrap();
    let mut citrix = lab.call().await;
    citrix.read_until("half").await;
    drop(caller);
    assert!(citrix.is_closed().await, "Citrix sees a request that is none");
}

#[tokio::test]
async fn a_region_that_sends_its_clients_elsewhere_is_a_mistake_of_the_configuration() {
    let gateway = Gateway::demo().await;
    let eu = gateway.simulator.region("eu").unwrap();
    let location = format!("{eu}cvad/manage/me");
    gateway.fault(json!({ "match": { "service": "daas" }, "status": 307, "body": "{}",
        "headers": { "Location": location } }));
    let reply = call_without_site(&gateway, "/cvad/manage/me").await;
    let problem = reply.problem(502, "upstream_error");
    assert!(problem["detail"].as_str().unwrap().contains("region"), "{problem}");
}

#[tokio::test]
async fn citrix_s_own_429_comes_down_as_it_is_and_the_gateway_s_is_one_too() {
    let gateway = Gateway::demo().await;
    gateway.fault(json!({ "match": { "service": "core" }, "times": 1, "rateLimit": "http-date",
        "seconds": 60 }));
    let reply = gateway.get("/acme/serviceStates").await;
    assert_eq!(reply.status, 429);
    assert!(reply.header("retry-after").ends_with("GMT"), "{:?}", reply.headers);
    assert_eq!(reply.json()["ErrorMessage"], Value::Null);

    // Until then Citrix is not asked, for whoever it is; clients of Citrix know a 429.
    let asked = gateway.total_asked().await;
    let problem = gateway.get("/acme/serviceStates").await.problem(429, "upstream_rate_limited");
    assert_eq!(problem["ErrorMessage"], problem["detail"]);
    let api = gateway.get("/v1/customers/acme/service-states").await;
    api.problem(503, "upstream_rate_limited");
    assert_eq!(gateway.total_asked().await, asked);
    gateway.get("/globex/serviceStates").await.ok(200);
}

#[tokio::test]
async fn a_429_without_a_hint_comes_down_with_the_time_that_the_gateway_waits() {
    let gateway = Gateway::demo().await;
    gateway.fault(json!({ "match": { "service": "core" }, "times": 1, "rateLimit": "none" }));
    let reply = gateway.get("/acme/serviceStates").await;
    assert_eq!(reply.status, 429);
    assert_eq!(reply.json()["ErrorMessage"], Value::Null, "it is Citrix's");
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    let next = gateway.get("/acme/serviceStates").await;
    next.problem(429, "upstream_rate_limited");
    let left: u64 = next.header("retry-after").parse().unwrap();
    assert!((1..=wait).contains(&left), "{left} of {wait}");
}

#[tokio::test]
async fn a_service_that_only_fails_is_left_alone_for_a_while() {
    let gateway = Gateway::demo().await;
    gateway.fault(json!({ "match": { "service": "core" }, "status": 500 }));
    for _ in 0..5 {
        assert_eq!(gateway.get("/acme/serviceStates").await.status, 500);
    }
    let asked = gateway.total_asked().await;
    let problem = gateway.get("/acme/serviceStates").await.problem(503, "upstream_unavailable");
    assert_eq!(problem["ErrorMessage"], problem["detail"]);
    assert_eq!(gateway.total_asked().await, asked);
}

#[tokio::test]
async fn monitoring_is_asked_one_call_at_a_time() {
    let mut lab = Lab::start().await;
    let mut first = lab.send("GET /monitorodata/Machines", "").await;
    let mut citrix = lab.call().await;
    let mut second = lab.send("GET /monitorodata/Sessions", "").await;
    // Another service is not held up by it.
    let mut other = lab.send("GET /systemlog/records", "").await;
    let mut meanwhile = lab.call().await;
    assert!(meanwhile.head.starts_with("GET /systemlog/"), "{}", meanwhile.head);
    meanwhile.answer("200 OK", "", "other").await;
    read_until(&mut other, "other").await;

    citrix.answer("200 OK", "", "first").await;
    read_until(&mut first, "first").await;
    let mut citrix = lab.call().await;
    assert!(citrix.head.starts_with("GET /monitorodata/Sessions"), "{}", citrix.head);
    citrix.answer("200 OK", "", "second").await;
    read_until(&mut second, "second").await;
}

#[tokio::test]
async fn a_caller_that_does_not_read_does_not_keep_others_from_citrix() {
    let mut lab = Lab::start().await;
    let _idle = lab.send("GET /monitorodata/Machines", "").await;
    let mut citrix = lab.call().await;
    let flood = tokio::spawn(async move {
        citrix.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
        let part = "x".repeat(1 << 20);
        for _ in 0..900 {
            citrix.write(&part).await;
        }
    });
    // Longer than it would be let to wait for the first to end.
    let mut second = lab.send("GET /monitorodata/Sessions", "").await;
    let mut citrix = lab.call().await;
    assert!(citrix.head.starts_with("GET /monitorodata/Sessions"), "{}", citrix.head);
    citrix.answer("200 OK", "", "second").await;
    read_until(&mut second, "second").await;
    flood.abort();
}

#[tokio::test]
async fn a_change_is_seen_at_once_by_the_api() {
    let gateway = Gateway::demo().await;
    let path = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL";
    assert_eq!(gateway.get(path).await.ok(200)["inMaintenanceMode"], false);
    let request = request(&gateway, "PATCH", "/cvad/manage/Machines/DEMOLAB%7CKESTREL");
    let request = request.header("content-type", "application/json");
    let changed = gateway.send(request.body(r#"{"InMaintenanceMode":true}"#)).await;
    assert_eq!(changed.status, 204);
    assert_eq!(gateway.get(path).await.ok(200)["inMaintenanceMode"], true);
}

async fn call_without_site(gateway: &Gateway, path: &str) -> Reply {
    let request = gateway.request(Method::GET, path).header("citrix-customerid", "acme");
    gateway.send(request).await
}
