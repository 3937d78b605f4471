//! Machine catalogs.

use serde_json::{Value, json};

use super::super::errors;
use super::super::http::Reply;
use super::super::world::{Catalog, Machine, PowerAction, Site, World};
use super::fields::Set::{Full, Short};
use super::fields::{Field, Set, chosen};
use super::list::{self, Paging};
use super::{Answer, Call, machines, method_not_allowed};

/// A catalog and what its machines add up to.
#[derive(Clone, Debug)]
pub(super) struct CatalogView {
    catalog: std::sync::Arc<Catalog>,
    total: usize,
    used: usize,
    assigned: usize,
}

pub(super) fn answer(world: &mut World, call: &Call<'_>, lower: &[&str]) -> Answer {
    match (call.method(), lower) {
        ("GET", ["machinecatalogs"]) => listed(world, call, Full),
        ("GET", ["machinecatalogsv2"]) => listed(world, call, Short),
        ("GET" | "HEAD", ["machinecatalogs", _]) => shown(world, call, &call.name(1)),
        (method, ["machinecatalogs", _, part]) => {
            let name = call.name(1);
            let Some(catalog) = call.site(world).catalog(&name).cloned() else {
                return errors::daas_not_found("Machine catalog", &name).into();
            };
            let belongs = |machine: &Machine| machine.catalog.id == catalog.id;
            match (method, *part) {
                ("GET", "machines") => machines::listed(world, call, Full, belongs),
                ("POST", "$rebootmachines") => reboot_all(world, call, &catalog).into(),
                _ => errors::no_such_path().into(),
            }
        }
        _ => method_not_allowed().into(),
    }
}

/// One catalog by id or name.
pub(super) fn shown(world: &World, call: &Call<'_>, name: &str) -> Answer {
    let site = call.site(world);
    match site.catalog(name) {
        Some(catalog) => {
            let view = view(site, catalog);
            list::rendered_one(view, chosen(CATALOG, call.request, Set::Detail))
        }
        None => errors::daas_not_found("Machine catalog", name).into(),
    }
}

fn listed(world: &mut World, call: &Call<'_>, set: Set) -> Answer {
    let paging = match Paging::of(world, call) {
        Ok(paging) => paging,
        Err(reply) => return reply.into(),
    };
    let site = call.site(world);
    let (page, token) = paging.cut(call, &site.catalogs);
    let views = page.iter().map(|catalog| view(site, catalog)).collect();
    let answer = list::rendered(views, chosen(CATALOG, call.request, set), token, None);
    call.maybe_job(world, "GetMachineCatalogs", answer)
}

/// Answers at once and has no job; the machines tell the rest.
fn reboot_all(world: &mut World, call: &Call<'_>, catalog: &Catalog) -> Reply {
    let site = call.site(world);
    let members: Vec<usize> =
        (0..site.machines.len()).filter(|at| site.machines[*at].catalog.id == catalog.id).collect();
    let now = world.now();
    for at in members {
        let id = call.site(world).machines[at].id.clone();
        world.log.power_requested(&id, "reboot");
        // What cannot be rebooted is passed over.
        let _refused = world.power(call.customer, at, PowerAction::Reboot { force: false }, now);
    }
    Reply::empty(204)
}

fn view(site: &Site, catalog: &std::sync::Arc<Catalog>) -> CatalogView {
    let mut view = CatalogView { catalog: catalog.clone(), total: 0, used: 0, assigned: 0 };
    for machine in site.machines.iter().filter(|machine| machine.catalog.id == catalog.id) {
        view.total += 1;
        view.used += 1;
        view.assigned += usize::from(!machine.assigned_users.is_empty());
    }
    view
}

const fn field(
    name: &'static str,
    set: Set,
    get: fn(&CatalogView) -> Option<Value>,
) -> Field<CatalogView> {
    Field { name, set, get }
}

static CATALOG: &[Field<CatalogView>] = &[
    field("Id", Short, |v| Some(json!(v.catalog.id))),
    field("Uid", Short, |v| Some(json!(v.catalog.uid))),
    field("Name", Short, |v| Some(json!(v.catalog.name))),
    field("FullName", Short, |v| Some(json!(v.catalog.name))),
    field("Description", Short, |v| Some(json!(v.catalog.description))),
    field("AllocationType", Short, |v| Some(json!(v.catalog.allocation_type))),
    field("SessionSupport", Short, |v| Some(json!(v.catalog.session_support))),
    field("MachineType", Short, |v| Some(json!(v.catalog.machine_type))),
    field("ProvisioningType", Short, |v| Some(json!(v.catalog.provisioning_type))),
    field("PersistChanges", Short, |v| {
        Some(json!(if v.catalog.allocation_type == "Static" { "OnLocal" } else { "Discard" }))
    }),
    field("MinimumFunctionalLevel", Short, |_| Some(json!("L7_20"))),
    field("SharingKind", Short, |v| {
        Some(json!(if v.catalog.allocation_type == "Static" { "Private" } else { "Shared" }))
    }),
    field("IsPowerManaged", Short, |v| Some(json!(v.catalog.machine_type == "Virtual"))),
    field("IsRemotePC", Short, |v| Some(json!(v.catalog.machine_type == "Physical"))),
    field("IsBroken", Short, |_| Some(json!(false))),
    field("TotalCount", Full, |v| Some(json!(v.total))),
    field("UsedCount", Full, |v| Some(json!(v.used))),
    field("AvailableCount", Full, |v| Some(json!(v.total - v.used))),
    field("AssignedCount", Full, |v| Some(json!(v.assigned))),
    field("UnassignedCount", Full, |v| Some(json!(v.total - v.assigned))),
    field("AvailableAssignedCount", Full, |_| Some(json!(0))),
    field("AvailableUnassignedCount", Full, |v| Some(json!(v.total - v.used))),
    field("Zone", Short, |v| Some(json!({ "Id": v.catalog.zone_id, "Name": v.catalog.zone }))),
    field("AdminFolder", Short, |_| Some(json!({ "Id": "0", "Uid": 0, "Name": "" }))),
    field("Scopes", Short, |_| {
        Some(json!([{ "Id": "00000000-0000-0000-0000-000000000000", "Name": "All" }]))
    }),
    field("Tenants", Short, |_| Some(json!([]))),
    field("JobsInProgress", Short, |_| Some(json!([]))),
    field("Errors", Short, |_| Some(json!([]))),
    field("Warnings", Short, |_| Some(json!([]))),
];
