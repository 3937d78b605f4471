//! Stores as the control API shows them; passwords and tokens are not part of it.

use serde_json::{Value, json};

use super::super::storefront::{Realm, Resource, Store, User};
use super::super::world::World;

/// Every store, for the state of everything.
pub(super) fn all(world: &World) -> Value {
    world.storefront.stores.iter().map(store).collect()
}

/// What clients did, by store.
pub(super) fn counters(world: &World) -> Value {
    let mut counters = json!({});
    for store in &world.storefront.stores {
        let counts = &store.counts;
        let mut resources = json!({});
        for resource in store.resources.iter().filter(|resource| resource.posts > 0) {
            resources[resource.id.as_str()] =
                json!({ "powerOffPosts": resource.posts, "powerOffsApplied": resource.applied });
        }
        counters[store.name.as_str()] = json!({
            "listings": counts.listings,
            "subscriptionsCreated": counts.subscriptions_created,
            "primaryTokens": counts.primary_tokens,
            "serviceTokens": counts.service_tokens,
            "passwordChecks": counts.password_checks,
            "resources": resources,
        });
    }
    counters
}

pub(super) fn store(store: &Store) -> Value {
    json!({
        "name": store.name,
        "path": format!("/Citrix/{}", store.path),
        "authPath": format!("/Citrix/{}", store.auth_path),
        "methods": store.methods,
        "trusted": store.trusted,
        "farmsDown": store.farms_down,
        "deadLocationFirst": store.dead_location_first,
        "primaryTokenSeconds": store.primary_token_seconds,
        "serviceTokenSeconds": store.service_token_seconds,
        "rejections": store.rejections.iter().map(|next| json!({
            "at": if next.realm == Realm::Tokens { "auth" } else { "store" },
            "reason": next.reason,
            "times": next.times,
        })).collect::<Vec<_>>(),
        "users": store.users.iter().map(user).collect::<Vec<_>>(),
        "resources": store.resources.iter().map(resource).collect::<Vec<_>>(),
    })
}

pub(super) fn user(user: &User) -> Value {
    json!({
        "name": user.name,
        "passwordExpired": user.password_expired,
        "passwordExpiresSoon": user.password_expires_soon,
        "locked": user.locked,
        "locksAfter": user.locks_after,
        "wrongPasswords": user.wrong_passwords,
        "signIns": user.sign_ins,
    })
}

pub(super) fn resource(resource: &Resource) -> Value {
    json!({
        "id": resource.id,
        "title": resource.title,
        "type": resource.kind,
        "farm": resource.farm,
        "assignment": resource.assignment,
        "enabled": resource.enabled,
        "hidden": resource.hidden,
        "canPowerOff": resource.can_power_off,
        "supportsPowerOff": resource.supports_power_off,
        "linkGeneration": resource.generation,
        "machine": resource.machine.as_ref().map(|machine| json!({
            "name": machine.name,
            "powerState": machine.power.word(),
            "inMaintenance": machine.in_maintenance,
        })),
        "nextPowerOffs": resource.next,
        "alwaysPowerOff": resource.always,
        "powerOffPosts": resource.posts,
        "powerOffsApplied": resource.applied,
        "lastClientName": resource.last_client_name,
    })
}
