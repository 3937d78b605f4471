use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::{
    Core, Error, IfInUse, Located, LogoffOutcome, Machines, PowerRequest, Sessions, Wildcard,
};
use crate::domain::{
    Action, CallContext, Machine, NameOrId, PowerAction, ProblemCode, Session, SessionAction,
    SessionId,
};

/// Gets a user out of a session that is stuck, by one means after another.
#[derive(Clone, Debug)]
pub struct Recoveries {
    core: Arc<Core>,
    sessions: Sessions,
    machines: Machines,
}

/// What was tried, and where it led.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The session as it was before.
    pub session: Located<Session>,
    /// Where it led.
    pub outcome: RecoveryOutcome,
    /// What was tried, in that order.
    pub steps: Vec<RecoveryStep>,
}

/// Where trying to recover a session led.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryOutcome {
    /// The session is gone.
    Gone,
    /// The session is still there, and hidden: its user gets a new one.
    Hidden,
    /// The machine restarts, which ends the session.
    Restarting,
    /// Everything that is allowed was tried; the session is still there.
    StillThere,
    /// The time was over before everything was tried. What was asked for may still take effect.
    Unfinished,
}

/// One thing that was tried.
#[derive(Clone, Debug)]
pub struct RecoveryStep {
    /// What.
    pub action: RecoveryAction,
    /// How it went.
    pub status: StepStatus,
    /// What there is to say about it.
    pub detail: Option<String>,
    /// Why it failed.
    pub error: Option<Error>,
    /// When it began.
    pub began: Timestamp,
    /// How long it took.
    pub duration: Duration,
}

/// What can be tried on a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryAction {
    /// Log it off.
    Logoff,
    /// Wait until it is gone.
    Wait,
    /// Cut its connection.
    Disconnect,
    /// Hide it from its user.
    Hide,
    /// Restart its machine.
    Restart,
}

/// How a step went.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// Citrix took it; after waiting: the session is gone.
    Done,
    /// Citrix did not take it; after waiting: the session is still there.
    Failed,
    /// It was not tried; `detail` says why.
    Skipped,
}

impl Recoveries {
    pub(super) fn new(core: Arc<Core>, sessions: Sessions, machines: Machines) -> Self {
        Self { core, sessions, machines }
    }

    /// Ends a session by whatever it takes: logs it off and waits, disconnects it and logs it off
    /// again, hides it where others use the machine too, and restarts the machine where
    /// `allow_restart` says so, nobody else uses it, and the caller may.
    ///
    /// Goes on when the caller goes away, and ends with the call's deadline at the latest.
    ///
    /// # Errors
    /// When the session cannot be found or may not be acted on. A step that fails is no error: the
    /// next one follows.
    pub async fn recover(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
        session: &SessionId,
        allow_restart: bool,
    ) -> Result<Recovery, Error> {
        let ctx = ctx.fresh();
        let (customer, site) =
            self.core.authorize_site(&ctx, Action::Session, customer, site).await?;
        let found = self.core.session(&ctx, &customer, &site, session).await?;
        let before = Located::read(&ctx, customer, Some(&site), found);
        let site = NameOrId::try_from(site.as_str()).map_err(|_| Error::NotFound)?;
        let run = Run {
            // Some of the time is for the answer.
            ctx: ctx.with_share(WORK_SHARE),
            parts: self.clone(),
            customer: before.customer.name.to_string(),
            site: Wildcard::One(site),
            session: session.clone(),
            steps: Vec::new(),
        };
        // It goes on when the caller goes away: half a recovery helps nobody. Its steps are recorded
        // each for itself.
        let run = self.core.changes.spawn(run.through(before, allow_restart));
        run.await.map_err(|error| {
            tracing::error!(%error, "a recovery broke down");
            Error::Internal
        })
    }
}

/// One recovery that is under way.
struct Run {
    ctx: CallContext,
    parts: Recoveries,
    customer: String,
    site: Wildcard<NameOrId>,
    session: SessionId,
    steps: Vec<RecoveryStep>,
}

impl Run {
    async fn through(mut self, before: Located<Session>, allow_restart: bool) -> Recovery {
        let outcome = self.outcome(&before.item, allow_restart).await;
        Recovery { session: before, outcome, steps: self.steps }
    }

    async fn outcome(&mut self, session: &Session, allow_restart: bool) -> RecoveryOutcome {
        for (disconnect_first, patience) in [(false, 0.4), (true, 0.5)] {
            if disconnect_first {
                self.act(RecoveryAction::Disconnect, SessionAction::Disconnect).await;
            }
            if self.log_off().await || self.wait(patience).await {
                return RecoveryOutcome::Gone;
            }
            if self.out_of_time() {
                return RecoveryOutcome::Unfinished;
            }
        }
        let kind = session.session_support.as_deref().unwrap_or_default();
        let shared = !kind.eq_ignore_ascii_case("SingleSession");
        if shared {
            // Nobody else may lose their work for this one.
            let hidden = self.act(RecoveryAction::Hide, SessionAction::Hide).await;
            self.skip(RecoveryAction::Restart, "other users may be on this machine");
            return if hidden { RecoveryOutcome::Hidden } else { self.in_vain() };
        }
        self.skip(RecoveryAction::Hide, "the machine takes one session, so hiding it helps nobody");
        if self.restart(session, allow_restart).await {
            return RecoveryOutcome::Restarting;
        }
        self.in_vain()
    }

    /// Logs the session off; whether it is gone at once.
    async fn log_off(&mut self) -> bool {
        let clock = Stopwatch::start(&self.parts.core);
        let Self { parts, ctx, customer, site, session, .. } = &*self;
        let outcome = parts.sessions.log_off(ctx, customer, site, session).await;
        let gone = match &outcome {
            Ok(outcome) => *outcome == LogoffOutcome::Gone,
            Err(error) => error.code() == ProblemCode::NotFound,
        };
        let error = outcome.err().filter(|_| !gone);
        self.steps.push(clock.step(RecoveryAction::Logoff, error));
        gone
    }

