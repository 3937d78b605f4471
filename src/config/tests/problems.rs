use proptest::prelude::*;

use super::{APP, Folder, about, empty, errors, load, options, variables};
use crate::config::{Config, Severity};

/// A text that nobody may ever see again.
const CANARY: &str = "hunter2-canary";

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    let loaded = load(
        r#"[server]
listne = "127.0.0.1:1"
header_timeout = 10
max_body_bytes = "1 EiB"
max_headers = 0
drain_delay = "1h"
default_deadline = "200s"
[log]
format = "jsno"
[upstream]
drain_timeout = "1s"
[upstream.token]
refresh_at = 2
[colours]
"#,
        &empty(),
    );

    assert!(loaded.config.is_none());
    let line = |key| about(&loaded, key).line;
    assert_eq!(line("server.listne"), Some(2));
    assert_eq!(line("server.header_timeout"), Some(3));
    assert_eq!(line("server.max_body_bytes"), Some(4));
    assert_eq!(line("server.max_headers"), Some(5));
    assert_eq!(line("server.drain_delay"), Some(6));
    assert_eq!(line("server.default_deadline"), Some(7));
    assert_eq!(line("log.format"), Some(9));
    assert_eq!(line("upstream.drain_timeout"), Some(11));
    assert_eq!(line("upstream.token.refresh_at"), Some(13));
    assert_eq!(line("colours"), Some(14));
    assert_eq!(loaded.findings.len(), 10, "{:#?}", loaded.findings);
}

#[test]
fn a_problem_says_what_to_write() {
    let loaded = load(
        "[server]\nlistne = 1\nheader_timeout = 10\nmax_body_bytes = 5\n[log]\nformat = \"jsno\"\n\
         [upstream]\ndrain_timeout = \"1s\"\n[server.tls]\ncert = \"x\"\n",
        &empty(),
    );
    let fix = |key| about(&loaded, key).fix.as_str();

    assert_eq!(fix("server.listne"), "did you mean `listen`?");
    assert_eq!(fix("server.header_timeout"), "write a duration such as \"30s\" or \"5m\"");
    assert_eq!(fix("server.max_body_bytes"), "write a size such as \"64 MiB\"");
    assert_eq!(fix("log.format"), "did you mean \"json\"? use one of: auto, json, text");
    assert_eq!(fix("upstream.drain_timeout"), "`drain_timeout` belongs to [server]");
    assert_eq!(fix("server.tls.cert"), "use one of: cert_file, key_file");
    assert_eq!(fix("server.tls.key_file"), "name the PEM file of the private key");
}

#[test]
fn syntax_errors_do_not_hide_other_problems_nor_invent_any() {
    let loaded = load(
        "[server]\nlisten = 127.0.0.1:80\nmax_heders = 3\nmax_headers = 3\nmax_headers = 4\n\
         [customers.acme]\nregion = us\n",
        &empty(),
    );

    assert!(loaded.config.is_none());
    let syntax: Vec<_> = loaded.findings.iter().filter(|found| found.key.is_empty()).collect();
    let lines: Vec<_> = syntax.iter().map(|found| found.line.unwrap()).collect();
    for line in [2, 5, 7] {
        assert!(lines.contains(&line), "{lines:?}");
    }
    assert!(syntax[0].problem.starts_with("column 15: "), "{}", syntax[0]);
    assert_eq!(about(&loaded, "server.max_heders").line, Some(3));
    let line_2 = loaded.findings.iter().filter(|found| found.line == Some(2));
    assert_eq!(line_2.count(), 1, "nothing is said of a line that could not be read");
    let missing = loaded.findings.iter().find(|found| found.problem == "it is missing");
    assert_eq!(missing, None, "what cannot be read is not missing");
}

