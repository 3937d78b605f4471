//! The admin API.

use cwsgate::auth::ApiKey;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::serving::{Serving, until};
use crate::support::{Gateway, Reply};

const ROUTES: [(Method, &str); 9] = [
    (Method::GET, "/tokens"),
    (Method::GET, "/keys"),
    (Method::POST, "/customers/acme/actions/release-credential"),
    (Method::POST, "/customers/acme/actions/test-credential"),
    (Method::POST, "/stores/hq/actions/release-credential"),
    (Method::GET, "/breakers"),
    (Method::GET, "/reload"),
    (Method::POST, "/actions/reload"),
    (Method::POST, "/actions/drain"),
];

/// Asks the admin listener with this key, or none.
async fn ask(gateway: &Gateway, key: Option<&str>, method: Method, path: &str) -> Reply {
    let url = format!("http://{}/admin/v1{path}", gateway.admin);
    let request = gateway.client().request(method, url);
    gateway.send(key.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth)).await
}

fn token_state(list: &Value, customer: &str) -> Value {
    let items = list["items"].as_array().unwrap();
    items.iter().find(|item| item["customer"] == customer).unwrap()["state"].clone()
}

#[tokio::test]
async fn every_route_needs_a_caller_with_the_action_admin() {
    let all_but = r#"{ actions = ["read", "session", "power", "maintain", "notify", "write",
        "identity", "audit"], customers = ["*"], stores = ["*"] }"#
        .replace('\n', "");
    let (builder, other) = Gateway::builder().app("other", &all_but);
    let one = r#"{ actions = ["read", "admin"], customers = ["acme"] }"#;
    let (builder, one) = builder.app("one", one);
    let (builder, sites) = builder.app(
        "sites",
        r#"{ actions = ["admin"], customers = ["*"], sites = ["6a3c1f2e-0000-4000-8000-000000000001"] }"#,
    );
    let gateway = builder.start().await;
    let stranger = ApiKey::generate().unwrap();

    for (method, path) in ROUTES {
        let ask = async |key| ask(&gateway, key, method.clone(), path).await;
        ask(None).await.problem(401, "credentials_missing");
        ask(Some(stranger.expose())).await.problem(401, "credentials_invalid");
        let denied = ask(Some(other.expose())).await.problem(403, "policy_denied");
        assert!(denied["detail"].as_str().unwrap().contains("admin"), "{denied}");
        // On the public listener it is not there, whoever asks.
        let public = gateway.request(method.clone(), &format!("/admin/v1{path}"));
        gateway.send(public).await.problem(404, "not_found");
        // One customer's administrator decides nothing about the process, and sees no store.
        let reply = ask(Some(one.expose())).await;
        if path.starts_with("/stores") {
            reply.problem(404, "not_found");
            ask(Some(sites.expose())).await.problem(404, "not_found");
            continue;
        }
        let about_process = !path.contains("customers") && path != "/tokens";
        assert_eq!(reply.status == StatusCode::FORBIDDEN, about_process, "{path}: {}", reply.text);
        if about_process || path != "/tokens" {
            ask(Some(sites.expose())).await.problem(403, "policy_denied");
        }
    }
    let list = ask(&gateway, Some(one.expose()), Method::GET, "/tokens").await;
    assert_eq!(list.of_items("customer"), ["acme"]);
    let foreign = "/customers/globex/actions/release-credential";
    ask(&gateway, Some(one.expose()), Method::POST, foreign).await.problem(404, "not_found");
    // Nothing was drained by all that.
    assert_eq!(gateway.get_admin("/readyz").await.ok(200)["status"], "ready");

    let key = Some(gateway.key.as_str());
    ask(&gateway, key, Method::GET, "/nothing").await.problem(404, "not_found");
    ask(&gateway, key, Method::GET, "/actions/drain").await.problem(405, "method_not_allowed");
    let reply = ask(&gateway, key, Method::GET, "/tokens?x=1").await;
    reply.problem(400, "unknown_parameter");
    let reply = ask(&gateway, key, Method::POST, "/actions/reload").await;
    let problem = reply.problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("does not come from a file"), "{problem}");
}

