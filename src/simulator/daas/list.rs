//! Pages of a list and the properties that were asked for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::super::errors;
use super::super::http::Reply;
use super::super::ids;
use super::super::world::World;
use super::fields::Field;
use super::{Answer, Call};

/// What follows from `limit` and `continuationToken`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paging {
    start: usize,
    limit: usize,
}

impl Paging {
    /// Reads the two query parameters; one that cannot be meant is 400.
    pub(super) fn of(world: &World, call: &Call<'_>) -> Result<Self, Reply> {
        let refused = |message: &str| errors::daas(400, "InvalidArgument", message);
        let limit = match call.request.query("limit") {
            None => world.settings.default_limit,
            Some(text) => {
                let limit = text.parse::<u32>().ok().filter(|limit| *limit > 0);
                limit.ok_or_else(|| refused("The parameter 'limit' is not a positive number."))?
            }
        };
        if limit > world.settings.max_limit {
            let max = world.settings.max_limit;
            return Err(refused(&format!("The parameter 'limit' must not exceed {max}.")));
        }
        let start = match call.request.query("continuationToken").filter(|token| !token.is_empty())
        {
            None => 0,
            Some(token) => read_token(token, &list_key(call))
                .ok_or_else(|| refused("The continuation token is not valid."))?,
        };
        Ok(Self { start, limit: usize::try_from(limit).unwrap_or(usize::MAX) })
    }

    /// The entries of this page and the token of the next.
    pub(super) fn cut<T: Clone>(self, call: &Call<'_>, all: &[T]) -> (Vec<T>, Option<String>) {
        let page: Vec<T> = all.iter().skip(self.start).take(self.limit).cloned().collect();
        let next = self.start + page.len();
        let more = (next < all.len()).then(|| write_token(&list_key(call), next));
        (page, more)
    }
}

/// A list of objects, written once the world is unlocked.
pub(super) fn rendered<V: Send + 'static>(
    items: Vec<V>,
    fields: Vec<&'static Field<V>>,
    token: Option<String>,
    total: Option<usize>,
) -> Answer {
    Answer::Later(Box::new(move || {
        let shown = items.iter().map(|item| Shown { item, fields: &fields }).collect();
        let list = List { items: shown, continuation_token: token, total_items: total };
        Reply::json(200, &list)
    }))
}

/// One object, written once the world is unlocked.
pub(super) fn rendered_one<V: Send + 'static>(item: V, fields: Vec<&'static Field<V>>) -> Answer {
    Answer::Later(Box::new(move || Reply::json(200, &Shown { item: &item, fields: &fields })))
}

/// A short list that is never cut.
pub(super) fn whole(items: &[Value]) -> Reply {
    Reply::json(200, &json!({ "Items": items, "ContinuationToken": null, "TotalItems": null }))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", bound = "")]
struct List<'a, V: 'static> {
    items: Vec<Shown<'a, V>>,
    continuation_token: Option<String>,
    total_items: Option<usize>,
}

/// An object with some of its properties.
pub(super) struct Shown<'a, V: 'static> {
    pub(super) item: &'a V,
    pub(super) fields: &'a [&'static Field<V>],
}

impl<V> Serialize for Shown<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for field in self.fields {
            if let Some(value) = (field.get)(self.item) {
                map.serialize_entry(field.name, &value)?;
            }
        }
        map.end()
    }
}

/// A token belongs to one list of one customer.
fn list_key(call: &Call<'_>) -> String {
    let path = call.lower.join("/");
    ids::stable(&["list", &call.customer.to_string(), &path])[..8].to_owned()
}

/// Opaque, and full of what must be percent-encoded.
fn write_token(key: &str, next: usize) -> String {
    format!("+/#{}==", STANDARD.encode(format!("{key}:{next}:>?~")))
}

fn read_token(token: &str, key: &str) -> Option<usize> {
    let inner = token.strip_prefix("+/#")?.strip_suffix("==")?;
    let text = String::from_utf8(STANDARD.decode(inner).ok()?).ok()?;
    let (found, rest) = text.split_once(':')?;
    let next = rest.split(':').next()?.parse().ok()?;
    (found == key).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_list_only_and_needs_encoding() {
        let token = write_token("abcd1234", 250);
        for needed in ['+', '/', '#', '='] {
            assert!(token.contains(needed), "{token}");
        }
        assert_eq!(read_token(&token, "abcd1234"), Some(250));
        assert_eq!(read_token(&token, "other"), None);
        assert_eq!(read_token(&token.replace('+', " "), "abcd1234"), None);
    }
}
