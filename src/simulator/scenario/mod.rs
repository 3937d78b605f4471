//! The world that a simulator begins with.
//!
//! [`Scenario::demo`] is built in. A team's own is a JSON file (`--scenario FILE`), the same
//! structs in `camelCase`; only what differs from the defaults needs to be written:
//!
//! ```json
//! {
//!   "regions": [ { "name": "us" }, { "name": "eu" } ],
//!   "customers": [ {
//!     "name": "acme", "id": "abcd1024xyz", "region": "us",
//!     "clientId": "acme-client", "clientSecret": "not-so-secret==",
//!     "resourceLocations": [ { "name": "London" } ],
//!     "serviceStates": [ { "serviceName": "xendesktop", "state": "Production" } ],
//!     "catalogs": [ {
//!       "name": "Win11-Pool",
//!       "machines": [
//!         { "name": "LAB\\KESTREL" },
//!         { "name": "LAB\\EAGLE", "supportedPowerActions": [] },
//!         { "name": "LAB\\OSPREY", "sessions": [ { "user": "mira" }, { "user": "jonas" } ] },
//!         { "name": "LAB\\WREN", "sessionCount": "absent" } ],
//!       "generate": { "count": 400, "prefix": "VDA-", "sessionEvery": 5 } } ] } ]
//! }
//! ```

mod demo;
mod spec;
mod store_demo;
mod store_spec;
mod validate;

pub use spec::{
    CatalogSpec, CredentialSpec, CustomerSpec, GenerateSpec, GroupSpec, LocationSpec, MachineSpec,
    RegionSpec, Secret, ServiceStateSpec, SessionCountSpec, SessionSpec, SleepingSiteSpec,
};
pub use store_spec::{
    DomainField, LinkForm, PowerOffSpec, StoreMachineSpec, StoreMethod, StoreResourceSpec,
    StoreSpec, StoreUserSpec,
};
pub(super) use validate::{
    ALLOCATION_TYPE, FAULT_STATE, MACHINE_TYPE, POWER_ACTIONS, POWER_STATE, PROVISIONING_TYPE,
    REGISTRATION_STATE, SESSION_STATE, SESSION_SUPPORT, known,
};

use serde::Deserialize;

/// Regions and the customers in them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// One listener each. Empty means `us` and `eu`.
    pub regions: Vec<RegionSpec>,
    /// Every customer with one DaaS site that answers.
    pub customers: Vec<CustomerSpec>,
    /// StoreFront stores, all on one listener of their own; none means no listener.
    pub stores: Vec<StoreSpec>,
}

/// Why a scenario cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("scenario: {0}")]
pub struct ScenarioError(String);

impl Scenario {
    /// Reads and checks a scenario file.
    ///
    /// # Errors
    /// Names the place and what is wrong there: bad JSON, an unknown field, a value that Citrix
    /// does not know, two things with one id.
    pub fn from_json(text: &str) -> Result<Self, ScenarioError> {
        let mut deserializer =
            serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
        let scenario: Self = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| ScenarioError(format!("at {}: {}", error.path(), error.inner())))?;
        deserializer.end().map_err(|error| ScenarioError(error.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Regions without customers, to be filled with [`Scenario::customer`].
    #[must_use]
    pub fn with_regions<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let regions = names.into_iter().map(RegionSpec::named).collect();
        Self { regions, ..Self::default() }
    }

    /// Adds one customer.
    #[must_use]
    pub fn customer(mut self, customer: CustomerSpec) -> Self {
        self.customers.push(customer);
        self
    }

    /// Adds one StoreFront store.
    #[must_use]
    pub fn store(mut self, store: StoreSpec) -> Self {
        self.stores.push(store);
        self
    }

    /// `customers` customers (`customer-0001`, …) in turn in `us` and `eu`, each with a catalog
    /// `Pool` of `machines` machines.
    #[must_use]
    pub fn many_customers(customers: usize, machines: usize) -> Self {
        (1..=customers).fold(Self::with_regions(["us", "eu"]), |scenario, number| {
            let region = if number % 2 == 1 { "us" } else { "eu" };
            let name = format!("customer-{number:04}");
            let id = format!("cust{number:08}");
            let pool = CatalogSpec::generated("Pool", machines);
            scenario.customer(CustomerSpec::new(&name, &id, region).catalog(pool))
        })
    }

    /// One customer `acme` (`abcd1024xyz`, region `us`) with a catalog `Big` of `machines`
    /// machines, every tenth with a session; region `eu` is there and empty.
    #[must_use]
    pub fn big_catalog(machines: usize) -> Self {
        let mut catalog = CatalogSpec::generated("Big", machines);
        if let Some(generate) = &mut catalog.generate {
            generate.session_every = 10;
        }
        Self::with_regions(["us", "eu"])
            .customer(CustomerSpec::new("acme", "abcd1024xyz", "us").catalog(catalog))
    }

    /// The built-in world: two regions, three customers, five catalogs, 240 machines, three stores.
    #[must_use]
    pub fn demo() -> Self {
        demo::scenario()
    }
}

#[cfg(test)]
mod tests;
