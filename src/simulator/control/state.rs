//! What is, what was asked, and back to the beginning.

use std::collections::BTreeMap;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::clock::rfc3339;
use super::super::http::form_pairs;
use super::super::world::{Customer, Mode, World};
use super::{Answer, Shared, done, either, read, refused};

pub(super) async fn state(State(inner): Shared) -> Answer {
    done(inner.with(describe))
}

pub(super) async fn requests(State(inner): Shared, RawQuery(query): RawQuery) -> Answer {
    let query = form_pairs(&query.unwrap_or_default());
    let mut wanted: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in &query {
        if !["limit", "service", "operation", "customer", "method", "after"]
            .contains(&name.as_str())
        {
            return refused(StatusCode::BAD_REQUEST, &format!("there is no parameter `{name}`"));
        }
        wanted.insert(name, value);
    }
    let number =
        |name: &str, default: u64| wanted.get(name).map_or(Some(default), |v| v.parse().ok());
    let (Some(limit), Some(after)) = (number("limit", 100), number("after", 0)) else {
        return refused(StatusCode::BAD_REQUEST, "`limit` and `after` are numbers");
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let same = |name: &str, is: &str| wanted.get(name).is_none_or(|w| w.eq_ignore_ascii_case(is));
    let (total, entries) = inner.with(|world| (world.log.total(), world.log.recent(usize::MAX)));
    let customer = wanted.get("customer").copied();
    let customer = customer.map(|given| {
        inner.with(|world| {
            let at = world.customer_index(given);
            at.map_or_else(|| given.to_owned(), |at| world.customers[at].name.clone())
        })
    });
    let shown: Vec<_> = entries
        .into_iter()
        .filter(|entry| {
            entry.number > after
                && same("service", entry.service)
                && same("operation", &entry.operation)
                && same("method", &entry.method)
                && customer.as_ref().is_none_or(|name| entry.customer.as_ref() == Some(name))
        })
        .take(limit)
        .collect();
    done(json!({ "total": total, "requests": shown }))
}

pub(super) async fn counters(State(inner): Shared) -> Answer {
    done(inner.with(|world| {
        let mut power = json!({});
        for (id, actions) in world.log.power() {
            let owner = world.customers.iter().find_map(|customer| {
                let at = customer.site.machine_at(id)?;
                Some((customer.name.clone(), customer.site.machines.get(at)?.name.clone()))
            });
            let (customer, name) = owner.unwrap_or_default();
            power[id] = json!({ "customer": customer, "name": name, "actions": actions });
        }
        json!({
            "requests": world.log.counts(),
            "powerActions": power,
            "stores": super::store_state::counters(world),
        })
    }))
}

pub(super) async fn reset(State(inner): Shared) -> Answer {
    match inner.reset().await {
        Ok(()) => done(json!({ "reset": true })),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionChange {
    state: String,
    mode: Option<String>,
}

pub(super) async fn region(State(inner): Shared, Path(name): Path<String>, body: Bytes) -> Answer {
    let mode = match wanted_mode(&body) {
        Ok(mode) => mode,
        Err(answer) => return answer,
    };
    match inner.set_mode(&name, mode).await {
        Ok(true) => done(json!({ "region": name, "state": mode_words(mode) })),
        Ok(false) => refused(StatusCode::NOT_FOUND, &format!("there is no region `{name}`")),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn wanted_mode(body: &[u8]) -> Result<Mode, Answer> {
    let change: RegionChange = read(body)?;
    Ok(match (change.state.as_str(), change.mode.as_deref()) {
        ("up", None) => Mode::Up,
        ("down", None | Some("refuse")) => Mode::Refuse,
        ("down", Some("503")) => Mode::Unavailable,
        ("down", Some("hang")) => Mode::Hang,
        _ => {
            let why = "`state` is \"up\", or \"down\" with `mode` \"refuse\", \"503\" or \"hang\"";
            return Err(refused(StatusCode::BAD_REQUEST, why));
        }
    })
}

fn describe(world: &mut World) -> Value {
    let regions: Vec<Value> = world
        .regions
        .iter()
        .map(|region| {
            json!({
                "name": region.name,
                "cloud": region.cloud,
                "url": region.url,
                "state": mode_words(region.mode),
            })
        })
        .collect();
    let customers: Vec<Value> =
        (0..world.customers.len()).filter_map(|at| customer(world, at)).collect();
    json!({
        "simulated": true,
        "time": rfc3339(world.now()),
        "clockFrozen": world.clock.is_frozen(),
        "pendingTransitions": world.pending_events(),
        "regions": regions,
        "customers": customers,
        "storefront": { "state": mode_words(world.storefront.mode) },
        "stores": super::store_state::all(world),
        "faults": super::faults::shown(world),
        "totalRequests": world.log.total(),
        "settings": world.settings,
    })
}

/// A customer as the control API shows it; secrets are not part of it.
pub(super) fn customer(world: &World, at: usize) -> Option<Value> {
    let known: &Customer = world.customers.get(at)?;
    let site = &known.site;
    let catalogs: Vec<Value> = site
        .catalogs
        .iter()
        .map(|catalog| {
            let members = site.machines.iter().filter(|machine| machine.catalog.id == catalog.id);
            json!({ "id": catalog.id, "name": catalog.name, "machines": members.count() })
        })
        .collect();
    let groups: Vec<Value> =
        site.groups.iter().map(|group| json!({ "id": group.id, "name": group.name })).collect();
    let clients: Vec<&str> = known.credentials.iter().map(|c| c.client_id.as_str()).collect();
    Some(json!({
        "name": known.name,
        "id": known.id,
        "displayName": known.display_name,
        "region": world.regions.get(known.region).map(|region| region.name.as_str()),
        "clientIds": clients,
        "frozen": known.frozen,
        "liveTokens": world.live_tokens(at),
        "site": { "id": site.id, "name": site.name },
        "machineCatalogs": catalogs,
        "deliveryGroups": groups,
        "machines": site.machines.len(),
        "sessions": site.sessions.len(),
        "jobs": site.jobs.len(),
        "notifications": known.notifications.len(),
    }))
}

fn mode_words(mode: Mode) -> Value {
    match mode {
        Mode::Up => json!("up"),
        Mode::Refuse => json!("down: refuse"),
        Mode::Unavailable => json!("down: 503"),
        Mode::Hang => json!("down: hang"),
    }
}

/// One customer by id or short name.
pub(super) fn named(world: &World, name: &str) -> Answer {
    let found = world.customer_index(name).and_then(|at| customer(world, at));
    either(found.map(done).ok_or_else(|| super::no_customer(name)))
}
