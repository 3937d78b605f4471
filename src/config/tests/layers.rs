use std::time::Duration;

use super::{APP, Folder, about, empty, errors, load, variables};
use crate::{
    config::{LogFormat, Severity},
    domain::CustomerName,
};

const GOOD: &str = "region = \"us\"\nclient_id = \"x\"\nclient_secret = { file = \"secret\" }\n";

fn with_includes(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::with(files);
    folder.write("main.toml", &format!("include = [\"customers.d/*.toml\"]\n{APP}"));
    folder.write("customers.d/secret", "s");
    folder.write("customers.d/good.toml", &format!("[customers.good]\n{GOOD}"));
    folder
}

#[test]
fn variables_win_over_the_file_and_the_file_over_the_defaults() {
    let text = "[server]\nmax_headers = 7\nmax_streams = 8\n[log]\nformat = \"text\"\n";
    let environment = variables(&[
        ("CWSGATE_SERVER__MAX_HEADERS", "9"),
        ("CWSGATE_LOG__FORMAT", "json"),
        ("CWSGATE_CACHE__TTL__RESOURCE_LOCATIONS", "1m"),
        ("CWSGATE_UPSTREAM__TOKEN__REFRESH_AT", "0.77"),
        ("CWSGATE_REGIONS__US_GOV__API", "https://gov.test"),
        ("CWSGATE_CONFIG", "not a key"),
        ("OTHER", "x"),
    ]);
    let loaded = load(text, &environment);
    assert_eq!(errors(&loaded), [""; 0]);
    let config = loaded.config.unwrap();

    assert_eq!(config.server.max_headers, 9);
    assert_eq!(config.server.max_streams, 8);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.cache.ttl["resource-locations"], Duration::from_mins(1));
    assert!((config.upstream.token.refresh_at - 0.77).abs() < f64::EPSILON);
    assert_eq!(config.regions["us-gov"].api.as_str(), "https://gov.test/");
}

#[test]
fn a_customer_may_come_from_variables_alone() {
    let environment = variables(&[
        ("CWSGATE_CUSTOMERS__ACME__REGION", "eu"),
        ("CWSGATE_CUSTOMERS__ACME__CLIENT_ID", "x"),
        ("CWSGATE_CUSTOMERS__ACME__CLIENT_SECRET", "s3cr3t"),
        ("CWSGATE_CUSTOMERS__ACME__LABELS", "gold, eu"),
    ]);
    let loaded = load("", &environment);

    assert_eq!(loaded.findings, [], "a secret in a variable is where it should be");
    let config = loaded.config.unwrap();
    assert_eq!(config.customers["acme"].labels.len(), 2);
}

#[test]
fn a_variable_finds_the_name_in_the_file_whatever_its_case() {
    let text = "[customers.\"Acme-We.st\"]\nregion = \"us\"\nclient_id = \"x\"\nclient_secret = { env = \"NONE\" }\n";
    let environment = variables(&[
        ("CWSGATE_CUSTOMERS__ACME_WE_ST__REGION", "eu"),
        ("CWSGATE_CUSTOMERS__ACME_WE_ST__CLIENT_SECRET__FILE", "secret"),
    ]);
    let loaded = load(text, &environment);

    assert_eq!(errors(&loaded), [""; 0]);
    assert_eq!(loaded.config.unwrap().customers["Acme-We.st"].region.as_str(), "eu");
}

#[test]
fn a_misspelt_variable_is_a_problem_under_its_own_name() {
    let environment = variables(&[
        ("CWSGATE_SERVER__LISTNE", "127.0.0.1:1"),
        ("CWSGATE_SERVR__LISTEN", "127.0.0.1:1"),
        ("CWSGATE_SERVER__", "x"),
        ("CWSGATE_SERVER__MAX_HEADERS", "many"),
    ]);
    let loaded = load("", &environment);

    assert!(loaded.config.is_none());
    assert_eq!(about(&loaded, "CWSGATE_SERVER__LISTNE").fix, "did you mean `listen`?");
    assert_eq!(about(&loaded, "CWSGATE_SERVR__LISTEN").fix, "did you mean `server`?");
    assert_eq!(about(&loaded, "CWSGATE_SERVER__").problem, "this does not name a key");
    assert_eq!(about(&loaded, "CWSGATE_SERVER__MAX_HEADERS").file, None);
}

