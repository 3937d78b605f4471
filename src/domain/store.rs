use serde::Serialize;
use utoipa::ToSchema;

/// An application, document or desktop that a StoreFront store offers to the account that asked.
///
/// `null` means that the store did not say.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreResource {
    /// Stands for the resource in paths: URL-safe, opaque, the same for everybody who sees it.
    pub id: String,
    /// The name that users see. Several resources may have the same one.
    pub name: Option<String>,
    /// `Citrix.MPS.Desktop`, `Citrix.MPS.Application`, `Citrix.MPS.Document`, …
    #[serde(rename = "type")]
    pub resource_type: Option<String>,
    /// The machine behind a desktop, where one is known.
    pub hostname: Option<String>,
    /// `assigned`, `assign-on-first-use`, `shared`, …
    pub assignment: Option<String>,
    /// The store's own id of the resource.
    pub store_front_id: String,
    /// Whether the store offers this account to power the machine off.
    pub can_power_off: bool,
}

/// How much of a store's list there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Enumeration {
    /// Every farm behind the store answered: what is not listed does not exist for this account.
    Full,
    /// Some farms did not answer: that something is not listed proves nothing.
    Partial,
    /// No farm answered.
    Failed,
}
