//! Machines and sessions.

use std::sync::Arc;

use super::{Catalog, PowerAction};

/// One machine as the broker knows it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) uid: u32,
    /// `DOMAIN\HOST`
    pub(crate) name: String,
    pub(crate) dns_name: String,
    pub(crate) sid: String,
    pub(crate) ip: String,
    pub(crate) description: Option<String>,
    pub(crate) catalog: Arc<Catalog>,
    /// Index, id, uid and name of its delivery group.
    pub(crate) group: usize,
    pub(crate) group_ref: Arc<GroupRef>,
    /// `Virtual` or `Physical`.
    pub(crate) hardware: &'static str,
    pub(crate) power_state: &'static str,
    pub(crate) power_action_pending: bool,
    pub(crate) registration_state: &'static str,
    pub(crate) fault_state: &'static str,
    pub(crate) in_maintenance_mode: bool,
    pub(crate) supported_power_actions: Vec<&'static str>,
    pub(crate) count: Count,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Vec<(String, String)>,
    /// `DOMAIN\user`
    pub(crate) assigned_users: Vec<String>,
    /// Uids of its sessions, oldest first.
    pub(crate) sessions: Vec<u32>,
    pub(crate) stuck_on_boot: bool,
    pub(crate) power_fault: Option<String>,
    /// The action under way; its number tells a late step from a current one.
    pub(crate) running: Option<PowerAction>,
    pub(crate) run_number: u32,
    /// Simulated milliseconds.
    pub(crate) last_deregistration: Option<i64>,
    pub(crate) last_deregistration_reason: &'static str,
    pub(crate) last_connection: Option<i64>,
    pub(crate) last_connection_user: Option<String>,
    pub(crate) failed_action: Option<i64>,
}

/// The delivery group as a machine points to it.
#[derive(Debug)]
pub(crate) struct GroupRef {
    pub(crate) id: String,
    pub(crate) uid: u32,
    pub(crate) name: String,
}

/// What a machine says of its session count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Count {
    Auto,
    Fixed(u32),
    Null,
    Absent,
}

/// One session.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of the wire")]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) uid: u32,
    /// Index of its machine.
    pub(crate) machine: usize,
    /// `DOMAIN\user`
    pub(crate) user: String,
    pub(crate) display_name: String,
    pub(crate) state: &'static str,
    /// `Desktop` or `Application`.
    pub(crate) kind: &'static str,
    pub(crate) started: i64,
    pub(crate) state_changed: i64,
    pub(crate) logoff_in_progress: bool,
    pub(crate) hidden: bool,
    pub(crate) ignores_logoff: bool,
    pub(crate) ignores_logoff_while_connected: bool,
    pub(crate) messages: u32,
}

impl Machine {
    /// How many sessions the broker counts, when it can tell.
    pub(crate) fn session_count(&self) -> Option<u32> {
        match self.count {
            Count::Auto => u32::try_from(self.sessions.len()).ok(),
            Count::Fixed(count) => Some(count),
            Count::Null | Count::Absent => None,
        }
    }

    /// The broker's summary of power, registration and use.
    pub(crate) fn summary(&self, states: impl IntoIterator<Item = &'static str>) -> &'static str {
        match self.power_state {
            "Off" | "Suspended" => return "Off",
            "TurningOn" | "Resuming" => return "Preparing",
            _ if self.registration_state == "Initializing" => return "Preparing",
            _ if self.registration_state != "Registered" => return "Unregistered",
            _ => {}
        }
        let mut summary = "Available";
        for state in states {
            if state != "Disconnected" {
                return "InUse";
            }
            summary = "Disconnected";
        }
        summary
    }
}

impl Session {
    pub(crate) fn set_state(&mut self, state: &'static str, now: i64) {
        if self.state != state {
            self.state = state;
            self.state_changed = now;
        }
    }

    /// Whether a log-off that begins now will end it.
    pub(crate) fn goes_when_logged_off(&self) -> bool {
        !(self.ignores_logoff
            || self.ignores_logoff_while_connected && self.state != "Disconnected")
    }
}
