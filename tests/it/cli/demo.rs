//! `cwsgate demo`.

use super::get;
use crate::support::{Program, bash, run, run_command};

#[tokio::test]
async fn one_line_of_json_comes_once_both_listeners_answer() {
    let mut demo = Program::start(&["demo", "--listen", "127.0.0.1:0", "--output", "json"]);
    let said = demo.json().await;
    let at = |name: &str| said[name].as_str().unwrap().to_owned();
    let key = at("apiKey");
    assert_eq!(said.as_object().unwrap().len(), 4, "{said}");

    let ready = get(&format!("{}/readyz", at("admin")), "").await;
    assert_eq!(ready.ok(200)["status"], "ready");
    let list = get(&format!("{}/v1/machines?pageSize=1", at("gateway")), &key).await;
    assert_eq!(list.ok(200)["completeness"]["status"], "complete");
    assert_eq!(list.header("cwsgate-upstream"), "simulator");
    let state = get(&format!("{}/_sim/state", at("simulator")), "").await;
    assert_eq!(state.ok(200)["customers"].as_array().unwrap().len(), 3);
    let who = get(&format!("{}/v1/whoami", at("gateway")), &key).await;
    let actions = who.ok(200)["grants"][0]["actions"].as_array().unwrap().len();
    assert_eq!(actions, 9, "the key may do everything");

    demo.terminate().await;
    let ended = demo.ended().await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{}", ended.errors);
}

#[tokio::test]
async fn the_bash_lines_of_the_banner_work_as_they_are() {
    let mut demo = Program::start(&["demo", "--listen", "127.0.0.1:0"]);
    let banner = read_banner(&mut demo).await;
    let start = banner.find("  export CWSGATE=").expect("lines for bash");
    let lines = &banner[start..];
    let lines = &lines[..lines.find("\n\n").expect("an end")];

    let ended = run_command(bash(lines, &[])).await;

    let list: serde_json::Value = serde_json::from_str(&ended.out).expect("a list");
    assert_eq!(list["items"].as_array().unwrap().len(), 3, "{list}");
    assert_eq!(list["completeness"]["status"], "complete");
}

#[tokio::test]
async fn the_powershell_lines_of_the_banner_name_the_same_places() {
    let mut demo = Program::start(&["demo", "--listen", "127.0.0.1:0"]);
    let banner = read_banner(&mut demo).await;
    let value = |start: &str, end: char| {
        let at = banner.find(start).unwrap_or_else(|| panic!("{start}: {banner}")) + start.len();
        banner[at..].split(end).next().unwrap().to_owned()
    };
    assert_eq!(value("$env:CWSGATE = '", '\''), value("export CWSGATE=", ' '));
    assert_eq!(value("$env:CWSGATE_KEY = '", '\''), value("CWSGATE_KEY=", '\n'));
    let call = value("Invoke-RestMethod \"$env:CWSGATE", '"');
    assert!(banner.contains(&format!("\"$CWSGATE{call}\"")), "{call}");
    assert!(banner.contains("-Headers @{ Authorization = \"Bearer $env:CWSGATE_KEY\" }"));
}

#[tokio::test]
async fn a_taken_port_is_explained_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let ended = run(&["demo", "--listen", &address, "--output", "json"]).await;

    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.errors.contains(&address) && ended.errors.contains("taken"), "{}", ended.errors);
    assert!(ended.errors.contains("cwsgate demo --listen 127.0.0.1:0"), "{}", ended.errors);
}

#[tokio::test]
async fn a_demo_never_leaves_loopback() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let ended = run(&["demo", "--listen", address]).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{address}");
        assert!(ended.errors.contains("loopback only"), "{}", ended.errors);
    }
}

/// Everything up to the last line for PowerShell.
async fn read_banner(demo: &mut Program) -> String {
    let mut banner = String::new();
    while !banner.contains("Invoke-RestMethod") {
        banner += &demo.line().await;
        banner.push('\n');
    }
    banner
}
