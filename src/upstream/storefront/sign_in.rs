//! Signing in: from the token service's challenge to a primary token.
//!
//! The password is sent once. Whatever comes back that is not a token is final, since every
//! further attempt could lock the account.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    challenge::Challenge,
    forms::Form,
    http::{Failure, Http, Request},
    origin,
    place::Store,
    token::{Choice, Issued, MAX_BYTES, Reply, TokenRequest},
};
use crate::{
    domain::CallContext,
    upstream::{ErrorKind, exchange::Answer},
};

/// A way to sign in with a user name and a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    HttpBasic,
    ExplicitForms,
}

/// Who signs in where.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignIn<'a> {
    pub(super) http: &'a Http,
    /// Whose guard lets each request through; `None` for one that serves many callers.
    pub(super) guarded: Option<(&'a Store, &'a CallContext)>,
    /// Only its own host is followed.
    pub(super) store: &'a Url,
    /// `None` takes what the server offers, the shorter way first.
    pub(super) method: Option<Method>,
    pub(super) username: &'a str,
    pub(super) password: &'a SecretString,
    pub(super) deadline: Instant,
}

impl SignIn<'_> {
    /// Answers the challenge with which the token service at `service` asked for a sign-in.
    pub(super) async fn run(
        &self,
        challenge: &Challenge,
        service: &Url,
    ) -> Result<Issued, Failure> {
        let request = TokenRequest {
            service: &challenge.realm,
            url: service.as_str(),
            template: &challenge.template,
        };
        let request = request.write().map_err(|error| malformed(error.to_string()))?;
        let choices = self.choices(challenge, &request).await?;
        let (method, location) = self.choose(&choices)?;
        match method {
            Method::HttpBasic => self.basic(location, request).await,
            Method::ExplicitForms => self.forms(location, request).await,
        }
    }

    /// Asks which protocols there are.
    async fn choices(&self, challenge: &Challenge, request: &str) -> Result<Vec<Choice>, Failure> {
        let mut failure = malformed("the token service names no place to sign in on its own host");
        for location in &challenge.locations {
            let Some(url) = origin::same_host(location, self.store) else { continue };
            let post = Request::post(url, ACCEPT_TOKEN, TOKEN_REQUEST, request.to_owned());
            let answer = match self.send(post).await {
                Ok(answer) => answer,
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            // 300 carries the choices as its body and is no redirect.
            if answer.status != StatusCode::MULTIPLE_CHOICES && !answer.status.is_success() {
                return Err(Failure::status(&answer, self.http.clock.as_ref()));
            }
            return match read(answer)? {
                Reply::Choices(choices) => Ok(choices),
                Reply::Token(_) | Reply::Form(_) => {
                    Err(malformed("the token service offers no way to sign in"))
                }
            };
        }
        Err(failure)
    }

    fn choose(&self, choices: &[Choice]) -> Result<(Method, Url), Failure> {
        let wanted: &[Method] = match &self.method {
            Some(method) => std::slice::from_ref(method),
            None => &[Method::HttpBasic, Method::ExplicitForms],
        };
        let offered = |method: &Method| {
            let named = |choice: &&Choice| choice.protocol.eq_ignore_ascii_case(method.protocol());
            choices.iter().find(named).map(|choice| (*method, choice))
        };
        let Some((method, choice)) = wanted.iter().find_map(offered) else {
            let names: Vec<_> = wanted.iter().map(|method| method.protocol()).collect();
            let reason = format!("the store does not offer {}", names.join(" or "));
            let message = Some(reason.clone());
            return Err(Failure { message, ..Failure::new(ErrorKind::Failed, reason) });
        };
        let url = origin::same_host(&choice.location, self.store)
            .ok_or_else(|| malformed("the place to sign in is on another host"))?;
        Ok((method, url))
    }

    /// One request with HTTP Basic (RFC 7617, in UTF-8).
    async fn basic(&self, location: Url, request: String) -> Result<Issued, Failure> {
        let plain = Zeroizing::new(format!("{}:{}", self.username, self.password.expose_secret()));
        let mut text = Zeroizing::new(String::with_capacity(8 + plain.len().div_ceil(3) * 4));
        text.push_str("Basic ");
        STANDARD.encode_string(plain.as_bytes(), &mut text);
        let bytes = Bytes::from_owner(Zeroizing::new(text.as_bytes().to_vec()));
        let mut value = HeaderValue::from_maybe_shared(bytes)
            .map_err(|_| malformed("the credential cannot be sent"))?;
        value.set_sensitive(true);
        let post = Request::post(location, ACCEPT_CONVERSATION, TOKEN_REQUEST, request)
            .authorization(value);
        let answer = self.send(post).await?;
        if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let status = Some(answer.status);
            return Err(Failure { status, ..refused("the password was refused") });
        }
        match self.read_ok(answer)? {
            Reply::Token(issued) => Ok(issued),
            Reply::Form(_) => Err(refused("the store asks for more than a password")),
            Reply::Choices(_) => Err(malformed("the token service went in a circle")),
        }
    }

    /// A conversation of pages.
    async fn forms(&self, location: Url, request: String) -> Result<Issued, Failure> {
        let mut cookies = Cookies::default();
        let mut post = Request::post(location.clone(), ACCEPT_CONVERSATION, TOKEN_REQUEST, request);
        let mut password_sent = false;
        for _ in 0..MAX_PAGES {
            let answer = self.send(post).await?;
            cookies.take(&answer.headers);
            let form = match self.read_ok(answer)? {
                Reply::Token(issued) => return Ok(issued),
                Reply::Form(form) => form,
                Reply::Choices(_) => return Err(malformed("the token service went in a circle")),
            };
            self.check(&form, password_sent)?;
            password_sent |= form.is_logon();
            let answer = form
                .answer(self.username, self.password)
                .map_err(|_| refused("the store asks for more than a password"))?;
            let target = origin::form_target(&form.post_back, &location)
                .ok_or_else(|| malformed("the form is to be sent to another host"))?;
            let body = Bytes::from_owner(Zeroizing::new(answer.as_bytes().to_vec()));
            post = Request::post(target, ACCEPT_FORM, FORM, body).cookie(cookies.header());
        }
        Err(malformed("the sign-in has too many pages"))
    }

    /// Whether a page may be answered at all.
    fn check(&self, form: &Form, password_sent: bool) -> Result<(), Failure> {
        match form.status.as_str() {
            "success" => {}
            "error-service-unavailable" | "error-internal-failure" => {
                let kind = ErrorKind::Unavailable { retry_after: None };
                return Err(Failure::new(kind, "the sign-in broke down").code(&form.status));
            }
            _ => {
                let failure = Failure::new(ErrorKind::Failed, "the sign-in broke down");
                return Err(failure.code(word(&form.status)));
            }
        }
        let because = |reason: &str| {
            let shown = form.error.as_deref().filter(|text| {
                // A page may repeat what was typed.
                !text.contains(self.password.expose_secret())
            });
            Failure { message: shown.map(str::to_owned), ..refused(reason) }
        };
        match form.result.as_str() {
            "more-info" if form.error.is_some() => Err(because("the password was refused")),
            "more-info" if password_sent && form.is_logon() => {
                Err(because("the password was refused"))
            }
            "more-info" => Ok(()),
            "update-credentials" => {
                Err(because("the password has expired").code("update-credentials"))
            }
            "fail" => Err(because("the sign-in was refused").code("fail")),
            "cancelled" => Err(because("the sign-in was cancelled").code("cancelled")),
            _ => Err(malformed("the page has an unknown result")),
        }
    }

    async fn send(&self, request: Request) -> Result<Answer, Failure> {
        let sent = match self.guarded {
            Some((store, ctx)) => store.send_once(ctx, request, MAX_BYTES).await?,
            None => self.http.send(request, self.deadline, MAX_BYTES).await,
        };
        sent.map_err(|error| Failure::no_answer(&error))
    }

    fn read_ok(&self, answer: Answer) -> Result<Reply, Failure> {
        if !answer.status.is_success() {
            return Err(Failure::status(&answer, self.http.clock.as_ref()));
        }
        read(answer)
    }
}

