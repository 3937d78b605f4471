//! The tokens of one account at one store.
//!
//! The primary token proves the logon and is good at the token service only; a service token is
//! good for one realm at one origin. Whoever needs a service token that is not there asks for one;
//! all who need it meanwhile wait for the same one and get the same failure. The asking runs in a
//! task of its own, so that a caller who leaves stops nothing.

mod holdings;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::holdings::{Holdings, Space};
use super::{
    access::Token,
    challenge::{Challenge, Remedy},
    http::{Failure, Http, Request},
    origin,
    sign_in::{self, Method, SignIn},
    token::{Issued, MAX_BYTES, Reply, TokenRequest},
};
use crate::{
    config::TokenSettings,
    upstream::{ErrorKind, TokenStatus, exchange::Answer},
};

/// What proves who the account is.
pub(super) enum Proof {
    /// A name and a password, to sign in with when need be.
    Password { method: Method, username: SecretString, password: SecretString },
    /// A primary token that somebody else signed in for.
    Primary(Token),
    /// A caller's own token, which may be of either kind.
    Either(Token),
}

/// The tokens of one account at one store.
pub(super) struct Wallet {
    proof: Proof,
    /// Only its own host is followed.
    store: Url,
    http: Http,
    /// Time one request to a token service may take.
    patience: Duration,
    holdings: Mutex<Holdings>,
    /// Held while a token is asked for.
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// A token in hand.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) token: Token,
    /// `None` for a caller's own token.
    generation: Option<u64>,
}

impl Wallet {
    pub(super) fn new(proof: Proof, store: Url, http: Http, settings: TokenSettings) -> Self {
        let is_account = matches!(proof, Proof::Password { .. });
        let patience = settings.mint_timeout;
        let holdings = Holdings::new(settings, Arc::clone(&http.clock), is_account);
        let (holdings, gate) = (Mutex::new(holdings), Arc::default());
        Self { proof, store, http, patience, holdings, gate }
    }

    /// Whether a password is behind it, so that it can sign in by itself.
    pub(super) fn is_account(&self) -> bool {
        matches!(self.proof, Proof::Password { .. })
    }

    /// The token that may be sent to a URL without being asked for one.
    pub(super) fn lease(&self, url: &Url) -> Option<Lease> {
        self.holdings().lease(url).or_else(|| match &self.proof {
            Proof::Either(token) => Some(Lease { token: token.clone(), generation: None }),
            Proof::Password { .. } | Proof::Primary(_) => None,
        })
    }

    /// A token that answers a challenge, other than the refused one.
    pub(super) async fn obtain(
        self: &Arc<Self>,
        challenge: Challenge,
        url: &Url,
        refused: Option<&Lease>,
        deadline: Instant,
    ) -> Result<Lease, Failure> {
        let space = Space { realm: challenge.realm.clone(), origin: url.origin() };
        let seen = self.holdings().seen();
        let late = || Failure::new(ErrorKind::DeadlineExceeded, "no token before the deadline");
        let gate = Arc::clone(&self.gate).lock_owned();
        let gate = timeout_at(deadline, gate).await.map_err(|_| late())?;
        let refused = refused.and_then(|lease| lease.generation);
        if let Some(result) = self.holdings().ready(&space, seen, refused) {
            return result;
        }
        self.holdings().is_open()?;
        let (wallet, url) = (Arc::clone(self), url.clone());
        let task = tokio::spawn(async move {
            wallet.holdings().begin();
            let result = wallet.mint(&challenge, &url, &space, refused).await;
            wallet.holdings().settle(&space, &result);
            drop(gate);
            result
        });
        match timeout_at(deadline, task).await {
            Ok(Ok(result)) => result.map_err(|failure| self.holdings().as_seen(failure)),
            Ok(Err(_)) => Err(Failure::new(ErrorKind::Failed, "asking for a token broke down")),
            Err(_) => Err(late()),
        }
    }

    /// A token that had just been made was refused as well: none is made for a while.
    pub(super) fn rejected(&self) {
        self.holdings().rejected();
    }

    /// The account itself is no good.
    pub(super) fn quarantine(&self, failure: Failure) -> Failure {
        self.holdings().quarantine(failure)
    }

    /// Lifts a quarantine or a pause.
    pub(super) fn release(&self) {
        self.holdings().release();
    }

    pub(super) fn status(&self) -> TokenStatus {
        self.holdings().status()
    }