#[test]
fn included_files_add_customers_and_resolve_paths_in_their_own_folder() {
    let folder = with_includes(&[
        ("customers.d/.hidden.toml", "broken ="),
        ("customers.d/notes.txt", "broken ="),
    ]);
    let loaded = folder.load(&empty());

    assert_eq!(loaded.findings, [], "{:#?}", loaded.findings);
    assert!(loaded.config.unwrap().customers.contains_key("good"));
    assert!(loaded.sources.contains(&folder.path().join("customers.d/secret")));
}

#[test]
fn a_pattern_that_names_the_main_file_does_not_include_it_again() {
    let folder = Folder::with(&[
        ("main.toml", &format!("include = [\"*.toml\"]\n{APP}")),
        ("acme.toml", &format!("[customers.acme]\n{GOOD}")),
        ("secret", "s"),
    ]);
    let loaded = folder.load(&empty());

    assert_eq!(loaded.findings, []);
    assert_eq!(loaded.config.unwrap().customers.len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_takes_its_own_customers_only() {
    let folder = with_includes(&[(
        "customers.d/bad.toml",
        "[customers.bad]\nregion = \"us\"\nclient_id = x\n[customers.worse]\n",
    )]);
    let loaded = folder.load(&empty());
    let config = loaded.config.as_ref().unwrap();

    assert_eq!(config.customers.len(), 1);
    let bad = config.misconfigured.keys().map(CustomerName::as_str);
    assert_eq!(bad.collect::<Vec<_>>(), ["bad", "worse"]);
    let syntax = about(&loaded, "");
    assert_eq!((syntax.severity, syntax.line), (Severity::Customer, Some(3)));
    assert!(syntax.file.as_ref().unwrap().ends_with("customers.d/bad.toml"));
    assert!(!loaded.findings.iter().any(|found| found.severity == Severity::Error));
}

#[test]
fn an_unreadable_file_with_apps_stops_the_start() {
    for text in
        ["[apps.x]\nkeys = x\n", "[apps.x\nkeys = 1\n", "[customers.c]\nid = \n[ regions.r]\n"]
    {
        let folder = with_includes(&[("customers.d/bad.toml", text)]);
        assert!(folder.load(&empty()).config.is_none(), "{text}");
    }
}

#[test]
fn a_customer_in_two_files_is_the_first_and_the_second_is_told() {
    let folder = with_includes(&[
        ("customers.d/a.toml", &format!("[customers.twice]\n{GOOD}")),
        ("customers.d/b.toml", &format!("\n[customers.twice]\n{GOOD}")),
    ]);
    let loaded = folder.load(&empty());
    let finding = about(&loaded, "customers.twice");

    assert_eq!(finding.severity, Severity::Customer);
    assert!(finding.problem.contains("a.toml"), "{finding}");
    assert!(finding.file.as_ref().unwrap().ends_with("b.toml"));
    assert_eq!(finding.line, Some(2));
    let config = loaded.config.unwrap();
    assert!(config.customers.contains_key("twice"));
    assert!(config.misconfigured.is_empty());
}

#[test]
fn an_app_or_region_in_two_files_stops_the_start() {
    let folder = with_includes(&[("customers.d/a.toml", APP)]);
    let loaded = folder.load(&empty());
    assert_eq!(about(&loaded, "apps.tester").severity, Severity::Error);
    assert!(loaded.config.is_none());
}

#[test]
fn the_servers_own_sections_cannot_be_included() {
    let folder =
        with_includes(&[("customers.d/a.toml", "[server]\nmax_headers = 1\n[customer.x]\n")]);
    let loaded = folder.load(&empty());

    assert_eq!(about(&loaded, "server").fix, "move it to the main file");
    assert_eq!(about(&loaded, "customer").severity, Severity::Customer);
    assert_eq!(loaded.config.unwrap().server.max_headers, 100);
}

#[test]
fn an_include_that_names_nothing_is_told() {
    let text = |include: &str| format!("include = {include}\n{APP}");
    let load = |include: &str| {
        let folder = Folder::with(&[("main.toml", &text(include))]);
        folder.load(&empty())
    };

    let no_match = load("[\"none.d/*.toml\"]");
    assert_eq!(about(&no_match, "include[0]").severity, Severity::Warning);
    assert!(no_match.config.is_some());
    let missing = load("[\"none.toml\"]");
    assert!(about(&missing, "").file.as_ref().unwrap().ends_with("none.toml"));
    assert_eq!(about(&load("[\"*/x.toml\"]"), "include[0]").severity, Severity::Error);
    assert!(load("7").config.is_none());
}
