//! The shell blocks of the README and of the page on power-offs, run in order against a demo, and
//! what is shown of their output.

use std::{fmt::Write as _, path::Path};

use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::{
    cli::{get, new_key},
    repository::root,
    support::{Program, bash, program, run_command, write},
};
use cwsgate::simulator::{self, Simulator};

/// A fenced block.
struct Block {
    language: String,
    text: String,
}

#[tokio::test]
async fn the_shell_blocks_print_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = readme();
    let (_simulator, _key) = real_credentials(&blocks, folder.path()).await;
    run_all(&blocks, folder.path()).await;
}

#[tokio::test]
async fn the_calls_that_switch_machines_off_print_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    run_all(&blocks("docs/power-off.md"), folder.path()).await;
}

#[tokio::test]
async fn the_night_of_bulk_work_prints_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    run_all(&blocks("docs/operations.md"), folder.path()).await;
}

#[tokio::test]
async fn the_commands_that_begin_everything_are_there() {
    let blocks = readme();
    for wanted in ["cargo run --release -- demo\n", "cargo test\n"] {
        assert!(blocks.iter().any(|block| block.language == "sh" && block.text == wanted));
    }
}

#[tokio::test]
async fn the_configuration_shown_serves() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = readme();
    let (_simulator, key) = real_credentials(&blocks, folder.path()).await;
    assert!(blocks.iter().any(|block| block.language == "sh" && block.text == SERVE));

    let mut command = program(&SERVE.split_whitespace().skip(1).collect::<Vec<_>>());
    command
        .args(["--output", "json"])
        .current_dir(folder.path())
        .env("CWSGATE_SERVER__LISTEN", "127.0.0.1:0")
        .env("CWSGATE_ADMIN__LISTEN", "127.0.0.1:0");
    let mut gateway = Program::start_command(command);
    let url = gateway.json().await["gateway"].as_str().unwrap().to_owned();

    let list = get(&format!("{url}/v1/machines?tag=canary"), &key).await;
    assert_eq!(list.of_items("name"), [r"DEMOLAB\KESTREL"]);
}

#[tokio::test]
async fn the_script_that_is_replaced_does_what_is_said_of_it() {
    let simulator = Simulator::start(simulator::Options::default()).await.unwrap();
    let customer = simulator.customer("acme").unwrap();
    let blocks = readme();
    let script = blocks.iter().find(|block| block.language == "bash").unwrap();
    let restart = async |machine: &str| {
        let mut command = bash(&script.text, &[machine]);
        command
            .env("CITRIX_API", simulator.region("us").unwrap().as_str().trim_end_matches('/'))
            .env("CITRIX_CUSTOMER", &customer.id)
            .env("CITRIX_CLIENT_ID", &customer.client_id)
            .env("CITRIX_CLIENT_SECRET", customer.client_secret.expose_secret());
        run_command(command).await
    };

    let done = restart(r"DEMOLAB\KESTREL").await;
    assert_eq!((done.code, done.out.as_str()), (Some(0), "DEMOLAB\\KESTREL: accepted\n"));
    let refused = restart(r"DEMOLAB\OSPREY").await;
    assert_eq!(refused.code, Some(1));
    assert_eq!(refused.errors, "DEMOLAB\\OSPREY has 2 sessions\n");
}

/// Runs the shell blocks one after the other and compares.
async fn run_all(blocks: &[Block], folder: &Path) {
    let mut demo = Program::start(&["demo", "--listen", "127.0.0.1:0", "--output", "json"]);
    let demo = demo.json().await;
    let mut script = String::new();
    let mut shown = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        // The demo runs, this is the test, and a server does not end.
        let apart = ["cargo run --release -- demo\n", "cargo test\n", SERVE];
        if block.language == "sh" && !apart.contains(&block.text.as_str()) {
            // Writing to a string cannot fail.
            let _ = write!(script, "echo '{MARK}'\n{}", block.text);
            shown.push(blocks.get(at + 1).filter(|next| next.language != "sh"));
        }
    }
    assert!(shown.len() >= 2, "{script}");
    let mut command = bash(&script, &[]);
    let path = Path::new(env!("CARGO_BIN_EXE_cwsgate")).parent().unwrap();
    command
        .current_dir(folder)
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", path.display()))
        .env("CWSGATE", demo["gateway"].as_str().unwrap())
        .env("CWSGATE_KEY", demo["apiKey"].as_str().unwrap());
    let ended = run_command(command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let printed: Vec<_> = ended.out.split(&format!("{MARK}\n")).skip(1).collect();
    assert_eq!(printed.len(), shown.len());
    for (printed, shown) in printed.iter().zip(shown) {
        match shown.map(|block| (block.language.as_str(), &block.text)) {
            Some(("json", text)) => assert_eq!(values(printed), values(text), "{printed}"),
            Some(("text", text)) => assert_eq!(printed, text),
            _ => {}
        }
    }
}

/// Writes the files of the steps for real credentials, with a simulator in Citrix's place, and
/// returns it with the key of the app.
async fn real_credentials(blocks: &[Block], folder: &Path) -> (Simulator, String) {
    let simulator = Simulator::start(simulator::Options::default()).await.unwrap();
    let customer = simulator.customer("acme").unwrap();
    let (key, hash) = new_key().await;
    let text = &blocks.iter().find(|block| block.language == "toml").unwrap().text;
    assert!(text.contains(CLIENT_ID) && text.contains("cwsgate_hash_…"), "{text}");
    let text = text.replace(CLIENT_ID, &customer.client_id).replace("cwsgate_hash_…", &hash);
    let us = simulator.region("us").unwrap();
    let hosts = format!("registry = \"{us}\"\ncore = \"{us}\"\nnotifications = \"{us}\"\n");
    write(folder, "gateway.toml", &format!("{text}\n[regions.us]\napi = \"{us}\"\n{hosts}"));
    let secret = write(folder, "acme.secret", customer.client_secret.expose_secret());
    only_for_the_owner(&secret);
    (simulator, key)
}

#[cfg(unix)]
fn only_for_the_owner(path: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn readme() -> Vec<Block> {
    blocks("README.md")
}

fn blocks(file: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some((Block { language: language.into(), text: String::new() }, indent));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, outer)), None) => {
                block.text += line.get(*outer..).unwrap_or_default();
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block has no end");
    blocks
}

/// One JSON value after the other, as jq prints them.
fn values(text: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(text).into_iter();
    values.map(|value| value.unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

const SERVE: &str = "cwsgate serve --config gateway.toml\n";
const CLIENT_ID: &str = "6f1d2c3b-0000-4000-8000-000000000001";
const MARK: &str = "--- next block";
