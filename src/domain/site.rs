use serde::Serialize;
use utoipa::ToSchema;

/// A DaaS site: one set of machines, catalogs and groups. Most customers have exactly one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// Citrix's id of the site.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Whether Citrix had frozen it for being idle when it was last asked. Lists over many sites
    /// leave it out then; an administrator wakes it by signing in to Citrix DaaS.
    pub hibernated: bool,
}

/// The administrator behind a credential, as DaaS sees it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// Citrix's id of the administrator.
    pub user_id: Option<String>,
    /// Name shown in Citrix's console.
    pub display_name: Option<String>,
    /// E-mail address, where it was verified.
    pub verified_email: Option<String>,
    /// Customers the credential can reach, with their sites.
    pub customers: Vec<MeCustomer>,
}

/// A customer that a credential can reach.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeCustomer {
    /// Citrix's id of the customer.
    pub id: String,
    /// Its name, where Citrix gives one.
    pub name: Option<String>,
    /// Its sites.
    pub sites: Vec<Site>,
}
