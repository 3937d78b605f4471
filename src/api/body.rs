//! JSON bodies of requests: an object wherever the OpenAPI document has one, every unknown field
//! named with the nearest known one, and no value ever repeated, since it may be a password.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::Value;
use serde_path_to_error::{Segment, Track};
use utoipa::{
    ToSchema,
    openapi::{
        RefOr,
        schema::{ArrayItems, Schema, SchemaType, Type},
    },
};

use super::{
    params::unknown_name,
    problem::{FieldError, Problem, pointer},
};
use crate::domain::ProblemCode;

/// Decodes a JSON object.
pub(super) fn decode<T: DeserializeOwned + ToSchema>(body: &[u8]) -> Result<T, Problem> {
    if body.first() != Some(&b'{') {
        return Err(Problem::invalid_at("", "the body must be a JSON object"));
    }
    let mut unknown = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let value = serde_ignored::deserialize(tracked, |path| unknown.push(segments(&path)));
    let value = value.and_then(|value| json.end().map(|()| value));
    let is_plain = unknown.is_empty() && !body.contains(&b'[');
    let value = match value {
        Ok(value) if is_plain => return Ok(value),
        value => value,
    };

    let documented = Documented::of::<T>();
    let code = if unknown.is_empty() {
        ProblemCode::InvalidRequest
    } else {
        ProblemCode::UnknownParameter
    };
    let mut errors: Vec<_> = unknown.iter().map(|path| documented.unknown(path)).collect();
    if let Ok(whole) = serde_json::from_slice(body) {
        documented.find_arrays(&whole, &documented.root, &mut Vec::new(), &mut errors);
    }
    match value {
        Ok(value) if errors.is_empty() => return Ok(value),
        Ok(_) => {}
        Err(error) => {
            let pointer = pointer(track.path().iter().filter_map(segment));
            if errors.iter().all(|known| known.pointer != pointer) {
                errors.push(FieldError { pointer, detail: without_value(&error) });
            }
        }
    }
    Err(Problem::invalid(code, errors))
}

/// What is documented of a body.
struct Documented {
    root: RefOr<Schema>,
    named: HashMap<String, RefOr<Schema>>,
}

impl Documented {
    fn of<T: ToSchema>() -> Self {
        let mut named = Vec::new();
        T::schemas(&mut named);
        Self { root: T::schema(), named: named.into_iter().collect() }
    }

    /// The refusal of a field that nobody knows.
    fn unknown(&self, path: &[String]) -> FieldError {
        let mut place = Some(&self.root);
        let (_, parents) = path.split_last().unwrap_or((&EMPTY, &[]));
        for name in parents {
            place = place.and_then(|schema| self.child(schema, name));
        }
        let known = place.map_or_else(Vec::new, |schema| self.properties(schema));
        let known: Vec<_> = known.into_iter().map(|(name, _)| name.to_owned()).collect();
        unknown_name("field", path, &known)
    }

    /// A structure is read by the names of its fields; the decoder would take them by their order
    /// from an array too.
    fn find_arrays(
        &self,
        value: &Value,
        schema: &RefOr<Schema>,
        path: &mut Vec<String>,
        errors: &mut Vec<FieldError>,
    ) {
        if let Value::Array(_) = value
            && !self.properties(schema).is_empty()
        {
            let detail = "this must be an object".to_owned();
            errors.push(FieldError { pointer: pointer(&*path), detail });
            return;
        }
        let children: Vec<(String, &Value)> = match value {
            Value::Array(items) => {
                items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
            }
            Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), value)).collect(),
            _ => return,
        };
        for (name, value) in children {
            let Some(schema) = self.child(schema, &name) else { continue };
            path.push(name);
            self.find_arrays(value, schema, path, errors);
            path.pop();
        }
    }

    /// What is documented of one field of an object, or of each item of an array.
    fn child<'a>(&'a self, schema: &'a RefOr<Schema>, name: &str) -> Option<&'a RefOr<Schema>> {
        if let Some(Schema::Array(array)) = self.resolve(schema) {
            return match &array.items {
                ArrayItems::RefOrSchema(items) => Some(items.as_ref()),
                ArrayItems::False => None,
            };
        }
        let properties = self.properties(schema);
        properties.into_iter().find(|(known, _)| *known == name).map(|(_, schema)| schema)
    }

    fn properties<'a>(&'a self, schema: &'a RefOr<Schema>) -> Vec<(&'a str, &'a RefOr<Schema>)> {
        match self.resolve(schema) {
            Some(Schema::Object(object)) => {
                object.properties.iter().map(|(name, schema)| (name.as_str(), schema)).collect()
            }
            Some(Schema::AllOf(all)) => {
                all.items.iter().flat_map(|part| self.properties(part)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The schema itself, behind references and behind "or null".
    fn resolve<'a>(&'a self, schema: &'a RefOr<Schema>) -> Option<&'a Schema> {
        match schema {
            RefOr::Ref(reference) => {
                let name = reference.ref_location.rsplit('/').next()?;
                self.resolve(self.named.get(name)?)
            }
            RefOr::T(Schema::OneOf(choice)) => {
                let mut others = choice.items.iter().filter(|item| !is_null(item));
                match (others.next(), others.next()) {
                    (Some(only), None) => self.resolve(only),
                    _ => None,
                }
            }
            RefOr::T(schema) => Some(schema),
        }
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object))
        if object.schema_type == SchemaType::Type(Type::Null))
}

