//! A fake Citrix Cloud: token service, registry, core, notifications and DaaS, stateful and
//! faithful enough for the official clients, for demonstrations and for a team's own tests.
//!
//! It shares no code with the clients in `upstream`, so that a misunderstanding on one side shows.
//! Every answer carries `Cwsgate-Upstream: simulator`.
//!
//! # Listeners
//!
//! One per region, which serves all services on one base URL: `/cctrustoauth2/{root or
//! customer}/tokens/clients`, the older `/{root or customer}/tokens/clients`, `/cvad/manage/…`,
//! `/cvadapis/…`, `/resourcelocations`, `/{customer}/resourcelocations`,
//! `/{customer}/serviceStates`, `/{customer}/notifications/items`, `/notifications`,
//! `/{customer}/ping`. One more listener has the control API under `/_sim`; `GET /_sim` describes
//! it. With a fixed control port P the regions listen on P+1, P+2, … in the scenario's order, and
//! the server of the StoreFront stores, if there are any, on the port after them.
//!
//! # Time
//!
//! A simulated clock decides when tokens expire, jobs finish and machines are back. It runs with
//! real time, can be pushed forward (`POST /_sim/time`) and stopped.
//!
//! # Scenarios
//!
//! What there is comes from a [`Scenario`]: built in, from a JSON file, or put together in a test.

mod auth;
mod clock;
mod control;
mod daas;
mod errors;
mod faults;
mod http;
mod ids;
mod listeners;
mod log;
mod others;
mod platform;
mod region;
mod route;
mod scenario;
mod settings;
mod simulated;
mod storefront;
#[cfg(test)]
mod tests;
mod token;
mod world;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;
use url::Url;

pub use faults::{FaultMatch, FaultRule, FaultStyle, RateLimit};
pub use scenario::{
    CatalogSpec, CredentialSpec, CustomerSpec, DomainField, GenerateSpec, GroupSpec, LinkForm,
    LocationSpec, MachineSpec, PowerOffSpec, RegionSpec, Scenario, ScenarioError, Secret,
    ServiceStateSpec, SessionCountSpec, SessionSpec, SleepingSiteSpec, StoreMachineSpec,
    StoreMethod, StoreResourceSpec, StoreSpec, StoreUserSpec,
};
pub use settings::{Settings, Transitions, WrongRegion};
pub use simulated::{SimulatedCustomer, SimulatedStore};
pub use storefront::{Document, FailureShape};

use clock::Clock;
use listeners::{Port, Service};
use world::{Mode, RegionInfo, World};

/// How to start a simulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the control API listens; port 0 picks free ports for everything.
    pub listen: SocketAddr,
    /// What there is at first.
    pub scenario: Scenario,
    /// How it behaves at first.
    pub settings: Settings,
    /// The clock stands still and is moved by `POST /_sim/time` only.
    pub frozen_clock: bool,
    /// The simulated time at the start; now when absent.
    pub start_time: Option<Timestamp>,
}

impl Options {
    /// Free ports on loopback.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self { scenario, ..Self::default() }
    }
}

impl Default for Options {
    /// The demo on free ports of loopback.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            scenario: Scenario::demo(),
            settings: Settings::default(),
            frozen_clock: false,
            start_time: None,
        }
    }
}

/// A running simulator; dropping it closes every socket.
pub struct Simulator {
    inner: Arc<Inner>,
    control: Port,
    _stop: DropGuard,
}

