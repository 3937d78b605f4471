use reqwest::Method;

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
    let path = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL";
    gateway.send(gateway.request_as(&careful, Method::GET, path)).await.ok(200);
}
