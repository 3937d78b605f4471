//! Composition root: builds every long-lived part from the configuration, binds both listeners,
//! and owns start and end of the process.

mod doctor;

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use axum::response::Response;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
pub use doctor::{Checkup, Step, Trouble, diagnose};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{self, ApiState, Deadlines, Lifecycle},
    auth::{Authenticator, Policy},
    config::{App as Caller, Config, CustomerSelector, Grant, StoreSelector},
    domain::{Action, AppName, Clock, CustomerName, ProblemCode, SystemClock},
    net,
    server::{Limits, Refusal, Server},
    services::{Core, CoreParts, Directory, ReadCache, Services},
    telemetry::Metrics,
    upstream::{ObservedCall, Observer, Service, Upstream},
};

/// A gateway that is ready to run: its listeners are bound, and nothing is served yet.
#[derive(Debug)]
pub struct App {
    public: Listener,
    admin: Listener,
    lifecycle: Lifecycle,
    drain_delay: Duration,
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

/// Why a gateway could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {}", bind_hint(source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The root secret could not be read or made.
    #[error(
        "cannot read or make the gateway's secret at {}: {source}; \
         set server.secret, or let the gateway write beside its database",
        path.display()
    )]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The way to Citrix could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(#[from] net::Error),
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    server: Server,
    routes: axum::Router,
}

impl App {
    /// Builds every part and binds both listeners. Asks nothing of Citrix.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn build(config: Config, options: &Options) -> Result<Self, Error> {
        let metrics = Metrics::new();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let lifecycle = Lifecycle::default();
        let limits = Limits::from(&config.server);
        let drain_delay = config.server.drain_delay;
        let (listen, admin_listen) = (config.server.listen, config.admin.listen);

        let probes = api::probes(lifecycle.clone(), metrics.clone());
        let admin = Listener {
            socket: bind(admin_listen).await?,
            server: Server::new(limits.clone().for_admin(), Arc::new(refused), Metrics::new()),
            routes: probes,
        };
        let state = state(config, options, metrics.clone(), clock)?;
        let public = Listener {
            socket: bind(listen).await?,
            server: Server::new(limits, Arc::new(refused), metrics)
                .with_final_slash(|path| path == "/docs/"),
            routes: api::router(state),
        };
        Ok(Self { public, admin, lifecycle, drain_delay })
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
        let Self { public, admin, lifecycle, drain_delay } = self;
        let (close_public, close_admin) = (CancellationToken::new(), CancellationToken::new());
        let probes = tokio::spawn({
            let close = close_admin.clone();
            async move { admin.server.serve(admin.socket, admin.routes, close).await }
        });
        lifecycle.started();
        let serving = public.server.serve(public.socket, public.routes, close_public.clone());
        let draining = async {
            shutdown.cancelled().await;
            lifecycle.draining();
            tracing::info!(delay_ms = millis(drain_delay), "draining");
            tokio::time::sleep(drain_delay).await;
            close_public.cancel();
        };
        let (drained, ()) = tokio::join!(serving, draining);
        tracing::info!(finished = drained.finished, aborted = drained.aborted, "drained");
        // The probes answer until the end, so that the drain can be watched.
        close_admin.cancel();
        if let Err(error) = probes.await {
            tracing::error!(%error, "the admin listener broke down");
        }
    }
}

fn state(
    config: Config,
    options: &Options,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
) -> Result<ApiState, Error> {
    let observer = Arc::new(UpstreamMetrics(metrics.clone()));
    let upstream = Upstream::new(&config.regions, &config.upstream, Arc::clone(&clock), observer)?;
    let secret = root_secret(&config)?;

    let mut apps = config.apps;
    let anonymous = options.unsafe_allow_anonymous.then(|| {
        let app = all_powerful(ANONYMOUS);
        let name = app.name.clone();
        apps.insert(name.clone(), app);
        name
    });
    let authenticator = Authenticator::new(apps.values(), anonymous, Arc::clone(&clock));
    let core = Arc::new(Core::new(CoreParts {
        directory: Directory::new(config.regions, config.customers, config.misconfigured),
        stores: config.stores,
        policy: Policy::new(apps.values()),
        upstream,
        clock: Arc::clone(&clock),
        secret,
        previous_secret: config.server.previous_secret,
        max_fanout: config.upstream.max_fanout,
        cache: ReadCache::new(config.cache, Arc::clone(&clock), metrics.clone()),
    }));
    Ok(ApiState {
        services: Services::new(&core),
        authenticator: Arc::new(authenticator),
        metrics,
        clock,
        deadlines: Deadlines {
            default: config.server.default_deadline,
            action: config.server.action_deadline,
            max: config.server.max_deadline,
        },
    })
}

