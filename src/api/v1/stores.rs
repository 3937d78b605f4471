use axum::{
    Json as JsonBody,
    extract::{FromRequestParts, State},
    http::{HeaderName, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::machines::reason;
use crate::{
    api::{
        ApiState,
        extract::{ActingCaller, Caller, Json, OptionalJson, Path, Query, named},
        list::json_utf8,
        openapi::{ReadProblems, StoreChangeProblems, StoreProblems},
        problem::Problem,
    },
    config::{Store, StoreAuth},
    domain::{ClientName, Enumeration, StoreName, StoreResource},
    services::{StoreCredential, StoreListing},
};

/// The StoreFront stores that the caller may read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoresView {
    /// By name.
    items: Vec<StoreView>,
    /// Always `null`: stores come in one page.
    next_page_token: Option<String>,
}

/// A StoreFront store.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreView {
    /// Path of what it offers.
    #[serde(rename = "self")]
    path: String,
    /// Its name here.
    name: String,
    /// Its own URL.
    url: String,
    /// The customer it belongs to, where it belongs to one.
    customer: Option<String>,
    /// `service-account` (the gateway signs in) or `caller` (sign your user in first).
    #[schema(value_type = String, example = "service-account")]
    sign_in: &'static str,
}

/// What a store offers to the account that asked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreResourcesView {
    /// In the store's order.
    items: Vec<StoreResourceView>,
    /// `full`, `partial` (some of what stands behind the store did not answer) or `failed`. Only
    /// a full list proves that something is not there.
    enumeration: Enumeration,
    /// Always `null`: a store lists everything at once.
    next_page_token: Option<String>,
}

/// A resource with its address.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StoreResourceItem)]
pub(crate) struct StoreResourceView {
    /// Path of the resource on this gateway; power off with `POST {self}/actions/power-off`.
    #[serde(rename = "self")]
    path: String,
    /// The store it belongs to.
    store: String,
    /// The resource itself.
    #[serde(flatten)]
    resource: StoreResource,
}

/// Who signs in to a store.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignInBody {
    /// `DOMAIN\user` or user principal name.
    #[schema(max_length = 256, example = "DEMOLAB\\mira")]
    username: String,
    /// The password. Used once and kept nowhere.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// A user's sign-in to a store.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignInView {
    /// Send it as `Cwsgate-Store-Session`. Good for this app and this store only.
    store_session: String,
    /// When it ends.
    expires_at: Timestamp,
}

/// How to power a machine off; everything may be left out.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PowerOffBody {
    /// The device that the user sits at, for the store's records.
    #[schema(max_length = 256, example = "kiosk-7")]
    client_name: Option<String>,
    /// Why; kept with the record of the action.
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// The machine has been switched off.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PowerOffView {
    /// `done`.
    #[schema(value_type = String, example = "done")]
    outcome: &'static str,
    /// `hard-off`: the power was cut. The machine starts again at its next launch.
    #[schema(value_type = String, example = "hard-off")]
    effect: &'static str,
    /// The resource whose machine it is.
    resource: StoreResourceView,
}

/// A store.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct StorePath {
    /// The store's name.
    #[param(example = "hq")]
    store: String,
}

/// A resource of a store.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ResourcePath {
    /// The store's name.
    #[param(example = "hq")]
    store: String,
    /// The resource's `id`.
    resource: String,
}

/// As whom the store is asked, from the request's headers.
pub(crate) struct AsUser(StoreCredential);

impl<S: Send + Sync> FromRequestParts<S> for AsUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let read = |name: &HeaderName| -> Result<Option<SecretString>, Problem> {
            let mut values = parts.headers.get_all(name).iter();
            let Some(value) = values.next() else { return Ok(None) };
            match (value.to_str(), values.next()) {
                (Ok(text), None) if !text.is_empty() => Ok(Some(SecretString::from(text))),
                _ => Err(Problem::invalid_at(format!("/{name}"), "send it once, in plain ASCII")),
            }
        };
        match (read(&STORE_SESSION)?, read(&STORE_TOKEN)?) {
            (None, None) => Ok(Self(StoreCredential::None)),
            (Some(handle), None) => Ok(Self(StoreCredential::Session(handle))),
            (None, Some(token)) => Ok(Self(StoreCredential::Token(token))),
            (Some(_), Some(_)) => Err(Problem::invalid_at(
                "/Cwsgate-Store-Token",
                "send a store session or a store token, not both",
            )),
        }
    }
}

