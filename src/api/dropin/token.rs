//! The token endpoint: an app's name and API key stand where a Citrix API client's id and secret
//! stood (RFC 6749 section 4.4).

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Limited};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    api::{
        ApiState,
        authenticate::KnownApp,
        edge::{RouteTemplate, Told},
        problem::Problem,
        quota,
    },
    auth::{CannotIssue, Exceeded, IssuedToken, Refused},
    domain::{ClientAddr, ProblemCode},
};

/// Whether a path is the endpoint's. `root` or a customer's id stands in it, and makes no
/// difference: what a caller may do hangs on its grants.
pub(super) fn is_its(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let customer =
        lower.strip_prefix("/cctrustoauth2/").and_then(|rest| rest.strip_suffix("/tokens/clients"));
    customer.is_some_and(|customer| !customer.is_empty() && !customer.contains('/'))
}

/// Answers on such a path.
pub(super) async fn serve(api: &ApiState, request: Request) -> Response {
    let mut response = if request.method() == Method::POST {
        issue_token(api, request).await.into_response()
    } else {
        let detail = format!("{} does not know {}", request.uri().path(), request.method());
        let problem = Problem::new(ProblemCode::MethodNotAllowed, detail);
        let allow = [(header::ALLOW, HeaderValue::from_static("POST"))];
        (allow, problem.for_drop_in()).into_response()
    };
    response.extensions_mut().insert(RouteTemplate(TEMPLATE));
    response
}

/// What Citrix's token service answers.
#[derive(Serialize)]
struct TokenView<'a> {
    token_type: &'static str,
    access_token: &'a str,
    /// Seconds, as text: clients of Citrix read it so.
    expires_in: String,
}

/// A refusal as RFC 6749 section 5.2 has it, and as scripts for Citrix's APIs print it.
#[derive(Debug)]
struct OAuthError {
    status: StatusCode,
    code: &'static str,
    description: &'static str,
    retry_after: Option<Duration>,
    /// The same in the gateway's words, for the log: what the client is not told is in it.
    problem: Problem,
}

#[derive(Serialize)]
struct OAuthErrorView {
    error: &'static str,
    error_description: &'static str,
    #[serde(rename = "ErrorMessage")]
    error_message: &'static str,
}

/// What a client says of itself.
#[derive(Default)]
struct Client {
    id: Option<String>,
    secret: Option<SecretString>,
}

async fn issue_token(api: &ApiState, request: Request) -> Result<Response, OAuthError> {
    let (head, body) = request.into_parts();
    let mut client = from_header(&head.headers)?;
    let body = read_form(&head.headers, body).await?;
    client.read_form(&body)?;
    let (Some(id), Some(secret)) = (client.id, client.secret) else {
        return Err(invalid_client(Refused::Missing));
    };
    let address = head.extensions.get::<ClientAddr>().map(|client| client.0);
    let (app, issued) = api.authenticator.issue(&id, &secret, address).map_err(refusal)?;
    let standing = api.quotas.request(&app).map_err(over_quota)?;
    let mut response = answer(&issued);
    quota::show(standing.as_ref(), response.headers_mut());
    response.extensions_mut().insert(KnownApp(app));
    Ok(response)
}

impl Client {
    /// Reads the form over what the header said; saying a thing twice is a mistake of somebody.
    fn read_form(&mut self, form: &[u8]) -> Result<(), OAuthError> {
        let mut grant = None;
        for (name, value) in url::form_urlencoded::parse(form) {
            let twice = match &*name {
                "grant_type" => grant.replace(value.into_owned()).is_some(),
                "client_id" => self.id.replace(value.into_owned()).is_some(),
                "client_secret" => {
                    let value = Zeroizing::new(value.into_owned());
                    self.secret.replace(SecretString::from(value.as_str())).is_some()
                }
                _ => false,
            };
            if twice {
                return Err(invalid_request("A parameter or the client stands in it twice."));
            }
        }
        match grant.as_deref() {
            Some("client_credentials") => Ok(()),
            Some(_) => Err(OAuthError {
                code: "unsupported_grant_type",
                ..invalid_request("The only grant_type here is client_credentials.")
            }),
            None => Err(invalid_request("The form holds no grant_type.")),
        }
    }
}

