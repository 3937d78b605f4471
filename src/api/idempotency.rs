//! `Idempotency-Key`: the same request twice is carried out once.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, MatchedPath, OriginalUri, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::{ApiState, extract::body_problem, problem::Problem};
use crate::{
    domain::{CallContext, ProblemCode},
    services::{KeptAnswer, KeptHeader, Reservation},
};

/// Reserves the key of a POST that acts, carries the request out in a task of its own, which a
/// caller who hangs up does not end, and keeps the answer. Without a key it does nothing.
pub(crate) async fn idempotency(
    State(api): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    match once(api, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn once(api: ApiState, request: Request, next: Next) -> Result<Response, Problem> {
    let Some(key) = key(&request)? else { return Ok(next.run(request).await) };
    let Some(mut ctx) = request.extensions().get::<CallContext>().cloned() else {
        return Ok(next.run(request).await);
    };
    let (mut parts, body) = request.into_parts();
    let body = Bytes::from_request(Request::new(body), &()).await;
    let body = body.map_err(|rejection| body_problem(&rejection))?;
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or_default());
    let users = USERS
        .map(|name| parts.headers.get(name).map_or("", |value| value.to_str().unwrap_or_default()));
    let fingerprint =
        fingerprint(&[parts.method.as_str(), &path, query, users[0], users[1]], &body);

    let keys = api.services.idempotency.clone();
    let busy = api.deadlines.max + GRACE;
    let id = match keys.reserve(&ctx.principal.app, &key, &fingerprint, busy).await? {
        Reservation::New(id) => id,
        Reservation::Answered(answer) => return replay(answer),
        Reservation::InProgress => {
            let detail = "the first request with this Idempotency-Key is still being worked on";
            let problem = Problem::new(ProblemCode::IdempotencyInProgress, detail);
            return Err(problem.retry_after(Duration::from_secs(1)));
        }
        Reservation::Reused => {
            let detail = "this Idempotency-Key came before, with another method, path, body or \
                          user of a store";
            return Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail));
        }
        Reservation::Lost => {
            let detail = "the gateway ended while it was doing this, before it knew the outcome; \
                          it does not do it again";
            let mut lost = Problem::new(ProblemCode::OutcomeUnknown, detail).into_response();
            lost.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            return Ok(lost);
        }
    };
    ctx.reservation = Some(id);
    parts.extensions.insert(ctx.clone());
    let request = Request::from_parts(parts, Body::from(body));
    let working = api.changes.clone().spawn(async move {
        let handled = tokio::spawn(next.run(request)).await;
        let response = handled.unwrap_or_else(|_| {
            let request = ctx.request_id.as_str();
            tracing::error!(cwsgate.request_id = request, "a handler panicked");
            Problem::new(ProblemCode::Internal, "a fault inside the gateway").into_response()
        });
        finish(&api, &ctx, id, &path, response).await
    });
    Ok(working.await.unwrap_or_else(|_| {
        Problem::new(ProblemCode::Internal, "a fault inside the gateway").into_response()
    }))
}

/// Keeps the answer if anything may have been done, and gives the key free if not.
async fn finish(
    api: &ApiState,
    ctx: &CallContext,
    id: Uuid,
    path: &str,
    response: Response,
) -> Response {
    let keys = &api.services.idempotency;
    let problem = response.extensions().get::<Problem>().cloned();
    let refused = problem.as_ref().is_some_and(|problem| !is_kept(ctx, problem.code()));
    let (result, response) = if refused {
        (keys.release(id).await, response)
    } else {
        let (answer, response) = match problem {
            Some(problem) => (read(problem.render(&ctx.request_id, Some(path))).await.0, response),
            None => read(response).await,
        };
        let kept = match answer {
            Some(mut answer) => {
                answer.headers.extend(of_upstream(ctx));
                keys.keep(id, &answer).await
            }
            None => Ok(()),
        };
        (kept, response)
    };
    if let Err(error) = result {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(
            cwsgate.request_id = ctx.request_id.as_str(),
            error.cause = source,
            "the answer to an Idempotency-Key could not be kept"
        );
    }
    response
}

