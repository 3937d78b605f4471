//! From a scenario to a world.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::super::ids;
use super::super::scenario::{
    ALLOCATION_TYPE, CatalogSpec, CustomerSpec, FAULT_STATE, MACHINE_TYPE, MachineSpec,
    POWER_ACTIONS, POWER_STATE, PROVISIONING_TYPE, REGISTRATION_STATE, SESSION_STATE,
    SESSION_SUPPORT, Scenario, SessionCountSpec, SessionSpec, known,
};
use super::{
    Catalog, Count, Credential, Customer, Group, GroupRef, Location, Machine, RegionInfo,
    SUPPORTS_ALL, Session, Site,
};

pub(super) fn customers(scenario: &Scenario, regions: &[RegionInfo], now: i64) -> Vec<Customer> {
    scenario.customers.iter().map(|spec| customer(spec, regions, now)).collect()
}

fn customer(spec: &CustomerSpec, regions: &[RegionInfo], now: i64) -> Customer {
    let first = Credential {
        client_id: spec.effective_client_id(),
        secret: spec.effective_client_secret(),
    };
    let more = spec.more_credentials.iter().map(|more| Credential {
        client_id: more.client_id.clone(),
        secret: more.client_secret.clone(),
    });
    let location = |given: &super::super::scenario::LocationSpec| Location {
        id: or_stable(&given.id, &[&spec.name, "location", &given.name]),
        name: given.name.clone(),
        internal_only: given.internal_only,
        time_zone: or(&given.time_zone, "GMT Standard Time"),
        read_only: given.read_only,
    };
    Customer {
        name: spec.name.clone(),
        id: spec.id.clone(),
        display_name: or(&spec.display_name, &spec.name),
        region: regions.iter().position(|region| region.name == spec.region).unwrap_or_default(),
        credentials: std::iter::once(first).chain(more).collect(),
        frozen: spec.frozen,
        locations: spec.resource_locations.iter().map(location).collect(),
        service_states: spec.service_states.clone(),
        notifications: VecDeque::new(),
        site: site(spec, now),
        sleeping_sites: spec
            .sleeping_sites
            .iter()
            .map(|site| (site.id.clone(), site.name.clone()))
            .collect(),
    }
}

fn site(spec: &CustomerSpec, now: i64) -> Site {
    let mut site = Site {
        id: spec.effective_site_id(),
        name: or(&spec.site_name, "cloudxdsite"),
        catalogs: Vec::new(),
        groups: Vec::new(),
        machines: Vec::new(),
        machine_index: HashMap::new(),
        sessions: BTreeMap::new(),
        session_index: HashMap::new(),
        next_session_uid: 1,
        jobs: HashMap::new(),
        job_order: VecDeque::new(),
        job_bytes: 0,
        jobs_checked: 0,
    };
    for given in &spec.delivery_groups {
        let at = group(&mut site, &spec.name, &given.name);
        let made = &mut site.groups[at];
        made.id = or_stable(&given.id, &[&spec.name, "group", &given.name]);
        made.published_name = given.published_name.clone().unwrap_or_else(|| given.name.clone());
        made.description.clone_from(&given.description);
        made.in_maintenance_mode = given.in_maintenance_mode;
    }
    for given in &spec.catalogs {
        add_catalog(&mut site, &spec.name, given, now);
    }
    site
}

