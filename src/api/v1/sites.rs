use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};

use super::paths::{CustomerPath, SitePath};
use crate::{
    api::{
        ApiState,
        extract::{Caller, Path, Query, one_customer, wildcard},
        list::{List, ListParams, json_utf8},
        openapi::{ListProblems, ReadProblems},
        problem::Problem,
        views::{ItemView, ListView},
    },
    domain::{Me, Site},
};

/// Lists the DaaS sites of a customer.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites",
    tag = "customers",
    params(CustomerPath, ListParams),
    responses((status = 200, description = "Sites, and what became of each source", body = ListView<ItemView<Site>>), ListProblems),
)]
pub(crate) async fn list_sites(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<CustomerPath>,
    list: List<()>,
) -> Result<Response, Problem> {
    let scope = list.scope(&path.customer, None)?;
    let listing = api.services.sites.list(&ctx, scope, list.paging())?;
    list.answer(listing).await
}

/// Shows one DaaS site.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}",
    tag = "customers",
    params(SitePath),
    responses((status = 200, description = "The site", body = ItemView<Site>), ReadProblems),
)]
pub(crate) async fn show_site(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<SitePath>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let (customer, site) = (one_customer(&path.customer)?, wildcard(&path.site)?);
    let found = api.services.sites.get(&ctx, customer, &site).await?;
    Ok(json_utf8(Json(ItemView::from(found)).into_response()))
}

/// Shows the administrator that the gateway is for a customer, with the sites it reaches.
#[utoipa::path(
    get,
    path = "/customers/{customer}/me",
    tag = "customers",
    params(CustomerPath),
    responses((status = 200, description = "The administrator", body = ItemView<Me>), ReadProblems),
)]
pub(crate) async fn show_me(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<CustomerPath>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let found = api.services.sites.me(&ctx, one_customer(&path.customer)?).await?;
    Ok(json_utf8(Json(ItemView::from(found)).into_response()))
}
