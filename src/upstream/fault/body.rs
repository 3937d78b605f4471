use serde_json::{Map, Value};

use super::clean;
use crate::upstream::json;

/// What a fault body holds, whichever shape it has.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) retry_delay: Option<String>,
}

/// Decodes a fault body. Anything but a JSON object in a known shape yields nothing.
pub(super) fn decode(body: &[u8]) -> Decoded {
    let Ok(Value::Object(fields)) = json::parse::<Value>(body) else { return Decoded::default() };
    daas(&fields)
        .or_else(|| oauth2(&fields))
        .or_else(|| old_platform(&fields))
        .or_else(|| guideline(&fields))
        .or_else(|| gateway(&fields))
        .unwrap_or_default()
}

/// DaaS: `{"ErrorMessage", "SdkErrorId", "ErrorType", …}`.
fn daas(fields: &Map<String, Value>) -> Option<Decoded> {
    let message = text(fields, "ErrorMessage");
    let code = text(fields, "SdkErrorId");
    if message.is_none() && code.is_none() {
        return None;
    }
    Some(Decoded {
        code: code.or_else(|| text(fields, "ErrorType")).and_then(clean_code),
        message: message.and_then(clean),
        retry_delay: None,
    })
}

/// OAuth 2.0 (RFC 6749, section 5.2): `{"error", "error_description"}`. Licensing puts another
/// JSON document into the description.
fn oauth2(fields: &Map<String, Value>) -> Option<Decoded> {
    let code = text(fields, "error");
    let description = text(fields, "error_description");
    if code.is_none() && description.is_none() {
        return None;
    }
    let inner = description.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let message = match &inner {
        Some(inner) => text(inner, "Message"),
        None => description,
    };
    Some(Decoded {
        code: code.and_then(clean_code),
        message: message.and_then(clean),
        retry_delay: None,
    })
}

/// The older platform services: `{"Error": {"Type", "Message"}}`.
fn old_platform(fields: &Map<String, Value>) -> Option<Decoded> {
    let inner = field(fields, "Error")?.as_object()?;
    Some(Decoded {
        code: text(inner, "Type").and_then(clean_code),
        message: text(inner, "Message").and_then(clean),
        retry_delay: None,
    })
}

/// Citrix Cloud's guideline, `{"type", "detail", "parameters"}`, and RFC 9457 problems.
fn guideline(fields: &Map<String, Value>) -> Option<Decoded> {
    let code = text(fields, "type");
    let detail = text(fields, "detail").or_else(|| text(fields, "title"));
    if code.is_none() && detail.is_none() {
        return None;
    }
    let parameters = field(fields, "parameters");
    Some(Decoded {
        code: code.map(strip_base).and_then(clean_code),
        message: detail.and_then(clean).or_else(|| clean(&parameter(parameters?, "message")?)),
        retry_delay: parameters.and_then(|all| parameter(all, "retryDelay")),
    })
}

/// The API gateway in front: `{"statusCode", "message", "activityId"}`; some services just say
/// `message`.
fn gateway(fields: &Map<String, Value>) -> Option<Decoded> {
    let message = text(fields, "message")?;
    Some(Decoded { code: None, message: clean(message), retry_delay: None })
}

/// A parameter of the guideline's: published as an array of `{name, value}`, as an array of
/// `{key, value}`, and as a plain map.
fn parameter(parameters: &Value, wanted: &str) -> Option<String> {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match parameters {
        Value::Object(map) => scalar(field(map, wanted)?),
        Value::Array(list) => list.iter().filter_map(Value::as_object).find_map(|entry| {
            let name = text(entry, "name").or_else(|| text(entry, "key"))?;
            name.eq_ignore_ascii_case(wanted).then(|| scalar(field(entry, "value")?))?
        }),
        _ => None,
    }
}

/// Services differ in the case of their keys.
fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields
        .get(name)
        .or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    field(fields, name)?.as_str().filter(|text| !text.is_empty())
}

/// `https://errors-api.cloud.com/common/notFound` is `common/notFound`.
fn strip_base(kind: &str) -> &str {
    kind.split_once("errors-api.cloud.com/").map_or(kind, |(_, rest)| rest)
}

fn clean_code(raw: &str) -> Option<String> {
    clean(raw).filter(|code| code.len() <= MAX_CODE_LEN)
}

/// Longest code that is passed on: codes are words.
const MAX_CODE_LEN: usize = 128;
