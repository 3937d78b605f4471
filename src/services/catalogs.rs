use std::sync::Arc;

use super::{Core, Error, Listing, Located, Paging, Scope, Wildcard, fanout::Query};
use crate::domain::{Action, CallContext, DeliveryGroup, MachineCatalog, NameOrId};

/// Machine catalogs and delivery groups: the two ways in which machines are kept together.
#[derive(Clone, Debug)]
pub struct Catalogs {
    core: Arc<Core>,
}

impl Catalogs {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The machine catalogs of the sites in scope.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn list(
        &self,
        ctx: &CallContext,
        scope: Scope,
        paging: Paging,
    ) -> Result<Listing<MachineCatalog>, Error> {
        let query = Query::of_sites(&self.core, |core, ctx, customer, site, part| async move {
            core.machine_catalogs(&ctx, &customer, &site, &part).await
        });
        Listing::begin(&self.core, ctx, scope, paging, query)
    }

    /// One machine catalog.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
        catalog: &NameOrId,
    ) -> Result<Located<MachineCatalog>, Error> {
        let (customer, site) = self.core.authorize_site(ctx, Action::Read, customer, site).await?;
        let id = self.core.catalog_id(ctx, &customer, &site, catalog).await?;
        let found = self.core.machine_catalog(ctx, &customer, &site, &id).await?;
        Ok(Located::read(ctx, customer, Some(&site), found))
    }

    /// The delivery groups of the sites in scope.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn list_groups(
        &self,
        ctx: &CallContext,
        scope: Scope,
        paging: Paging,
    ) -> Result<Listing<DeliveryGroup>, Error> {
        let query = Query::of_sites(&self.core, |core, ctx, customer, site, part| async move {
            core.delivery_groups(&ctx, &customer, &site, &part).await
        });
        Listing::begin(&self.core, ctx, scope, paging, query)
    }

    /// One delivery group.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_group(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
        group: &NameOrId,
    ) -> Result<Located<DeliveryGroup>, Error> {
        let (customer, site) = self.core.authorize_site(ctx, Action::Read, customer, site).await?;
        let id = self.core.group_id(ctx, &customer, &site, group).await?;
        let found = self.core.delivery_group(ctx, &customer, &site, &id).await?;
        Ok(Located::read(ctx, customer, Some(&site), found))
    }
}
