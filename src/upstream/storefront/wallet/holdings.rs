//! What a wallet holds, and what came of the attempts to get more. Nothing here waits.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use super::{
    super::{access::Token, http::Failure, origin, token::Issued},
    Lease,
};
use crate::{
    config::TokenSettings,
    domain::Clock,
    upstream::{ErrorKind, TokenState, TokenStatus},
};

/// The tokens of one account, and whether more may be asked for.
pub(super) struct Holdings {
    settings: TokenSettings,
    clock: Arc<dyn Clock>,
    /// Whether they are the gateway's own account's: a caller has a sign-in of its own, and may
    /// ask when it likes.
    is_account: bool,
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
pub(super) struct Held {
    pub(super) token: Token,
    pub(super) generation: u64,
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
pub(super) struct Space {
    pub(super) realm: String,
    pub(super) origin: url::Origin,
}

impl Holdings {
    pub(super) fn new(settings: TokenSettings, clock: Arc<dyn Clock>, is_account: bool) -> Self {
        Self {
            settings,
            clock,
            is_account,
            primary: None,
            services: Vec::new(),
            count: 0,
            last: None,
            failures: 0,
            pause_until: None,
            quarantined: None,
            last_error: None,
            minting: false,
        }
    }

    /// Which attempts are over: [`Self::ready`] tells of later ones.
    pub(super) fn seen(&self) -> u64 {
        self.count
    }

    /// The token that may be sent to a URL without being asked for one.
    pub(super) fn lease(&self, url: &Url) -> Option<Lease> {
        let now = Instant::now();
        let mut services = self.services.iter();
        let known = services
            .find(|service| origin::is_below(url, &service.root) && service.held.is_good(now));
        known.map(|service| service.held.lease())
    }

    /// The sign-in, while it is good.
    pub(super) fn primary(&self) -> Option<&Held> {
        self.primary.as_deref().filter(|held| held.is_good(Instant::now()))
    }

    /// What somebody else got meanwhile: a newer token than the refused one, or the failure of an
    /// attempt that began after we began to wait.
    pub(super) fn ready(
        &self,
        space: &Space,
        seen: u64,
        refused: Option<u64>,
    ) -> Option<Result<Lease, Failure>> {
        let now = Instant::now();
        let held = self.services.iter().find(|service| {
            service.space == *space
                && service.held.is_good(now)
                && Some(service.held.generation) != refused
        });
        if let Some(service) = held {
            return Some(Ok(service.held.lease()));
        }
        let (at, of, result) = self.last.as_ref()?;
        (*at > seen && of == space).then(|| result.clone())
    }