#[test]
fn no_value_is_ever_shown() {
    let misspelt = [
        format!("[customers.acme]\nclient_secrt = \"{CANARY}\"\n"),
        format!("[customers.acme]\nclient_secret = [\"{CANARY}\"]\n"),
        format!("[customers.acme]\nclient_secret = {{ fiel = \"{CANARY}\" }}\n"),
        format!("[customers.acme]\nclient_secret = {{ file = \"{CANARY}\" }}\n"),
        format!("[customers.acme]\nclient_secret = {{ env = \"{CANARY}\" }}\n"),
        format!("[customers.acme]\nclient_secret = \"{CANARY}\n"),
        format!("[customers.acme]\nclient_secret = {CANARY}\n"),
        format!("[customers.acme]\nclient_secret \"{CANARY}\"\n"),
        format!("[customers.acme]\nregion = \"{CANARY}\"\nlabels = [\"{CANARY}!\"]\n"),
        format!("[server]\nsecret = \"{CANARY}\"\nlisten = \"{CANARY}\"\n"),
        format!("[database]\nurl = \"mysql://root:{CANARY}@db\"\n"),
        format!("[database]\nurl = \"postgres://root:{CANARY}@db/x\"\n"),
        format!("[log]\nfilter = \"{CANARY}=x=y\"\nformat = \"{CANARY}\"\n"),
        format!("[regions.us]\napi = \"https://user:{CANARY}@host\"\ntoken = \"{{{CANARY}}}\"\n"),
        format!("[apps.x]\nkeys = [\"{CANARY}\"]\ngrants = [{{ actions = [\"{CANARY}\"] }}]\n"),
        format!("[stores.x]\nurl = \"{CANARY}\"\nauth = {{ method = \"{CANARY}\" }}\n"),
        format!("[issuers.x]\nissuer = \"{CANARY}\"\nalgorithms = [\"{CANARY}\"]\n"),
        format!("include = [\"{CANARY}/*/x\"]\n"),
    ];
    for text in misspelt {
        let loaded = load(&text, &empty());
        assert!(!loaded.findings.is_empty(), "{text}");
        let shown = format!("{:?} {:?}", loaded.findings, loaded.config.map(|c| c.customers));
        assert!(!shown.contains(CANARY), "{text}\n{shown}");
    }

    let environment = variables(&[
        ("CWSGATE_SERVER__LISTEN", CANARY),
        ("CWSGATE_SERVER__TLS", CANARY),
        ("CWSGATE_CUSTOMERS__ACME__CLIENT_SECRT", CANARY),
        ("CWSGATE_CUSTOMERS__ACME__CLIENT_SECRET", &format!("{{ file = \"{CANARY}\" }}")),
    ]);
    let loaded = load("", &environment);
    assert_eq!(loaded.findings.len(), 6, "{:#?}", loaded.findings);
    about(&loaded, "customers.acme.region");
    assert!(!format!("{:?} {environment:?}", loaded.findings).contains(CANARY));
}

#[test]
fn a_literal_secret_works_and_is_reported() {
    let loaded = load(
        "[customers.acme]\nregion = \"us\"\nclient_id = \"x\"\nclient_secret = \"literal\"\n",
        &empty(),
    );
    let finding = about(&loaded, "customers.acme.client_secret");

    assert_eq!(finding.severity, Severity::Warning);
    assert!(loaded.config.unwrap().customers.contains_key("acme"));
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_everybody_may_read_is_reported() {
    use std::os::unix::fs::PermissionsExt as _;

    let text =
        "[customers.acme]\nregion = \"us\"\nclient_id = \"x\"\nclient_secret = { file = \"s\" }\n";
    let folder = Folder::with(&[("main.toml", &format!("{text}{APP}")), ("s", "x\n")]);
    assert_eq!(folder.load(&empty()).findings, []);

    let everybody = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("s"), everybody).unwrap();

    let loaded = folder.load(&empty());
    assert_eq!(about(&loaded, "customers.acme.client_secret.file").severity, Severity::Warning);
}

#[test]
fn secret_files_are_read_as_people_write_them() {
    let text =
        "[customers.acme]\nregion = \"us\"\nclient_id = \"x\"\nclient_secret = { file = \"s\" }\n";
    let read = |content: &[u8]| {
        let folder = Folder::with(&[("main.toml", &format!("{text}{APP}")), ("s", "")]);
        std::fs::write(folder.path().join("s"), content).unwrap();
        let loaded = folder.load(&empty());
        let problem = loaded.findings.first().map(|finding| finding.problem.clone());
        let customers = loaded.config.unwrap().customers;
        let version = customers.get("acme").map(|c| c.client_secrets[0].version.clone());
        (version, problem.unwrap_or_default())
    };
    let (plain, _) = read(b"secret");

    // First digits of `printf secret | sha256sum`.
    assert_eq!(plain.as_deref(), Some("2bb80d537b1da3e3"));
    assert_eq!(read(b"secret\n").0, plain);
    assert_eq!(read(b"secret\r\n").0, plain);
    assert_eq!(read(b"\xef\xbb\xbfsecret\r\n").0, plain);
    assert_ne!(read(b" secret").0, plain, "spaces may belong to it");
    assert_eq!(read(b"\n"), (None, "the file is empty".to_owned()));
    assert_eq!(read(b"\xff\xfes\0"), (None, "the file is not UTF-8 text".to_owned()));
    assert_eq!(read(&vec![b'x'; 65 * 1024]), (None, "the file is too large".to_owned()));
}

