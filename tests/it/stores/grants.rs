use reqwest::Method;
use serde_json::json;

use super::{Desktop, KIOSK};
use crate::support::Gateway;

#[tokio::test]
async fn a_store_that_may_be_read_may_not_be_switched_off() {
    let (builder, reader) =
        Gateway::builder().app("reader", r#"{ actions = ["read"], stores = ["hq"] }"#);
    let (builder, operator) =
        builder.app("operator", r#"{ actions = ["read", "power"], stores = ["hq"] }"#);
    let (builder, pusher) = builder.app("pusher", r#"{ actions = ["power"], stores = ["hq"] }"#);
    let gateway = builder.start().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    let path = format!("{}/actions/power-off", desktop.path);

    let reply = gateway.send(gateway.request_as(&reader, Method::POST, &path)).await;
    let problem = reply.problem(403, "policy_denied");
    assert_eq!(problem["origin"], "policy");
    gateway.send(gateway.request_as(&reader, Method::GET, &desktop.path)).await.ok(200);
    assert_eq!(desktop.posts(&gateway).await, (0, 0));
    // No action implies another.
    for path in ["/v1/stores/hq/resources", &desktop.path] {
        let reply = gateway.send(gateway.request_as(&pusher, Method::GET, path)).await;
        reply.problem(403, "policy_denied");
    }

    gateway.send(gateway.request_as(&operator, Method::POST, &path)).await.ok(200);
    assert_eq!(desktop.posts(&gateway).await, (1, 1));
}

#[tokio::test]
async fn a_store_that_no_grant_names_is_not_there() {
    let (builder, desk) = Gateway::builder()
        .app("desk", r#"{ actions = ["read", "power"], stores = ["kiosk"], customers = ["*"] }"#);
    let (builder, helpdesk) =
        builder.app("helpdesk", r#"{ actions = ["read", "power"], customers = ["*"] }"#);
    let gateway = builder.start().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    let asked = gateway.total_asked().await;
    let absent = gateway.get("/v1/stores/nowhere/resources").await.problem(404, "not_found");
    for key in [&desk, &helpdesk] {
        for (method, path) in [
            (Method::GET, "/v1/stores/hq/resources".to_owned()),
            (Method::GET, desktop.path.clone()),
            (Method::POST, format!("{}/actions/power-off", desktop.path)),
        ] {
            let reply = gateway.send(gateway.request_as(key, method, &path)).await;
            let problem = reply.problem(404, "not_found");
            assert_eq!(problem["detail"], absent["detail"], "{path}");
        }
        let sign_in = gateway
            .request_as(key, Method::POST, "/v1/stores/portal/sign-ins")
            .header("content-type", "application/json")
            .body(json!({ "username": "DEMOLAB\\mira", "password": "mira-Demo-1" }).to_string());
        gateway.send(sign_in).await.problem(404, "not_found");
    }
    assert_eq!(gateway.total_asked().await, asked);
    assert_eq!(desktop.posts(&gateway).await, (0, 0));
    let reply = gateway.send(gateway.request_as(&desk, Method::GET, "/v1/stores")).await;
    reply.ok(200);
    assert_eq!(reply.of_items("name"), ["kiosk"]);
}