fn add_catalog(site: &mut Site, customer: &str, spec: &CatalogSpec, now: i64) {
    let zone = or(&spec.zone, "Primary");
    let catalog = Arc::new(Catalog {
        id: or_stable(&spec.id, &[customer, "catalog", &spec.name]),
        uid: number(site.catalogs.len() + 1),
        name: spec.name.clone(),
        description: spec.description.clone(),
        session_support: known(&SESSION_SUPPORT, &spec.session_support).unwrap_or("Unknown"),
        allocation_type: known(&ALLOCATION_TYPE, &spec.allocation_type).unwrap_or("Unknown"),
        provisioning_type: known(&PROVISIONING_TYPE, &spec.provisioning_type).unwrap_or("Unknown"),
        machine_type: known(&MACHINE_TYPE, &spec.machine_type).unwrap_or("Unknown"),
        zone_id: ids::stable(&[customer, "zone", &zone]),
        zone,
    });
    site.catalogs.push(Arc::clone(&catalog));
    let default_group = or(&spec.delivery_group, &spec.name);
    for given in &spec.machines {
        add_machine(site, customer, &catalog, &default_group, given, now);
    }
    let Some(generate) = &spec.generate else { return };
    for at in 1..=generate.count {
        let mut given =
            MachineSpec::named(&format!("{}\\{}{at:04}", generate.domain, generate.prefix));
        if generate.session_every != 0 && at % generate.session_every == 0 {
            given = given.session(&format!("user{at:04}"));
        }
        add_machine(site, customer, &catalog, &default_group, &given, now);
    }
}

fn add_machine(
    site: &mut Site,
    customer: &str,
    catalog: &Arc<Catalog>,
    default_group: &str,
    spec: &MachineSpec,
    now: i64,
) {
    let at = site.machines.len();
    let group = group(site, customer, spec.delivery_group.as_deref().unwrap_or(default_group));
    if site.groups[group].session_support == "Unknown" {
        site.groups[group].session_support = catalog.session_support;
    }
    let machine = machine(at, customer, catalog, (group, &site.groups[group]), spec);
    site.machine_index.insert(machine.id.to_lowercase(), at);
    site.machine_index.insert(machine.name.to_lowercase(), at);
    let domain = domain_of(&machine.name).to_owned();
    site.machines.push(Arc::new(machine));
    for (position, given) in spec.sessions.iter().enumerate() {
        let path = [customer, "session", &spec.name, &given.user, &position.to_string()];
        let mut made = session(at, &domain, given, now);
        made.id = or_stable(&given.id, &path);
        let (user, started) = (made.user.clone(), made.started);
        site.add_session(made);
        if let Some(machine) = site.machine_mut(at) {
            machine.last_connection = Some(started);
            machine.last_connection_user = Some(user);
        }
    }
}

fn machine(
    at: usize,
    customer: &str,
    catalog: &Arc<Catalog>,
    (group, group_info): (usize, &Group),
    spec: &MachineSpec,
) -> Machine {
    let hardware = spec
        .machine_type
        .as_deref()
        .and_then(|value| known(&MACHINE_TYPE, value))
        .unwrap_or(catalog.machine_type);
    let physical = hardware == "Physical";
    let given_power = spec.power_state.as_deref().and_then(|value| known(&POWER_STATE, value));
    let power_state = given_power.unwrap_or(if physical { "Unmanaged" } else { "On" });
    let registered =
        if matches!(power_state, "On" | "Unmanaged") { "Registered" } else { "Unregistered" };
    let given_actions = spec
        .supported_power_actions
        .as_ref()
        .map(|actions| actions.iter().filter_map(|action| known(&POWER_ACTIONS, action)).collect());
    let all = if physical { Vec::new() } else { SUPPORTS_ALL.to_vec() };
    let (domain, host) = spec.name.split_once('\\').unwrap_or(("", &spec.name));
    let domain_or = |text: &String| qualified(domain, text);
    let (high, low) = (at / 250 % 250, at % 250 + 1);
    Machine {
        id: or_stable(&spec.id, &[customer, "machine", &catalog.name, &spec.name]),
        uid: number(at + 1),
        name: spec.name.clone(),
        dns_name: spec.dns_name.clone().unwrap_or_else(|| {
            format!("{}.{}.example", host.to_lowercase(), domain.to_lowercase())
        }),
        sid: format!("S-1-5-21-1004336348-1177238915-682003330-{}", 1100 + at),
        ip: format!("10.{}.{high}.{low}", 20 + catalog.uid),
        description: spec.description.clone(),
        catalog: Arc::clone(catalog),
        group,
        group_ref: Arc::new(GroupRef {
            id: group_info.id.clone(),
            uid: group_info.uid,
            name: group_info.name.clone(),
        }),
        hardware,
        power_state,
        power_action_pending: false,
        registration_state: spec
            .registration_state
            .as_deref()
            .and_then(|value| known(&REGISTRATION_STATE, value))
            .unwrap_or(registered),
        fault_state: spec
            .fault_state
            .as_deref()
            .and_then(|value| known(&FAULT_STATE, value))
            .unwrap_or("None"),
        in_maintenance_mode: spec.in_maintenance_mode,
        supported_power_actions: given_actions.unwrap_or(all),
        count: spec.session_count.into(),
        tags: spec.tags.clone(),
        metadata: Vec::new(),
        assigned_users: spec.assigned_users.iter().map(domain_or).collect(),
        sessions: Vec::new(),
        stuck_on_boot: spec.stuck_on_boot,
        power_fault: spec.power_fault.clone(),
        running: None,
        run_number: 0,
        last_deregistration: None,
        last_deregistration_reason: "Unknown",
        last_connection: None,
        last_connection_user: None,
        failed_action: None,
    }
}

