use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{Freshness, Principal, Reading, Readings};

/// Who calls, until when, and under which ids: travels with every use case and upstream call.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// The authenticated caller.
    pub principal: Arc<Principal>,
    /// When the answer is due; nothing may be awaited past it.
    pub deadline: Instant,
    /// Identifies the request in answers and logs.
    pub request_id: RequestId,
    /// Sent as `Citrix-TransactionId` on every upstream call of this request; the same value as
    /// the request id where that is a UUID, so that support can follow one id end to end.
    pub transaction_id: Uuid,
    /// Who the app says it acts for (`Cwsgate-On-Behalf-Of`): asserted, never verified.
    pub on_behalf_of: Option<String>,
    /// Why the caller acts, in the caller's words; kept with the record of each change.
    pub reason: Option<Arc<str>>,
    /// By which way the call came in.
    pub via: Via,
    /// The bulk operation that the call is part of.
    pub operation_id: Option<Uuid>,
    /// How recent the readings for it must be.
    pub freshness: Freshness,
    /// The reserved `Idempotency-Key` of the call: what it does is recorded together with it.
    pub reservation: Option<Uuid>,
    changed: Arc<AtomicBool>,
    asked: Arc<AtomicU8>,
    readings: Arc<Mutex<Option<Readings>>>,
}

/// By which way a call came in. Bulk work waits for the others where there is a queue.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Via {
    /// The REST API.
    #[default]
    Api,
    /// The drop-in surface: a Citrix path, passed through.
    DropIn,
    /// A bulk operation.
    Operation,
}

impl CallContext {
    /// A context whose transaction id follows the request id.
    pub fn new(principal: Arc<Principal>, deadline: Instant, request_id: RequestId) -> Self {
        let transaction_id =
            Uuid::parse_str(request_id.as_str()).unwrap_or_else(|_| Uuid::now_v7());
        Self {
            principal,
            deadline,
            request_id,
            transaction_id,
            on_behalf_of: None,
            reason: None,
            via: Via::default(),
            operation_id: None,
            freshness: Freshness::default(),
            reservation: None,
            changed: Arc::default(),
            asked: Arc::default(),
            readings: Arc::default(),
        }
    }

    /// The time that is left; zero once the deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The same call with an earlier deadline: `share` of the time that is left. Fan-out sources
    /// get less than the whole so that an answer can still be built from the others.
    #[must_use]
    pub fn with_share(&self, share: f64) -> Self {
        let mut context = self.clone();
        context.deadline = Instant::now() + self.remaining().mul_f64(share.clamp(0.0, 1.0));
        context
    }

    /// The same call, for which nothing counts but what Citrix says from now on: for whoever acts,
    /// plans or looks what became of an action.
    #[must_use]
    pub fn fresh(&self) -> Self {
        self.wanting(Freshness::Fresh)
    }

    /// The same call with another wish for how recent the readings must be.
    #[must_use]
    pub fn wanting(&self, freshness: Freshness) -> Self {
        Self { freshness, ..self.clone() }
    }

    /// Whether Citrix may be asked at all.
    pub fn may_ask(&self) -> bool {
        !matches!(self.freshness, Freshness::OnlyIfCached(_))
    }

    /// The same call as work of its own in the background, whose caller does not wait for it.
    #[must_use]
    pub fn in_background(&self, deadline: Instant) -> Self {
        let (asked, readings) = (Arc::default(), Arc::default());
        Self { deadline, asked, readings, ..self.clone() }
    }

    /// Remembers how a part of the answer was come by.
    pub fn note_reading(&self, reading: Reading) {
        let mut readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        *readings = Some(Readings::with(*readings, reading));
    }

    /// How the parts of the answer were come by; `None` if none of it was read from Citrix.
    pub fn readings(&self) -> Option<Readings> {
        *self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that an upstream was asked, so that the answer names the transaction.
    pub fn note_upstream_call(&self) {
        self.asked.fetch_or(ASKED, Ordering::Relaxed);
    }

    /// Remembers that an upstream is being asked to change something.
    pub fn note_change(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    /// Whether an upstream was asked to change something on behalf of this call or any clone of it.
    pub fn asked_for_change(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Remembers that the answer came from the simulator, so that nobody takes it for real.
    pub fn note_simulated(&self) {
        self.asked.fetch_or(SIMULATED, Ordering::Relaxed);
    }

    /// Whether an upstream was asked on behalf of this call or any clone of it.
    pub fn asked_upstream(&self) -> bool {
        self.asked.load(Ordering::Relaxed) & ASKED != 0
    }

    /// Whether any of those answers came from the simulator.
    pub fn simulated(&self) -> bool {
        self.asked.load(Ordering::Relaxed) & SIMULATED != 0
    }
}

impl Via {
    /// The word used in the audit trail and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::DropIn => "drop-in",
            Self::Operation => "operation",
        }
    }
}

const ASKED: u8 = 1;
const SIMULATED: u8 = 2;

/// Identifies one request: the caller's `X-Request-Id` where it is acceptable, else a fresh UUID (version 7).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// At most this many characters are taken over from a caller.
    const MAX_LEN: usize = 128;

    /// A fresh id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// The caller's id, if it is short and made of characters that are safe in headers and logs.
    pub fn from_caller(raw: &str) -> Option<Self> {
        let safe =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '+' | '=');
        (!raw.is_empty() && raw.len() <= Self::MAX_LEN && raw.chars().all(safe))
            .then(|| Self(raw.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
