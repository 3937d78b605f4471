use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::paths::{CatalogPath, GroupPath, MachinePath, SitePath};
use crate::{
    api::{
        ApiState,
        extract::{ActingCaller, Caller, OptionalJson, Path, Query, named},
        list::{List, ListParams, json_utf8},
        openapi::{ActionProblems, ListProblems, ReadProblems},
        params::{flag, from_query},
        problem::Problem,
        views::{ItemView, ListView},
    },
    domain::{Machine, PowerAction},
    services::{IfInUse, MachineFilter, MachineScope, PowerRequest},
};

/// Which machines.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(crate) struct MachineParams {
    /// Only machines in this power state, such as `On` or `Off`; compared without case.
    power_state: Option<String>,
    /// Only machines in this registration state, such as `Unregistered`.
    registration_state: Option<String>,
    /// Only machines with this fault, such as `StuckOnBoot`.
    fault_state: Option<String>,
    /// Only machines that are in maintenance mode (`true`), or are not (`false`).
    #[serde(deserialize_with = "flag")]
    in_maintenance_mode: Option<bool>,
    /// Only machines with exactly this many sessions; 0 finds idle ones. A machine whose count
    /// Citrix does not say never matches.
    session_count: Option<u32>,
    /// Only machines with this text in their name or DNS name.
    name: Option<String>,
    /// Only machines of users with this text in their name or user principal name.
    user: Option<String>,
    /// Only machines with this tag.
    tag: Option<String>,
}

from_query!(MachineParams);

/// How to carry out a power action; everything may be left out.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PowerBody {
    /// Cut the power (or reset) instead of asking the operating system. For `shutdown` and
    /// `reboot` only.
    force: bool,
    /// What to do when the machine has sessions, or when Citrix does not say how many.
    if_in_use: IfInUseWord,
    /// Why; kept with the record of the action.
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// How to carry out an action that needs no choice.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ReasonBody {
    /// Why; kept with the record of the action.
    #[schema(max_length = 1024)]
    pub(crate) reason: Option<String>,
}

/// What to do when a machine is, or may be, in use.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IfInUseWord {
    /// Do nothing and answer 409 `machine_in_use`.
    #[default]
    Refuse,
    /// Act; the users are interrupted.
    Proceed,
}

/// Citrix took a power action. It queues them: accepted is not yet done, and the machine's own
/// state is what proves it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PowerView {
    /// `accepted`.
    #[schema(value_type = String, example = "accepted")]
    outcome: &'static str,
    /// The machine as it was just before.
    machine: ItemView<Machine>,
    /// Citrix's job for the action, where it made one.
    upstream_job_id: Option<String>,
}

/// A machine after a change that Citrix has made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MachineChangeView {
    /// `done`.
    #[schema(value_type = String, example = "done")]
    outcome: &'static str,
    /// The machine as it is now.
    machine: ItemView<Machine>,
}

/// Lists machines of every customer and site that the caller may see.
///
/// Short for `/v1/customers/-/sites/-/machines`: every region and customer is asked at the same
/// time, and a source that fails is named in `sources` while the others are listed.
#[utoipa::path(
    get,
    path = "/machines",
    tag = "machines",
    operation_id = "list_all_machines",
    params(ListParams, MachineParams),
    responses((status = 200, description = "Machines, and what became of each source", body = ListView<ItemView<Machine>>), ListProblems),
)]
pub(crate) async fn list_all_machines(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    list: List<MachineParams>,
) -> Result<Response, Problem> {
    let scope = list.scope("-", None)?;
    let filter = list.filter.clone().into();
    let listing =
        api.services.machines.list(&ctx, scope, MachineScope::All, filter, list.paging())?;
    list.answer(listing).await
}

/// Lists the machines of a site.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}/machines",
    tag = "machines",
    params(SitePath, ListParams, MachineParams),
    responses((status = 200, description = "Machines, and what became of each source", body = ListView<ItemView<Machine>>), ListProblems),
)]
pub(crate) async fn list_machines(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<SitePath>,
    list: List<MachineParams>,
) -> Result<Response, Problem> {
    let scope = list.scope(&path.customer, Some(&path.site))?;
    let filter = list.filter.clone().into();
    let listing =
        api.services.machines.list(&ctx, scope, MachineScope::All, filter, list.paging())?;
    list.answer(listing).await
}

