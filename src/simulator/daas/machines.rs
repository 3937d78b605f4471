//! Machines: lists, details, power and session actions, changes.

use serde_json::{Value, json};

use super::super::errors;
use super::super::http::Reply;
use super::super::world::{
    JobResult, Machine, MachineView, PowerAction, PowerRefused, Work, World,
};
use super::fields::{Set, chosen, in_set};
use super::list::{self, Paging};
use super::machine_fields::MACHINE;
use super::search::{self, Query};
use super::sessions::{self, SessionAction};
use super::{Answer, Call, method_not_allowed, not_implemented};

pub(super) fn answer(world: &mut World, call: &Call<'_>, lower: &[&str]) -> Answer {
    match (call.method(), lower) {
        ("GET", ["machines"]) => listed(world, call, Set::Full, |_| true),
        ("GET", ["machinesv2"]) => listed(world, call, Set::Short, |_| true),
        ("POST", ["machines", "$search"]) => searched(world, call),
        (_, ["machines", _, ..]) => {
            let name = call.name(1);
            match call.site(world).machine_at(&name) {
                Some(at) => one(world, call, lower, at),
                None => errors::daas_not_found("Machine", &name).into(),
            }
        }
        _ => method_not_allowed().into(),
    }
}

/// A page of the machines that `belongs` picks.
pub(super) fn listed(
    world: &mut World,
    call: &Call<'_>,
    set: Set,
    belongs: impl Fn(&Machine) -> bool,
) -> Answer {
    let fields = chosen(MACHINE, call.request, set);
    listed_with(world, call, fields, belongs)
}

/// The same for lists that know no `fields`.
pub(super) fn listed_with(
    world: &mut World,
    call: &Call<'_>,
    fields: Vec<&'static super::fields::Field<MachineView>>,
    belongs: impl Fn(&Machine) -> bool,
) -> Answer {
    let paging = match Paging::of(world, call) {
        Ok(paging) => paging,
        Err(reply) => return reply.into(),
    };
    let support = call.request.query("sessionSupport");
    let configured =
        call.request.query("configured").is_none_or(|v| !v.eq_ignore_ascii_case("false"));
    let site = call.site(world);
    let all: Vec<_> = site
        .machines
        .iter()
        .filter(|machine| {
            configured
                && support.is_none_or(|s| s.eq_ignore_ascii_case(machine.catalog.session_support))
        })
        .filter(|machine| belongs(machine))
        .cloned()
        .collect();
    let (page, token) = paging.cut(call, &all);
    let views = page.iter().map(|machine| site.view(machine)).collect();
    let answer = list::rendered(views, fields, token, None);
    let kind = match call.lower.first().map(String::as_str) {
        Some("machinecatalogs") => "GetMachineCatalogMachines",
        _ => "GetMachines",
    };
    call.maybe_job(world, kind, answer)
}

fn searched(world: &mut World, call: &Call<'_>) -> Answer {
    let paging = match Paging::of(world, call) {
        Ok(paging) => paging,
        Err(reply) => return reply.into(),
    };
    let query = match Query::read(&call.request.body) {
        Ok(query) => query,
        Err(reply) => return reply.into(),
    };
    if world.settings.search_requires_session_support && !query.names("SessionSupport") {
        let message = "The search filters must include SessionSupport.";
        return errors::daas(400, "InvalidArgument", message).into();
    }
    let now = world.now();
    let site = call.site(world);
    let views: Vec<MachineView> = site.machines.iter().map(|machine| site.view(machine)).collect();
    let found = match query.run(views, now, search::machine_values) {
        Ok(found) => found,
        Err(reply) => return reply.into(),
    };
    let (page, token) = paging.cut(call, &found);
    let fields = chosen(MACHINE, call.request, Set::Full);
    let answer = list::rendered(page, fields, token, Some(found.len()));
    call.maybe_job(world, "DoMachineSearch", answer)
}

fn one(world: &mut World, call: &Call<'_>, lower: &[&str], at: usize) -> Answer {
    match (call.method(), lower.get(2..).unwrap_or_default()) {
        ("GET" | "HEAD", []) => {
            let Some(view) = call.site(world).view_at(at) else { return gone() };
            let fields = chosen(MACHINE, call.request, Set::Detail);
            list::rendered_one(view, fields)
        }
        ("PATCH", []) => changed(world, call, at).into(),
        ("DELETE", []) => not_implemented().into(),
        ("GET", [part]) => part_of(world, call, at, part),
        ("DELETE", ["poweractionschedules"]) => Reply::empty(204).into(),
        ("POST", [action]) => acted(world, call, at, action),
        _ => method_not_allowed().into(),
    }
}

