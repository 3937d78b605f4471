//! What a scenario file may say about StoreFront stores.

use serde::{Deserialize, Serialize};

use super::Secret;
use crate::simulator::storefront::{Document, FailureShape};

/// One StoreFront store with its own authentication service.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct StoreSpec {
    /// A short name, for the control API.
    pub name: String,
    /// The store is `/Citrix/{path}`.
    pub path: String,
    /// Its authentication service is `/Citrix/{auth_path}`; neither can be told from the other.
    pub auth_path: String,
    /// The protocols that its authentication service offers.
    pub methods: Vec<StoreMethod>,
    /// How a forms logon asks for the domain.
    pub domain_field: DomainField,
    /// What the forms carry as `StateContext` and want back.
    pub state_context: String,
    /// Whether the endpoints document lists capabilities.
    pub capabilities: bool,
    /// Whether the broker trusts this server with power-offs.
    pub trusted: bool,
    /// Longest life of a primary token in seconds.
    pub primary_token_seconds: u32,
    /// Longest life of a service token in seconds.
    pub service_token_seconds: u32,
    /// Who may sign in; the first is the service account.
    pub users: Vec<StoreUserSpec>,
    /// What is published.
    pub resources: Vec<StoreResourceSpec>,
}

impl Default for StoreSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            path: "Store".to_owned(),
            auth_path: "StoreAuth".to_owned(),
            methods: vec![StoreMethod::HttpBasic, StoreMethod::ExplicitForms],
            domain_field: DomainField::None,
            state_context: String::new(),
            capabilities: true,
            trusted: true,
            primary_token_seconds: 72_000,
            service_token_seconds: 3600,
            users: Vec::new(),
            resources: Vec::new(),
        }
    }
}

/// A way to sign in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreMethod {
    /// One request with `Authorization: Basic`.
    HttpBasic,
    /// The common forms.
    ExplicitForms,
}

/// How a logon form asks for the domain.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DomainField {
    /// As part of the user name.
    #[default]
    None,
    /// In a text box.
    Text,
    /// In a combo box.
    Combo,
}

/// Somebody who can sign in to a store.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct StoreUserSpec {
    /// `DOMAIN\user`; `user@domain.example` is accepted at logon too.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// A logon asks for a new one.
    pub password_expired: bool,
    /// A logon warns about it.
    pub password_expires_soon: bool,
    /// Locked from the start.
    pub locked: bool,
    /// Locks after so many wrong passwords; 0 means never.
    pub locks_after: u32,
}

impl StoreUserSpec {
    /// An ordinary user.
    #[must_use]
    pub fn new(name: &str, password: &str) -> Self {
        Self { name: name.to_owned(), password: Secret::from(password), ..Self::default() }
    }
}

/// One published resource.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct StoreResourceSpec {
    /// The publisher's farm; `<farm>.<publisher id>` is the id on the wire.
    pub farm: String,
    /// The id within the farm.
    pub publisher_id: String,
    /// What people see; empty means: as `publisherId`.
    pub title: String,
    /// `Citrix.MPS.Desktop`, `Citrix.MPS.Application`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// `assigned`, `assign-on-first-use` or `shared`; desktops only.
    pub assignment: Option<String>,
    /// False: launch and power-off answer 404 `ResourceDisabled`.
    pub enabled: bool,
    /// The broker offers power-off to the user: there is a link.
    pub can_power_off: bool,
    /// The delivery group's kind supports it, link or not.
    pub supports_power_off: bool,
    /// The form in which its links are written.
    pub links: LinkForm,
    /// Names of the users who see it; empty means all.
    pub users: Vec<String>,
    /// The machine behind it; none means that no machine is assigned.
    pub machine: Option<StoreMachineSpec>,
    /// What a power-off of it always answers; absent means: as the machine's state says.
    pub power_off: Option<PowerOffSpec>,
}

impl Default for StoreResourceSpec {
    fn default() -> Self {
        Self {
            farm: "Farm1".to_owned(),
            publisher_id: String::new(),
            title: String::new(),
            kind: "Citrix.MPS.Desktop".to_owned(),
            assignment: Some("assigned".to_owned()),
            enabled: true,
            can_power_off: true,
            supports_power_off: true,
            links: LinkForm::Absolute,
            users: Vec::new(),
            machine: None,
            power_off: None,
        }
    }
}

impl StoreResourceSpec {
    /// The id on the wire.
    pub fn id(&self) -> String {
        format!("{}.{}", self.farm, self.publisher_id)
    }
}

/// How links are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkForm {
    /// `http://host/Citrix/…`
    #[default]
    Absolute,
    /// `/Citrix/…`
    HostRelative,
}

/// The machine behind a desktop.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StoreMachineSpec {
    /// Its host name.
    pub name: String,
    /// `on` (default) or `off`.
    #[serde(default = "on")]
    pub power_state: String,
    /// In maintenance mode.
    #[serde(default)]
    pub in_maintenance: bool,
}

/// What a power-off answers instead of the truth.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PowerOffSpec {
    /// An error id, also one that nobody knows; absent means success.
    pub error_id: Option<String>,
    /// Where the error id is written.
    pub shape: FailureShape,
    /// The machine really goes off; by default when there is no error and no status.
    pub with_effect: Option<bool>,
    /// This HTTP status with a page of the web server instead of XML.
    pub status: Option<u16>,
    /// Its `X-Citrix-Error-Reason`.
    pub reason: Option<String>,
    /// What is wrong with the XML.
    pub document: Option<Document>,
    /// Wait so long (real milliseconds, at most ten minutes) before answering.
    pub latency_ms: u32,
    /// How often; once by default in the control API, for ever in a scenario.
    pub times: Option<u32>,
}

fn on() -> String {
    "on".to_owned()
}
