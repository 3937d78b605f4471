//! Commands that answer and end.

use super::{app, new_key};
use crate::support::{Gateway, bash, program, run, run_command, write};

#[tokio::test]
async fn help_and_version_are_data() {
    let version = run(&["--version"]).await;
    assert_eq!(version.out, format!("cwsgate {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!((version.code, version.errors.as_str()), (Some(0), ""));

    let help = run(&["--help"]).await;
    assert_eq!(help.code, Some(0));
    for command in ["demo", "serve", "simulate", "check", "openapi", "key", "explain"] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}: {}", help.out);
    }
}

#[tokio::test]
async fn a_misspelt_command_or_option_is_wrong_usage_with_a_suggestion() {
    let ended = run(&["srve"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.errors.contains("'serve'"), "{}", ended.errors);

    let ended = run(&["demo", "--lisen", "127.0.0.1:0"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.errors.contains("'--listen'"), "{}", ended.errors);
}

#[tokio::test]
async fn a_made_key_comes_with_lines_that_check_accepts_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(&["key", "new", "--app", "helpdesk"]).await;
    assert_eq!((made.code, made.errors.as_str()), (Some(0), ""));
    let lines: Vec<_> = made.out.lines().skip_while(|line| !line.starts_with('[')).collect();
    let config = write(folder.path(), "gateway.toml", &lines[..3].join("\n"));

    let checked = run(&["check", "--config", &config]).await;

    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.out.ends_with("ok, 0 customers, 1 app, 0 warnings\n"), "{}", checked.out);
}

#[tokio::test]
async fn a_key_for_a_name_that_cannot_be_is_wrong_usage() {
    let ended = run(&["key", "new", "--app", "two words"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.errors.starts_with("cwsgate: --app: "), "{}", ended.errors);
}

#[tokio::test]
async fn check_names_every_problem_and_exits_78() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[server]\nlistne = \"x\"\nmax_headers = 0\n[customers.acme]\nregion = \"eu\"\n";
    let config = write(folder.path(), "gateway.toml", text);

    let ended = run(&["check", "--config", &config]).await;
    assert_eq!(ended.code, Some(78));
    for said in [
        "gateway.toml:2: error: server.listne: ",
        "did you mean `listen`?",
        "gateway.toml:3: error: server.max_headers: ",
        "gateway.toml:4: customer: customers.acme.client_id: ",
        "gateway.toml:4: customer: customers.acme.client_secret: ",
        "error: apps: ",
    ] {
        assert!(ended.out.contains(said), "{said}: {}", ended.out);
    }

    let ended = run(&["check", "--config", &config, "--output", "json"]).await;
    assert_eq!(ended.code, Some(78));
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["findings"].as_array().unwrap().len(), 5);
    assert_eq!(report["findings"][1]["line"], 2);
}

#[tokio::test]
async fn check_accepts_a_good_file_and_needs_no_port() {
    let folder = tempfile::tempdir().unwrap();
    let (_, hash) = new_key().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!("[server]\nlisten = \"{address}\"\n{}", app(&hash));
    let config = write(folder.path(), "gateway.toml", &text);

    let ended = run(&["check", "--config", &config, "--output", "json"]).await;

    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.out, "{\"ok\":true,\"findings\":[]}\n");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "checking writes nothing: {left:?}");
}

#[tokio::test]
async fn openapi_prints_what_the_gateway_serves() {
    let gateway = Gateway::demo().await;
    let json = run(&["openapi"]).await;
    let yaml = run(&["openapi", "--format", "yaml"]).await;

    let served = gateway.get("/openapi.json").await;
    let printed: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(printed, served.ok(200));
    assert_eq!(yaml.out.trim_end(), gateway.get("/openapi.yaml").await.text.trim_end());
    assert_eq!((json.code, yaml.code), (Some(0), Some(0)));
}

#[tokio::test]
async fn explain_prints_the_page_that_the_gateway_serves() {
    let gateway = Gateway::demo().await;
    for code in ["upstream_timeout", "policy_denied", "outcome_unknown", "site_hibernated"] {
        let ended = run(&["explain", code]).await;
        assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
        let page = gateway.get(&format!("/problems/{code}")).await;
        assert_eq!(page.status, 200);
        assert_eq!(ended.out, page.text);
    }
}

#[tokio::test]
async fn explaining_no_code_suggests_one_or_lists_them() {
    let ended = run(&["explain", "upstream_timeot"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.errors.contains("did you mean upstream_timeout?"), "{}", ended.errors);

    let ended = run(&["explain", "nonsense"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.errors.contains("policy_denied"), "{}", ended.errors);
}

#[tokio::test]
async fn every_shell_gets_a_completion_script() {
    for (shell, sign) in [
        ("bash", "complete -F _cwsgate"),
        ("zsh", "#compdef cwsgate"),
        ("fish", "complete -c cwsgate"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let ended = run(&["completions", shell]).await;
        assert_eq!(ended.code, Some(0));
        assert!(ended.out.contains(sign) && ended.out.contains("healthcheck"), "{shell}");
    }
}

#[tokio::test]
async fn the_bash_completion_completes() {
    let script = "source <(\"$1\" completions bash); COMP_WORDS=(cwsgate he) COMP_CWORD=1; \
                  _cwsgate cwsgate he cwsgate; echo \"${COMPREPLY[*]}\"";
    let ended = run_command(bash(script, &[env!("CARGO_BIN_EXE_cwsgate")])).await;
    assert!(ended.out.contains("healthcheck"), "{ended:?}");
}

#[tokio::test]
async fn a_reader_who_leaves_is_no_panic() {
    for arguments in
        [&["openapi"][..], &["explain", "not_found"], &["completions", "bash"], &["--help"]]
    {
        let ended = run_command(without_reader(arguments, true)).await;
        assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{arguments:?}");
        assert_eq!(ended.out, "", "the pipe is the one without a reader");
    }
    let ended = run_command(without_reader(&["explain", "nonsense"], false)).await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(2), ""));
}

/// The program with a pipe that nobody reads as standard output or standard error.
fn without_reader(arguments: &[&str], output: bool) -> tokio::process::Command {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = program(arguments);
    if output {
        command.stdout(writer)
    } else {
        command.stderr(writer)
    };
    command
}

#[tokio::test]
async fn healthcheck_follows_the_admin_listener() {
    let gateway = Gateway::demo().await;
    let admin = gateway.admin.to_string();

    assert_eq!(run(&["healthcheck", "--admin", &admin]).await.code, Some(0));
    let mut command = program(&["healthcheck"]);
    command.env("CWSGATE_ADMIN__LISTEN", format!("0.0.0.0:{}", gateway.admin.port()));
    let ended = run_command(command).await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    // The public listener has no probes.
    let ended = run(&["healthcheck", "--admin", &gateway.address.to_string()]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors.contains("not ready"), "{}", ended.errors);

    // Bound, so that nobody else gets the port, and not listening.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let ended = run(&["healthcheck", "--admin", &silent.local_addr().unwrap().to_string()]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors.contains("no gateway answers"), "{}", ended.errors);
    let mut command = program(&["healthcheck"]);
    command.env("CWSGATE_ADMIN__LISTEN", "nonsense");
    let ended = run_command(command).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors.contains("CWSGATE_ADMIN__LISTEN"), "{}", ended.errors);
}
