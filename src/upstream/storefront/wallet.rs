//! The tokens of one account at one store.
//!
//! The primary token proves the logon and is good at the token service only; a service token is
//! good for one realm at one origin. Whoever needs a service token that is not there asks for one;
//! all who need it meanwhile wait for the same one and get the same failure. The asking runs in a
//! task of its own, so that a caller who leaves stops nothing.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use url::Url;

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
    upstream::{ErrorKind, TokenState, TokenStatus, exchange::Answer},
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
    settings: TokenSettings,
    state: Mutex<State>,
    /// Held while a token is asked for.
    gate: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    primary: Option<Arc<Held>>,
    services: Vec<Service>,
    /// Counts tokens and attempts.
    count: u64,
    /// How the last attempt ended, for those who waited for it.
    last: Option<(u64, Space, Result<Lease, Failure>)>,
    failures: u32,
    pause_until: Option<Instant>,
    quarantined: Option<(Timestamp, Failure)>,
    last_error: Option<String>,
    minting: bool,
}

/// A token and until when it is used.
struct Held {
    token: Token,
    generation: u64,
    use_until: Instant,
    expires: Timestamp,
}

struct Service {
    space: Space,
    /// Below which URL the token may be sent unasked.
    root: Url,
    held: Arc<Held>,
    /// Which primary token it was made with.
    primary: Option<u64>,
}