/// An app that may do everything.
fn all_powerful(name: &str) -> Caller {
    Caller {
        name: AppName::try_from(name).expect("the name is letters only"),
        keys: Vec::new(),
        subject: None,
        grants: vec![Grant {
            actions: Action::ALL.into_iter().collect(),
            customers: vec![CustomerSelector::All],
            sites: None,
            stores: vec![StoreSelector::All],
            require_reason: false,
        }],
    }
}

/// The root of page-token and token-signing keys: as configured, else made once beside the
/// database.
fn root_secret(config: &Config) -> Result<SecretString, Error> {
    match (&config.server.secret, &config.database.sqlite_path) {
        (Some(secret), _) => Ok(secret.clone()),
        (None, Some(database)) => {
            let path = database.with_extension("secret");
            read_or_make(&path).map_err(|source| Error::Secret { path, source })
        }
        // Without a place to keep it, it lasts as long as the process.
        (None, None) => random_secret()
            .map_err(|source| Error::Secret { path: PathBuf::from("server.secret"), source }),
    }
}

fn read_or_make(path: &Path) -> io::Result<SecretString> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => Ok(SecretString::from(text.trim().to_owned())),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = random_secret()?;
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            file.write_all(secret.expose_secret().as_bytes())?;
            file.sync_all()?;
            Ok(secret)
        }
        Err(error) => Err(error),
    }
}

fn random_secret() -> io::Result<SecretString> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the system gives no randomness"))?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })
}

fn bind_hint(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is taken; stop what listens there, or choose another".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "this user may not use the port; choose one above 1023".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => error.to_string(),
    }
}

/// What the server turned away, as a problem document.
fn refused(refusal: Refusal) -> Response {
    let (code, detail) = match refusal {
        Refusal::BadRequest(reason) => (ProblemCode::InvalidRequest, reason),
        Refusal::MethodNotAllowed => {
            (ProblemCode::MethodNotAllowed, "no path here knows this method")
        }
        Refusal::UriTooLong => (ProblemCode::UriTooLong, "the request target is too long"),
        Refusal::HeadersTooLarge => {
            (ProblemCode::HeadersTooLarge, "the header fields are too many or too long")
        }
        Refusal::PayloadTooLarge => {
            (ProblemCode::PayloadTooLarge, "the body is longer than this gateway takes")
        }
    };
    api::refuse(code, detail)
}

/// Counts what is asked of Citrix.
#[derive(Debug)]
struct UpstreamMetrics(Metrics);

impl Observer for UpstreamMetrics {
    fn call_ended(&self, call: &ObservedCall<'_>) {
        let region = call.place.name();
        if call.service == Service::Token {
            self.0.record_token_mint(region, call.outcome);
        }
        self.0.record_upstream(call.service.as_str(), region, call.outcome, call.duration);
        tracing::debug!(
            duration_ms = millis(call.duration),
            cwsgate.upstream.service = call.service.as_str(),
            cwsgate.upstream.operation = call.operation,
            cwsgate.region = region,
            cwsgate.customer = call.customer.map(CustomerName::as_str),
            http.response.status_code = call.status,
            outcome = call.outcome,
            "upstream call"
        );
    }
}

/// Whole milliseconds, as a number that every log format knows.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The app of callers without a credential, where those are let in.
const ANONYMOUS: &str = "anonymous";
