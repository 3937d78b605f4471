use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::{Gateway, Reply};

const READS: &str = r#"{ actions = ["read", "power", "maintain"], customers = ["*"] }"#;

#[tokio::test]
async fn an_app_that_is_limited_is_told_where_it_stands() {
    let settings = "[apps.limited.limits]\nrequests_per_minute = 3";
    let (builder, limited) = Gateway::builder().settings(settings).app("limited", READS);
    let gateway = builder.start().await;
    let ask = || gateway.send(gateway.request_as(&limited, Method::GET, "/v1/whoami"));

    let first = ask().await;
    first.ok(200);
    assert_eq!(first.header("ratelimit-policy"), "\"requests\";q=3;w=60");
    assert!(first.header("ratelimit").starts_with("\"requests\";r=2;t="), "{first:?}");
    let mut exceeded = ask().await;
    while exceeded.status == 200 {
        exceeded = ask().await;
    }

    let problem = exceeded.problem(429, "quota_exceeded");
    assert_eq!((&problem["origin"], &problem["retryable"]), (&"policy".into(), &true.into()));
    let wait: u64 = exceeded.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert!(exceeded.header("ratelimit").starts_with("\"requests\";r=0;t="), "{exceeded:?}");
    // Others are not limited, and not told of limits.
    let other = gateway.get("/v1/whoami").await;
    other.ok(200);
    assert_eq!(other.header("ratelimit-policy"), "");
    // Nor is who has no credential.
    gateway.send(gateway.bare(Method::GET, "/v1/whoami")).await.problem(401, "credentials_missing");
}

#[tokio::test]
async fn machines_acted_on_are_limited_and_what_is_refused_does_not_count() {
    let settings = "[apps.careful.limits]\nmachines_per_hour = 2";
    let (builder, careful) = Gateway::builder().settings(settings).app("careful", READS);
    let gateway = builder.start().await;
    let act = async |machine: &str, action: &str| -> Reply {
        let path = format!("/v1/customers/acme/sites/-/machines/{machine}/actions/{action}");
        gateway.send(gateway.request_as(&careful, Method::POST, &path)).await
    };

    act("DEMOLAB%7COSPREY", "reboot").await.problem(409, "machine_in_use");
    act("DEMOLAB%7CKESTREL", "reboot").await.ok(200);
    act("DEMOLAB%7CKESTREL", "set-maintenance").await.ok(200);
    let reply = act("DEMOLAB%7CKESTREL", "clear-maintenance").await;

    let problem = reply.problem(429, "quota_exceeded");
    assert!(problem["detail"].as_str().unwrap().contains("2 machines"), "{problem}");
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1_500..=1_800).contains(&wait), "{wait}");
    assert_eq!(gateway.writes().await.len(), 2);
    // Reading goes on.
    gateway.send(gateway.request_as(&careful, Method::GET, KESTREL)).await.ok(200);
}

#[tokio::test]
async fn an_app_has_no_more_time_than_it_was_given_whatever_it_asks_for() {
    let settings = "[apps.hasty.limits]\nmax_deadline = \"2s\"";
    let (builder, hasty) = Gateway::builder().settings(settings).app("hasty", READS);
    let gateway = builder.start().await;
    gateway.get(KESTREL).await.ok(200);
    gateway.fault(json!({ "match": { "service": "daas" }, "hang": true }));
    let patience = Duration::from_mins(1);
    for (method, path, asked, (status, code)) in [
        (Method::GET, KESTREL, None, (504, "upstream_timeout")),
        (Method::GET, KESTREL, Some("60000"), (504, "upstream_timeout")),
        (Method::GET, "/cvad/manage/Machines", None, (504, "upstream_timeout")),
        (Method::POST, "/cvad/manage/Machines/1/$reboot", Some("9000"), (504, "outcome_unknown")),
    ] {
        let request = gateway.request_as(&hasty, method, path).timeout(patience);
        let request = request.header("citrix-customerid", "acme");
        let request = match asked {
            Some(asked) => request.header("cwsgate-deadline-ms", asked),
            None => request,
        };
        let began = Instant::now();
        gateway.send(request).await.problem(status, code);
        assert!(began.elapsed() < Duration::from_secs(8), "{path}: {:?}", began.elapsed());
    }
    // Less is less, and what nobody may ask for is still a mistake.
    for (asked, status) in [("100", 504), ("120001", 400), ("0", 400)] {
        let request = gateway.request_as(&hasty, Method::GET, KESTREL);
        let reply = gateway.send(request.header("cwsgate-deadline-ms", asked)).await;
        assert_eq!(reply.status, status, "{asked}: {}", reply.text);
    }
}

const KESTREL: &str = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL";
