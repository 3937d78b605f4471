//! Power actions and what a machine goes through because of one.

use super::{Event, World};

/// A power action on one machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PowerAction {
    Start,
    Shutdown { force: bool },
    Reboot { force: bool },
    Suspend,
    Resume,
}

/// Why the broker does not take a power action.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PowerRefused {
    /// A `JobErrorCode`.
    pub(crate) code: String,
    pub(crate) message: String,
}

impl PowerAction {
    /// Reads `$start` and its kind, without case.
    pub(crate) fn parse(segment: &str, force: bool) -> Option<Self> {
        Some(match segment.to_ascii_lowercase().as_str() {
            "$start" => Self::Start,
            "$shutdown" => Self::Shutdown { force },
            "$reboot" => Self::Reboot { force },
            "$suspend" => Self::Suspend,
            "$resume" => Self::Resume,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Shutdown { .. } => "shutdown",
            Self::Reboot { .. } => "reboot",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }

    pub(crate) fn job_type(self) -> &'static str {
        match self {
            Self::Start => "StartMachines",
            Self::Shutdown { .. } => "ShutDownMachines",
            Self::Reboot { .. } => "RebootMachines",
            Self::Suspend => "SuspendMachines",
            Self::Resume => "ResumeMachines",
        }
    }

    /// What the machine must support.
    fn needs(self) -> &'static str {
        match self {
            Self::Start => "PowerOn",
            Self::Shutdown { force: false } => "Shutdown",
            Self::Shutdown { force: true } => "PowerOff",
            Self::Reboot { force: false } => "Restart",
            Self::Reboot { force: true } => "Reset",
            Self::Suspend | Self::Resume => "SuspendResume",
        }
    }

    /// When, in thousandths of the whole, the machine enters which state.
    fn plan(self, power_state: &str) -> &'static [(i64, Step)] {
        let on = matches!(power_state, "On" | "TurningOn" | "Resuming");
        match self {
            Self::Reboot { .. } if on => &[
                (100, Step::TurningOff),
                (450, Step::Off),
                (550, Step::TurningOn),
                (850, Step::On),
                (1000, Step::Registered),
            ],
            Self::Start | Self::Reboot { .. } if power_state == "Off" => {
                &[(100, Step::TurningOn), (700, Step::On), (1000, Step::Registered)]
            }
            Self::Start | Self::Resume if power_state == "Suspended" => {
                &[(100, Step::Resuming), (700, Step::On), (1000, Step::Registered)]
            }
            Self::Shutdown { .. } if on => &[(100, Step::TurningOff), (1000, Step::Off)],
            Self::Suspend if on => &[(100, Step::Suspending), (1000, Step::Suspended)],
            // The broker takes what changes nothing, and then does nothing.
            _ => &[(100, Step::Nothing)],
        }
    }
}

/// One state that a machine enters on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    TurningOff,
    Off,
    TurningOn,
    On,
    Registered,
    Suspending,
    Suspended,
    Resuming,
    Nothing,
}

impl World {
    /// Lets the broker take a power action now, or refuse it.
    pub(crate) fn power(
        &mut self,
        customer: usize,
        machine: usize,
        action: PowerAction,
        now: i64,
    ) -> Result<(), PowerRefused> {
        let total = i64::from(match action {
            PowerAction::Reboot { .. } => self.settings.reboot_ms,
            _ => self.settings.power_ms,
        });
        let Some(state) =
            self.customers.get_mut(customer).and_then(|c| c.site.machine_mut(machine))
        else {
            return Err(PowerRefused {
                code: "UnknownMachine".into(),
                message: "Machine not found.".into(),
            });
        };
        if !state.supported_power_actions.contains(&action.needs()) {
            return Err(PowerRefused {
                code: "PowerActionsNotSupported".into(),
                message: "Machine does not support specified power action.".into(),
            });
        }
        if let Some(code) = state.power_fault.clone() {
            state.failed_action = Some(now);
            return Err(PowerRefused {
                message: format!("The power action failed: {code}."),
                code,
            });
        }
        if state.running.is_some() {
            // One at a time: the broker queues the second and finds nothing left to do.
            return Ok(());
        }
        state.running = Some(action);
        state.run_number = state.run_number.wrapping_add(1);
        state.power_action_pending = true;
        let (run, plan) = (state.run_number, action.plan(state.power_state));
        let id = state.id.clone();
        self.log.power_applied(&id, action.name());
        let last = plan.len().saturating_sub(1);
        for (position, (share, step)) in plan.iter().enumerate() {
            let event =
                Event::Machine { customer, machine, run, step: *step, last: position == last };
            self.schedule(now, total * share / 1000, event);
        }
        Ok(())
    }

    /// Moves a machine one state on; a step of an action that was overtaken does nothing.
    pub(crate) fn machine_step(
        &mut self,
        customer: usize,
        machine: usize,
        run: u32,
        (step, last): (Step, bool),
        now: i64,
    ) {
        let Some(site) = self.customers.get_mut(customer).map(|customer| &mut customer.site) else {
            return;
        };
        let Some(state) = site.machine_mut(machine).filter(|state| state.run_number == run) else {
            return;
        };
        state.power_action_pending = false;
        match step {
            Step::TurningOff => {
                state.power_state = "TurningOff";
                state.deregister("DesktopRestart", now);
                if matches!(state.running, Some(PowerAction::Shutdown { .. })) {
                    state.last_deregistration_reason = "PowerOff";
                }
                site.end_sessions_on(machine);
            }
            Step::Off => state.power_state = "Off",
            Step::TurningOn => state.power_state = "TurningOn",
            Step::Resuming => state.power_state = "Resuming",
            Step::On => {
                state.power_state = "On";
                state.registration_state = "Initializing";
            }
            Step::Registered if state.stuck_on_boot => {
                state.registration_state = "Unregistered";
                state.fault_state = "StuckOnBoot";
            }
            Step::Registered => {
                state.registration_state = "Registered";
                state.fault_state = "None";
            }
            Step::Suspending => {
                state.power_state = "Suspending";
                let uids = state.sessions.clone();
                for uid in uids {
                    if let Some(session) = site.session_mut(uid) {
                        session.set_state("Disconnected", now);
                    }
                }
            }
            Step::Suspended => {
                state.power_state = "Suspended";
                state.deregister("AgentSuspended", now);
            }
            Step::Nothing => {}
        }
        if last && let Some(state) = site.machine_mut(machine) {
            state.running = None;
        }
    }
}

impl super::Machine {
    fn deregister(&mut self, reason: &'static str, now: i64) {
        if self.registration_state == "Registered" {
            self.last_deregistration = Some(now);
            self.last_deregistration_reason = reason;
        }
        self.registration_state = "Unregistered";
    }
}

/// What a virtual machine on a hypervisor supports.
pub(crate) const SUPPORTS_ALL: [&str; 6] =
    ["PowerOn", "PowerOff", "Shutdown", "Reset", "Restart", "SuspendResume"];
