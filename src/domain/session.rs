use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Reference, User};

/// A user's session on a machine.
///
/// States are Citrix's words and may grow. `null` means that Citrix did not say.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Citrix's id of the session.
    pub id: String,
    /// `Active`, `Connected`, `Disconnected`, …
    pub state: Option<String>,
    /// `Desktop` or `Application`.
    pub session_type: Option<String>,
    /// `Active`, `PreLogon`, `Lingering`, …
    pub app_state: Option<String>,
    /// Whose session it is.
    pub user: Option<User>,
    /// The machine it runs on.
    pub machine: Option<Reference>,
    /// `SingleSession` or `MultiSession`, of that machine.
    pub session_support: Option<String>,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// When its state last changed: for a disconnected session, since when.
    pub state_change_time: Option<Timestamp>,
    /// Whether the session is hidden from its user, who then gets a new one.
    pub is_hidden: Option<bool>,
    /// Whether a logon is under way.
    pub logon_in_progress: Option<bool>,
    /// Whether a logoff is under way.
    pub logoff_in_progress: Option<bool>,
    /// The device the user sits at.
    pub client: Option<SessionClient>,
    /// `Hdx`, `Rdp` or `Console`.
    pub protocol: Option<String>,
    /// Applications open in the session.
    pub applications_in_use: Vec<String>,
}

impl Session {
    /// How long its user has been away from it; `None` if they are there, or Citrix does not say.
    pub fn disconnected_for(&self, now: Timestamp) -> Option<Duration> {
        self.state.as_deref().filter(|state| state.eq_ignore_ascii_case("Disconnected"))?;
        Duration::try_from(now.duration_since(self.state_change_time?)).ok()
    }
}

/// The device at the user's end of a session.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionClient {
    /// Name of the device.
    pub name: Option<String>,
    /// Its address.
    pub ip_address: Option<String>,
    /// Its platform.
    pub platform: Option<String>,
    /// Version of the client software.
    pub version: Option<String>,
}

/// What can be done to a session, apart from sending a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SessionAction {
    /// End the session.
    Logoff,
    /// Cut the connection, keep the session.
    Disconnect,
    /// Keep the session from being reconnected to.
    Hide,
    /// Undo hiding.
    Unhide,
}

impl SessionAction {
    /// The word in paths and in the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logoff => "logoff",
            Self::Disconnect => "disconnect",
            Self::Hide => "hide",
            Self::Unhide => "unhide",
        }
    }
}

/// A message box for the user of a session.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionMessage {
    /// Title of the box.
    #[schema(max_length = 256)]
    pub title: String,
    /// What it says.
    #[schema(max_length = 4096)]
    pub text: String,
    /// The icon it shows.
    #[serde(default)]
    pub style: MessageStyle,
}

/// Icon of a message box.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub enum MessageStyle {
    /// An information sign.
    #[default]
    Information,
    /// A warning sign.
    Exclamation,
    /// A question mark.
    Question,
    /// A stop sign.
    Critical,
}
