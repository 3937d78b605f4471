//! Composition root: builds every long-lived part from the configuration, binds both listeners,
//! and owns start and end of the process.
//!
//! [`Shared`] is what lives as long as the process; a [`Generation`](generation::Generation) is
//! everything that one reading of the configuration makes, and is replaced as a whole.

mod current;
mod doctor;
mod error;
mod generation;
mod listener;
mod observer;
mod secret;
mod shared;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
pub use doctor::{Checkup, Step, Trouble, diagnose};
pub use error::Error;
use tokio_util::sync::CancellationToken;

use self::{
    current::{Current, Routes},
    generation::Generation,
    listener::{Listener, refused},
    shared::Shared,
};
use crate::{
    config::Config,
    db::Db,
    server::{Limits, Server},
    telemetry::Metrics,
};

/// A gateway that is ready to run: its listeners are bound, and nothing is served yet.
#[derive(Debug)]
pub struct App {
    public: Listener,
    admin: Listener,
    shared: Shared,
    current: Current,
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
}

impl App {
    /// Builds every part and binds both listeners. Asks nothing of Citrix.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn build(config: Config, options: &Options) -> Result<Self, Error> {
        let db = Db::open(&config.database).await?;
        let shared = Shared::new(options, db, &config);
        let limits = Limits::from(&config.server);
        let (listen, admin_listen) = (config.server.listen, config.admin.listen);

        let admin = Server::new(limits.clone().for_admin(), Arc::new(refused), Metrics::new());
        let admin = Listener::bind(admin_listen, admin).await?;
        let generation = Generation::build(config, &shared, None)?;
        let public = Server::new(limits, Arc::new(refused), shared.metrics.clone())
            .with_final_slash(|path| path == "/docs/");
        let public = Listener::bind(listen, public).await?;
        let current = Arc::new(ArcSwap::from_pointee(generation));
        Ok(Self { public, admin, shared, current })
    }

    /// Where the gateway listens.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            gateway: self.public.socket.local_addr()?,
            admin: self.admin.socket.local_addr()?,
        })
    }

    /// Serves until `shutdown` is cancelled, then drains: first it is seen as not ready, so that
    /// no load balancer sends more, then it stops accepting and finishes what is in flight.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { public, admin, shared, current } = self;
        let lifecycle = &shared.lifecycle;
        let (close_public, close_admin) = (CancellationToken::new(), CancellationToken::new());
        let probes = tokio::spawn({
            let (routes, close) = (Routes::admin(&current), close_admin.clone());
            async move { admin.server.serve(admin.socket, routes, close).await }
        });
        lifecycle.started();
        let operations = tokio::spawn({
            let patience = current.load().config.server.drain_timeout;
            shared.operations.clone().run(shutdown.clone(), patience)
        });
        let routes = Routes::public(&current);
        let serving = public.server.serve(public.socket, routes, close_public.clone());
        let draining = async {
            shutdown.cancelled().await;
            lifecycle.draining();
            let delay = current.load().config.server.drain_delay;
            tracing::info!(delay_ms = millis(delay), "draining");
            tokio::time::sleep(delay).await;
            close_public.cancel();
        };
        let (drained, ()) = tokio::join!(serving, draining);
        tracing::info!(finished = drained.finished, aborted = drained.aborted, "drained");
        if let Err(error) = operations.await {
            tracing::error!(%error, "operations broke down");
        }
        // The probes answer until the end, so that the drain can be watched.
        close_admin.cancel();
        if let Err(error) = probes.await {
            tracing::error!(%error, "the admin listener broke down");
        }
    }
}

/// Whole milliseconds, as a number that every log format knows.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
