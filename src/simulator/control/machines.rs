//! Machines and sessions: set what a test needs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::super::Inner;
use super::super::scenario::{
    FAULT_STATE, POWER_ACTIONS, POWER_STATE, REGISTRATION_STATE, SESSION_STATE, SessionCountSpec,
    SessionSpec, known,
};
use super::super::world::{Count, Machine, World, domain_of, session};
use super::{Answer, Shared, done, either, no_customer, read, refused};

pub(super) async fn list(State(inner): Shared, Path(customer): Path<String>) -> Answer {
    either(inner.with(|world| {
        let at = world.customer_index(&customer).ok_or_else(|| no_customer(&customer))?;
        let all: Vec<Value> = world.customers[at].site.machines.iter().map(short).collect();
        Ok(done(json!({ "machines": all })))
    }))
}

pub(super) async fn show(State(inner): Shared, Path(path): Path<(String, String)>) -> Answer {
    on_machine(&inner, &path, |world, customer, at| Ok(done(full(world, customer, at))))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct MachineChange {
    power_state: Option<String>,
    registration_state: Option<String>,
    fault_state: Option<String>,
    in_maintenance_mode: Option<bool>,
    power_action_pending: Option<bool>,
    #[serde(deserialize_with = "present")]
    session_count: Option<SessionCountSpec>,
    supported_power_actions: Option<Vec<String>>,
    #[serde(deserialize_with = "present")]
    power_fault: Option<Nullable>,
    stuck_on_boot: Option<bool>,
    tags: Option<Vec<String>>,
    assigned_users: Option<Vec<String>>,
    #[serde(deserialize_with = "present")]
    description: Option<Nullable>,
}

/// Text or null.
#[derive(Deserialize)]
#[serde(transparent)]
struct Nullable(Option<String>);

pub(super) async fn change(
    State(inner): Shared,
    Path(path): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    on_machine(&inner, &path, |world, customer, at| {
        let change: MachineChange = read(&body)?;
        let site = &mut world.customers[customer].site;
        if let Some(machine) = site.machine_mut(at) {
            apply(machine, change)?;
        }
        Ok(done(full(world, customer, at)))
    })
}

/// Checks everything before it changes anything.
fn apply(machine: &mut Machine, change: MachineChange) -> Result<(), Answer> {
    let one = |list: &[&'static str], value: Option<String>| match value {
        None => Ok(None),
        Some(value) => known(list, &value).map(Some).ok_or_else(|| unknown(&value)),
    };
    let power = one(&POWER_STATE, change.power_state)?;
    let registration = one(&REGISTRATION_STATE, change.registration_state)?;
    let fault = one(&FAULT_STATE, change.fault_state)?;
    let actions: Option<Vec<&'static str>> = change
        .supported_power_actions
        .map(|actions| {
            let each = actions.iter().map(|a| known(&POWER_ACTIONS, a).ok_or_else(|| unknown(a)));
            each.collect::<Result<_, _>>()
        })
        .transpose()?;
    if let Some(power) = power {
        machine.power_state = power;
        // What was under way no longer happens.
        machine.running = None;
        machine.run_number = machine.run_number.wrapping_add(1);
        machine.power_action_pending = false;
        if registration.is_none() && power != "On" && power != "Unmanaged" {
            machine.registration_state = "Unregistered";
        }
    }
    machine.registration_state = registration.unwrap_or(machine.registration_state);
    machine.fault_state = fault.unwrap_or(machine.fault_state);
    machine.in_maintenance_mode = change.in_maintenance_mode.unwrap_or(machine.in_maintenance_mode);
    machine.power_action_pending =
        change.power_action_pending.unwrap_or(machine.power_action_pending);
    machine.count = change.session_count.map_or(machine.count, Count::from);
    machine.stuck_on_boot = change.stuck_on_boot.unwrap_or(machine.stuck_on_boot);
    if let Some(actions) = actions {
        machine.supported_power_actions = actions;
    }
    if let Some(Nullable(fault)) = change.power_fault {
        machine.power_fault = fault;
    }
    if let Some(tags) = change.tags {
        machine.tags = tags;
    }
    if let Some(users) = change.assigned_users {
        machine.assigned_users = users;
    }
    if let Some(Nullable(description)) = change.description {
        machine.description = description;
    }
    Ok(())
}

pub(super) async fn add_session(
    State(inner): Shared,
    Path(path): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    on_machine(&inner, &path, |world, customer, at| {
        let spec: SessionSpec = read(&body)?;
        if spec.user.is_empty() {
            return Err(refused(StatusCode::BAD_REQUEST, "`user` is missing"));
        }
        known(&SESSION_STATE, &spec.state).ok_or_else(|| unknown(&spec.state))?;
        let now = world.now();
        let site = &mut world.customers[customer].site;
        if site.sessions.len() >= MAX_SESSIONS {
            return Err(refused(StatusCode::BAD_REQUEST, "there are too many sessions"));
        }
        let machine = site.machines.get(at).map(Arc::clone);
        let domain = machine.as_ref().map(|machine| domain_of(&machine.name)).unwrap_or_default();
        let new = session(at, domain, &spec, now);
        if site.session(&new.id).is_some() {
            return Err(refused(StatusCode::CONFLICT, "there is a session with this id"));
        }
        let id = new.id.clone();
        site.add_session(new);
        Ok((StatusCode::CREATED, axum::Json(json!({ "id": id }))))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SessionChange {
    state: Option<String>,
    ignores_logoff: Option<bool>,
    ignores_logoff_while_connected: Option<bool>,
    hidden: Option<bool>,
}

pub(super) async fn change_session(
    State(inner): Shared,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    either(inner.with(|world| {
        let change: SessionChange = read(&body)?;
        let now = world.now();
        let state = match change.state {
            None => None,
            Some(state) => Some(known(&SESSION_STATE, &state).ok_or_else(|| unknown(&state))?),
        };
        let (customer, uid) = find_session(world, &id)?;
        if let Some(session) = world.customers[customer].site.session_mut(uid) {
            session.set_state(state.unwrap_or(session.state), now);
            session.ignores_logoff = change.ignores_logoff.unwrap_or(session.ignores_logoff);
            session.ignores_logoff_while_connected = change
                .ignores_logoff_while_connected
                .unwrap_or(session.ignores_logoff_while_connected);
            session.hidden = change.hidden.unwrap_or(session.hidden);
        }
        Ok(done(json!({ "id": id })))
    }))
}

pub(super) async fn end_session(State(inner): Shared, Path(id): Path<String>) -> Answer {
    either(inner.with(|world| {
        let (customer, uid) = find_session(world, &id)?;
        world.customers[customer].site.remove_session(uid);
        Ok(done(json!({ "removed": id })))
    }))
}

fn on_machine(
    inner: &Inner,
    (customer, machine): &(String, String),
    change: impl FnOnce(&mut World, usize, usize) -> Result<Answer, Answer>,
) -> Answer {
    either(inner.with(|world| {
        let owner = world.customer_index(customer).ok_or_else(|| no_customer(customer))?;
        let name = machine.replace('|', "\\");
        let at = world.customers[owner].site.machine_at(&name).ok_or_else(|| {
            refused(StatusCode::NOT_FOUND, &format!("there is no machine `{machine}`"))
        })?;
        change(world, owner, at)
    }))
}

fn find_session(world: &World, id: &str) -> Result<(usize, u32), Answer> {
    let mut customers = world.customers.iter().enumerate();
    let found = customers.find_map(|(at, customer)| Some((at, customer.site.session(id)?.uid)));
    found.ok_or_else(|| refused(StatusCode::NOT_FOUND, &format!("there is no session `{id}`")))
}

fn short(machine: &Arc<Machine>) -> Value {
    json!({
        "id": machine.id,
        "name": machine.name,
        "machineCatalog": machine.catalog.name,
        "powerState": machine.power_state,
        "registrationState": machine.registration_state,
        "sessions": machine.sessions.len(),
    })
}

fn full(world: &World, customer: usize, at: usize) -> Value {
    let site = &world.customers[customer].site;
    let Some(machine) = site.machines.get(at) else { return Value::Null };
    let sessions: Vec<Value> = machine
        .sessions
        .iter()
        .filter_map(|uid| site.sessions.get(uid))
        .map(|session| {
            json!({
                "id": session.id,
                "user": session.user,
                "state": session.state,
                "logoffInProgress": session.logoff_in_progress,
                "hidden": session.hidden,
                "messages": session.messages,
            })
        })
        .collect();
    let mut shown = short(machine);
    shown["dnsName"] = json!(machine.dns_name);
    shown["faultState"] = json!(machine.fault_state);
    shown["inMaintenanceMode"] = json!(machine.in_maintenance_mode);
    shown["powerActionPending"] = json!(machine.power_action_pending);
    shown["powerAction"] = json!(machine.running.map(super::super::world::PowerAction::name));
    shown["supportedPowerActions"] = json!(machine.supported_power_actions);
    shown["stuckOnBoot"] = json!(machine.stuck_on_boot);
    shown["powerFault"] = json!(machine.power_fault);
    shown["tags"] = json!(machine.tags);
    shown["assignedUsers"] = json!(machine.assigned_users);
    shown["sessionCount"] = match machine.count {
        Count::Absent => json!("absent"),
        _ => json!(machine.session_count()),
    };
    shown["sessions"] = json!(sessions);
    shown
}

fn unknown(value: &str) -> Answer {
    refused(StatusCode::BAD_REQUEST, &format!("Citrix knows no `{value}` here"))
}

/// Tells a property that is null from one that is absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

const MAX_SESSIONS: usize = 500_000;
