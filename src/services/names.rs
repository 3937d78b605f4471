//! From what people call a thing to Citrix's id of it.
//!
//! Names are compared without case, as Citrix does. A name that fits several things is refused
//! with all of them: picking one would be a guess.

use std::sync::Arc;

use super::{Candidate, Core, Error, core::same_name};
use crate::{
    config::Customer,
    domain::{CallContext, DeliveryGroup, Machine, MachineCatalog, NameOrId, PageRequest, SiteId},
    upstream::daas::MachineName,
};

impl Core {
    /// The machine of that id or name, read from Citrix now.
    pub(super) async fn find_machine(
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
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        wanted: &NameOrId,
    ) -> Result<NameOrId, Error> {
        self.one_named(ctx, customer, site, Kind::Catalog, wanted).await
    }

    /// The id of the delivery group of that id or name.
    pub(super) async fn group_id(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        wanted: &NameOrId,
    ) -> Result<NameOrId, Error> {
        self.one_named(ctx, customer, site, Kind::Group, wanted).await
    }

    /// Looks for a name in a whole list, part by part.
    async fn one_named(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        kind: Kind,
        wanted: &NameOrId,
    ) -> Result<NameOrId, Error> {
        if wanted.is_id() {
            return Ok(wanted.clone());
        }
        let mut found = Vec::new();
        let mut part = PageRequest { limit: Some(WHOLE_PART), continuation: None };
        loop {
            let (named, continuation) = match kind {
                Kind::Catalog => {
                    let page = self.machine_catalogs(ctx, customer, site, &part).await?.value;
                    (matches(&page.items, wanted), page.continuation.clone())
                }
                Kind::Group => {
                    let page = self.delivery_groups(ctx, customer, site, &part).await?.value;
                    (matches(&page.items, wanted), page.continuation.clone())
                }
            };
            found.extend(named);
            match continuation {
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
}

/// What people call by name.
trait HasNames {
    fn id(&self) -> &str;
    fn names(&self) -> [Option<&str>; 2];
}

impl HasNames for MachineCatalog {
    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> [Option<&str>; 2] {
        [self.full_name.as_deref(), self.name.as_deref()]
    }
}

impl HasNames for DeliveryGroup {
    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> [Option<&str>; 2] {
        [self.full_name.as_deref(), self.name.as_deref()]
    }
}

/// Those of the name, with the longest name each has.
fn matches(all: &[impl HasNames], wanted: &NameOrId) -> Vec<Named> {
    let is = |name: &str| same_name(name, wanted.as_str());
    all.iter()
        .filter(|named| named.names().into_iter().flatten().any(is))
        .map(|named| Named {
            id: named.id().to_owned(),
            name: named.names().into_iter().flatten().next().map(ToOwned::to_owned),
        })
        .collect()
}

fn only(mut found: Vec<Named>) -> Result<NameOrId, Error> {
    match found.len() {
        0 => Err(Error::NotFound),
        1 => NameOrId::try_from(found.remove(0).id).map_err(|_| Error::NotFound),
        _ => Err(Error::AmbiguousName {
            candidates: found
                .into_iter()
                .map(|Named { id, name }| Candidate { id, name })
                .collect(),
        }),
    }
}

/// Most items that Citrix gives out at once.
const WHOLE_PART: u32 = 1000;
