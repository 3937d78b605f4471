//! From what people call a thing to Citrix's id of it.
//!
//! Names are compared without case, as Citrix does. A name that fits several things is refused
//! with all of them: picking one would be a guess.

use std::sync::Arc;

use super::{Candidate, Core, Error, core::same_name};
use crate::{
    config::Customer,
    domain::{CallContext, Machine, NameOrId, PageRequest, SiteId},
    upstream::daas::MachineName,
};

impl Core {
    /// The machine of that id or name, read from Citrix now.
    pub(super) async fn machine(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        wanted: &NameOrId,
    ) -> Result<Machine, Error> {
        let daas = &self.upstream.daas;
        let name = wanted.as_str();
        if wanted.is_id() || name.contains(['\\', '|']) {
            return Ok(daas.machine(ctx, customer, site, wanted).await?);
        }
        let by_name = if name.contains('.') {
            MachineName::Dns(name.to_owned())
        } else {
            MachineName::Short(name.to_owned())
        };
        let mut found = daas.find_machines(ctx, customer, site, &by_name).await?;
        match found.len() {
            0 => Err(Error::NotFound),
            // The search shows less of a machine than reading it does.
            1 => {
                let id = NameOrId::try_from(found.remove(0).id).map_err(|_| Error::NotFound)?;
                Ok(daas.machine(ctx, customer, site, &id).await?)
            }
            _ => Err(Error::AmbiguousName {
                candidates: found
                    .into_iter()
                    .map(|machine| Candidate { id: machine.id, name: machine.name })
                    .collect(),
            }),
        }
    }

    /// The id of the machine catalog of that id or name.
    pub(super) async fn catalog_id(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        wanted: &NameOrId,
    ) -> Result<NameOrId, Error> {
        self.one_named(ctx, customer, site, Kind::Catalog, wanted).await
    }

    /// The id of the delivery group of that id or name.
    pub(super) async fn group_id(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        wanted: &NameOrId,
    ) -> Result<NameOrId, Error> {
        self.one_named(ctx, customer, site, Kind::Group, wanted).await
    }

    /// Looks for a name in a whole list, part by part.
    async fn one_named(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        kind: Kind,
        wanted: &NameOrId,
    ) -> Result<NameOrId, Error> {
        if wanted.is_id() {
            return Ok(wanted.clone());
        }
        let daas = &self.upstream.daas;
        let mut found = Vec::new();
        let mut part = PageRequest { limit: Some(WHOLE_PART), continuation: None };
        loop {
            let page = match kind {
                Kind::Catalog => daas
                    .machine_catalogs(ctx, customer, site, &part)
                    .await?
                    .map(|c| Named { id: c.id, name: c.name, full_name: c.full_name }),
                Kind::Group => daas
                    .delivery_groups(ctx, customer, site, &part)
                    .await?
                    .map(|g| Named { id: g.id, name: g.name, full_name: g.full_name }),
            };
            found.extend(page.items.into_iter().filter(|named| named.is(wanted.as_str())));
            match page.continuation {
                Some(token) if Some(&token) != part.continuation.as_ref() => {
                    part.continuation = Some(token);
                }
                _ => return only(found),
            }
        }
    }
}

/// What is kept in short lists and named by people.
#[derive(Clone, Copy)]
enum Kind {
    Catalog,
    Group,
}

struct Named {
    id: String,
    name: Option<String>,
    full_name: Option<String>,
}

impl Named {
    fn is(&self, wanted: &str) -> bool {
        [&self.name, &self.full_name].into_iter().flatten().any(|name| same_name(name, wanted))
    }
}

fn only(mut found: Vec<Named>) -> Result<NameOrId, Error> {
    match found.len() {
        0 => Err(Error::NotFound),
        1 => NameOrId::try_from(found.remove(0).id).map_err(|_| Error::NotFound),
        _ => Err(Error::AmbiguousName {
            candidates: found
                .into_iter()
                .map(|named| Candidate { name: named.full_name.or(named.name), id: named.id })
                .collect(),
        }),
    }
}

/// Most items that Citrix gives out at once.
const WHOLE_PART: u32 = 1000;
