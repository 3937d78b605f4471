use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

use super::{Desktop, KIOSK, change_store, counters, password_checks};
use crate::support::{Gateway, Reply};

#[tokio::test]
async fn service_accounts_sign_in_once_by_either_method() {
    let gateway = Gateway::demo().await;
    for (store, name) in [("hq", KIOSK), ("kiosk", "Lobby")] {
        let desktop = Desktop::of(&gateway, store, name).await;
        desktop.power_off(&gateway).await.ok(200);
        gateway.get(&desktop.path).await.ok(200);
        assert_eq!(password_checks(&gateway, store).await, 1, "{store}");
        assert_eq!(desktop.posts(&gateway).await, (1, 1), "{store}");
    }
}

#[tokio::test]
async fn a_token_that_has_ended_is_replaced_and_the_power_off_takes_effect_once() {
    let gateway = Gateway::demo().await;
    for (store, name) in [("hq", KIOSK), ("kiosk", "Lobby")] {
        for (expired, checks) in [("service", 1), ("all", 2)] {
            let desktop = Desktop::of(&gateway, store, name).await;
            desktop.change(&gateway, json!({ "powerState": "on" })).await;
            let (_, before) = desktop.posts(&gateway).await;
            change_store(&gateway, store, json!({ "expireTokens": expired })).await;

            desktop.power_off(&gateway).await.ok(200);

            let (_, applied) = desktop.posts(&gateway).await;
            assert_eq!(applied, before + 1, "{store} {expired}");
            assert_eq!(password_checks(&gateway, store).await, checks, "{store} {expired}");
        }
    }
}

#[tokio::test]
async fn a_401_to_the_power_off_itself_is_answered_with_one_new_token() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    let headers = challenge(&gateway).await;
    gateway.fault(refuse_power_off(&headers, 1));

    desktop.power_off(&gateway).await.ok(200);

    // The store itself has seen the second one only.
    assert_eq!(desktop.posts(&gateway).await, (1, 1));
    assert_eq!(gateway.asked("service=storefront&method=POST").await.len(), 2);
}

