//! Stores where callers sign their own users in.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cwsgate::{
    auth::ApiKey,
    simulator::{Options, Simulator},
};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    edge::serving::Serving,
    support::{Gateway, Reply},
};

#[tokio::test]
async fn a_user_sees_and_switches_off_what_is_his_alone() {
    let gateway = Gateway::demo().await;
    let before = Timestamp::now();
    for (user, own, other) in [(MIRA, "MIRA-PC", "JONAS-PC"), (JONAS, "JONAS-PC", "MIRA-PC")] {
        let signed_in = sign_in(&gateway, user).await;
        assert_eq!(signed_in.header("cache-control"), "no-store");
        let body = signed_in.ok(201);
        let expires: Timestamp = body["expiresAt"].as_str().unwrap().parse().unwrap();
        assert!(expires > before, "{expires}");
        let handle = body["storeSession"].as_str().unwrap();

        let listed = list(&gateway, handle).await;
        let body = listed.ok(200);
        assert_eq!(body["enumeration"], "full");
        let hosts = listed.of_items("hostname");
        assert!(hosts.contains(&json!(own)) && !hosts.contains(&json!(other)), "{hosts:?}");
        let desktop = body["items"].as_array().unwrap().iter().find(|i| i["hostname"] == own);
        let path = desktop.unwrap()["self"].as_str().unwrap();

        let shown = gateway.send(with(gateway.request(Method::GET, path), handle)).await.ok(200);
        assert_eq!(shown["hostname"], own);
        let off = gateway.request(Method::POST, &format!("{path}/actions/power-off"));
        let done = gateway.send(with(off, handle)).await.ok(200);
        assert_eq!(done["outcome"], "done");
        assert_eq!(done["resource"]["hostname"], own);
    }
    let counters = gateway.sim("GET", "/_sim/counters", Value::Null).await;
    let portal = &counters["stores"]["portal"];
    let applied: Vec<_> = portal["resources"]
        .as_object()
        .unwrap()
        .values()
        .map(|resource| resource["powerOffsApplied"].as_u64().unwrap())
        .filter(|applied| *applied > 0)
        .collect();
    assert_eq!(applied, [1, 1]);
    assert_eq!(portal["passwordChecks"], 2);
    assert_eq!(portal["subscriptionsCreated"], 0);
}

#[tokio::test]
async fn a_kept_answer_is_for_the_user_to_whom_it_was_given_alone() {
    let gateway = Gateway::demo().await;
    let handle = async |user| {
        let signed_in = sign_in(&gateway, user).await.ok(201);
        signed_in["storeSession"].as_str().unwrap().to_owned()
    };
    let (mira, jonas) = (handle(MIRA).await, handle(JONAS).await);
    let listed = list(&gateway, &mira).await.ok(200);
    let items = listed["items"].as_array().unwrap();
    let desktop = items.iter().find(|item| item["hostname"] == "MIRA-PC").unwrap();
    let path = format!("{}/actions/power-off", desktop["self"].as_str().unwrap());
    let power_off = async |handle: Option<&str>| {
        let request = gateway.request(Method::POST, &path).header("idempotency-key", "once");
        gateway
            .send(handle.map_or(request.try_clone().unwrap(), |handle| with(request, handle)))
            .await
    };

    power_off(Some(&mira)).await.ok(200);
    assert_eq!(power_off(Some(&mira)).await.header("idempotent-replayed"), "true");
    for other in [Some(jonas.as_str()), Some("junk"), None] {
        power_off(other).await.problem(422, "idempotency_key_reused");
    }
}

