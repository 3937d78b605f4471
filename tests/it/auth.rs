//! Who gets in, and who may do what: at every route there is.

use cwsgate::auth::ApiKey;
use futures_util::{StreamExt, stream};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Builder, Gateway, Operation, Reply, operations};

#[tokio::test]
async fn no_path_under_v1_answers_without_a_credential() {
    let gateway = Gateway::demo().await;
    let mut paths: Vec<_> = operations(&gateway).await.iter().map(Operation::concrete).collect();
    paths.extend(UNKNOWN.map(str::to_owned));
    paths.sort_unstable();
    paths.dedup();
    for path in &paths {
        for method in methods() {
            let request = gateway.bare(method.clone(), path).header("content-type", "text/x");
            let reply = gateway.send(request.body("not read")).await;
            assert_eq!(reply.status, 401, "{method} {path}: {}", reply.text);
            let challenge = reply.header("www-authenticate");
            assert!(challenge.starts_with("Bearer realm="), "{challenge}");
            if method != Method::HEAD {
                let problem = reply.problem(401, "credentials_missing");
                assert_eq!(problem["origin"], "caller");
            }
        }
    }
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn no_route_accepts_a_credential_that_is_not_one() {
    let (builder, expired) = with_expired_key(Gateway::builder());
    let gateway = builder.start().await;
    let stranger = ApiKey::generate().unwrap();
    let wrong_secret = with_secret_of(&gateway.key, &stranger);
    let last = if gateway.key.ends_with('0') { '1' } else { '0' };
    let wrong_sum = format!("{}{last}", &gateway.key[..gateway.key.len() - 1]);
    assert!(ApiKey::parse(&wrong_secret).is_ok() && ApiKey::parse(&wrong_sum).is_err());
    let short = &gateway.key[..gateway.key.len() - 1];
    let bad = [
        stranger.expose(),
        expired.expose(),
        &wrong_secret,
        &wrong_sum,
        short,
        &gateway.key.to_uppercase(),
        "x",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJkZXNrIn0.",
        &"k".repeat(4000),
    ];
    let mut paths: Vec<_> = operations(&gateway)
        .await
        .iter()
        .map(|operation| (operation.method.clone(), operation.concrete()))
        .collect();
    paths.extend(UNKNOWN.map(|path| (Method::GET, path.to_owned())));
    let mut bodies = Vec::new();
    for (at, (method, path)) in paths.iter().enumerate() {
        let request = gateway.bare(method.clone(), path).bearer_auth(bad[at % bad.len()]);
        bodies.push(refusal(&gateway.send(request).await));
    }
    for key in bad {
        let bearer = gateway.bare(Method::GET, "/v1/whoami").bearer_auth(key);
        bodies.push(refusal(&gateway.send(bearer).await));
        let header = gateway.bare(Method::GET, "/v1/whoami").header("x-api-key", key);
        bodies.push(refusal(&gateway.send(header).await));
    }
    let whole = gateway.key.clone();
    for value in [
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Digest x",
        "Negotiate",
        "CwsAuth",
        &whole,
        "Bearer a b",
    ] {
        let request = gateway.bare(Method::GET, "/v1/whoami").header("authorization", value);
        bodies.push(refusal(&gateway.send(request).await));
    }
    // What is wrong with a credential is nobody's business.
    for body in &bodies {
        assert_eq!(body, &bodies[0]);
    }
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn a_key_works_until_it_expires() {
    let (builder, key) = with_key_until(Gateway::builder(), "2999-01-01T00:00:00Z");
    let gateway = builder.start().await;
    let reply = gateway.send(gateway.request_as(&key, Method::GET, "/v1/whoami")).await;
    assert_eq!(reply.ok(200)["app"], "late");
}

#[tokio::test]
async fn every_spelling_of_a_credential_is_read() {
    let gateway = Gateway::demo().await;
    let key = gateway.key.clone();
    for value in [
        format!("Bearer {key}"),
        format!("bearer {key}"),
        format!("BEARER  {key}"),
        format!("CwsAuth Bearer={key}"),
        format!("CWSAuth bearer={key}"),
        format!("cwsauth BEARER={key}"),
    ] {
        let request = gateway.bare(Method::GET, "/v1/whoami").header("authorization", &value);
        let body = gateway.send(request).await.ok(200);
        assert_eq!(body["app"], "tests");
    }
    let request = gateway.bare(Method::GET, "/v1/whoami").header("X-API-KEY", &key);
    gateway.send(request).await.ok(200);
    let twice = gateway.request(Method::GET, "/v1/whoami").header("x-api-key", &key);
    gateway.send(twice).await.ok(200);
}

#[tokio::test]
async fn two_different_credentials_are_one_too_many() {
    let (builder, other) =
        Gateway::builder().app("other", r#"{ actions = ["read"], customers = ["*"] }"#);
    let gateway = builder.start().await;
    for second in [other.expose(), "x"] {
        let header = gateway.request(Method::GET, "/v1/whoami").header("x-api-key", second);
        let reply = gateway.send(header).await;
        let problem = reply.problem(400, "invalid_request");
        assert!(!reply.text.contains(second) || second == "x", "{problem}");
        let bearer = gateway
            .request(Method::GET, "/v1/whoami")
            .header("authorization", format!("CwsAuth Bearer={second}"));
        gateway.send(bearer).await.problem(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_credential_in_the_query_opens_nothing_and_is_not_repeated() {
    let gateway = Gateway::demo().await;
    let key = gateway.key.clone();
    for name in ["access_token", "api_key", "apiKey", "key", "X-Api-Key", "Authorization", &key] {
        let path = format!("/v1/whoami?{name}={key}");
        let bare = gateway.send(gateway.bare(Method::GET, &path)).await;
        bare.problem(401, "credentials_missing");
        let known = gateway.send(gateway.request(Method::GET, &path)).await;
        known.problem(400, "unknown_parameter");
        for reply in [bare, known] {
            assert!(!reply.text.contains(&key), "{}", reply.text);
            assert!(!format!("{:?}", reply.headers).contains(&key));
        }
    }
}

#[tokio::test]
async fn a_visible_customer_without_the_action_is_403_and_an_invisible_one_404() {
    let mut builder = Gateway::builder();
    let mut keys = Vec::new();
    for missing in ACTIONS {
        let rest: Vec<_> = ACTIONS.into_iter().filter(|action| *action != missing).collect();
        let grants = format!("{{ actions = {rest:?}, customers = [\"acme\"], stores = [\"hq\"] }}");
        let (next, key) = builder.app(&format!("without-{missing}"), &grants);
        builder = next;
        keys.push((missing, key));
    }
    let everything = format!("{{ actions = {ACTIONS:?}, customers = [\"globex\"] }}");
    let (builder, elsewhere) = builder.app("elsewhere", &everything);
    let gateway = builder.start().await;
    let absent = gateway.get("/v1/customers/nobody").await.problem(404, "not_found");
    let mut walked = 0;
    for operation in operations(&gateway).await {
        let Some(action) = operation.needs() else { continue };
        let (_, key) = keys.iter().find(|(missing, _)| *missing == action).unwrap();

        let reply = gateway.send(request(&gateway, key, &operation)).await;

        let problem = reply.problem(403, "policy_denied");
        assert_eq!(problem["origin"], "policy", "{}", operation.path);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("\"{action}\"")), "{}: {detail}", operation.path);
        let named = [("customer", "acme"), ("store", "hq")];
        let named = named.into_iter().find(|(name, _)| operation.parameters().contains(name));
        if let Some((_, name)) = named {
            assert!(detail.contains(name), "{}: {detail}", operation.path);
            let reply = gateway.send(request(&gateway, &elsewhere, &operation)).await;
            let problem = reply.problem(404, "not_found");
            assert_eq!(problem["detail"], absent["detail"], "{}", operation.path);
        }
        walked += 1;
    }
    assert!(walked > 30, "{walked}");
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn no_answer_tells_an_app_of_customers_that_it_may_not_see() {
    let (builder, desk) = Gateway::builder()
        .app("desk", r#"{ actions = ["read"], customers = ["label:region-us"] }"#);
    let gateway = builder.start().await;
    gateway.get("/v1/machines?pageSize=1000").await.ok(200);
    for operation in operations(&gateway).await {
        if operation.method != Method::GET || operation.needs().is_none() {
            continue;
        }
        for (customer, status) in [("-", None), ("contoso", Some(404)), ("contoso4k8r", Some(404))]
        {
            let path = operation.with("customer", customer);
            let reply = gateway.send(gateway.request_as(&desk, Method::GET, &path)).await;
            let said = reply.text.replace(&path, "").to_lowercase();
            assert!(!said.contains("contoso"), "{path}: {}", reply.text);
            if let Some(status) = status
                && operation.parameters().contains(&"customer")
            {
                assert_eq!(reply.status, status, "{path}: {}", reply.text);
            }
        }
    }
    let ask = async |query: &str| {
        let path = format!("/v1/machines?{query}");
        gateway.send(gateway.request_as(&desk, Method::GET, &path)).await
    };
    let absent = ask("customer=nobody").await;
    for hidden in ["customer=contoso", "customer=contoso4k8r"] {
        let reply = ask(hidden).await;
        assert_eq!(reply.status, absent.status, "{hidden}: {}", reply.text);
        let said = reply.json()["detail"].to_string();
        let name = hidden.strip_prefix("customer=").unwrap();
        assert_eq!(said.replace(name, "nobody"), absent.json()["detail"].to_string());
    }
    let reply = ask("region=eu").await;
    assert!(!reply.text.to_lowercase().contains("contoso"), "{}", reply.text);
}

#[tokio::test]
async fn a_site_that_no_grant_names_is_not_there() {
    let unsited = Gateway::demo().await;
    let site = unsited.simulator.customer("acme").unwrap().site_id;
    let here = format!("{{ actions = [\"read\"], customers = [\"acme\"], sites = [{site:?}] }}");
    let (builder, here) = Gateway::builder().app("here", &here);
    let there = r#"{ actions = ["read"], customers = ["acme"], sites = ["another"] }"#;
    let (builder, there) = builder.app("there", there);
    let gateway = builder.start().await;
    let path = format!("/v1/customers/acme/sites/{site}/machines/DEMOLAB%7CKESTREL");

    gateway.send(gateway.request_as(&here, Method::GET, &path)).await.ok(200);
    gateway.send(gateway.request_as(&there, Method::GET, &path)).await.problem(404, "not_found");
    // A grant on one site is not a grant on the customer as a whole.
    let whole = "/v1/customers/acme/resource-locations";
    let reply = gateway.send(gateway.request_as(&here, Method::GET, whole)).await;
    reply.problem(403, "policy_denied");
}

#[tokio::test]
async fn failures_of_others_refuse_no_valid_credential() {
    let gateway = Gateway::demo().await;
    let attempts = stream::iter(0..800).map(|number| {
        let key = format!("wrong-{number}");
        gateway.send(gateway.bare(Method::GET, "/v1/whoami").bearer_auth(key))
    });
    let replies: Vec<Reply> = attempts.buffer_unordered(20).collect().await;
    assert!(replies.iter().all(|reply| reply.status == 401 || reply.status == 429));
    gateway.get("/v1/whoami").await.ok(200);
}

/// A request that is right but for who sends it.
fn request(gateway: &Gateway, key: &ApiKey, operation: &Operation) -> RequestBuilder {
    let request = gateway.request_as(key, operation.method.clone(), &operation.concrete());
    match operation.good_body() {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    }
}

/// A 401 without what differs from request to request.
#[track_caller]
pub(crate) fn refusal(reply: &Reply) -> Value {
    let mut body = reply.problem(401, "credentials_invalid");
    let challenge = reply.header("www-authenticate");
    assert_eq!(challenge, r#"Bearer realm="cwsgate", error="invalid_token""#);
    let fields = body.as_object_mut().unwrap();
    fields.remove("requestId");
    fields.remove("instance");
    json!(fields)
}

fn with_expired_key(builder: Builder) -> (Builder, ApiKey) {
    with_key_until(builder, "2020-01-01T00:00:00Z")
}

fn with_key_until(builder: Builder, expires: &str) -> (Builder, ApiKey) {
    let key = ApiKey::generate().unwrap();
    let hash = key.hash();
    let builder = builder.settings(&format!(
        "[apps.late]\nkeys = [{{ hash = \"{hash}\", expires = {expires} }}]\n\
         grants = [{{ actions = [\"read\"], customers = [\"*\"] }}]"
    ));
    (builder, key)
}

/// The id of one key with the secret of another, and the checksum that belongs to both.
fn with_secret_of(key: &str, other: &ApiKey) -> String {
    let id_end = "cwsgate_".len() + 12;
    let body = &other.expose()[..other.expose().len() - 6];
    let text = format!("{}{}", &key[..id_end], &body[id_end..]);
    let crc = text.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = |place: u32| char::from(digits[(!crc / 62_u32.pow(place) % 62) as usize]);
    let sum: String = (0..6).rev().map(digit).collect();
    text + &sum
}

fn methods() -> [Method; 8] {
    let brew = Method::from_bytes(b"BREW").unwrap();
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        brew,
    ]
}

const UNKNOWN: [&str; 8] = [
    "/v1",
    "/v1/nothing",
    "/v1/whoami/more",
    "/v1/customers/acme/nothing",
    "/v1/customers/nobody/sites/-/machines",
    "/v1/customers/acme/sites/-/machines/x/actions/explode",
    "/v1/openapi.json",
    "/v1/%F0%9F%A6%85",
];

const ACTIONS: [&str; 9] =
    ["read", "session", "power", "maintain", "notify", "write", "identity", "audit", "admin"];