fn segments(path: &Path<'_>) -> Vec<String> {
    let (parent, own) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(index.to_string())),
        Path::Map { parent, key } => (parent, Some(key.clone())),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut all = segments(parent);
    all.extend(own);
    all
}

fn segment(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

/// What the decoder says, without what it found.
fn without_value(error: &serde_json::Error) -> String {
    let said = error.to_string();
    if !error.is_data() {
        return said;
    }
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    match said.rsplit_once(", expected ") {
        Some((_, expected)) if expected.starts_with("struct ") => "expected an object".to_owned(),
        Some((_, expected)) => format!("expected {expected}"),
        None => said.to_owned(),
    }
}

const EMPTY: String = String::new();

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq, ToSchema)]
    #[serde(rename_all = "camelCase", default)]
    struct Body {
        if_in_use: String,
        count: u32,
        names: Vec<String>,
        inner: Option<Inner>,
        all: Vec<Inner>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
    #[serde(rename_all = "camelCase", default)]
    struct Inner {
        max_targets: u32,
        force: bool,
    }

    #[derive(Debug, Deserialize, ToSchema)]
    struct SignIn {
        #[expect(dead_code, reason = "only refusals are looked at")]
        username: String,
        #[expect(dead_code, reason = "only refusals are looked at")]
        password: String,
    }

    fn refused<T: DeserializeOwned + ToSchema + std::fmt::Debug>(
        body: &str,
    ) -> Vec<(String, String)> {
        let problem = decode::<T>(body.as_bytes()).unwrap_err();
        problem.errors().iter().map(|e| (e.pointer.clone(), e.detail.clone())).collect()
    }

    fn one(body: &str) -> (String, String) {
        let mut errors = refused::<Body>(body);
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    }

    #[test]
    fn a_misspelt_field_is_named_with_the_nearest_known_one_wherever_it_is() {
        for (body, place, near) in [
            (r#"{"ifInuse":"proceed"}"#, "/ifInuse", "ifInUse"),
            (r#"{"inner":{"maxTarget":1}}"#, "/inner/maxTarget", "maxTargets"),
            (r#"{"all":[{},{"forced":true}]}"#, "/all/1/forced", "force"),
            (r#"{"a/b~":1}"#, "/a~1b~0", ""),
        ] {
            let (pointer, detail) = one(body);
            assert_eq!(pointer, place);
            assert!(detail.contains(near), "{detail}");
        }
        let code = decode::<Body>(br#"{"x":1}"#).unwrap_err().code();
        assert_eq!(code, ProblemCode::UnknownParameter);
    }

    #[test]
    fn a_field_that_is_missing_because_it_is_misspelt_is_told_with_the_misspelling() {
        let errors = refused::<SignIn>(r#"{"username":"x","passwrd":"y"}"#);
        assert!(errors[0].1.contains(r#"did you mean "password"?"#), "{errors:?}");
        assert_eq!(errors[1], (String::new(), "missing field `password`".to_owned()));
    }

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        assert_eq!(one(r#"{"count":"many"}"#), ("/count".to_owned(), "expected u32".to_owned()));
        assert_eq!(one(r#"{"names":["a",2]}"#).0, "/names/1");
        assert_eq!(one(r#"{"inner":"x"}"#), ("/inner".to_owned(), "expected an object".to_owned()));
    }

    #[test]
    fn no_object_is_read_from_an_array() {
        for body in ["[]", r#"["x",1]"#, "7", r#""text""#, "null"] {
            assert_eq!(one(body), (String::new(), "the body must be a JSON object".to_owned()));
        }
        assert_eq!(one(r#"{"inner":[]}"#).0, "/inner");
        assert_eq!(one(r#"{"inner":[7,true]}"#).0, "/inner");
        assert_eq!(one(r#"{"all":[{},[7,true]]}"#).0, "/all/1");
        let read = decode::<Body>(br#"{"names":["a"],"all":[{"force":true}]}"#).unwrap();
        assert_eq!((read.names.len(), read.all[0].force), (1, true));
    }

    #[test]
    fn no_value_is_repeated() {
        for body in [
            r#"{"username":"x","password":770077}"#,
            r#"{"username":"x","password":["770077"]}"#,
            r#"{"username":"x","password":{"770077, expected a":1}}"#,
            r#"{"username":"x","password":true,"password":"770077"}"#,
            r#""770077""#,
        ] {
            let errors = refused::<SignIn>(body);
            assert!(!format!("{errors:?}").contains("770077"), "{errors:?}");
        }
    }

    #[test]
    fn trailing_bytes_and_deep_nesting_are_refused() {
        refused::<Body>(r#"{"count":1} {"count":2}"#);
        refused::<Body>(&"{\"x\":".repeat(10_000));
        refused::<Body>(&format!("{{\"x\":{}", "[".repeat(10_000)));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in r#"[\[\]{}",:a-z0-9]{0,40}"#) {
            let _ = decode::<Body>(body.as_bytes());
        }
    }
}
