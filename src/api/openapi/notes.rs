//! What holds for many operations and is written at each: headers, parameters and examples.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::schemas::referred;
use crate::domain::ProblemCode;

/// Says of every list what all of them have: the streamed form and the headers.
pub(super) fn document_lists(document: &mut Value) {
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

/// Says of every call that can be repeated safely how.
pub(super) fn document_keys(document: &mut Value) {
    for operation in operations(document) {
        let refused = operation.pointer("/responses/422/description").and_then(Value::as_str);
        if !refused.is_some_and(|text| text.contains(ProblemCode::IdempotencyKeyReused.as_str())) {
            continue;
        }
        if let Some(object) = operation.as_object_mut()
            && let Some(parameters) = object
                .entry("parameters")
                .or_insert_with(|| Value::Array(Vec::new()))
                .as_array_mut()
        {
            // Where it is required, the operation says so itself.
            if parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key") {
                continue;
            }
            parameters.push(json!({
                "name": "Idempotency-Key",
                "in": "header",
                "required": false,
                "description": "A name of your own for this request, such as a UUID. The same \
                    request with the same key is carried out once: for 24 hours it gets the first \
                    answer again, with `Idempotent-Replayed: true`.",
                "schema": { "type": "string", "maxLength": 255 },
            }));
        }
    }
}

/// Says of every call which headers any of them takes.
pub(super) fn document_headers(document: &mut Value) {
    for (key, name, text, schema) in HEADERS {
        document["components"]["parameters"][key] = json!({
            "name": name,
            "in": "header",
            "required": false,
            "description": text,
            "schema": serde_json::from_str::<Value>(schema).unwrap_or_default(),
        });
    }
    for operation in operations(document) {
        let reads = operation.pointer("/responses/304").is_some();
        let Some(parameters) = operation.as_object_mut().and_then(|object| {
            object.entry("parameters").or_insert_with(|| json!([])).as_array_mut()
        }) else {
            continue;
        };
        for (key, ..) in HEADERS {
            if reads || !OF_READS.contains(&key) {
                parameters.push(json!({ "$ref": format!("#/components/parameters/{key}") }));
            }
        }
    }
}

/// Key, name, meaning and schema of headers that any call takes.
const HEADERS: [(&str, &str, &str, &str); 6] = [
    (
        "Deadline",
        "Cwsgate-Deadline-Ms",
        "Milliseconds that you are ready to wait for the whole answer. What has not answered by \
         then is reported as such.",
        r#"{"type":"integer","minimum":1}"#,
    ),
    (
        "OnBehalfOf",
        "Cwsgate-On-Behalf-Of",
        "For whom your app does this, such as `mira@demolab.example`. It is written to the audit trail as \
         your app's word and gives no rights.",
        r#"{"type":"string","maxLength":256}"#,
    ),
    (
        "RequestId",
        "X-Request-Id",
        "An id of your own for this request, which comes back in the answer and is in the \
         gateway's log; one that cannot be used is replaced.",
        r#"{"type":"string"}"#,
    ),
    (
        "TraceParent",
        "traceparent",
        "The trace that this request belongs to (W3C Trace Context); its id is in the gateway's \
         log.",
        r#"{"type":"string"}"#,
    ),
    (
        "IfNoneMatch",
        "If-None-Match",
        "The `ETag` of an answer that you have: when nothing has changed since, the answer is 304 \
         without a body.",
        r#"{"type":"string"}"#,
    ),
    (
        "CacheControl",
        "Cache-Control",
        "How old the answer may be (RFC 9111, section 5.2.1): `no-cache` asks Citrix anew, \
         `max-age=10` takes nothing older than ten seconds, `only-if-cached` asks nobody.",
        r#"{"type":"string"}"#,
    ),
];

/// Those that only reading calls take.
const OF_READS: [&str; 2] = ["IfNoneMatch", "CacheControl"];

/// Says of every reading call what a caller can tell from its headers, and save.
pub(super) fn document_caching(document: &mut Value) {
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
pub(super) fn add_examples(document: &mut Value) {
    let examples: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("../examples.json")).unwrap_or_default();
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
