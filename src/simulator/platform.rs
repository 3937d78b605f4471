//! The platform services: registry, core and notifications.
//!
//! Sources: the developer portal's pages on resource locations, service entitlement and
//! notifications.

use serde_json::{Map, Value, json};

use super::auth;
use super::errors::{self, Parameters};
use super::http::{Reply, Request};
use super::ids;
use super::scenario::ServiceStateSpec;
use super::world::{Customer, Location, World, bounded_push};

/// Which customer a platform call is for.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    /// On the API gateway, from `Citrix-CustomerId`.
    Header,
    /// On the older hosts, from the path.
    Path(String),
}

/// `GET|POST /…/resourcelocations`, `GET|PUT|DELETE /…/resourcelocations/{id}`
pub(super) fn locations(
    world: &mut World,
    request: &Request,
    scope: &Scope,
    id: Option<&str>,
) -> Reply {
    with_customer(world, request, scope, |customer| match (request.method.as_str(), id) {
        ("GET", None) => Reply::json(200, &json!({ "items": customer.locations })),
        // A location that is not there is an empty answer, not 404.
        ("GET", Some(id)) => match customer.locations.iter().find(|known| known.id == id) {
            Some(found) => Reply::json(200, found),
            None => Reply::empty(204),
        },
        ("POST", None) => create_location(customer, &request.body),
        ("PUT", Some(id)) => update_location(customer, id, &request.body),
        ("DELETE", Some(id)) => {
            customer.locations.retain(|known| known.id != id);
            Reply::empty(204)
        }
        _ => errors::management(405, "Method not allowed"),
    })
}

/// `GET /{customer}/serviceStates`
pub(super) fn service_states(world: &mut World, request: &Request, scope: &Scope) -> Reply {
    with_customer(world, request, scope, |customer| {
        let items: Vec<Value> = customer.service_states.iter().map(service_state).collect();
        Reply::json(200, &json!({ "items": items }))
    })
}

/// `GET /notifications`, `GET /{customer}/notifications`
pub(super) fn notifications(world: &mut World, request: &Request, scope: &Scope) -> Reply {
    with_customer(world, request, scope, |customer| {
        let start = match request.query("continuationToken") {
            None => Some(0),
            Some(token) => {
                token.strip_prefix("n+").and_then(|at| at.strip_suffix('=')?.parse().ok())
            }
        };
        let Some(start) = start else {
            let parameters = [("property", "continuationToken")];
            let detail = "The continuation token is not valid";
            return errors::guideline(
                400,
                "common/invalidString",
                detail,
                &parameters,
                Parameters::Array,
            );
        };
        let page = customer.notifications.iter().skip(start).take(NOTIFICATIONS_PAGE).map(flat);
        let items: Vec<Value> = page.collect();
        let next = start + items.len();
        let token = (next < customer.notifications.len()).then(|| format!("n+{next}="));
        Reply::json(200, &json!({ "items": items, "continuationToken": token }))
    })
}

/// `POST /{customer}/notifications/items`
pub(super) fn notify(world: &mut World, request: &Request, scope: &Scope) -> Reply {
    let strict = world.settings.strict_content_type;
    let announced = request.content_type().is_some_and(|kind| kind.starts_with("application/json"));
    if strict && !announced {
        return unsupported_media_type().platform();
    }
    with_customer(world, request, scope, |customer| match stored(&request.body) {
        Ok(item) => {
            bounded_push(&mut customer.notifications, item.clone(), MAX_NOTIFICATIONS);
            Reply::json(200, &item)
        }
        Err(reply) => reply,
    })
}

/// `GET /{customer}/ping`: answers everybody.
pub(super) fn ping() -> Reply {
    Reply::empty(200).platform().typed("application/json", "true")
}

pub(super) fn unsupported_media_type() -> Reply {
    let parameters = [("mediaType", "application/json; charset=utf-8")];
    let detail = "Must use application/json media type in utf-8";
    errors::guideline(415, "common/unsupportedMediaType", detail, &parameters, Parameters::Array)
}

fn with_customer(
    world: &mut World,
    request: &Request,
    scope: &Scope,
    answer: impl FnOnce(&mut Customer) -> Reply,
) -> Reply {
    let (checked, is_platform) = match scope {
        Scope::Header => {
            (auth::gateway(world, request, Parameters::Array).map(|(_, customer)| customer), false)
        }
        Scope::Path(id) => (auth::platform(world, request, id), true),
    };
    let reply = match checked {
        Ok(index) => answer(&mut world.customers[index]),
        Err(reply) => return reply,
    };
    if is_platform { reply.platform() } else { reply }
}

fn create_location(customer: &mut Customer, body: &[u8]) -> Reply {
    let Some(given) = object(body) else { return invalid_json() };
    let Some(name) = text(&given, "name").filter(|name| is_location_name(name)) else {
        return bad_name();
    };
    let created = Location {
        id: ids::fresh(),
        name,
        internal_only: flag(&given, "internalOnly").unwrap_or_default(),
        time_zone: text(&given, "timeZone").unwrap_or_else(|| "GMT Standard Time".to_owned()),
        read_only: false,
    };
    if customer.locations.len() >= MAX_LOCATIONS {
        return errors::management(400, "Too many resource locations");
    }
    customer.locations.push(created.clone());
    Reply::json(200, &created)
}

