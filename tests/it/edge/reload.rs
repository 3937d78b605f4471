use std::time::Duration;

use cwsgate::auth::ApiKey;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::serving::{Serving, app, until};
use crate::support::Reply;

const READER: &str = "{ actions = [\"read\"], customers = [\"*\"] }";

/// A file of a customer of the demo under another name, with its secret in a file.
fn customer(gateway: &Serving, name: &str, like: &str) -> String {
    let known = gateway.simulator.customer(like).unwrap();
    gateway.write(&format!("{name}.secret"), known.client_secret.expose_secret());
    format!(
        "[customers.{name}]\nid = {:?}\nregion = {:?}\nclient_id = {:?}\n\
         client_secret = {{ file = \"../{name}.secret\" }}\n",
        format!("{}-x", known.id),
        known.region,
        known.client_id
    )
}

/// Our names of the customers and the states of their credentials.
async fn customers(gateway: &Serving) -> Vec<(String, String)> {
    let list = gateway.get("/v1/customers").await.ok(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| (text(&item["name"]), text(&item["credential"]["state"]))).collect()
}

#[tokio::test]
async fn a_new_customer_file_is_served_without_being_told() {
    let gateway = Serving::start("").await;
    let file = customer(&gateway, "northwind", "acme");
    gateway.write("customers.d/northwind.toml", &file);
    until(async || {
        let found = customers(&gateway).await;
        found.iter().any(|(name, state)| name == "northwind" && state == "empty").then_some(())
    })
    .await;
    let state = gateway.reload_state().await;
    assert_eq!(state["last"]["trigger"], "file-change");
    assert_eq!(state["last"]["outcome"], "applied");

    // And goes with its file.
    std::fs::remove_file(gateway.path("customers.d/northwind.toml")).unwrap();
    until(async || {
        let found = customers(&gateway).await;
        (!found.iter().any(|(name, _)| name == "northwind")).then_some(())
    })
    .await;
    gateway.get("/v1/customers/northwind").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_a_broken_customer_only_itself() {
    let gateway = Serving::start("").await;
    gateway.get("/v1/customers/acme/sites").await.ok(200);

    gateway.write("gateway.toml", "[server]\nlisten = \"127.0.0.1:0\"\nmax_headers = \"many\"\n");
    let failed = until(async || {
        let state = gateway.reload_state().await;
        (state["last"]["outcome"] == "failed").then_some(state)
    })
    .await;
    assert_eq!(failed["generation"], 1);
    let findings = failed["last"]["findings"].as_array().unwrap();
    let finding = findings.iter().find(|found| found["key"] == "server.max_headers").unwrap();
    assert_eq!((&finding["line"], &finding["severity"]), (&json!(3), &json!("error")));
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("cwsgate_config_current 0\n"), "{metrics}");
    assert!(metrics.contains("cwsgate_config_reloads_total{outcome=\"failed\"} "), "{metrics}");
    let loud = |line: &str| line.contains("\"ERROR\"") && line.contains("server.max_headers");
    assert!(gateway.program.log().lines().any(loud), "{}", gateway.program.log());
    gateway.get("/v1/customers/acme/sites").await.ok(200);

    // A customer's file is only that customer.
    gateway.configure("", "");
    gateway.write("customers.d/broken.toml", "[customers.broken]\nregion = \"eu\"\n");
    gateway.admin(Method::POST, "/actions/reload").await.ok(200);
    let found = customers(&gateway).await;
    assert!(found.contains(&("broken".to_owned(), "misconfigured".to_owned())), "{found:?}");
    assert_eq!(found.len(), 4);
    let refused = gateway.get("/v1/customers/broken/sites").await;
    let problem = refused.problem(503, "credential_quarantined");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("customer broken is misconfigured"), "{detail}");
    gateway.get("/v1/customers/acme/sites").await.ok(200);
    assert!(gateway.metrics().await.contains("cwsgate_config_current 1\n"));
}

