use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Json as JsonBody,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::machines::{ReasonBody, reason};
use crate::{
    api::{
        ApiState,
        extract::{ActingCaller, Caller, Json, OptionalJson, Path, Query, WaitingCaller},
        idempotency::{REPLAYED, given_key},
        list::{List, PageParams, json_utf8},
        openapi::{
            OperationListProblems, OperationProblems, PlanProblems, ResultProblems, RetryProblems,
        },
        params::from_query,
        problem::Problem,
        views::{ListView, SourceView},
    },
    domain::{CallContext, ProblemCode},
    operations::{
        Accepted, BulkAction, Counts, Creator, Item, ItemState, Key, Operation, OperationRequest,
        OperationState, Order, Plan, PlanSummary, Settings, Stop, Target,
    },
};

/// One operation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OperationPath {
    /// The operation by id.
    #[param(example = "01981d4c-93a1-7cc5-8b4e-2f6f8a8f1f0e")]
    pub(crate) operation: String,
}

/// Whether to wait.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitParams {
    /// Answer once the operation has ended, or after this span of time such as `50s`; at most as
    /// long as a call may take (`120s` unless the gateway's operators chose otherwise).
    #[serde(deserialize_with = "span")]
    #[param(value_type = Option<String>)]
    wait: Option<Duration>,
}

/// Which items.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ItemParams {
    /// Only items in this state.
    #[param(inline)]
    state: Option<ItemState>,
}

from_query!(WaitParams, ItemParams);

/// A bulk operation and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperationView {
    /// Its path on this gateway.
    #[serde(rename = "self")]
    path: String,
    /// Its id.
    id: Uuid,
    /// What it does.
    action: BulkAction,
    /// How it stands.
    state: OperationState,
    /// How its items stand.
    counts: Counts,
    /// Whose it is.
    created_by: Creator,
    /// Why, in the caller's words.
    reason: Option<String>,
    /// When it was accepted.
    create_time: Timestamp,
    /// When its first item was sent.
    start_time: Option<Timestamp>,
    /// When its last item ended.
    end_time: Option<Timestamp>,
    /// No item is begun after this time.
    not_after: Timestamp,
    /// Why work was stopped before its end.
    error: Option<Stop>,
    /// The operation whose failed items these are.
    retry_of: Option<Uuid>,
    /// What planning found.
    plan: PlanSummary,
    /// What was asked for.
    #[serde(flatten)]
    order: Order,
}

/// What an operation would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanAnswerView {
    /// What it would act on, and what it would leave alone.
    plan: PlanView,
}

/// What an operation would act on, and what it would leave alone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanView {
    /// What it would act on.
    targets: Vec<Target>,
    /// What is within reach and would be left alone.
    skipped: Vec<SkippedView>,
    /// Quote it as `planDigest` within an hour to do exactly this.
    digest: String,
    /// Whether there are more targets than `maxTargets`, so that nothing would be started.
    exceeds_max_targets: bool,
    /// Every customer and site within reach, and what became of it.
    sources: Vec<SourceView>,
}

/// Something within reach that would be left alone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SkippedView {
    /// What.
    #[serde(flatten)]
    target: Target,
    /// One word. `inUse`, `unregistered`, `maintenance`, `off` and `physical` are guards that
    /// `options.include` can lift; others are `powerActionPending`, `alreadyOn`, `excluded` and
    /// `notSelected`.
    #[schema(value_type = String, example = "inUse")]
    reason: &'static str,
    /// The same in words.
    #[schema(example = "has 2 sessions")]
    detail: String,
    /// Sessions on the machine; `null` if that is unknown, or for sessions.
    session_count: Option<u32>,
}

/// Plans an operation, or starts one.
///
/// An operation does one thing to many machines or sessions. It is planned from what Citrix says
/// now: everything that the selector reaches is either a target or left alone for a reason that
/// is named. `reboot`, `shutdown` and `suspend` leave alone what is in use (or may be), not
/// registered, in maintenance mode, not switched on or physical, unless `options.include` names
/// that. With `dryRun` the plan is all that happens.
///
/// Without it the operation is stored, answered with 202 and its address, and worked through in
/// the background, even if this gateway is restarted: follow `Location`. Nothing is started when
/// a source cannot be read (503 `plan_incomplete`) or when there are more targets than
/// `options.maxTargets` (409 `too_many_targets`). `Idempotency-Key` is required: for 24 hours
/// the same request with the same key is answered with the same operation.
#[utoipa::path(
    post,
    path = "/operations",
    tag = "operations",
    params(("Idempotency-Key" = Option<String>, Header, description = "A value of your own that stands for this piece of work, such as a UUID, and does so for 24 hours; required unless `dryRun`.")),
    request_body = OperationRequest,
    responses(
        (status = 200, description = "The plan; nothing was started", body = PlanAnswerView),
        (status = 202, description = "The operation, stored and begun", body = OperationView,
            headers(("Location" = String, description = "Path of the operation"))),
        PlanProblems,
    ),
)]
pub(crate) async fn start_operation(
    ActingCaller(ctx): ActingCaller,
    State(api): State<ApiState>,
    Query(()): Query<()>,
    headers: HeaderMap,
    Json(mut request): Json<OperationRequest>,
) -> Result<Response, Problem> {
    request.reason = checked(request.reason.as_deref())?;
    if request.dry_run {
        let (plan, settings) = api.operations.plan(&ctx, &request).await?;
        let view = PlanAnswerView { plan: PlanView::of(plan, &settings) };
        return Ok(json_utf8(JsonBody(view).into_response()));
    }
    let key = key(&headers, "start", &request)?.ok_or_else(|| {
        let detail = "starting an operation needs an Idempotency-Key";
        Problem::new(ProblemCode::IdempotencyKeyRequired, detail)
    })?;
    accepted(api.operations.start(&ctx, &request, &key).await?)
}

