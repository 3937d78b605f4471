//! Every failure as a problem document (RFC 9457), and the one place where failures of the other
//! rooms get an HTTP face.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::OriginalUri,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    headers::{REQUEST_ID, mark},
    views::{CompletenessView, SourceView},
};
use crate::{
    auth::{Exceeded, Refused},
    domain::{Origin, ProblemCode, RequestId},
    operations,
    services::{Candidate, Completeness, Error, UpstreamFault},
};

/// A failure on its way to the caller.
#[derive(Clone, Debug)]
pub struct Problem(Arc<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    code: ProblemCode,
    origin: Origin,
    detail: String,
    retry_after: Option<Duration>,
    errors: Vec<FieldError>,
    candidates: Vec<Candidate>,
    completeness: Option<CompletenessView>,
    sources: Vec<SourceView>,
    upstream: Option<UpstreamView>,
    outcome_unknown: bool,
    /// Whether the caller speaks to Citrix's paths, and expects to be answered as Citrix would.
    drop_in: bool,
    /// For the log alone.
    cause: Option<String>,
}

/// The body of every answer that is not a success (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemView {
    /// Path of the page that explains the code.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not_found")]
    kind: String,
    /// What happened, the same for every occurrence.
    title: &'static str,
    /// The HTTP status, again.
    status: u16,
    /// `detail` under the name that scripts written for Citrix read; on Citrix's own paths only.
    #[serde(rename = "ErrorMessage", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    error_message: Option<String>,
    /// What happened this time.
    detail: String,
    /// Path of the request that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// Stable name of the problem. Together with `origin` this is what programs may rely on.
    #[schema(value_type = String, example = "not_found")]
    code: &'static str,
    /// What to do now.
    fix: &'static str,
    /// Whose move it is.
    origin: Origin,
    /// Whether the same request can succeed later.
    retryable: bool,
    /// The id under which the gateway's log knows this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// For actions whose result nobody knows: `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    outcome: Option<&'static str>,
    /// What Citrix said, where it was Citrix.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<UpstreamView>,
    /// Each place in the request that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The things that an ambiguous name could mean.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Candidate>,
    /// How many sources of a list answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    completeness: Option<CompletenessView>,
    /// Every source of a list and what became of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<SourceView>,
}

/// One place in a request that is wrong.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or `/` and the name of a query parameter.
    pub(crate) pointer: String,
    /// What is wrong there and what to write instead.
    pub(crate) detail: String,
}

/// The JSON pointer (RFC 6901, section 3) to a place.
pub(crate) fn pointer<S: AsRef<str>>(path: impl IntoIterator<Item = S>) -> String {
    let escaped = |name: S| format!("/{}", name.as_ref().replace('~', "~0").replace('/', "~1"));
    path.into_iter().map(escaped).collect()
}

