//! A changed configuration, taken over while the gateway serves.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Current, Shared, generation::Generation, report_findings};
use crate::{
    api::{Ask, Attempt, Control, ReloadState, Trigger},
    config::{Config, Finding, Look, Source},
    server::{Limits, Server, Tls},
};

/// Replaces the generation when its configuration changes: at the wish of an operator, or because
/// a file is not what it was. What cannot be taken over changes nothing and is said loudly.
#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) source: Arc<Mutex<Source>>,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) target: Target,
}

/// What a reload changes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) shared: Shared,
    pub(super) current: Current,
    pub(super) control: Control,
    pub(super) public: Server,
    pub(super) admin: Server,
    pub(super) tls: Option<Tls>,
    /// What the process was started with: some of it stays in force until the next start.
    pub(super) started: Arc<Config>,
}

impl Reloader {
    /// Watches until `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let work = async {
            let mut pause = LOOK_EVERY;
            loop {
                tokio::select! {
                    Some(ask) = self.asks.recv() => {
                        self.reload(ask.trigger).await;
                        // An error means that nobody waits any more.
                        let _ = ask.done.send(());
                    }
                    () = sleep(pause) => {
                        let began = Instant::now();
                        let has_changed = self.has_changed().await;
                        // Thousands of files are looked at less often.
                        pause = (began.elapsed() * 50).clamp(LOOK_EVERY, LOOK_AT_LEAST_EVERY);
                        if has_changed {
                            self.reload(Trigger::FileChange).await;
                        }
                    }
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    /// Whether something has changed, and is not just being written: half a file may well be a
    /// configuration, with half of the callers.
    async fn has_changed(&self) -> bool {
        let Some(mut look) = self.look().await.filter(Look::is_news) else { return false };
        for _ in 0..MAX_LOOKS {
            sleep(SETTLE).await;
            match self.look().await {
                Some(next) if next != look => look = next,
                _ => break,
            }
        }
        true
    }

    async fn look(&self) -> Option<Look> {
        let source = Arc::clone(&self.source);
        blocking(move || source.lock().unwrap_or_else(PoisonError::into_inner).look()).await
    }

    async fn reload(&self, trigger: Trigger) {
        let (source, target) = (Arc::clone(&self.source), self.target.clone());
        let done = blocking(move || {
            let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
            target.reload(&mut source, trigger);
        });
        if done.await.is_none() {
            tracing::error!("the reload broke down; the configuration in force stays");
            self.target.shared.metrics.config_reloaded(false);
        }
    }
}

impl Target {
    /// Reads the configuration and takes it over, all or nothing but for broken customers. Blocks.
    fn reload(&self, source: &mut Source, trigger: Trigger) {
        let now = self.shared.clock.now();
        let loaded = source.read(now);
        report_findings(&loaded.findings);
        let attempt = |failure: Option<String>, findings: Vec<Finding>| Attempt {
            at: now,
            trigger,
            failure,
            findings,
        };
        let before = self.control.reload_state();
        let taken_over = match loaded.config {
            None => Err("the configuration has errors".to_owned()),
            Some(config) => self.take_over(config),
        };
        let state = match taken_over {
            Ok(needs_restart) => {
                for key in &needs_restart {
                    tracing::warn!(key, "this change needs a restart; the rest is in force");
                }
                ReloadState {
                    generation: before.generation + 1,
                    since: now,
                    needs_restart,
                    last: attempt(None, loaded.findings),
                }
            }
            Err(failure) => {
                tracing::error!(
                    trigger = trigger.as_str(),
                    failure,
                    "configuration not reloaded: the one in force stays"
                );
                let last = attempt(Some(failure), loaded.findings);
                ReloadState { last, ..ReloadState::clone(&before) }
            }
        };
        self.shared.metrics.config_reloaded(state.last.failure.is_none());
        if state.last.failure.is_none() {
            tracing::info!(
                trigger = trigger.as_str(),
                generation = state.generation,
                "configuration reloaded"
            );
        }
        self.control.reloaded(state);
    }

    /// Puts a generation of this configuration into force. The keys that need a restart.
    fn take_over(&self, config: Config) -> Result<Vec<&'static str>, String> {
        let before = self.current.load_full();
        let needs_restart = self.started.needs_restart(&config);
        if !before.asks_alike(&config) {
            tracing::warn!("regions or upstream settings changed: all tokens are asked for anew");
        }
        let limits = Limits::from(&config.server);
        let certificate = config.server.tls.clone();
        let next = Generation::build(config, &self.shared, &self.control, Some(&before))
            .map_err(|error| error.to_string())?;

        // From here on nothing can fail.
        if let (Some(tls), Some(certificate)) = (&self.tls, certificate)
            && !before.config.server.tls.as_ref().is_some_and(|tls| tls.is(&certificate))
        {
            tls.replace(certificate.certified);
            tracing::info!("new connections get the new certificate");
        }
        self.admin.set_limits(limits.clone().for_admin());
        self.public.set_limits(limits);
        self.current.store(Arc::new(next));
        Ok(needs_restart)
    }
}

/// Runs work that blocks; `None` when it panicked.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(3);

/// For how long files must stay as they are after a change, and how often that is tried.
const SETTLE: Duration = Duration::from_millis(200);
const MAX_LOOKS: usize = 5;
