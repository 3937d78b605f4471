//! Whether a machine may be acted on as it is now.

use std::collections::BTreeSet;

use super::{BulkAction, Guard, selector::Filter};
use crate::domain::{Machine, PowerAction};

/// Why a target was left alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LeftAlone {
    /// One word; that of the guard, where naming it lifts it.
    pub(super) reason: &'static str,
    /// A sentence without its subject, such as `has 2 sessions`.
    pub(super) detail: String,
}

/// Looks at a machine with fresh eyes: is it like the selector wants it, and does no guard hold?
///
/// # Errors
/// The reason to leave it alone.
pub(super) fn check_machine(
    action: BulkAction,
    filter: &Filter,
    lifted: &BTreeSet<Guard>,
    machine: &Machine,
) -> Result<(), LeftAlone> {
    let guarded = action.power().and_then(|power| guard(power, lifted, machine));
    let mismatches = filter.machine_mismatches(machine);
    match (mismatches.as_slice(), guarded) {
        ([], None) => Ok(()),
        ([], Some(guarded)) => Err(guarded),
        // The number of sessions is why, and says more than that the selector wanted another one.
        (["sessionCount"], Some(guarded)) if guarded.reason == Guard::InUse.as_str() => {
            Err(guarded)
        }
        (mismatches, _) => Err(LeftAlone::not_wanted(mismatches)),
    }
}

impl LeftAlone {
    pub(super) fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// It is not like the selector wants it.
    pub(super) fn not_wanted(properties: &[&str]) -> Self {
        Self::new(NOT_WANTED, format!("is not as `where` wants it: {}", properties.join(", ")))
    }
}

fn guard(action: PowerAction, lifted: &BTreeSet<Guard>, machine: &Machine) -> Option<LeftAlone> {
    let state = machine.power_state.as_deref().unwrap_or_default();
    if matches!(action, PowerAction::Start | PowerAction::Resume) {
        let on =
            ["On", "TurningOn", "Resuming"].iter().any(|word| word.eq_ignore_ascii_case(state));
        return on.then(|| LeftAlone::new("alreadyOn", format!("is already on ({state})")));
    }
    let is = |actual: Option<&str>, word: &str| {
        actual.is_some_and(|actual| actual.eq_ignore_ascii_case(word))
    };
    let physical = is(machine.machine_type.as_deref(), "Physical");
    // Citrix knows no power state of a machine that it cannot switch.
    let unmanaged = physical && ["Unmanaged", "NotSupported"].iter().any(|w| is(Some(state), w));
    let registered = is(machine.registration_state.as_deref(), "Registered");
    let holds = [
        (Guard::InUse, machine.session_count != Some(0)),
        (Guard::Physical, physical),
        (Guard::Off, !is(Some(state), "On") && !unmanaged),
        (Guard::Maintenance, machine.in_maintenance_mode != Some(false)),
        (Guard::Unregistered, !registered),
    ];
    let held = holds.into_iter().find(|(guard, holds)| *holds && !lifted.contains(guard));
    if let Some((guard, _)) = held {
        let detail = match guard {
            Guard::InUse => sessions(machine.session_count),
            Guard::Physical => "is a physical machine".to_owned(),
            Guard::Off if state.is_empty() => "is in an unknown power state".to_owned(),
            Guard::Off => format!("is not switched on ({state})"),
            Guard::Maintenance => "is in maintenance mode".to_owned(),
            Guard::Unregistered => "is not registered".to_owned(),
        };
        return Some(LeftAlone::new(guard.as_str(), detail));
    }
    (machine.power_action_pending == Some(true)).then(|| {
        LeftAlone::new("powerActionPending", "has a power action waiting to be carried out")
    })
}

fn sessions(count: Option<u32>) -> String {
    match count {
        Some(1) => "has 1 session".to_owned(),
        Some(count) => format!("has {count} sessions"),
        None => "has an unknown number of sessions".to_owned(),
    }
}

/// The reason of what the selector's `where` does not want.
const NOT_WANTED: &str = "notSelected";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::selector::Where;

    fn reason(action: BulkAction, lifted: &[Guard], machine: &Machine) -> Option<&'static str> {
        let filter = Where::default().read(action).unwrap();
        let lifted = lifted.iter().copied().collect();
        check_machine(action, &filter, &lifted, machine).err().map(|left| left.reason)
    }

    #[test]
    fn each_guard_holds_and_is_lifted_by_its_own_name_only() {
        use Guard as G;
        let cases: [(Machine, G); 8] = [
            (Machine { session_count: Some(2), ..Machine::idle() }, G::InUse),
            (Machine { session_count: None, ..Machine::idle() }, G::InUse),
            (
                Machine { registration_state: Some("Unregistered".into()), ..Machine::idle() },
                G::Unregistered,
            ),
            (Machine { registration_state: None, ..Machine::idle() }, G::Unregistered),
            (Machine { in_maintenance_mode: Some(true), ..Machine::idle() }, G::Maintenance),
            (Machine { power_state: Some("Off".into()), ..Machine::idle() }, G::Off),
            (Machine { power_state: None, ..Machine::idle() }, G::Off),
            (
                Machine {
                    machine_type: Some("Physical".into()),
                    power_state: Some("Unmanaged".into()),
                    ..Machine::idle()
                },
                G::Physical,
            ),
        ];
        let all = [G::InUse, G::Unregistered, G::Maintenance, G::Off, G::Physical];
        for action in [BulkAction::Reboot, BulkAction::Shutdown, BulkAction::Suspend] {
            assert_eq!(reason(action, &[], &Machine::idle()), None);
            for (machine, guard) in &cases {
                assert_eq!(reason(action, &[], machine), Some(guard.as_str()));
                assert_eq!(reason(action, &[*guard], machine), None, "{guard:?}");
                let others: Vec<_> = all.into_iter().filter(|other| other != guard).collect();
                assert_eq!(reason(action, &others, machine), Some(guard.as_str()));
            }
            let pending = Machine { power_action_pending: Some(true), ..Machine::idle() };
            assert_eq!(reason(action, &all, &pending), Some("powerActionPending"));
        }
    }

    #[test]
    fn start_and_resume_leave_alone_what_is_on_and_nothing_else() {
        for action in [BulkAction::Start, BulkAction::Resume] {
            assert_eq!(reason(action, &[], &Machine::idle()), Some("alreadyOn"));
            let off = Machine {
                power_state: Some("Off".into()),
                registration_state: Some("Unregistered".into()),
                session_count: None,
                ..Machine::idle()
            };
            assert_eq!(reason(action, &[], &off), None);
        }
        let busy = Machine { session_count: Some(2), ..Machine::idle() };
        assert_eq!(reason(BulkAction::SetMaintenance, &[], &busy), None);
    }

    #[test]
    fn a_machine_that_the_selector_does_not_want_is_left_alone_for_the_truest_reason() {
        let wanted = Where { session_count: Some(0), ..Where::default() };
        let filter = wanted.read(BulkAction::Reboot).unwrap();
        let busy = Machine { session_count: Some(2), ..Machine::idle() };
        let check = |filter: &Filter, machine: &Machine| {
            check_machine(BulkAction::Reboot, filter, &BTreeSet::new(), machine).unwrap_err()
        };
        assert_eq!(check(&filter, &busy), LeftAlone::new("inUse", "has 2 sessions"));
        let tagged = Where { tag: Some("canary".into()), ..Where::default() };
        let filter = tagged.read(BulkAction::Reboot).unwrap();
        assert_eq!(check(&filter, &busy).reason, "notSelected");
    }
}