/// Whether an answer that is no success is final: something was sent, and nothing proves that it
/// did nothing.
fn is_kept(ctx: &CallContext, code: ProblemCode) -> bool {
    use ProblemCode as Code;
    ctx.asked_for_change()
        && !matches!(
            code,
            Code::UpstreamUnavailable
                | Code::UpstreamRateLimited
                | Code::UpstreamTokenUnavailable
                | Code::UpstreamRejectedCredentials
                | Code::CredentialQuarantined
                | Code::SiteHibernated
                | Code::StoreSessionExpired
                | Code::DeadlineExceeded
        )
}

/// The answer as it is kept, and as it goes on.
async fn read(response: Response) -> (Option<KeptAnswer>, Response) {
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, MAX_ANSWER).await else {
        let problem = Problem::new(ProblemCode::Internal, "the answer could not be kept");
        return (None, problem.into_response());
    };
    let kept = std::str::from_utf8(&body).ok().map(|text| KeptAnswer {
        status: parts.status.as_u16(),
        headers: KEPT.iter().filter_map(|name| kept_header(&parts.headers, name)).collect(),
        body: text.to_owned(),
    });
    (kept, Response::from_parts(parts, Body::from(body)))
}

fn kept_header(headers: &HeaderMap, name: &HeaderName) -> Option<KeptHeader> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(KeptHeader(name.to_string(), value.to_owned()))
}

/// What a layer further out says of an answer for which Citrix was asked.
fn of_upstream(ctx: &CallContext) -> impl Iterator<Item = KeptHeader> {
    let id = ctx
        .asked_upstream()
        .then(|| KeptHeader("citrix-transactionid".to_owned(), ctx.transaction_id.to_string()));
    let simulated =
        ctx.simulated().then(|| KeptHeader("cwsgate-upstream".to_owned(), "simulator".to_owned()));
    id.into_iter().chain(simulated)
}

fn replay(answer: KeptAnswer) -> Result<Response, Problem> {
    let broken = || Problem::new(ProblemCode::Internal, "the kept answer cannot be read");
    let status = StatusCode::from_u16(answer.status).map_err(|_| broken())?;
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    for KeptHeader(name, value) in answer.headers {
        let name = HeaderName::try_from(name).map_err(|_| broken())?;
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| broken())?);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The key of a request that has one and may act. A sign-in changes nothing at Citrix, and its
/// answer is a secret that must not be kept; an operation is stored together with its key, so that
/// the same request finds it at once after a crash as well.
fn key(request: &Request) -> Result<Option<String>, Problem> {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let acts = request.method() == Method::POST
        && route.is_some_and(|route| {
            !route.ends_with("/sign-ins") && !route.starts_with("/v1/operations")
        });
    if acts { given_key(request.headers()) } else { Ok(None) }
}

/// The one key that the headers give.
pub(crate) fn given_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = given.next() else { return Ok(None) };
    let is_key = |text: &&str| {
        (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if let (Some(key), None) = (key.to_str().ok().filter(is_key), given.next()) {
        return Ok(Some(key.to_owned()));
    }
    let detail = format!(
        "Idempotency-Key must be one value of 1 to {MAX_KEY} visible ASCII characters, such as a \
         UUID"
    );
    Err(Problem::invalid_at("/Idempotency-Key", detail))
}

/// Tells one request from another. Lengths keep one part from sliding into its neighbour.
fn fingerprint(parts: &[&str], body: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts.iter().map(|part| part.as_bytes()).chain([body]) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    URL_SAFE_NO_PAD.encode(context.finish())
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What says for which user of a store a request is: the answer to one is not for another.
const USERS: [&str; 2] = ["cwsgate-store-session", "cwsgate-store-token"];

/// Headers of an answer that are part of it.
const KEPT: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::LOCATION, header::CACHE_CONTROL, header::RETRY_AFTER];

/// Longest key.
const MAX_KEY: usize = 255;

/// Bytes of an answer that is kept: what acts answers briefly.
const MAX_ANSWER: usize = 4 << 20;

/// Time for keeping an answer after the last moment of its call.
const GRACE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_request_can_slide_into_the_next() {
        let all = [
            fingerprint(&["POST", "/a", ""], b"bc"),
            fingerprint(&["POST", "/ab", ""], b"c"),
            fingerprint(&["POST", "/a", "b"], b"c"),
            fingerprint(&["POST", "/a", "bc"], b""),
            fingerprint(&["POS", "T/a", ""], b"bc"),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(all[0], fingerprint(&["POST", "/a", ""], b"bc"));
    }
}
