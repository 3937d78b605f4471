//! `cwsgate serve`.

use std::{fs, path::Path};

use serde_json::Value;

use super::{LISTENERS, app, get, new_key};
use crate::support::{Program, run, write};
use cwsgate::{commands::demo::upstream_config, simulator::Simulator};

#[tokio::test]
async fn the_addresses_are_said_in_one_line_of_json_and_sigterm_ends_it_well() {
    let folder = tempfile::tempdir().unwrap();
    let (key, hash) = new_key().await;
    let config = write(folder.path(), "gateway.toml", &format!("{LISTENERS}{}", app(&hash)));

    let mut gateway = Program::start(&["serve", "--config", &config, "--output", "json"]);
    let said = gateway.json().await;

    assert_eq!(said.as_object().unwrap().len(), 2, "{said}");
    let ready = get(&format!("{}/readyz", said["admin"].as_str().unwrap()), "").await;
    assert_eq!(ready.status, 200);
    let who = get(&format!("{}/v1/whoami", said["gateway"].as_str().unwrap()), &key).await;
    assert_eq!(who.ok(200)["app"], "tester");
    gateway.terminate().await;
    let ended = gateway.ended().await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{}", ended.errors);
    for line in ended.errors.lines() {
        let line: Value = serde_json::from_str(line).expect("the log is JSON outside a terminal");
        assert!(line["message"].is_string(), "{line}");
    }
    assert!(!ended.errors.contains(&key));
}

#[tokio::test]
async fn a_broken_configuration_is_78_with_every_finding() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[server]\nlistne = \"x\"\nmax_headers = 0\n[customers.acme]\nregion = \"eu\"\n";
    let config = write(folder.path(), "gateway.toml", text);

    let ended = run(&["serve", "--config", &config]).await;

    assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""));
    let checked = run(&["check", "--config", &config]).await;
    for finding in checked.out.lines().take(5) {
        assert!(ended.errors.contains(finding), "{finding}: {}", ended.errors);
    }
    let ended = run(&["serve", "--config", "nowhere.toml"]).await;
    assert_eq!(ended.code, Some(78));
    assert!(ended.errors.contains("nowhere.toml: error: the file does not exist"));
}

#[tokio::test]
async fn without_callers_it_refuses_and_names_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let config = write(folder.path(), "gateway.toml", LISTENERS);

    let ended = run(&["serve", "--config", &config]).await;

    assert_eq!(ended.code, Some(78));
    assert!(ended.errors.contains("--unsafe-allow-anonymous"), "{}", ended.errors);
}

#[tokio::test]
async fn anonymous_callers_are_let_in_only_by_the_flag_and_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let (_, hash) = new_key().await;
    for text in [LISTENERS.to_owned(), format!("{LISTENERS}{}", app(&hash))] {
        let config = write(folder.path(), "gateway.toml", &text);
        let flags = ["serve", "--config", &config, "--unsafe-allow-anonymous", "--output", "json"];
        let mut gateway = Program::start(&flags);
        let url = gateway.json().await["gateway"].as_str().unwrap().to_owned();

        let who = get(&format!("{url}/v1/whoami"), "").await;

        assert_eq!(who.ok(200)["app"], "anonymous");
        let wrong = get(&format!("{url}/v1/whoami"), "wrong").await;
        wrong.problem(401, "credentials_invalid");
        gateway.terminate().await;
        let log = gateway.ended().await.errors;
        let warned = log.lines().any(|line| {
            line.contains("\"WARN\"") && line.contains("anybody who reaches the listener")
        });
        assert!(warned, "{log}");
    }
}

#[tokio::test]
async fn a_taken_port_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let (_, hash) = new_key().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text =
        format!("{LISTENERS}{}", app(&hash)).replacen("127.0.0.1:0", &address.to_string(), 1);
    let config = write(folder.path(), "gateway.toml", &text);

    let ended = run(&["serve", "--config", &config, "--output", "json"]).await;

    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.errors.contains(&format!("cannot listen on {address}: the port is taken")));
}