/// Lists the machines of a machine catalog.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}/machine-catalogs/{catalog}/machines",
    tag = "machines",
    operation_id = "list_catalog_machines",
    params(CatalogPath, ListParams, MachineParams),
    responses((status = 200, description = "Machines, and what became of each source", body = ListView<ItemView<Machine>>), ListProblems),
)]
pub(crate) async fn list_catalog_machines(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<CatalogPath>,
    list: List<MachineParams>,
) -> Result<Response, Problem> {
    let scope = list.scope(&path.customer, Some(&path.site))?;
    let within = MachineScope::Catalog(named(&path.catalog)?);
    let filter = list.filter.clone().into();
    let listing = api.services.machines.list(&ctx, scope, within, filter, list.paging())?;
    list.answer(listing).await
}

/// Lists the machines of a delivery group.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}/delivery-groups/{group}/machines",
    tag = "machines",
    operation_id = "list_group_machines",
    params(GroupPath, ListParams, MachineParams),
    responses((status = 200, description = "Machines, and what became of each source", body = ListView<ItemView<Machine>>), ListProblems),
)]
pub(crate) async fn list_group_machines(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<GroupPath>,
    list: List<MachineParams>,
) -> Result<Response, Problem> {
    let scope = list.scope(&path.customer, Some(&path.site))?;
    let within = MachineScope::Group(named(&path.group)?);
    let filter = list.filter.clone().into();
    let listing = api.services.machines.list(&ctx, scope, within, filter, list.paging())?;
    list.answer(listing).await
}

/// Shows one machine.
#[utoipa::path(
    get,
    path = "/customers/{customer}/sites/{site}/machines/{machine}",
    tag = "machines",
    params(MachinePath),
    responses((status = 200, description = "The machine", body = ItemView<Machine>), ReadProblems),
)]
pub(crate) async fn show_machine(
    Caller(ctx): Caller,
    State(api): State<ApiState>,
    Path(path): Path<MachinePath>,
    Query(()): Query<()>,
) -> Result<Response, Problem> {
    let (customer, site, machine) = path.parse()?;
    let found = api.services.machines.get(&ctx, customer, &site, &machine).await?;
    Ok(json_utf8(Json(ItemView::from(found)).into_response()))
}

/// Declares the handler of one power action; they differ in name, path and words only.
macro_rules! power_handler {
    ($(#[$doc:meta])* $name:ident, $path:literal, $action:ident) => {
        $(#[$doc])*
        #[utoipa::path(
            post,
            path = $path,
            tag = "machines",
            params(MachinePath),
            request_body(content = Option<PowerBody>, description = "May be left out."),
            responses((status = 200, description = "Citrix took the action; it is not yet done", body = PowerView), ActionProblems),
        )]
        pub(crate) async fn $name(
            ActingCaller(mut ctx): ActingCaller,
            State(api): State<ApiState>,
            Path(path): Path<MachinePath>,
            Query(()): Query<()>,
            OptionalJson(body): OptionalJson<PowerBody>,
        ) -> Result<Response, Problem> {
            ctx.reason = reason(body.reason.as_deref())?;
            let (customer, site, machine) = path.parse()?;
            let request = body.request(PowerAction::$action)?;
            let outcome =
                api.services.machines.power(&ctx, customer, &site, &machine, request).await?;
            let view = PowerView {
                outcome: "accepted",
                machine: outcome.machine.into(),
                upstream_job_id: outcome.job_id,
            };
            Ok(json_utf8(Json(view).into_response()))
        }
    };
}

power_handler! {
    /// Starts a machine.
    start_machine, "/customers/{customer}/sites/{site}/machines/{machine}/actions/start", Start
}
power_handler! {
    /// Shuts a machine down.
    ///
    /// Refused with 409 `machine_in_use` while the machine has sessions, or when Citrix does not
    /// say how many, unless the body says `"ifInUse": "proceed"`.
    shutdown_machine, "/customers/{customer}/sites/{site}/machines/{machine}/actions/shutdown", Shutdown
}
power_handler! {
    /// Restarts a machine.
    ///
    /// Refused with 409 `machine_in_use` while the machine has sessions, or when Citrix does not
    /// say how many, unless the body says `"ifInUse": "proceed"`.
    reboot_machine, "/customers/{customer}/sites/{site}/machines/{machine}/actions/reboot", Reboot
}
power_handler! {
    /// Suspends a machine.
    ///
    /// Refused with 409 `machine_in_use` while the machine has sessions, or when Citrix does not
    /// say how many, unless the body says `"ifInUse": "proceed"`.
    suspend_machine, "/customers/{customer}/sites/{site}/machines/{machine}/actions/suspend", Suspend
}
power_handler! {
    /// Resumes a suspended machine.
    resume_machine, "/customers/{customer}/sites/{site}/machines/{machine}/actions/resume", Resume
}

