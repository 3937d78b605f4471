//! The OpenAPI 3.1 document, from the handlers themselves.

mod notes;
mod problems;
mod schemas;

use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{
        ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
    },
};

use self::{
    notes::{add_examples, document_caching, document_headers, document_keys, document_lists},
    schemas::{loosen_items, rename_schemas, share_schemas},
};
use super::problem::ProblemView;

pub(super) use self::problems::{
    ActionProblems, AuditProblems, ListProblems, OperationListProblems, OperationProblems,
    PlanProblems, ReadProblems, ResultProblems, RetryProblems, StoreChangeProblems, StoreProblems,
    WriteProblems,
};

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
        (name = "operations", description = "One action on many machines or sessions: planned, paced, and kept until it is done."),
        (name = "catalogs", description = "Machine catalogs (how machines are made) and delivery groups (who gets them)."),
        (name = "audit", description = "The record of changes: who did what, why, and what became of it."),
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
fn finish(document: utoipa::openapi::OpenApi) -> Document {
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
    document_keys(&mut value);
    document_caching(&mut value);
    document_headers(&mut value);
    add_examples(&mut value);
    Document(value)
}

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An API key of this gateway, a token that it sold for one, or a token of an \
                 identity provider that it is configured to trust.",
            ))
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
