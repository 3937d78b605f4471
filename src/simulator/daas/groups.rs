//! Delivery groups.

use serde_json::{Value, json};

use super::super::errors;
use super::super::http::Reply;
use super::super::world::{Group, Machine, PowerAction, Site, World};
use super::fields::Set::{Detail, Full, Short};
use super::fields::{Field, Set, chosen, in_set};
use super::list::{self, Paging};
use super::machine_fields::MACHINE;
use super::{Answer, Call, machines, method_not_allowed};

/// A delivery group and what its machines add up to.
#[derive(Clone, Debug)]
pub(super) struct GroupView {
    group: Group,
    desktops: usize,
    sessions: usize,
    available: usize,
    disconnected: usize,
    in_use: usize,
    faulted: usize,
    registered: usize,
    power_managed: bool,
}

pub(super) fn answer(world: &mut World, call: &Call<'_>, lower: &[&str]) -> Answer {
    match (call.method(), lower) {
        ("GET", ["deliverygroups"]) => listed(world, call, Full),
        ("GET", ["deliverygroupsv2"]) => listed(world, call, Short),
        ("GET" | "HEAD", ["deliverygroups", _]) => shown(world, call, &call.name(1)),
        (method, ["deliverygroups", _, rest @ ..]) => {
            let name = call.name(1);
            let Some(at) = call.site(world).group_at(&name) else {
                return errors::daas_not_found("Delivery group", &name).into();
            };
            match (method, rest) {
                ("PATCH", []) => changed(world, call, at).into(),
                ("GET", ["machines"]) => {
                    let belongs = |machine: &Machine| machine.group == at;
                    machines::listed_with(world, call, in_set(MACHINE, Full), belongs)
                }
                ("POST", ["$startrebootcycle"]) => reboot_cycle(world, call, at).into(),
                _ => errors::no_such_path().into(),
            }
        }
        _ => method_not_allowed().into(),
    }
}

/// One group by id or name.
pub(super) fn shown(world: &World, call: &Call<'_>, name: &str) -> Answer {
    let site = call.site(world);
    match site.group_at(name) {
        Some(at) => {
            let fields = chosen(GROUP, call.request, Detail);
            list::rendered_one(view(site, at, &site.groups[at]), fields)
        }
        None => errors::daas_not_found("Delivery group", name).into(),
    }
}

fn listed(world: &mut World, call: &Call<'_>, set: Set) -> Answer {
    let paging = match Paging::of(world, call) {
        Ok(paging) => paging,
        Err(reply) => return reply.into(),
    };
    let site = call.site(world);
    let all: Vec<usize> = (0..site.groups.len()).collect();
    let (page, token) = paging.cut(call, &all);
    let views = page.iter().map(|at| view(site, *at, &site.groups[*at])).collect();
    let answer = list::rendered(views, chosen(GROUP, call.request, set), token, None);
    call.maybe_job(world, "GetDeliveryGroups", answer)
}

fn changed(world: &mut World, call: &Call<'_>, at: usize) -> Reply {
    let Ok(body @ Value::Object(_)) = serde_json::from_slice::<Value>(&call.request.body) else {
        return errors::daas(400, "InvalidRequest", "The request body is not valid JSON.");
    };
    let group = &mut world.customers[call.customer].site.groups[at];
    if let Some(on) = body["InMaintenanceMode"].as_bool() {
        group.in_maintenance_mode = on;
    }
    if let Some(on) = body["Enabled"].as_bool() {
        group.enabled = on;
    }
    Reply::empty(204)
}

fn reboot_cycle(world: &mut World, call: &Call<'_>, group: usize) -> Reply {
    let site = call.site(world);
    let members: Vec<usize> =
        (0..site.machines.len()).filter(|at| site.machines[*at].group == group).collect();
    let now = world.now();
    for at in members {
        let id = call.site(world).machines[at].id.clone();
        world.log.power_requested(&id, "reboot");
        // What cannot be rebooted is passed over.
        let _refused = world.power(call.customer, at, PowerAction::Reboot { force: false }, now);
    }
    Reply::empty(204)
}

fn view(site: &Site, at: usize, group: &Group) -> GroupView {
    let mut view = GroupView {
        group: group.clone(),
        desktops: 0,
        sessions: 0,
        available: 0,
        disconnected: 0,
        in_use: 0,
        faulted: 0,
        registered: 0,
        power_managed: false,
    };
    for machine in site.machines.iter().filter(|machine| machine.group == at) {
        let states =
            machine.sessions.iter().filter_map(|uid| site.sessions.get(uid)).map(|s| s.state);
        view.desktops += 1;
        view.sessions += machine.sessions.len();
        match machine.summary(states) {
            "Available" => view.available += 1,
            "Disconnected" => view.disconnected += 1,
            "InUse" => view.in_use += 1,
            _ => {}
        }
        view.faulted += usize::from(machine.fault_state != "None");
        view.registered += usize::from(machine.registration_state == "Registered");
        view.power_managed |= machine.hardware == "Virtual";
    }
    view
}

const fn field(
    name: &'static str,
    set: Set,
    get: fn(&GroupView) -> Option<Value>,
) -> Field<GroupView> {
    Field { name, set, get }
}

static GROUP: &[Field<GroupView>] = &[
    field("Id", Short, |v| Some(json!(v.group.id))),
    field("Uid", Short, |v| Some(json!(v.group.uid))),
    field("Name", Short, |v| Some(json!(v.group.name))),
    field("FullName", Short, |v| Some(json!(v.group.name))),
    field("PublishedName", Short, |v| Some(json!(v.group.published_name))),
    field("Description", Short, |v| Some(json!(v.group.description))),
    field("Enabled", Short, |v| Some(json!(v.group.enabled))),
    field("InMaintenanceMode", Short, |v| Some(json!(v.group.in_maintenance_mode))),
    field("IsBroken", Short, |_| Some(json!(false))),
    field("IsRemotePC", Short, |_| Some(json!(false))),
    field("SessionSupport", Short, |v| Some(json!(v.group.session_support))),
    field("SharingKind", Short, |v| {
        Some(json!(if v.group.session_support == "SingleSession" { "Private" } else { "Shared" }))
    }),
    field("Delivering", Short, |v| Some(json!(v.group.enabled))),
    field("DeliveryType", Short, |_| Some(json!("DesktopsAndApps"))),
    field("MinimumFunctionalLevel", Short, |_| Some(json!("L7_20"))),
    field("SessionCount", Full, |v| Some(json!(v.sessions))),
    field("TotalDesktops", Full, |v| Some(json!(v.desktops))),
    field("TotalApplications", Full, |_| Some(json!(0))),
    field("DesktopsAvailable", Full, |v| Some(json!(v.available))),
    field("DesktopsDisconnected", Full, |v| Some(json!(v.disconnected))),
    field("DesktopsFaulted", Full, |v| Some(json!(v.faulted))),
    field("DesktopsUnregistered", Full, |v| Some(json!(v.desktops - v.registered))),
    field("Scopes", Short, |_| {
        Some(json!([{ "Id": "00000000-0000-0000-0000-000000000000", "Name": "All" }]))
    }),
    field("Tenants", Short, |_| Some(json!([]))),
    field("Tags", Full, |_| Some(json!([]))),
    field("AutoscalingEnabled", Full, |_| Some(json!(false))),
    field("IsPowerManaged", Full, |v| Some(json!(v.power_managed))),
    field("DesktopsInUse", Detail, |v| Some(json!(v.in_use))),
    field("DesktopsNeverRegistered", Detail, |_| Some(json!(0))),
    field("RegisteredMachines", Detail, |v| Some(json!(v.registered))),
];