    /// Asks each token service that the challenge names until one answers.
    async fn mint(
        &self,
        challenge: &Challenge,
        url: &Url,
        space: &Space,
        refused: Option<u64>,
    ) -> Result<Lease, Failure> {
        let deadline = Instant::now() + self.patience * REQUESTS;
        let root = challenge.service_root.as_deref();
        let root = root.and_then(|root| origin::same_origin(root, url));
        // The documentation wants the URL that was asked for; some servers want the root.
        let asked = match (&root, challenge.reason.remedy()) {
            (Some(root), Remedy::OtherAudience) => root.clone(),
            _ => without_query(url),
        };
        let request = TokenRequest {
            service: &challenge.realm,
            url: asked.as_str(),
            template: &challenge.template,
        };
        let request = request.write().map_err(|error| malformed(error.to_string()))?;
        self.holdings().forget(space, refused, challenge.reason.remedy() == Remedy::SignIn);
        let mut failure = malformed("the store names no token service on its own host");
        for location in &challenge.locations {
            let Some(service) = origin::same_host(location, &self.store) else { continue };
            match self.ask(&service, &request, deadline).await {
                Ok((issued, primary)) => {
                    let root = root.unwrap_or_else(|| without_query(url));
                    return Ok(self.holdings().keep(space.clone(), root, issued, primary));
                }
                Err(error) if matches!(error.kind, ErrorKind::Unavailable { .. }) => {
                    failure = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// Asks one token service, signing in where it wants that.
    async fn ask(
        &self,
        service: &Url,
        request: &str,
        deadline: Instant,
    ) -> Result<(Issued, Option<u64>), Failure> {
        let primary = self.primary();
        let sent = primary.as_ref().map(|(token, _)| token);
        let answer = self.post(service, request, sent, deadline).await?;
        let refused = match &self.proof {
            // A service token where a primary one is wanted is refused in one way or another.
            Proof::Either(_) => answer.status.is_client_error() && answer.status.as_u16() != 429,
            Proof::Password { .. } | Proof::Primary(_) => answer.status == StatusCode::UNAUTHORIZED,
        };
        if !refused {
            return Ok((self.issued(answer)?, primary.and_then(|(_, generation)| generation)));
        }
        let Proof::Password { method, username, password } = &self.proof else {
            return Err(ended(&answer));
        };
        let challenge = Challenge::of(&answer.headers)
            .ok_or_else(|| malformed("the token service refuses without a challenge"))?;
        match challenge.reason.remedy() {
            Remedy::GiveUpAccount => {
                let failure = Failure::new(ErrorKind::SignInRefused, "the account is not usable");
                return Err(failure.code(challenge.reason.as_str()));
            }
            Remedy::GiveUp => return Err(give_up(&challenge)),
            Remedy::NewToken | Remedy::OtherAudience | Remedy::SignIn => {}
        }
        self.holdings().sign_out();
        let sign_in = SignIn {
            http: &self.http,
            guarded: None,
            store: &self.store,
            method: Some(*method),
            username: username.expose_secret(),
            password,
            deadline,
        };
        let issued = sign_in.run(&challenge, service).await?;
        let held = self.holdings().signed_in(issued);
        let answer = self.post(service, request, Some(&held.token), deadline).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.holdings().sign_out();
            return Err(match Challenge::of(&answer.headers) {
                Some(challenge) => give_up(&challenge),
                None => Failure::new(ErrorKind::RejectedCredentials, "a new sign-in was refused"),
            });
        }
        Ok((self.issued(answer)?, Some(held.generation)))
    }

    async fn post(
        &self,
        service: &Url,
        request: &str,
        token: Option<&Token>,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let body = request.to_owned();
        let post =
            Request::post(service.clone(), sign_in::ACCEPT_TOKEN, sign_in::TOKEN_REQUEST, body);
        let sent = self.http.send(post.token(token), deadline, MAX_BYTES).await;
        sent.map_err(|error| Failure::no_answer(&error))
    }

    fn issued(&self, answer: Answer) -> Result<Issued, Failure> {
        if !answer.status.is_success() {
            return Err(Failure::status(&answer, self.http.clock.as_ref()));
        }
        match sign_in::read(answer)? {
            Reply::Token(issued) => Ok(issued),
            Reply::Choices(_) | Reply::Form(_) => {
                Err(malformed("the token service answered something else than a token"))
            }
        }
    }

    /// What proves the logon, with its generation where it is ours.
    fn primary(&self) -> Option<(Token, Option<u64>)> {
        match &self.proof {
            Proof::Primary(token) | Proof::Either(token) => Some((token.clone(), None)),
            Proof::Password { .. } => {
                let holdings = self.holdings();
                let held = holdings.primary()?;
                Some((held.token.clone(), Some(held.generation)))
            }
        }
    }

    fn holdings(&self) -> MutexGuard<'_, Holdings> {
        self.holdings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The token service does not take a sign-in that is not ours to renew.
fn ended(answer: &Answer) -> Failure {
    let failure = Failure::new(ErrorKind::SessionExpired, "the token service refuses the sign-in");
    let failure = Failure { status: Some(answer.status), ..failure };
    match Challenge::of(&answer.headers) {
        Some(challenge) => failure.code(challenge.reason.as_str()),
        None => failure,
    }
}

/// A challenge that no token answers.
pub(super) fn give_up(challenge: &Challenge) -> Failure {
    Failure::new(ErrorKind::RejectedCredentials, "the store refuses the account's tokens")
        .code(challenge.reason.as_str())
}

fn malformed(reason: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Malformed, reason)
}

fn without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

/// A sign-in takes several requests.
const REQUESTS: u32 = 3;