#[tokio::test]
async fn keys_and_grants_are_in_force_at_once() {
    let gateway = Serving::start("").await;
    let (first, second) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
    let reload = async || gateway.admin(Method::POST, "/actions/reload").await.ok(200);

    gateway.configure("", &app("helpdesk", &first, READER));
    assert_eq!(reload().await["last"]["outcome"], "applied");
    gateway.get_as(&first, "/v1/customers/acme").await.ok(200);
    gateway.get_as(&second, "/v1/customers/acme").await.problem(401, "credentials_invalid");

    gateway.configure("", &app("helpdesk", &second, &READER.replace('*', "globex")));
    reload().await;
    gateway.get_as(&first, "/v1/customers/acme").await.problem(401, "credentials_invalid");
    gateway.get_as(&second, "/v1/customers/acme").await.problem(404, "not_found");
    gateway.get_as(&second, "/v1/customers/globex").await.ok(200);
}

#[tokio::test]
async fn a_key_that_is_taken_out_is_good_for_nothing_even_as_the_last_one() {
    let gateway = Serving::start("").await;
    let leaked = ApiKey::generate().unwrap();
    let helpdesk = app("helpdesk", &leaked, READER);
    let hash = format!("\"{}\"", leaked.hash());
    for emptied in [helpdesk.replace(&hash, ""), helpdesk.replace(&format!("keys = [{hash}]"), "")]
    {
        gateway.configure("", &helpdesk);
        gateway.admin(Method::POST, "/actions/reload").await.ok(200);
        gateway.get_as(&leaked, "/v1/customers/acme").await.ok(200);

        gateway.configure("", &emptied);
        let state = gateway.admin(Method::POST, "/actions/reload").await.ok(200);
        assert_eq!(state["last"]["outcome"], "applied", "{state}");
        let findings = state["last"]["findings"].as_array().unwrap();
        let said = |found: &&Value| found["problem"].as_str().unwrap().starts_with("nobody");
        assert_eq!(findings.iter().find(said).unwrap()["severity"], "warning", "{state}");
        gateway.get_as(&leaked, "/v1/customers/acme").await.problem(401, "credentials_invalid");
    }
    let path = gateway.path("gateway.toml");
    let last = format!("\"{}\"", gateway.key.hash());
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(&last));
    gateway.write("gateway.toml", &text.replace(&last, ""));
    until(async || (gateway.get("/v1/customers/acme").await.status == 401).then_some(())).await;
}

#[tokio::test]
async fn a_changed_secret_lifts_the_quarantine() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("acme.secret");
    std::fs::write(&secret, "not-the-secret-of-acme").unwrap();
    let file = format!("client_secret = {{ file = {:?} }}", secret.to_str().unwrap());
    let gateway = Serving::start_in(folder, "", |upstream| {
        let (head, acme) = upstream.split_once("[customers.acme]").unwrap();
        let at = acme.find("client_secret").unwrap();
        let end = at + acme[at..].find('\n').unwrap();
        format!("{head}[customers.acme]{}{file}{}", &acme[..at], &acme[end..])
    })
    .await;
    let state = async || {
        let list = gateway.admin(Method::GET, "/tokens").await.ok(200);
        let items = list["items"].as_array().unwrap();
        items.iter().find(|item| item["customer"] == "acme").unwrap()["state"].clone()
    };
    let good = gateway.simulator.customer("acme").unwrap();
    let good = good.client_secret.expose_secret().to_owned();

    until(async || {
        gateway.get("/v1/customers/acme/sites").await;
        (state().await == "quarantined").then_some(())
    })
    .await;
    gateway.write("acme.secret", &good);
    until(async || (gateway.get("/v1/customers/acme/sites").await.status == 200).then_some(()))
        .await;
    assert_eq!(state().await, "fresh");

    // Citrix forgets the old secret: with the new one in place nobody notices.
    let answer = gateway
        .simulator
        .control(
            "PUT",
            "/_sim/customers/acme",
            json!({ "clientSecret": "the-next-secret-of-acme" }),
        )
        .await;
    assert_eq!(answer.0 / 100, 2, "{answer:?}");
    gateway.write("acme.secret", "the-next-secret-of-acme\n");
    gateway.admin(Method::POST, "/actions/reload").await.ok(200);
    gateway.get("/v1/customers/acme/sites").await.ok(200);
}

