use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};

/// What files and folders held when they were looked at. Goes by content, so that renames over a
/// file, symbolic links that move and clocks that stand still are all the same to it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Fingerprint(BTreeMap<PathBuf, [u8; 32]>);

impl Fingerprint {
    /// Looks at every path. Blocks; opens nothing but plain files.
    pub(super) fn of(paths: &BTreeSet<PathBuf>) -> Self {
        Self(paths.iter().map(|path| (path.clone(), look(path))).collect())
    }

    /// The same without other paths than these.
    pub(super) fn only(mut self, paths: &BTreeSet<PathBuf>) -> Self {
        self.0.retain(|path, _| paths.contains(path));
        self
    }
}

/// A digest of what is there, or of why it cannot be read.
fn look(path: &Path) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    if let Err(error) = absorb(path, &mut digest) {
        digest.update(b"error");
        digest.update(error.kind().to_string().as_bytes());
    }
    let mut value = [0; 32];
    value.copy_from_slice(digest.finish().as_ref());
    value
}

fn absorb(path: &Path, digest: &mut Context) -> io::Result<()> {
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        digest.update(b"folder");
        let names = path.read_dir()?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            let name = name.as_encoded_bytes();
            digest.update(&(name.len() as u64).to_be_bytes());
            digest.update(name);
        }
    } else if metadata.is_file() {
        digest.update(b"file");
        let mut file = File::open(path)?.take(LIMIT);
        let mut buffer = zeroize::Zeroizing::new([0; 8 * 1024]);
        loop {
            match file.read(buffer.as_mut())? {
                0 => break,
                read => digest.update(&buffer[..read]),
            }
        }
    } else {
        digest.update(b"neither");
    }
    Ok(())
}

/// Bytes of a file that are looked at: larger ones are no configuration.
const LIMIT: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            fs::write(folder.path("a"), "one").unwrap();
            folder
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn print(&self) -> Fingerprint {
            let paths = [self.path("a"), self.path("b"), self.path("")];
            Fingerprint::of(&paths.into_iter().collect())
        }
    }

    #[test]
    fn what_is_the_same_has_the_same_fingerprint() {
        let folder = Folder::new();
        let before = folder.print();
        assert_eq!(before, folder.print());
        // Written anew with the same content.
        fs::write(folder.path("a"), "one").unwrap();
        assert_eq!(before, folder.print());
    }

    #[test]
    fn every_change_shows() {
        let folder = Folder::new();
        let mut seen = vec![folder.print()];
        let changes: [&dyn Fn(); 6] = [
            &|| fs::write(folder.path("a"), "two").unwrap(),
            &|| fs::write(folder.path("b"), "").unwrap(),
            // Another name in the folder.
            &|| fs::write(folder.path("c"), "").unwrap(),
            // A rename over a file.
            &|| fs::rename(folder.path("c"), folder.path("a")).unwrap(),
            &|| fs::remove_file(folder.path("a")).unwrap(),
            &|| fs::create_dir(folder.path("a")).unwrap(),
        ];
        for (index, change) in changes.iter().enumerate() {
            change();
            let now = folder.print();
            assert!(!seen.contains(&now), "change {index} does not show");
            seen.push(now);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_that_moves_shows() {
        use std::os::unix::fs::symlink;
        let folder = Folder::new();
        fs::create_dir(folder.path("v1")).unwrap();
        fs::create_dir(folder.path("v2")).unwrap();
        fs::write(folder.path("v1/x"), "one").unwrap();
        fs::write(folder.path("v2/x"), "two").unwrap();
        symlink(folder.path("v1"), folder.path("data")).unwrap();
        let look = || Fingerprint::of(&[folder.path("data/x")].into_iter().collect());
        let before = look();
        // As Kubernetes does with mounted secrets.
        symlink(folder.path("v2"), folder.path("next")).unwrap();
        fs::rename(folder.path("next"), folder.path("data")).unwrap();
        assert_ne!(before, look());
    }
}