/// Lists the StoreFront stores that the caller may read.
#[utoipa::path(
    get,
    path = "/stores",
    tag = "stores",
    responses((status = 200, description = "Stores", body = StoresView), ReadProblems),
)]
pub(crate) async fn list_stores(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let stores = api.services.stores.list(&ctx)?;
    let items = stores.iter().map(|store| StoreView::from(store.as_ref())).collect();
    Ok(json_utf8(JsonBody(StoresView { items, next_page_token: None }).into_response()))
}

/// Lists what a store offers. Listing never subscribes anybody to anything.
#[utoipa::path(
    get,
    path = "/stores/{store}/resources",
    tag = "stores",
    params(
        StorePath,
        ("Cwsgate-Store-Session" = Option<String>, Header, description = "A user's sign-in, for stores where callers sign their users in."),
        ("Cwsgate-Store-Token" = Option<String>, Header, description = "A StoreFront token of the caller's own instead; used for this call and never kept."),
    ),
    responses((status = 200, description = "Resources", body = StoreResourcesView), StoreProblems),
)]
pub(crate) async fn list_store_resources(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<StorePath>,
    Query(()): Query<()>,
    AsUser(credential): AsUser,
) -> Result<Response, Problem> {
    let listing = api.services.stores.resources(&ctx, &path.store, &credential).await?;
    let StoreListing { store, enumeration, resources } = listing;
    let items = resources.into_iter().map(|r| StoreResourceView::new(&store, r)).collect();
    let view = StoreResourcesView { items, enumeration, next_page_token: None };
    Ok(json_utf8(JsonBody(view).into_response()))
}

/// Shows one resource of a store.
#[utoipa::path(
    get,
    path = "/stores/{store}/resources/{resource}",
    tag = "stores",
    params(
        ResourcePath,
        ("Cwsgate-Store-Session" = Option<String>, Header, description = "A user's sign-in, for stores where callers sign their users in."),
        ("Cwsgate-Store-Token" = Option<String>, Header, description = "A StoreFront token of the caller's own instead; used for this call and never kept."),
    ),
    responses((status = 200, description = "The resource", body = StoreResourceView), StoreProblems),
)]
pub(crate) async fn show_store_resource(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<ResourcePath>,
    Query(()): Query<()>,
    AsUser(credential): AsUser,
) -> Result<Response, Problem> {
    let stores = &api.services.stores;
    let (store, found) = stores.resource(&ctx, &path.store, &path.resource, &credential).await?;
    Ok(json_utf8(JsonBody(StoreResourceView::new(&store, found)).into_response()))
}

/// Signs a user of the caller's in to a store.
///
/// Once: a wrong password is 403 `store_sign_in_refused` and never tried again, because repeated
/// failures lock accounts.
#[utoipa::path(
    post,
    path = "/stores/{store}/sign-ins",
    tag = "stores",
    params(StorePath),
    request_body = SignInBody,
    responses((status = 201, description = "Signed in", body = SignInView), StoreProblems),
)]
pub(crate) async fn create_store_sign_in(
    ActingCaller(ctx): ActingCaller,
    State(api): State<ApiState>,
    Path(path): Path<StorePath>,
    Query(()): Query<()>,
    Json(body): Json<SignInBody>,
) -> Result<Response, Problem> {
    let SignInBody { username, password } = body;
    if username.trim().is_empty() || username.len() > 256 {
        return Err(Problem::invalid_at("/username", "username must have 1 to 256 bytes"));
    }
    let signed_in = api.services.stores.sign_in(&ctx, &path.store, &username, &password).await?;
    let view = SignInView {
        store_session: signed_in.handle.expose_secret().to_owned(),
        expires_at: signed_in.expires,
    };
    let mut response = json_utf8((StatusCode::CREATED, JsonBody(view)).into_response());
    let no_store = axum::http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(axum::http::header::CACHE_CONTROL, no_store);
    Ok(response)
}