/// Lists operations, newest first.
///
/// An app sees its own. Who has the action `admin` on every customer that an operation reaches
/// sees it too.
#[utoipa::path(
    get,
    path = "/operations",
    tag = "operations",
    params(PageParams),
    responses((status = 200, description = "Operations", body = ListView<OperationView>), OperationListProblems),
)]
pub(crate) async fn list_operations(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    list: List<()>,
) -> Result<Response, Problem> {
    let list = list.without_sources()?;
    let page = api.operations.list(&ctx, &list.paging()).await?;
    list.answer_known(page.items.into_iter().map(OperationView::from).collect(), page.next)
}

/// Shows an operation; with `wait`, once it has ended.
#[utoipa::path(
    get,
    path = "/operations/{operation}",
    tag = "operations",
    params(OperationPath, WaitParams),
    responses((status = 200, description = "The operation as it stands", body = OperationView), OperationProblems),
)]
pub(crate) async fn show_operation(
    WaitingCaller(ctx): WaitingCaller,
    State(api): State<ApiState>,
    Path(path): Path<OperationPath>,
    Query(params): Query<WaitParams>,
) -> Result<Response, Problem> {
    let id = path.id()?;
    let operation = api.operations.wait(&ctx, id, params.until(&ctx)).await?;
    Ok(json_utf8(JsonBody(OperationView::from(operation)).into_response()))
}

/// Lists the items of an operation: every target and what became of it.
#[utoipa::path(
    get,
    path = "/operations/{operation}/items",
    tag = "operations",
    params(OperationPath, PageParams, ItemParams),
    responses((status = 200, description = "Items, in the order in which they were planned", body = ListView<Item>), OperationListProblems),
)]
pub(crate) async fn list_operation_items(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<OperationPath>,
    list: List<ItemParams>,
) -> Result<Response, Problem> {
    let list = list.without_sources()?;
    let page = api.operations.items(&ctx, path.id()?, list.filter.state, &list.paging()).await?;
    list.answer_known(page.items, page.next)
}

/// Says whether an operation did everything that was asked of it.
///
/// A success only when it has ended and every item succeeded or was skipped, so that
/// `curl --fail` and `raise_for_status()` tell the truth.
#[utoipa::path(
    get,
    path = "/operations/{operation}/result",
    tag = "operations",
    params(OperationPath, WaitParams),
    responses((status = 200, description = "The operation, which did everything", body = OperationView), ResultProblems),
)]
pub(crate) async fn show_operation_result(
    WaitingCaller(ctx): WaitingCaller,
    State(api): State<ApiState>,
    Path(path): Path<OperationPath>,
    Query(params): Query<WaitParams>,
) -> Result<Response, Problem> {
    let id = path.id()?;
    api.operations.wait(&ctx, id, params.until(&ctx)).await?;
    let operation = api.operations.result(&ctx, id).await?;
    Ok(json_utf8(JsonBody(OperationView::from(operation)).into_response()))
}

