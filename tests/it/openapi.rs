//! The OpenAPI document: committed, served and true.

mod examples;
mod schema;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::support::Gateway;

#[test]
fn the_committed_documents_are_what_the_program_prints() {
    for (format, committed) in [
        ("json", include_str!("../../openapi/openapi.json")),
        ("yaml", include_str!("../../openapi/openapi.yaml")),
    ] {
        // Not `assert_eq!`: nobody wants to read both documents.
        assert!(
            printed(format) == committed,
            "openapi/openapi.{format} is stale: run `just openapi` and commit what it writes"
        );
    }
}

#[tokio::test]
async fn the_served_documents_are_what_the_program_prints() {
    let gateway = Gateway::demo().await;
    for (path, format, media_type) in [
        ("/openapi.json", "json", "application/json; charset=utf-8"),
        ("/openapi.yaml", "yaml", "application/yaml; charset=utf-8"),
    ] {
        let reply = gateway.send(gateway.bare(Method::GET, path)).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), media_type);
        assert!(reply.text == printed(format), "{path}");
    }
}

#[test]
fn both_formats_say_the_same() {
    let json: Value = serde_json::from_str(&printed("json")).unwrap();
    let yaml: Value = yaml_serde::from_str(&printed("yaml")).unwrap();
    assert!(json == yaml);
    assert_eq!(json["openapi"], "3.1.0");
}

#[test]
fn every_operation_is_named_explained_and_says_what_can_go_wrong() {
    let document = document();
    let tags: BTreeSet<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].clone().to_string())
        .collect();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{at}: no id"));
        let snake = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        assert!(id.split('_').count() >= 2 && id.split('_').all(snake), "{at}: {id}");
        assert!(ids.insert(id.to_owned()), "{at}: {id} is there twice");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with('.') && summary.len() > 10, "{at}: {summary:?}");
        let own = operation["tags"].as_array().unwrap();
        assert!(own.len() == 1 && tags.contains(&own[0].to_string()), "{at}: {own:?}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{at}");
        // An operation is its own app's, and is not found by others.
        let forbids = !path.starts_with("/v1/operations");
        for status in ["400", "401", "500"].into_iter().chain(forbids.then_some("403")) {
            assert!(responses.contains_key(status), "{at}: {status}");
        }
        for (status, response) in responses {
            assert!(!response["description"].as_str().unwrap().is_empty(), "{at}: {status}");
            if status.starts_with(['4', '5']) {
                let schema = &response["content"]["application/problem+json"]["schema"];
                assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{at}: {status}");
            }
        }
        let example = responses.iter().filter(|(status, _)| status.starts_with('2')).any(
            |(status, response)| {
                status == "204" || response["content"]["application/json"]["example"].is_object()
            },
        );
        assert!(example, "{at}: no example; docs/testing.md says how to add one");
        for parameter in parameters(&document, operation) {
            let text = parameter["description"].as_str().unwrap_or_default();
            assert!(text.len() > 10, "{at}: {parameter}");
            // The browser fills examples in, and a filter filled in hides what else there is.
            let filled = parameter["in"] == "query" && parameter["name"] != "pageSize";
            assert!(!filled || parameter["example"].is_null(), "{at}: {parameter}");
        }
    }
}

#[test]
fn paths_are_kebab_case_and_need_no_escapes() {
    let document = document();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(path.starts_with("/v1/"), "{path}");
        for segment in path.split('/').skip(1) {
            let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            let plain = name.unwrap_or(segment);
            let kebab =
                plain.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            assert!(kebab && !plain.is_empty(), "{path}");
        }
    }
}

#[test]
fn every_header_that_a_request_may_carry_is_documented_where_it_counts() {
    let document = document();
    let carriers = |name: &str| {
        let with = |operation: &Value| {
            parameters(&document, operation).any(|parameter| parameter["name"] == name)
        };
        operations(&document)
            .filter(|(_, _, operation)| with(operation))
            .map(|(path, method, _)| format!("{method} {path}"))
            .collect::<Vec<_>>()
    };
    let all = operations(&document).count();
    for name in HEADERS {
        let carriers = carriers(name);
        let expected = match name {
            "Cwsgate-Deadline-Ms" | "Cwsgate-On-Behalf-Of" | "X-Request-Id" | "traceparent" => all,
            _ => carriers.len().clamp(1, all - 1),
        };
        assert_eq!(carriers.len(), expected, "{name}");
    }
    let conditional = carriers("If-None-Match");
    assert!(conditional.contains(&"get /v1/machines".to_owned()));
    assert!(conditional.iter().all(|carrier| carrier.starts_with("get ")), "{conditional:?}");
}

#[test]
fn properties_and_parameters_are_in_camel_case_and_explained() {
    let document = document();
    let camel = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric())
    };
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for part in std::iter::once(schema).chain(schema["allOf"].as_array().into_iter().flatten())
        {
            for (property, shape) in part["properties"].as_object().into_iter().flatten() {
                assert!(camel(property), "{name}.{property}");
                // Beside a reference the words stand one level deeper.
                let said = shape.to_string().contains("\"description\":");
                assert!(said, "{name}.{property}: {shape}");
            }
        }
    }
    for (path, method, operation) in operations(&document) {
        for parameter in parameters(&document, operation) {
            let name = parameter["name"].as_str().unwrap();
            let fits = camel(name) || (parameter["in"] == "header" && HEADERS.contains(&name));
            assert!(fits, "{method} {path}: {parameter}");
        }
    }
}

/// What `cwsgate openapi` prints.
fn printed(format: &str) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cwsgate"))
        .args(["openapi", "--format", format])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn document() -> Value {
    serde_json::from_str(&printed("json")).unwrap()
}

/// The parameters of an operation, those that it shares with others included.
fn parameters<'a>(document: &'a Value, operation: &'a Value) -> impl Iterator<Item = &'a Value> {
    operation["parameters"].as_array().into_iter().flatten().map(|parameter| {
        let shared = parameter["$ref"].as_str();
        shared.map_or(parameter, |place| document.pointer(&place[1..]).unwrap())
    })
}

/// What requests may carry besides credentials and a body.
const HEADERS: [&str; 10] = [
    "Cache-Control",
    "Cwsgate-Deadline-Ms",
    "Cwsgate-On-Behalf-Of",
    "Cwsgate-Store-Session",
    "Cwsgate-Store-Token",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "X-Request-Id",
    "traceparent",
];

/// Every operation with its path and method.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations
            .filter(|(name, _)| ["get", "put", "post", "delete", "patch"].contains(&name.as_str()))
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}
