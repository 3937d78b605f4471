//! Extractors of our own, so that a malformed request is a problem document too.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::{ApiState, authenticate::Deadline, body::decode, params::FromQuery, problem::Problem};
use crate::{
    domain::{CallContext, ProblemCode},
    services::Wildcard,
};

/// The caller of a reading call.
pub(crate) struct Caller(pub(crate) CallContext);

/// The caller of a call that acts on machines or sessions, which may take longer.
pub(crate) struct ActingCaller(pub(crate) CallContext);

/// The caller of a call that waits for something, which takes as long as may be.
pub(crate) struct WaitingCaller(pub(crate) CallContext);

/// The parts of the path.
pub(crate) struct Path<T>(pub(crate) T);

/// The query. `Query<()>` takes none.
pub(crate) struct Query<T>(pub(crate) T);

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON body that may be left out, whatever `Content-Type` says then.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        context(parts).map(Self)
    }
}

impl FromRequestParts<ApiState> for WaitingCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let mut ctx = context(parts)?;
        if let Some(deadline) = parts.extensions.get::<Deadline>() {
            ctx.deadline = deadline.unless_asked(state.deadlines.max);
        }
        Ok(Self(ctx))
    }
}

impl FromRequestParts<ApiState> for ActingCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let mut ctx = context(parts)?;
        if let Some(deadline) = parts.extensions.get::<Deadline>() {
            ctx.deadline = deadline.unless_asked(state.deadlines.action);
        }
        Ok(Self(ctx))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(Problem::invalid_at("/", rejection.body_text())),
        }
    }
}

impl<T: FromQuery, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        T::from_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<T: DeserializeOwned + ToSchema, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let body = read(request, state).await?;
        let body = trimmed(&body);
        if body.is_empty() {
            return Err(Problem::invalid_at("", "this call needs a JSON body"));
        }
        require_json(&headers)?;
        decode(body).map(Self)
    }
}

impl<T: DeserializeOwned + ToSchema + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let body = read(request, state).await?;
        let body = trimmed(&body);
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        require_json(&headers)?;
        decode(body).map(Self)
    }
}

/// The one customer of a path that must not name several.
pub(crate) fn one_customer(customer: &str) -> Result<&str, Problem> {
    if customer == "-" {
        return Err(Problem::invalid_at(
            "/customer",
            "`-` stands for all customers and is for lists only; name the one that is meant",
        ));
    }
    Ok(customer)
}

/// A path segment that may stand for all (`-`).
pub(crate) fn wildcard<T>(segment: &str) -> Result<Wildcard<T>, Problem>
where
    T: for<'a> TryFrom<&'a str, Error: std::fmt::Display>,
{
    if segment == "-" { Ok(Wildcard::All) } else { named(segment).map(Wildcard::One) }
}

/// A path segment that names something.
pub(crate) fn named<T>(segment: &str) -> Result<T, Problem>
where
    T: for<'a> TryFrom<&'a str, Error: std::fmt::Display>,
{
    T::try_from(segment)
        .map_err(|error: <T as TryFrom<&str>>::Error| Problem::invalid_at("/", error.to_string()))
}

fn context(parts: &Parts) -> Result<CallContext, Problem> {
    parts.extensions.get::<CallContext>().cloned().ok_or_else(|| {
        // A route outside of the authenticated router: refuse rather than guess.
        Problem::new(ProblemCode::CredentialsMissing, "this route knows no caller")
    })
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| body_problem(&rejection))
}

/// Why a body could not be read: too long, too slow, or broken off.
pub(crate) fn body_problem(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = "the request body is larger than this gateway takes";
        return Problem::new(ProblemCode::PayloadTooLarge, detail);
    }
    Problem::new(ProblemCode::InvalidRequest, "the request body did not arrive whole and in time")
        .caused_by(rejection)
}

/// The body without a byte order mark, which some clients put before it, and without the white
/// space around it.
fn trimmed(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii()
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let stated = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let stated = stated.unwrap_or_default();
    let mut parts = stated.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if json && utf8 {
        return Ok(());
    }
    let detail = if stated.is_empty() {
        "the request has a body and no Content-Type".to_owned()
    } else {
        format!("the body is announced as {stated:?}")
    };
    Err(Problem::new(ProblemCode::UnsupportedMediaType, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_accepted() {
        assert_eq!(trimmed(b"\xEF\xBB\xBF {} "), b"{}");
    }
}
