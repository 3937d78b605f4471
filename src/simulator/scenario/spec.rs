//! What a scenario file may say, with its defaults.

use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::simulator::ids;

/// One control plane with its own listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RegionSpec {
    /// For example `us`.
    pub name: String,
    /// Tokens are good in regions of the same cloud only.
    #[serde(default = "commercial")]
    pub cloud: String,
}

impl RegionSpec {
    /// A region of the commercial cloud.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), cloud: commercial() }
    }
}

/// One Citrix Cloud customer with one DaaS site that answers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CustomerSpec {
    /// A short name; also accepted wherever the control API wants a customer.
    pub name: String,
    /// Citrix's customer id: lower-case letters and digits.
    pub id: String,
    /// Empty means: as `name`.
    pub display_name: String,
    /// The region whose listener serves this customer.
    pub region: String,
    /// Empty means: made from the name.
    pub client_id: String,
    /// Empty means: made from the name.
    pub client_secret: Secret,
    /// Further API clients of the same customer.
    pub more_credentials: Vec<CredentialSpec>,
    /// Empty means: made from the name.
    pub site_id: String,
    /// Empty means `cloudxdsite`.
    pub site_name: String,
    /// The site sleeps: DaaS answers 530 until it is activated.
    pub frozen: bool,
    /// Further sites of the customer, which sleep: calls to them are answered with 530.
    pub sleeping_sites: Vec<SleepingSiteSpec>,
    /// Resource locations of the registry.
    pub resource_locations: Vec<LocationSpec>,
    /// Entitlements of the core service.
    pub service_states: Vec<ServiceStateSpec>,
    /// Machine catalogs with their machines.
    pub catalogs: Vec<CatalogSpec>,
    /// Delivery groups with something to say; others are made when a catalog names them.
    pub delivery_groups: Vec<GroupSpec>,
}

impl CustomerSpec {
    /// A customer without machines; credentials and ids are made from the name.
    #[must_use]
    pub fn new(name: &str, id: &str, region: &str) -> Self {
        let (name, id, region) = (name.to_owned(), id.to_owned(), region.to_owned());
        Self { name, id, region, ..Self::default() }
    }

    /// Adds one catalog.
    #[must_use]
    pub fn catalog(mut self, catalog: CatalogSpec) -> Self {
        self.catalogs.push(catalog);
        self
    }

    /// The client id in effect.
    pub fn effective_client_id(&self) -> String {
        if self.client_id.is_empty() {
            ids::stable(&[&self.name, "client"])
        } else {
            self.client_id.clone()
        }
    }

    /// The client secret in effect.
    pub fn effective_client_secret(&self) -> Secret {
        if self.client_secret.expose().is_empty() {
            Secret::from(format!("simulated+{}/secret==", self.name).as_str())
        } else {
            self.client_secret.clone()
        }
    }

    /// The site id in effect.
    pub fn effective_site_id(&self) -> String {
        if self.site_id.is_empty() {
            ids::stable(&[&self.name, "site"])
        } else {
            self.site_id.clone()
        }
    }
}

/// An API client besides the first.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CredentialSpec {
    /// The OAuth2 client id.
    pub client_id: String,
    /// The OAuth2 client secret.
    pub client_secret: Secret,
}

/// A simulated secret, which is still not printed.
#[derive(Clone, Default, Deserialize, Eq, PartialEq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A site besides the one that answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SleepingSiteSpec {
    /// Citrix's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// One resource location.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LocationSpec {
    /// Empty means: made from the name.
    pub id: String,
    /// Shown to administrators.
    pub name: String,
    /// Reachable from inside only.
    pub internal_only: bool,
    /// A Windows time zone; empty means `GMT Standard Time`.
    pub time_zone: String,
    /// Managed by Citrix.
    pub read_only: bool,
}

/// One entitlement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceStateSpec {
    /// For example `xendesktop`.
    pub service_name: String,
    /// For example `Production`.
    pub state: String,
    /// Absent means: made from the state.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Licences.
    #[serde(default)]
    pub quantity: Option<u32>,
    /// Of the longest licence.
    #[serde(default)]
    pub days_to_expiration: Option<i32>,
    /// When a bought licence begins.
    #[serde(default)]
    pub future_entitlement_start_date: Option<String>,
}

/// One machine catalog.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CatalogSpec {
    /// Empty means: made from the name.
    pub id: String,
    /// Unique in the site.
    pub name: String,
    /// Shown to administrators.
    pub description: Option<String>,
    /// `SingleSession` or `MultiSession`.
    pub session_support: String,
    /// `Random` or `Static`.
    pub allocation_type: String,
    /// `MCS`, `PVS`, `Manual`, …
    pub provisioning_type: String,
    /// `Virtual` or `Physical`.
    pub machine_type: String,
    /// The delivery group of its machines; empty means: named after the catalog.
    pub delivery_group: String,
    /// The zone; empty means `Primary`.
    pub zone: String,
    /// Its machines.
    pub machines: Vec<MachineSpec>,
    /// More machines, all alike.
    pub generate: Option<GenerateSpec>,
}

impl Default for CatalogSpec {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            description: None,
            session_support: "MultiSession".to_owned(),
            allocation_type: "Random".to_owned(),
            provisioning_type: "MCS".to_owned(),
            machine_type: "Virtual".to_owned(),
            delivery_group: String::new(),
            zone: String::new(),
            machines: Vec::new(),
            generate: None,
        }
    }
}

