use axum::body::Body;
use http::Method;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    classify::{Class, DaasPath, classify, disguised},
    deed::Deed,
    surface::{Surface, item_segments, push_query, push_segments},
};
use crate::{
    services::Error,
    upstream::{
        BodyFault,
        passthrough::{BatchItem, passes_in_batch},
    },
};

/// A call of a batch, with what it takes to be allowed.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) call: BatchItem,
    pub(super) deed: Deed,
}

/// Reads a whole batch, within bounds.
pub(super) async fn read(body: Body) -> Result<Vec<Item>, Error> {
    let collected = Limited::new(body, MAX_BYTES).collect().await.map_err(|error| {
        let first: &(dyn std::error::Error + 'static) = error.as_ref();
        let mut chain = std::iter::successors(Some(first), |&error| error.source());
        let too_large = chain.any(<dyn std::error::Error>::is::<LengthLimitError>);
        Error::Body(if too_large { BodyFault::TooLarge } else { BodyFault::Incomplete })
    })?;
    parse(&collected.to_bytes())
}

/// Understands a batch. What is sent on is written anew from what is understood here, so that
/// nothing else can be meant by it: names count without case, none may be there twice, and unknown
/// ones are refused.
fn parse(body: &[u8]) -> Result<Vec<Item>, Error> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| invalid("", format!("the batch is not JSON: {error}")))?;
    let [items] = fields(value, "", ["Items"])?;
    let Value::Array(items) = items else {
        return Err(invalid("/Items", "Items must be an array"));
    };
    if items.is_empty() || items.len() > MAX_ITEMS {
        return Err(invalid("/Items", format!("a batch has between 1 and {MAX_ITEMS} items")));
    }
    items.into_iter().enumerate().map(|(at, value)| item(&format!("/Items/{at}"), value)).collect()
}

fn item(at: &str, value: Value) -> Result<Item, Error> {
    let names = ["Reference", "Method", "RelativeUrl", "Headers", "Body"];
    let [reference, method, relative_url, headers, body] = fields(value, at, names)?;
    let below = |name: &str| format!("{at}/{name}");
    let reference = text(&below("Reference"), reference)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if reference.is_empty() || !reference.bytes().all(plain) {
        let detail = "a reference is made of letters, digits, '-' and '_'";
        return Err(invalid(&below("Reference"), detail));
    }
    let method = text(&below("Method"), method)?.to_ascii_uppercase();
    let Some(method) = METHODS.into_iter().find(|known| known.as_str() == method) else {
        return Err(invalid(&below("Method"), format!("{method:?} is no method of a batch")));
    };
    let relative_url = text(&below("RelativeUrl"), relative_url)?;
    let (path, query) = match relative_url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (relative_url.as_str(), None),
    };
    let wrong_url = |reason: &str| invalid(&below("RelativeUrl"), reason);
    let segments = item_segments(path).map_err(wrong_url)?;
    if let Some(reason) = query.and_then(overrides_method) {
        return Err(wrong_url(reason));
    }
    let path = DaasPath::of(Surface::Manage, &segments);
    if method != Method::GET
        && method != Method::HEAD
        && let Some(reason) = disguised(Surface::Manage, &path.rest)
    {
        return Err(wrong_url(reason));
    }
    let Class::Act(action) = classify(Surface::Manage, &method, &path.rest) else {
        return Err(wrong_url("a batch holds no batch"));
    };
    let mut deed = Deed::on(Some(&path), action);
    deed.reference = Some(reference.clone());
    deed.sites = path.sites;
    let mut target = String::new();
    push_segments(&mut target, segments.iter().map(String::as_str));
    push_query(&mut target, query);
    let call = BatchItem {
        reference,
        method: method.to_string(),
        relative_url: target,
        headers: item_headers(&below("Headers"), headers)?,
        body: optional_text(&below("Body"), body)?,
    };
    Ok(Item { call, deed })
}

fn item_headers(at: &str, value: Value) -> Result<Vec<(String, String)>, Error> {
    let headers = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(headers) if headers.len() <= MAX_HEADERS => headers,
        _ => return Err(invalid(at, format!("Headers must be an array of at most {MAX_HEADERS}"))),
    };
    let mut passing = Vec::new();
    for (index, header) in headers.into_iter().enumerate() {
        let at = format!("{at}/{index}");
        let [name, value] = fields(header, &at, ["Name", "Value"])?;
        let (name, value) = (text(&at, name)?, optional_text(&at, value)?.unwrap_or_default());
        if passes_in_batch(&name) {
            passing.push((name, value));
        }
    }
    Ok(passing)
}