#[tokio::test]
async fn the_machine_of_somebody_else_is_not_there() {
    let gateway = Gateway::demo().await;
    let (mira, jonas) = (handle(&gateway, MIRA).await, handle(&gateway, JONAS).await);
    let his = list(&gateway, &jonas).await;
    let body = his.json();
    let item = body["items"].as_array().unwrap().iter().find(|i| i["hostname"] == "JONAS-PC");
    let path = item.unwrap()["self"].as_str().unwrap();

    let shown = with(gateway.request(Method::GET, path), &mira);
    gateway.send(shown).await.problem(404, "not_found");
    let off = with(gateway.request(Method::POST, &format!("{path}/actions/power-off")), &mira);
    gateway.send(off).await.problem(404, "not_found");

    let counters = gateway.sim("GET", "/_sim/counters", Value::Null).await;
    let posts = |resource: &Value| resource["powerOffPosts"].as_u64().unwrap_or(0);
    let resources = counters["stores"]["portal"]["resources"].as_object().unwrap();
    assert_eq!(resources.values().map(posts).sum::<u64>(), 0);
}

#[tokio::test]
async fn lists_of_two_users_never_mix() {
    let gateway = Arc::new(Gateway::demo().await);
    let handles = [handle(&gateway, MIRA).await, handle(&gateway, JONAS).await];
    let mut calls = tokio::task::JoinSet::new();
    for round in 0..24 {
        let (gateway, handle) = (Arc::clone(&gateway), handles[round % 2].clone());
        calls.spawn(async move { (round % 2, list(&gateway, &handle).await) });
    }
    while let Some(ended) = calls.join_next().await {
        let (user, reply) = ended.unwrap();
        reply.ok(200);
        let hosts = reply.of_items("hostname");
        let (own, other) = [("MIRA-PC", "JONAS-PC"), ("JONAS-PC", "MIRA-PC")][user];
        assert!(hosts.contains(&json!(own)) && !hosts.contains(&json!(other)), "{hosts:?}");
    }
}

#[tokio::test]
async fn a_handle_is_good_for_one_app_and_one_store() {
    let grant = r#"{ actions = ["read", "power"], stores = ["*"] }"#;
    let (builder, other_app) = Gateway::builder().app("other", grant);
    // The same store under another name.
    let elsewhere = Simulator::start(Options::default()).await.unwrap();
    let url = elsewhere.store("portal").unwrap().url;
    let settings = format!("[stores.annex]\nurl = \"{url}\"\nauth = {{ method = \"caller\" }}");
    let gateway = builder.settings(&settings).start().await;
    let handle = handle(&gateway, MIRA).await;
    list(&gateway, &handle).await.ok(200);

    let foreign = with(gateway.request_as(&other_app, Method::GET, RESOURCES), &handle);
    expired(&gateway.send(foreign).await);
    let annex = with(gateway.request(Method::GET, "/v1/stores/annex/resources"), &handle);
    expired(&gateway.send(annex).await);
    sign_out_is_refused_to(&gateway, &other_app, &handle).await;

    list(&gateway, &handle).await.ok(200);
}

#[tokio::test]
async fn what_was_changed_or_is_no_handle_is_refused() {
    let gateway = Gateway::demo().await;
    let handle = handle(&gateway, MIRA).await;
    let counters = gateway.sim("GET", "/_sim/counters", Value::Null).await;
    for at in [0, handle.len() / 2, handle.len() - 2] {
        let mut bytes = handle.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        expired(&list(&gateway, &String::from_utf8(bytes).unwrap()).await);
    }
    for made_up in ["x", &handle[1..], &format!("{handle}A"), &"A".repeat(4000)] {
        expired(&list(&gateway, made_up).await);
    }
    expired(&gateway.get(RESOURCES).await);
    // Nobody asked the store.
    let after = gateway.sim("GET", "/_sim/counters", Value::Null).await;
    assert_eq!(counters["requests"], after["requests"]);
}

#[tokio::test]
async fn who_signed_out_is_signed_out() {
    let gateway = Gateway::demo().await;
    let (left, stays) = (handle(&gateway, MIRA).await, handle(&gateway, MIRA).await);
    list(&gateway, &left).await.ok(200);

    let reply = sign_out(&gateway, &left).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.text, "");

    expired(&list(&gateway, &left).await);
    expired(&sign_out(&gateway, &left).await);
    list(&gateway, &stays).await.ok(200);
    let without = gateway.request(Method::DELETE, &format!("{SIGN_INS}/current"));
    gateway.send(without).await.problem(400, "invalid_request");
}