/// What Citrix said. Only fields that could be decoded; never a body as it came.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpstreamView {
    /// Which of its services: `daas`, `registry`, `core`, `notifications`, `token`.
    service: &'static str,
    /// In which region.
    region: String,
    /// The status it answered with, if it answered.
    status: Option<u16>,
    /// Its own code for the fault.
    code: Option<String>,
    /// Its own words.
    message: Option<String>,
    /// The id that Citrix's support asks for.
    transaction_id: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self(Arc::new(Parts {
            code,
            origin: code.origin(),
            detail: detail.into(),
            retry_after: None,
            errors: Vec::new(),
            candidates: Vec::new(),
            completeness: None,
            sources: Vec::new(),
            upstream: None,
            outcome_unknown: false,
            drop_in: false,
            cause: None,
        }))
    }

    /// A request that is wrong in the places named.
    pub(crate) fn invalid(code: ProblemCode, errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map_or_else(String::new, |error| error.detail.clone());
        let mut problem = Self::new(code, detail);
        problem.parts().errors = errors;
        problem
    }

    /// A request that is wrong in one place.
    pub(crate) fn invalid_at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let error = FieldError { pointer: pointer.into(), detail: detail.into() };
        Self::invalid(ProblemCode::InvalidRequest, vec![error])
    }

    #[cfg(test)]
    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    pub(crate) fn caused_by(mut self, cause: &dyn std::error::Error) -> Self {
        let mut text = cause.to_string();
        let mut next = cause.source();
        while let Some(cause) = next {
            text = format!("{text}: {cause}");
            next = cause.source();
        }
        self.parts().cause = Some(text);
        self
    }

    /// Says when the same request can succeed.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.parts().retry_after = Some(wait);
        self
    }

    /// The same for a caller of Citrix's paths.
    pub(crate) fn for_drop_in(mut self) -> Self {
        self.parts().drop_in = true;
        self
    }

    pub(crate) fn code(&self) -> ProblemCode {
        self.0.code
    }

    /// The cause, for the log alone.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The answer with everything that is known of the request.
    pub(crate) fn render(&self, request_id: &RequestId, instance: Option<&str>) -> Response {
        let parts = self.0.as_ref();
        let code = parts.code;
        let body = ProblemView {
            kind: format!("/problems/{code}"),
            title: code.title(),
            status: self.status().as_u16(),
            error_message: parts.drop_in.then(|| parts.detail.clone()),
            detail: parts.detail.clone(),
            instance: instance.map(ToOwned::to_owned),
            code: code.as_str(),
            fix: code.fix(),
            origin: parts.origin,
            retryable: code.retryable(),
            request_id: Some(request_id.as_str().to_owned()),
            outcome: parts.outcome_unknown.then_some("unknown"),
            upstream: parts.upstream.clone(),
            errors: parts.errors.clone(),
            candidates: parts.candidates.clone(),
            completeness: parts.completeness.clone(),
            sources: parts.sources.clone(),
        };
        let status = self.status();
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(completeness) = &parts.completeness {
            completeness.mark(headers);
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = match code {
                // The second is about a user's sign-in to a store: the credential is fine.
                ProblemCode::CredentialsMissing | ProblemCode::StoreSessionExpired => {
                    r#"Bearer realm="cwsgate""#
                }
                _ => r#"Bearer realm="cwsgate", error="invalid_token""#,
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let wait = parts.retry_after.unwrap_or(DEFAULT_RETRY_AFTER);
            // Rounded up: a second too early is a failure more.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        } else if let Some(wait) = parts.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }

    fn status(&self) -> StatusCode {
        match self.0.code {
            // Clients of Citrix's wait and try again after a 429, and know it from Citrix.
            ProblemCode::UpstreamRateLimited if self.0.drop_in => StatusCode::TOO_MANY_REQUESTS,
            code => {
                StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    fn parts(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }
}

/// Leaves the body to the edge of the API, which knows the request id and the path.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let mut problem = Self::new(error.code(), error.to_string()).caused_by(&error);
        let parts = problem.parts();
        parts.retry_after = error.retry_after();
        parts.outcome_unknown = error.outcome_unknown();
        parts.upstream = error.upstream().map(UpstreamView::from);
        match error {
            Error::Invalid { pointer, detail } => parts.errors.push(FieldError { pointer, detail }),
            Error::AmbiguousName { candidates } | Error::AmbiguousSite { candidates } => {
                parts.candidates = candidates;
            }
            Error::Sources { sources, .. } => {
                parts.completeness = Some(Completeness::of(&sources).into());
                parts.sources = sources.into_iter().map(SourceView::from).collect();
            }
            Error::Denied(_)
            | Error::NotFound
            | Error::InvalidPageToken
            | Error::QuotaExceeded(_)
            | Error::MachineInUse { .. }
            | Error::Misconfigured { .. }
            | Error::NotCached
            | Error::DeadlineExceeded
            | Error::TimedOut
            | Error::Store { .. }
            | Error::UnreadablePowerOff(_)
            | Error::StoreIncomplete(_)
            | Error::StoreSessionExpired
            | Error::FailedEarlier(_)
            | Error::Upstream(_)
            | Error::Body(_)
            | Error::Superseded
            | Error::AuditUnavailable(_)
            | Error::KeysUnavailable(_)
            | Error::Internal => {}
        }
        problem
    }
}

impl From<operations::Error> for Problem {
    fn from(error: operations::Error) -> Self {
        use operations::Error as E;
        let mut problem = Self::new(error.code(), error.to_string()).caused_by(&error);
        let parts = problem.parts();
        match error {
            E::Service(error) => return error.into(),
            E::Invalid { pointer, detail } => parts.errors.push(FieldError { pointer, detail }),
            E::NotFound { pointer: Some(pointer) } => {
                let detail = "this names nothing that this app may see".to_owned();
                parts.errors.push(FieldError { pointer, detail });
            }
            E::TooManyTargets { targets, .. } => {
                let detail = format!("{targets} targets are within reach");
                parts.errors.push(FieldError { pointer: "/options/maxTargets".into(), detail });
            }
            E::PlanIncomplete { sources } => {
                parts.retry_after =
                    sources.iter().filter_map(|source| source.error.as_ref()?.retry_after()).min();
                parts.completeness = Some(Completeness::of(&sources).into());
                parts.sources = sources.into_iter().map(SourceView::from).collect();
            }
            E::NotFinished { .. } => parts.retry_after = Some(Duration::from_secs(2)),
            E::NotFound { pointer: None }
            | E::PlanExpired
            | E::NotFullySucceeded { .. }
            | E::Store(_)
            | E::Unreadable => {}
        }
        problem
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Missing => Self::new(
                ProblemCode::CredentialsMissing,
                "the request has neither an Authorization nor an X-Api-Key header",
            ),
            Refused::TokenExpired => {
                Self::new(ProblemCode::CredentialsExpired, "the token's time is over")
            }
            Refused::IdentityUnavailable { retry_after } => {
                let detail = "the token cannot be checked: its issuer does not answer";
                Self::new(ProblemCode::IdentityUnavailable, detail).retry_after(retry_after)
            }
            Refused::TooManyFailures { retry_after } => {
                let detail = "too many credentials from this address were not accepted";
                Self::new(ProblemCode::QuotaExceeded, detail).retry_after(retry_after)
            }
            // Which of these it was helps guessing, so only the log is told.
            Refused::Malformed
            | Refused::Unknown
            | Refused::WrongSecret
            | Refused::Expired
            | Refused::ForeignKey
            | Refused::TokenTooLong
            | Refused::MalformedToken(_)
            | Refused::Header(_)
            | Refused::Algorithm
            | Refused::UnknownIssuer
            | Refused::Claim(_)
            | Refused::ForeignAudience
            | Refused::NotYetValid
            | Refused::NoApp
            | Refused::AmbiguousApp
            | Refused::UnknownSigningKey
            | Refused::BadSignature
            | Refused::KeyRevoked => {
                Self::new(ProblemCode::CredentialsInvalid, "the credential is not accepted")
                    .caused_by(&refused)
            }
        }
    }
}

impl From<Exceeded> for Problem {
    fn from(exceeded: Exceeded) -> Self {
        Error::QuotaExceeded(exceeded).into()
    }
}

impl From<UpstreamFault> for UpstreamView {
    fn from(fault: UpstreamFault) -> Self {
        let UpstreamFault { service, region, status, code, message, transaction_id, .. } = fault;
        Self { service, region, status, code, message, transaction_id }
    }
}

/// The answer to a request that never reached a route.
pub fn refuse(code: ProblemCode, detail: &str) -> Response {
    let id = RequestId::generate();
    // Whom it was meant for is not known, so that every kind of caller must find what it reads.
    let mut response = Problem::new(code, detail).for_drop_in().render(&id, None);
    // Such an answer does not pass the edge, which does this for all others.
    mark(&mut response, &id);
    response
}

/// What is answered where no route matches.
pub(super) async fn no_route() -> Problem {
    Problem::new(ProblemCode::NotFound, "there is no such thing, or this app may not see it")
}

/// What is answered where the path has no such method.
pub(super) async fn no_method(method: Method, OriginalUri(uri): OriginalUri) -> Problem {
    let detail = format!("{} does not know {method}", uri.path());
    Problem::new(ProblemCode::MethodNotAllowed, detail)
}

/// Media type of problem documents.
const PROBLEM_JSON: &str = "application/problem+json; charset=utf-8";

/// What `Retry-After` says where nobody gave a hint.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);