/// The client as HTTP Basic names it (RFC 6749 section 2.3.1).
fn from_header(headers: &HeaderMap) -> Result<Client, OAuthError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Client::default()) };
    let decoded = || {
        let (scheme, encoded) = value.to_str().ok()?.trim().split_once(' ')?;
        let bytes = STANDARD.decode(encoded.trim()).ok().map(Zeroizing::new)?;
        let text =
            std::str::from_utf8(&bytes).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"));
        let (id, secret) = text?.split_once(':')?;
        Some(Client { id: Some(unescaped(id)?), secret: Some(unescaped(secret)?.into()) })
    };
    decoded().ok_or_else(|| invalid_client(Refused::Malformed))
}

/// Both halves are form-encoded before they are joined.
fn unescaped(text: &str) -> Option<String> {
    let text = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
    Some(text.into_owned())
}

async fn read_form(headers: &HeaderMap, body: Body) -> Result<Zeroizing<Vec<u8>>, OAuthError> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(invalid_request("Send the parameters as application/x-www-form-urlencoded."));
    }
    match Limited::new(body, MAX_FORM).collect().await {
        Ok(whole) => Ok(Zeroizing::new(whole.to_bytes().to_vec())),
        Err(_) => Err(invalid_request("The body is too large or was cut off.")),
    }
}

fn answer(issued: &IssuedToken) -> Response {
    let view = TokenView {
        token_type: "bearer",
        access_token: issued.token.expose_secret(),
        expires_in: issued.expires_in.as_secs().to_string(),
    };
    unstored(Json(view).into_response())
}

fn refusal(error: CannotIssue) -> OAuthError {
    match error {
        CannotIssue::Internal(cause) => OAuthError {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "server_error",
            description: "The gateway failed.",
            retry_after: None,
            problem: Problem::new(ProblemCode::Internal, "no token was signed").caused_by(&cause),
        },
        CannotIssue::Refused(refused @ Refused::TooManyFailures { retry_after }) => OAuthError {
            status: StatusCode::TOO_MANY_REQUESTS,
            description: "Too many requests with a wrong client id or secret.",
            retry_after: Some(retry_after),
            ..invalid_client(refused)
        },
        CannotIssue::Refused(refused) => invalid_client(refused),
    }
}

/// What Citrix says of a wrong client id or secret: 400, not 401. Which of the many things was wrong
/// helps guessing, so that only the log is told.
fn invalid_client(refused: Refused) -> OAuthError {
    OAuthError {
        status: StatusCode::BAD_REQUEST,
        code: "invalid_client",
        description: "Invalid client id or client secret.",
        retry_after: None,
        problem: refused.into(),
    }
}

/// RFC 6749 has no code for it here; this one, of its section 4.1.2.1, says that waiting helps.
fn over_quota(exceeded: Exceeded) -> OAuthError {
    OAuthError {
        status: StatusCode::TOO_MANY_REQUESTS,
        code: "temporarily_unavailable",
        description: "This app has made as many requests as it may.",
        retry_after: Some(exceeded.retry_after),
        problem: exceeded.into(),
    }
}

fn invalid_request(description: &'static str) -> OAuthError {
    OAuthError {
        status: StatusCode::BAD_REQUEST,
        code: "invalid_request",
        description,
        retry_after: None,
        problem: Problem::new(ProblemCode::InvalidRequest, description),
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let view = OAuthErrorView {
            error: self.code,
            error_description: self.description,
            error_message: self.description,
        };
        let mut response = unstored((self.status, Json(view)).into_response());
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        response.extensions_mut().insert(Told(self.problem));
        response
    }
}

fn unstored(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// For logs and metrics.
const TEMPLATE: &str = "/cctrustoauth2/{customer}/tokens/clients";

/// Bytes of a form: several times what an app's name and key take.
const MAX_FORM: usize = 16 * 1024;
