//! The OpenAPI 3.1 document, from the handlers themselves.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{
    IntoResponses, Modify, OpenApi,
    openapi::{
        Content, RefOr, Response, ResponseBuilder,
        security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        },
    },
};

use super::{list::IDS, problem::ProblemView};
use crate::domain::ProblemCode;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "cwsgate",
        description = include_str!("openapi.md"),
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/", description = "This gateway.")),
    components(schemas(ProblemView)),
    modifiers(&Security),
    tags(
        (name = "machines", description = "Find machines, switch them on and off, restart them, put them into maintenance."),
        (name = "sessions", description = "Find users' sessions, end them, disconnect them, send messages."),
        (name = "catalogs", description = "Machine catalogs (how machines are made) and delivery groups (who gets them)."),
        (name = "stores", description = "StoreFront stores: what they offer, and switching a machine off."),
        (name = "customers", description = "Customers, their sites, services and notifications, regions, and the caller itself."),
    ),
)]
struct Base;

/// The document without its paths.
pub(super) fn base() -> utoipa::openapi::OpenApi {
    Base::openapi()
}

/// The OpenAPI document as it is served.
#[derive(Clone, Debug)]
pub struct Document(Value);

/// The whole document, of every documented route.
pub fn document() -> Document {
    finish(super::routes().into_openapi())
}

impl Document {
    /// As indented JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.0).unwrap_or_default() + "\n"
    }

    /// As YAML.
    pub fn to_yaml(&self) -> String {
        yaml_serde::to_string(&self.0).unwrap_or_default()
    }
}

/// Puts the last touches to a document: paths where they are served, short schema names and
/// examples.
pub(super) fn finish(document: utoipa::openapi::OpenApi) -> Document {
    let mut value = serde_json::to_value(document).unwrap_or_default();
    if let Some(paths) = value.get_mut("paths").and_then(Value::as_object_mut) {
        *paths = std::mem::take(paths)
            .into_iter()
            .map(|(path, item)| (format!("/v1{path}"), item))
            .collect();
    }
    rename_schemas(&mut value);
    share_schemas(&mut value);
    loosen_items(&mut value);
    document_lists(&mut value);
    document_caching(&mut value);
    add_examples(&mut value);
    Document(value)
}

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key of this gateway."))
            .build();
        let header = ApiKey::Header(ApiKeyValue::with_description(
            "X-Api-Key",
            "An API key of this gateway, for clients that cannot set Authorization.",
        ));
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(header));
        document.security = Some(vec![
            SecurityRequirement::new("bearer", Vec::<String>::new()),
            SecurityRequirement::new("apiKey", Vec::<String>::new()),
        ]);
    }
}

/// Declares which problems a kind of call can answer with.
macro_rules! problem_responses {
    ($(#[$doc:meta])* $name:ident: $($code:ident),* $(,)?) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses(&[$(ProblemCode::$code),*])
            }
        }
    };
}

problem_responses! {
    /// What any reading call can fail with.
    ReadProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, PolicyDenied,
    NotFound, NotAcceptable, AmbiguousName, AmbiguousSite, Internal, UpstreamError,
    UpstreamMalformed, UpstreamRejectedCredentials, UpstreamForbidden, UpstreamUnavailable,
    UpstreamRateLimited, UpstreamTokenUnavailable, CredentialQuarantined, SiteHibernated,
    UpstreamTimeout, DeadlineExceeded, NotCached,
}
problem_responses! {
    /// What a list can fail with.
    ListProblems:
    InvalidRequest, UnknownParameter, InvalidPageToken, CredentialsMissing, CredentialsInvalid,
    PolicyDenied, NotFound, NotAcceptable, AmbiguousName, Internal, UpstreamError,
    UpstreamMalformed, UpstreamRejectedCredentials, UpstreamForbidden, UpstreamUnavailable,
    UpstreamRateLimited, UpstreamTokenUnavailable, CredentialQuarantined, SiteHibernated,
    UpstreamTimeout, DeadlineExceeded, NotCached,
}
problem_responses! {
    /// What a change can fail with.
    WriteProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, PolicyDenied,
    NotFound, NotAcceptable, PayloadTooLarge, UnsupportedMediaType, Internal, UpstreamError,
    UpstreamRejectedCredentials, UpstreamForbidden, UpstreamUnavailable, UpstreamRateLimited,
    UpstreamTokenUnavailable, CredentialQuarantined, DeadlineExceeded, OutcomeUnknown,
}
problem_responses! {
    /// What an action on a machine or session can fail with.
    ActionProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, PolicyDenied,
    NotFound, NotAcceptable, AmbiguousName, AmbiguousSite, MachineInUse, MachineInMaintenanceMode,
    OperationInProgress, PayloadTooLarge, UnsupportedMediaType, ActionNotSupported, Internal,
    UpstreamError, UpstreamMalformed, UpstreamRejectedCredentials, UpstreamForbidden,
    UpstreamUnavailable, UpstreamRateLimited, UpstreamTokenUnavailable, CredentialQuarantined,
    SiteHibernated, UpstreamTimeout, DeadlineExceeded, OutcomeUnknown,
}