    async fn act(&mut self, step: RecoveryAction, action: SessionAction) -> bool {
        let clock = Stopwatch::start(&self.parts.core);
        let Self { parts, ctx, customer, site, session, .. } = &*self;
        let result = parts.sessions.act(ctx, customer, site, session, action).await;
        let taken = result.is_ok();
        self.steps.push(clock.step(step, result.err()));
        taken
    }

    /// Waits for the session to go, for a share of the time that is left; whether it went.
    async fn wait(&mut self, share: f64) -> bool {
        let clock = Stopwatch::start(&self.parts.core);
        let until = Instant::now() + self.ctx.remaining().mul_f64(share).min(LONGEST_WAIT);
        let mut pause = FIRST_LOOK;
        let (mut gone, mut error) = (false, None);
        while !gone && Instant::now() + pause <= until {
            sleep(pause).await;
            pause = (pause * 2).min(LAST_LOOK);
            let Self { parts, ctx, customer, site, session, .. } = &*self;
            match parts.sessions.get(ctx, customer, site, session).await {
                Ok(_) => error = None,
                Err(failure) if failure.code() == ProblemCode::NotFound => gone = true,
                Err(failure) => error = Some(failure),
            }
        }
        let mut step = clock.step(RecoveryAction::Wait, error);
        if !gone {
            step.status = StepStatus::Failed;
            let seconds = step.duration.as_secs().max(1);
            step.detail.get_or_insert_with(|| format!("still there after {seconds} s"));
        }
        self.steps.push(step);
        gone
    }

    /// Restarts the machine if that hurts nobody else; whether Citrix took it.
    async fn restart(&mut self, session: &Session, allowed: bool) -> bool {
        if !allowed {
            self.skip(RecoveryAction::Restart, "the request does not allow it (`allowRestart`)");
            return false;
        }
        if self.out_of_time() {
            return false;
        }
        let id = session.machine.as_ref().and_then(|machine| machine.id.clone());
        let Some(Ok(id)) = id.map(NameOrId::try_from) else {
            self.skip(RecoveryAction::Restart, "Citrix does not say which machine it is");
            return false;
        };
        let clock = Stopwatch::start(&self.parts.core);
        let Self { parts, ctx, customer, site, .. } = &*self;
        let may = parts.core.authorize_site(ctx, Action::Power, customer, site).await;
        if may.is_err() {
            self.skip(RecoveryAction::Restart, "this app may not restart machines here");
            return false;
        }
        let machine = match parts.machines.get(ctx, customer, site, &id).await {
            Ok(machine) => machine.item,
            Err(error) => {
                self.steps.push(clock.step(RecoveryAction::Restart, Some(error)));
                return false;
            }
        };
        if let Some(reason) = reason_to_keep(&machine) {
            self.skip(RecoveryAction::Restart, reason);
            return false;
        }
        let request =
            PowerRequest { action: PowerAction::Reboot, force: false, if_in_use: IfInUse::Proceed };
        let result = parts.machines.power(ctx, customer, site, &id, request).await;
        let taken = result.is_ok();
        self.steps.push(clock.step(RecoveryAction::Restart, result.err()));
        taken
    }

    fn skip(&mut self, action: RecoveryAction, why: &str) {
        let mut step = Stopwatch::start(&self.parts.core).step(action, None);
        step.status = StepStatus::Skipped;
        step.detail = Some(why.to_owned());
        self.steps.push(step);
    }

    fn out_of_time(&self) -> bool {
        self.ctx.remaining().is_zero()
    }

    fn in_vain(&self) -> RecoveryOutcome {
        if self.out_of_time() { RecoveryOutcome::Unfinished } else { RecoveryOutcome::StillThere }
    }
}

/// Why a machine must not be restarted for the sake of one session. Whose sessions there are is told
/// by their number, which Citrix vouches for, and not by names, which it does not.
fn reason_to_keep(machine: &Machine) -> Option<&'static str> {
    let is = |state: &Option<String>, word: &str| {
        state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case(word))
    };
    let actions = machine.supported_power_actions.as_deref().unwrap_or_default();
    let restarts =
        |action: &String| ["Restart", "Reset"].iter().any(|word| action.eq_ignore_ascii_case(word));
    if !is(&machine.session_support, "SingleSession") {
        Some("other users may be on this machine")
    } else if is(&machine.machine_type, "Physical") || !actions.iter().any(restarts) {
        Some("Citrix does not manage the power of this machine")
    } else if machine.session_count != Some(1) {
        Some("this is not the only session on the machine, as far as Citrix says")
    } else {
        None
    }
}

/// Measures one step.
struct Stopwatch {
    began: Timestamp,
    at: Instant,
}

impl Stopwatch {
    fn start(core: &Core) -> Self {
        Self { began: core.now(), at: Instant::now() }
    }

    fn step(&self, action: RecoveryAction, error: Option<Error>) -> RecoveryStep {
        RecoveryStep {
            action,
            status: if error.is_some() { StepStatus::Failed } else { StepStatus::Done },
            detail: error.as_ref().map(ToString::to_string),
            error,
            began: self.began,
            duration: self.at.elapsed(),
        }
    }
}

/// Part of the caller's time that the steps may use.
const WORK_SHARE: f64 = 0.9;

/// Longest that one log-off is waited for: it takes seconds, or it does not work.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Pauses between two looks at the session: the first, and the longest.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LAST_LOOK: Duration = Duration::from_secs(2);
