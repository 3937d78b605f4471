use std::time::Duration;

use tokio::time::Instant;

use super::BreakerState;

/// The three positions of a breaker. Closed passes, open fails fast, half-open lets one call
/// through to find out.
#[derive(Debug)]
pub(super) struct Switch {
    position: Position,
    /// Counts changes, so that a call that began before one says nothing after it.
    epoch: u64,
    /// How long it stays open next.
    pause: Duration,
    open_min: Duration,
    open_max: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Position {
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        since: Instant,
        /// Since when the one call is under way.
        probing: Option<Instant>,
    },
}

/// Leave to call, to be given back with what became of the call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    epoch: u64,
    /// It was given to find out.
    pub(super) probe: bool,
}

/// What a call said of the service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Works,
    Fails,
    /// Nothing either way.
    Silent,
}

/// What a verdict led to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Noted {
    /// The breaker is closed: whoever keeps count takes it.
    Counts,
    /// The breaker has moved.
    Moved(BreakerState),
    /// Nothing.
    Ignored,
}

impl Switch {
    pub(super) fn new(open_min: Duration, open_max: Duration) -> Self {
        Self { position: Position::Closed, epoch: 0, pause: open_min, open_min, open_max }
    }

    /// Asks for leave to call; if there is none, when to ask again.
    ///
    /// The call that finds out must be a read. A service that is only ever written to would stay
    /// closed to everybody for that, so that a write may after no read came for a while.
    pub(super) fn enter(&mut self, reads: bool, now: Instant) -> Result<Pass, Duration> {
        match self.position {
            Position::Closed => return Ok(Pass { epoch: self.epoch, probe: false }),
            Position::Open { until } if now < until => return Err(until - now),
            Position::Open { until } => {
                self.move_to(Position::HalfOpen { since: until, probing: None });
            }
            Position::HalfOpen { .. } => {}
        }
        let Position::HalfOpen { since, probing } = self.position else {
            return Err(self.open_min);
        };
        let for_writes = since + self.open_max;
        if !reads && now < for_writes {
            return Err(for_writes - now);
        }
        // One that hangs must not keep the others waiting for an answer.
        if probing.is_some_and(|began| now < began + self.open_min) {
            return Err(SOON);
        }
        self.position = Position::HalfOpen { since, probing: Some(now) };
        Ok(Pass { epoch: self.epoch, probe: true })
    }

    /// Takes what a call said.
    pub(super) fn note(&mut self, pass: Pass, verdict: Verdict, now: Instant) -> Noted {
        if pass.epoch != self.epoch {
            return Noted::Ignored;
        }
        match (self.position, verdict) {
            (_, Verdict::Silent) => {
                if let Position::HalfOpen { probing, .. } = &mut self.position
                    && pass.probe
                {
                    *probing = None;
                }
                Noted::Ignored
            }
            (Position::Closed, _) => Noted::Counts,
            (Position::HalfOpen { .. }, Verdict::Works) => {
                self.pause = self.open_min;
                self.move_to(Position::Closed);
                Noted::Moved(BreakerState::Closed)
            }
            (Position::HalfOpen { .. }, Verdict::Fails) => Noted::Moved(self.trip(now)),
            (Position::Open { .. }, _) => Noted::Ignored,
        }
    }

    /// Opens it.
    pub(super) fn trip(&mut self, now: Instant) -> BreakerState {
        self.move_to(Position::Open { until: now + self.pause });
        self.pause = self.pause.saturating_mul(2).min(self.open_max);
        BreakerState::Open
    }

    /// The position, and how long it stays open.
    pub(super) fn state(&self, now: Instant) -> (BreakerState, Option<Duration>) {
        match self.position {
            Position::Closed => (BreakerState::Closed, None),
            Position::Open { until } if now < until => (BreakerState::Open, Some(until - now)),
            Position::Open { .. } | Position::HalfOpen { .. } => (BreakerState::HalfOpen, None),
        }
    }

    fn move_to(&mut self, position: Position) {
        self.position = position;
        self.epoch += 1;
    }
}

/// When to ask again while the one call is under way.
const SOON: Duration = Duration::from_secs(1);
