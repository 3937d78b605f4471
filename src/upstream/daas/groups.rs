use std::sync::Arc;

use super::{
    client::{Client, get},
    wire,
};
use crate::{
    config::Customer,
    domain::{CallContext, DeliveryGroup, MachineCatalog, NameOrId, Page, PageRequest, SiteId},
    upstream::Error,
};

/// Machine catalogs and delivery groups.
impl Client {
    /// Lists machine catalogs (`GET /MachineCatalogs`).
    pub async fn machine_catalogs(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        page: &PageRequest,
    ) -> Result<Page<MachineCatalog>, Error> {
        let call = get("daas.machine_catalogs.list", site)
            .path("MachineCatalogs")
            .query("fields", wire::CATALOG_FIELDS);
        self.page::<wire::MachineCatalog>(ctx, customer, call, page).await
    }

    /// Fetches one machine catalog (`GET /MachineCatalogs/{nameOrId}`).
    pub async fn machine_catalog(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &NameOrId,
    ) -> Result<MachineCatalog, Error> {
        let call =
            get("daas.machine_catalogs.get", site).path("MachineCatalogs").object(id.as_str());
        self.one::<wire::MachineCatalog>(ctx, customer, call).await
    }

    /// Lists delivery groups (`GET /DeliveryGroups`, which knows no `fields`).
    pub async fn delivery_groups(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        page: &PageRequest,
    ) -> Result<Page<DeliveryGroup>, Error> {
        let call = get("daas.delivery_groups.list", site).path("DeliveryGroups");
        self.page::<wire::DeliveryGroup>(ctx, customer, call, page).await
    }

    /// Fetches one delivery group (`GET /DeliveryGroups/{nameOrId}`).
    pub async fn delivery_group(
        &self,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &NameOrId,
    ) -> Result<DeliveryGroup, Error> {
        let call = get("daas.delivery_groups.get", site).path("DeliveryGroups").object(id.as_str());
        self.one::<wire::DeliveryGroup>(ctx, customer, call).await
    }
}
