//! The endpoints documents: where each service is, without a token. Sessions and discovery are
//! named as a real server names them, and answer 404 here.

use super::super::http::Request;
use super::super::world::World;
use super::answer::{Answer, accepts};
use super::names;
use super::xml::Element;

/// `GET {store}/endpoints/v1`
pub(super) fn store(world: &World, request: &Request, store: usize) -> Answer {
    let known = &world.storefront.stores[store];
    let root = format!("{}/Citrix/{}", request.base, known.path);
    let mut enumeration = vec!["ResourcesEnumerationV2"];
    enumeration.extend(GROUPS);
    let provisioning = [enumeration.as_slice(), &["AutoProvision"]].concat();
    let all: [(&str, &str, &[&str]); 7] = [
        ("Endpoints", "/endpoints/v1", &["endpoints"]),
        ("ListResourcesWithAutoProvision", "/resources/v2", &provisioning),
        ("ListResources", "/resources/v2/withoutautoprovision", &enumeration),
        ("ListSessions", "/sessions/v1/available", &["listSessions", "nonAnonymousOnly"]),
        ("DisconnectSessions", "/sessions/v1/disconnect", &["disconnectSessions"]),
        ("LogOffSessions", "/sessions/v1/logoff", &["logOffSessions"]),
        ("DiscoveryDocument", "/discovery", &["DiscoveryV1"]),
    ];
    document(request, &root, &all, known.capabilities)
}

/// `GET {auth}/endpoints/v1`
pub(super) fn auth(world: &World, request: &Request, store: usize) -> Answer {
    let known = &world.storefront.stores[store];
    let root = format!("{}/Citrix/{}", request.base, known.auth_path);
    let all: [(&str, &str, &[&str]); 3] = [
        ("Endpoints", "/endpoints/v1", &["endpoints"]),
        ("TokenService", "/auth/v1/token", &["tokenIssue", "tokenDestroy"]),
        ("TokenValidationService", "/auth/v1/token/validate", &["tokenValidation"]),
    ];
    document(request, &root, &all, known.capabilities)
}

fn document(
    request: &Request,
    root: &str,
    all: &[(&str, &str, &[&str])],
    with_capabilities: bool,
) -> Answer {
    if !accepts(request, &[names::ENDPOINTS_TYPE, "text/xml"]) {
        return Answer::page(406);
    }
    let endpoint = |(id, path, capabilities): &(&str, &str, &[&str])| {
        let endpoint = Element::new("endpoint")
            .attribute("id", *id)
            .child(Element::of("url", format!("{root}{path}")));
        if !with_capabilities {
            return endpoint;
        }
        let all = capabilities.iter().map(|capability| Element::of("capability", *capability));
        endpoint.child(Element::new("capabilities").children(all))
    };
    let endpoints = Element::root("endpoints", names::ENDPOINTS);
    Answer::xml(names::ENDPOINTS_TYPE, endpoints.children(all.iter().map(endpoint)))
}

const GROUPS: [&str; 12] = [
    "group:core",
    "group:desktop",
    "group:status",
    "group:fta",
    "group:launch",
    "group:keywords",
    "group:images",
    "group:icon",
    "group:vm",
    "group:sub",
    "group:workflow",
    "group:fmd",
];