#[tokio::test]
async fn who_signed_out_stays_so_when_the_configuration_is_read_again() {
    let gateway = Serving::start("").await;
    let ask = async |request: RequestBuilder| {
        Reply::read(request.bearer_auth(gateway.key.expose()).send().await.unwrap()).await
    };
    let url = |path: &str| format!("{}{path}", gateway.url);
    let credential = json!({ "username": MIRA.0, "password": MIRA.1 }).to_string();
    let post = gateway.client.post(url(SIGN_INS)).header("content-type", "application/json");
    let signed_in = ask(post.body(credential)).await.ok(201);
    let handle = signed_in["storeSession"].as_str().unwrap();
    let list = async || ask(with(gateway.client.get(url(RESOURCES)), handle)).await;
    list().await.ok(200);
    let reload = async || gateway.admin(Method::POST, "/actions/reload").await.ok(200);

    // A handle outlives a reload, and so does its end.
    reload().await;
    list().await.ok(200);
    let out = with(gateway.client.delete(url(&format!("{SIGN_INS}/current"))), handle);
    assert_eq!(ask(out).await.status, 204);
    expired(&list().await);
    assert_eq!(reload().await["last"]["outcome"], "applied");
    expired(&list().await);
}

#[tokio::test]
async fn no_handle_is_good_for_more_than_two_days() {
    let gateway = Gateway::demo().await;
    for (store_says, at_most) in [("14 days", 48), ("1 hour", 1)] {
        let seconds = if store_says == "1 hour" { 3600 } else { 14 * 24 * 3600 };
        let change = json!({ "primaryTokenSeconds": seconds });
        gateway.sim("PATCH", "/_sim/stores/portal", change).await;
        let before = Timestamp::now();
        let signed_in = sign_in(&gateway, MIRA).await.ok(201);
        let after = Timestamp::now();

        let expires: Timestamp = signed_in["expiresAt"].as_str().unwrap().parse().unwrap();
        // Stores speak of whole seconds.
        let (slack, lifetime) = (SignedDuration::from_secs(2), SignedDuration::from_hours(at_most));
        assert!(expires >= before + lifetime - slack, "{store_says}: {expires}");
        assert!(expires <= after + lifetime + slack, "{store_says}: {expires}");
    }
}

#[tokio::test]
async fn a_sign_in_that_the_store_has_ended_is_over() {
    let gateway = Gateway::demo().await;
    let used = handle(&gateway, MIRA).await;
    list(&gateway, &used).await.ok(200);
    // The service token alone is got anew, without the user.
    gateway.sim("PATCH", "/_sim/stores/portal", json!({ "expireTokens": "service" })).await;
    list(&gateway, &used).await.ok(200);

    gateway.sim("PATCH", "/_sim/stores/portal", json!({ "expireTokens": "all" })).await;
    expired(&list(&gateway, &used).await);

    let next = handle(&gateway, MIRA).await;
    list(&gateway, &next).await.ok(200);
    gateway.sim("POST", "/_sim/time", json!({ "advance": "48h" })).await;
    expired(&list(&gateway, &next).await);
    assert_eq!(password_checks(&gateway).await, 2);
}

#[tokio::test]
async fn a_password_is_tried_once() {
    let gateway = Gateway::demo().await;
    for (tried, user) in [
        ("DEMOLAB\\mira", "CANARY-not-her-password"),
        ("DEMOLAB\\nobody", "CANARY-nobodys-password"),
        ("DEMOLAB\\olga", "olga-Demo-1"),
    ]
    .into_iter()
    .enumerate()
    {
        let refused = sign_in(&gateway, user).await;
        let body = refused.problem(403, "store_sign_in_refused");
        assert_eq!(body["retryable"], false);
        assert!(!refused.text.contains(user.1), "{}", refused.text);
        assert_eq!(password_checks(&gateway).await, tried + 1);
    }
    // Nobody is shut out by somebody else's mistake.
    sign_in(&gateway, MIRA).await.ok(201);
}