#[test]
fn a_secret_that_is_a_folder_is_a_problem_and_no_hang() {
    let text =
        "[customers.acme]\nregion = \"us\"\nclient_id = \"x\"\nclient_secret = { file = \".\" }\n";
    let loaded = load(text, &empty());
    let finding = about(&loaded, "customers.acme.client_secret.file");
    assert_eq!(finding.problem, "the path does not name a file");
}

#[test]
fn listening_beyond_this_machine_without_tls_is_reported() {
    let loaded =
        load("[server]\nlisten = \"0.0.0.0:80\"\n[admin]\nlisten = \"[::]:81\"\n", &empty());

    assert!(loaded.config.is_some());
    assert_eq!(about(&loaded, "server.listen").severity, Severity::Warning);
    assert_eq!(about(&loaded, "admin.listen").severity, Severity::Warning);
    let same =
        load("[server]\nlisten = \"0.0.0.0:80\"\n[admin]\nlisten = \"127.0.0.1:80\"\n", &empty());
    assert_eq!(about(&same, "admin.listen").severity, Severity::Error);
}

#[test]
fn tls_files_must_be_there_and_be_pem() {
    let tls = "[server]\ntls = { cert_file = \"secret\", key_file = \"none\" }\n";
    let loaded = load(tls, &empty());
    assert_eq!(about(&loaded, "server.tls.cert_file").problem, "it holds no certificate");
    assert_eq!(about(&loaded, "server.tls.key_file").problem, "the file does not exist");
    assert!(loaded.config.is_none());
}

#[test]
fn postgres_needs_a_root_secret_and_a_root_secret_needs_length() {
    let url = "[database]\nurl = { env = \"DB\" }\n";
    let environment =
        variables(&[("DB", "postgres://u:pw@db/x"), ("SHORT", "short"), ("LONG", &"x".repeat(32))]);
    let without = load(url, &environment);
    assert_eq!(about(&without, "database.url").severity, Severity::Error);

    let short = load(&format!("{url}[server]\nsecret = {{ env = \"SHORT\" }}\n"), &environment);
    assert_eq!(about(&short, "server.secret").severity, Severity::Error);

    let long = load(&format!("{url}[server]\nsecret = {{ env = \"LONG\" }}\n"), &environment);
    assert_eq!(errors(&long), [""; 0]);
    assert!(long.config.unwrap().database.sqlite_path.is_none());
}

#[test]
fn a_changed_address_needs_a_restart_and_a_changed_limit_does_not() {
    let config = |text: String| load(&text, &empty()).config.unwrap();
    let folder_of = |text: &str| format!("[database]\nurl = \"sqlite:/tmp/x.db\"\n{text}");
    let before = config(folder_of(""));

    assert_eq!(before.needs_restart(&config(folder_of("[server]\nmax_headers = 7\n"))), [""; 0]);
    assert_eq!(
        before.needs_restart(&config(folder_of("[server]\nlisten = \"127.0.0.1:7\"\n"))),
        ["server.listen"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = Config::parse(&text, std::path::Path::new("/nowhere"), &empty(), options());
    }

    #[test]
    fn no_mutation_of_a_good_file_panics_or_starts_without_callers(at in 0..3_000_usize, byte in any::<char>()) {
        let mut text: Vec<char> = include_str!("../../../config/example.toml").chars().collect();
        let at = at % text.len();
        text[at] = byte;
        let text: String = text.into_iter().collect();
        let loaded = Config::parse(&text, std::path::Path::new("/nowhere"), &empty(), options());
        if let Some(config) = loaded.config {
            prop_assert!(!config.apps.is_empty());
        }
    }
}
