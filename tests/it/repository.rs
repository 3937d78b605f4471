//! The files of the repository, for the tests that read them.

use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text files with their paths from the root, in order.
pub(crate) fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for file in files(root()) {
        // What is not UTF-8 is no text.
        if let Ok(text) = fs::read_to_string(&file) {
            let name = file.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            texts.push((name, text));
        }
    }
    assert!(texts.iter().any(|(name, _)| name == "Cargo.toml"), "the repository is somewhere else");
    texts
}

fn files(folder: &Path) -> Vec<PathBuf> {
    // Nobody wrote these, and `.env` is a developer's own. A build folder of another name holds
    // what cargo keeps of the compiler; the mark of a cache it sets only on a folder that it made.
    let skipped = [".git", "node_modules", ".env", "target"];
    if folder.join(".rustc_info.json").exists() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if skipped.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
