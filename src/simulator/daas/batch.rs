//! `$batch`: several calls in one.

use std::collections::HashSet;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::auth;
use super::super::errors::{self, Parameters};
use super::super::http::{Reply, Request, form_pairs, segments};
use super::super::world::{JobResult, Work, World};
use super::{Base, Call, serve_as};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    reference: String,
    method: String,
    relative_url: String,
    #[serde(default)]
    headers: Option<Vec<Header>>,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Header {
    name: String,
    #[serde(default)]
    value: Option<String>,
}

pub(super) fn answer(world: &mut World, call: &Call<'_>) -> Reply {
    if call.method() != "POST" {
        return super::method_not_allowed();
    }
    let batch = match read(&call.request.body) {
        Ok(batch) => batch,
        Err(message) => return errors::daas(400, "InvalidArgument", &message),
    };
    let answers: Vec<(String, Reply)> = batch
        .items
        .into_iter()
        .map(|item| {
            let reference = item.reference.clone();
            (reference, one(world, call, item))
        })
        .collect();
    let shown: Vec<Value> =
        answers.iter().map(|(reference, reply)| answered(reference, reply)).collect();
    let body = json!({ "Items": shown });
    if !call.is_async() {
        return Reply::json(200, &body);
    }
    let result = JobResult::Body(200, serde_json::to_vec(&body).unwrap_or_default().into());
    let owner = call.caller.client_id.clone();
    let id = world.start_job(call.customer, &owner, "Batch", Work::Done, Vec::new(), result);
    let sub_jobs = answers.iter().map(|(reference, reply)| sub_job(reference, reply)).collect();
    if let Some(job) = world.customers[call.customer].site.jobs.get_mut(&id) {
        job.sub_jobs = sub_jobs;
    }
    call.accepted_job(world, &id)
}

fn read(body: &[u8]) -> Result<Batch, String> {
    let batch: Batch = serde_json::from_slice(body)
        .map_err(|error| format!("The batch is not valid: {error}."))?;
    let mut seen = HashSet::new();
    for item in &batch.items {
        let reference = item.reference.as_str();
        let plain = reference.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if reference.is_empty() || !plain || !seen.insert(reference) {
            return Err(format!("The reference '{reference}' is not valid or not unique."));
        }
    }
    if batch.items.is_empty() || batch.items.len() > MAX_ITEMS {
        return Err(format!("A batch has between 1 and {MAX_ITEMS} items."));
    }
    Ok(batch)
}

/// Runs one item with its own headers; customer and site are the batch's.
fn one(world: &mut World, call: &Call<'_>, item: Item) -> Reply {
    let Ok(method) = Method::from_bytes(item.method.to_ascii_uppercase().as_bytes()) else {
        return errors::daas(400, "InvalidArgument", "The method is not valid.");
    };
    if item.body.is_some() && !matches!(method.as_str(), "PUT" | "PATCH" | "POST") {
        return errors::daas(400, "InvalidArgument", "This method has no body.");
    }
    let (path, raw_query) = item.relative_url.split_once('?').unwrap_or((&item.relative_url, ""));
    let Some(rest) = segments(path) else {
        return errors::daas(400, "InvalidArgument", "The relative URL is not valid.");
    };
    if rest.first().is_some_and(|first| first.eq_ignore_ascii_case("$batch")) {
        return errors::daas(400, "InvalidArgument", "A batch holds no batch.");
    }
    let mut headers = HeaderMap::new();
    headers.insert("content-type", const { HeaderValue::from_static("application/json") });
    for header in item.headers.into_iter().flatten().take(MAX_HEADERS) {
        let name = HeaderName::try_from(header.name.as_str());
        let value = HeaderValue::try_from(header.value.unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    let request = Request {
        method,
        path: path.to_owned(),
        segments: Vec::new(),
        raw_query: raw_query.to_owned(),
        query: form_pairs(raw_query),
        headers,
        body: Bytes::from(item.body.unwrap_or_default()),
        region: call.request.region,
        base: call.request.base.clone(),
    };
    let header = request.header("authorization");
    let token = header.and_then(auth::plain_token).map_or_else(|| auth::cws_token(header), Ok);
    let caller = token.and_then(|token| {
        world.caller(token, request.region).ok_or(auth::Unauthenticated::Invalid)
    });
    let caller = match caller {
        Ok(caller) if caller.customer == call.customer => caller,
        Ok(_) => {
            let detail = "Access denied";
            return errors::guideline(403, "common/authorization", detail, &[], Parameters::Array);
        }
        Err(error) => return error.guideline(Parameters::Array),
    };
    let site = call.site(world).id.clone();
    serve_as(world, &request, Base::Manage, &rest, (&caller, call.customer), Some(&site)).finish()
}

fn answered(reference: &str, reply: &Reply) -> Value {
    let headers: Vec<Value> = reply
        .headers
        .iter()
        .map(|(name, value)| {
            let name = if name == "location" { "Location" } else { name.as_str() };
            json!({ "Name": name, "Value": value })
        })
        .collect();
    let body = (!reply.body.is_empty()).then(|| String::from_utf8_lossy(&reply.body).into_owned());
    json!({ "Reference": reference, "Code": reply.status, "Headers": headers, "Body": body })
}

fn sub_job(reference: &str, reply: &Reply) -> Value {
    let status = if reply.status < 400 { "Complete" } else { "Failed" };
    json!({
        "Id": reference,
        "Type": "Unknown",
        "OverallProgressPercent": 100,
        "Status": status,
        "Parameters": [],
        "SubJobs": [],
    })
}

const MAX_ITEMS: usize = 1000;
const MAX_HEADERS: usize = 32;
