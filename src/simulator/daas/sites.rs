//! Who is signed in, and the site.

use serde_json::{Value, json};

use super::super::clock::time_of_day;
use super::super::errors;
use super::super::http::Reply;
use super::super::ids;
use super::super::world::World;
use super::{Call, method_not_allowed};

pub(super) fn answer(world: &World, call: &Call<'_>, lower: &[&str]) -> Reply {
    let site = call.site(world);
    let entry = json!({ "Id": site.id, "Name": site.name });
    if !matches!(call.method(), "GET" | "HEAD") {
        return method_not_allowed();
    }
    match lower {
        ["me"] => me(world, call, &entry),
        ["about"] => Reply::json(200, &json!({ "Commit": null, "IsCloud": true })),
        ["healthcheck"] => Reply::json(200, &json!(true)),
        ["sites"] => super::list::whole(&[entry]),
        ["sites", name, ..] => {
            let known = *name == site.id.to_lowercase() || *name == site.name.to_lowercase();
            match (known, lower.get(2..).unwrap_or_default()) {
                (false, _) => errors::daas_not_found("Site", name),
                (true, []) => Reply::json(200, &detail(world, call)),
                (true, ["status"]) => Reply::json(200, &json!({ "SiteState": "Configured" })),
                (true, _) => errors::no_such_path(),
            }
        }
        _ => errors::no_such_path(),
    }
}

fn me(world: &World, call: &Call<'_>, site: &Value) -> Reply {
    let customer = &world.customers[call.customer];
    let asleep = customer.sleeping_sites.iter().map(|(id, name)| json!({ "Id": id, "Name": name }));
    let sites: Vec<Value> = std::iter::once(site.clone()).chain(asleep).collect();
    let now = world.now();
    let expiry = now + i64::from(world.settings.token_lifetime_seconds) * 1000;
    let body = json!({
        "UserId": ids::stable(&["admin", &call.caller.client_id]),
        "DisplayName": format!("{} automation", customer.display_name),
        "ExpiryTime": time_of_day(expiry),
        "RefreshExpirationTime": time_of_day(expiry + 11 * 3_600_000),
        "VerifiedEmail": format!("admin@{}.example", customer.name),
        "IsCspCustomer": false,
        "Customers": [ { "Id": customer.id, "Name": null, "Sites": sites } ],
    });
    Reply::json(200, &body)
}

fn detail(world: &World, call: &Call<'_>) -> Value {
    let customer = &world.customers[call.customer];
    let site = &customer.site;
    json!({
        "Id": site.id,
        "Name": site.name,
        "OrchestationApiVersion": 125,
        "PrimaryZone": { "Id": ids::stable(&[&customer.name, "zone", "Primary"]), "Name": "Primary" },
        "ProductCode": "XDT",
        "ProductEdition": "PLT",
        "ProductVersion": "7.45",
        "SiteServices": [],
        "EnabledFeatures": ["MultiTenant", "Zones"],
        "ColorDepth": "TwentyFourBit",
        "DefaultDesktopIconId": "1",
        "DefaultMinimumFunctionalLevel": "L7_20",
        "DnsResolutionEnabled": false,
        "SiteConfigurationComplete": true,
        "LicensedSessionsActive": site.sessions.len(),
    })
}