impl Simulator {
    /// Binds every listener and begins to answer.
    ///
    /// # Errors
    /// A port cannot be bound (the message names the address), or the scenario is not valid.
    pub async fn start(options: Options) -> io::Result<Self> {
        let scenario = &options.scenario;
        scenario.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let default_regions = [RegionSpec::named("us"), RegionSpec::named("eu")];
        let specs = match scenario.regions.as_slice() {
            [] => &default_regions[..],
            specs => specs,
        };
        let control = listeners::bind(options.listen).await?;
        let control_address = control.local_addr()?;
        let mut bound = Vec::new();
        let mut regions = Vec::new();
        let mut positions = 1_u16..;
        for (spec, position) in specs.iter().zip(&mut positions) {
            let listener = listeners::bind(next_to(options.listen, position)?).await?;
            let address = listener.local_addr()?;
            regions.push(RegionInfo {
                name: spec.name.clone(),
                cloud: spec.cloud.clone(),
                url: format!("http://{}", listeners::reachable(address)),
                mode: Mode::Up,
            });
            bound.push(listener);
        }
        let ports = bound.iter().map(|listener| listener.local_addr().map(Port::new));
        let ports = ports.collect::<io::Result<Vec<_>>>()?;
        let stores = match positions.next() {
            Some(position) if !scenario.stores.is_empty() => {
                Some(listeners::bind(next_to(options.listen, position)?).await?)
            }
            _ => None,
        };
        let store_port = match &stores {
            Some(listener) => Some(Port::new(listener.local_addr()?)),
            None => None,
        };
        let root = CancellationToken::new();
        let world = fresh_world(&options, regions.clone());
        let inner = Arc::new(Inner {
            options,
            regions,
            ports,
            store_port,
            root: root.clone(),
            world: Mutex::new(world),
        });
        for (at, listener) in bound.into_iter().enumerate() {
            let service = Service::Region(Arc::clone(&inner), at);
            inner.ports[at].serve(listener, service, &root).await;
        }
        if let (Some(listener), Some(port)) = (stores, &inner.store_port) {
            port.serve(listener, Service::Stores(Arc::clone(&inner)), &root).await;
        }
        let router = control::router(Arc::clone(&inner));
        let port = Port::new(control_address);
        port.serve(control, Service::Control(router), &root).await;
        Ok(Self { inner, control: port, _stop: root.drop_guard() })
    }

    /// The base URL of the control API, without `/_sim`.
    pub fn url(&self) -> Url {
        local_url(self.control.address)
    }

    /// The base URL of a region, serving every service.
    pub fn region(&self, name: &str) -> Option<Url> {
        let at = self.inner.regions.iter().position(|region| region.name == name)?;
        self.inner.ports.get(at).map(|port| local_url(port.address))
    }

    /// Every region's name and base URL, in the scenario's order.
    pub fn regions(&self) -> Vec<(String, Url)> {
        let urls = self.inner.ports.iter().map(|port| local_url(port.address));
        self.inner.regions.iter().map(|region| region.name.clone()).zip(urls).collect()
    }

    /// Every customer, in the scenario's order.
    pub fn customers(&self) -> Vec<SimulatedCustomer> {
        self.inner.options.scenario.customers.iter().map(SimulatedCustomer::of).collect()
    }

    /// One customer by short name.
    pub fn customer(&self, name: &str) -> Option<SimulatedCustomer> {
        self.customers().into_iter().find(|customer| customer.name == name)
    }

    /// Every store, in the scenario's order.
    pub fn stores(&self) -> Vec<SimulatedStore> {
        let Some(port) = &self.inner.store_port else { return Vec::new() };
        let host = local_url(port.address);
        let specs = self.inner.options.scenario.stores.iter();
        specs.map(|spec| SimulatedStore::of(spec, &host)).collect()
    }

    /// One store by name.
    pub fn store(&self, name: &str) -> Option<SimulatedStore> {
        self.stores().into_iter().find(|store| store.name == name)
    }