#[tokio::test]
async fn a_store_that_wants_to_be_left_alone_is_asked_for_no_sign_in() {
    let gateway = Gateway::demo().await;
    let limit = json!({ "match": { "service": "storeauth" }, "rateLimit": "none", "times": 1 });
    gateway.fault(limit);

    let refused = sign_in(&gateway, MIRA).await;
    refused.problem(503, "upstream_rate_limited");
    assert_eq!(refused.header("retry-after"), "30");
    let before = gateway.total_asked().await;

    // Who comes next is told how much of that is left.
    let next = sign_in(&gateway, JONAS).await;
    next.problem(503, "upstream_rate_limited");
    let left: u64 = next.header("retry-after").parse().unwrap();
    assert!((20..=30).contains(&left), "{left}");
    assert_eq!(gateway.total_asked().await, before);
    assert_eq!(password_checks(&gateway).await, 0);
    // Other stores are not concerned.
    gateway.get("/v1/stores/kiosk/resources").await.ok(200);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_with_forms_as_well() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let url = simulator.store("kiosk").unwrap().url;
    let settings = format!("[stores.lobby]\nurl = \"{url}\"\nauth = {{ method = \"caller\" }}");
    let gateway = Gateway::builder().settings(&settings).start().await;
    for (tried, (username, password)) in
        [("DEMOLAB\\mira", "CANARY-not-her-password"), ("DEMOLAB\\olga", "olga-Demo-1")]
            .into_iter()
            .enumerate()
    {
        let body = json!({ "username": username, "password": password });
        let refused = gateway.post("/v1/stores/lobby/sign-ins", body).await;
        refused.problem(403, "store_sign_in_refused");
        assert!(!refused.text.contains(password), "{}", refused.text);
        let (_, counters) = simulator.control("GET", "/_sim/counters", Value::Null).await;
        assert_eq!(counters["stores"]["kiosk"]["passwordChecks"], tried + 1);
    }
}

#[tokio::test]
async fn a_token_of_the_callers_own_is_good_for_one_call() {
    let gateway = Gateway::demo().await;
    let tokens = mint(&gateway, MIRA).await;
    for token in [&tokens.primary, &tokens.service] {
        let listed = gateway.send(with_token(&gateway, token)).await;
        listed.ok(200);
        assert!(listed.of_items("hostname").contains(&json!("MIRA-PC")));
        assert!(!listed.text.contains(token.as_str()));
        expired(&gateway.get(RESOURCES).await);
    }
    // Kept nowhere: what the store no longer takes does not work here either.
    gateway.sim("PATCH", "/_sim/stores/portal", json!({ "expireTokens": "all" })).await;
    for token in [&tokens.primary, &tokens.service] {
        let refused = gateway.send(with_token(&gateway, token)).await;
        expired(&refused);
        assert!(!refused.text.contains(token.as_str()));
    }
    for nonsense in ["x", "H4sIAAAA"] {
        expired(&gateway.send(with_token(&gateway, nonsense)).await);
    }
}

#[tokio::test]
async fn a_primary_token_is_exchanged_for_each_call_anew() {
    let gateway = Gateway::demo().await;
    let primary = mint(&gateway, MIRA).await.primary;
    let issued = async || {
        let counters = gateway.sim("GET", "/_sim/counters", Value::Null).await;
        counters["stores"]["portal"]["serviceTokens"].as_u64().unwrap()
    };
    let before = issued().await;
    for call in 1..=2 {
        gateway.send(with_token(&gateway, &primary)).await.ok(200);
        assert_eq!(issued().await, before + call);
    }
}

