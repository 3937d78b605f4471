use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::Value;

use super::Gateway;

/// One operation as the OpenAPI document has it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// With `{parameter}`s.
    pub(crate) path: String,
    /// Names of the parameters in the query.
    pub(crate) query: Vec<String>,
    /// Names of the properties of the body, where it takes one.
    pub(crate) body: Option<Vec<String>>,
    /// Problem codes by status.
    pub(crate) problems: BTreeMap<u16, BTreeSet<String>>,
}

/// Every operation of the document that the gateway serves.
pub(crate) async fn operations(gateway: &Gateway) -> Vec<Operation> {
    let document = gateway.send(gateway.bare(Method::GET, "/openapi.json")).await.ok(200);
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if operation.is_object() {
                all.push(Operation::read(&document, method, path, operation));
            }
        }
    }
    assert!(all.len() > 30, "the document has lost its operations");
    all
}

impl Operation {
    fn read(document: &Value, method: Method, path: &str, operation: &Value) -> Self {
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        let query = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect();
        let body = operation.get("requestBody").map(|body| {
            let mut names = Vec::new();
            properties(document, &body["content"]["application/json"]["schema"], &mut names);
            assert!(!names.is_empty(), "{path}: no properties in {body}");
            names
        });
        let responses = operation["responses"].as_object().unwrap();
        let problems = responses
            .iter()
            .filter_map(|(status, response)| {
                let status: u16 = status.parse().ok().filter(|status| *status >= 400)?;
                Some((status, codes(response["description"].as_str().unwrap())))
            })
            .collect();
        Self { method, path: path.to_owned(), query, body, problems }
    }

    /// The names of the parameters in the path.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
    }

    /// The path with something that exists in the demo in the place of each parameter.
    pub(crate) fn concrete(&self) -> String {
        self.with("", "")
    }

    /// The same, with `value` in the place of `parameter`.
    pub(crate) fn with(&self, parameter: &str, value: &str) -> String {
        let mut path = self.path.clone();
        for name in self.parameters() {
            let usual = match name {
                "customer" => "acme",
                "site" => "-",
                "machine" => "DEMOLAB%7CKESTREL",
                "catalog" | "group" => "Win11-Pool",
                "store" => "hq",
                _ => "some-id",
            };
            let value = if name == parameter { value } else { usual };
            path = path.replace(&format!("{{{name}}}"), value);
        }
        path
    }

    /// A body that is right.
    pub(crate) fn good_body(&self) -> Option<Value> {
        let names = self.body.as_ref()?;
        let needed = ["title", "text", "description", "username", "password"];
        let given = needed.into_iter().filter(|name| names.iter().any(|known| known == name));
        Some(given.map(|name| (name.to_owned(), Value::from("x"))).collect())
    }

    /// The action that the caller needs; `None` for any, or one that this list does not know.
    pub(crate) fn needs(&self) -> Option<&'static str> {
        let ends = |end: &str| self.path.ends_with(end);
        let own = ["/v1/whoami", "/v1/operations", "/v1/audit"];
        if own.iter().any(|start| self.path.starts_with(start)) {
            None
        } else if ends("/sign-ins/current") {
            // Refused before the grants are looked at: it needs a sign-in to end.
            None
        } else if self.method == Method::GET || ends("/sign-ins") {
            Some("read")
        } else if ends("-maintenance") {
            Some("maintain")
        } else if self.path.contains("/machines/{machine}/actions/")
            || self.path.contains("/resources/{resource}/actions/")
        {
            Some("power")
        } else if self.path.contains("/sessions/{session}/actions/") {
            Some("session")
        } else if ends("/notifications") {
            Some("notify")
        } else {
            None
        }
    }
}

fn properties(document: &Value, schema: &Value, names: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return properties(document, target, names);
    }
    if let Some(own) = schema["properties"].as_object() {
        names.extend(own.keys().cloned());
    }
    for word in ["oneOf", "anyOf", "allOf"] {
        for part in schema[word].as_array().into_iter().flatten() {
            properties(document, part, names);
        }
    }
}

/// The codes in a description such as "`not_found`: There is no such thing; …".
fn codes(description: &str) -> BTreeSet<String> {
    description.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