problem_responses! {
    /// What a call to a store can fail with.
    StoreProblems:
    InvalidRequest, UnknownParameter, CredentialsMissing, CredentialsInvalid, StoreSessionExpired,
    PolicyDenied, StoreSignInRefused, NotFound, NoAssignedMachine, NotAcceptable,
    MachineInMaintenanceMode, OperationInProgress, ResourceDisabled, PayloadTooLarge,
    UnsupportedMediaType, ActionNotSupported, Internal, UpstreamError, UpstreamMalformed,
    UpstreamRejectedCredentials, UpstreamForbidden, UpstreamNotTrusted, UpstreamUnspecified,
    UpstreamUnavailable, UpstreamRateLimited, UpstreamTokenUnavailable, CredentialQuarantined,
    UpstreamTimeout, DeadlineExceeded, OutcomeUnknown,
}

/// One response a status, naming every code that can come with it.
fn responses(codes: &[ProblemCode]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status
        .into_iter()
        .map(|(status, codes)| {
            let lines: Vec<_> =
                codes.iter().map(|code| format!("`{code}`: {}", code.title())).collect();
            let schema = RefOr::Ref(utoipa::openapi::Ref::from_schema_name("Problem"));
            let response = ResponseBuilder::new()
                .description(lines.join("; "))
                .content("application/problem+json", Content::new(Some(schema)))
                .build();
            (status.to_string(), RefOr::T(response))
        })
        .collect()
}

/// Generic types get names such as `ListView_ItemView_Machine`; clients want `MachineList`.
fn rename_schemas(document: &mut Value) {
    let Some(schemas) = document.pointer("/components/schemas").and_then(Value::as_object) else {
        return;
    };
    let renamed: Vec<(String, String)> = schemas
        .keys()
        .map(|name| (name.clone(), short_name(name)))
        .filter(|(from, to)| from != to)
        .collect();
    if let Some(schemas) =
        document.pointer_mut("/components/schemas").and_then(Value::as_object_mut)
    {
        for (from, to) in &renamed {
            if let Some(schema) = schemas.remove(from) {
                let other = schemas.insert(to.clone(), schema);
                debug_assert!(other.is_none(), "two schemas would be called {to}");
            }
        }
    }
    let references = renamed
        .into_iter()
        .map(|(from, to)| (reference(&from), reference(&to)))
        .collect::<BTreeMap<_, _>>();
    rename_references(document, &references);
}

fn short_name(name: &str) -> String {
    if let Some(of) = name.strip_prefix("ListView_") {
        return format!("{}List", short_name(of).trim_end_matches("Item"));
    }
    if let Some(of) = name.strip_prefix("ItemView_") {
        return format!("{of}Item");
    }
    let name = name.strip_suffix("View").or(name.strip_suffix("Word")).unwrap_or(name);
    name.to_owned()
}

fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

fn rename_references(value: &mut Value, references: &BTreeMap<String, String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if key == "$ref" => {
                        if let Some(to) = references.get(text.as_str()) {
                            text.clone_from(to);
                        }
                    }
                    value => rename_references(value, references),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                rename_references(value, references);
            }
        }
        _ => {}
    }
}

/// Generic types bring copies of the schemas they are made of; a reference in their place gives
/// generated clients one type for one thing.
fn share_schemas(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut)
    else {
        return;
    };
    let originals = schemas.clone();
    for schema in schemas.values_mut() {
        share_within(schema, &originals);
    }
    if let Some(paths) = document.get_mut("paths") {
        share_within(paths, &originals);
    }
}