impl Method {
    fn protocol(self) -> &'static str {
        match self {
            Self::HttpBasic => "HttpBasic",
            Self::ExplicitForms => "ExplicitForms",
        }
    }
}

/// Reads an answer on the way to a token and wipes it where this is its last copy.
pub(super) fn read(answer: Answer) -> Result<Reply, Failure> {
    let body = answer.body.map_err(|lost| Failure::body_lost(answer.status, &lost))?;
    let reply = Reply::read(&body);
    if let Ok(mut body) = body.try_into_mut() {
        body.as_mut().zeroize();
    }
    reply.map_err(|error| Failure { status: Some(answer.status), ..malformed(error.to_string()) })
}

/// The session of a conversation: every cookie of the host, until it ends.
#[derive(Default)]
struct Cookies(Vec<(String, Zeroizing<String>)>);

impl Cookies {
    fn take(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(header::SET_COOKIE) {
            let Some(pair) = value.to_str().ok().and_then(|value| value.split(';').next()) else {
                continue;
            };
            let Some((name, value)) = pair.split_once('=') else { continue };
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() || pair.len() > MAX_COOKIE_LEN {
                continue;
            }
            self.0.retain(|(known, _)| known != name);
            if !value.is_empty() && self.0.len() < MAX_COOKIES {
                self.0.push((name.to_owned(), Zeroizing::new(value.to_owned())));
            }
        }
    }

    fn header(&self) -> Option<HeaderValue> {
        let pairs: Vec<_> =
            self.0.iter().map(|(name, value)| format!("{name}={}", **value)).collect();
        let mut value = HeaderValue::try_from(pairs.join("; ")).ok()?;
        value.set_sensitive(true);
        (!pairs.is_empty()).then_some(value)
    }
}

fn malformed(reason: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Malformed, reason)
}

fn refused(reason: &str) -> Failure {
    Failure::new(ErrorKind::SignInRefused, reason)
}

/// A status of the documented kind; anything else could repeat what was sent.
fn word(status: &str) -> &str {
    let plain = status.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if plain && status.starts_with("error-") && status.len() <= 64 { status } else { "unknown" }
}

pub(super) const ACCEPT_TOKEN: &str = "application/vnd.citrix.requesttokenresponse+xml, application/vnd.citrix.requesttokenchoices+xml";
const ACCEPT_CONVERSATION: &str = "application/vnd.citrix.requesttokenresponse+xml, text/xml, application/vnd.citrix.authenticateresponse-1+xml";
const ACCEPT_FORM: &str = "application/vnd.citrix.requesttokenresponse+xml, application/vnd.citrix.authenticateresponse-1+xml";
pub(super) const TOKEN_REQUEST: &str = "application/vnd.citrix.requesttoken+xml";
const FORM: &str = "application/x-www-form-urlencoded";

/// A logon page, one before and some after it.
const MAX_PAGES: usize = 6;
const MAX_COOKIES: usize = 16;
const MAX_COOKIE_LEN: usize = 4096;
