//! Query parameters: every unknown name is refused, with the nearest known one.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use utoipa::{
    IntoParams, PartialSchema,
    openapi::{RefOr, schema::Schema},
};

use super::problem::{FieldError, Problem, pointer};
use crate::domain::ProblemCode;

/// What can be read from a query.
pub(crate) trait FromQuery: Sized {
    /// The names it knows.
    fn names() -> Vec<String>;

    /// Reads its own parameters and ignores the others.
    fn read(query: &str) -> Result<Self, Problem>;

    /// Reads a query that holds nothing else.
    fn from_query(query: &str) -> Result<Self, Problem> {
        let given = form_names(query);
        if given.is_empty() {
            return Self::read(query);
        }
        let known = Self::names();
        let unknown: Vec<_> = given
            .into_iter()
            .filter(|name| !known.contains(name))
            .map(|name| unknown_name("parameter", &[name], &known))
            .collect();
        if !unknown.is_empty() {
            return Err(Problem::invalid(ProblemCode::UnknownParameter, unknown));
        }
        // Most likely a variable that is not set: to leave the filter out would list everything.
        if let Some((name, _)) = form_urlencoded(query).find(|(_, value)| value.is_empty()) {
            let detail = format!("{name} is empty; give it a value or leave it out");
            return Err(Problem::invalid_at(pointer([name]), detail));
        }
        Self::read(query)
    }
}

/// No parameters at all.
impl FromQuery for () {
    fn names() -> Vec<String> {
        Vec::new()
    }

    fn read(_query: &str) -> Result<Self, Problem> {
        Ok(())
    }
}

/// The parameters of both.
impl<A: FromQuery, B: FromQuery> FromQuery for (A, B) {
    fn names() -> Vec<String> {
        let mut names = A::names();
        names.extend(B::names());
        names
    }

    fn read(query: &str) -> Result<Self, Problem> {
        Ok((A::read(query)?, B::read(query)?))
    }
}

/// Reads a documented structure of parameters.
pub(crate) fn read_params<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let parse = form_urlencoded(query);
    let deserializer = serde_html_form::Deserializer::new(parse);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let pointer = if path == "." { String::new() } else { pointer([path]) };
        Problem::invalid_at(pointer, in_words(&error.into_inner().to_string()))
    })
}

/// What the decoder says, for people.
fn in_words(said: &str) -> String {
    match said {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "write a whole number".to_owned()
        }
        "number too large to fit in target type" => "this number is too large".to_owned(),
        "unsupported value" => "write it once".to_owned(),
        other => other.to_owned(),
    }
}

/// The names of a documented structure of parameters.
pub(crate) fn param_names<T: IntoParams>() -> Vec<String> {
    T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect()
}

/// Implements [`FromQuery`] for documented structures of parameters.
macro_rules! from_query {
    ($($type:ty),* $(,)?) => { $(
        impl crate::api::params::FromQuery for $type {
            fn names() -> Vec<String> {
                crate::api::params::param_names::<Self>()
            }

            fn read(query: &str) -> Result<Self, crate::api::problem::Problem> {
                crate::api::params::read_params(query)
            }
        }
    )* };
}
pub(crate) use from_query;

/// The names of the properties of a documented body or answer.
pub(crate) fn property_names<T: PartialSchema>() -> Vec<String> {
    let mut names = Vec::new();
    collect_properties(&T::schema(), &mut names);
    names
}

/// The refusal of a name that nobody knows, with the nearest one of those `known` at its place.
///
/// A name beyond all measure is not repeated: it may be a secret that got into the wrong place.
pub(crate) fn unknown_name(what: &str, path: &[String], known: &[String]) -> FieldError {
    let longest = path.iter().map(String::len).max().unwrap_or_default();
    if longest > LONGEST_SHOWN {
        let detail = format!("there is no {what} with a name of {longest} bytes here");
        return FieldError { pointer: String::new(), detail };
    }
    let last = path.last().map(String::as_str).unwrap_or_default();
    let near = suggestion(last, known.iter().map(String::as_str));
    let detail = format!("there is no {what} {:?} here{near}", path.join("."));
    FieldError { pointer: pointer(path), detail }
}

/// `; did you mean …?`, or nothing where no name is near.
pub(crate) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let lower = name.to_lowercase();
    let nearest = known
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, known)) if distance <= 2.max(name.len() / 3) => {
            format!("; did you mean {known:?}?")
        }
        _ => String::new(),
    }
}

/// A truth value in any case: `True` is what PowerShell sends.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let word = String::deserialize(deserializer)?;
    match word.to_ascii_lowercase().as_str() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(serde::de::Error::custom("write true or false")),
    }
}

fn collect_properties(schema: &RefOr<Schema>, names: &mut Vec<String>) {
    match schema {
        RefOr::T(Schema::Object(object)) => names.extend(object.properties.keys().cloned()),
        RefOr::T(Schema::AllOf(all)) => {
            for part in &all.items {
                collect_properties(part, names);
            }
        }
        _ => {}
    }
}

fn form_urlencoded(query: &str) -> url::form_urlencoded::Parse<'_> {
    url::form_urlencoded::parse(query.as_bytes())
}

fn form_names(query: &str) -> Vec<String> {
    let mut names: Vec<_> = form_urlencoded(query).map(|(name, _)| name.into_owned()).collect();
    names.dedup();
    names
}

/// Longest unknown name that is repeated: shorter than any credential.
const LONGEST_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Deserialize, IntoParams)]
    #[serde(rename_all = "camelCase", default)]
    #[derive(Default)]
    struct Params {
        page_size: Option<u32>,
        region: Vec<String>,
        #[serde(deserialize_with = "flag")]
        in_maintenance_mode: Option<bool>,
    }
    from_query!(Params);

    #[test]
    fn repeated_names_flags_in_any_case_and_encoded_values_are_read() {
        let query = "region=us&region=ap-s&inMaintenanceMode=True&pageSize=5";
        let params = Params::from_query(query).unwrap();
        assert_eq!(params.region, ["us", "ap-s"]);
        assert_eq!((params.in_maintenance_mode, params.page_size), (Some(true), Some(5)));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_known_one() {
        let problem = Params::from_query("pagesize=5&Region=us&x=1").unwrap_err();
        let said = format!("{problem:?}");
        assert_eq!(problem.code(), ProblemCode::UnknownParameter);
        assert!(said.contains("pageSize") && said.contains("region"), "{said}");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named() {
        let problem = Params::from_query("pageSize=many").unwrap_err();
        assert_eq!(problem.code(), ProblemCode::InvalidRequest);
        assert!(format!("{problem:?}").contains("/pageSize"));
    }

    proptest! {
        #[test]
        fn no_query_panics(query: String) {
            let _ = Params::from_query(&query);
        }
    }
}
