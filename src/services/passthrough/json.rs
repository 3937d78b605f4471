use std::fmt;

use serde::{
    Deserializer as _,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Deserializer, error::Category, value::RawValue};

/// The properties of an object in the order of `names`, unread; `None` for those that are not
/// there. Names count without case, none may be there twice, and unknown ones are refused. What
/// this takes of memory does not hang on how long the object is.
pub(super) fn fields<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Result<[Option<&'a RawValue>; N], String> {
    let mut reader = Deserializer::from_str(text);
    let read = reader.deserialize_map(Object(names)).and_then(|read| reader.end().map(|()| read));
    read.map_err(|error| match error.classify() {
        Category::Data => "an object is needed here".to_owned(),
        _ => format!("this is not JSON: {error}"),
    })?
}

/// The elements of an array, unread; `None` for what is no array or has more than `most`, of which
/// no further one is looked at.
pub(super) fn elements(value: &RawValue, most: usize) -> Option<Vec<&RawValue>> {
    Deserializer::from_str(value.get()).deserialize_seq(Array { most }).ok()
}

/// A text.
pub(super) fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// Whether nothing is said.
pub(super) fn is_null(value: Option<&RawValue>) -> bool {
    value.is_none_or(|value| value.get() == "null")
}

struct Object<'n, const N: usize>([&'n str; N]);

struct Array {
    most: usize,
}

impl<'de, const N: usize> Visitor<'de> for Object<'_, N> {
    type Value = Result<[Option<&'de RawValue>; N], String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut fault) = ([None; N], None);
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            let known = self.0.iter().position(|name| name.eq_ignore_ascii_case(&key));
            let twice = known.is_some_and(|at| found[at].replace(value).is_some());
            if known.is_none() || twice {
                let wrong = if twice { "is there twice" } else { "is not known here" };
                let shown: String = key.chars().take(MAX_SHOWN).collect();
                fault.get_or_insert_with(|| format!("{shown:?} {wrong}"));
            }
        }
        Ok(fault.map_or(Ok(found), Err))
    }
}

impl<'de> Visitor<'de> for Array {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            if elements.len() == self.most {
                return Err(A::Error::custom("there are too many"));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

/// Characters of a name that is not known.
const MAX_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_read_no_further_than_to_the_first_element_too_many() {
        let [array] = fields("{\"A\": [1, {\"\": 0}, [2]]}", ["a"]).unwrap();
        let array = array.unwrap();
        assert_eq!(elements(array, 3).unwrap().len(), 3);
        assert!(elements(array, 2).is_none());
        assert!(elements(elements(array, 3).unwrap()[0], 3).is_none(), "a number is no array");
    }

    #[test]
    fn a_name_is_there_once_and_known() {
        for text in ["{\"a\":1,\"A\":1}", "{\"a\":1,\"a\":1}", "{\"b\":1}", "[]", "{}x", "{", ""] {
            assert!(fields(text, ["a"]).is_err(), "{text}");
        }
        assert!(is_null(fields("{}", ["a"]).unwrap()[0]));
        assert!(is_null(fields("{\"a\":null}", ["a"]).unwrap()[0]));
        assert_eq!(text(fields("{\"a\":\"\\u0041\"}", ["a"]).unwrap()[0]).unwrap(), "A");
        assert_eq!(text(fields("{\"a\":7}", ["a"]).unwrap()[0]), None);
    }
}
