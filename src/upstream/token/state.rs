use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::oneshot, time::Instant};

use super::{
    TokenState, TokenStatus,
    mint::{FailureClass, MintFailure, Minted},
    outcome::{Outcome, Refusal, Token},
    policy::{self, Jitter},
};
use crate::config::TokenSettings;

/// What a caller is told at once.
pub(super) enum Decision {
    Use(Arc<Token>),
    Wait(oneshot::Receiver<Outcome>),
    Refuse(Refusal),
}

/// What the credential's task does next.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Step {
    Mint,
    /// Sleep until then, or until woken.
    Sleep(Option<Instant>),
}

/// Everything known about one credential's token. Decides and does no IO; the time is passed in.
pub(super) struct State {
    settings: TokenSettings,
    jitter: Jitter,
    token: Option<Arc<Token>>,
    generation: u64,
    /// A mint is wanted or under way.
    minting: bool,
    waiters: Vec<oneshot::Sender<Outcome>>,
    look_for_leavers_at: usize,
    /// Nothing is minted before then.
    paused_until: Option<Instant>,
    quarantine: Option<Quarantine>,
    rejected: Option<Rejected>,
    /// Refusals in a row by the token service.
    strikes: u32,
    /// Other failures in a row.
    failures: u32,
    last_failure: Option<Arc<MintFailure>>,
    /// Whether the token was used since it was made: an idle credential is not renewed.
    used: bool,
}

struct Quarantine {
    since: Timestamp,
    probe_at: Instant,
}

/// A service refused a token of this generation although it had just been made.
struct Rejected {
    generation: u64,
    until: Instant,
}

impl State {
    pub(super) fn new(settings: TokenSettings, jitter: Jitter) -> Self {
        Self {
            settings,
            jitter,
            token: None,
            generation: 0,
            minting: false,
            waiters: Vec::new(),
            look_for_leavers_at: FEW_WAITERS,
            paused_until: None,
            quarantine: None,
            rejected: None,
            strikes: 0,
            failures: 0,
            last_failure: None,
            used: false,
        }
    }

    /// Answers a caller who wants a token. `true` says that the task has something to do.
    pub(super) fn acquire(&mut self, now: Instant) -> (Decision, bool) {
        if let Some(token) = self.usable(now) {
            let token = Arc::clone(token);
            let first_use = !std::mem::replace(&mut self.used, true);
            return (Decision::Use(token), first_use);
        }
        if !self.minting {
            if let Some(refusal) = self.refusal(now) {
                return (Decision::Refuse(refusal), false);
            }
            self.minting = true;
        }
        let (sender, receiver) = oneshot::channel();
        // Those who left in the meantime need no answer. Looking for them at each doubling keeps
        // a long queue cheap.
        if self.waiters.len() >= self.look_for_leavers_at {
            self.waiters.retain(|waiter| !waiter.is_closed());
            self.look_for_leavers_at = (2 * self.waiters.len()).max(FEW_WAITERS);
        }
        self.waiters.push(sender);
        (Decision::Wait(receiver), true)
    }

    /// What the task has to do. Called by the task alone; a mint that it returns is under way
    /// from then on.
    pub(super) fn next_step(&mut self, now: Instant) -> Step {
        if self.minting {
            return Step::Mint;
        }
        let gate = self.gate();
        let due = match self.usable(now) {
            Some(token) if self.used => {
                gate.map_or(token.refresh_at, |at| at.max(token.refresh_at))
            }
            _ => return Step::Sleep(None),
        };
        if due > now {
            return Step::Sleep(Some(due));
        }
        self.minting = true;
        Step::Mint
    }

    /// Takes over the end of a mint that was begun at `started`, and tells everyone who waits.
    pub(super) fn settle(
        &mut self,
        result: Result<Minted, MintFailure>,
        started: Instant,
        now: Instant,
        wall: Timestamp,
    ) {
        self.minting = false;
        let outcome = match result.and_then(|minted| self.accept(minted, started, now, wall)) {
            Ok(token) => Ok(token),
            Err(failure) => {
                self.fail(failure, started, now, wall);
                Err(self.refusal(now).unwrap_or(Refusal::Unavailable {
                    retry_after: Duration::from_secs(1),
                    source: self.last_failure.clone(),
                }))
            }
        };
        for waiter in self.waiters.drain(..) {
            // An error means that the caller has left.
            let _ = waiter.send(outcome.clone());
        }
    }

    /// A service answered 401 to a token of that generation. Drops it, unless a newer one is in
    /// hand already. `Err` when this generation was made to replace a refused one: making yet
    /// another cannot help.
    pub(super) fn refused(&mut self, generation: u64, now: Instant) -> Result<(), Refusal> {
        let rejected = |r: &Rejected| r.generation == generation && r.until > now;
        if self.rejected.as_ref().is_some_and(rejected) {
            return Err(Refusal::Rejected);
        }
        self.token.take_if(|token| token.generation == generation);
        Ok(())
    }

