use std::{fmt, str::FromStr};

/// What a caller wants to do, as grants name it. No action implies another.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Read anything that Citrix shows.
    Read,
    /// Act on sessions: log off, disconnect, hide, message.
    Session,
    /// Start, shut down, restart, suspend, resume or power off machines.
    Power,
    /// Put machines into maintenance mode and take them out.
    Maintain,
    /// Notify the administrators of a customer.
    Notify,
    /// Everything else that changes Citrix.
    Write,
    /// Change administrators.
    Identity,
    /// Read the audit trail.
    Audit,
    /// Administer the gateway itself.
    Admin,
}

impl Action {
    /// Every action, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::Session,
        Self::Power,
        Self::Maintain,
        Self::Notify,
        Self::Write,
        Self::Identity,
        Self::Audit,
        Self::Admin,
    ];

    /// Whether it changes anything at Citrix.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Read | Self::Audit | Self::Admin)
    }

    /// The word used in configuration and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Session => "session",
            Self::Power => "power",
            Self::Maintain => "maintain",
            Self::Notify => "notify",
            Self::Write => "write",
            Self::Identity => "identity",
            Self::Audit => "audit",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(word: &str) -> Result<Self, UnknownAction> {
        Self::ALL.into_iter().find(|action| action.as_str() == word).ok_or(UnknownAction)
    }
}

/// The word names no action.
#[derive(Debug, thiserror::Error)]
#[error("there is no such action")]
pub struct UnknownAction;