/// Puts a machine into maintenance mode: it takes no new sessions.
#[utoipa::path(
    post,
    path = "/customers/{customer}/sites/{site}/machines/{machine}/actions/set-maintenance",
    tag = "machines",
    params(MachinePath),
    request_body(content = Option<ReasonBody>, description = "May be left out."),
    responses((status = 200, description = "Done", body = MachineChangeView), ActionProblems),
)]
pub(crate) async fn set_machine_maintenance(
    ActingCaller(mut ctx): ActingCaller,
    State(api): State<ApiState>,
    Path(path): Path<MachinePath>,
    Query(()): Query<()>,
    OptionalJson(body): OptionalJson<ReasonBody>,
) -> Result<Response, Problem> {
    ctx.reason = reason(body.reason.as_deref())?;
    let (customer, site, machine) = path.parse()?;
    let machines = &api.services.machines;
    let machine = machines.set_maintenance(&ctx, customer, &site, &machine, true).await?.into();
    Ok(json_utf8(Json(MachineChangeView { outcome: "done", machine }).into_response()))
}

/// Takes a machine out of maintenance mode.
#[utoipa::path(
    post,
    path = "/customers/{customer}/sites/{site}/machines/{machine}/actions/clear-maintenance",
    tag = "machines",
    params(MachinePath),
    request_body(content = Option<ReasonBody>, description = "May be left out."),
    responses((status = 200, description = "Done", body = MachineChangeView), ActionProblems),
)]
pub(crate) async fn clear_machine_maintenance(
    ActingCaller(mut ctx): ActingCaller,
    State(api): State<ApiState>,
    Path(path): Path<MachinePath>,
    Query(()): Query<()>,
    OptionalJson(body): OptionalJson<ReasonBody>,
) -> Result<Response, Problem> {
    ctx.reason = reason(body.reason.as_deref())?;
    let (customer, site, machine) = path.parse()?;
    let machines = &api.services.machines;
    let machine = machines.set_maintenance(&ctx, customer, &site, &machine, false).await?.into();
    Ok(json_utf8(Json(MachineChangeView { outcome: "done", machine }).into_response()))
}

impl PowerBody {
    fn request(&self, action: PowerAction) -> Result<PowerRequest, Problem> {
        if self.force && !action.can_be_forced() {
            let detail = format!("{} has no forced form", action.as_str());
            return Err(Problem::invalid_at("/force", detail));
        }
        let if_in_use = match self.if_in_use {
            IfInUseWord::Refuse => IfInUse::Refuse,
            IfInUseWord::Proceed => IfInUse::Proceed,
        };
        Ok(PowerRequest { action, force: self.force, if_in_use })
    }
}

impl From<MachineParams> for MachineFilter {
    fn from(params: MachineParams) -> Self {
        let MachineParams {
            power_state,
            registration_state,
            fault_state,
            in_maintenance_mode,
            session_count,
            name,
            user,
            tag,
        } = params;
        Self {
            power_state,
            registration_state,
            fault_state,
            in_maintenance_mode,
            session_count,
            name,
            user,
            tag,
        }
    }
}

/// A reason that can be kept. One of white space alone is none.
pub(crate) fn reason(reason: Option<&str>) -> Result<Option<Arc<str>>, Problem> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    if reason.is_some_and(|reason| reason.len() > MAX_REASON || reason.contains(char::is_control)) {
        let detail = format!("reason must be one line of at most {MAX_REASON} bytes");
        return Err(Problem::invalid_at("/reason", detail));
    }
    Ok(reason.map(Arc::from))
}

/// Longest reason, in bytes.
const MAX_REASON: usize = 1024;
