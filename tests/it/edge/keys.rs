//! What the admin API says of API keys.

use cwsgate::auth::ApiKey;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Gateway;

const READS: &str = r#"{ actions = ["read"], customers = ["acme"] }"#;

#[tokio::test]
async fn the_last_use_of_every_key_is_listed() {
    let (builder, desk) = Gateway::builder().app("desk", READS);
    let (builder, idle) = builder.app("idle", READS);
    let (builder, buyer) = builder.app("buyer", READS);
    let ending = ApiKey::generate().unwrap();
    let ending_app = format!(
        "[apps.ending]\nkeys = [{{ hash = \"{}\", expires = 2099-01-31T00:00:00Z }}]\n\
         grants = [{READS}]",
        ending.hash()
    );
    let gateway = builder.settings(&ending_app).start().await;
    let began = Timestamp::now();

    gateway.send(gateway.request_as(&desk, Method::GET, "/v1/whoami")).await.ok(200);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "buyer"),
        ("client_secret", buyer.expose()),
    ];
    let buying = gateway.bare(Method::POST, "/cctrustoauth2/root/tokens/clients").form(&form);
    gateway.send(buying).await.ok(200);
    // A key that is not accepted is not used.
    let wrong = gateway.bare(Method::GET, "/v1/whoami").bearer_auth(format!("{}x", idle.expose()));
    gateway.send(wrong).await.problem(401, "credentials_invalid");

    let listed = listed(&gateway).await;
    let since: Timestamp = listed["since"].as_str().unwrap().parse().unwrap();
    assert!(since <= began, "{listed}");
    let items = listed["items"].as_array().unwrap();
    let apps: Vec<_> = items.iter().map(|item| item["app"].as_str().unwrap()).collect();
    assert_eq!(apps, ["buyer", "desk", "ending", "idle", "tests"]);
    let of = |key: &ApiKey| items.iter().find(|item| item["keyId"] == key.id()).unwrap();
    for used in [&desk, &buyer] {
        let at: Timestamp = of(used)["lastUsedAt"].as_str().unwrap().parse().unwrap();
        assert!(at.as_second() >= began.as_second() && at <= Timestamp::now(), "{listed}");
        assert_eq!(of(used)["expires"], Value::Null);
    }
    assert_eq!(
        of(&idle),
        &json!({ "app": "idle", "keyId": idle.id(), "expires": null, "lastUsedAt": null })
    );
    assert_eq!(of(&ending)["expires"], "2099-01-31T00:00:00Z");
}

async fn listed(gateway: &Gateway) -> Value {
    let url = format!("http://{}/admin/v1/keys", gateway.admin);
    gateway.send(gateway.client().get(url).bearer_auth(&gateway.key)).await.ok(200)
}