#[tokio::test]
async fn one_way_to_say_who_asks_is_enough() {
    let gateway = Gateway::demo().await;
    let handle = handle(&gateway, MIRA).await;
    let token = mint(&gateway, MIRA).await.service;
    let both = with(with_token(&gateway, &token), &handle);
    let refused = gateway.send(both).await;
    refused.problem(400, "invalid_request");
    assert!(!refused.text.contains(&token) && !refused.text.contains(&handle));
    let twice = with(with(gateway.request(Method::GET, RESOURCES), &handle), &handle);
    gateway.send(twice).await.problem(400, "invalid_request");

    // A store that the gateway signs in to shows its own account's resources to everybody.
    for (name, value) in [("Cwsgate-Store-Session", &handle), ("Cwsgate-Store-Token", &token)] {
        let hq = gateway.request(Method::GET, "/v1/stores/hq/resources").header(name, value);
        let problem = gateway.send(hq).await.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{name}"));
    }
    let body = json!({ "username": MIRA.0, "password": MIRA.1 });
    let needless = gateway.post("/v1/stores/hq/sign-ins", body).await;
    let problem = needless.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/store");
    assert!(problem["detail"].as_str().unwrap().ends_with("needs no sign-in"), "{problem}");
    gateway.get("/v1/stores/hq/resources").await.ok(200);
}

#[tokio::test]
async fn no_answer_holds_a_password_or_a_token() {
    let gateway = Gateway::demo().await;
    let signed_in = sign_in(&gateway, MIRA).await;
    let body = signed_in.ok(201);
    let handle = body["storeSession"].as_str().unwrap();
    let tokens = mint(&gateway, MIRA).await;
    let mut answers = vec![signed_in.text.clone()];
    answers.push(list(&gateway, handle).await.text);
    answers.push(gateway.send(with_token(&gateway, &tokens.primary)).await.text);
    answers.push(gateway.get("/v1/stores").await.text);
    let mine = list(&gateway, handle).await.json();
    let path = format!("{}/actions/power-off", mine["items"][0]["self"].as_str().unwrap());
    let off = with(gateway.request(Method::POST, &path), handle);
    answers.push(gateway.send(off).await.text);
    for fault in [
        json!({ "status": 500 }),
        json!({ "document": "not-xml" }),
        json!({ "document": "cut" }),
        json!({ "garbage": "<html>" }),
        json!({ "reset": true }),
    ] {
        for service in ["storefront", "storeauth"] {
            let mut rule = fault.clone();
            rule["match"] = json!({ "service": service });
            gateway.sim("POST", "/_sim/faults", rule).await;
            answers.push(sign_in(&gateway, MIRA).await.text);
            answers.push(list(&gateway, handle).await.text);
            gateway.sim("DELETE", "/_sim/faults", Value::Null).await;
        }
    }
    let basic = STANDARD.encode(format!("{}:{}", MIRA.0, MIRA.1));
    let live = gateway.simulator.live_store_tokens();
    assert!(live.len() >= 4, "{}", live.len());
    for answer in answers {
        for secret in [MIRA.1, &basic, &tokens.primary, &tokens.service] {
            assert!(!answer.contains(secret), "{answer}");
        }
        for token in &live {
            assert!(!answer.contains(token.expose_secret()), "{answer}");
        }
    }
}

/// StoreFront tokens of a user.
struct Tokens {
    primary: String,
    service: String,
}