#[tokio::test]
async fn a_credential_is_tested_in_quarantine_and_released_when_it_works() {
    let gateway = Gateway::demo().await;
    let key = Some(gateway.key.as_str());
    let test = "/customers/acme/actions/test-credential";

    let good = ask(&gateway, key, Method::POST, test).await.ok(200);
    assert_eq!((&good["ok"], &good["customer"]), (&json!(true), &json!("acme")));
    let names: Vec<_> = good["steps"].as_array().unwrap().iter().map(|s| &s["name"]).collect();
    assert_eq!(names, ["token", "sign-in", "sites"]);

    // Citrix knows another secret now; what was minted before is worth nothing.
    let known = gateway.simulator.customer("acme").unwrap();
    let change = json!({ "clientSecret": "another-secret", "revokeTokens": true });
    gateway.sim("PUT", "/_sim/customers/acme", change).await;
    let bad = ask(&gateway, key, Method::POST, test).await.ok(200);
    assert_eq!(bad["ok"], false);
    let steps = bad["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{bad}");
    assert!(steps[0]["detail"].as_str().unwrap().starts_with("secret 1 of 1: "), "{bad}");
    assert!(steps[0]["fix"].as_str().unwrap().contains("client_secret"), "{bad}");

    let tokens = async || ask(&gateway, key, Method::GET, "/tokens").await.ok(200);
    until(async || {
        gateway.get("/v1/customers/acme/sites").await;
        gateway.get("/v1/customers/acme/machine-catalogs").await;
        (token_state(&tokens().await, "acme") == "quarantined").then_some(())
    })
    .await;
    gateway
        .get("/v1/customers/acme/resource-locations")
        .await
        .problem(503, "credential_quarantined");

    // The secret is right again at Citrix, and the gateway told to try: one answer later it works.
    let back = json!({ "clientSecret": known.client_secret.expose_secret() });
    gateway.sim("PUT", "/_sim/customers/acme", back).await;
    let again = ask(&gateway, key, Method::POST, test).await.ok(200);
    assert_eq!(again["ok"], true, "{again}");
    assert_eq!(token_state(&tokens().await, "acme"), "fresh");
    gateway.get("/v1/customers/acme/resource-locations").await.ok(200);
}

#[tokio::test]
async fn what_keeps_calls_from_citrix_is_shown() {
    let gateway = Gateway::demo().await;
    let path = "/v1/customers/acme/resource-locations";
    let limit =
        json!({ "match": { "service": "registry" }, "rateLimit": "retry-after", "seconds": 100 });
    gateway.fault(limit);
    gateway.get(path).await.problem(503, "upstream_rate_limited");

    let key = Some(gateway.key.as_str());
    let shown = ask(&gateway, key, Method::GET, "/breakers").await.ok(200);

    let cooldowns = shown["cooldowns"].as_array().unwrap();
    let of_acme = |entry: &&Value| entry["customer"] == "acme" && entry["service"] == "registry";
    let cooldown = cooldowns.iter().find(of_acme).unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(cooldown["place"], "us");
    assert!((1..=100_000).contains(&cooldown["remainingMs"].as_u64().unwrap()), "{shown}");
    assert!(shown["breakers"].is_array() && shown["slots"].is_array(), "{shown}");
}

#[tokio::test]
async fn a_quarantine_is_lifted_by_hand() {
    let gateway = Gateway::demo().await;
    let key = Some(gateway.key.as_str());
    let known = gateway.simulator.customer("globex").unwrap();
    gateway.sim("PUT", "/_sim/customers/globex", json!({ "clientSecret": "other" })).await;
    until(async || {
        gateway.get("/v1/customers/globex/resource-locations").await;
        let list = ask(&gateway, key, Method::GET, "/tokens").await.ok(200);
        (token_state(&list, "globex") == "quarantined").then_some(())
    })
    .await;
    let back = json!({ "clientSecret": known.client_secret.expose_secret() });
    gateway.sim("PUT", "/_sim/customers/globex", back).await;
    let path = "/v1/customers/globex/resource-locations";
    gateway.get(path).await.problem(503, "credential_quarantined");

    let release = "/customers/globex/actions/release-credential";
    let released = ask(&gateway, key, Method::POST, release).await.ok(200);
    assert_ne!(released["state"], "quarantined");
    gateway.get(path).await.ok(200);
}

