//! What a scenario must satisfy beyond its shape.

use std::collections::HashSet;

use super::{CatalogSpec, CustomerSpec, MachineSpec, Scenario, ScenarioError, StoreSpec};

impl Scenario {
    /// Checks names, references and values.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let mut regions = HashSet::new();
        for region in &self.regions {
            if region.name.is_empty() || !regions.insert(region.name.as_str()) {
                return Err(wrong(format!("region `{}` is empty or there twice", region.name)));
            }
        }
        if regions.len() > MAX_REGIONS {
            return Err(wrong(format!("more than {MAX_REGIONS} regions")));
        }
        if regions.is_empty() {
            regions.extend(["us", "eu"]);
        }
        let mut keys = HashSet::new();
        let mut clients = HashSet::new();
        for customer in &self.customers {
            check_customer(customer, &regions)?;
            let mut own = HashSet::from([customer.name.to_lowercase(), customer.id.to_lowercase()]);
            if own.drain().any(|key| !keys.insert(key)) {
                return Err(wrong(format!(
                    "customer `{}`: name or id is there twice",
                    customer.name
                )));
            }
            let more = customer.more_credentials.iter().map(|more| more.client_id.clone());
            for client in more.chain([customer.effective_client_id()]) {
                if !clients.insert(client.clone()) {
                    return Err(wrong(format!("client id `{client}` is there twice")));
                }
            }
        }
        check_stores(&self.stores)
    }
}

