//! What goes wrong at Citrix, and what callers are told of it.

use std::time::{Duration, Instant};

use cwsgate::net::ClientOptions;
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Gateway, Reply};

/// What a failure of Citrix's becomes.
struct Row {
    fault: Value,
    status: u16,
    code: &'static str,
    origin: &'static str,
    retryable: bool,
    /// `upstream.status`.
    upstream: Option<u16>,
}

#[tokio::test]
async fn each_failure_of_citrix_has_its_own_problem() {
    let upstream = |fault, status, code, retryable, upstream| Row {
        fault,
        status,
        code,
        origin: "upstream",
        retryable,
        upstream,
    };
    let gateways = |fault, status, code, upstream| Row {
        fault,
        status,
        code,
        origin: "gateway",
        retryable: false,
        upstream: Some(upstream),
    };
    let failed = |fault, status| upstream(fault, 502, "upstream_error", true, Some(status));
    let malformed = |fault| upstream(fault, 502, "upstream_malformed", false, Some(200));
    let limited = |fault| upstream(fault, 503, "upstream_rate_limited", true, Some(429));
    let page = "<html><body>SECRET-MARKUP of an edge</body></html>";
    let rows = vec![
        gateways(json!({ "status": 403, "style": "E" }), 502, "upstream_forbidden", 403),
        gateways(json!({ "status": 403, "style": "C" }), 502, "upstream_forbidden", 403),
        failed(json!({ "status": 400, "style": "E" }), 400),
        failed(json!({ "status": 406, "style": "D" }), 406),
        failed(json!({ "status": 409, "style": "C" }), 409),
        failed(json!({ "status": 415, "body": page }), 415),
        failed(json!({ "status": 500, "style": "E" }), 500),
        failed(json!({ "status": 501, "style": "D" }), 501),
        failed(json!({ "status": 502, "style": "edge" }), 502),
        failed(json!({ "status": 502, "body": page }), 502),
        failed(
            json!({ "status": 307, "headers": { "location": "https://example.com/elsewhere" } }),
            307,
        ),
        upstream(
            json!({ "status": 503, "style": "edge", "headers": { "retry-after": "200" } }),
            503,
            "upstream_unavailable",
            true,
            Some(503),
        ),
        upstream(
            json!({ "status": 504, "style": "edge" }),
            504,
            "upstream_timeout",
            true,
            Some(504),
        ),
        upstream(json!({ "status": 530, "body": page }), 503, "site_hibernated", false, Some(530)),
        limited(json!({ "rateLimit": "retry-after", "seconds": 200 })),
        limited(json!({ "rateLimit": "text", "seconds": 200 })),
        limited(json!({ "rateLimit": "retry-delay", "seconds": 200 })),
        malformed(json!({ "cutBody": 40 })),
        malformed(json!({ "garbage": page })),
        malformed(json!({ "garbage": "" })),
        malformed(json!({ "garbage": "null" })),
        malformed(json!({ "garbage": r#"{"Id":"#  })),
        malformed(json!({ "garbage": r#"{"Id":{"nested":true},"Name":[1,2]}"# })),
        malformed(json!({ "garbage": "[[1,2],[3]]" })),
        malformed(json!({ "garbage": "[".repeat(100_000) })),
        malformed(json!({ "hugeBody": 32 << 20 })),
        upstream(json!({ "reset": true }), 503, "upstream_unavailable", true, None),
    ];
    for row in rows {
        let gateway = warm("max_body_bytes = \"4 MiB\"").await;
        let mut rule = row.fault.clone();
        rule["match"] = json!({ "service": "daas", "pathContains": "/Machines/" });
        gateway.fault(rule);

        let reply = gateway.get(MACHINE).await;

        let fault = &row.fault.to_string()[..row.fault.to_string().len().min(120)];
        let problem = reply.problem(row.status, row.code);
        assert_eq!(problem["origin"], row.origin, "{fault}");
        assert_eq!(problem["retryable"], row.retryable, "{fault}");
        let said = &problem["upstream"];
        assert_eq!(said["service"], "daas", "{fault}");
        assert_eq!(said["region"], "us", "{fault}");
        assert_eq!(said["status"], json!(row.upstream), "{fault}");
        assert!(said["transactionId"].as_str().is_some_and(|id| !id.is_empty()), "{fault}");
        let text = reply.text.to_lowercase();
        for leak in ["<html", "secret-markup", "<center", "elsewhere", "nested"] {
            assert!(!text.contains(leak), "{fault}: {text}");
        }
    }
}

#[tokio::test]
async fn what_citrix_says_is_passed_on_decoded_with_its_transaction() {
    let gateway = warm("").await;
    let body = json!({ "ErrorMessage": "No\u{1b}[2J such\r\nright", "SdkErrorId": "AccessDenied",
        "ErrorReportXml": "<internal/>" });
    gateway.fault(json!({ "match": { "pathContains": "/Machines/" }, "status": 403,
        "body": body.to_string(), "headers": { "citrix-transactionid": "tx-4711" } }));

    let problem = gateway.get(MACHINE).await.problem(502, "upstream_forbidden");

    let upstream = json!({ "service": "daas", "region": "us", "status": 403,
        "code": "AccessDenied", "message": "No[2J such right", "transactionId": "tx-4711" });
    assert_eq!(problem["upstream"], upstream);
}

#[tokio::test]
async fn a_call_can_be_followed_from_end_to_end_by_one_id() {
    let gateway = warm("").await;
    let id = "0193b8a2-7d1c-7cc0-8f3e-5d2b1c0a9e88";

    let request = gateway.request(Method::GET, MACHINE).header("x-request-id", id);
    let reply = gateway.send(request).await;

    reply.ok(200);
    assert_eq!(reply.header("x-request-id"), id);
    assert_eq!(reply.header("citrix-transactionid"), id);
    let asked = gateway.asked("service=daas&method=GET").await;
    let last = asked.last().unwrap()["headers"].as_array().unwrap();
    assert!(last.contains(&json!(["citrix-transactionid", id])), "{last:?}");
}

#[tokio::test]
async fn what_citrix_does_not_have_is_told_like_what_the_caller_may_not_see() {
    for fault in [json!({ "status": 404, "style": "E" }), json!({ "status": 204 })] {
        let gateway = warm("").await;
        let absent = gateway.get("/v1/customers/nobody").await.problem(404, "not_found");
        let mut rule = fault.clone();
        rule["match"] = json!({ "pathContains": "/Machines/" });
        gateway.fault(rule);

        let problem = gateway.get(MACHINE).await.problem(404, "not_found");

        for name in ["detail", "title", "fix", "origin", "upstream"] {
            assert_eq!(problem[name], absent[name], "{fault}");
        }
    }
}

#[tokio::test]
async fn every_form_of_a_hint_to_wait_is_passed_on() {
    let forms = ["retry-after", "http-date", "rfc3339", "retry-delay", "retry-delay-map", "text"];
    for form in forms {
        let gateway = warm("").await;
        gateway.fault(json!({ "match": { "pathContains": "/Machines/" }, "rateLimit": form,
            "seconds": 250 }));
        let reply = gateway.get(MACHINE).await;
        reply.problem(503, "upstream_rate_limited");
        assert_waits(&reply, 200..=250, form);
    }
    let later = jiff::Timestamp::now() + Duration::from_secs(250);
    let date = later.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    for hint in ["250", " 250 ", "249.5", &date, &later.to_string()] {
        let gateway = warm("").await;
        gateway.fault(json!({ "match": { "pathContains": "/Machines/" }, "status": 503,
            "headers": { "retry-after": hint } }));
        let reply = gateway.get(MACHINE).await;
        reply.problem(503, "upstream_unavailable");
        assert_waits(&reply, 200..=250, hint);
    }
    // No hint is believed beyond five minutes.
    let gateway = warm("").await;
    gateway.fault(json!({ "match": { "pathContains": "/Machines/" }, "rateLimit": "retry-after",
        "seconds": 86_400 }));
    let reply = gateway.get(MACHINE).await;
    reply.problem(503, "upstream_rate_limited");
    assert_waits(&reply, 200..=300, "a day");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    for fault in [json!({ "hang": true }), json!({ "latencyMs": 120_000 })] {
        let gateway = warm("").await;
        let mut rule = fault.clone();
        rule["match"] = json!({ "pathContains": "/Machines/" });
        gateway.fault(rule);

        let began = Instant::now();
        let request = gateway.request(Method::GET, MACHINE).header("cwsgate-deadline-ms", "1500");
        let problem = gateway.send(request).await.problem(504, "upstream_timeout");

        assert_eq!(problem["origin"], "upstream");
        assert_eq!(problem["retryable"], true);
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn platform_services_fail_alike_and_are_named() {
    for (service, path) in [
        ("registry", "/v1/customers/acme/resource-locations"),
        ("core", "/v1/customers/acme/service-states"),
    ] {
        for (fault, status, code) in [
            (json!({ "status": 403, "style": "C" }), 502, "upstream_forbidden"),
            (json!({ "status": 500, "style": "A" }), 502, "upstream_error"),
            (json!({ "garbage": "<html>SECRET-MARKUP</html>" }), 502, "upstream_malformed"),
            (json!({ "garbage": r#"{"items":{"a":1}}"# }), 502, "upstream_malformed"),
            (
                json!({ "rateLimit": "retry-delay-map", "seconds": 200 }),
                503,
                "upstream_rate_limited",
            ),
            (
                json!({ "status": 503, "headers": { "retry-after": "200" } }),
                503,
                "upstream_unavailable",
            ),
        ] {
            let gateway = Gateway::demo().await;
            let mut rule = fault.clone();
            rule["match"] = json!({ "service": service });
            gateway.fault(rule);

            let reply = gateway.get(path).await;

            let problem = reply.problem(status, code);
            assert_eq!(problem["upstream"]["service"], service, "{fault}");
            let source = &problem["sources"][0];
            assert_eq!(source["status"], "failed", "{fault}");
            assert_eq!(source["problem"]["code"], code, "{fault}");
            assert!(!reply.text.contains("SECRET-MARKUP"));
            if status == 503 {
                assert_waits(&reply, 150..=200, service);
            }
        }
    }
}

#[tokio::test]
async fn a_stream_names_the_source_that_failed_and_still_ends() {
    let gateway = Gateway::demo().await;
    gateway.fault(json!({ "match": { "service": "daas", "customer": "globex" }, "status": 403,
        "style": "E" }));

    let request = gateway.request(Method::GET, "/v1/machines?pageSize=10");
    let reply = gateway.send(request.header("accept", "application/x-ndjson")).await;

    let lines = reply.lines();
    let failed = lines.iter().find(|line| line["source"]["customer"] == "globex").unwrap();
    assert_eq!(failed["type"], "source");
    assert_eq!(failed["source"]["problem"]["code"], "upstream_forbidden");
    let end = lines.last().unwrap();
    assert_eq!(end["type"], "end");
    assert_eq!(end["completeness"]["failed"], 1);
}

#[tokio::test]
async fn failures_are_counted_by_service_region_and_code() {
    let gateway = warm("").await;
    gateway.fault(json!({ "match": { "pathContains": "/Machines/" }, "status": 403 }));
    gateway.get(MACHINE).await.problem(502, "upstream_forbidden");

    let metrics = gateway.get_admin("/metrics").await;

    let counted = |line: &&str| {
        ["daas", "\"us\"", "upstream_forbidden"].iter().all(|word| line.contains(word))
    };
    assert!(metrics.text.lines().any(|line| counted(&line)), "{}", metrics.text);
}

#[tokio::test]
async fn a_region_without_a_token_service_gives_no_token() {
    let gateway = Gateway::demo().await;
    gateway.stop_region("us").await;

    let reply = gateway.get(MACHINE).await;

    let problem = reply.problem(503, "upstream_token_unavailable");
    assert_eq!(problem["origin"], "upstream");
    assert_eq!(problem["upstream"]["service"], "token");
    assert_eq!(problem["upstream"]["region"], "us");
    assert_waits(&reply, 1..=60, "refused");
}

#[tokio::test]
async fn a_token_service_in_trouble_is_not_hammered() {
    for fault in [
        json!({ "status": 500, "style": "A" }),
        json!({ "status": 503 }),
        json!({ "garbage": "<html>SECRET-MARKUP</html>" }),
        json!({ "garbage": "" }),
        json!({ "cutBody": 10 }),
        json!({ "reset": true }),
    ] {
        let gateway = Gateway::demo().await;
        let mut rule = fault.clone();
        rule["match"] = json!({ "service": "token" });
        gateway.fault(rule);

        let began = Instant::now();
        for _ in 0..20 {
            let reply = gateway.get(MACHINE).await;
            let problem = reply.problem(503, "upstream_token_unavailable");
            assert_eq!(problem["upstream"]["service"], "token", "{fault}");
            assert!(!reply.text.contains("SECRET-MARKUP"), "{fault}");
        }
        let asked = gateway.tokens_asked("acme").await;
        let at_most = 1 + usize::try_from(began.elapsed().as_secs()).unwrap();
        assert!((1..=at_most).contains(&asked), "{asked} token requests: {fault}");
        assert_eq!(gateway.asked("service=daas").await.len(), 0);
    }
}

#[tokio::test]
async fn a_wrong_secret_is_tried_twice_and_then_left_alone() {
    let gateway = Gateway::demo().await;
    gateway.sim("PUT", "/_sim/customers/acme", json!({ "clientSecret": "another" })).await;

    let first = gateway.get(MACHINE).await;
    let problem = first.problem(503, "upstream_token_unavailable");
    assert_eq!(problem["upstream"]["code"], "invalid_client");
    assert_eq!(problem["upstream"]["status"], 400);
    let quarantined = async {
        loop {
            let reply = gateway.get(MACHINE).await;
            if reply.json()["code"] != "upstream_token_unavailable" {
                break reply;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let quarantined = tokio::time::timeout(Duration::from_mins(1), quarantined).await.unwrap();

    let problem = quarantined.problem(503, "credential_quarantined");
    assert_eq!(problem["origin"], "gateway");
    assert_eq!(problem["retryable"], false);
    assert_eq!(gateway.tokens_asked("acme").await, 2);
    for _ in 0..20 {
        gateway.get(MACHINE).await.problem(503, "credential_quarantined");
    }
    assert_eq!(gateway.tokens_asked("acme").await, 2);
    let acme = gateway.get("/v1/customers/acme").await.ok(200);
    assert_eq!(acme["credential"]["state"], "quarantined");
    assert!(acme["credential"]["quarantinedSince"].is_string());
    // The others go on.
    gateway.get("/v1/customers/globex/me").await.ok(200);
    let list = gateway.get("/v1/machines?pageSize=5").await.ok(200);
    assert_eq!(list["completeness"]["failed"], 1);
}

#[tokio::test]
async fn revoked_tokens_are_replaced_by_one_and_nobody_notices() {
    let gateway = warm("").await;
    gateway.sim("PUT", "/_sim/customers/acme", json!({ "revokeTokens": true })).await;

    let calls = stream::iter(0..50).map(|_| gateway.get(MACHINE)).buffer_unordered(50);
    let replies: Vec<Reply> = calls.collect().await;

    for reply in replies {
        reply.ok(200);
    }
    assert_eq!(gateway.tokens_asked("acme").await, 2);
}

#[tokio::test]
async fn a_write_that_meets_a_revoked_token_is_done_once() {
    let gateway = warm("").await;
    gateway.fault(json!({ "match": { "pathContains": "$reboot" }, "status": 401, "style": "B",
        "times": 1 }));

    gateway.post(&format!("{MACHINE}/actions/reboot"), Value::Null).await.ok(200);

    assert_eq!(gateway.tokens_asked("acme").await, 2);
    assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await, (1, 1));
}

#[tokio::test]
async fn a_second_401_is_the_gateways_fault_and_mints_nothing_more() {
    let gateway = warm("").await;
    gateway.fault(json!({ "match": { "service": "daas" }, "status": 401, "style": "B" }));

    for _ in 0..10 {
        let reply = gateway.get(MACHINE).await;
        let problem = reply.problem(502, "upstream_rejected_credentials");
        assert_eq!(problem["origin"], "gateway");
        assert_eq!(problem["retryable"], false);
        assert_eq!(problem["upstream"]["status"], 401);
        assert_eq!(reply.header("www-authenticate"), "");
    }

    assert_eq!(gateway.tokens_asked("acme").await, 2);
}

#[tokio::test]
async fn forbidden_mints_nothing() {
    let gateway = warm("").await;
    gateway.fault(json!({ "match": { "service": "daas" }, "status": 403, "style": "E" }));
    for _ in 0..5 {
        gateway.get(MACHINE).await.problem(502, "upstream_forbidden");
    }
    assert_eq!(gateway.tokens_asked("acme").await, 1);
}

#[tokio::test]
async fn a_thousand_first_calls_at_once_make_one_token_request() {
    // A busy machine takes its time to accept so many connections; that is not the subject here.
    let patient = Duration::from_mins(1);
    let options = ClientOptions { connect_timeout: patient, ..ClientOptions::default() };
    let client = cwsgate::net::client(&options).unwrap();
    let gateway = Gateway::builder()
        .settings("[upstream]\nconnect_timeout = \"30s\"")
        .server("default_deadline = \"100s\"")
        .start()
        .await;
    gateway.fault(json!({ "match": { "service": "token" }, "latencyMs": 1000 }));

    let url = format!("http://{}/v1/customers/acme/me", gateway.address);
    let calls = stream::iter(0..1000)
        .map(|_| gateway.send(client.get(&url).bearer_auth(&gateway.key)))
        .buffer_unordered(1000);
    let replies: Vec<Reply> = calls.collect().await;

    for reply in &replies {
        reply.ok(200);
    }
    assert_eq!(replies.len(), 1000);
    assert_eq!(gateway.tokens_asked("acme").await, 1);
}

/// A gateway that has a token of acme's and knows its site.
async fn warm(upstream: &str) -> Gateway {
    let gateway = Gateway::builder().settings(&format!("[upstream]\n{upstream}")).start().await;
    gateway.get(MACHINE).await.ok(200);
    gateway
}

#[track_caller]
fn assert_waits(reply: &Reply, seconds: std::ops::RangeInclusive<u64>, hint: &str) {
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!(seconds.contains(&wait), "{hint}: {wait}");
}

const MACHINE: &str = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL";
