//! One request to a region, from the first byte to the last.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, request};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::Inner;
use super::clock::rfc3339;
use super::errors;
use super::faults::{FaultRule, Plan, Subject};
use super::http::{Reply, Request, form_pairs, mark, segments};
use super::ids;
use super::log::{Entry, redacted};
use super::route::Route;
use super::world::{Mode, World};

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the simulator was told to close the connection")]
pub(super) struct Dropped;

/// Answers one request, or lets it go wrong as told.
pub(super) async fn handle(
    inner: Arc<Inner>,
    region: usize,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (parts, body) = request.into_parts();
    let read = Limited::new(body, MAX_BODY).collect();
    let body = match tokio::time::timeout(READ_TIMEOUT, read).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(_)) => {
            return Ok(errors::management(413, "Request body is too large").into_response(""));
        }
        Err(_) => return Ok(errors::edge(408).into_response("")),
    };
    let Some(request) = understood(&inner, region, &parts, body) else {
        return Ok(errors::management(400, "Bad request").into_response(""));
    };
    let transaction = request
        .header("citrix-transactionid")
        .filter(|id| !id.is_empty() && id.len() <= 64)
        .map_or_else(ids::fresh, str::to_owned);
    let route = Route::of(&request);
    let (number, mode, plan) = inner.with(|world| arrive(world, &request, &route));
    match mode {
        Mode::Up => {}
        Mode::Hang => return hang().await,
        Mode::Refuse => return Err(Dropped),
        Mode::Unavailable => {
            let reply = errors::edge(503);
            inner.with(|world| world.log.answered(number, reply.status));
            return Ok(reply.into_response(&transaction));
        }
    }
    if plan.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(plan.latency_ms)).await;
    }
    let answer = || {
        let answer = inner.with(|world| route.answer(world, &request));
        answer.finish()
    };
    let Some(rule) = plan.rule else {
        let reply = answer();
        inner.with(|world| world.log.answered(number, reply.status));
        return Ok(reply.into_response(&transaction));
    };
    let truth = rule.applies_request().then(answer);
    let response = go_wrong(&rule, truth, &transaction).await?;
    let status = response.status().as_u16();
    inner.with(|world| world.log.answered(number, status));
    Ok(response)
}

/// Turns what was read into a request; `None` when path or method cannot be meant.
fn understood(
    inner: &Inner,
    region: usize,
    parts: &request::Parts,
    body: Bytes,
) -> Option<Request> {
    let path = parts.uri.path().to_owned();
    let raw_query = parts.uri.query().unwrap_or_default().to_owned();
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(axum::http::uri::Authority::as_str));
    let base = match host {
        Some(host) => format!("http://{host}"),
        None => inner.with(|world| world.regions[region].url.clone()),
    };
    Some(Request {
        method: parts.method.clone(),
        segments: segments(&path)?,
        path,
        query: form_pairs(&raw_query),
        raw_query,
        headers: parts.headers.clone(),
        body,
        region,
        base,
    })
}

/// Logs and counts a request and decides what goes wrong with it. A region that is down needs no
/// fault rule, and uses none up.
fn arrive(world: &mut World, request: &Request, route: &Route) -> (u64, Mode, Plan) {
    let customer = route.customer(world, request);
    let named = customer.and_then(|at| world.customers.get(at));
    let region = world.regions[request.region].name.clone();
    let decoded = request.segments.join("/");
    let subject = Subject {
        region: &region,
        customer: named.map(|customer| (customer.id.as_str(), customer.name.as_str())),
        service: route.service,
        method: &request.method,
        path: &request.path,
        decoded_path: &decoded,
    };
    let mode = world.regions[request.region].mode;
    let mut plan = match mode {
        Mode::Up => world.faults.plan(&subject),
        _ => Plan::default(),
    };
    let entry = Entry {
        number: 0,
        time: rfc3339(world.clock.now_ms()),
        service: route.service,
        operation: route.operation.clone(),
        customer: named.map(|customer| customer.name.clone()),
        method: request.method.as_str().to_owned(),
        path: request.path.clone(),
        query: request.raw_query.clone(),
        headers: redacted(&request.headers),
        body_bytes: request.body.len(),
        status: None,
        fault: plan.rule.is_some() || plan.latency_ms > 0,
        region: region.clone(),
    };
    plan.latency_ms += u64::from(world.settings.latency_ms);
    (world.log.arrived(entry), mode, plan)
}

