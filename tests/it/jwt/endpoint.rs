//! The token endpoint, as scripts for Citrix use it.

use cwsgate::auth::ApiKey;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::who;
use crate::support::{Gateway, Reply};

const PATH: &str = "/cctrustoauth2/root/tokens/clients";

#[tokio::test]
async fn an_app_and_its_key_buy_a_token_as_a_client_id_and_its_secret_do() {
    let gateway = Gateway::demo().await;
    let key = gateway.key.clone();
    let form =
        [("grant_type", "client_credentials"), ("client_id", "tests"), ("client_secret", &key)];
    let basic = gateway
        .bare(Method::POST, PATH)
        .basic_auth("tests", Some(&key))
        .form(&[("grant_type", "client_credentials")]);
    for request in [
        gateway.bare(Method::POST, PATH).form(&form),
        gateway.bare(Method::POST, "/cctrustoauth2/k7m2q9xw4tza/tokens/clients").form(&form),
        gateway.bare(Method::POST, "/CCTRUSTOAUTH2/Root/Tokens/clients").form(&form),
        basic,
    ] {
        let reply = gateway.send(request).await;
        let body = reply.ok(200);
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("bearer"), &json!("3600")));
        let token = body["access_token"].as_str().unwrap();

        for value in [format!("Bearer {token}"), format!("CWSAuth bearer={token}")] {
            let request = gateway.bare(Method::GET, "/v1/whoami").header("authorization", value);
            let seen = gateway.send(request).await.ok(200);
            assert_eq!(seen["app"], "tests");
            assert_eq!(seen["authentication"]["method"], "gatewayToken");
            assert_eq!(seen["authentication"]["keyId"], key[8..20]);
        }
    }
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_client_is_not_told() {
    let (builder, other) =
        Gateway::builder().app("other", r#"{ actions = ["read"], customers = ["*"] }"#);
    let gateway = builder.start().await;
    let (key, stranger) = (gateway.key.clone(), ApiKey::generate().unwrap());
    let ask = |id: &str, secret: &str| {
        gateway.bare(Method::POST, PATH).form(&[
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
        ])
    };
    let basic = |value: &str| {
        let form = [("grant_type", "client_credentials")];
        gateway.bare(Method::POST, PATH).header("authorization", value).form(&form)
    };
    for request in [
        ask("nobody", &key),
        ask("tests", other.expose()),
        ask("tests", stranger.expose()),
        ask("tests", &key[..60]),
        ask("tests", ""),
        ask("", &key),
        ask("TESTS", &key),
        ask("tests", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"),
        basic("Basic dGVzdHM6eA=="),
        basic("Basic !!!"),
        basic("Basic dGVzdHM="),
        basic(&format!("Bearer {key}")),
        gateway.bare(Method::POST, PATH).form(&[("grant_type", "client_credentials")]),
    ] {
        let reply = gateway.send(request).await;
        let body = refused(&reply, 400, "invalid_client");
        assert_eq!(body["error_description"], "Invalid client id or client secret.");
    }
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_explained() {
    let gateway = Gateway::demo().await;
    let key = &gateway.key;
    let post = |body: String| {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        gateway.bare(Method::POST, PATH).header("content-type", form).body(body)
    };
    let whole = format!("grant_type=client_credentials&client_id=tests&client_secret={key}");
    gateway.send(post(whole.clone())).await.ok(200);
    let json = |request: RequestBuilder| request.header("content-type", "application/json");
    for (request, code) in [
        (post(whole.replace("client_credentials", "password")), "unsupported_grant_type"),
        (post(whole.replace("grant_type", "grant")), "invalid_request"),
        (post(format!("{whole}&client_id=tests")), "invalid_request"),
        (post(format!("{whole}&client_secret={key}")), "invalid_request"),
        (post(whole.clone()).basic_auth("tests", Some(key)), "invalid_request"),
        (post(format!("{whole}&x={}", "x".repeat(20_000))), "invalid_request"),
        (json(gateway.bare(Method::POST, PATH)).body(whole.clone()), "invalid_request"),
        (gateway.bare(Method::POST, PATH), "invalid_request"),
    ] {
        refused(&gateway.send(request).await, 400, code);
    }
    let reply = gateway.send(gateway.bare(Method::GET, PATH)).await;
    reply.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn guesses_beyond_the_limit_are_slowed_down_and_owners_of_keys_are_not() {
    let builder = Gateway::builder().server("max_auth_failures_per_minute = 4");
    let gateway = builder.start().await;
    let ask = |secret: &str| {
        gateway.send(gateway.bare(Method::POST, PATH).form(&[
            ("grant_type", "client_credentials"),
            ("client_id", "tests"),
            ("client_secret", secret),
        ]))
    };
    for _ in 0..2 {
        refused(&ask("wrong").await, 400, "invalid_client");
        who(&gateway, "wrong").await.problem(401, "credentials_invalid");
    }
    let reply = ask("wrong").await;
    let body = refused(&reply, 429, "invalid_client");
    // What Citrix's own tools look for.
    assert!(body["error_description"].as_str().unwrap().starts_with("Too many requests"));
    assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
    let problem = who(&gateway, "wrong").await.problem(429, "quota_exceeded");
    assert_eq!(problem["retryable"], true);
    let header = gateway.bare(Method::GET, "/v1/whoami").header("authorization", "nonsense");
    gateway.send(header).await.problem(429, "quota_exceeded");

    let token = ask(&gateway.key).await.ok(200)["access_token"].as_str().unwrap().to_owned();
    who(&gateway, &token).await.ok(200);
    gateway.get("/v1/whoami").await.ok(200);
    let bare = gateway.send(gateway.bare(Method::GET, "/v1/whoami")).await;
    bare.problem(401, "credentials_missing");
}

/// A refusal that OAuth clients and scripts for Citrix's APIs can both read.
#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str) -> Value {
    let body = reply.ok(status);
    assert_eq!(body["error"], code, "{body}");
    assert_eq!(body["ErrorMessage"], body["error_description"]);
    assert!(!body["ErrorMessage"].as_str().unwrap().is_empty());
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(!reply.header("x-request-id").is_empty());
    body
}
