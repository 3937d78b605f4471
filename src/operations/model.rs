use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Action, PowerAction};

/// What an operation does to each of its targets.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BulkAction {
    /// Restart machines.
    Reboot,
    /// Switch machines on.
    Start,
    /// Shut machines down.
    Shutdown,
    /// Suspend machines.
    Suspend,
    /// Resume suspended machines.
    Resume,
    /// Put machines into maintenance mode: they take no new sessions.
    SetMaintenance,
    /// Take machines out of maintenance mode.
    ClearMaintenance,
    /// Log users off: the targets are sessions.
    LogoffSessions,
    /// Show users a message: the targets are sessions.
    SendMessage,
}

/// What has become of one item. Every state but the first two is an end.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ItemState {
    /// It waits for its turn.
    Queued,
    /// It is being sent to Citrix, or has been and no answer is known yet.
    Dispatched,
    /// Citrix took the action.
    Succeeded,
    /// Citrix refused it, or it could not be sent.
    Failed,
    /// It was not eligible any more; nothing was sent.
    Skipped,
    /// It was sent, and nobody knows what came of it. Settled later where evidence can be had.
    Indeterminate,
    /// The operation ended before its turn; nothing was sent.
    Cancelled,
}

/// How an operation stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OperationState {
    /// Items wait, or are under way.
    Running,
    /// It was cancelled, and items are still under way.
    Cancelling,
    /// It was cancelled before all items had had their turn.
    Cancelled,
    /// Every item succeeded or was skipped.
    Succeeded,
    /// Items failed, and none succeeded.
    Failed,
    /// Some items succeeded, others did not.
    PartiallySucceeded,
}

/// How many items are in which state. All states together are `planned`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OperationCounts)]
pub struct Counts {
    /// Items in all.
    pub planned: u32,
    /// Items that were not eligible when their turn came.
    pub skipped: u32,
    /// Items that wait.
    pub queued: u32,
    /// Items under way.
    pub dispatched: u32,
    /// Items that Citrix took.
    pub succeeded: u32,
    /// Items that failed.
    pub failed: u32,
    /// Items whose outcome nobody knows.
    pub indeterminate: u32,
    /// Items that never had their turn.
    pub cancelled: u32,
    /// Items that were seen back afterwards, where `verify` asks for that.
    pub verified: u32,
}

impl BulkAction {
    /// The word in bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::Start => "start",
            Self::Shutdown => "shutdown",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::SetMaintenance => "set-maintenance",
            Self::ClearMaintenance => "clear-maintenance",
            Self::LogoffSessions => "logoff-sessions",
            Self::SendMessage => "send-message",
        }
    }

    /// What the caller must be granted on each customer.
    pub fn needs(self) -> Action {
        match self {
            Self::SetMaintenance | Self::ClearMaintenance => Action::Maintain,
            Self::LogoffSessions | Self::SendMessage => Action::Session,
            Self::Reboot | Self::Start | Self::Shutdown | Self::Suspend | Self::Resume => {
                Action::Power
            }
        }
    }

    /// The power action it is, if it is one.
    pub fn power(self) -> Option<PowerAction> {
        match self {
            Self::Reboot => Some(PowerAction::Reboot),
            Self::Start => Some(PowerAction::Start),
            Self::Shutdown => Some(PowerAction::Shutdown),
            Self::Suspend => Some(PowerAction::Suspend),
            Self::Resume => Some(PowerAction::Resume),
            _ => None,
        }
    }

    /// Whether its targets are sessions; machines otherwise.
    pub fn is_about_sessions(self) -> bool {
        matches!(self, Self::LogoffSessions | Self::SendMessage)
    }
}

impl ItemState {
    /// The word in the store and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Dispatched => "dispatched",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Indeterminate => "indeterminate",
            Self::Cancelled => "cancelled",
        }
    }

    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Dispatched,
        Self::Succeeded,
        Self::Failed,
        Self::Skipped,
        Self::Indeterminate,
        Self::Cancelled,
    ];

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether an item may go from this state to that one. What was sent never becomes unsent,
    /// but for a call that is known to have reached nobody (`Dispatched` to `Queued`).
    pub fn may_become(self, next: Self) -> bool {
        use ItemState as S;
        match self {
            S::Queued => matches!(next, S::Dispatched | S::Skipped | S::Failed | S::Cancelled),
            S::Dispatched => {
                matches!(next, S::Succeeded | S::Failed | S::Indeterminate | S::Queued | S::Skipped)
            }
            S::Indeterminate => matches!(next, S::Succeeded | S::Failed),
            S::Succeeded | S::Failed | S::Skipped | S::Cancelled => false,
        }
    }
}

