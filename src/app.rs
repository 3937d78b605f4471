//! Composition root: builds every long-lived part from the configuration, binds both listeners,
//! and owns start and end of the process.
//!
//! [`Shared`] is what lives as long as the process; a [`Generation`] is
//! everything that one reading of the configuration makes, and is replaced as a whole.

mod current;
mod doctor;
mod error;
mod generation;
mod listener;
mod observer;
mod reload;
mod secret;
mod shared;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
pub use doctor::{Checkup, Step, Trouble, diagnose};
pub use error::Error;
use futures_util::future::OptionFuture;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use self::{
    current::{Current, Routes},
    generation::Generation,
    listener::{Listener, refused},
    reload::{Reloader, Target},
    shared::Shared,
};
use crate::{
    api::{Ask, Attempt, Control, ReloadState, Trigger},
    config::{Config, Finding, Severity, Source},
    server::{Limits, Server, Tls},
    services::DropInPath,
    telemetry::Metrics,
};

/// A gateway that is ready to run: its listeners are bound, and nothing is served yet.
#[derive(Debug)]
pub struct App {
    public: Listener,
    admin: Listener,
    tls: Option<Tls>,
    shared: Shared,
    current: Current,
    control: Control,
    asks: mpsc::Receiver<Ask>,
    source: Option<Source>,
}

/// Choices that are made on the command line and not in the configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Let callers in that present no credential, as an app that may do everything.
    pub unsafe_allow_anonymous: bool,
}

/// Where a gateway listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// The public listener.
    pub gateway: SocketAddr,
    /// The listener for probes, metrics and the admin API.
    pub admin: SocketAddr,
    /// Whether the public listener speaks TLS.
    pub tls: bool,
}

impl Addresses {
    /// Base of the API, without a slash at its end.
    pub fn gateway_url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.gateway)
    }

    /// Base of probes, metrics and the admin API, without a slash at its end.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }
}

impl App {
    /// Builds every part and binds both listeners. Asks nothing of Citrix.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn build(config: Config, options: &Options) -> Result<Self, Error> {
        let shared = Shared::open(options, &config).await?;
        let limits = Limits::from(&config.server);
        let (listen, admin_listen) = (config.server.listen, config.admin.listen);

        let admin = Server::new(limits.clone().for_admin(), Arc::new(refused), Metrics::new());
        let admin = Listener::bind(admin_listen, admin)?;
        let tls = config.server.tls.as_ref().map(|tls| Tls::new(Arc::clone(&tls.certified)));
        let now = shared.clock.now();
        let (control, asks) = Control::new(ReloadState {
            generation: 1,
            since: now,
            needs_restart: Vec::new(),
            last: Attempt { at: now, trigger: Trigger::Start, failure: None, findings: Vec::new() },
        });
        let generation = Generation::build(config, &shared, &control, None)?;
        let mut public = Server::new(limits, Arc::new(refused), shared.metrics.clone())
            .with_final_slash(|path| path == "/docs/" || DropInPath::may_end_in_slash(path));
        if let Some(tls) = &tls {
            public = public.with_tls(tls.clone());
        }
        let public = Listener::bind(listen, public)?;
        let current = Arc::new(ArcSwap::from_pointee(generation));
        Ok(Self { public, admin, tls, shared, current, control, asks, source: None })
    }

    /// Takes over what changes in the files of the configuration while the gateway runs. `findings`
    /// is what was said when it was read from there.
    #[must_use]
    pub fn reloading(mut self, source: Source, findings: Vec<Finding>) -> Self {
        let state = ReloadState::clone(&self.control.reload_state());
        let last = Attempt { findings, ..state.last.clone() };
        self.control.reloaded(ReloadState { last, ..state });
        self.source = Some(source);
        self
    }

    /// How the running gateway is told to reload or drain.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Where the gateway listens.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            gateway: self.public.socket.local_addr()?,
            admin: self.admin.socket.local_addr()?,
            tls: self.tls.is_some(),
        })
    }

    /// Serves until `shutdown` is cancelled, then drains: first it is seen as not ready, so that
    /// no load balancer sends more, then it stops accepting and finishes what is in flight.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { public, admin, tls, shared, current, control, asks, source } = self;
        let lifecycle = &shared.lifecycle;
        let stop_reloading = CancellationToken::new();
        let reloading = source.map(|source| {
            let reloader = Reloader {
                source: Arc::new(Mutex::new(source)),
                asks,
                target: Target {
                    shared: shared.clone(),
                    current: Arc::clone(&current),
                    control: control.clone(),
                    public: public.server.clone(),
                    admin: admin.server.clone(),
                    tls,
                    started: Arc::new(current.load().config.clone()),
                },
            };
            tokio::spawn(reloader.run(stop_reloading.clone()))
        });
        let (close_public, close_admin) = (CancellationToken::new(), CancellationToken::new());
        let probes = tokio::spawn({
            let (routes, close) = (Routes::admin(&current), close_admin.clone());
            async move { admin.server.serve(admin.socket, routes, close).await }
        });
        lifecycle.started();
        let stop_operations = CancellationToken::new();
        let operations = tokio::spawn({
            let current = Arc::clone(&current);
            let patience = move || current.load().config.server.drain_timeout;
            shared.operations.clone().run(stop_operations.clone(), patience)
        });
        let routes = Routes::public(&current);
        let serving = public.server.serve(public.socket, routes, close_public.clone());
        let draining = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = control.drain().cancelled() => {}
            }
            lifecycle.draining();
            public.server.send_away();
            let (delay, patience) = {
                let server = &current.load().config.server;
                (server.drain_delay, server.drain_timeout)
            };
            stop_operations.cancel();
            tracing::info!(delay_ms = millis(delay), "draining");
            tokio::time::sleep(delay).await;
            close_public.cancel();
            Instant::now() + patience
        };
        let (drained, until) = tokio::join!(serving, draining);
        // Callers may have gone; what they began is finished and recorded.
        shared.changes.close();
        if timeout_at(until, shared.changes.wait()).await.is_err() {
            let changes = shared.changes.len();
            tracing::warn!(changes, "changes were left under way: their outcome is not known");
        }
        tracing::info!(finished = drained.finished, aborted = drained.aborted, "drained");
        if let Err(error) = operations.await {
            tracing::error!(%error, "operations broke down");
        }
        // The probes answer until the end, so that the drain can be watched.
        close_admin.cancel();
        stop_reloading.cancel();
        if let Err(error) = probes.await {
            tracing::error!(%error, "the admin listener broke down");
        }
        if let Some(Err(error)) = OptionFuture::from(reloading).await {
            tracing::error!(%error, "the watch over the configuration broke down");
        }
        shared.db.close().await;
    }
}

/// Puts what is wrong or doubtful in a configuration on the log.
pub fn report_findings(findings: &[Finding]) {
    for finding in findings {
        match finding.severity {
            Severity::Warning => tracing::warn!(%finding, "configuration"),
            Severity::Customer | Severity::Error => tracing::error!(%finding, "configuration"),
        }
    }
}

/// Whole milliseconds, as a number that every log format knows.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