/// Gets tokens as a web app does that talks to StoreFront itself.
async fn mint(gateway: &Gateway, (username, password): (&str, &str)) -> Tokens {
    let store = gateway.simulator.store("portal").unwrap();
    let list = format!("{}/resources/v2", store.url.as_str().trim_end_matches('/'));
    let http = gateway.client();
    let get = http.get(&list).header("accept", "application/vnd.citrix.resources+xml");
    let (realm, service) = challenge(&get.send().await.unwrap());
    let request = |realm: &str, url: &str| {
        format!(
            "<requesttoken xmlns=\"http://citrix.com/delivery-services/1-0/auth/requesttoken\">\
             <for-service>{realm}</for-service><for-service-url>{url}</for-service-url>\
             <reqtokentemplate/></requesttoken>"
        )
    };
    let post = |url: &str, body: String, authorization: Option<String>| {
        let post = http
            .post(url)
            .header("content-type", "application/vnd.citrix.requesttoken+xml")
            .header("accept", "application/vnd.citrix.requesttokenresponse+xml")
            .body(body);
        match authorization {
            Some(value) => post.header("authorization", value),
            None => post,
        }
    };
    let asked = post(&service, request(&realm, &list), None).send().await.unwrap();
    let (tokens, _) = challenge(&asked);
    let logon = service.replace("/auth/v1/token", "/HttpBasic/Authenticate");
    let basic = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
    let primary = token(post(&logon, request(&tokens, &service), Some(basic))).await;
    let proof = format!("CitrixAuth {primary}");
    let service = token(post(&service, request(&realm, &list), Some(proof))).await;
    Tokens { primary, service }
}

/// Realm and first location of a challenge.
fn challenge(response: &reqwest::Response) -> (String, String) {
    assert_eq!(response.status(), 401);
    let value = response.headers()["www-authenticate"].to_str().unwrap();
    let part = |name: &str| {
        let (_, rest) = value.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap()
    };
    let locations = part("locations");
    (part("realm").to_owned(), locations.split(['|', ' ']).next().unwrap().to_owned())
}

async fn token(request: RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    let (_, rest) = text.split_once("<token>").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

async fn sign_in(gateway: &Gateway, (username, password): (&str, &str)) -> Reply {
    gateway.post(SIGN_INS, json!({ "username": username, "password": password })).await
}

async fn handle(gateway: &Gateway, user: (&str, &str)) -> String {
    let body = sign_in(gateway, user).await.ok(201);
    body["storeSession"].as_str().unwrap().to_owned()
}

async fn list(gateway: &Gateway, handle: &str) -> Reply {
    gateway.send(with(gateway.request(Method::GET, RESOURCES), handle)).await
}

async fn sign_out(gateway: &Gateway, handle: &str) -> Reply {
    let request = gateway.request(Method::DELETE, &format!("{SIGN_INS}/current"));
    gateway.send(with(request, handle)).await
}

async fn sign_out_is_refused_to(gateway: &Gateway, app: &ApiKey, handle: &str) {
    let request = gateway.request_as(app, Method::DELETE, &format!("{SIGN_INS}/current"));
    expired(&gateway.send(with(request, handle)).await);
}

async fn password_checks(gateway: &Gateway) -> usize {
    let counters = gateway.sim("GET", "/_sim/counters", Value::Null).await;
    let checks = counters["stores"]["portal"]["passwordChecks"].as_u64().unwrap();
    usize::try_from(checks).unwrap()
}

fn with(request: RequestBuilder, handle: &str) -> RequestBuilder {
    request.header("cwsgate-store-session", handle)
}

fn with_token(gateway: &Gateway, token: &str) -> RequestBuilder {
    gateway.request(Method::GET, RESOURCES).header("cwsgate-store-token", token)
}

#[track_caller]
fn expired(reply: &Reply) {
    reply.problem(401, "store_session_expired");
    // The caller's own credential is fine, and a client must not throw it away.
    assert_eq!(reply.header("www-authenticate"), r#"Bearer realm="cwsgate""#);
}

const RESOURCES: &str = "/v1/stores/portal/resources";
const SIGN_INS: &str = "/v1/stores/portal/sign-ins";
const MIRA: (&str, &str) = ("DEMOLAB\\mira", "mira-Demo-1");
const JONAS: (&str, &str) = ("DEMOLAB\\jonas", "jonas-Demo-1");