impl OperationState {
    /// The word in the store and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::PartiallySucceeded => "partiallySucceeded",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Running,
            Self::Cancelling,
            Self::Cancelled,
            Self::Succeeded,
            Self::Failed,
            Self::PartiallySucceeded,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
    }

    /// Whether every item has ended.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::Cancelling)
    }
}

impl Counts {
    /// The items in one state.
    pub fn of(&self, state: ItemState) -> u32 {
        let mut copy = *self;
        *copy.of_mut(state)
    }

    /// Counts `items` more in a state, or fewer.
    pub fn add(&mut self, state: ItemState, items: i64) {
        let counter = self.of_mut(state);
        *counter = u32::try_from(i64::from(*counter) + items).unwrap_or(0);
    }

    /// What these counts make of an operation. `verifying` items have succeeded and still keep
    /// their place until they are seen back.
    pub fn state(&self, cancel_requested: bool, verifying: u32) -> OperationState {
        if self.queued > 0 || self.dispatched > 0 || verifying > 0 {
            let cancelling = OperationState::Cancelling;
            return if cancel_requested { cancelling } else { OperationState::Running };
        }
        if cancel_requested && self.cancelled > 0 {
            return OperationState::Cancelled;
        }
        match (self.succeeded, self.failed + self.indeterminate + self.cancelled) {
            (_, 0) => OperationState::Succeeded,
            (0, _) => OperationState::Failed,
            _ => OperationState::PartiallySucceeded,
        }
    }

    fn of_mut(&mut self, state: ItemState) -> &mut u32 {
        match state {
            ItemState::Queued => &mut self.queued,
            ItemState::Dispatched => &mut self.dispatched,
            ItemState::Succeeded => &mut self.succeeded,
            ItemState::Failed => &mut self.failed,
            ItemState::Skipped => &mut self.skipped,
            ItemState::Indeterminate => &mut self.indeterminate,
            ItemState::Cancelled => &mut self.cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(counts: Counts) -> OperationState {
        counts.state(false, 0)
    }

    #[test]
    fn an_operation_runs_until_every_item_has_ended_and_been_seen_back() {
        let counts = Counts { planned: 2, queued: 1, succeeded: 1, ..Counts::default() };
        assert_eq!(counts.state(false, 0), OperationState::Running);
        assert_eq!(counts.state(true, 0), OperationState::Cancelling);
        let counts = Counts { planned: 1, succeeded: 1, ..Counts::default() };
        assert_eq!(counts.state(false, 1), OperationState::Running);
        assert_eq!(ended(counts), OperationState::Succeeded);
    }

    #[test]
    fn the_final_state_tells_the_truth() {
        let none = Counts::default();
        assert_eq!(ended(none), OperationState::Succeeded, "nothing was to be done");
        assert_eq!(ended(Counts { skipped: 3, ..none }), OperationState::Succeeded);
        assert_eq!(ended(Counts { failed: 1, skipped: 3, ..none }), OperationState::Failed);
        for other in [
            Counts { failed: 1, ..none },
            Counts { indeterminate: 1, ..none },
            Counts { cancelled: 1, ..none },
        ] {
            let some = Counts { succeeded: 1, ..other };
            assert_eq!(ended(some), OperationState::PartiallySucceeded, "{some:?}");
            assert_eq!(ended(other), OperationState::Failed, "{other:?}");
        }
        let cut_short = Counts { succeeded: 5, cancelled: 1, ..none };
        assert_eq!(cut_short.state(true, 0), OperationState::Cancelled);
        let too_late = Counts { succeeded: 5, ..none };
        assert_eq!(too_late.state(true, 0), OperationState::Succeeded);
    }

    #[test]
    fn what_was_sent_never_becomes_unsent_and_ends_are_final() {
        use ItemState as S;
        assert!(!S::Indeterminate.may_become(S::Queued));
        assert!(!S::Indeterminate.may_become(S::Dispatched));
        assert!(!S::Dispatched.may_become(S::Cancelled));
        for end in [S::Succeeded, S::Failed, S::Skipped, S::Cancelled] {
            assert!(S::ALL.into_iter().all(|next| !end.may_become(next)), "{end:?}");
        }
    }

    #[test]
    fn words_are_read_back() {
        for state in ItemState::ALL {
            assert_eq!(ItemState::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!(serde_json::to_value(BulkAction::SetMaintenance).unwrap(), "set-maintenance");
    }
}
