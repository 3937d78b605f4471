//! Tokens of callers are in no output and reach no upstream.

use std::fmt::Write;

use cwsgate::{auth::ApiKey, commands::demo::upstream_config, simulator::Simulator};
use serde_json::{Value, json};

use crate::support::{IdentityProvider, Program, Reply, Signer, write};

#[tokio::test]
async fn no_token_is_in_the_log_or_goes_to_citrix() {
    let provider = IdentityProvider::start().await;
    let simulator = Simulator::start(cwsgate::simulator::Options::default()).await.unwrap();
    let (key, stranger) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nsecret = \"{}\"\ndrain_delay = \"0s\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[log]\nfilter = \"trace\"\nformat = \"json\"\n\
         [cache.ttl]\nmachines = \"0s\"\n\
         [apps.desk]\nkeys = [\"{}\"]\n\
         grants = [{{ actions = [\"read\"], customers = [\"*\"] }}]\n{}{}",
        "ROOT-SECRET-CANARY-0123456789-ABCDEF",
        key.hash(),
        provider.settings("corp"),
        upstream_config(&simulator),
    );
    let config = write(folder.path(), "gateway.toml", &text);
    let mut program = Program::start(&["serve", "--config", &config, "--output", "json"]);
    let addresses = program.json().await;
    let address = |name: &str| addresses[name].as_str().unwrap().to_owned();
    let (gateway, admin) = (address("gateway"), address("admin"));
    let client = cwsgate::net::client(&cwsgate::net::ClientOptions::default()).unwrap();
    let ask = async |path: &str, token: &str| {
        let request = client.get(format!("{gateway}{path}")).bearer_auth(token);
        Reply::read(request.send().await.unwrap()).await
    };
    let buy = async |secret: &str| {
        let request = client.post(format!("{gateway}/cctrustoauth2/root/tokens/clients"));
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "desk"),
            ("client_secret", secret),
        ];
        Reply::read(request.form(&form).send().await.unwrap()).await
    };

    let bought = buy(key.expose()).await.ok(200)["access_token"].as_str().unwrap().to_owned();
    let mut outputs = buy(stranger.expose()).await.text;
    let good = provider.token(&provider.claims());
    let mut claims = provider.claims();
    claims["exp"] = json!(7);
    let expired = provider.token(&claims);
    claims["aud"] = json!("FOREIGN-AUDIENCE-CANARY");
    let foreign = provider.token(&claims);
    let forged = Signer::ec("key-1").token(&provider.claims());
    for token in [&good, &expired, &foreign, &forged, &bought] {
        for path in ["/v1/whoami", "/v1/customers/acme/sites/-/machines", "/v1/customers/x"] {
            let reply = ask(path, token).await;
            outputs += &reply.text;
            write!(outputs, "{:?}", reply.headers).unwrap();
        }
    }
    for path in ["/metrics", "/readyz"] {
        let answer = client.get(format!("{admin}{path}")).send().await.unwrap();
        outputs += &answer.text().await.unwrap();
    }
    let (_, seen) = simulator.control("GET", "/_sim/requests?limit=5000", json!(null)).await;
    assert!(seen["total"].as_u64().unwrap() >= 4, "both callers got as far as Citrix: {seen}");
    program.terminate().await;
    let ended = program.ended().await;
    outputs += &ended.errors;
    outputs += &seen.to_string();

    // What the buyer is not told is on the access line.
    let lines = ended.errors.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let selling = "/cctrustoauth2/{customer}/tokens/clients";
    let refused = lines.filter(|line| line["http.route"] == selling).find(|line| {
        line["http.response.status_code"] == 400 && line["error.type"] == "credentials_invalid"
    });
    assert_eq!(refused.expect("the log was on")["error.cause"], "the key is unknown");
    for (what, token) in [
        ("the good token", &good),
        ("the expired token", &expired),
        ("the foreign token", &foreign),
        ("the forged token", &forged),
        ("the bought token", &bought),
    ] {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (_, claims) = signed.split_once('.').unwrap();
        for part in [signature, claims] {
            assert!(!outputs.contains(part), "{what} is in an output");
        }
    }
    for secret in [key.expose(), stranger.expose(), "FOREIGN-AUDIENCE-CANARY", "ROOT-SECRET"] {
        assert!(!outputs.contains(secret), "{secret} is in an output");
    }
}