    /// A service answered 401 again, to a token made because of the first 401. Nothing is minted
    /// for a while. The token stays in hand, since other services may well accept it.
    pub(super) fn rejected(&mut self, generation: u64, now: Instant) {
        // Late news of an older generation says nothing of the one in hand.
        let known = self.rejected.as_ref().is_some_and(|r| r.generation == generation);
        if generation == self.generation && !known {
            let until = now + self.settings.rejected_pause;
            self.rejected = Some(Rejected { generation, until });
        }
    }

    /// Forgets quarantine and pauses.
    pub(super) fn release(&mut self) {
        self.quarantine = None;
        self.paused_until = None;
        self.rejected = None;
        self.strikes = 0;
        self.failures = 0;
    }

    pub(super) fn status(&self, now: Instant) -> TokenStatus {
        let usable = self.usable(now);
        let state = if self.quarantine.is_some() {
            TokenState::Quarantined
        } else if self.minting && usable.is_some() {
            TokenState::Refreshing
        } else if self.minting {
            TokenState::Minting
        } else if self.gate().is_some_and(|gate| gate > now) {
            TokenState::Backoff
        } else if usable.is_some() {
            TokenState::Fresh
        } else if self.generation > 0 {
            TokenState::Expired
        } else {
            TokenState::Empty
        };
        let rejected = self.rejected.as_ref().filter(|r| r.until > now);
        TokenStatus {
            state,
            expires: usable.map(|token| token.expires),
            quarantined_since: self.quarantine.as_ref().map(|q| q.since),
            last_error_reason: self
                .last_failure
                .as_ref()
                .map(|failure| failure.reason.clone())
                .or_else(|| rejected.map(|_| "a service refused a fresh token".to_owned())),
        }
    }

    fn usable(&self, now: Instant) -> Option<&Arc<Token>> {
        self.token.as_ref().filter(|token| now < token.use_until)
    }

    /// Before when nothing is minted.
    fn gate(&self) -> Option<Instant> {
        let quarantined = self.quarantine.as_ref().map(|q| q.probe_at);
        let rejected = self.rejected.as_ref().map(|r| r.until);
        [self.paused_until, quarantined, rejected].into_iter().flatten().max()
    }

    fn refusal(&self, now: Instant) -> Option<Refusal> {
        let gate = self.gate().filter(|gate| *gate > now)?;
        let retry_after = gate - now;
        let source = self.last_failure.clone();
        Some(match self.quarantine {
            Some(_) => Refusal::Quarantined { retry_after, source },
            None => Refusal::Unavailable { retry_after, source },
        })
    }

    fn accept(
        &mut self,
        minted: Minted,
        started: Instant,
        now: Instant,
        wall: Timestamp,
    ) -> Result<Arc<Token>, MintFailure> {
        let life = minted.life.unwrap_or(self.settings.default_life);
        let ends_at = started + life;
        if ends_at <= now {
            let reason = "the token had ended when it arrived";
            return Err(MintFailure::new(FailureClass::Transient, reason));
        }
        self.generation += 1;
        let left = SignedDuration::try_from(ends_at - now).unwrap_or_default();
        let token = Arc::new(Token {
            authorization: minted.authorization,
            generation: self.generation,
            refresh_at: started + policy::refresh_at(life, &self.settings, &self.jitter),
            use_until: started + policy::usable_life(life, &self.settings),
            ends_at,
            expires: wall.saturating_add(left).unwrap_or(wall),
        });
        self.strikes = 0;
        self.failures = 0;
        self.last_failure = None;
        self.quarantine = None;
        self.paused_until = None;
        self.used = !self.waiters.is_empty();
        // A short-lived token goes to those who wait for it and is then forgotten.
        if now < token.use_until {
            self.token = Some(Arc::clone(&token));
        }
        Ok(token)
    }

    fn fail(&mut self, failure: MintFailure, started: Instant, now: Instant, wall: Timestamp) {
        let took = now - started;
        let refused =
            matches!(failure.class, FailureClass::Credential | FailureClass::Configuration);
        let count = if refused { &mut self.strikes } else { &mut self.failures };
        *count = count.saturating_add(1);
        let pause = policy::pause(&failure, *count, took, &self.settings, &self.jitter);
        if self.strikes >= STRIKES && (refused || self.quarantine.is_some()) {
            let since = self.quarantine.as_ref().map_or(wall, |q| q.since);
            let probe_at = now + self.settings.quarantine_probe.max(pause);
            self.quarantine = Some(Quarantine { since, probe_at });
            self.paused_until = None;
        } else {
            self.paused_until = Some(now + pause);
        }
        self.last_failure = Some(Arc::new(failure));
    }
}

/// So few waiters may wait for an answer that they no longer want.
const FEW_WAITERS: usize = 64;

/// Refusals in a row after which a credential is quarantined.
const STRIKES: u32 = 2;
