use std::{collections::BTreeSet, time::Duration};

use secrecy::ExposeSecret as _;

use super::{Folder, certificate, empty, errors, load, variables};
use crate::{
    config::{
        LogFormat, TokenForm,
        document::{self, Table, Value},
        schema,
    },
    domain::RegionName,
};

const MANUAL: &str = include_str!("../../../config/default.toml");
const EXAMPLE: &str = include_str!("../../../config/example.toml");

/// The manual with its examples in force: a `#` without a space after it hides a key.
fn uncommented() -> String {
    let line = |line: &'static str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with([' ', '-']) && !rest.is_empty() => rest,
        Some(rest) if rest.starts_with("  {") => rest,
        _ => line,
    };
    MANUAL.lines().map(line).fold(String::new(), |text, line| text + line + "\n")
}

/// The keys of `table` and below, in the notation of the schema.
fn keys_of(table: &Table, section: &str, found: &mut BTreeSet<(String, String)>) {
    let below = |section: &str, key: &str| match (section, key) {
        ("", "regions" | "customers" | "stores" | "issuers" | "apps") => format!("{key}.*"),
        ("", key) => key.to_owned(),
        (_, "secret" | "previous_secret" | "client_secret" | "password") => {
            schema::SECRET.to_owned()
        }
        (section, key) => format!("{section}.{key}"),
    };
    for (key, entry) in table {
        if !section.ends_with(".*") || schema::keys(section).contains(&key.as_str()) {
            found.insert((section.to_owned(), key.clone()));
        }
        let path = below(section, key);
        let tables: Vec<&Table> = match &entry.node.value {
            Value::Table(table) if path.ends_with(".*") => {
                let named = table.values().map(|entry| &entry.node.value);
                named.filter_map(|v| if let Value::Table(t) = v { Some(t) } else { None }).collect()
            }
            Value::Table(table) => vec![table],
            Value::Array(items) => {
                let items = items.iter().map(|item| &item.value);
                items.filter_map(|v| if let Value::Table(t) = v { Some(t) } else { None }).collect()
            }
            _ => Vec::new(),
        };
        let list = matches!(entry.node.value, Value::Array(_));
        for table in tables {
            keys_of(table, &if list { format!("{path}[]") } else { path.clone() }, found);
        }
    }
}

#[test]
fn the_manual_has_every_key() {
    let (table, problems) = document::parse(&uncommented(), None);
    assert!(problems.is_empty(), "line {}: {}", problems[0].line, problems[0].message);
    let mut found = BTreeSet::new();
    keys_of(&table, "", &mut found);

    // An alternative to client_secret, which the manual shows in a customer.
    found.insert(("customer_defaults".to_owned(), "client_secrets".to_owned()));
    let missing: Vec<_> = schema::SECTIONS
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(move |key| (section, key)))
        .filter(|(section, key)| !found.contains(&((**section).to_owned(), (**key).to_owned())))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_manual_is_a_configuration_itself() {
    let (certificate, key) = certificate();
    let folder = Folder::with(&[
        ("main.toml", &uncommented().replace("/run/secrets/", "secrets/")),
        ("tls.crt", &certificate),
        ("tls.key", &key),
        ("secrets/cwsgate", "0123456789abcdef0123456789abcdef"),
        ("secrets/cwsgate-previous", "fedcba9876543210fedcba9876543210"),
        ("secrets/acme", "one"),
        ("secrets/globex-next", "two"),
        ("customers.d/initech.toml", "[customers.initech]\n"),
        ("secrets/initech", "three"),
    ]);
    let environment = variables(&[("GLOBEX_SECRET", "four"), ("KIOSK_PASSWORD", "five")]);

    let loaded = folder.load(&environment);

    assert_eq!(loaded.findings, [], "{:#?}", loaded.findings);
    let config = loaded.config.unwrap();
    assert_eq!(config.customers.len(), 3);
    assert_eq!(config.customers["initech"].region.as_str(), "eu");
    assert_eq!(
        config.regions["us-gov"].daas.as_deref().map(|daas| daas.contains(".us/")),
        Some(true)
    );
    for source in
        ["main.toml", "customers.d", "customers.d/initech.toml", "secrets/acme", "tls.crt"]
    {
        assert!(loaded.sources.contains(&folder.path().join(source)), "{source}");
    }
}

#[test]
fn the_example_passes() {
    let (certificate, key) = certificate();
    let folder = Folder::with(&[
        ("main.toml", EXAMPLE),
        ("secrets/tls.crt", &certificate),
        ("secrets/tls.key", &key),
        ("secrets/server", "0123456789abcdef0123456789abcdef\n"),
        ("secrets/acme", "one\n"),
        ("secrets/globex", "two\n"),
        ("secrets/globex-new", "three\n"),
        ("secrets/kiosk", "four\n"),
    ]);

    let loaded = folder.load(&empty());

    assert_eq!(loaded.findings, [], "{:#?}", loaded.findings);
    let config = loaded.config.unwrap();
    assert_eq!(config.apps.len(), 3);
    let secrets = &config.customers["globex"].client_secrets;
    let secrets: Vec<_> = secrets.iter().map(|secret| secret.secret.expose_secret()).collect();
    assert_eq!(secrets, ["three", "two"]);
}

#[test]
fn the_defaults_are_those_of_the_manual() {
    let loaded = load("", &empty());
    assert_eq!(errors(&loaded), [""; 0]);
    let config = loaded.config.unwrap();

    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8443");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(config.server.max_header_bytes, 32 * 1024);
    assert_eq!(config.server.max_body_bytes, 1024 * 1024);
    assert_eq!(config.server.default_deadline, Duration::from_secs(30));
    assert_eq!(config.server.drain_delay, Duration::from_secs(3));
    assert_eq!(config.log.format, LogFormat::Auto);
    assert_eq!(config.cache.max_bytes, 256 * 1024 * 1024);
    assert_eq!(config.cache.ttl["sites"], Duration::from_hours(24));
    assert_eq!(config.cache.ttl.len(), 7);
    assert_eq!(config.upstream.read_timeout, Duration::from_secs(90));
    assert!((config.upstream.token.refresh_at - 0.8).abs() < f64::EPSILON);
    assert_eq!(config.upstream.token.margin, Duration::from_mins(1));
    let resilience = config.upstream.resilience;
    assert_eq!(resilience.retry.backoff_max, Duration::from_secs(10));
    assert_eq!(resilience.cooldown.without_hint, Duration::from_secs(30));
    assert_eq!((resilience.slots.in_flight, resilience.slots.bulk), (64, 32));
    assert_eq!(resilience.breaker.open_max, Duration::from_secs(15));
    let database = config.database.sqlite_path.unwrap();
    assert!(database.is_absolute() && database.ends_with("cwsgate.db"));
}

#[test]
fn five_regions_are_built_in() {
    let config = load("", &empty()).config.unwrap();
    let names: Vec<&str> = config.regions.keys().map(RegionName::as_str).collect();
    assert_eq!(names, ["ap-s", "eu", "jp", "us", "us-gov"]);

    let us = &config.regions["us"];
    assert_eq!(us.token, "https://api-us.cloud.com");
    assert_eq!(us.daas.as_deref(), Some("https://api-us.cloud.com/cvad/manage"));
    let gov = &config.regions["us-gov"];
    assert_eq!(gov.token_form, TokenForm::Trust);
    assert_eq!(
        (gov.token.as_str(), gov.daas.as_deref()),
        ("https://trust.citrixworkspacesapi.us", None)
    );
}
