//! One request to the stores' server, from the first byte to the last.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::super::Inner;
use super::super::clock::rfc3339;
use super::super::faults::{FaultRule, Plan, Subject};
use super::super::http::{Request, form_pairs, mark, segments};
use super::super::log::{Entry, redacted};
use super::super::region::{Dropped, cut, hang, slow};
use super::super::world::{Mode, World};
use super::answer::{self, Answer};
use super::route::Route;

/// Answers one request, or lets it go wrong as told.
pub(in super::super) async fn handle(
    inner: Arc<Inner>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (parts, body) = request.into_parts();
    let read = Limited::new(body, MAX_BODY).collect();
    let body = match tokio::time::timeout(READ_TIMEOUT, read).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(_)) => return Ok(answer::page(413).into_response("")),
        Err(_) => return Ok(answer::page(408).into_response("")),
    };
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(axum::http::uri::Authority::as_str));
    let (Some(host), Some(segments)) = (host, segments(parts.uri.path())) else {
        return Ok(answer::page(400).into_response(""));
    };
    let raw_query = parts.uri.query().unwrap_or_default().to_owned();
    let request = Request {
        base: format!("http://{host}"),
        method: parts.method,
        segments,
        path: parts.uri.path().to_owned(),
        query: form_pairs(&raw_query),
        raw_query,
        headers: parts.headers,
        body,
        region: 0,
    };
    let (route, number, mode, plan) = inner.with(|world| arrive(world, &request));
    match mode {
        Mode::Up => {}
        Mode::Hang => return hang().await,
        Mode::Refuse => return Err(Dropped),
        Mode::Unavailable => {
            inner.with(|world| world.log.answered(number, 503));
            return Ok(answer::page(503).into_response(""));
        }
    }
    if plan.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(plan.latency_ms)).await;
    }
    let truth = || inner.with(|world| route.answer(world, &request));
    let response = match plan.rule {
        None => truth().send().await?,
        Some(rule) => {
            let truth = rule.applies_request().then(truth);
            go_wrong(&rule, &request, truth).await?
        }
    };
    let status = response.status().as_u16();
    inner.with(|world| world.log.answered(number, status));
    Ok(response)
}

/// Logs and counts a request and decides what goes wrong with it.
fn arrive(world: &mut World, request: &Request) -> (Route, u64, Mode, Plan) {
    let route = Route::of(&world.storefront, request);
    let name = route.store.map(|store| world.storefront.stores[store].name.clone());
    let decoded = request.segments.join("/");
    let subject = Subject {
        region: LISTENER,
        customer: name.as_ref().map(|name| (name.as_str(), name.as_str())),
        service: route.service,
        method: &request.method,
        path: &request.path,
        decoded_path: &decoded,
    };
    let mode = world.storefront.mode;
    let mut plan = match mode {
        Mode::Up => world.faults.plan(&subject),
        _ => Plan::default(),
    };
    let entry = Entry {
        number: 0,
        time: rfc3339(world.clock.now_ms()),
        region: LISTENER.to_owned(),
        service: route.service,
        operation: route.operation.to_owned(),
        customer: name,
        method: request.method.as_str().to_owned(),
        path: request.path.clone(),
        query: request.raw_query.clone(),
        headers: redacted(&request.headers),
        body_bytes: request.body.len(),
        status: None,
        fault: plan.rule.is_some() || plan.latency_ms > 0,
    };
    plan.latency_ms += u64::from(world.settings.latency_ms);
    (route, world.log.arrived(entry), mode, plan)
}

/// Carries out a rule; `truth` is the answer that would have been right.
async fn go_wrong(
    rule: &FaultRule,
    request: &Request,
    truth: Option<Answer>,
) -> Result<Response<Body>, Dropped> {
    if rule.hang {
        return hang().await;
    }
    if rule.reset {
        return Err(Dropped);
    }
    // Made-up bodies come in the type that was asked for, so that only they are wrong.
    let asked = request.header("accept").and_then(|accept| accept.split(',').next());
    let asked = asked.filter(|range| !range.contains('*')).unwrap_or("text/xml").trim();
    if let Some(bytes) = rule.huge_body {
        return Ok(huge(bytes, asked));
    }
    let made_up = rule.reply().map(|mut reply| {
        if let Some(status) = rule.status.filter(|_| rule.style.is_none()) {
            if rule.body.is_none() {
                let headers = std::mem::take(&mut reply.headers);
                reply = answer::page(status);
                let kept = headers.into_iter().filter(|(name, _)| name != "content-type");
                reply.headers.extend(kept);
            }
        } else if let Some(garbage) = &rule.garbage {
            reply = reply.typed(asked, garbage.clone());
        }
        Answer::plain(reply)
    });
    let mut answer = made_up.or(truth).unwrap_or_else(|| Answer::page(500));
    answer.document = rule.document.or(answer.document);
    if rule.cut_body.is_none() && rule.slow_body_ms == 0 {
        return answer.send().await;
    }
    let whole = answer.send().await?;
    let (parts, body) = whole.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let mut reply = answer::empty(parts.status.as_u16());
    reply.body = body;
    let mut response = match rule.cut_body {
        Some(sent) => cut(reply, sent, ""),
        None => slow(reply, rule.slow_body_ms, ""),
    };
    for (name, value) in &parts.headers {
        if name != "content-length" {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}

/// A document of about `bytes` bytes, made while it is sent.
fn huge(bytes: u64, content_type: &str) -> Response<Body> {
    let chunks = usize::try_from(bytes / CHUNK).unwrap_or(usize::MAX);
    let filler = Bytes::from(vec![b'x'; usize::try_from(CHUNK).unwrap_or_default()]);
    let start = Bytes::from_static(b"<?xml version=\"1.0\" encoding=\"utf-8\"?><huge>");
    let all = stream::iter([start])
        .chain(stream::repeat(filler).take(chunks))
        .chain(stream::iter([Bytes::from_static(b"</huge>")]))
        .map(Ok::<Bytes, std::convert::Infallible>);
    let mut response = answer::empty(200).typed(content_type, Bytes::new()).into_response("");
    *response.body_mut() = Body::from_stream(all);
    mark(&mut response);
    response
}

/// What stands where a region's name stands for other requests.
pub(in super::super) const LISTENER: &str = "storefront";
/// The request limit of a shipped server.
const MAX_BODY: usize = 4096 * 1024;
const READ_TIMEOUT: Duration = Duration::from_mins(1);
const CHUNK: u64 = 64 * 1024;
