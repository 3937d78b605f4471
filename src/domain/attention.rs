use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Machine, Reference, Session, User};

/// A machine or a session that somebody should look at.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attention {
    /// What is the matter.
    pub kind: AttentionKind,
    /// Citrix's id of the machine or session.
    pub id: String,
    /// What people call it: the machine's name, or whose session it is.
    pub name: Option<String>,
    /// Since when. `null` where Citrix does not say, as of maintenance mode.
    pub since: Option<Timestamp>,
    /// What is known, in a sentence.
    pub detail: String,
    /// What to do about it.
    pub advice: String,
    /// The machine, or the one that the session is on.
    pub machine: Option<Reference>,
    /// The machine catalog of a machine.
    pub machine_catalog: Option<Reference>,
    /// Whose session it is.
    pub user: Option<User>,
}

/// Why something needs somebody.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionKind {
    /// A machine that is on and has no connection to Citrix: nobody can use it.
    Unregistered,
    /// A machine that hangs while it starts.
    Stuck,
    /// A machine with any other fault.
    Faulted,
    /// A machine in maintenance mode, perhaps forgotten.
    Maintenance,
    /// A session whose user left it long ago.
    StaleSession,
}

impl Attention {
    /// What is the matter with a machine, the worst of it; `None` if nothing is.
    ///
    /// Who put a machine into maintenance mode knows that it does not work: that is all that is
    /// said of such a one.
    pub fn of_machine(machine: &Machine) -> Option<Self> {
        let is = |state: &Option<String>, word: &str| {
            state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case(word))
        };
        let fault = machine.fault_state.as_deref().unwrap_or("None");
        let quiet = ["None", "Unknown", "Unregistered"];
        let faulted = !quiet.iter().any(|word| fault.eq_ignore_ascii_case(word));
        let rests = is(&machine.power_state, "Off") || is(&machine.power_state, "Suspended");
        let lost = is(&machine.registration_state, "Unregistered")
            || is(&machine.registration_state, "AgentError");
        let lost_since = machine.last_deregistration_time;
        let (kind, since, detail, advice) = if machine.in_maintenance_mode == Some(true) {
            let detail = match machine.session_count {
                Some(0) => "in maintenance mode, without sessions".to_owned(),
                Some(count) => format!("in maintenance mode, with {count} sessions"),
                None => "in maintenance mode".to_owned(),
            };
            let advice =
                "Take it out of maintenance mode (`clear-maintenance`) if the work on it is done.";
            (AttentionKind::Maintenance, None, detail, advice)
        } else if is(&machine.fault_state, "StuckOnBoot") {
            let advice =
                "Restart it with `\"force\": true`; if that does not help, look at its console.";
            (AttentionKind::Stuck, lost_since, "it hangs while it starts".to_owned(), advice)
        } else if is(&machine.fault_state, "MaxCapacity") {
            let advice =
                "Start more machines of the delivery group, or end sessions that nobody uses.";
            (
                AttentionKind::Faulted,
                None,
                "it takes no more sessions (MaxCapacity)".to_owned(),
                advice,
            )
        } else if faulted {
            let advice = "Look at its host: the machine does not start, or is not there.";
            (AttentionKind::Faulted, lost_since, format!("Citrix reports {fault}"), advice)
        } else if lost && !rests {
            let reason = machine.last_deregistration_reason.as_deref();
            let detail = match reason.filter(|reason| !reason.is_empty()) {
                Some(reason) => format!("it has lost Citrix ({reason})"),
                None => "it has lost Citrix".to_owned(),
            };
            let advice =
                "Restart it if nobody uses it; if it stays lost, look at its agent and network.";
            (AttentionKind::Unregistered, lost_since, detail, advice)
        } else if is(&machine.power_state, "Unknown") {
            let advice =
                "Look at its host or the hosting connection: Citrix cannot see the machine.";
            let detail = "Citrix does not know whether it is on".to_owned();
            (AttentionKind::Faulted, None, detail, advice)
        } else {
            return None;
        };
        Some(Self {
            kind,
            id: machine.id.clone(),
            name: machine.name.clone(),
            since,
            detail,
            advice: advice.to_owned(),
            machine: Some(Reference { id: Some(machine.id.clone()), name: machine.name.clone() }),
            machine_catalog: machine.machine_catalog.clone(),
            user: None,
        })
    }

    /// A session that was disconnected at least that long ago; `None` for any other.
    pub fn of_session(session: &Session, now: Timestamp, at_least: Duration) -> Option<Self> {
        let gone = session.disconnected_for(now).filter(|gone| *gone >= at_least)?;
        let user = session.user.as_ref();
        let name = user.and_then(|user| user.principal_name.clone().or_else(|| user.name.clone()));
        Some(Self {
            kind: AttentionKind::StaleSession,
            id: session.id.clone(),
            name,
            since: session.state_change_time,
            detail: format!("disconnected for {} h", gone.as_secs() / 3600),
            advice: "Log it off, or let `recover` try everything that ends a session.".to_owned(),
            machine: session.machine.clone(),
            machine_catalog: None,
            user: session.user.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(change: impl FnOnce(&mut Machine)) -> Option<AttentionKind> {
        let mut machine = Machine::idle();
        change(&mut machine);
        Attention::of_machine(&machine).map(|found| found.kind)
    }

    #[test]
    fn the_worst_that_is_the_matter_with_a_machine_is_said() {
        let set = |place: &mut Option<String>, word: &str| *place = Some(word.to_owned());
        assert_eq!(kind(|_| ()), None);
        let lost = |m: &mut Machine| set(&mut m.registration_state, "Unregistered");
        assert_eq!(kind(lost), Some(AttentionKind::Unregistered));
        // Switched off, it cannot be registered.
        let off = |m: &mut Machine| {
            lost(m);
            set(&mut m.power_state, "Off");
        };
        assert_eq!(kind(off), None);
        let stuck = |m: &mut Machine| {
            lost(m);
            set(&mut m.fault_state, "StuckOnBoot");
        };
        assert_eq!(kind(stuck), Some(AttentionKind::Stuck));
        for fault in ["FailedToStart", "VirtualMachineNotFound", "MaxCapacity", "SomethingNew"] {
            let faulted = |m: &mut Machine| set(&mut m.fault_state, fault);
            assert_eq!(kind(faulted), Some(AttentionKind::Faulted), "{fault}");
        }
        let unseen = |m: &mut Machine| set(&mut m.power_state, "Unknown");
        assert_eq!(kind(unseen), Some(AttentionKind::Faulted));
        let maintained = |m: &mut Machine| {
            stuck(m);
            m.in_maintenance_mode = Some(true);
        };
        assert_eq!(kind(maintained), Some(AttentionKind::Maintenance));
    }
}
