use axum::{
    Json as JsonBody,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    machines::reason,
    paths::{CustomerPath, LocationPath, ServicePath},
};
use crate::{
    api::{
        ApiState,
        extract::{Caller, Json, Path, Query, named, one_customer},
        list::{List, ListParams, json_utf8},
        openapi::{ListProblems, ReadProblems, WriteProblems},
        params::from_query,
        problem::{FieldError, Problem},
        views::{ItemView, ListView},
    },
    domain::{Notification, ProblemCode, ResourceLocation, ServiceState},
    services::{Located, NewNotification},
};

/// Which service states.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ServiceStateParams {
    /// Only services in this state, such as `ProductionTrial`; compared without case.
    state: Option<String>,
}

from_query!(ServiceStateParams);

/// A notification to send; title and description are enough.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationBody {
    /// One line.
    #[schema(min_length = 1, max_length = 256, example = "Maintenance tonight")]
    title: String,
    /// The rest.
    #[schema(min_length = 1, max_length = 4096, example = "Desktops restart at 22:00 UTC.")]
    description: String,
    /// `Information` (the default), `Warning`, `Error` or `Critical`.
    #[serde(default)]
    severity: Option<String>,
    /// `Normal` (the default).
    #[serde(default)]
    priority: Option<String>,
    /// What it is about; `Citrix Cloud` by default.
    #[serde(default)]
    component: Option<String>,
    /// The administrator it is for; `*`, everybody, by default.
    #[serde(default)]
    destination_admin: Option<String>,
    /// Language of the text; `en-US` by default.
    #[serde(default)]
    language_tag: Option<String>,
    /// Why; kept with the record of the notification.
    #[serde(default)]
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// A notification with its owner. It has no path: Citrix Cloud shows it to its administrators only.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SentNotification)]
pub(crate) struct NotificationView {
    /// Our name of the customer it was sent to.
    customer: String,
    /// Citrix's id of that customer.
    customer_id: String,
    /// The region the customer lives in.
    region: String,
    /// The notification itself.
    #[serde(flatten)]
    notification: Notification,
}

/// Lists the resource locations of a customer: the places where its resources run.
#[utoipa::path(
    get,
    path = "/customers/{customer}/resource-locations",
    tag = "customers",
    params(CustomerPath, ListParams),
    responses((status = 200, description = "Resource locations, and what became of each source", body = ListView<ItemView<ResourceLocation>>), ListProblems),
)]
pub(crate) async fn list_resource_locations(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<CustomerPath>,
    list: List<()>,
) -> Result<Response, Problem> {
    let scope = list.scope(&path.customer, None)?;
    let listing = api.services.platform.resource_locations(&ctx, scope, list.paging())?;
    list.answer(listing).await
}

/// Shows one resource location.
#[utoipa::path(
    get,
    path = "/customers/{customer}/resource-locations/{location}",
    tag = "customers",
    params(LocationPath),
    responses((status = 200, description = "The resource location", body = ItemView<ResourceLocation>), ReadProblems),
)]
pub(crate) async fn show_resource_location(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<LocationPath>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let (customer, id) = (one_customer(&path.customer)?, named(&path.location)?);
    let found = api.services.platform.resource_location(&ctx, customer, &id).await?;
    Ok(json_utf8(JsonBody(ItemView::from(found)).into_response()))
}

/// Lists the Citrix Cloud services of a customer and whether it is entitled to them.
#[utoipa::path(
    get,
    path = "/customers/{customer}/service-states",
    tag = "customers",
    params(CustomerPath, ListParams, ServiceStateParams),
    responses((status = 200, description = "Service states, and what became of each source", body = ListView<ItemView<ServiceState>>), ListProblems),
)]
pub(crate) async fn list_service_states(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<CustomerPath>,
    list: List<ServiceStateParams>,
) -> Result<Response, Problem> {
    let scope = list.scope(&path.customer, None)?;
    let state = list.filter.state.clone();
    let listing = api.services.platform.service_states(&ctx, scope, state, list.paging())?;
    list.answer(listing).await
}

/// Shows whether a customer is entitled to one Citrix Cloud service.
#[utoipa::path(
    get,
    path = "/customers/{customer}/service-states/{service}",
    tag = "customers",
    params(ServicePath),
    responses((status = 200, description = "The service state", body = ItemView<ServiceState>), ReadProblems),
)]
pub(crate) async fn show_service_state(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<ServicePath>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let (customer, service) = (one_customer(&path.customer)?, named(&path.service)?);
    let found = api.services.platform.service_state(&ctx, customer, &service).await?;
    Ok(json_utf8(JsonBody(ItemView::from(found)).into_response()))
}

/// Notifies the administrators of a customer in Citrix Cloud.
#[utoipa::path(
    post,
    path = "/customers/{customer}/notifications",
    tag = "customers",
    params(CustomerPath),
    request_body = NotificationBody,
    responses((status = 200, description = "The notification as Citrix Cloud stored it", body = NotificationView), WriteProblems),
)]
pub(crate) async fn create_notification(
    Caller(mut ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<CustomerPath>,
    Query(()): Query<()>,
    Json(body): Json<NotificationBody>,
) -> Result<Response, Problem> {
    ctx.reason = reason(body.reason.as_deref())?;
    let customer = one_customer(&path.customer)?;
    let sent = api.services.platform.notify(&ctx, customer, body.check()?).await?;
    Ok(json_utf8(JsonBody(NotificationView::from(sent)).into_response()))
}

impl From<Located<Notification>> for NotificationView {
    fn from(Located { customer, item, .. }: Located<Notification>) -> Self {
        Self {
            customer: customer.name.to_string(),
            customer_id: customer.id.to_string(),
            region: customer.region.to_string(),
            notification: item,
        }
    }
}

impl NotificationBody {
    fn check(self) -> Result<NewNotification, Problem> {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "x".to_owned());
        let bounds = [
            ("title", self.title.clone(), 256),
            ("description", self.description.clone(), 4096),
            ("severity", word(&self.severity), 64),
            ("priority", word(&self.priority), 64),
            ("component", word(&self.component), 128),
            ("destinationAdmin", word(&self.destination_admin), 256),
            ("languageTag", word(&self.language_tag), 35),
        ];
        let errors: Vec<_> = bounds
            .into_iter()
            .filter(|(_, text, max)| text.trim().is_empty() || text.chars().count() > *max)
            .map(|(name, _, max)| FieldError {
                pointer: format!("/{name}"),
                detail: format!("{name} must have 1 to {max} characters"),
            })
            .collect();
        if !errors.is_empty() {
            return Err(Problem::invalid(ProblemCode::InvalidRequest, errors));
        }
        let Self {
            title,
            description,
            severity,
            priority,
            component,
            destination_admin,
            language_tag,
            reason: _,
        } = self;
        Ok(NewNotification {
            title,
            description,
            severity,
            priority,
            component,
            destination_admin,
            language_tag,
        })
    }
}
