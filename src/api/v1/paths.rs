//! What paths are made of.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::{
        extract::{named, one_customer, wildcard},
        problem::Problem,
    },
    domain::{NameOrId, SessionId},
    services::Wildcard,
};

/// A customer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CustomerPath {
    /// The customer by our name or by Citrix's id; `-` for all, in lists.
    #[param(example = "acme")]
    pub(crate) customer: String,
}

/// A resource location of a customer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct LocationPath {
    /// The customer by our name or by Citrix's id.
    #[param(example = "acme")]
    pub(crate) customer: String,
    /// The resource location by id.
    pub(crate) location: String,
}

/// A Citrix Cloud service of a customer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ServicePath {
    /// The customer by our name or by Citrix's id.
    #[param(example = "acme")]
    pub(crate) customer: String,
    /// The service by Citrix's name of it.
    #[param(example = "xendesktop")]
    pub(crate) service: String,
}

/// A region.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RegionPath {
    /// The region by name.
    #[param(example = "us")]
    pub(crate) region: String,
}

/// A site of a customer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SitePath {
    /// The customer by our name or by Citrix's id; `-` for all that the caller may see.
    #[param(example = "acme")]
    pub(crate) customer: String,
    /// The site by id or name; `-` for all that the caller may see.
    #[param(example = "-")]
    pub(crate) site: String,
}

/// A machine catalog of a site.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CatalogPath {
    /// The customer by our name or by Citrix's id; `-` for all, in lists.
    #[param(example = "acme")]
    pub(crate) customer: String,
    /// The site by id or name; `-` for the only one, in lists for all.
    #[param(example = "-")]
    pub(crate) site: String,
    /// The machine catalog by id or name.
    #[param(example = "Win11-Pool")]
    pub(crate) catalog: String,
}

/// A delivery group of a site.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct GroupPath {
    /// The customer by our name or by Citrix's id; `-` for all, in lists.
    #[param(example = "acme")]
    pub(crate) customer: String,
    /// The site by id or name; `-` for the only one, in lists for all.
    #[param(example = "-")]
    pub(crate) site: String,
    /// The delivery group by id or name.
    #[param(example = "Win11-Desktops")]
    pub(crate) group: String,
}

/// One machine.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MachinePath {
    /// The customer by our name or by Citrix's id.
    #[param(example = "acme")]
    pub(crate) customer: String,
    /// The site by id or name; `-` for the customer's only one.
    #[param(example = "-")]
    pub(crate) site: String,
    /// The machine by id, DNS name, `NAME`, or `DOMAIN\NAME` (also written `DOMAIN|NAME`),
    /// percent-encoded.
    #[param(example = "DEMOLAB|KESTREL")]
    pub(crate) machine: String,
}

impl MachinePath {
    pub(crate) fn parse(&self) -> Result<(&str, Wildcard<NameOrId>, NameOrId), Problem> {
        Ok((one_customer(&self.customer)?, wildcard(&self.site)?, named(&self.machine)?))
    }
}

/// One session.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SessionPath {
    /// The customer by our name or by Citrix's id.
    #[param(example = "acme")]
    pub(crate) customer: String,
    /// The site by id or name; `-` for the customer's only one.
    #[param(example = "-")]
    pub(crate) site: String,
    /// The session by id.
    pub(crate) session: String,
}

impl SessionPath {
    pub(crate) fn parse(&self) -> Result<(&str, Wildcard<NameOrId>, SessionId), Problem> {
        Ok((one_customer(&self.customer)?, wildcard(&self.site)?, named(&self.session)?))
    }
}