impl CatalogSpec {
    /// An empty multi-session catalog.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// A multi-session catalog of `count` idle machines `DEMOLAB\VDA-0001`, ….
    #[must_use]
    pub fn generated(name: &str, count: usize) -> Self {
        let generate = GenerateSpec { count, ..GenerateSpec::default() };
        Self { generate: Some(generate), ..Self::named(name) }
    }

    /// Adds one machine.
    #[must_use]
    pub fn machine(mut self, machine: MachineSpec) -> Self {
        self.machines.push(machine);
        self
    }
}

/// Machines that differ in their number only.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GenerateSpec {
    /// At most 100,000.
    pub count: usize,
    /// Of the host name, before the number.
    pub prefix: String,
    /// The Windows domain.
    pub domain: String,
    /// Every how manieth machine has an active session; 0 means none.
    pub session_every: usize,
}

impl Default for GenerateSpec {
    fn default() -> Self {
        Self { count: 0, prefix: "VDA-".to_owned(), domain: "DEMOLAB".to_owned(), session_every: 0 }
    }
}

/// One delivery group.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GroupSpec {
    /// Empty means: made from the name.
    pub id: String,
    /// Unique in the site.
    pub name: String,
    /// What users see.
    pub published_name: Option<String>,
    /// Shown to administrators.
    pub description: Option<String>,
    /// No new sessions.
    pub in_maintenance_mode: bool,
}

/// One machine; the defaults are a healthy idle one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MachineSpec {
    /// Empty means: made from customer, catalog and name.
    pub id: String,
    /// `DOMAIN\HOST`.
    pub name: String,
    /// Absent means: made from the name.
    pub dns_name: Option<String>,
    /// Shown to administrators.
    pub description: Option<String>,
    /// Absent means `On`, or `Unmanaged` for a physical machine.
    pub power_state: Option<String>,
    /// Absent means `Registered` when on, else `Unregistered`.
    pub registration_state: Option<String>,
    /// Absent means `None`.
    pub fault_state: Option<String>,
    /// Takes no new sessions.
    pub in_maintenance_mode: bool,
    /// Absent means as the catalog.
    pub machine_type: Option<String>,
    /// Absent means all of them, or none for a physical machine.
    pub supported_power_actions: Option<Vec<String>>,
    /// What the machine says of its session count.
    pub session_count: SessionCountSpec,
    /// Tags.
    pub tags: Vec<String>,
    /// Users it is assigned to (`mira` or `DOMAIN\mira`).
    pub assigned_users: Vec<String>,
    /// Its sessions.
    pub sessions: Vec<SessionSpec>,
    /// It never registers again after a boot.
    pub stuck_on_boot: bool,
    /// Every power action fails with this job error code, for example `HypervisorNotContactable`.
    pub power_fault: Option<String>,
    /// Another delivery group than its catalog's.
    pub delivery_group: Option<String>,
}

impl MachineSpec {
    /// A healthy idle machine `DOMAIN\HOST`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Adds an active session of `user`.
    #[must_use]
    pub fn session(mut self, user: &str) -> Self {
        self.sessions.push(SessionSpec { user: user.to_owned(), ..SessionSpec::default() });
        self
    }
}

/// What a machine says of its session count.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SessionCountSpec {
    /// As many as there are sessions on it (`"auto"`).
    #[default]
    Auto,
    /// A fixed number, whatever the sessions (a number).
    Fixed(u32),
    /// `null`.
    Null,
    /// The property is left out (`"absent"`).
    Absent,
}

impl<'de> Deserialize<'de> for SessionCountSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match (value.as_str(), number) {
            _ if value.is_null() => Ok(Self::Null),
            (Some("auto"), _) => Ok(Self::Auto),
            (Some("absent"), _) => Ok(Self::Absent),
            (_, Some(number)) => Ok(Self::Fixed(number)),
            _ => Err(serde::de::Error::custom("write a number, null, \"absent\" or \"auto\"")),
        }
    }
}

/// One session.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SessionSpec {
    /// Empty means: made from machine, user and position.
    pub id: String,
    /// `mira` or `DOMAIN\mira`.
    pub user: String,
    /// What people read; absent means: made from the user name.
    pub display_name: Option<String>,
    /// `Active`, `Connected` or `Disconnected`.
    pub state: String,
    /// `Desktop` or `Application`.
    pub session_type: String,
    /// Hours since it began.
    pub started_hours_ago: f64,
    /// Hours since its state changed.
    pub state_changed_hours_ago: f64,
    /// `false` (default): goes when logged off. `true`: never goes by a log-off.
    pub ignores_logoff: bool,
    /// Goes by a log-off only while it is disconnected.
    pub ignores_logoff_while_connected: bool,
    /// Hidden from its user.
    pub hidden: bool,
}

impl Default for SessionSpec {
    fn default() -> Self {
        Self {
            id: String::new(),
            user: String::new(),
            display_name: None,
            state: "Active".to_owned(),
            session_type: "Desktop".to_owned(),
            started_hours_ago: 1.5,
            state_changed_hours_ago: 0.5,
            ignores_logoff: false,
            ignores_logoff_while_connected: false,
            hidden: false,
        }
    }
}

fn commercial() -> String {
    "commercial".to_owned()
}