#[tokio::test]
async fn a_hangup_reloads_and_what_needs_a_restart_is_said() {
    let gateway = Serving::start("").await;
    gateway.configure("listen = \"127.0.0.1:1\"\nmax_uri_bytes = \"1 KiB\"", "");
    gateway.program.signal("HUP").await;
    let state = until(async || {
        let state = gateway.reload_state().await;
        (state["generation"] != 1).then_some(state)
    })
    .await;
    assert_eq!(state["needsRestart"], json!(["server.listen"]));
    // The rest is in force, on connections that come from now on.
    let fresh = cwsgate::net::client(&cwsgate::net::ClientOptions::default()).unwrap();
    let long = format!("{}/v1/machines?name={}", gateway.url, "x".repeat(2000));
    let reply = Reply::read(fresh.get(long).send().await.unwrap()).await;
    reply.problem(414, "uri_too_long");
    let said = |line: &str| line.contains("needs a restart") && line.contains("server.listen");
    assert!(gateway.program.log().lines().any(said));
}

#[cfg(unix)]
#[tokio::test]
async fn a_mounted_secret_that_moves_by_its_link_is_noticed() {
    use std::os::unix::fs::symlink;
    let gateway = Serving::start("").await;
    let known = gateway.simulator.customer("globex").unwrap();
    for (version, secret) in [("v1", "wrong-secret-of-globex"), ("v2", "another-one-of-globex")] {
        std::fs::create_dir(gateway.path(version)).unwrap();
        std::fs::write(gateway.path(version).join("mounted"), secret).unwrap();
    }
    symlink("v1", gateway.path("data")).unwrap();
    let file = format!(
        "[customers.mounted]\nregion = {:?}\nclient_id = {:?}\n\
         client_secret = {{ file = \"../data/mounted\" }}\n",
        known.region, known.client_id
    );
    gateway.write("customers.d/mounted.toml", &file);
    let generation = gateway.admin(Method::POST, "/actions/reload").await.ok(200)["generation"]
        .as_u64()
        .unwrap();
    // As Kubernetes replaces what it mounts.
    symlink("v2", gateway.path("next-data")).unwrap();
    std::fs::rename(gateway.path("next-data"), gateway.path("data")).unwrap();
    until(async || {
        let state = gateway.reload_state().await;
        (state["generation"].as_u64().unwrap() > generation).then_some(())
    })
    .await;
}

#[tokio::test]
async fn reloads_under_load_cost_no_request() {
    let gateway = Serving::start("").await;
    let stop = tokio_util::sync::CancellationToken::new();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let url = format!("{}/v1/customers/acme/sites", gateway.url);
            let (client, key, stop) = (gateway.client.clone(), gateway.key.clone(), stop.clone());
            tokio::spawn(async move {
                let mut answered = 0;
                while !stop.is_cancelled() {
                    let answer = client.get(&url).bearer_auth(key.expose()).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    assert!(answer.text().await.unwrap().contains("items"));
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for round in 0..10 {
        // Now and then the way to Citrix is made anew, or the file is broken.
        match round % 5 {
            3 => gateway.configure("", "[upstream]\nread_timeout = \"61s\"\n"),
            4 => gateway.write("gateway.toml", "broken"),
            _ => gateway.configure(&format!("max_headers = {}", 90 + round), ""),
        }
        let state = gateway.admin(Method::POST, "/actions/reload").await.ok(200);
        assert_eq!(state["last"]["outcome"] == "failed", round % 5 == 4, "{state}");
        sleep(Duration::from_millis(100)).await;
    }
    stop.cancel();
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
}
