use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::Instant;

use super::{
    ApiState, Deadlines,
    caching::{self, Conditions},
    format::Format,
    problem::Problem,
    quota,
};
use crate::{
    auth::{Credential, CredentialError},
    domain::{AppName, CallContext, ClientAddr, ProblemCode, RequestId},
};

/// When a request came, and how long it may take as far as its caller and its app decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    received: Instant,
    /// What the caller asked for.
    asked: Option<Duration>,
    /// What its app has at the most.
    longest: Duration,
}

impl Deadline {
    /// The deadline of a call that has `usual` unless somebody said otherwise.
    pub(crate) fn unless_asked(&self, usual: Duration) -> Instant {
        self.received + self.asked.unwrap_or(usual).min(self.longest)
    }
}

/// The app of a request, for the access line.
#[derive(Clone, Debug)]
pub(crate) struct KnownApp(pub(crate) AppName);

/// Lets nothing through to the routes under `/v1` that has no accepted credential. The body has
/// not been read yet.
pub(crate) async fn authenticate(
    State(api): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let (mut head, body) = request.into_parts();
    let conditions = Conditions::of(&head.method, &head.headers);
    let (ctx, deadline) = match context(&api, &head).await {
        Ok(found) => found,
        Err(problem) => return problem.into_response(),
    };
    if Format::wanted(&head.headers).is_none() {
        let detail = "every answer here is JSON; Accept rules it out";
        return Problem::new(ProblemCode::NotAcceptable, detail).into_response();
    }
    let app = KnownApp(ctx.principal.app.clone());
    let (standing, counted) = quota::count(&api, &app.0);
    let mut response = match counted {
        Ok(()) => {
            head.extensions.insert(deadline);
            head.extensions.insert(ctx.clone());
            let response = next.run(Request::from_parts(head, body)).await;
            conditions.complete(&ctx, response).await
        }
        Err(exceeded) => exceeded.into_response(),
    };
    response.extensions_mut().insert(app);
    note_upstream(&ctx, response.headers_mut());
    quota::show(standing.as_ref(), response.headers_mut());
    response
}

/// Who calls, and until when.
pub(crate) async fn context(
    api: &ApiState,
    head: &Parts,
) -> Result<(CallContext, Deadline), Problem> {
    let (received, headers) = (Instant::now(), &head.headers);
    let address = head.extensions.get::<ClientAddr>().map(|client| client.0);
    let credential = Credential::from_headers(headers).map_err(|error| match error {
        // RFC 9110 section 15.5.2: none that can be used here, whatever else it is.
        CredentialError::Malformed => Problem::from(api.authenticator.refuse_unreadable(address)),
        // RFC 6750 section 3.1: more than one method is a request that makes no sense.
        CredentialError::Conflicting => Problem::invalid_at("/Authorization", error.to_string()),
    })?;
    let principal = api.authenticator.authenticate(credential.as_ref(), address).await?;
    let limits = &api.deadlines;
    let asked = asked_deadline(headers, limits)?;
    let longest = limits.of_apps.get(&principal.app).copied().unwrap_or(limits.max);
    let deadline = Deadline { received, asked, longest };
    let request_id =
        head.extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::generate);
    let until = deadline.unless_asked(limits.default);
    let mut ctx = CallContext::new(principal, until, request_id);
    ctx.freshness = caching::freshness(headers);
    ctx.on_behalf_of = headers
        .get(&ON_BEHALF_OF)
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.is_empty() && value.len() <= MAX_ON_BEHALF_OF)
        .map(ToOwned::to_owned);
    Ok((ctx, deadline))
}

/// The deadline the caller asks for.
fn asked_deadline(headers: &HeaderMap, limits: &Deadlines) -> Result<Option<Duration>, Problem> {
    let Some(value) = headers.get(&DEADLINE) else { return Ok(None) };
    let millis = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
    let asked = millis.map(Duration::from_millis);
    asked.filter(|asked| !asked.is_zero() && *asked <= limits.max).map(Some).ok_or_else(|| {
        let max = limits.max.as_millis();
        Problem::invalid_at(
            "/Cwsgate-Deadline-Ms",
            format!("Cwsgate-Deadline-Ms must be a whole number of milliseconds from 1 to {max}"),
        )
    })
}

/// Says under which id Citrix knows the request, and whether it was Citrix at all.
pub(crate) fn note_upstream(ctx: &CallContext, headers: &mut HeaderMap) {
    if ctx.asked_upstream()
        && !headers.contains_key(&TRANSACTION_ID)
        && let Ok(id) = HeaderValue::try_from(ctx.transaction_id.to_string())
    {
        headers.insert(TRANSACTION_ID, id);
    }
    if ctx.simulated() {
        headers.insert(UPSTREAM, HeaderValue::from_static("simulator"));
    }
    // An answer depends on who asks.
    headers.append(header::VARY, HeaderValue::from_static("Authorization, X-Api-Key, Accept"));
}

const DEADLINE: HeaderName = HeaderName::from_static("cwsgate-deadline-ms");
const ON_BEHALF_OF: HeaderName = HeaderName::from_static("cwsgate-on-behalf-of");
const TRANSACTION_ID: HeaderName = HeaderName::from_static("citrix-transactionid");
const UPSTREAM: HeaderName = HeaderName::from_static("cwsgate-upstream");

/// Longest name of a person that is taken over.
const MAX_ON_BEHALF_OF: usize = 256;
