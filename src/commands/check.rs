//! `cwsgate check`: is this configuration fit to be used?

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use super::Exit;
use crate::config::{Config, Environment, Finding, LoadOptions, Loaded, Severity};

/// Reads the configuration file `path` with all it names, writes what is wrong with it to `out`, as
/// text or as one JSON object, and answers the exit code: 0, or 78 when anything but a warning was
/// found. Binds no port and reaches for no network.
pub fn run(
    path: &Path,
    environment: &Environment,
    options: LoadOptions,
    json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let loaded = Config::load(path, environment, options);
    let written = if json { write_json(&loaded, out) } else { write_text(path, &loaded, out) };
    written?;
    Ok(if loaded.is_clean() { Exit::Done } else { Exit::Configuration })
}

/// `{"ok":…,"findings":[…]}`.
#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    findings: &'a [Finding],
}

fn write_json(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let findings = &loaded.findings;
    serde_json::to_writer(&mut *out, &Report { ok: loaded.is_clean(), findings })?;
    writeln!(out)
}

fn write_text(path: &Path, loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    for finding in &loaded.findings {
        writeln!(out, "{finding}")?;
    }
    let of = |severity| loaded.findings.iter().filter(|found| found.severity == severity).count();
    let (errors, customers) = (of(Severity::Error), of(Severity::Customer));
    let warnings = counted(of(Severity::Warning), "warning");
    let path = path.display();
    match (&loaded.config, loaded.is_clean()) {
        (Some(config), true) => {
            let (customers, apps) = (config.customers.len(), config.apps.len());
            let (customers, apps) = (counted(customers, "customer"), counted(apps, "app"));
            writeln!(out, "{path}: ok, {customers}, {apps}, {warnings}")
        }
        (Some(_), false) => writeln!(
            out,
            "{path}: {} in customers or stores, which would not be served; {warnings}",
            counted(customers, "problem")
        ),
        (None, _) => writeln!(
            out,
            "{path}: cannot be used: {}, {} in customers or stores, {warnings}",
            counted(errors, "error"),
            counted(customers, "problem"),
        ),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, json: bool) -> (Exit, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, text).unwrap();
        let now = "2030-01-01T00:00:00Z".parse().unwrap();
        let options = LoadOptions { now, allow_anonymous: false };
        let mut out = Vec::new();
        let code = run(&path, &Environment::default(), options, json, &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        (code, shown.replace(&folder.path().display().to_string(), "DIR"))
    }

    const APP: &str = r#"
[apps.tester]
keys = ["cwsgate_hash_Tester000001_00000000000000000000000000000000000000000000000000000000000000ff"]
grants = [{ actions = ["read"], customers = ["*"] }]
"#;

    #[test]
    fn a_good_file_is_ok_and_exits_0() {
        let (code, shown) = check(APP, false);
        assert_eq!(shown, "DIR/gateway.toml: ok, 0 customers, 1 app, 0 warnings\n");
        assert_eq!(code, Exit::Done);
    }

    #[test]
    fn warnings_alone_exit_0() {
        let text = format!("[server]\nlisten = \"0.0.0.0:8443\"\n{APP}");
        let (code, shown) = check(&text, false);
        assert!(shown.starts_with("DIR/gateway.toml:2: warning: server.listen: "), "{shown}");
        assert_eq!(code, Exit::Done);
    }

    #[test]
    fn every_problem_is_a_line_with_place_key_and_fix() {
        let text = format!("[server]\nlistne = 1\nmax_headers = 0\n[customers.acme]\n{APP}");
        let (code, shown) = check(&text, false);

        assert_eq!(code, Exit::Configuration);
        assert!(
            shown.contains(
                "DIR/gateway.toml:2: error: server.listne: there is no such key (did you mean `listen`?)\n"
            ),
            "{shown}"
        );
        assert!(shown.contains("DIR/gateway.toml:3: error: server.max_headers: "), "{shown}");
        assert!(shown.contains("DIR/gateway.toml:4: customer: customers.acme.region: "), "{shown}");
        assert!(shown.contains("cannot be used: 2 errors, 3 problems in customers"), "{shown}");
    }

    #[test]
    fn a_broken_customer_alone_exits_78() {
        let (code, shown) = check(&format!("[customers.acme]\n{APP}"), false);
        assert!(shown.ends_with(
            "3 problems in customers or stores, which would not be served; 0 warnings\n"
        ));
        assert_eq!(code, Exit::Configuration);
    }

    #[test]
    fn json_is_one_object_with_every_finding() {
        let (code, shown) = check("[server]\nlistne = 1\n", true);
        let report: serde_json::Value = serde_json::from_str(&shown).unwrap();

        assert_eq!(code, Exit::Configuration);
        assert_eq!(report["ok"], false);
        assert_eq!(report["findings"].as_array().unwrap().len(), 2);
        let named = report["findings"].as_array().unwrap();
        let listen = named.iter().find(|finding| finding["key"] == "server.listne").unwrap();
        assert_eq!(listen["file"], "DIR/gateway.toml");
        assert_eq!(listen["line"], 2);
        assert_eq!(listen["severity"], "error");
        assert_eq!(listen["fix"], "did you mean `listen`?");
    }

    #[test]
    fn a_missing_file_is_a_finding_too() {
        let now = "2030-01-01T00:00:00Z".parse().unwrap();
        let options = LoadOptions { now, allow_anonymous: false };
        let mut out = Vec::new();
        let path = Path::new("/nowhere/gateway.toml");
        let code = run(path, &Environment::default(), options, false, &mut out).unwrap();

        assert_eq!(code, Exit::Configuration);
        let shown = String::from_utf8(out).unwrap();
        assert!(
            shown.starts_with("/nowhere/gateway.toml: error: the file does not exist"),
            "{shown}"
        );
    }
}
