//! Schemas: short names, each said once, and items that `fields` has cut down.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::list::IDS;

/// Generic types get names such as `ListView_ItemView_Machine`; clients want `MachineList`.
pub(super) fn rename_schemas(document: &mut Value) {
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
        let of = of.strip_prefix("ItemView_").map_or_else(|| short_name(of), ToOwned::to_owned);
        return format!("{of}List");
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
pub(super) fn share_schemas(document: &mut Value) {
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
pub(super) fn loosen_items(document: &mut Value) {
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
pub(super) fn referred(reference: &Value) -> Option<String> {
    reference.as_str()?.strip_prefix(&self::reference("")).map(ToOwned::to_owned)
}
