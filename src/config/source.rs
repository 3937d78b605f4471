use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    Config, Environment, Finding, LoadOptions, Loaded, Severity, fingerprint::Fingerprint,
};

/// Where a configuration comes from, and what its files held when it was last read.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    environment: Environment,
    allow_anonymous: bool,
    files: BTreeSet<PathBuf>,
    /// Folders with included files that were there when it was last read without error.
    folders: BTreeSet<PathBuf>,
    seen: Fingerprint,
    /// Whether it could be used before, so that somebody does.
    served: bool,
}

/// What the files of a configuration held at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Look {
    fingerprint: Fingerprint,
    is_news: bool,
}

impl Source {
    /// The configuration file `path`, which has not been read yet.
    pub fn new(path: &Path, environment: &Environment, allow_anonymous: bool) -> Self {
        Self {
            path: path.to_path_buf(),
            environment: environment.clone(),
            allow_anonymous,
            files: BTreeSet::from([path.to_path_buf()]),
            folders: BTreeSet::new(),
            seen: Fingerprint::default(),
            served: false,
        }
    }

    /// The configuration file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads everything. Blocks.
    ///
    /// Files are looked at before they are read, so that a change in between counts as one that
    /// came after; where reading names new files, it is done once more for the same reason.
    pub fn read(&mut self, now: Timestamp) -> Loaded {
        let options = LoadOptions { now, allow_anonymous: self.allow_anonymous };
        let mut attempts = 0;
        loop {
            let before = Fingerprint::of(&self.files);
            let load = if self.served { Config::load_again } else { Config::load };
            let loaded = load(&self.path, &self.environment, options);
            let all_known = loaded.sources.is_subset(&self.files);
            self.files.clone_from(&loaded.sources);
            self.seen = before.only(&self.files);
            attempts += 1;
            if all_known || attempts == MAX_ATTEMPTS {
                return self.with_its_folders(loaded);
            }
        }
    }

    /// Refuses what was read while a folder of included files is gone that was there before, as
    /// one is that has been unmounted: it would take all of its customers with it.
    fn with_its_folders(&mut self, mut loaded: Loaded) -> Loaded {
        let gone = |folder: &&PathBuf| {
            loaded.sources.contains(*folder) && !loaded.folders.contains(*folder)
        };
        for folder in self.folders.iter().filter(gone) {
            loaded.config = None;
            loaded.findings.push(Finding {
                severity: Severity::Error,
                file: Some(self.path.clone()),
                line: None,
                key: "include".to_owned(),
                problem: format!("the folder {} is not there any more", folder.display()),
                fix: "bring it back, or take its pattern out of `include`".to_owned(),
            });
        }
        if loaded.config.is_some() {
            self.served = true;
            self.folders.clone_from(&loaded.folders);
        }
        loaded
    }

    /// Looks at what the files hold now. Blocks.
    pub fn look(&self) -> Look {
        let fingerprint = Fingerprint::of(&self.files);
        Look { is_news: fingerprint != self.seen, fingerprint }
    }
}

impl Look {
    /// Whether anything differs from when the configuration was last read.
    pub fn is_news(&self) -> bool {
        self.is_news
    }
}

/// Readings in a row while each names new files. After the last, the next look reports a change.
const MAX_ATTEMPTS: usize = 3;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_of_any_file_shows_until_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("customers.d")).unwrap();
        write("main.toml", "include = [\"customers.d/*.toml\"]\n");
        let main = folder.path().join("main.toml");
        let mut source = Source::new(&main, &Environment::default(), true);
        let now = "2030-01-01T00:00:00Z".parse().unwrap();

        source.read(now);
        assert!(!source.look().is_news());
        let acme = "[customers.acme]\nregion = \"eu\"\nclient_id = \"x\"\n\
                    client_secret = { file = \"secret\" }\n";
        for (name, text) in [
            ("customers.d/acme.toml", acme),
            ("customers.d/secret", "one\n"),
            ("customers.d/secret", "two\n"),
            ("main.toml", "include = [\"customers.d/*.toml\"]\n[server]\n"),
            ("main.toml", "not TOML"),
            ("main.toml", "include = [\"customers.d/*.toml\"]\n"),
        ] {
            write(name, text);
            assert!(source.look().is_news(), "{name}");
            source.read(now);
            assert!(!source.look().is_news(), "{name}");
        }
        fs::remove_file(folder.path().join("customers.d/acme.toml")).unwrap();
        assert!(source.look().is_news());
        assert!(source.read(now).config.unwrap().misconfigured.is_empty());
        assert!(!source.look().is_news());
    }

    #[test]
    fn a_folder_of_included_files_that_vanishes_takes_no_customer_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (main, included) = (folder.path().join("main.toml"), folder.path().join("customers.d"));
        let with_pattern = "include = [\"customers.d/*.toml\"]\n";
        fs::write(&main, with_pattern).unwrap();
        let mut source = Source::new(&main, &Environment::default(), true);
        let now = "2030-01-01T00:00:00Z".parse().unwrap();
        assert!(source.read(now).config.is_some(), "it may come later");

        fs::create_dir(&included).unwrap();
        assert!(source.read(now).config.is_some());
        fs::remove_dir(&included).unwrap();
        for _ in 0..2 {
            let refused = source.read(now);
            assert!(refused.config.is_none());
            assert!(!refused.is_clean(), "{:?}", refused.findings);
        }
        fs::create_dir(&included).unwrap();
        assert!(source.read(now).config.is_some());

        fs::remove_dir(&included).unwrap();
        fs::write(&main, "").unwrap();
        assert!(source.read(now).config.is_some(), "nothing names it any more");
        fs::write(&main, with_pattern).unwrap();
        assert!(source.read(now).config.is_some());

        fs::write(&included, "no folder").unwrap();
        assert!(source.read(now).config.is_none());
    }
}
