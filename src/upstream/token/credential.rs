use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    TokenStatus,
    mint::{FailureClass, Mint, MintFailure, MintRequest, Minted},
    outcome::{Refusal, Token},
    policy::Jitter,
    state::{Decision, State, Step},
};
use crate::{config::TokenSettings, domain::Clock};

/// One credential, with the task that gets its tokens. The task ends when this is dropped.
#[derive(Debug)]
pub(in crate::upstream) struct Credential {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A token to use for one call.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Lease {
    credential: Arc<Credential>,
    token: Arc<Token>,
}

struct Shared {
    state: Mutex<State>,
    wake: Notify,
    mint: Arc<dyn Mint>,
    request: MintRequest,
    /// Best first; never empty in use.
    secrets: Vec<SecretString>,
    settings: TokenSettings,
    clock: Arc<dyn Clock>,
}

impl Credential {
    /// Starts the credential's task. Nothing is sent until a token is wanted. The secret in
    /// `request` is replaced by each of `secrets`.
    pub(super) fn start(
        mint: Arc<dyn Mint>,
        request: MintRequest,
        secrets: Vec<SecretString>,
        settings: TokenSettings,
        clock: Arc<dyn Clock>,
        jitter: Jitter,
    ) -> Arc<Self> {
        let state = Mutex::new(State::new(settings.clone(), jitter));
        let wake = Notify::new();
        let shared = Arc::new(Shared { state, wake, mint, request, secrets, settings, clock });
        let task = tokio::spawn(Arc::clone(&shared).run());
        Arc::new(Self { shared, task })
    }

    /// A token to use now. Waits for one that is being asked for, until the deadline at most.
    pub(in crate::upstream) async fn acquire(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Lease, Refusal> {
        let (decision, wake) = self.shared.state().acquire(Instant::now());
        if wake {
            self.shared.wake.notify_one();
        }
        let token = match decision {
            Decision::Use(token) => token,
            Decision::Refuse(refusal) => return Err(refusal),
            Decision::Wait(receiver) => match timeout_at(deadline, receiver).await {
                Ok(Ok(outcome)) => outcome?,
                Ok(Err(_)) => return Err(unavailable()),
                Err(_) => return Err(Refusal::DeadlinePassed),
            },
        };
        // A waiter may be woken late, and a short life may have ended by then.
        if token.has_ended(Instant::now()) {
            return Err(unavailable());
        }
        Ok(Lease { credential: Arc::clone(self), token })
    }

    pub(super) fn status(&self) -> TokenStatus {
        self.shared.state().status(Instant::now())
    }

    pub(super) fn release(&self) {
        self.shared.state().release();
        self.shared.wake.notify_one();
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lease {
    pub(in crate::upstream) fn token(&self) -> &Token {
        &self.token
    }

    /// A service answered 401: a newer token, or `Err` when none can help.
    pub(in crate::upstream) async fn replace(&self, deadline: Instant) -> Result<Self, Refusal> {
        self.credential.shared.state().refused(self.token.generation, Instant::now())?;
        self.credential.acquire(deadline).await
    }

    /// A service answered 401 to the replacement as well.
    pub(in crate::upstream) fn rejected(&self) {
        self.credential.shared.state().rejected(self.token.generation, Instant::now());
        tracing::warn!(
            cwsgate.region = self.credential.shared.request.region.as_str(),
            cwsgate.customer = self.credential.shared.request.customer.as_str(),
            "a service refused a token that had just been made"
        );
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while it is held; and its data are whole at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The credential's task: mints when told, renews ahead, sleeps else.
    async fn run(self: Arc<Self>) {
        let mut preferred = 0;
        let mut warned = false;
        loop {
            let step = self.state().next_step(Instant::now());
            match step {
                Step::Mint => {
                    let (started, result) = self.attempt(&mut preferred).await;
                    self.report(&result, &mut warned);
                    let now: Timestamp = self.clock.now();
                    self.state().settle(result, started, Instant::now(), now);
                }
                Step::Sleep(None) => self.wake.notified().await,
                Step::Sleep(Some(until)) => {
                    // Woken or not, the state says what to do next.
                    let _ = timeout_at(until, self.wake.notified()).await;
                }
            }
        }
    }

    /// Asks with the secret that worked last. When the credential is refused and there is another
    /// secret, that one is tried once before the refusal counts.
    async fn attempt(&self, preferred: &mut usize) -> (Instant, Result<Minted, MintFailure>) {
        let first = self.ask(*preferred).await;
        let refused = matches!(&first.1, Err(f) if f.class == FailureClass::Credential);
        if !refused || self.secrets.len() < 2 {
            return first;
        }
        *preferred = (*preferred + 1) % self.secrets.len();
        self.ask(*preferred).await
    }

    async fn ask(&self, index: usize) -> (Instant, Result<Minted, MintFailure>) {
        let Some(secret) = self.secrets.get(index) else {
            let reason = "the customer has no client secret that is still valid";
            let failure = MintFailure::new(FailureClass::Configuration, reason);
            return (Instant::now(), Err(failure));
        };
        let request = MintRequest { secret: secret.clone(), ..self.request.clone() };
        let mint = Arc::clone(&self.mint);
        // The mint keeps the limit itself and reports it; this one is for a mint that does not.
        let limit = self.settings.mint_timeout + Duration::from_secs(1);
        let started = Instant::now();
        // A task of its own, so that whatever goes wrong in it is one failed request.
        let task = tokio::spawn(async move { timeout(limit, mint.mint(&request)).await });
        let transient = |reason: &str| Err(MintFailure::new(FailureClass::Transient, reason));
        let result = match task.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => transient("the token service did not answer in time"),
            Err(_) => transient("the token request broke off"),
        };
        (started, result)
    }

    fn report(&self, result: &Result<Minted, MintFailure>, warned: &mut bool) {
        let region = self.request.region.as_str();
        let customer = self.request.customer.as_str();
        match result {
            Ok(minted) if minted.life.is_none() && !*warned => {
                *warned = true;
                let assumed_s = self.settings.default_life.as_secs();
                tracing::warn!(
                    region,
                    customer,
                    assumed_s,
                    "the token service names no usable life"
                );
            }
            Ok(_) => tracing::debug!(region, customer, "got a token"),
            Err(failure) => tracing::warn!(
                region,
                customer,
                reason = failure.reason,
                http.response.status_code = failure.status,
                "got no token"
            ),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("request", &self.request).finish_non_exhaustive()
    }
}

fn unavailable() -> Refusal {
    Refusal::Unavailable { retry_after: Duration::from_secs(1), source: None }
}