    /// Moves the simulated clock.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.inner.with(|world| {
            world.clock.advance(ms);
            world.tick();
        });
    }

    /// Adds a fault rule and returns its id.
    ///
    /// # Errors
    /// Says what is wrong with the rule.
    pub fn add_fault(&self, rule: FaultRule) -> Result<u64, String> {
        self.inner.with(|world| world.faults.add(rule))
    }

    /// Every access token that is good now, for tests that look for leaks of them.
    pub fn live_tokens(&self) -> Vec<SecretString> {
        self.inner.with(|world| world.token_texts().map(SecretString::from).collect())
    }

    /// Every token of a store that is good now, for the same.
    pub fn live_store_tokens(&self) -> Vec<SecretString> {
        self.inner.with(|world| world.store_token_texts().map(SecretString::from).collect())
    }

    /// Calls the control API without a socket: `("PUT", "/_sim/regions/eu", json!({…}))`.
    /// The answer's body is `null` when it is not JSON.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = axum::http::Request::builder().method(method).uri(path).body(body);
        let Ok(request) = request else { return (400, Value::Null) };
        let response = match control::router(Arc::clone(&self.inner)).oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status().as_u16();
        let read = response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
        let value = read.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        (status, value.unwrap_or_default())
    }

    /// Closes every socket and waits until they are closed.
    pub async fn shutdown(self) {
        self.inner.root.cancel();
        self.control.closed().await;
        for port in self.inner.ports.iter().chain(&self.inner.store_port) {
            port.closed().await;
        }
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("control", &self.control.address).finish_non_exhaustive()
    }
}

/// What the listeners share.
#[derive(Debug)]
struct Inner {
    options: Options,
    /// As they were at the start.
    regions: Vec<RegionInfo>,
    ports: Vec<Port>,
    /// The server of the stores, when there are any.
    store_port: Option<Port>,
    root: CancellationToken,
    world: Mutex<World>,
}

impl Inner {
    /// Looks at the world or changes it, after what is due has happened.
    fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        // A panic in a request must not end the simulation for the others.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.tick();
        look(&mut world)
    }

    /// Lets a region go down or come back; false when there is none of this name. The stores'
    /// server is called `storefront`.
    async fn set_mode(self: &Arc<Self>, name: &str, mode: Mode) -> io::Result<bool> {
        if let (Some(port), storefront::LISTENER) = (&self.store_port, name) {
            self.with(|world| world.storefront.mode = mode);
            let service = Service::Stores(Arc::clone(self));
            self.switch(port, service, mode).await?;
            return Ok(true);
        }
        let Some(at) = self.regions.iter().position(|region| region.name == name) else {
            return Ok(false);
        };
        self.with(|world| world.regions[at].mode = mode);
        let service = Service::Region(Arc::clone(self), at);
        self.switch(&self.ports[at], service, mode).await?;
        Ok(true)
    }

    async fn switch(&self, port: &Port, service: Service, mode: Mode) -> io::Result<()> {
        match mode {
            Mode::Refuse => port.refuse().await,
            _ => port.accept(service, &self.root).await,
        }
    }

    /// Back to the beginning.
    async fn reset(self: &Arc<Self>) -> io::Result<()> {
        let world = fresh_world(&self.options, self.regions.clone());
        *self.world.lock().unwrap_or_else(PoisonError::into_inner) = world;
        for region in &self.regions {
            self.set_mode(&region.name, Mode::Up).await?;
        }
        self.set_mode(storefront::LISTENER, Mode::Up).await?;
        Ok(())
    }
}

/// The port `position` after the control API's, or a free one.
fn next_to(listen: SocketAddr, position: u16) -> io::Result<SocketAddr> {
    let port = match listen.port() {
        0 => 0,
        fixed => fixed.checked_add(position).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "no port is left for the regions")
        })?,
    };
    Ok(SocketAddr::new(listen.ip(), port))
}

fn fresh_world(options: &Options, regions: Vec<RegionInfo>) -> World {
    let start = options.start_time.unwrap_or_else(Timestamp::now);
    let clock = Clock::starting_at(start, options.frozen_clock);
    World::new(&options.scenario, regions, clock, options.settings.clone())
}

fn local_url(address: SocketAddr) -> Url {
    let text = format!("http://{}/", listeners::reachable(address));
    Url::parse(&text).expect("a socket address makes a valid URL")
}