/// Ends the sign-in of `Cwsgate-Store-Session`.
#[utoipa::path(
    delete,
    path = "/stores/{store}/sign-ins/current",
    tag = "stores",
    params(
        StorePath,
        ("Cwsgate-Store-Session" = String, Header, description = "The sign-in to end."),
    ),
    responses((status = 204, description = "Signed out"), StoreProblems),
)]
pub(crate) async fn delete_store_sign_in(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<StorePath>,
    Query(()): Query<()>,
    AsUser(credential): AsUser,
) -> Result<Response, Problem> {
    let StoreCredential::Session(handle) = credential else {
        let detail = "name the sign-in to end with Cwsgate-Store-Session";
        return Err(Problem::invalid_at("/Cwsgate-Store-Session", detail));
    };
    api.services.stores.sign_out(&ctx, &path.store, &handle)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Cuts the power of the machine behind a resource.
///
/// A hard power-off: what is not saved is lost, and the machine starts again at its next launch.
/// 504 `outcome_unknown` means that it may have happened; the gateway never repeats it.
#[utoipa::path(
    post,
    path = "/stores/{store}/resources/{resource}/actions/power-off",
    tag = "stores",
    params(
        ResourcePath,
        ("Cwsgate-Store-Session" = Option<String>, Header, description = "A user's sign-in, for stores where callers sign their users in."),
        ("Cwsgate-Store-Token" = Option<String>, Header, description = "A StoreFront token of the caller's own instead; used for this call and never kept."),
    ),
    request_body(content = Option<PowerOffBody>, description = "May be left out."),
    responses((status = 200, description = "The machine is off", body = PowerOffView), StoreChangeProblems),
)]
pub(crate) async fn power_off_store_resource(
    ActingCaller(mut ctx): ActingCaller,
    State(api): State<ApiState>,
    Path(path): Path<ResourcePath>,
    Query(()): Query<()>,
    AsUser(credential): AsUser,
    OptionalJson(body): OptionalJson<PowerOffBody>,
) -> Result<Response, Problem> {
    ctx.reason = reason(body.reason.as_deref())?;
    let client_name: ClientName = named(body.client_name.as_deref().unwrap_or(DEFAULT_CLIENT))
        .map_err(|_| Problem::invalid_at("/clientName", "clientName must be one short line"))?;
    let stores = &api.services.stores;
    let (store, resource) =
        stores.power_off(&ctx, &path.store, &path.resource, client_name, &credential).await?;
    let resource = StoreResourceView::new(&store, resource);
    let view = PowerOffView { outcome: "done", effect: "hard-off", resource };
    Ok(json_utf8(JsonBody(view).into_response()))
}

impl From<&Store> for StoreView {
    fn from(store: &Store) -> Self {
        Self {
            path: format!("/v1/stores/{}/resources", store.name),
            name: store.name.to_string(),
            url: store.url.to_string(),
            customer: store.customer.as_ref().map(ToString::to_string),
            sign_in: match store.auth {
                StoreAuth::HttpBasic(_) | StoreAuth::ExplicitForms(_) => "service-account",
                StoreAuth::Caller => "caller",
            },
        }
    }
}

impl StoreResourceView {
    fn new(store: &StoreName, resource: StoreResource) -> Self {
        let path = format!("/v1/stores/{store}/resources/{}", resource.id);
        Self { path, store: store.to_string(), resource }
    }
}

const STORE_SESSION: HeaderName = HeaderName::from_static("cwsgate-store-session");
const STORE_TOKEN: HeaderName = HeaderName::from_static("cwsgate-store-token");

/// What the store is told where the caller names no device.
const DEFAULT_CLIENT: &str = "cwsgate";
