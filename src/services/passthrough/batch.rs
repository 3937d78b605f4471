use std::collections::HashSet;

use axum::body::Body;
use http::{HeaderValue, Method};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::value::RawValue;

use super::{
    classify::{Class, DaasPath, classify, disguised},
    deed::Deed,
    json::{self, elements, is_null},
    query::Queries,
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

/// What holds for every item of a batch.
pub(super) struct Rules<'a> {
    /// What the customer is called.
    pub(super) own: [&'a str; 2],
    pub(super) queries: Queries,
}

/// Reads a whole batch, within bounds.
pub(super) async fn read(body: Body, rules: &Rules<'_>) -> Result<Vec<Item>, Error> {
    let collected = Limited::new(body, MAX_BYTES).collect().await.map_err(|error| {
        let first: &(dyn std::error::Error + 'static) = error.as_ref();
        let mut chain = std::iter::successors(Some(first), |&error| error.source());
        let too_large = chain.any(<dyn std::error::Error>::is::<LengthLimitError>);
        Error::Body(if too_large { BodyFault::TooLarge } else { BodyFault::Incomplete })
    })?;
    parse(&collected.to_bytes(), rules)
}

/// Understands a batch. What is sent on is written anew from what is understood here, so that
/// nothing else can be meant by it: names count without case, none may be there twice, and unknown
/// ones are refused.
fn parse(body: &[u8], rules: &Rules<'_>) -> Result<Vec<Item>, Error> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let body = str::from_utf8(body).map_err(|_| invalid("", "the batch is not UTF-8"))?;
    let [items] = fields("", body, ["Items"])?;
    let items = items.and_then(|items| elements(items, MAX_ITEMS));
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        let detail = format!("Items must be an array of between 1 and {MAX_ITEMS} items");
        return Err(invalid("/Items", detail));
    };
    let mut references = HashSet::with_capacity(items.len());
    let item = |(at, value): (usize, &RawValue)| {
        let at = format!("/Items/{at}");
        let item = item(&at, value, rules)?;
        // Nobody could tell whose answer is whose.
        if !references.insert(item.call.reference.clone()) {
            return Err(invalid(&format!("{at}/Reference"), "two items have this reference"));
        }
        Ok(item)
    };
    items.into_iter().enumerate().map(item).collect()
}

fn item(at: &str, value: &RawValue, rules: &Rules<'_>) -> Result<Item, Error> {
    let names = ["Reference", "Method", "RelativeUrl", "Headers", "Body"];
    let [reference, method, relative_url, headers, body] = fields(at, value.get(), names)?;
    let below = |name: &str| format!("{at}/{name}");
    let reference = text(&below("Reference"), reference)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !(1..=MAX_REFERENCE).contains(&reference.len()) || !reference.bytes().all(plain) {
        let detail =
            format!("a reference is made of 1 to {MAX_REFERENCE} letters, digits, '-' and '_'");
        return Err(invalid(&below("Reference"), detail));
    }
    let method = text(&below("Method"), method)?;
    let known = |known: &Method| known.as_str().eq_ignore_ascii_case(&method);
    let Some(method) = METHODS.into_iter().find(known) else {
        return Err(invalid(&below("Method"), "this is no method of a batch"));
    };
    let relative_url = text(&below("RelativeUrl"), relative_url)?;
    let wrong_url = |reason: &str| invalid(&below("RelativeUrl"), reason);
    if relative_url.len() > MAX_URL {
        return Err(wrong_url("the URL is longer than one may be"));
    }
    let (path, query) = match relative_url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (relative_url.as_str(), None),
    };
    let segments = item_segments(path).map_err(wrong_url)?;
    if let Some(reason) = query.and_then(|query| rules.queries.fault(query)) {
        return Err(wrong_url(reason));
    }
    let path = DaasPath::of(Surface::Manage, &segments);
    if let Some(reason) = path.other_form(rules.own) {
        return Err(wrong_url(reason));
    }
    if method != Method::GET
        && method != Method::HEAD
        && let Some(reason) = disguised(Surface::Manage, &path.rest)
    {
        return Err(wrong_url(reason));
    }
    let Class::Act(action) = classify(Surface::Manage, &method, &path.rest) else {
        return Err(wrong_url("a batch holds no batch"));
    };
    let mut target = String::new();
    push_segments(&mut target, segments.iter().map(String::as_str));
    let mut deed = Deed::on(Some(&path), action, &method, &target);
    deed.reference = Some(reference.clone());
    deed.sites = path.sites;
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

fn item_headers(at: &str, value: Option<&RawValue>) -> Result<Vec<(String, String)>, Error> {
    let Some(value) = value.filter(|_| !is_null(value)) else { return Ok(Vec::new()) };
    let Some(headers) = elements(value, MAX_HEADERS) else {
        return Err(invalid(at, format!("Headers must be an array of at most {MAX_HEADERS}")));
    };
    let mut passing = Vec::new();
    for (index, header) in headers.into_iter().enumerate() {
        let at = format!("{at}/{index}");
        let [name, value] = fields(&at, header.get(), ["Name", "Value"])?;
        let (name, value) = (text(&at, name)?, optional_text(&at, value)?.unwrap_or_default());
        if HeaderValue::from_str(&value).is_err() {
            return Err(invalid(&at, "this is no value of a header"));
        }
        if passes_in_batch(&name) {
            passing.push((name, value));
        }
    }
    Ok(passing)
}

fn fields<'a, const N: usize>(
    at: &str,
    text: &'a str,
    names: [&str; N],
) -> Result<[Option<&'a RawValue>; N], Error> {
    json::fields(text, names).map_err(|wrong| invalid(at, wrong))
}

