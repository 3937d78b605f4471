//! Services of the API gateway that only answer a plain list: enough to see that a request
//! arrives where it should.

use serde_json::{Value, json};

use super::auth;
use super::clock::rfc3339;
use super::errors::Parameters;
use super::http::{Reply, Request};
use super::ids;
use super::world::{Customer, World};

/// `GET /administrators`
pub(super) fn administrators(world: &World, request: &Request) -> Reply {
    with_customer(world, request, |customer| {
        let admins: Vec<Value> = customer
            .credentials
            .iter()
            .map(|credential| {
                json!({
                    "userId": ids::stable(&["admin", &credential.client_id]),
                    "email": format!("admin@{}.example", customer.name),
                    "displayName": format!("{} automation", customer.display_name),
                    "providerType": "CitrixSts",
                    "type": "AdministratorUser",
                    "accessType": "Full",
                })
            })
            .collect();
        json!({ "items": admins, "continuationToken": null })
    })
}

/// `GET /connectors`: a bare array, two connectors in each location that is not Citrix's.
pub(super) fn connectors(world: &World, request: &Request) -> Reply {
    let now = rfc3339(world.now());
    with_customer(world, request, |customer| {
        let own = customer.locations.iter().filter(|location| !location.read_only);
        own.flat_map(|location| ["cc1", "cc2"].map(|name| (location, name)))
            .map(|(location, name)| {
                json!({
                    "id": ids::stable(&["connector", &location.id, name]),
                    "fqdn": format!("{name}.internal.example"),
                    "role": "Connector",
                    "location": location.id,
                    "currentVersion": "6.146.0.58",
                    "expectedVersion": "6.146.0.58",
                    "versionState": "UpToDate",
                    "inMaintenance": false,
                    "upgradeDisabled": false,
                    "connectorType": "Windows",
                    "status": "Unknown",
                    "lastContactDate": now,
                })
            })
            .collect()
    })
}

/// `GET /systemlog/records`: in the camelCase of live replies; there is nothing to tell.
pub(super) fn system_log(world: &World, request: &Request) -> Reply {
    with_customer(
        world,
        request,
        |_| json!({ "items": [], "count": 0, "estimatedTotalItems": 0, "continuationToken": null }),
    )
}

fn with_customer(world: &World, request: &Request, list: impl FnOnce(&Customer) -> Value) -> Reply {
    match auth::gateway(world, request, Parameters::Array) {
        Ok((_, customer)) => Reply::json(200, &list(&world.customers[customer])),
        Err(reply) => reply,
    }
}
