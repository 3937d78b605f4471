use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::paths::{CustomerPath, RegionPath};
use crate::{
    api::{
        ApiState,
        extract::{Caller, Path, Query, one_customer},
        list::{List, ListParams, json_utf8},
        openapi::{ListProblems, ReadProblems},
        problem::Problem,
        views::ListView,
    },
    config::{CustomerSelector, Grant, SiteSelector, StoreSelector},
    domain::{Action, AuthMethod},
    services::{CustomerDetail, HealthStatus, RegionDetail, ServiceHealth, Whoami},
};

/// The caller, as the gateway sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WhoamiView {
    /// The app that the credential belongs to.
    app: String,
    /// How the caller was authenticated.
    authentication: AuthenticationView,
    /// What the app may do; nothing else is allowed.
    grants: Vec<GrantView>,
}

/// How a caller was authenticated.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthenticationView {
    /// `apiKey`, `gatewayToken` (a token that an API key bought), `jwt` (a token of an identity
    /// provider), or `none` where the gateway was started without authentication.
    #[schema(value_type = String, example = "apiKey")]
    method: &'static str,
    /// Public part of the API key.
    key_id: Option<String>,
    /// The identity provider, by its name in the gateway's configuration.
    issuer: Option<String>,
    /// Whom the identity provider names (the `sub` claim).
    subject: Option<String>,
}

/// Actions, and where they are allowed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrantView {
    /// What is allowed.
    actions: Vec<Action>,
    /// On which customers: names, Citrix ids, `label:x`, or `*` for all.
    customers: Vec<String>,
    /// On which of their sites; left out where it is on all.
    #[serde(skip_serializing_if = "Option::is_none")]
    sites: Option<Vec<String>>,
    /// On which stores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stores: Vec<String>,
}

/// A Citrix control plane and its hosts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegionView {
    /// Path of the region on this gateway.
    #[serde(rename = "self")]
    path: String,
    /// Its name here.
    name: String,
    /// Host of the API gateway.
    api: String,
    /// Base of the DaaS API; `null` where each customer has a host of its own.
    daas: Option<String>,
    /// Host of the registry (resource locations).
    registry: String,
    /// Host of core (service states).
    core: String,
    /// Host of notifications.
    notifications: String,
    /// How its services answered lately, over the customers that the caller may see.
    health: Vec<HealthView>,
}

/// A customer of Citrix Cloud.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerView {
    /// Path of the customer on this gateway.
    #[serde(rename = "self")]
    path: String,
    /// Citrix's id.
    id: String,
    /// Our name for it.
    name: String,
    /// Its name for people.
    display_name: String,
    /// The region it lives in.
    region: Option<String>,
    /// Labels that grants and queries may name.
    labels: Vec<String>,
    /// The state of the credential that the gateway uses for it.
    credential: CredentialView,
    /// How its services answered lately.
    health: Vec<HealthView>,
}

/// The state of a customer's credential. The secret and its tokens are shown to nobody.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredentialView {
    /// `empty` (not used yet), `minting`, `fresh`, `refreshing`, `expired`, `backoff`,
    /// `quarantined` or `misconfigured`.
    #[schema(value_type = String, example = "fresh")]
    state: &'static str,
    /// When the token in hand ends.
    expires: Option<Timestamp>,
    /// Since when the credential has been left alone.
    quarantined_since: Option<Timestamp>,
}

/// How a service answered when it was last asked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HealthView {
    /// Which service.
    #[schema(value_type = String, example = "daas")]
    service: &'static str,
    /// `ok`, `failing` or `unknown` (not asked yet).
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
    /// Since when.
    since: Option<Timestamp>,
    /// Code of the last failure, if there was one.
    #[schema(value_type = Option<String>)]
    last_error_code: Option<&'static str>,
}

/// Shows who the caller is and what it may do.
#[utoipa::path(
    get,
    path = "/whoami",
    tag = "customers",
    responses((status = 200, description = "The caller", body = WhoamiView), ReadProblems),
)]
pub(crate) async fn show_whoami(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Query(()): Query<()>,
) -> Response {
    let view = WhoamiView::from(api.services.accounts.whoami(&ctx));
    json_utf8(Json(view).into_response())
}

/// Lists the regions that the gateway knows, with their hosts and health.
#[utoipa::path(
    get,
    path = "/regions",
    tag = "customers",
    params(ListParams),
    responses((status = 200, description = "Regions", body = ListView<RegionView>), ListProblems),
)]
pub(crate) async fn list_regions(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    list: List<()>,
) -> Result<Response, Problem> {
    let scope = list.scope("-", None)?;
    let (regions, next) = api.services.accounts.regions(&ctx, &scope, &list.paging())?;
    list.answer_known(regions.into_iter().map(RegionView::from).collect(), next)
}

/// Shows one region with its hosts and health.
#[utoipa::path(
    get,
    path = "/regions/{region}",
    tag = "customers",
    params(RegionPath),
    responses((status = 200, description = "The region", body = RegionView), ReadProblems),
)]
pub(crate) async fn show_region(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<RegionPath>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let found = api.services.accounts.region(&ctx, &path.region)?;
    Ok(json_utf8(Json(RegionView::from(found)).into_response()))
}

