use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::{Config, Environment, Finding, Loaded, Severity, document::Origin};

/// What all readers of one load share.
pub(super) struct Context<'a> {
    pub(super) environment: &'a Environment,
    /// The time by which expiry is judged.
    pub(super) now: Timestamp,
    /// The file that was asked for, where it was one.
    pub(super) main: Option<Arc<Path>>,
    /// Folder to which relative paths belong that no file names.
    pub(super) base: PathBuf,
    /// Whether a gateway serves already, and is only told what has changed.
    pub(super) serving: Cell<bool>,
    /// Whether the document has syntax errors, so that what is missing may only be unreadable.
    pub(super) incomplete: Cell<bool>,
    findings: RefCell<Vec<Finding>>,
    /// Lines with syntax errors: what else is wrong with them follows from that.
    garbled: RefCell<BTreeSet<(Option<PathBuf>, Option<usize>)>>,
    used: RefCell<BTreeSet<PathBuf>>,
    listed: RefCell<BTreeSet<PathBuf>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        now: Timestamp,
        main: Option<Arc<Path>>,
        base: PathBuf,
    ) -> Self {
        Self {
            environment,
            now,
            main,
            base,
            serving: Cell::new(false),
            incomplete: Cell::new(false),
            findings: RefCell::default(),
            garbled: RefCell::default(),
            used: RefCell::default(),
            listed: RefCell::default(),
        }
    }

    /// Puts a problem on record. Neither `problem` nor `fix` may hold a value.
    pub(super) fn report(
        &self,
        severity: Severity,
        origin: &Origin,
        key: &str,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let file = self.file_of(origin);
        let key = origin.variable.as_deref().unwrap_or(key);
        let finding = Finding {
            severity,
            file,
            line: origin.line,
            key: shown_key(key),
            problem: problem.into(),
            fix: fix.into(),
        };
        let mut findings = self.findings.borrow_mut();
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }

    /// Puts a syntax error on record, in place of anything else about its line.
    pub(super) fn report_syntax(
        &self,
        severity: Severity,
        origin: &Origin,
        problem: impl Into<String>,
        fix: &str,
    ) {
        self.garbled.borrow_mut().insert((self.file_of(origin), origin.line));
        self.report(severity, origin, "", problem, fix);
    }

    /// How many problems are on record; with [`Self::since`] tells those of one part.
    pub(super) fn mark(&self) -> usize {
        self.findings.borrow().len()
    }

    /// The problems found since `mark` that are worse than a warning.
    pub(super) fn since(&self, mark: usize) -> Vec<Finding> {
        let findings = self.findings.borrow();
        let serious = findings[mark..].iter().filter(|found| found.severity > Severity::Warning);
        serious.cloned().collect()
    }

    /// The path that `raw` names in the file where it was written.
    pub(super) fn resolve(&self, origin: &Origin, raw: &str) -> PathBuf {
        let folder = origin.file.as_deref().and_then(Path::parent);
        folder.unwrap_or(&self.base).join(raw)
    }

    /// Notes a file that this configuration was made from.
    pub(super) fn uses(&self, path: &Path) {
        self.used.borrow_mut().insert(path.to_path_buf());
    }

    /// Notes a folder in which a pattern was looked for.
    pub(super) fn lists(&self, folder: &Path) {
        self.listed.borrow_mut().insert(folder.to_path_buf());
    }

    /// Whether what is on record stops the start.
    pub(super) fn has_errors(&self) -> bool {
        self.findings.borrow().iter().any(|found| found.severity == Severity::Error)
    }

    /// Everything on record, the problems in the order in which they are best read.
    pub(super) fn finish(self, config: Option<Config>) -> Loaded {
        let mut findings = self.findings.into_inner();
        let (main, garbled) = (self.main, self.garbled.into_inner());
        findings.retain(|found| {
            found.key.is_empty() || !garbled.contains(&(found.file.clone(), found.line))
        });
        findings.sort_by(|a, b| {
            let place = |found: &Finding| {
                let is_main = found.file.as_deref() == main.as_deref();
                (found.file.is_none(), !is_main, found.file.clone(), found.line)
            };
            place(a).cmp(&place(b))
        });
        let usable = findings.iter().all(|finding| finding.severity < Severity::Error);
        Loaded {
            config: config.filter(|_| usable),
            findings,
            sources: self.used.into_inner(),
            folders: self.listed.into_inner(),
        }
    }

    fn file_of(&self, origin: &Origin) -> Option<PathBuf> {
        let main = || self.main.as_ref().filter(|_| origin.variable.is_none());
        origin.file.as_ref().or_else(main).map(|file| file.to_path_buf())
    }
}

/// A key as it may be shown on a terminal.
fn shown_key(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(MAX_SHOWN_KEY).collect()
}

const MAX_SHOWN_KEY: usize = 200;