/// The list's own spelling of `value`, when it is in the list.
pub(crate) fn known(list: &[&'static str], value: &str) -> Option<&'static str> {
    list.iter().copied().find(|known| known.eq_ignore_ascii_case(value))
}

fn check_customer(customer: &CustomerSpec, regions: &HashSet<&str>) -> Result<(), ScenarioError> {
    let name = &customer.name;
    if name.is_empty() || customer.id.is_empty() {
        return Err(wrong(format!("customer `{name}{}` needs `name` and `id`", customer.id)));
    }
    if !customer.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(wrong(format!("customer `{name}`: id `{}` has odd characters", customer.id)));
    }
    if !regions.contains(customer.region.as_str()) {
        return Err(wrong(format!("customer `{name}`: no region `{}`", customer.region)));
    }
    let mut catalogs = HashSet::new();
    let mut ids = HashSet::new();
    for catalog in &customer.catalogs {
        if catalog.name.is_empty() || !catalogs.insert(catalog.name.to_lowercase()) {
            let what = &catalog.name;
            return Err(wrong(format!(
                "customer `{name}`: catalog `{what}` is empty or there twice"
            )));
        }
        check_catalog(name, catalog)?;
        for machine in &catalog.machines {
            check_machine(name, machine)?;
            let key = if machine.id.is_empty() { &machine.name } else { &machine.id };
            if !ids.insert(key.to_lowercase()) {
                return Err(wrong(format!("customer `{name}`: machine `{key}` is there twice")));
            }
        }
    }
    Ok(())
}

fn check_catalog(customer: &str, catalog: &CatalogSpec) -> Result<(), ScenarioError> {
    let at = |what: &str, value: &str| {
        wrong(format!("customer `{customer}`, catalog `{}`: no {what} `{value}`", catalog.name))
    };
    let checks: [(&str, &[&'static str], &str); 4] = [
        ("sessionSupport", &SESSION_SUPPORT, &catalog.session_support),
        ("allocationType", &ALLOCATION_TYPE, &catalog.allocation_type),
        ("provisioningType", &PROVISIONING_TYPE, &catalog.provisioning_type),
        ("machineType", &MACHINE_TYPE, &catalog.machine_type),
    ];
    for (what, list, value) in checks {
        known(list, value).ok_or_else(|| at(what, value))?;
    }
    match &catalog.generate {
        Some(generate) if generate.count > MAX_GENERATED => {
            Err(at("room for generate.count", &generate.count.to_string()))
        }
        _ => Ok(()),
    }
}

fn check_machine(customer: &str, machine: &MachineSpec) -> Result<(), ScenarioError> {
    let at = |what: &str, value: &str| {
        wrong(format!("customer `{customer}`, machine `{}`: no {what} `{value}`", machine.name))
    };
    if machine.name.is_empty() {
        return Err(at("name", ""));
    }
    let checks: [(&str, &[&'static str], &Option<String>); 4] = [
        ("powerState", &POWER_STATE, &machine.power_state),
        ("registrationState", &REGISTRATION_STATE, &machine.registration_state),
        ("faultState", &FAULT_STATE, &machine.fault_state),
        ("machineType", &MACHINE_TYPE, &machine.machine_type),
    ];
    for (what, list, value) in checks {
        if let Some(value) = value {
            known(list, value).ok_or_else(|| at(what, value))?;
        }
    }
    for action in machine.supported_power_actions.iter().flatten() {
        known(&POWER_ACTIONS, action).ok_or_else(|| at("power action", action))?;
    }
    for session in &machine.sessions {
        known(&SESSION_STATE, &session.state).ok_or_else(|| at("session state", &session.state))?;
        if !(session.started_hours_ago.is_finite() && session.state_changed_hours_ago.is_finite()) {
            return Err(at("session age", "infinite"));
        }
    }
    Ok(())
}

fn check_stores(stores: &[StoreSpec]) -> Result<(), ScenarioError> {
    let mut names = HashSet::new();
    let mut paths = HashSet::new();
    for store in stores {
        let name = &store.name;
        if name.is_empty() || !names.insert(name.to_lowercase()) {
            return Err(wrong(format!("store `{name}` is empty or there twice")));
        }
        for path in [&store.path, &store.auth_path] {
            let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
            if path.is_empty() || !plain || !paths.insert(path.to_lowercase()) {
                return Err(wrong(format!("store `{name}`: path `{path}` is odd or there twice")));
            }
        }
        let mut users = HashSet::new();
        for user in &store.users {
            if !user.name.contains('\\') || !users.insert(user.name.to_lowercase()) {
                let user = &user.name;
                return Err(wrong(format!(
                    "store `{name}`: user `{user}` is no DOMAIN\\user or there twice"
                )));
            }
        }
        if users.is_empty() {
            return Err(wrong(format!("store `{name}` needs a user")));
        }
        let mut ids = HashSet::new();
        for resource in &store.resources {
            let id = resource.id();
            if resource.publisher_id.is_empty() || !ids.insert(id.clone()) {
                return Err(wrong(format!("store `{name}`: resource `{id}` is there twice")));
            }
        }
    }
    Ok(())
}

fn wrong(what: String) -> ScenarioError {
    ScenarioError(what)
}

const MAX_REGIONS: usize = 32;
const MAX_GENERATED: usize = 100_000;

pub(crate) const SESSION_SUPPORT: [&str; 3] = ["Unknown", "SingleSession", "MultiSession"];
pub(crate) const ALLOCATION_TYPE: [&str; 3] = ["Unknown", "Static", "Random"];
pub(crate) const PROVISIONING_TYPE: [&str; 6] =
    ["Unknown", "Manual", "MCS", "MCSImport", "PVS", "PVSStreaming"];
pub(crate) const MACHINE_TYPE: [&str; 3] = ["Unknown", "Virtual", "Physical"];
pub(crate) const POWER_STATE: [&str; 12] = [
    "Unknown",
    "Unmanaged",
    "Unavailable",
    "Off",
    "On",
    "Suspended",
    "TurningOn",
    "TurningOff",
    "Suspending",
    "Resuming",
    "NotSupported",
    "VirtualMachineNotFound",
];
pub(crate) const REGISTRATION_STATE: [&str; 5] =
    ["Unknown", "Unregistered", "Initializing", "Registered", "AgentError"];
pub(crate) const FAULT_STATE: [&str; 7] = [
    "Unknown",
    "None",
    "FailedToStart",
    "StuckOnBoot",
    "Unregistered",
    "MaxCapacity",
    "VirtualMachineNotFound",
];
pub(crate) const POWER_ACTIONS: [&str; 7] =
    ["Unknown", "PowerOn", "PowerOff", "SuspendResume", "Restart", "Reset", "Shutdown"];
pub(crate) const SESSION_STATE: [&str; 4] = ["Unknown", "Connected", "Active", "Disconnected"];
