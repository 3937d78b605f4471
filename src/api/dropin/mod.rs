//! The drop-in surface: Citrix's own paths, so that what was written for Citrix works by changing
//! the host.
//!
//! These paths are no routes of the router: Citrix matches its paths without case, and the same
//! value that is routed must be the one that is authorized and sent on. The router's fallback asks
//! [`DropInPath`] whether a path is one of them; no other path is, and those are not found.
//!
//! Status and body are Citrix's. What the gateway itself refuses is a problem document that also
//! carries `ErrorMessage`, which scripts written for Citrix print.
//!
//! The token service is answered before them: it has no credential in its headers.

mod token;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts, uri::Authority},
    response::{IntoResponse, Response},
};
use http_body::Body as _;
use uuid::Uuid;

use super::{
    ApiState,
    authenticate::{KnownApp, context, note_upstream},
    edge::RouteTemplate,
    problem::{Problem, no_route},
    quota,
};
use crate::{
    domain::{CallContext, ProblemCode, Via, is_loopback},
    services::{DropInCall, DropInPath},
};

/// Answers what no route of ours has answered.
pub(super) async fn pass(State(api): State<ApiState>, request: Request) -> Response {
    if token::is_its(request.uri().path()) {
        return token::serve(&api, request).await;
    }
    let Some(path) = DropInPath::of(request.uri().path()) else {
        return no_route().await.into_response();
    };
    let template = RouteTemplate(path.surface().template());
    let (head, body) = request.into_parts();
    let mut response = match caller(&api, &head).await {
        Ok(ctx) => answer(&api, &ctx, path, head, body).await,
        Err(problem) => refused(problem),
    };
    response.extensions_mut().insert(template);
    response
}

/// What a known caller is told, and beside it where its app stands and whether Citrix was asked.
async fn answer(
    api: &ApiState,
    ctx: &CallContext,
    path: DropInPath,
    head: Parts,
    body: Body,
) -> Response {
    let app = &ctx.principal.app;
    let (standing, counted) = quota::count(api, app);
    let passed = match counted {
        Ok(()) => passed(api, ctx, path, head, body).await,
        Err(exceeded) => Err(exceeded),
    };
    let mut response = passed.unwrap_or_else(refused);
    note_upstream(ctx, response.headers_mut());
    quota::show(standing.as_ref(), response.headers_mut());
    response.extensions_mut().insert(KnownApp(app.clone()));
    response
}

async fn passed(
    api: &ApiState,
    ctx: &CallContext,
    path: DropInPath,
    head: Parts,
    body: Body,
) -> Result<Response, Problem> {
    if !METHODS.contains(&head.method) {
        let detail = format!("{} does not know {}", head.uri.path(), head.method);
        return Err(Problem::new(ProblemCode::MethodNotAllowed, detail));
    }
    let gateway = gateway(api.access.tls, &head);
    let call = DropInCall {
        path,
        method: head.method,
        query: head.uri.query().map(ToOwned::to_owned),
        gateway,
        headers: head.headers,
        body: (!body.is_end_stream()).then_some(body),
    };
    Ok(api.services.passthrough.pass(ctx, call).await?)
}

/// Who calls. Citrix itself gives up after some 90 seconds, and so do its clients, which know of no
/// deadline: they get the longest there is.
async fn caller(api: &ApiState, head: &Parts) -> Result<CallContext, Problem> {
    let (mut ctx, deadline) = context(api, head).await?;
    ctx.via = Via::DropIn;
    ctx.deadline = deadline.unless_asked(api.deadlines.max);
    if let Some(id) = transaction(&head.headers) {
        ctx.transaction_id = id;
    }
    Ok(ctx)
}

/// The id that Citrix's clients give their calls, by which they find them again.
fn transaction(headers: &HeaderMap) -> Option<Uuid> {
    headers.get(TRANSACTION_ID)?.to_str().ok()?.trim().parse().ok()
}

/// Where the caller reaches the gateway. Elsewhere than on loopback a plain listener has a proxy
/// before it that ends TLS, so that nobody here knows the address: paths are right in any case.
fn gateway(tls: bool, head: &Parts) -> Option<HeaderValue> {
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has it beside the path (RFC 9113, section 8.3.1).
    let host = host.or_else(|| head.uri.authority().map(Authority::as_str))?;
    let scheme = if tls { "https" } else { "http" };
    let url = url::Url::parse(&format!("{scheme}://{host}")).ok()?;
    let known = tls || is_loopback(&url.host()?);
    if known { HeaderValue::try_from(format!("{scheme}://{host}")).ok() } else { None }
}

fn refused(problem: Problem) -> Response {
    problem.for_drop_in().into_response()
}

const TRANSACTION_ID: HeaderName = HeaderName::from_static("citrix-transactionid");

/// What Citrix's services know; anything else has no meaning that could be authorized.
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