fn part_of(world: &mut World, call: &Call<'_>, at: usize, part: &str) -> Answer {
    let Some(view) = call.site(world).view_at(at) else { return gone() };
    match part {
        "sessions" => sessions::on_machine(world, call, &view),
        "machinecatalog" => super::catalogs::shown(world, call, &view.machine.catalog.id),
        "deliverygroup" => super::groups::shown(world, call, &view.machine.group_ref.id),
        "tags" => {
            let tags: Vec<Value> =
                view.machine.tags.iter().map(|tag| json!({ "Name": tag })).collect();
            list::whole(&tags).into()
        }
        "applications" | "poweractionschedules" => list::whole(&[]).into(),
        _ => errors::no_such_path().into(),
    }
}

fn acted(world: &mut World, call: &Call<'_>, at: usize, segment: &str) -> Answer {
    let Some(machine) = call.site(world).machines.get(at).cloned() else { return gone() };
    let parameters = vec![("Id", machine.id.clone()), ("Name", machine.name.clone())];
    let to_machine = JobResult::Location(format!("Machines/{}", machine.id));
    let now = world.now();
    if let Some(action) = PowerAction::parse(segment, call.request.is_true("force")) {
        world.log.power_requested(&machine.id, action.name());
        if call.is_async() {
            let work = Work::Power { machine: at, action };
            return call.accepted(world, action.job_type(), work, parameters, to_machine).into();
        }
        if let Err(refused) = world.power(call.customer, at, action, now) {
            return power_refused(&refused).into();
        }
    } else {
        let (action, kind) = match segment {
            "$logoff" => (SessionAction::Logoff, "LogoffMachineSessions"),
            "$disconnect" => (SessionAction::Disconnect, "DisconnectSessions"),
            _ => return errors::no_such_path().into(),
        };
        if call.is_async() {
            let work = Work::AllSessions { machine: at, action };
            return call.accepted(world, kind, work, parameters, to_machine).into();
        }
        world.all_sessions(call.customer, at, action, now);
    }
    let light = call.request.query("detailResponseRequired");
    let set = if light.is_some_and(|v| v.eq_ignore_ascii_case("false")) {
        Set::Full
    } else {
        Set::Detail
    };
    match call.site(world).view_at(at) {
        Some(view) => list::rendered_one(view, in_set(MACHINE, set)),
        None => gone(),
    }
}

fn changed(world: &mut World, call: &Call<'_>, at: usize) -> Reply {
    let Ok(body @ Value::Object(_)) = serde_json::from_slice::<Value>(&call.request.body) else {
        return errors::daas(400, "InvalidRequest", "The request body is not valid JSON.");
    };
    if body.get("InMaintenanceMode").is_some_and(|value| !value.is_boolean() && !value.is_null()) {
        return errors::daas(400, "InvalidArgument", "'InMaintenanceMode' is not a Boolean.");
    }
    let Some(machine) = call.site(world).machines.get(at).cloned() else {
        return errors::daas_not_found("Machine", "");
    };
    if call.is_async() {
        let parameters = vec![("Id", machine.id.clone()), ("Name", machine.name.clone())];
        let work = Work::Maintenance { machine: at, body };
        let result = JobResult::Location(format!("Machines/{}", machine.id));
        return call.accepted(world, "UpdateMachineCatalogMachine", work, parameters, result);
    }
    world.update_machine(call.customer, at, &body);
    Reply::empty(204)
}

impl World {
    /// Applies `UpdateMachineRequestModel`: what is absent or null stays.
    pub(crate) fn update_machine(&mut self, customer: usize, machine: usize, body: &Value) {
        let site = self.customers.get_mut(customer).map(|customer| &mut customer.site);
        let Some(machine) = site.and_then(|site| site.machine_mut(machine)) else { return };
        if let Some(on) = body["InMaintenanceMode"].as_bool() {
            machine.in_maintenance_mode = on;
        }
        if let Some(users) = body["AssignedUsers"].as_array() {
            let names = users.iter().filter_map(Value::as_str).take(MAX_ENTRIES);
            machine.assigned_users = names.map(str::to_owned).collect();
        }
        for entry in body["Metadata"].as_array().into_iter().flatten().take(MAX_ENTRIES) {
            let (Some(name), value) = (entry["Name"].as_str(), entry["Value"].as_str()) else {
                continue;
            };
            machine.metadata.retain(|(known, _)| known != name);
            if let Some(value) = value.filter(|value| !value.is_empty())
                && machine.metadata.len() < MAX_ENTRIES
            {
                machine.metadata.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

fn power_refused(refused: &PowerRefused) -> Reply {
    let status = if refused.code == "PowerActionsNotSupported" { 400 } else { 500 };
    errors::daas(status, &refused.code, &refused.message)
}

fn gone() -> Answer {
    errors::daas_not_found("Machine", "").into()
}

const MAX_ENTRIES: usize = 100;
