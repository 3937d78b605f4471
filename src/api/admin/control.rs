use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::Finding;

/// How the process is told to reload or drain, and what it says of its configuration. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Control {
    asks: mpsc::Sender<Ask>,
    reload: Arc<ArcSwap<ReloadState>>,
    drain: CancellationToken,
}

/// A wish for a reload.
#[derive(Debug)]
pub struct Ask {
    /// Where it comes from.
    pub trigger: Trigger,
    /// Told when the reload has ended, well or not.
    pub done: oneshot::Sender<()>,
}

/// What there is to know about the configuration that is in force.
#[derive(Clone, Debug)]
pub struct ReloadState {
    /// Counts the configurations of this process, from 1.
    pub generation: u64,
    /// Since when this one has been in force.
    pub since: Timestamp,
    /// Keys that differ from the configuration in force and need a restart.
    pub needs_restart: Vec<&'static str>,
    /// The last reading of the configuration, the one at the start included.
    pub last: Attempt,
}

/// One reading of the configuration.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub trigger: Trigger,
    /// Why it was not taken over, where it was not.
    pub failure: Option<String>,
    /// What is wrong or doubtful in it.
    pub findings: Vec<Finding>,
}

/// Why the configuration was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trigger {
    /// The process started.
    Start,
    /// A file changed.
    FileChange,
    /// SIGHUP.
    Signal,
    /// The admin API.
    Admin,
}

impl Control {
    /// A control of a process that has just read its configuration, and what is asked through it.
    /// Dropping the receiver says that nothing can be reloaded.
    pub fn new(state: ReloadState) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(QUEUE);
        let reload = Arc::new(ArcSwap::from_pointee(state));
        (Self { asks, reload, drain: CancellationToken::new() }, asked)
    }

    /// Reads the configuration again and waits until that is done. `None` when this process has
    /// no file to read.
    pub async fn reload(&self, trigger: Trigger) -> Option<Arc<ReloadState>> {
        let (done, ended) = oneshot::channel();
        self.asks.send(Ask { trigger, done }).await.ok()?;
        ended.await.ok()?;
        Some(self.reload_state())
    }

    /// What is known of the configuration in force.
    pub fn reload_state(&self) -> Arc<ReloadState> {
        self.reload.load_full()
    }

    /// Takes note of a reading of the configuration.
    pub fn reloaded(&self, state: ReloadState) {
        self.reload.store(Arc::new(state));
    }

    /// Cancelled when somebody wants the process to drain and end.
    pub fn drain(&self) -> &CancellationToken {
        &self.drain
    }
}

impl Trigger {
    /// The word for it in logs and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::FileChange => "file-change",
            Self::Signal => "signal",
            Self::Admin => "admin",
        }
    }
}

/// Wishes that may wait: one reload fulfils all that came before it began, but each is answered.
const QUEUE: usize = 16;