    /// Whether the account may be tried just now.
    pub(super) fn is_open(&self) -> Result<(), Failure> {
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

    /// An attempt begins.
    pub(super) fn begin(&mut self) {
        self.minting = true;
    }

    /// Drops the refused token, and the sign-in behind it where that is at fault: never newer ones.
    pub(super) fn forget(&mut self, space: &Space, refused: Option<u64>, sign_in_too: bool) {
        let made_with = self
            .services
            .iter()
            .find(|service| Some(service.held.generation) == refused)
            .and_then(|service| service.primary);
        self.services
            .retain(|service| service.space != *space || Some(service.held.generation) != refused);
        if sign_in_too
            && self.primary.as_ref().is_some_and(|held| Some(held.generation) == made_with)
        {
            self.sign_out();
            self.services.clear();
        }
    }

    /// Drops the sign-in.
    pub(super) fn sign_out(&mut self) {
        self.primary = None;
    }

    /// Remembers a new sign-in.
    pub(super) fn signed_in(&mut self, issued: Issued) -> Arc<Held> {
        let held = self.hold(issued);
        self.primary = Some(Arc::clone(&held));
        held
    }

    /// Remembers a service token, in the place of the one before.
    pub(super) fn keep(
        &mut self,
        space: Space,
        root: Url,
        issued: Issued,
        primary: Option<u64>,
    ) -> Lease {
        let held = self.hold(issued);
        let lease = held.lease();
        self.services.retain(|service| service.space != space || service.root != root);
        if self.services.len() >= MAX_SERVICES {
            self.services.remove(0);
        }
        self.services.push(Service { space, root, held, primary });
        lease
    }

    /// Its life is measured from now on. The last part of it is left alone: a minute, and of short
    /// lives a tenth. What has ended already by our clock is good for this once.
    fn hold(&mut self, issued: Issued) -> Arc<Held> {
        let left = issued.expires.duration_since(self.clock.now());
        let left = Duration::try_from(left).unwrap_or_default().min(LONGEST_LIFE);
        let margin = self.settings.margin.min(left / 10);
        self.count += 1;
        Arc::new(Held {
            token: issued.token,
            generation: self.count,
            use_until: Instant::now() + left.saturating_sub(margin),
            expires: issued.expires,
        })
    }

    /// Takes note of how an attempt ended.
    pub(super) fn settle(&mut self, space: &Space, result: &Result<Lease, Failure>) {
        self.count += 1;
        self.minting = false;
        match result {
            Ok(_) => (self.failures, self.pause_until, self.last_error) = (0, None, None),
            Err(failure) => self.failed(failure),
        }
        let result = result.clone().map_err(|failure| self.as_seen(failure));
        self.last = Some((self.count, space.clone(), result));
    }

    fn failed(&mut self, failure: &Failure) {
        self.last_error = Some(failure.reason.clone());
        if !self.is_account {
            return;
        }
        if failure.kind == ErrorKind::SignInRefused {
            // One strike: whatever was wrong, trying again could lock the account.
            self.quarantined = Some((self.clock.now(), failure.clone()));
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let doubled = 1_u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX);
        let pause = self.settings.backoff_min.saturating_mul(doubled);
        let pause = pause.min(self.settings.backoff_max);
        let pause = failure.kind.retry_after().map_or(pause, |wait| wait.max(pause));
        self.pause_until = Some(Instant::now() + pause);
    }

    /// A failure in the words of the one who asks: about the gateway's own account they differ.
    pub(super) fn as_seen(&self, failure: Failure) -> Failure {
        match failure.kind {
            _ if !self.is_account => failure,
            ErrorKind::SignInRefused => quarantined(&failure),
            ErrorKind::RejectedCredentials => failure,
            _ => {
                let left = |until: Instant| until.saturating_duration_since(Instant::now());
                let retry_after = self.pause_until.map(left).unwrap_or_default();
                in_our_words(ErrorKind::TokenUnavailable { retry_after }, &failure)
            }
        }
    }

    /// A token that had just been made was refused as well: none is made for a while.
    pub(super) fn rejected(&mut self) {
        self.services.clear();
        self.pause_until = Some(Instant::now() + self.settings.rejected_pause);
        self.last_error = Some("the store refused a new token".to_owned());
    }

    /// The account itself is no good.
    pub(super) fn quarantine(&mut self, failure: Failure) -> Failure {
        let seen = quarantined(&failure);
        (self.primary, self.last_error) = (None, Some(failure.reason.clone()));
        self.services.clear();
        self.quarantined = Some((self.clock.now(), failure));
        seen
    }

    /// Lifts a quarantine or a pause.
    pub(super) fn release(&mut self) {
        (self.quarantined, self.pause_until, self.failures) = (None, None, 0);
    }

    pub(super) fn status(&self) -> TokenStatus {
        let word = if self.quarantined.is_some() {
            TokenState::Quarantined
        } else if self.minting {
            TokenState::Minting
        } else if self.pause_until.is_some_and(|until| until > Instant::now()) {
            TokenState::Backoff
        } else if self.primary().is_some() {
            TokenState::Fresh
        } else if self.primary.is_some() {
            TokenState::Expired
        } else {
            TokenState::Empty
        };
        TokenStatus {
            state: word,
            expires: self.primary.as_ref().map(|held| held.expires),
            quarantined_since: self.quarantined.as_ref().map(|(since, _)| *since),
            last_error_reason: self.last_error.clone(),
        }
    }
}

impl Held {
    fn lease(&self) -> Lease {
        Lease { token: self.token.clone(), generation: Some(self.generation) }
    }

    fn is_good(&self, now: Instant) -> bool {
        self.use_until > now
    }
}

fn quarantined(failure: &Failure) -> Failure {
    in_our_words(ErrorKind::Quarantined { retry_after: QUARANTINE_HINT }, failure)
}

/// A failure without the server's words, which could name the account.
fn in_our_words(kind: ErrorKind, failure: &Failure) -> Failure {
    Failure { kind, message: Some(failure.reason.clone()), ..failure.clone() }
}

/// A store has a handful of services.
const MAX_SERVICES: usize = 16;
/// Documented tokens live for 20 hours at most.
const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// A quarantine has no end of its own; somebody has to change the account.
const QUARANTINE_HINT: Duration = Duration::from_mins(15);
