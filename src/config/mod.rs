//! Configuration: one TOML file, what it includes, and `CWSGATE_` variables over both.
//!
//! Plain data for the other rooms: a room's constructor takes its own section, never the whole
//! [`Config`]. Reading happens in one pass that collects every problem with file, line and key
//! ([`Finding`]), so that `cwsgate check` reports them all at once and never echoes a value.
//! Problems in server, regions, apps and grants stop the start; a problem inside one customer
//! makes that customer [`Misconfigured`] and leaves the others alone.

mod address;
mod apps;
mod context;
mod customers;
mod document;
mod environment;
mod file;
mod finding;
mod fingerprint;
mod includes;
mod issuers;
mod layers;
mod load;
mod network;
mod quantity;
mod reader;
mod regions;
mod resilience;
mod schema;
mod secrets;
mod server;
mod source;
mod stores;
#[cfg(test)]
mod tests;
mod tls;
mod upstream;
mod variables;

use std::collections::BTreeMap;

pub use apps::{
    App, AppLimits, CustomerSelector, Grant, KeyHash, SiteSelector, StoreSelector, Subject,
};
pub use customers::{ClientSecret, Customer, Misconfigured};
pub use environment::Environment;
pub use finding::{Finding, Severity};
pub use issuers::{Algorithm, Issuer};
pub use load::{LoadOptions, Loaded};
pub use network::Network;
pub use regions::{Region, TokenForm};
pub use resilience::{
    BreakerSettings, CooldownSettings, ResilienceSettings, RetrySettings, SlotSettings,
};
pub use server::{Admin, Audit, Cache, Database, Log, LogFormat, Operations, Server};
pub use source::{Look, Source};
pub use stores::{Store, StoreAccount, StoreAuth};
pub use tls::Tls;
pub use upstream::{TokenSettings, UpstreamSettings};

use crate::domain::{AppName, CustomerName, RegionName, StoreName};

/// Everything the gateway was told, checked and with secrets resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// The public listener.
    pub server: Server,
    /// The listener for probes, metrics and the admin API.
    pub admin: Admin,
    /// What is logged, and how.
    pub log: Log,
    /// The durable store.
    pub database: Database,
    /// Durable bulk operations.
    pub operations: Operations,
    /// The audit trail.
    pub audit: Audit,
    /// The response cache.
    pub cache: Cache,
    /// Bounds and timings of calls to Citrix.
    pub upstream: UpstreamSettings,
    /// Control planes by name: built-in ones and those of the file.
    pub regions: BTreeMap<RegionName, Region>,
    /// Customers that can be served.
    pub customers: BTreeMap<CustomerName, Customer>,
    /// Customers that cannot, and why.
    pub misconfigured: BTreeMap<CustomerName, Misconfigured>,
    /// StoreFront stores that can be used.
    pub stores: BTreeMap<StoreName, Store>,
    /// Identity providers by name.
    pub issuers: BTreeMap<String, Issuer>,
    /// Callers by name.
    pub apps: BTreeMap<AppName, App>,
}
