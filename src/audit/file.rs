use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{
    fs::{File, OpenOptions},
    io::AsyncWriteExt,
    sync::mpsc,
};

use super::Entry;

/// Appends entries to a file, one JSON object a line. The file is opened anew when somebody has
/// moved it away, as log rotation does.
#[derive(Debug)]
pub(super) struct Lines(mpsc::Sender<String>);

impl Lines {
    pub(super) fn start(path: PathBuf) -> Self {
        let (sender, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(write(path, waiting));
        Self(sender)
    }

    pub(super) fn append(&self, entry: &Entry) {
        let Ok(mut line) = serde_json::to_string(entry) else { return };
        line.push('\n');
        if self.0.try_send(line).is_err() {
            tracing::error!(
                cwsgate.audit.id = entry.id,
                "the audit file is too slow: an entry is in the database only"
            );
        }
    }
}

async fn write(path: PathBuf, mut waiting: mpsc::Receiver<String>) {
    let mut open: Option<File> = None;
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let lines = batch.concat();
        let count = batch.len();
        batch.clear();
        if let Err(error) = append(&path, &mut open, &lines).await {
            open = None;
            tracing::error!(
                %error,
                path = %path.display(),
                entries = count,
                "the audit file cannot be written: entries are in the database only"
            );
        }
    }
}

async fn append(path: &Path, open: &mut Option<File>, lines: &str) -> io::Result<()> {
    let mut file = match open.take() {
        Some(file) if still_there(path, &file).await => file,
        _ => {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            options.mode(0o600);
            options.open(path).await?
        }
    };
    file.write_all(lines.as_bytes()).await?;
    file.flush().await?;
    *open = Some(file);
    Ok(())
}

/// Whether the path still leads to the open file.
async fn still_there(path: &Path, file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (Ok(here), Ok(there)) = (file.metadata().await, tokio::fs::metadata(path).await) else {
            return false;
        };
        (here.dev(), here.ino()) == (there.dev(), there.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        tokio::fs::try_exists(path).await.unwrap_or(false)
    }
}

/// Entries that may wait to be written.
const MAX_WAITING: usize = 4_096;

/// Entries that are written at once.
const MAX_BATCH: usize = 256;
