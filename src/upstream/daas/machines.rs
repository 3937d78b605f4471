use std::sync::Arc;

use serde_json::json;

use super::{
    client::{Client, get},
    wire,
};
use crate::{
    config::Customer,
    domain::{CallContext, Machine, NameOrId, Page, PageRequest, SiteId},
    upstream::{Error, Service, call::Call},
};

/// Whose machines are listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MachineScope {
    /// Every machine of the site.
    All,
    /// Those of one machine catalog.
    Catalog(NameOrId),
    /// Those of one delivery group.
    Group(NameOrId),
}

/// A machine's name as people write it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MachineName {
    /// The part after `DOMAIN\`.
    Short(String),
    /// The fully qualified DNS name.
    Dns(String),
}

impl MachineName {
    /// Whether this is the machine's name, without regard to case.
    fn names(&self, machine: &Machine) -> bool {
        let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        match self {
            Self::Short(host) => machine
                .name
                .as_deref()
                .is_some_and(|name| same(name.rsplit('\\').next().unwrap_or(name), host)),
            Self::Dns(dns) => machine.dns_name.as_deref().is_some_and(|name| same(name, dns)),
        }
    }
}

/// Machines.
impl Client {
    /// Lists machines (`GET /Machines`, `/MachineCatalogs/{nameOrId}/Machines`,
    /// `/DeliveryGroups/{nameOrId}/Machines`).
    pub async fn machines(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        scope: &MachineScope,
        page: &PageRequest,
    ) -> Result<Page<Machine>, Error> {
        let call = match scope {
            MachineScope::All => get("daas.machines.list", site)
                .path("Machines")
                .query("fields", wire::MACHINE_FIELDS),
            MachineScope::Catalog(id) => get("daas.machine_catalogs.machines.list", site)
                .path("MachineCatalogs")
                .object(id.as_str())
                .path("Machines")
                .query("fields", wire::MACHINE_FIELDS),
            // This one knows no `fields`.
            MachineScope::Group(id) => get("daas.delivery_groups.machines.list", site)
                .path("DeliveryGroups")
                .object(id.as_str())
                .path("Machines"),
        };
        self.page::<wire::Machine>(ctx, customer, call, page).await
    }

    /// Fetches one machine (`GET /Machines/{nameOrId}`).
    pub async fn machine(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &NameOrId,
    ) -> Result<Machine, Error> {
        let call = get("daas.machines.get", site)
            .path("Machines")
            .object(id.as_str())
            .query("fields", wire::MACHINE_FIELDS);
        self.one::<wire::Machine>(ctx, customer, call).await
    }

    /// Finds the machines of that name (`POST /Machines/$search`); more than one is possible across
    /// domains. A search is about one kind of session support, so both kinds are searched.
    pub async fn find_machines(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        name: &MachineName,
    ) -> Result<Vec<Machine>, Error> {
        let (single, multi) = futures_util::try_join!(
            self.search(ctx, customer, site, name, "SingleSession"),
            self.search(ctx, customer, site, name, "MultiSession"),
        )?;
        let mut found: Vec<Machine> = Vec::new();
        for machine in single.into_iter().chain(multi) {
            if name.names(&machine) && !found.iter().any(|known| known.id == machine.id) {
                found.push(machine);
            }
        }
        Ok(found)
    }

    async fn search(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        name: &MachineName,
        session_support: &'static str,
    ) -> Result<Vec<Machine>, Error> {
        let filter = match name {
            MachineName::Short(host) => json!({
                "Property": "MachineName", "Operator": "EndsWith", "Value": format!("\\{host}"),
            }),
            MachineName::Dns(dns) => json!({
                "Property": "DnsName", "Operator": "Equals", "Value": dns,
            }),
        };
        let call = Call::search("daas.machines.search", Service::Daas)
            .site(site)
            .path("Machines/$search")
            .query("fields", wire::MACHINE_FIELDS)
            .json(&json!({
                "SearchFilters": [
                    { "Property": "SessionSupport", "Operator": "Equals", "Value": session_support },
                    filter,
                ],
            }));
        let page = PageRequest { limit: Some(MOST_NAMESAKES), continuation: None };
        Ok(self.page::<wire::Machine>(ctx, customer, call, &page).await?.items)
    }
}

/// More machines of one name are not looked at: any second one makes a name ambiguous.
const MOST_NAMESAKES: u32 = 100;