/// Which tokens are the same: the realm, and scheme, host and port of what was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Space {
    realm: String,
    origin: url::Origin,
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
        let (state, gate) = (Mutex::default(), Arc::default());
        Self { proof, store, http, settings, state, gate }
    }

    /// Whether a password is behind it, so that it can sign in by itself.
    pub(super) fn is_account(&self) -> bool {
        matches!(self.proof, Proof::Password { .. })
    }

    /// The token that may be sent to a URL without being asked for one.
    pub(super) fn lease(&self, url: &Url) -> Option<Lease> {
        let state = self.state();
        let now = Instant::now();
        let known = state
            .services
            .iter()
            .find(|service| origin::is_below(url, &service.root) && service.held.use_until > now);
        match (known, &self.proof) {
            (Some(service), _) => Some(service.held.lease()),
            (None, Proof::Either(token)) => Some(Lease { token: token.clone(), generation: None }),
            (None, _) => None,
        }
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
        let seen = self.state().count;
        let late = || Failure::new(ErrorKind::DeadlineExceeded, "no token before the deadline");
        let gate = Arc::clone(&self.gate).lock_owned();
        let gate = timeout_at(deadline, gate).await.map_err(|_| late())?;
        let refused = refused.and_then(|lease| lease.generation);
        if let Some(result) = self.state().ready(&space, seen, refused) {
            return result;
        }
        self.state().is_open()?;
        let (wallet, url) = (Arc::clone(self), url.clone());
        let task = tokio::spawn(async move {
            wallet.state().minting = true;
            let result = wallet.mint(&challenge, &url, &space, refused).await;
            wallet.settle(&space, &result);
            drop(gate);
            result
        });
        match timeout_at(deadline, task).await {
            Ok(Ok(result)) => result.map_err(|failure| self.as_seen(failure)),
            Ok(Err(_)) => Err(Failure::new(ErrorKind::Failed, "asking for a token broke down")),
            Err(_) => Err(late()),
        }
    }

    /// A token that had just been made was refused as well: none is made for a while.
    pub(super) fn rejected(&self) {
        let mut state = self.state();
        state.services.clear();
        state.pause_until = Some(Instant::now() + self.settings.rejected_pause);
        state.last_error = Some("the store refused a new token".to_owned());
    }

    /// The account itself is no good.
    pub(super) fn quarantine(&self, failure: Failure) -> Failure {
        let seen = quarantined(&failure);
        let mut state = self.state();
        (state.primary, state.last_error) = (None, Some(failure.reason.clone()));
        state.services.clear();
        state.quarantined = Some((self.http.clock.now(), failure));
        seen
    }

    /// Lifts a quarantine or a pause.
    pub(super) fn release(&self) {
        let mut state = self.state();
        (state.quarantined, state.pause_until, state.failures) = (None, None, 0);
    }

    pub(super) fn status(&self) -> TokenStatus {
        let state = self.state();
        let now = Instant::now();
        let usable = state.primary.as_ref().is_some_and(|held| held.use_until > now);
        let word = if state.quarantined.is_some() {
            TokenState::Quarantined
        } else if state.minting {
            TokenState::Minting
        } else if state.pause_until.is_some_and(|until| until > now) {
            TokenState::Backoff
        } else if usable {
            TokenState::Fresh
        } else if state.primary.is_some() {
            TokenState::Expired
        } else {
            TokenState::Empty
        };
        TokenStatus {
            state: word,
            expires: state.primary.as_ref().map(|held| held.expires),
            quarantined_since: state.quarantined.as_ref().map(|(since, _)| *since),
            last_error_reason: state.last_error.clone(),
        }
    }

    /// Asks each token service that the challenge names until one answers.
    async fn mint(
        &self,
        challenge: &Challenge,
        url: &Url,
        space: &Space,
        refused: Option<u64>,
    ) -> Result<Lease, Failure> {
        let deadline = Instant::now() + self.settings.mint_timeout * PATIENCE;
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
        self.forget(space, refused, challenge.reason.remedy() == Remedy::SignIn);
        let mut failure = malformed("the store names no token service on its own host");
        for location in &challenge.locations {
            let Some(service) = origin::same_host(location, &self.store) else { continue };
            match self.ask(&service, &request, deadline).await {
                Ok((issued, primary)) => {
                    let root = root.unwrap_or_else(|| without_query(url));
                    return Ok(self.keep(space.clone(), root, issued, primary));
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
        self.state().primary = None;
        let sign_in = SignIn {
            http: &self.http,
            store: &self.store,
            method: Some(*method),
            username: username.expose_secret(),
            password,
            deadline,
        };
        let issued = sign_in.run(&challenge, service).await?;
        let held = self.hold(issued);
        self.state().primary = Some(Arc::clone(&held));
        let answer = self.post(service, request, Some(&held.token), deadline).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.state().primary = None;
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
                let state = self.state();
                let held = state.primary.as_ref().filter(|held| held.use_until > Instant::now())?;
                Some((held.token.clone(), Some(held.generation)))
            }
        }
    }

    /// Drops the refused token, and the sign-in behind it where that is at fault: never newer ones.
    fn forget(&self, space: &Space, refused: Option<u64>, sign_in_too: bool) {
        let mut state = self.state();
        let made_with = state
            .services
            .iter()
            .find(|service| Some(service.held.generation) == refused)
            .and_then(|service| service.primary);
        state
            .services
            .retain(|service| service.space != *space || Some(service.held.generation) != refused);
        if sign_in_too
            && state.primary.as_ref().is_some_and(|held| Some(held.generation) == made_with)
        {
            state.primary = None;
            state.services.clear();
        }
    }

    /// Remembers a service token, in the place of the one before.
    fn keep(&self, space: Space, root: Url, issued: Issued, primary: Option<u64>) -> Lease {
        let held = self.hold(issued);
        let lease = held.lease();
        let mut state = self.state();
        state.services.retain(|service| service.space != space || service.root != root);
        if state.services.len() >= MAX_SERVICES {
            state.services.remove(0);
        }
        state.services.push(Service { space, root, held, primary });
        lease
    }

    /// Its life is measured from now on. The last part of it is left alone: a minute, and of short
    /// lives a tenth. What has ended already by our clock is good for this once.
    fn hold(&self, issued: Issued) -> Arc<Held> {
        let left = issued.expires.duration_since(self.http.clock.now());
        let left = Duration::try_from(left).unwrap_or_default().min(LONGEST_LIFE);
        let margin = self.settings.margin.min(left / 10);
        let mut state = self.state();
        state.count += 1;
        Arc::new(Held {
            token: issued.token,
            generation: state.count,
            use_until: Instant::now() + left.saturating_sub(margin),
            expires: issued.expires,
        })
    }

    /// Takes note of how an attempt ended.
    fn settle(&self, space: &Space, result: &Result<Lease, Failure>) {
        let mut state = self.state();
        state.count += 1;
        state.minting = false;
        match result {
            Ok(_) => (state.failures, state.pause_until, state.last_error) = (0, None, None),
            Err(failure) => {
                state.last_error = Some(failure.reason.clone());
                if !self.is_account() {
                    // Each caller has a sign-in of its own, and may ask when it likes.
                } else if failure.kind == ErrorKind::SignInRefused {
                    // One strike: whatever was wrong, trying again could lock the account.
                    state.quarantined = Some((self.http.clock.now(), failure.clone()));
                } else {
                    state.failures = state.failures.saturating_add(1);
                    let doubled = 1_u32.checked_shl(state.failures - 1).unwrap_or(u32::MAX);
                    let pause = self.settings.backoff_min.saturating_mul(doubled);
                    let pause = pause.min(self.settings.backoff_max);
                    let pause = failure.kind.retry_after().map_or(pause, |wait| wait.max(pause));
                    state.pause_until = Some(Instant::now() + pause);
                }
            }
        }
        let result = result.clone();
        let result = result.map_err(|failure| state.as_seen(failure, self.is_account()));
        state.last = Some((state.count, space.clone(), result));
    }

    fn as_seen(&self, failure: Failure) -> Failure {
        self.state().as_seen(failure, self.is_account())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What somebody else got meanwhile: a newer token than the refused one, or the failure of an
    /// attempt that began after we began to wait.
    fn ready(
        &self,
        space: &Space,
        seen: u64,
        refused: Option<u64>,
    ) -> Option<Result<Lease, Failure>> {
        let now = Instant::now();
        let held = self.services.iter().find(|service| {
            service.space == *space
                && service.held.use_until > now
                && Some(service.held.generation) != refused
        });
        if let Some(service) = held {
            return Some(Ok(service.held.lease()));
        }
        let (at, of, result) = self.last.as_ref()?;
        (*at > seen && of == space).then(|| result.clone())
    }

    /// Whether the account may be tried just now.
    fn is_open(&self) -> Result<(), Failure> {
        if let Some((_, failure)) = &self.quarantined {
            return Err(quarantined(failure));
        }
        let left = self.pause_until.map(|until| until.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if !left.is_zero() => {
                let reason = self.last_error.clone().unwrap_or_default();
                let failure =
                    Failure::new(ErrorKind::TokenUnavailable { retry_after: left }, reason);
                Err(in_our_words(failure.kind, &failure))
            }
            _ => Ok(()),
        }
    }

    /// A failure in the words of the one who asks: about the gateway's own account they differ.
    fn as_seen(&self, failure: Failure, is_account: bool) -> Failure {
        match failure.kind {
            _ if !is_account => failure,
            ErrorKind::SignInRefused => quarantined(&failure),
            ErrorKind::RejectedCredentials => failure,
            _ => {
                let left = |until: Instant| until.saturating_duration_since(Instant::now());
                let retry_after = self.pause_until.map(left).unwrap_or_default();
                in_our_words(ErrorKind::TokenUnavailable { retry_after }, &failure)
            }
        }
    }
}

impl Held {
    fn lease(&self) -> Lease {
        Lease { token: self.token.clone(), generation: Some(self.generation) }
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("status", &self.status()).finish_non_exhaustive()
    }
}

fn quarantined(failure: &Failure) -> Failure {
    in_our_words(ErrorKind::Quarantined { retry_after: QUARANTINE_HINT }, failure)
}

/// A failure without the server's words, which could name the account.
fn in_our_words(kind: ErrorKind, failure: &Failure) -> Failure {
    Failure { kind, message: Some(failure.reason.clone()), ..failure.clone() }
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
const PATIENCE: u32 = 3;
/// A store has a handful of services.
const MAX_SERVICES: usize = 16;
/// Documented tokens live for 20 hours at most.
const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// A quarantine has no end of its own; somebody has to change the account.
const QUARANTINE_HINT: Duration = Duration::from_mins(15);