fn text(at: &str, value: Option<&RawValue>) -> Result<String, Error> {
    json::text(value).ok_or_else(|| invalid(at, "text is needed here"))
}

fn optional_text(at: &str, value: Option<&RawValue>) -> Result<Option<String>, Error> {
    if is_null(value) { Ok(None) } else { text(at, value).map(Some) }
}

fn invalid(pointer: &str, detail: impl Into<String>) -> Error {
    Error::Invalid { pointer: pointer.to_owned(), detail: detail.into() }
}

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Bounds of one batch: real ones have some hundred items of a few hundred bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_ITEMS: usize = 1000;
const MAX_HEADERS: usize = 32;
const MAX_REFERENCE: usize = 256;

/// As long as the target of a request may be where nothing else is configured. The record of
/// changes holds the whole path.
const MAX_URL: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::Action;

    fn one(item: &Value) -> Result<Item, Error> {
        read(&json!({ "Items": [item] }).to_string()).map(|mut items| items.remove(0))
    }

    fn read(body: &str) -> Result<Vec<Item>, Error> {
        parse(body.as_bytes(), &Rules { own: ["abcd1024", "acme"], queries: Queries::default() })
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
        assert!(with("RelativeUrl", json!("/x?access_token=y")));
        assert!(with("RelativeUrl", json!("/ABCD1024/site/Machines")));
        assert!(with("RelativeUrl", json!(format!("/{}", "x".repeat(MAX_URL)))));
        assert!(with("RelativeUrl", json!(7)));
        assert!(with("Method", json!("TRACE")));
        assert!(with("Reference", json!("a b")));
        assert!(with("Headers", json!({ "Name": "x" })));
        for body in ["", "[]", "{}", r#"{"Items":[]}"#, r#"{"Items":[],"items":[]}"#, "{\"Items\":"]
        {
            assert!(read(body).is_err(), "{body}");
        }
        let same = json!({ "Items": [good, good] }).to_string();
        assert!(read(&same).is_err(), "two items have one reference");
        let twice =
            r#"{"Items":[{"Reference":"1","Method":"GET","Method":"DELETE","RelativeUrl":"/x"}]}"#;
        assert!(read(twice).is_err(), "a name is there twice");
        let nested = json!({ "Reference": "1", "Method": "POST", "RelativeUrl": "/$BATCH" });
        assert!(one(&nested).is_err());
    }

    #[test]
    fn a_header_of_an_item_holds_no_line_end() {
        for name in ["X-TimeZone", "Authorization"] {
            let headers = json!([{ "Name": name, "Value": "UTC\r\nAuthorization: Bearer x" }]);
            let item = json!({ "Reference": "1", "Method": "GET", "RelativeUrl": "/me",
                "Headers": headers });
            assert!(one(&item).is_err(), "{name}");
        }
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
