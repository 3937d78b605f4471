//! Stores: users, resources, tokens, and what comes next.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::super::Inner;
use super::super::scenario::{PowerOffSpec, Secret};
use super::super::storefront::{Power, REASONS, Realm, Rejection, Resource};
use super::super::world::World;
use super::store_state::{all, resource, store, user};
use super::{Answer, Shared, done, either, read, refused};

pub(super) async fn list(State(inner): Shared) -> Answer {
    done(inner.with(|world| json!({ "stores": all(world) })))
}

pub(super) async fn show(State(inner): Shared, Path(name): Path<String>) -> Answer {
    on_store(&inner, &name, |world, at| Ok(done(store(&world.storefront.stores[at]))))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct StoreChange {
    farms_down: Option<Vec<String>>,
    trusted: Option<bool>,
    dead_location_first: Option<bool>,
    primary_token_seconds: Option<u32>,
    service_token_seconds: Option<u32>,
    /// `service`, `primary` or `all`.
    expire_tokens: Option<String>,
    reject: Option<RejectionChange>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RejectionChange {
    reason: String,
    /// `store` or `auth`.
    at: Option<String>,
    times: Option<u32>,
}

pub(super) async fn change(State(inner): Shared, Path(name): Path<String>, body: Bytes) -> Answer {
    on_store(&inner, &name, |world, at| {
        let change: StoreChange = read(&body)?;
        let rejection = change.reject.map(rejection).transpose()?;
        let ended = change.expire_tokens.as_deref().map(realm).transpose()?;
        let store_now = &mut world.storefront.stores[at];
        if let Some(farms) = change.farms_down {
            store_now.farms_down = farms.into_iter().collect();
        }
        store_now.trusted = change.trusted.unwrap_or(store_now.trusted);
        store_now.dead_location_first =
            change.dead_location_first.unwrap_or(store_now.dead_location_first);
        store_now.primary_token_seconds =
            change.primary_token_seconds.unwrap_or(store_now.primary_token_seconds);
        store_now.service_token_seconds =
            change.service_token_seconds.unwrap_or(store_now.service_token_seconds);
        store_now.rejections.extend(rejection);
        let ended = ended.map_or(0, |realm| world.expire_store_tokens(at, None, realm));
        let mut shown = store(&world.storefront.stores[at]);
        shown["expiredTokens"] = json!(ended);
        Ok(done(shown))
    })
}

pub(super) async fn show_user(
    State(inner): Shared,
    Path((name, who)): Path<(String, String)>,
) -> Answer {
    on_user(&inner, &name, &who, |world, at, who| {
        Ok(done(user(&world.storefront.stores[at].users[who])))
    })
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct UserChange {
    password: Option<Secret>,
    password_expired: Option<bool>,
    password_expires_soon: Option<bool>,
    locked: Option<bool>,
    locks_after: Option<u32>,
    expire_tokens: bool,
}

pub(super) async fn change_user(
    State(inner): Shared,
    Path((name, who)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    on_user(&inner, &name, &who, |world, at, who| {
        let change: UserChange = read(&body)?;
        let known = &mut world.storefront.stores[at].users[who];
        if let Some(password) = change.password {
            known.set_password(password);
        }
        known.password_expired = change.password_expired.unwrap_or(known.password_expired);
        known.password_expires_soon =
            change.password_expires_soon.unwrap_or(known.password_expires_soon);
        known.locks_after = change.locks_after.unwrap_or(known.locks_after);
        if let Some(locked) = change.locked {
            known.locked = locked;
            known.wrong_passwords = 0;
        }
        if change.expire_tokens {
            world.expire_store_tokens(at, Some(who), None);
        }
        Ok(done(user(&world.storefront.stores[at].users[who])))
    })
}

pub(super) async fn show_resource(
    State(inner): Shared,
    Path((name, which)): Path<(String, String)>,
) -> Answer {
    on_resource(&inner, &name, &which, |known| Ok(done(resource(known))))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ResourceChange {
    /// One or several next outcomes; null forgets those that are waiting.
    #[serde(deserialize_with = "present")]
    power_off: Option<NextPowerOffs>,
    enabled: Option<bool>,
    hidden: Option<bool>,
    can_power_off: Option<bool>,
    supports_power_off: Option<bool>,
    rotate_links: bool,
    power_state: Option<String>,
    in_maintenance: Option<bool>,
    assignment: Option<String>,
    title: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NextPowerOffs {
    None(()),
    One(Box<PowerOffSpec>),
    Several(Vec<PowerOffSpec>),
}

pub(super) async fn change_resource(
    State(inner): Shared,
    Path((name, which)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    on_resource(&inner, &name, &which, |known| {
        let change: ResourceChange = read(&body)?;
        let power = match &change.power_state {
            None => None,
            Some(word) => Some(Power::of(word).ok_or_else(|| {
                let words = "`powerState` is on, off, turning-on or turning-off";
                refused(StatusCode::BAD_REQUEST, words)
            })?),
        };
        let no_machine =
            (power.is_some() || change.in_maintenance.is_some()) && known.machine.is_none();
        if no_machine {
            return Err(refused(StatusCode::CONFLICT, "the resource has no machine"));
        }
        match change.power_off {
            None => {}
            Some(NextPowerOffs::None(())) => known.next.clear(),
            Some(NextPowerOffs::One(next)) => known.next.push_back(*next),
            Some(NextPowerOffs::Several(all)) => known.next.extend(all),
        }
        known.next.truncate(MAX_NEXT);
        known.enabled = change.enabled.unwrap_or(known.enabled);
        known.hidden = change.hidden.unwrap_or(known.hidden);
        known.can_power_off = change.can_power_off.unwrap_or(known.can_power_off);
        known.supports_power_off = change.supports_power_off.unwrap_or(known.supports_power_off);
        known.generation += u32::from(change.rotate_links);
        known.assignment = change.assignment.or_else(|| known.assignment.take());
        known.title = change.title.unwrap_or_else(|| std::mem::take(&mut known.title));
        if let Some(machine) = &mut known.machine {
            machine.in_maintenance = change.in_maintenance.unwrap_or(machine.in_maintenance);
            if let Some(power) = power {
                machine.set(power);
            }
        }
        Ok(done(resource(known)))
    })
}

fn on_store(
    inner: &Inner,
    name: &str,
    change: impl FnOnce(&mut World, usize) -> Result<Answer, Answer>,
) -> Answer {
    either(inner.with(|world| {
        let mut stores = world.storefront.stores.iter();
        let at = stores.position(|store| store.name.eq_ignore_ascii_case(name));
        let at = at.ok_or_else(|| none(&format!("there is no store `{name}`")))?;
        change(world, at)
    }))
}

fn on_user(
    inner: &Inner,
    store: &str,
    who: &str,
    change: impl FnOnce(&mut World, usize, usize) -> Result<Answer, Answer>,
) -> Answer {
    on_store(inner, store, |world, at| {
        let found = world.storefront.stores[at].user(who);
        let found = found.ok_or_else(|| none(&format!("there is no user `{who}`")))?;
        change(world, at, found)
    })
}

fn on_resource(
    inner: &Inner,
    store: &str,
    which: &str,
    change: impl FnOnce(&mut Resource) -> Result<Answer, Answer>,
) -> Answer {
    on_store(inner, store, |world, at| {
        let store = &mut world.storefront.stores[at];
        let found = store.resource(which);
        let found = found.ok_or_else(|| none(&format!("there is no one resource `{which}`")))?;
        change(&mut store.resources[found])
    })
}

fn rejection(change: RejectionChange) -> Result<Rejection, Answer> {
    let bad = |why: &str| refused(StatusCode::BAD_REQUEST, why);
    let realm = match change.at.as_deref() {
        None | Some("store") => Realm::Resources,
        Some("auth") => Realm::Tokens,
        Some(_) => return Err(bad("`at` is \"store\" or \"auth\"")),
    };
    if !REASONS.contains(&change.reason.as_str()) {
        return Err(bad(&format!("`reason` is one of {}", REASONS.join(", "))));
    }
    let times = change.times.unwrap_or(1).max(1);
    Ok(Rejection { realm, reason: change.reason, times })
}

fn realm(word: &str) -> Result<Option<Realm>, Answer> {
    match word {
        "service" => Ok(Some(Realm::Resources)),
        "primary" => Ok(Some(Realm::Tokens)),
        "all" => Ok(None),
        _ => {
            let why = "`expireTokens` is \"service\", \"primary\" or \"all\"";
            Err(refused(StatusCode::BAD_REQUEST, why))
        }
    }
}

fn none(why: &str) -> Answer {
    refused(StatusCode::NOT_FOUND, why)
}

/// Tells a property that is null from one that is absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

const MAX_NEXT: usize = 1000;
