//! Whole configurations, read as an operator would write them.

mod callers;
mod customers;
mod layers;
mod manual;
mod problems;
mod tls;

use std::{fs, path::Path};

use super::{Config, Environment, Finding, LoadOptions, Loaded, Severity};

/// A folder with files, by relative path.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, content) in files {
            folder.write(name, content);
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        make_private(&path);
    }

    /// Reads `main.toml` of this folder.
    fn load(&self, environment: &Environment) -> Loaded {
        Config::load(&self.path().join("main.toml"), environment, options())
    }
}

#[cfg(unix)]
fn make_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn make_private(_: &Path) {}

/// Reads `text` with an app in it, so that only what the test is about can be wrong.
fn load(text: &str, environment: &Environment) -> Loaded {
    let folder = Folder::with(&[("secret", "s3cr3t-of-a-customer\n"), ("main.toml", text)]);
    folder.write("main.toml", &format!("{text}\n{APP}"));
    folder.load(environment)
}

fn options() -> LoadOptions {
    LoadOptions { now: "2030-01-01T00:00:00Z".parse().unwrap(), allow_anonymous: false }
}

fn empty() -> Environment {
    Environment::default()
}

fn variables(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().copied().collect()
}

/// The finding about `key`; panics with all of them when there is none.
fn about<'a>(loaded: &'a Loaded, key: &str) -> &'a Finding {
    let found = loaded.findings.iter().find(|finding| finding.key == key);
    found.unwrap_or_else(|| panic!("nothing about {key} in {:#?}", loaded.findings))
}

fn errors(loaded: &Loaded) -> Vec<String> {
    let serious = loaded.findings.iter().filter(|finding| finding.severity > Severity::Warning);
    serious.map(ToString::to_string).collect()
}

/// A certificate for `localhost` and its key, as PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

const APP: &str = r#"
[apps.tester]
keys = ["cwsgate_hash_Tester000001_00000000000000000000000000000000000000000000000000000000000000ff"]
grants = [{ actions = ["read"], customers = ["*"] }]
"#;
