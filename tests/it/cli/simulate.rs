//! `cwsgate simulate`.

use super::{LISTENERS, app, get, new_key};
use crate::support::{Program, run, write};

#[tokio::test]
async fn what_it_prints_is_a_configuration_that_serves_once_an_app_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let mut simulator = Program::start(&["simulate", "--listen", "127.0.0.1:0"]);
    let mut text = String::new();
    while text.matches("client_secret").count() < 3 {
        text += &simulator.line().await;
        text.push('\n');
    }
    let control = text.split("http").nth(1).unwrap().split("/_sim").next().unwrap();
    assert_eq!(get(&format!("http{control}/_sim"), "").await.status, 200);
    let (key, hash) = new_key().await;
    let text = format!("{text}{LISTENERS}{}", app(&hash));
    let config = write(folder.path(), "gateway.toml", &text);

    let checked = run(&["check", "--config", &config]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    // A literal secret is worth a warning: files get shared.
    assert!(checked.out.ends_with("ok, 3 customers, 1 app, 3 warnings\n"), "{}", checked.out);

    let mut gateway = Program::start(&["serve", "--config", &config, "--output", "json"]);
    let gateway_url = gateway.json().await["gateway"].as_str().unwrap().to_owned();
    let list = get(&format!("{gateway_url}/v1/sessions?pageSize=1"), &key).await;
    assert_eq!(list.ok(200)["completeness"]["ok"], 3);

    simulator.terminate().await;
    assert_eq!(simulator.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_scenario_file_says_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = r#"{ "regions": [{ "name": "jp" }], "customers": [{
        "name": "acme", "id": "acme1", "region": "jp",
        "catalogs": [{ "name": "Pool", "machines": [{ "name": "LAB\\KESTREL" }] }] }] }"#;
    let file = write(folder.path(), "scenario.json", scenario);
    let mut simulator = Program::start(&[
        "simulate",
        "--listen",
        "127.0.0.1:0",
        "--scenario",
        &file,
        "--output",
        "json",
    ]);
    let said = simulator.json().await;
    assert_eq!(said["regions"].as_object().unwrap().keys().collect::<Vec<_>>(), ["jp"]);
    let control = said["simulator"].as_str().unwrap();
    let machines = get(&format!("{control}/_sim/machines/acme"), "").await;
    assert!(machines.text.contains(r"LAB\\KESTREL"), "{}", machines.text);
}

#[tokio::test]
async fn a_scenario_that_cannot_be_used_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, said) in [
        ("typo.json", r#"{"customers":[{"nmae":"x"}]}"#, "customers[0].nmae: unknown field `nmae`"),
        ("cut.json", r#"{"customers":["#, "EOF"),
        (
            "region.json",
            r#"{"customers":[{"name":"a","id":"a1","region":"xx"}]}"#,
            "customer `a`: no region `xx`",
        ),
    ] {
        let file = write(folder.path(), name, text);
        let ended = run(&["simulate", "--listen", "127.0.0.1:0", "--scenario", &file]).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""));
        assert!(ended.errors.contains(name) && ended.errors.contains(said), "{}", ended.errors);
    }
    let ended = run(&["simulate", "--scenario", "nowhere.json"]).await;
    assert_eq!(ended.code, Some(78));
    assert!(ended.errors.contains("nowhere.json: "), "{}", ended.errors);
}