#[tokio::test]
async fn the_secret_is_made_once_for_its_owner_alone_and_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(cwsgate::simulator::Options::default()).await.unwrap();
    let (key, hash) = new_key().await;
    let text = format!(
        "{LISTENERS}[database]\nurl = \"sqlite:state.db\"\n{}{}",
        app(&hash),
        upstream_config(&simulator)
    );
    let config = write(folder.path(), "gateway.toml", &text);
    let start = || Program::start(&["serve", "--config", &config, "--output", "json"]);

    let mut gateway = start();
    let url = gateway.json().await["gateway"].as_str().unwrap().to_owned();
    let list = "/v1/machines?pageSize=5&fields=name";
    let first = get(&format!("{url}{list}"), &key).await.ok(200);
    let token = first["nextPageToken"].as_str().unwrap();
    gateway.terminate().await;
    assert_eq!(gateway.ended().await.code, Some(0));

    let made = folder.path().join("state.secret");
    assert_eq!(mode(&made), 0o600);
    let secret = fs::read_to_string(&made).unwrap();
    let mut gateway = start();
    let url = gateway.json().await["gateway"].as_str().unwrap().to_owned();
    let second = get(&format!("{url}{list}&pageToken={token}"), &key).await.ok(200);
    assert_eq!(second["items"].as_array().unwrap().len(), 5);
    assert_ne!(second["items"], first["items"]);
    assert_eq!(fs::read_to_string(&made).unwrap(), secret);
    gateway.terminate().await;
    let log = gateway.ended().await.errors;
    assert!(!log.contains(secret.trim()));

    // Another secret, and the token is nothing.
    fs::remove_file(&made).unwrap();
    let mut gateway = start();
    let url = gateway.json().await["gateway"].as_str().unwrap().to_owned();
    let refused = get(&format!("{url}{list}&pageToken={token}"), &key).await;
    refused.problem(400, "invalid_page_token");
}

#[tokio::test]
async fn a_database_that_cannot_be_made_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let (_, hash) = new_key().await;
    let text = format!("{LISTENERS}[database]\nurl = \"sqlite:missing/state.db\"\n{}", app(&hash));
    let config = write(folder.path(), "gateway.toml", &text);

    let ended = run(&["serve", "--config", &config, "--output", "json"]).await;

    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.errors.contains("missing/state.db"), "{}", ended.errors);
    assert!(ended.errors.contains("database.url must name a file"), "{}", ended.errors);
}

#[tokio::test]
async fn a_broken_customer_leaves_the_others_alone_and_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(cwsgate::simulator::Options::default()).await.unwrap();
    let (key, hash) = new_key().await;
    let secret = "client_secret = \"simulated+globex/secret==\"";
    let upstream = upstream_config(&simulator);
    assert!(upstream.contains(secret), "{upstream}");
    let upstream = upstream.replace(secret, "client_secret = { file = \"nowhere\" }");
    let config =
        write(folder.path(), "gateway.toml", &format!("{LISTENERS}{}{upstream}", app(&hash)));

    let mut gateway = Program::start(&["serve", "--config", &config, "--output", "json"]);
    let url = gateway.json().await["gateway"].as_str().unwrap().to_owned();

    let customers = get(&format!("{url}/v1/customers"), &key).await.ok(200);
    let states: Vec<_> = customers["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|customer| (customer["name"].clone(), customer["credential"]["state"].clone()))
        .collect();
    let broken = ("globex".into(), "misconfigured".into());
    assert!(states.len() == 3 && states.contains(&broken), "{states:?}");

    let list = get(&format!("{url}/v1/machines?pageSize=1000"), &key).await.ok(200);
    assert_eq!(list["completeness"]["status"], "partial");
    assert_eq!(list["completeness"]["ok"], 2);
    let sources = list["sources"].as_array().unwrap();
    let failed = sources.iter().find(|source| source["customer"] == "globex").unwrap();
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["problem"]["code"], "credential_quarantined");
    assert_eq!(failed["problem"]["origin"], "gateway");
    let alone = get(&format!("{url}/v1/customers/globex/sites"), &key).await;
    alone.problem(503, "credential_quarantined");
    gateway.terminate().await;
    let log = gateway.ended().await.errors;
    let loud = |line: &str| line.contains("\"ERROR\"") && line.contains("customers.globex");
    assert!(log.lines().any(loud), "{log}");
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