#[tokio::test]
async fn a_second_401_is_the_gateways_own_trouble() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    let headers = challenge(&gateway).await;
    gateway.fault(refuse_power_off(&headers, 10));

    let reply = desktop.power_off(&gateway).await;

    let problem = reply.problem(502, "upstream_rejected_credentials");
    assert_eq!(problem["origin"], "gateway");
    assert_eq!(problem["retryable"], false);
    assert!(problem.get("outcome").is_none(), "{problem}");
    assert_eq!(gateway.asked("service=storefront&method=POST").await.len(), 2);
    assert_eq!(desktop.posts(&gateway).await, (0, 0));
    assert!(!reply.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn one_wrong_password_quarantines_the_account() {
    for store in ["hq", "kiosk"] {
        let gateway = Gateway::demo().await;
        let desktop = Desktop::of(&gateway, store, if store == "hq" { KIOSK } else { "Lobby" });
        let desktop = desktop.await;
        assert_eq!(password_checks(&gateway, store).await, 1);
        let user = format!("/_sim/stores/{store}/users/kiosk");
        let changed = json!({ "password": "another-Demo-1", "expireTokens": true });
        gateway.sim("PATCH", &user, changed).await;

        let reply = desktop.power_off(&gateway).await;

        let problem = reply.problem(503, "credential_quarantined");
        assert_eq!(problem["retryable"], false);
        assert_eq!(problem["origin"], "gateway");
        assert!(!reply.text.contains("kiosk-Demo"), "{}", reply.text);
        assert_eq!(password_checks(&gateway, store).await, 2, "{store}");
        for _ in 0..3 {
            desktop.power_off(&gateway).await.problem(503, "credential_quarantined");
            let list = format!("/v1/stores/{store}/resources");
            gateway.get(&list).await.problem(503, "credential_quarantined");
        }
        assert_eq!(password_checks(&gateway, store).await, 2, "{store}");
        assert_eq!(gateway.sim("GET", &user, Value::Null).await["wrongPasswords"], 1);
        assert_eq!(desktop.posts(&gateway).await.1, 0);
        // The other store's account is another one.
        let other = if store == "hq" { "kiosk" } else { "hq" };
        gateway.get(&format!("/v1/stores/{other}/resources")).await.ok(200);
    }
}

#[tokio::test]
async fn a_user_signs_in_and_sees_and_switches_off_only_their_own() {
    let gateway = Gateway::demo().await;
    let mira = sign_in(&gateway, "DEMOLAB\\mira", "mira-Demo-1").await;
    let jonas = sign_in(&gateway, "DEMOLAB\\jonas", "jonas-Demo-1").await;
    assert_eq!(password_checks(&gateway, "portal").await, 2);
    let list = as_user(&gateway, Method::GET, LIST, &mira).await;
    let list = list.ok(200);
    let own = list["items"].as_array().unwrap();
    assert!(own.iter().any(|item| item["hostname"] == "MIRA-PC"), "{list}");
    assert!(own.iter().all(|item| item["hostname"] != "JONAS-PC"), "{list}");
    let desktop = Desktop::in_list("portal", &list, "My desktop");
    let path = format!("{}/actions/power-off", desktop.path);

    as_user(&gateway, Method::POST, &path, &jonas).await.problem(404, "not_found");
    assert_eq!(desktop.posts(&gateway).await, (0, 0));
    let body = as_user(&gateway, Method::POST, &path, &mira).await.ok(200);
    assert_eq!(body["resource"]["hostname"], "MIRA-PC");
    assert_eq!(desktop.posts(&gateway).await, (1, 1));
    // Nobody's password was looked at again.
    assert_eq!(password_checks(&gateway, "portal").await, 2);
    assert_eq!(counters(&gateway, "portal").await["subscriptionsCreated"], 0);
}

#[tokio::test]
async fn a_sign_in_that_is_missing_ended_or_foreign_is_said_so() {
    let (builder, other) =
        Gateway::builder().app("other", r#"{ actions = ["read", "power"], stores = ["*"] }"#);
    let gateway = builder.start().await;
    let mira = sign_in(&gateway, "DEMOLAB\\mira", "mira-Demo-1").await;
    let reply = gateway.get(LIST).await;
    reply.problem(401, "store_session_expired");
    assert!(!reply.header("www-authenticate").is_empty());
    for wrong in ["nonsense", &format!("{mira}x")] {
        as_user(&gateway, Method::GET, LIST, wrong).await.problem(401, "store_session_expired");
    }
    let request = gateway.request_as(&other, Method::GET, LIST).header(SESSION, &mira);
    gateway.send(request).await.problem(401, "store_session_expired");
    // A store with an account of its own takes no one else's.
    let reply = as_user(&gateway, Method::GET, "/v1/stores/hq/resources", &mira).await;
    reply.problem(400, "invalid_request");

    let desktop = {
        let list = as_user(&gateway, Method::GET, LIST, &mira).await.ok(200);
        Desktop::in_list("portal", &list, "My desktop")
    };
    change_store(&gateway, "portal", json!({ "expireTokens": "all" })).await;
    let path = format!("{}/actions/power-off", desktop.path);
    let reply = as_user(&gateway, Method::POST, &path, &mira).await;
    let problem = reply.problem(401, "store_session_expired");
    assert!(problem.get("outcome").is_none(), "{problem}");
    assert_eq!(desktop.posts(&gateway).await, (0, 0));
    assert_eq!(password_checks(&gateway, "portal").await, 1);

    let again = sign_in(&gateway, "DEMOLAB\\mira", "mira-Demo-1").await;
    as_user(&gateway, Method::GET, LIST, &again).await.ok(200);
    let current = "/v1/stores/portal/sign-ins/current";
    assert_eq!(as_user(&gateway, Method::DELETE, current, &again).await.status, 204);
    as_user(&gateway, Method::GET, LIST, &again).await.problem(401, "store_session_expired");
}

#[tokio::test]
async fn a_token_that_the_store_does_not_take_is_the_callers_trouble() {
    let gateway = Gateway::demo().await;
    let with_token = |path: &str| gateway.request(Method::GET, path).header(TOKEN, "bm9uc2Vuc2U=");
    let reply = gateway.send(with_token(LIST)).await;
    reply.problem(401, "store_session_expired");
    assert!(!reply.text.contains("bm9uc2Vuc2U="), "{}", reply.text);
    let both = with_token(LIST).header(SESSION, "some-session");
    gateway.send(both).await.problem(400, "invalid_request");
    let own_account = with_token("/v1/stores/hq/resources");
    gateway.send(own_account).await.problem(400, "invalid_request");
    for store in ["hq", "portal"] {
        assert_eq!(password_checks(&gateway, store).await, 0, "{store}");
    }
}

#[tokio::test]
async fn a_refused_sign_in_is_tried_once() {
    let gateway = Gateway::demo().await;
    for (number, (username, password)) in
        (1..).zip([("DEMOLAB\\mira", "wrong-1"), ("DEMOLAB\\nobody", "wrong-2")])
    {
        let reply = try_sign_in(&gateway, username, password).await;
        let problem = reply.problem(403, "store_sign_in_refused");
        assert_eq!(problem["retryable"], false);
        assert!(!reply.text.contains(password), "{}", reply.text);
        assert_eq!(password_checks(&gateway, "portal").await, number, "{username}");
    }
    try_sign_in(&gateway, "DEMOLAB\\olga", "olga-Demo-1")
        .await
        .problem(403, "store_sign_in_refused");
}

async fn try_sign_in(gateway: &Gateway, username: &str, password: &str) -> Reply {
    let body = json!({ "username": username, "password": password });
    gateway.post("/v1/stores/portal/sign-ins", body).await
}

async fn sign_in(gateway: &Gateway, username: &str, password: &str) -> String {
    let body = try_sign_in(gateway, username, password).await.ok(201);
    assert!(body["expiresAt"].as_str().unwrap().ends_with('Z'), "{body}");
    body["storeSession"].as_str().unwrap().to_owned()
}

async fn as_user(gateway: &Gateway, method: Method, path: &str, session: &str) -> Reply {
    gateway.send(gateway.request(method, path).header(SESSION, session)).await
}

/// What the store answers to a request without a token.
async fn challenge(gateway: &Gateway) -> HeaderMap {
    let stores = gateway.get("/v1/stores").await.ok(200);
    let url = stores["items"][0]["url"].as_str().unwrap().trim_end_matches('/').to_owned();
    let list = format!("{url}/resources/v2/withoutautoprovision");
    let answer = gateway.client().get(list).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    answer.headers().clone()
}

/// Refuses power-offs, whatever token they bring, as the store does without one.
fn refuse_power_off(challenge: &HeaderMap, times: u32) -> Value {
    let value = challenge["www-authenticate"].to_str().unwrap();
    json!({
        "match": { "service": "storefront", "method": "POST", "pathContains": "/poweroff/" },
        "times": times, "status": 401, "headers": { "www-authenticate": value },
    })
}

const LIST: &str = "/v1/stores/portal/resources";
const SESSION: &str = "cwsgate-store-session";
const TOKEN: &str = "cwsgate-store-token";