#[tokio::test]
async fn the_account_of_a_store_is_seen_in_quarantine_and_released_by_hand() {
    let operator = r#"{ actions = ["admin"], stores = ["kiosk", "portal"] }"#;
    let (builder, operator) = Gateway::builder().app("operator", operator);
    let gateway = builder.start().await;
    let key = Some(operator.expose());
    let of_kiosk = async || {
        let list = ask(&gateway, key, Method::GET, "/tokens").await;
        // One administers what one's grants name; users of `portal` sign in themselves.
        assert_eq!(list.of_items("store"), ["kiosk"]);
        let item = list.json()["items"][0].clone();
        assert!(item["customer"].is_null(), "{item}");
        item
    };
    assert_eq!(of_kiosk().await["state"], "empty");
    let resources = "/v1/stores/kiosk/resources";
    let lock = |locked: bool| {
        let path = "/_sim/stores/kiosk/users/DEMOLAB%5Ckiosk";
        gateway.sim("PATCH", path, json!({ "locked": locked }))
    };
    lock(true).await;
    let problem = gateway.get(resources).await.problem(503, "credential_quarantined");
    assert!(problem["fix"].as_str().unwrap().contains("release-credential"), "{problem}");
    let shown = of_kiosk().await;
    assert_eq!(shown["state"], "quarantined", "{shown}");
    assert!(shown["quarantinedSince"].is_string() && shown["lastError"].is_string(), "{shown}");

    // Whoever unlocks the account says so, since the gateway does not try by itself.
    lock(false).await;
    gateway.get(resources).await.problem(503, "credential_quarantined");
    let release = "/stores/kiosk/actions/release-credential";
    let released = ask(&gateway, key, Method::POST, release).await.ok(200);
    assert_eq!((&released["store"], &released["state"]), (&json!("kiosk"), &json!("empty")));
    gateway.get(resources).await.ok(200);
    assert_eq!(of_kiosk().await["state"], "fresh");

    let without = "/stores/portal/actions/release-credential";
    ask(&gateway, key, Method::POST, without).await.problem(400, "invalid_request");
    let foreign = "/stores/hq/actions/release-credential";
    ask(&gateway, key, Method::POST, foreign).await.problem(404, "not_found");
}

#[tokio::test]
async fn each_secret_of_a_rotation_is_tested() {
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in [("next", "not-known-yet-to-citrix"), ("now", "simulated+acme/secret==")]
    {
        std::fs::write(folder.path().join(name), secret).unwrap();
    }
    let both = "client_secrets = [{ file = \"next\", expires = 2099-01-31T00:00:00Z }, \
                { file = \"now\", expires = 2098-01-31T00:00:00Z }]";
    let gateway = Serving::start_in(folder, "", |upstream| {
        let one = "client_secret = \"simulated+acme/secret==\"";
        assert!(upstream.contains(one), "{upstream}");
        upstream.replace(one, both)
    })
    .await;

    let test = "/customers/acme/actions/test-credential";
    let check = gateway.admin(Method::POST, test).await.ok(200);

    assert_eq!(check["ok"], true, "{check}");
    let steps: Vec<_> = check["steps"].as_array().unwrap().iter().collect();
    let well: Vec<_> = steps.iter().map(|step| (&step["name"], &step["ok"])).collect();
    let (yes, no) = (json!(true), json!(false));
    let names = ["token", "sign-in", "sites"].map(|name| json!(name));
    let [token, sign_in, sites] = &names;
    assert_eq!(well, [(token, &no), (token, &yes), (sign_in, &yes), (sites, &yes)], "{check}");
    assert!(steps[1]["detail"].as_str().unwrap().contains("2098-01-31"), "{check}");
    gateway.get("/v1/customers/acme/sites").await.ok(200);
}

#[tokio::test]
async fn nothing_of_a_token_or_secret_is_shown() {
    let gateway = Serving::start("").await;
    gateway.get("/v1/machines").await.ok(200);
    let mut shown = String::new();
    for path in ["/tokens", "/keys", "/reload"] {
        shown += &gateway.admin(Method::GET, path).await.text;
    }
    for path in ["/actions/reload", "/customers/acme/actions/test-credential"] {
        shown += &gateway.admin(Method::POST, path).await.text;
    }
    for customer in gateway.simulator.customers() {
        assert!(!shown.contains(customer.client_secret.expose_secret()));
    }
    assert!(!shown.contains(gateway.key.expose()));
    let hash = gateway.key.hash().to_string();
    let (_, digest) = hash.rsplit_once('_').unwrap();
    assert!(shown.contains(gateway.key.id()) && !shown.contains(digest), "{shown}");
    assert!(!shown.contains("CwsAuth") && !shown.contains("eyJ"), "{shown}");
}

#[tokio::test]
async fn a_drain_can_be_asked_for() {
    let gateway = Serving::start("drain_delay = \"1s\"\n").await;
    let reply = gateway.admin(Method::POST, "/actions/drain").await;
    assert_eq!(reply.ok(202), json!({ "status": "draining" }));
    let ended = gateway.program.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}
