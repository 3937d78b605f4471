use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};

use super::paths::{CatalogPath, GroupPath, SitePath};
use crate::{
    api::{
        ApiState,
        extract::{Caller, Path, Query, named, one_customer, wildcard},
        list::{List, ListParams, json_utf8},
        openapi::{ListProblems, ReadProblems},
        problem::Problem,
        views::{ItemView, ListView},
    },
    domain::{DeliveryGroup, MachineCatalog},
};

/// Lists the machine catalogs of a site.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}/machine-catalogs",
    tag = "catalogs",
    params(SitePath, ListParams),
    responses((status = 200, description = "Machine catalogs, and what became of each source", body = ListView<ItemView<MachineCatalog>>), ListProblems),
)]
pub(crate) async fn list_machine_catalogs(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<SitePath>,
    list: List<()>,
) -> Result<Response, Problem> {
    let scope = list.scope(&path.customer, Some(&path.site))?;
    let listing = api.services.catalogs.list(&ctx, scope, list.paging())?;
    list.answer(listing).await
}

/// Shows one machine catalog.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}/machine-catalogs/{catalog}",
    tag = "catalogs",
    params(CatalogPath),
    responses((status = 200, description = "The machine catalog", body = ItemView<MachineCatalog>), ReadProblems),
)]
pub(crate) async fn show_machine_catalog(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<CatalogPath>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let (site, catalog) = (wildcard(&path.site)?, named(&path.catalog)?);
    let customer = one_customer(&path.customer)?;
    let found = api.services.catalogs.get(&ctx, customer, &site, &catalog).await?;
    Ok(json_utf8(Json(ItemView::from(found)).into_response()))
}

/// Lists the delivery groups of a site.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}/delivery-groups",
    tag = "catalogs",
    params(SitePath, ListParams),
    responses((status = 200, description = "Delivery groups, and what became of each source", body = ListView<ItemView<DeliveryGroup>>), ListProblems),
)]
pub(crate) async fn list_delivery_groups(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<SitePath>,
    list: List<()>,
) -> Result<Response, Problem> {
    let scope = list.scope(&path.customer, Some(&path.site))?;
    let listing = api.services.catalogs.list_groups(&ctx, scope, list.paging())?;
    list.answer(listing).await
}

/// Shows one delivery group.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}/delivery-groups/{group}",
    tag = "catalogs",
    params(GroupPath),
    responses((status = 200, description = "The delivery group", body = ItemView<DeliveryGroup>), ReadProblems),
)]
pub(crate) async fn show_delivery_group(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<GroupPath>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let (site, group) = (wildcard(&path.site)?, named(&path.group)?);
    let customer = one_customer(&path.customer)?;
    let found = api.services.catalogs.get_group(&ctx, customer, &site, &group).await?;
    Ok(json_utf8(Json(ItemView::from(found)).into_response()))
}