/// A session that is not yet on its machine.
pub(crate) fn session(machine: usize, domain: &str, spec: &SessionSpec, now: i64) -> Session {
    let user = qualified(domain, &spec.user);
    let short = user.rsplit('\\').next().unwrap_or_default();
    let mut letters = short.chars();
    let capital: String =
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    Session {
        id: or(&spec.id, &super::fresh_id()),
        uid: 0,
        machine,
        display_name: spec.display_name.clone().unwrap_or(capital),
        user,
        state: known(&SESSION_STATE, &spec.state).unwrap_or("Unknown"),
        kind: known(&["Desktop", "Application"], &spec.session_type).unwrap_or("Unknown"),
        started: now - hours(spec.started_hours_ago),
        state_changed: now - hours(spec.state_changed_hours_ago),
        logoff_in_progress: false,
        hidden: spec.hidden,
        ignores_logoff: spec.ignores_logoff,
        ignores_logoff_while_connected: spec.ignores_logoff_while_connected,
        messages: 0,
    }
}

/// `DOMAIN` of `DOMAIN\HOST`.
pub(crate) fn domain_of(name: &str) -> &str {
    name.split_once('\\').map_or("", |(domain, _)| domain)
}

impl From<SessionCountSpec> for Count {
    fn from(spec: SessionCountSpec) -> Self {
        match spec {
            SessionCountSpec::Auto => Self::Auto,
            SessionCountSpec::Fixed(count) => Self::Fixed(count),
            SessionCountSpec::Null => Self::Null,
            SessionCountSpec::Absent => Self::Absent,
        }
    }
}

/// The index of the delivery group with this name, which is made when it is new.
fn group(site: &mut Site, customer: &str, name: &str) -> usize {
    if let Some(at) = site.groups.iter().position(|group| group.name == name) {
        return at;
    }
    site.groups.push(Group {
        id: ids::stable(&[customer, "group", name]),
        uid: number(site.groups.len() + 1),
        name: name.to_owned(),
        published_name: name.to_owned(),
        description: None,
        enabled: true,
        in_maintenance_mode: false,
        session_support: "Unknown",
    });
    site.groups.len() - 1
}

fn qualified(domain: &str, user: &str) -> String {
    if domain.is_empty() || user.contains(['\\', '@']) {
        user.to_owned()
    } else {
        format!("{domain}\\{user}")
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the clamp keeps it far inside the range")]
fn hours(hours: f64) -> i64 {
    (hours.clamp(0.0, 87_600.0) * 3_600_000.0) as i64
}

fn or(given: &str, default: &str) -> String {
    if given.is_empty() { default.to_owned() } else { given.to_owned() }
}

fn or_stable(given: &str, parts: &[&str]) -> String {
    if given.is_empty() { ids::stable(parts) } else { given.to_owned() }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