fn update_location(customer: &mut Customer, id: &str, body: &[u8]) -> Reply {
    let Some(given) = object(body) else { return invalid_json() };
    let Some(known) = customer.locations.iter_mut().find(|known| known.id == id) else {
        let parameters = [("entityType", "ResourceLocation"), ("id", id)];
        let detail = "Resource location not found";
        return errors::guideline(404, "common/notFound", detail, &parameters, Parameters::Array);
    };
    if let Some(name) = text(&given, "name") {
        if !is_location_name(&name) {
            return bad_name();
        }
        known.name = name;
    }
    known.internal_only = flag(&given, "internalOnly").unwrap_or(known.internal_only);
    known.time_zone = text(&given, "timeZone").unwrap_or_else(|| known.time_zone.clone());
    Reply::json(200, known)
}

fn service_state(spec: &ServiceStateSpec) -> Value {
    let kind = spec.kind.clone().unwrap_or_else(|| {
        ["ProductionTrial", "PartnerProduction", "Production"]
            .into_iter()
            .find(|kind| spec.state.starts_with(kind))
            .unwrap_or("Default")
            .to_owned()
    });
    json!({
        "serviceName": spec.service_name,
        "state": spec.state,
        "type": kind,
        "quantity": spec.quantity,
        "daysToExpiration": spec.days_to_expiration,
        "futureEntitlementStartDate": spec.future_entitlement_start_date,
    })
}

/// The notification as it is kept: known properties, camelCase whatever the caller's case was, and
/// what is always there as `null`.
fn stored(body: &[u8]) -> Result<Value, Reply> {
    let given = object(body).ok_or_else(invalid_json)?;
    let mut kept = Map::new();
    for name in ["destinationAdmin", "component", "createdDate", "severity", "priority"] {
        let Some(value) = text(&given, name).filter(|value| !value.is_empty()) else {
            return Err(missing(name));
        };
        kept.insert(name.to_owned(), json!(value));
    }
    let severity = kept["severity"].as_str().unwrap_or_default();
    if !SEVERITIES.contains(&severity) {
        return Err(invalid("common/invalidEnum", "severity"));
    }
    let date = kept["createdDate"].as_str().unwrap_or_default();
    if date.parse::<jiff::Timestamp>().is_err() {
        return Err(invalid("common/invalidString", "createdDate"));
    }
    kept.insert("eventId".into(), property(&given, "eventId").cloned().unwrap_or_default());
    let content =
        property(&given, "content").and_then(Value::as_array).filter(|all| !all.is_empty());
    let mut shown = Vec::new();
    for item in content.ok_or_else(|| missing("content"))?.iter().take(MAX_CONTENT) {
        let item = item.as_object().ok_or_else(invalid_json)?;
        let of = |name: &str| text(item, name).ok_or_else(|| missing(name));
        shown.push(json!({
            "languageTag": of("languageTag")?,
            "title": of("title")?,
            "description": of("description")?,
            "detailUri": property(item, "detailUri"),
        }));
    }
    kept.insert("content".into(), Value::Array(shown));
    for name in ["categories", "data", "externalId"] {
        kept.insert(name.into(), property(&given, name).cloned().unwrap_or_default());
    }
    let suppress = flag(&given, "suppressEmail").unwrap_or_default();
    kept.insert("suppressEmail".into(), json!(suppress));
    Ok(Value::Object(kept))
}

/// A stored notification as lists show it: title and description beside the rest.
fn flat(item: &Value) -> Value {
    let mut flat = item.clone();
    let first = flat.get_mut("content").and_then(|content| content.get_mut(0)).map(Value::take);
    if let (Some(first), Some(object)) = (first, flat.as_object_mut()) {
        object.remove("content");
        for name in ["title", "description", "languageTag", "detailUri"] {
            object.insert(name.into(), first.get(name).cloned().unwrap_or_default());
        }
    }
    flat
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn property<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    property(object, name)?.as_str().map(str::to_owned)
}

fn flag(object: &Map<String, Value>, name: &str) -> Option<bool> {
    property(object, name)?.as_bool()
}

fn is_location_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c| "/\\#?%|[]{}<>$^&+".contains(c))
}

fn bad_name() -> Reply {
    invalid("common/invalidString", "name")
}

fn invalid_json() -> Reply {
    errors::guideline(
        400,
        "common/invalidJson",
        "The body is not valid JSON",
        &[],
        Parameters::Array,
    )
}

fn missing(name: &str) -> Reply {
    invalid("common/missing", name)
}

fn invalid(kind: &str, name: &str) -> Reply {
    let detail = format!("The property {name} is missing or not valid");
    errors::guideline(400, kind, &detail, &[("property", name)], Parameters::Array)
}

const SEVERITIES: [&str; 4] = ["Information", "Warning", "Error", "Critical"];
const NOTIFICATIONS_PAGE: usize = 100;
const MAX_NOTIFICATIONS: usize = 1000;
const MAX_LOCATIONS: usize = 1000;
const MAX_CONTENT: usize = 50;
