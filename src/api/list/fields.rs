//! `fields=`: which properties of an item are shown.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::api::{params::suggestion, problem::Problem};

/// Which properties of an item are shown.
pub(super) struct Fields(Option<BTreeSet<String>>);

impl Fields {
    /// Reads the lists of names that a caller gave; `known` are those that items have.
    pub(super) fn chosen(lists: &[String], known: &[String]) -> Result<Self, Problem> {
        let wanted: BTreeSet<String> = lists
            .iter()
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(ToOwned::to_owned)
            .collect();
        if wanted.is_empty() {
            return Ok(Self(None));
        }
        for name in &wanted {
            if !known.contains(name) {
                let hint = suggestion(name, known.iter().map(String::as_str));
                let detail = format!("items have no property {name:?}{hint}");
                return Err(Problem::invalid_at("/fields", detail));
            }
        }
        Ok(Self(Some(wanted)))
    }

    pub(super) fn all(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn keep(&self, item: &impl Serialize) -> Value {
        let mut value = serde_json::to_value(item).unwrap_or_default();
        if let (Some(wanted), Value::Object(object)) = (&self.0, &mut value) {
            object.retain(|name, _| IDS.contains(&name.as_str()) || wanted.contains(name));
        }
        value
    }
}

/// Properties that `fields` never leaves out.
pub(in crate::api) const IDS: [&str; 6] =
    ["self", "customer", "customerId", "region", "siteId", "id"];
