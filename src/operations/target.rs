use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Error;
use crate::{
    domain::{Machine, Session, SiteId},
    services::{Aim, Located},
};

/// One thing that an operation acts on, as it was found when it was planned.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OperationTarget)]
pub struct Target {
    /// Its path on this gateway.
    #[serde(rename = "self")]
    pub path: String,
    /// Citrix's id of it.
    pub id: String,
    /// Its name: a session goes by its user and machine.
    pub name: Option<String>,
    /// Our name of the customer it belongs to.
    pub customer: String,
    /// Its site.
    pub site_id: String,
}

impl Target {
    pub(super) fn machine(found: &Located<Machine>) -> Self {
        let Machine { id, name, .. } = &found.item;
        Self::new(found, "machines", id, name.clone())
    }

    pub(super) fn session(found: &Located<Session>) -> Self {
        let session = &found.item;
        let user = session.user.as_ref();
        let user = user.and_then(|u| u.name.clone().or_else(|| u.principal_name.clone()));
        let machine = session.machine.as_ref().and_then(|machine| machine.name.clone());
        let name = match (user, machine) {
            (Some(user), Some(machine)) => Some(format!("{user} on {machine}")),
            (user, machine) => user.or(machine),
        };
        Self::new(found, "sessions", &session.id, name)
    }

    /// What is acted on.
    pub(super) fn aim(&self) -> Result<Aim, Error> {
        let site = SiteId::try_from(self.site_id.as_str()).map_err(|_| Error::Unreadable)?;
        Ok(Aim {
            customer: self.customer.clone(),
            site,
            id: self.id.clone(),
            name: self.name.clone(),
        })
    }

    fn new<T>(found: &Located<T>, collection: &str, id: &str, name: Option<String>) -> Self {
        let customer = found.customer.name.to_string();
        let site_id = found.site.clone().unwrap_or_default();
        let path = format!(
            "/v1/customers/{customer}/sites/{}/{collection}/{}",
            segment(&site_id),
            segment(id)
        );
        Self { path, id: id.to_owned(), name, customer, site_id }
    }
}

/// Text as one path segment (RFC 3986, section 3.3).
fn segment(text: &str) -> impl std::fmt::Display + '_ {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEPT)
}