fn share_within(value: &mut Value, originals: &Map<String, Value>) {
    let parts: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Object(object) => Box::new(object.values_mut()),
        Value::Array(values) => Box::new(values.iter_mut()),
        _ => return,
    };
    for part in parts {
        let composed = part.get("properties").is_some() || part.get("allOf").is_some();
        let original = originals.iter().find(|(_, original)| composed && *original == part);
        match original {
            Some((name, _)) => *part = json!({ "$ref": reference(name) }),
            None => share_within(part, originals),
        }
    }
}

/// What a list holds may be narrowed by `fields` to its ids, so that nothing else is required of
/// it: a strict client would refuse an answer that it asked for.
fn loosen_items(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut)
    else {
        return;
    };
    let mut open: Vec<String> = schemas
        .iter()
        .filter(|(name, _)| name.ends_with("List"))
        .filter_map(|(_, list)| list.pointer("/properties/items/items/$ref"))
        .filter_map(referred)
        .collect();
    while let Some(name) = open.pop() {
        let Some(schema) = schemas.get_mut(&name) else { continue };
        require_ids_alone(schema);
        for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
            require_ids_alone(part);
            open.extend(part.get("$ref").and_then(referred));
        }
    }
}

fn require_ids_alone(schema: &mut Value) {
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name.as_str().is_some_and(|name| IDS.contains(&name)));
    }
}

/// The name of the schema that a reference leads to.
fn referred(reference: &Value) -> Option<String> {
    reference.as_str()?.strip_prefix(&self::reference("")).map(ToOwned::to_owned)
}

/// Says of every list what all of them have: the streamed form and the headers.
fn document_lists(document: &mut Value) {
    for operation in operations(document) {
        let Some(found) = operation.pointer_mut("/responses/200") else { continue };
        let schema = found.pointer("/content/application~1json/schema/$ref").and_then(referred);
        if !schema.is_some_and(|name| name.ends_with("List")) {
            continue;
        }
        found["content"]["application/x-ndjson"] = json!({ "schema": {
            "type": "string",
            "description": "One JSON object a line, as they come: \
                `{\"type\":\"item\",\"item\":{…}}`, `{\"type\":\"source\",\"source\":{…}}`, and last \
                `{\"type\":\"end\",\"completeness\":{…},\"nextPageToken\":null}`. A stream without \
                its last line was cut off.",
        } });
        found["headers"] = json!({
            "Link": {
                "description": "The next page, with `rel=\"next\"` (RFC 8288); absent at the end.",
                "schema": { "type": "string" },
            },
            "Cwsgate-Completeness": {
                "description": "Whether anything is missing, such as \
                    `partial; ok=2; stale=0; failed=1; skipped=0`.",
                "schema": { "type": "string" },
            },
        });
    }
}

/// Says of every reading call what a caller can tell from its headers, and save.
fn document_caching(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let reads = paths.into_iter().flat_map(|paths| paths.values_mut());
    for read in reads.filter_map(|item| item.get_mut("get")) {
        let Some(found) = read.pointer_mut("/responses/200") else { continue };
        if found.pointer("/content/application~1json").is_none() {
            continue;
        }
        let headers = [
            ("ETag", "Changes when the answer does; send it as `If-None-Match`."),
            ("Age", "Seconds since Citrix gave the answer; absent where it was asked just now."),
            (
                "Cache-Status",
                "Where the answer came from (RFC 9211), such as `cwsgate; hit; ttl=3`.",
            ),
        ];
        for (name, text) in headers {
            found["headers"][name] = json!({ "description": text, "schema": { "type": "string" } });
        }
        read["responses"]["304"] = json!({
            "description": "Nothing has changed since the answer whose tag `If-None-Match` names",
        });
    }
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(|paths| paths.values_mut());
    items.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut())
}

/// Puts an answer that the gateway really gave beside each operation.
fn add_examples(document: &mut Value) {
    let examples: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("examples.json")).unwrap_or_default();
    for operation in operations(document) {
        let Some(id) = operation.get("operationId").and_then(Value::as_str) else { continue };
        let Some(example) = examples.get(id) else { continue };
        let status = example.get("status").and_then(Value::as_u64).unwrap_or(200);
        let pointer = format!("/responses/{status}/content/application~1json");
        if let Some(content) = operation.pointer_mut(&pointer).and_then(Value::as_object_mut)
            && let Some(body) = example.get("body")
        {
            content.insert("example".to_owned(), body.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_names_are_short_and_every_reference_has_its_schema() {
        let Document(document) = document();
        let schemas = document.pointer("/components/schemas").unwrap().as_object().unwrap();
        assert!(schemas.contains_key("MachineList") && schemas.contains_key("Problem"));
        let text = document.to_string();
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