/// Lists the customers that the caller may see.
#[utoipa::path(
    get,
    path = "/customers",
    tag = "customers",
    params(ListParams),
    responses((status = 200, description = "Customers", body = ListView<CustomerView>), ListProblems),
)]
pub(crate) async fn list_customers(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    list: List<()>,
) -> Result<Response, Problem> {
    let scope = list.scope("-", None)?;
    let (customers, next) = api.services.accounts.list(&ctx, &scope, &list.paging())?;
    list.answer_known(customers.into_iter().map(CustomerView::from).collect(), next)
}

/// Shows one customer.
#[utoipa::path(
    get,
    path = "/customers/{customer}",
    tag = "customers",
    params(CustomerPath),
    responses((status = 200, description = "The customer", body = CustomerView), ReadProblems),
)]
pub(crate) async fn show_customer(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<CustomerPath>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let found = api.services.accounts.get(&ctx, one_customer(&path.customer)?)?;
    Ok(json_utf8(Json(CustomerView::from(found)).into_response()))
}

impl From<Whoami> for WhoamiView {
    fn from(whoami: Whoami) -> Self {
        let (method, key_id, issuer) = match whoami.method {
            AuthMethod::ApiKey { key_id } => ("apiKey", Some(key_id), None),
            AuthMethod::GatewayToken { key_id } => ("gatewayToken", Some(key_id), None),
            AuthMethod::Jwt { issuer } => ("jwt", None, Some(issuer)),
            AuthMethod::CommandLine => ("commandLine", None, None),
            AuthMethod::UnsafeAnonymous => ("none", None, None),
        };
        let subject = whoami.subject;
        let authentication = AuthenticationView { method, key_id, issuer, subject };
        let grants = whoami.grants.into_iter().map(GrantView::from).collect();
        Self { app: whoami.app.to_string(), authentication, grants }
    }
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        let customer = |selector| match selector {
            CustomerSelector::All => "*".to_owned(),
            CustomerSelector::NameOrId(name) => name,
            CustomerSelector::Label(label) => format!("label:{label}"),
        };
        let site = |selector| match selector {
            SiteSelector::All => "*".to_owned(),
            SiteSelector::Id(id) => id.to_string(),
        };
        let store = |selector| match selector {
            StoreSelector::All => "*".to_owned(),
            StoreSelector::Name(name) => name.to_string(),
        };
        Self {
            actions: grant.actions.into_iter().collect(),
            customers: grant.customers.into_iter().map(customer).collect(),
            sites: grant.sites.map(|sites| sites.into_iter().map(site).collect()),
            stores: grant.stores.into_iter().map(store).collect(),
        }
    }
}

impl From<RegionDetail> for RegionView {
    fn from(detail: RegionDetail) -> Self {
        let RegionDetail { region, health } = detail;
        Self {
            path: format!("/v1/regions/{}", region.name),
            name: region.name.to_string(),
            api: region.api.to_string(),
            daas: region.daas,
            registry: region.registry.to_string(),
            core: region.core.to_string(),
            notifications: region.notifications.to_string(),
            health: worst_of_each(health).into_iter().map(HealthView::from).collect(),
        }
    }
}

impl From<CustomerDetail> for CustomerView {
    fn from(detail: CustomerDetail) -> Self {
        let CustomerDetail { account, credential, health } = detail;
        let credential = match credential {
            Some(status) => CredentialView {
                state: status.state.as_str(),
                expires: status.expires,
                quarantined_since: status.quarantined_since,
            },
            None => {
                CredentialView { state: "misconfigured", expires: None, quarantined_since: None }
            }
        };
        Self {
            path: format!("/v1/customers/{}", account.name()),
            id: account.id().to_owned(),
            name: account.name().to_string(),
            display_name: account.display_name().to_owned(),
            region: account.region().map(ToString::to_string),
            labels: account.labels().iter().map(ToString::to_string).collect(),
            credential,
            health: health.into_iter().map(HealthView::from).collect(),
        }
    }
}

impl From<ServiceHealth> for HealthView {
    fn from(health: ServiceHealth) -> Self {
        Self {
            service: health.service.as_str(),
            status: health.status.as_str(),
            since: health.since,
            last_error_code: health.last_error_code,
        }
    }
}

/// One line a service: failing if it fails for any customer.
fn worst_of_each(all: Vec<ServiceHealth>) -> Vec<ServiceHealth> {
    let mut worst: Vec<ServiceHealth> = Vec::new();
    for health in all {
        match worst.iter_mut().find(|seen| seen.service == health.service) {
            None => worst.push(health),
            Some(seen) if rank(health.status) > rank(seen.status) => *seen = health,
            Some(_) => {}
        }
    }
    worst
}

fn rank(status: HealthStatus) -> u8 {
    match status {
        HealthStatus::Unknown => 0,
        HealthStatus::Ok => 1,
        HealthStatus::Failing => 2,
    }
}