/// Carries out a rule; `truth` is the answer that would have been right.
async fn go_wrong(
    rule: &FaultRule,
    truth: Option<Reply>,
    transaction: &str,
) -> Result<Response<Body>, Dropped> {
    if rule.hang {
        return hang().await;
    }
    if rule.reset {
        return Err(Dropped);
    }
    if let Some(bytes) = rule.huge_body {
        return Ok(huge(bytes));
    }
    let reply = rule.reply().or(truth).unwrap_or_else(|| errors::edge(500));
    Ok(match rule.cut_body {
        Some(sent) => cut(reply, sent, transaction),
        None if rule.slow_body_ms > 0 => slow(reply, rule.slow_body_ms, transaction),
        None => reply.into_response(transaction),
    })
}

/// Nothing is answered until the other side gives up.
pub(super) async fn hang() -> Result<Response<Body>, Dropped> {
    tokio::time::sleep(LONGEST_HANG).await;
    Err(Dropped)
}

/// Announces the whole body and closes after `sent` bytes of it.
pub(super) fn cut(reply: Reply, sent: usize, transaction: &str) -> Response<Body> {
    let whole = reply.body.clone();
    let mut response = reply.into_response(transaction);
    let start = whole.slice(..sent.min(whole.len()));
    let announced = if start.len() == whole.len() { whole.len() + 1 } else { whole.len() };
    let failure = stream::once(async {
        // The part before must have left the buffer.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("cut off"))
    });
    let parts = stream::iter([Ok::<Bytes, io::Error>(start)]).chain(failure);
    *response.body_mut() = Body::from_stream(parts);
    response.headers_mut().insert("content-length", HeaderValue::from(announced));
    response
}

/// The whole body, a tenth at a time.
pub(super) fn slow(reply: Reply, pause_ms: u32, transaction: &str) -> Response<Body> {
    let whole = reply.body.clone();
    let mut response = reply.into_response(transaction);
    let (length, size) = (whole.len(), whole.len().div_ceil(10).max(1));
    let parts: Vec<Bytes> = whole.chunks(size).map(|part| whole.slice_ref(part)).collect();
    let pause = Duration::from_millis(u64::from(pause_ms).min(MAX_PAUSE_MS));
    let parts = stream::iter(parts).then(move |part| async move {
        tokio::time::sleep(pause).await;
        Ok::<Bytes, Infallible>(part)
    });
    *response.body_mut() = Body::from_stream(parts);
    response.headers_mut().insert("content-length", HeaderValue::from(length));
    response
}

/// JSON of about `bytes` bytes, made while it is sent.
fn huge(bytes: u64) -> Response<Body> {
    let chunks = usize::try_from(bytes / CHUNK).unwrap_or(usize::MAX);
    let filler = Bytes::from(vec![b'x'; usize::try_from(CHUNK).unwrap_or_default()]);
    let start = Bytes::from_static(b"{\"Items\":[{\"Id\":\"1\",\"Name\":\"");
    let end = Bytes::from_static(b"\"}],\"ContinuationToken\":null}");
    let all = stream::iter([start])
        .chain(stream::repeat(filler).take(chunks))
        .chain(stream::iter([end]))
        .map(Ok::<Bytes, Infallible>);
    let mut response = Response::new(Body::from_stream(all));
    response.headers_mut().insert(
        "content-type",
        const { HeaderValue::from_static("application/json; charset=utf-8") },
    );
    mark(&mut response);
    response
}

const MAX_BODY: usize = 16 * 1024 * 1024;
const READ_TIMEOUT: Duration = Duration::from_mins(1);
const LONGEST_HANG: Duration = Duration::from_mins(10);
const MAX_PAUSE_MS: u64 = 60_000;
const CHUNK: u64 = 64 * 1024;