/// Cancels an operation.
///
/// What is under way goes on to its end; what waits is cancelled. The operation is `cancelling`
/// until then. One that has ended is shown as it is. The audit trail names who cancelled it, and
/// why.
#[utoipa::path(
    post,
    path = "/operations/{operation}/actions/cancel",
    tag = "operations",
    params(OperationPath),
    request_body(content = Option<ReasonBody>, description = "May be left out."),
    responses((status = 200, description = "The operation as it stands", body = OperationView), OperationProblems),
)]
pub(crate) async fn cancel_operation(
    Caller(mut ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<OperationPath>,
    Query(()): Query<()>,
    OptionalJson(body): OptionalJson<ReasonBody>,
) -> Result<Response, Problem> {
    ctx.reason = reason(body.reason.as_deref())?;
    let operation = api.operations.cancel(&ctx, path.id()?).await?;
    Ok(json_utf8(JsonBody(OperationView::from(operation)).into_response()))
}

/// Starts a new operation of the failed items of another.
///
/// Items whose outcome is unknown are not among them: they may have happened. What an earlier retry
/// took on is not started again unless it failed there too; `retryOf` names the last retry then.
/// While a retry is at it, or when nothing is left to be retried, the last one is given back as it
/// is and nothing is started. There is as much time for it as there was for the first one.
#[utoipa::path(
    post,
    path = "/operations/{operation}/actions/retry-failed",
    tag = "operations",
    params(
        OperationPath,
        ("Idempotency-Key" = Option<String>, Header, description = "A value of your own that stands for this piece of work, for 24 hours."),
    ),
    request_body(content = Option<ReasonBody>, description = "May be left out."),
    responses(
        (status = 202, description = "The new operation, stored and begun; or the last one, with `Idempotent-Replayed: true`", body = OperationView,
            headers(("Location" = String, description = "Path of the operation"))),
        RetryProblems,
    ),
)]
pub(crate) async fn retry_failed_items(
    ActingCaller(ctx): ActingCaller,
    State(api): State<ApiState>,
    Path(path): Path<OperationPath>,
    Query(()): Query<()>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<ReasonBody>,
) -> Result<Response, Problem> {
    let why = checked(body.reason.as_deref())?;
    let id = path.id()?;
    let key = key(&headers, "retry", &(id, &why))?;
    accepted(api.operations.retry_failed(&ctx, id, why, key.as_ref()).await?)
}

impl WaitParams {
    /// When to answer at the latest: at once unless the caller waits, and in time in any case.
    fn until(&self, ctx: &CallContext) -> Instant {
        let last = ctx.deadline.checked_sub(MARGIN).unwrap_or(ctx.deadline);
        last.min(Instant::now() + self.wait.unwrap_or_default())
    }
}

impl OperationPath {
    pub(crate) fn id(&self) -> Result<Uuid, Problem> {
        Uuid::parse_str(&self.operation)
            .map_err(|_| crate::operations::Error::NotFound { pointer: None }.into())
    }
}

impl From<Operation> for OperationView {
    fn from(operation: Operation) -> Self {
        let Operation { id, action, state, counts, created_by, reason, order, .. } = operation;
        Self {
            path: path(id),
            id,
            action,
            state,
            counts,
            created_by,
            reason,
            create_time: operation.create_time,
            start_time: operation.start_time,
            end_time: operation.end_time,
            not_after: operation.settings.not_after,
            error: operation.error,
            retry_of: operation.retry_of,
            plan: operation.plan,
            order,
        }
    }
}

impl PlanView {
    fn of(plan: Plan, settings: &Settings) -> Self {
        let exceeds_max_targets = plan.len() > settings.max_targets;
        let Plan { targets, skipped, sources, digest } = plan;
        let skipped = skipped.into_iter().map(|skipped| SkippedView {
            target: skipped.target,
            reason: skipped.reason,
            detail: skipped.detail,
            session_count: skipped.session_count,
        });
        Self {
            targets,
            skipped: skipped.collect(),
            digest,
            exceeds_max_targets,
            sources: sources.into_iter().map(SourceView::from).collect(),
        }
    }
}

fn accepted(accepted: Accepted) -> Result<Response, Problem> {
    let (operation, again) = match accepted {
        Accepted::New(operation) => (operation, false),
        Accepted::Again(operation) => (operation, true),
        Accepted::KeyReused => {
            let detail = "this Idempotency-Key stands for another request";
            return Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail));
        }
    };
    let location = HeaderValue::try_from(path(operation.id));
    let view = JsonBody(OperationView::from(operation));
    let mut response = json_utf8((StatusCode::ACCEPTED, view).into_response());
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if again {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn path(id: Uuid) -> String {
    format!("/v1/operations/{id}")
}

/// The caller's key and what it stands for.
fn key(headers: &HeaderMap, kind: &str, request: &impl Serialize) -> Result<Option<Key>, Problem> {
    let Some(given) = given_key(headers)? else { return Ok(None) };
    // JSON, so that no value can slide into its neighbour.
    let said = serde_json::to_vec(&(kind, request)).map_err(|error| {
        Problem::new(ProblemCode::Internal, "the request could not be read again").caused_by(&error)
    })?;
    let fingerprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &said));
    Ok(Some(Key { key: given, fingerprint }))
}

/// A reason as operations keep it.
fn checked(text: Option<&str>) -> Result<Option<String>, Problem> {
    Ok(reason(text)?.as_deref().map(ToOwned::to_owned))
}

/// A span of time such as `50s`.
fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    match span.filter(|span| *span <= LONGEST_WAIT) {
        Some(span) => Ok(Some(span)),
        None => Err(serde::de::Error::custom("write a span of time such as \"50s\", at most 10m")),
    }
}

const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// Time that is left to answer once waiting is over.
const MARGIN: Duration = Duration::from_millis(250);