/// The properties of an object in the order of `names`; `null` for those that are not there.
fn fields<const N: usize>(value: Value, at: &str, names: [&str; N]) -> Result<[Value; N], Error> {
    let Value::Object(object) = value else {
        return Err(invalid(at, "an object is needed here"));
    };
    let mut found: [Option<Value>; N] = [const { None }; N];
    let object: Map<String, Value> = object;
    for (key, value) in object {
        let Some(position) = names.iter().position(|name| name.eq_ignore_ascii_case(&key)) else {
            return Err(invalid(at, format!("{key:?} is not known here")));
        };
        if found[position].replace(value).is_some() {
            return Err(invalid(at, format!("{key:?} is there twice")));
        }
    }
    Ok(found.map(Option::unwrap_or_default))
}

fn text(at: &str, value: Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(invalid(at, "text is needed here")),
    }
}

fn optional_text(at: &str, value: Value) -> Result<Option<String>, Error> {
    if value.is_null() { Ok(None) } else { text(at, value).map(Some) }
}

/// Whether a query asks for another method than the request has: nothing that is authorized by its
/// method may mean another.
pub(super) fn overrides_method(query: &str) -> Option<&'static str> {
    let overriding = |pair: &str| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name).replace('+', " ");
        let name = percent_decode_str(&name).decode_utf8_lossy().trim().to_ascii_lowercase();
        OVERRIDES.contains(&name.trim_start_matches("x-"))
    };
    query
        .split(['&', ';'])
        .any(overriding)
        .then_some("the query asks for another method than the request has")
}

fn invalid(pointer: &str, detail: impl Into<String>) -> Error {
    Error::Invalid { pointer: pointer.to_owned(), detail: detail.into() }
}

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

const OVERRIDES: [&str; 4] = ["_method", "http-method", "http-method-override", "method-override"];

/// Bounds of one batch: real ones have some hundred items of a few hundred bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_ITEMS: usize = 1000;
const MAX_HEADERS: usize = 32;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Action;

    fn one(item: &Value) -> Result<Item, Error> {
        parse(json!({ "Items": [item] }).to_string().as_bytes()).map(|mut items| items.remove(0))
    }

    #[test]
    fn each_item_is_judged_by_its_own_method_and_path() {
        for (method, url, action, written) in [
            (
                "post",
                "/Machines/LAB|X/$Reboot?async=true",
                Action::Power,
                "/Machines/LAB%7CX/$Reboot?async=true",
            ),
            ("GET", "Machines", Action::Read, "/Machines"),
            ("DELETE", "/Machines/x", Action::Write, "/Machines/x"),
            ("POST", "/Sessions/x/%24logoff", Action::Session, "/Sessions/x/$logoff"),
        ] {
            let item = one(&json!({ "Reference": "1", "Method": method, "RelativeUrl": url }));
            let item = item.unwrap();
            assert_eq!(item.deed.action, action, "{url}");
            assert_eq!(item.call.relative_url, written);
        }
    }

    #[test]
    fn a_batch_that_could_be_read_in_two_ways_is_refused() {
        let good = json!({ "Reference": "1", "Method": "GET", "RelativeUrl": "/me" });
        one(&good).unwrap();
        let with = |name: &str, value: Value| {
            let mut item = good.clone();
            item[name] = value;
            one(&item).is_err()
        };
        assert!(with("relativeUrl", json!("/Machines/x/$reboot")));
        assert!(with("Url", json!("/x")));
        assert!(with("RelativeUrl", json!("https://evil.example/")));
        assert!(with("RelativeUrl", json!("/../x")));
        assert!(with("RelativeUrl", json!("/x?_method=DELETE")));
        assert!(with("RelativeUrl", json!("/x?X-HTTP-Method%2DOverride=DELETE")));
        assert!(with("RelativeUrl", json!(7)));
        assert!(with("Method", json!("TRACE")));
        assert!(with("Reference", json!("a b")));
        assert!(with("Headers", json!({ "Name": "x" })));
        for body in ["", "[]", "{}", r#"{"Items":[]}"#, r#"{"Items":[],"items":[]}"#, "{\"Items\":"]
        {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        let nested = json!({ "Reference": "1", "Method": "POST", "RelativeUrl": "/$BATCH" });
        assert!(one(&nested).is_err());
    }

    #[test]
    fn the_last_of_two_equal_names_is_what_is_judged_and_what_is_sent() {
        let text = r#"{"Items":[{"Reference":"1","Method":"GET","Method":"DELETE","RelativeUrl":"/Machines/x"}]}"#;
        let items = parse(text.as_bytes()).unwrap();
        assert_eq!(
            (items[0].deed.action, items[0].call.method.as_str()),
            (Action::Write, "DELETE")
        );
    }

    #[test]
    fn headers_that_name_a_caller_or_a_place_are_left_out() {
        let item = one(&json!({
            "Reference": "1", "Method": "GET", "RelativeUrl": "/me",
            "Headers": [
                { "Name": "Authorization", "Value": "Bearer canary" },
                { "Name": "citrix-instanceid", "Value": "other" },
                { "Name": "X-AdminCredential", "Value": "Basic x" },
            ],
        }))
        .unwrap();
        assert_eq!(item.call.headers, [("X-AdminCredential".to_owned(), "Basic x".to_owned())]);
    }
}
