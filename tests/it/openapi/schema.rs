//! As much of JSON Schema as the document uses, and stricter: what it does not name is wrong.

use std::collections::BTreeSet;

use serde_json::Value;

/// What is wrong with a value, each with its place.
pub(super) fn check(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    walk(document, schema, value, "", &mut wrong);
    if let Value::Object(_) = value {
        strangers(document, schema, value, "", &mut wrong);
    }
    wrong
}

fn walk(document: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let schema = resolve(document, schema);
    let known = [
        "$ref",
        "type",
        "properties",
        "required",
        "items",
        "uniqueItems",
        "minItems",
        "maxItems",
        "additionalProperties",
        // Says what names a map may have, which the examples show.
        "propertyNames",
        "oneOf",
        "anyOf",
        "allOf",
        "enum",
        "description",
        "example",
        "examples",
        "format",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "title",
        "default",
        "const",
    ];
    for keyword in schema.as_object().into_iter().flat_map(|object| object.keys()) {
        assert!(known.contains(&keyword.as_str()), "{at}: {keyword} is not checked here");
    }
    let kinds: Vec<_> = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(value, kind)) {
        wrong.push(format!("{at}: {value} is not {kinds:?}"));
        return;
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        wrong.push(format!("{at}: {value} is none of {choices:?}"));
    }
    if kinds.contains(&"integer")
        && schema["minimum"].as_i64().is_some_and(|least| value.as_i64().is_some_and(|n| n < least))
    {
        wrong.push(format!("{at}: {value} is too small"));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        walk(document, part, value, at, wrong);
    }
    for choices in [&schema["oneOf"], &schema["anyOf"]] {
        let Some(choices) = choices.as_array() else { continue };
        let fits = |choice: &&Value| {
            let mut found = Vec::new();
            walk(document, choice, value, at, &mut found);
            found.is_empty()
        };
        if !choices.iter().any(|choice| fits(&choice)) {
            wrong.push(format!("{at}: {value} fits none of {choices:?}"));
        }
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                wrong.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, shape) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(value) = object.get(name) {
                walk(document, shape, value, &format!("{at}/{name}"), wrong);
            }
        }
    }
    if let (Some(values), true) = (value.as_array(), schema["uniqueItems"] == true) {
        let again = |(at, one): (usize, &Value)| values[..at].contains(one);
        if values.iter().enumerate().any(again) {
            wrong.push(format!("{at}: something is there twice"));
        }
    }
    if let Some(values) = value.as_array() {
        let most = schema["maxItems"].as_u64().is_none_or(|most| values.len() as u64 <= most);
        let least = schema["minItems"].as_u64().is_none_or(|least| values.len() as u64 >= least);
        if !most || !least {
            wrong.push(format!("{at}: {} are too many or too few", values.len()));
        }
    }
    if let (Some(object), Value::Object(_)) = (value.as_object(), &schema["additionalProperties"]) {
        for (name, value) in object {
            let at = format!("{at}/{name}");
            walk(document, &schema["additionalProperties"], value, &at, wrong);
        }
    }
    if let (Some(values), Value::Object(_)) = (value.as_array(), &schema["items"]) {
        for (index, value) in values.iter().enumerate() {
            walk(document, &schema["items"], value, &format!("{at}/{index}"), wrong);
        }
    }
}

/// Properties that no part of the schema names.
fn strangers(document: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            let mut names = BTreeSet::new();
            properties(document, schema, &mut names);
            for (name, value) in object {
                let at = format!("{at}/{name}");
                let is_map = resolve(document, schema)["additionalProperties"].is_object();
                if !names.contains(name) && !is_map {
                    wrong.push(format!("{at} is not documented"));
                }
                for shape in shapes(document, schema, name) {
                    strangers(document, &shape, value, &at, wrong);
                }
            }
        }
        Value::Array(values) => {
            let items = resolve(document, schema)["items"].clone();
            for value in values {
                if items.is_object() {
                    strangers(document, &items, value, at, wrong);
                }
            }
        }
        _ => {}
    }
}

fn properties(document: &Value, schema: &Value, names: &mut BTreeSet<String>) {
    let schema = resolve(document, schema);
    names.extend(schema["properties"].as_object().into_iter().flat_map(|o| o.keys().cloned()));
    for part in parts(schema) {
        properties(document, part, names);
    }
}

/// The schemas of one property.
fn shapes(document: &Value, schema: &Value, name: &str) -> Vec<Value> {
    let schema = resolve(document, schema);
    let own = schema["properties"].get(name).cloned();
    let of_parts = parts(schema).flat_map(|part| shapes(document, part, name));
    own.into_iter().chain(of_parts).collect()
}

fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["allOf", "oneOf", "anyOf"].map(|name| schema[name].as_array());
    lists.into_iter().flatten().flatten()
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(reference) = schema["$ref"].as_str() else { return schema };
    let pointer = reference.strip_prefix('#').unwrap();
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}
