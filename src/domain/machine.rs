use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A machine that delivers desktops or applications.
///
/// States are Citrix's words and may grow. `null` means that Citrix did not say.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Citrix's id of the machine.
    pub id: String,
    /// `DOMAIN\NAME`.
    pub name: Option<String>,
    /// Fully qualified DNS name.
    pub dns_name: Option<String>,
    /// `On`, `Off`, `Suspended`, `TurningOn`, `TurningOff`, `Unmanaged`, `Unknown`, …
    pub power_state: Option<String>,
    /// Whether a power action waits to be carried out.
    pub power_action_pending: Option<bool>,
    /// Which power actions the machine's host can do; empty means none.
    pub supported_power_actions: Option<Vec<String>>,
    /// `Registered`, `Unregistered`, `Initializing`, `AgentError`, …
    pub registration_state: Option<String>,
    /// `None`, `FailedToStart`, `StuckOnBoot`, `Unregistered`, `MaxCapacity`, …
    pub fault_state: Option<String>,
    /// One word for the whole: `Available`, `InUse`, `Disconnected`, `Unregistered`, `Off`, …
    pub summary_state: Option<String>,
    /// Whether the machine refuses new sessions.
    pub in_maintenance_mode: Option<bool>,
    /// Sessions on the machine. `null` is unknown, which is not zero.
    pub session_count: Option<u32>,
    /// `SingleSession` or `MultiSession`.
    pub session_support: Option<String>,
    /// `Virtual` or `Physical`.
    pub machine_type: Option<String>,
    /// How the machine was made: `MCS`, `PVS`, `Manual`, …
    pub provisioning_type: Option<String>,
    /// `Static` (belongs to a user) or `Random` (from a pool).
    pub allocation_type: Option<String>,
    /// The machine catalog it belongs to.
    pub machine_catalog: Option<Reference>,
    /// The delivery group it belongs to, if any.
    pub delivery_group: Option<Reference>,
    /// Users that the machine is assigned to.
    pub assigned_users: Vec<User>,
    /// Users that have a session or an assignment.
    pub associated_users: Vec<User>,
    /// Tags on the machine.
    pub tags: Vec<String>,
    /// Version of the agent on the machine.
    pub agent_version: Option<String>,
    /// Operating system.
    pub os_type: Option<String>,
    /// When somebody last connected.
    pub last_connection_time: Option<Timestamp>,
    /// When the machine last lost its registration.
    pub last_deregistration_time: Option<Timestamp>,
    /// Why the machine last lost its registration.
    pub last_deregistration_reason: Option<String>,
}

/// A set of machines made from one image or managed alike.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineCatalog {
    /// Citrix's id of the catalog.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its name with folders, where folders are used.
    pub full_name: Option<String>,
    /// What its administrators say of it.
    pub description: Option<String>,
    /// `SingleSession` or `MultiSession`.
    pub session_support: Option<String>,
    /// `Static` or `Random`.
    pub allocation_type: Option<String>,
    /// `Virtual` or `Physical`.
    pub machine_type: Option<String>,
    /// How machines are made: `MCS`, `PVS`, `Manual`, …
    pub provisioning_type: Option<String>,
    /// Whether Citrix can switch its machines on and off.
    pub is_power_managed: Option<bool>,
    /// Machines in the catalog.
    pub total_count: Option<u32>,
    /// Machines in use.
    pub used_count: Option<u32>,
    /// Machines free for use.
    pub available_count: Option<u32>,
    /// Machines that belong to nobody yet.
    pub unassigned_count: Option<u32>,
}

/// A set of machines that is offered to users.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryGroup {
    /// Citrix's id of the group.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its name with folders, where folders are used.
    pub full_name: Option<String>,
    /// The name that users see.
    pub published_name: Option<String>,
    /// What its administrators say of it.
    pub description: Option<String>,
    /// Whether users may start its machines.
    pub enabled: Option<bool>,
    /// Whether the whole group refuses new sessions.
    pub in_maintenance_mode: Option<bool>,
    /// `SingleSession` or `MultiSession`.
    pub session_support: Option<String>,
    /// `DesktopsOnly`, `AppsOnly` or `DesktopsAndApps`.
    pub delivery_type: Option<String>,
    /// Sessions on its machines.
    pub session_count: Option<u32>,
    /// Machines in the group.
    pub total_desktops: Option<u32>,
    /// Machines free for use.
    pub desktops_available: Option<u32>,
    /// Machines whose user has disconnected.
    pub desktops_disconnected: Option<u32>,
    /// Machines with a fault.
    pub desktops_faulted: Option<u32>,
    /// Machines that are on and not registered.
    pub desktops_unregistered: Option<u32>,
}

/// Points at another thing of Citrix's.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// Citrix's id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// A person, as Citrix knows them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// `DOMAIN\user`.
    pub name: Option<String>,
    /// User principal name, like an e-mail address.
    pub principal_name: Option<String>,
    /// The name people use.
    pub display_name: Option<String>,
}

/// What a machine can be told to do with its power.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PowerAction {
    /// Switch on.
    Start,
    /// Shut the operating system down (with force: cut the power).
    Shutdown,
    /// Restart the operating system (with force: reset).
    Reboot,
    /// Save the state and switch off.
    Suspend,
    /// Continue from a saved state.
    Resume,
}

#[cfg(test)]
impl Machine {
    /// One with which nothing is the matter and that nobody uses, for tests.
    pub(crate) fn idle() -> Self {
        let word = |word: &str| Some(word.to_owned());
        Self {
            id: "m1".to_owned(),
            name: word(r"DEMOLAB\KESTREL"),
            dns_name: None,
            power_state: word("On"),
            power_action_pending: Some(false),
            supported_power_actions: None,
            registration_state: word("Registered"),
            fault_state: word("None"),
            summary_state: None,
            in_maintenance_mode: Some(false),
            session_count: Some(0),
            session_support: None,
            machine_type: word("Virtual"),
            provisioning_type: None,
            allocation_type: None,
            machine_catalog: None,
            delivery_group: None,
            assigned_users: Vec::new(),
            associated_users: Vec::new(),
            tags: Vec::new(),
            agent_version: None,
            os_type: None,
            last_connection_time: None,
            last_deregistration_time: None,
            last_deregistration_reason: None,
        }
    }
}

impl PowerAction {
    /// Every power action.
    pub const ALL: [Self; 5] =
        [Self::Start, Self::Shutdown, Self::Reboot, Self::Suspend, Self::Resume];

    /// The word in paths and bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Shutdown => "shutdown",
            Self::Reboot => "reboot",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }

    /// Whether the action takes the machine away from whoever is using it.
    pub fn interrupts_users(self) -> bool {
        matches!(self, Self::Shutdown | Self::Reboot | Self::Suspend)
    }

    /// Whether Citrix knows a forced variant (`force=true`) of the action.
    pub fn can_be_forced(self) -> bool {
        matches!(self, Self::Shutdown | Self::Reboot)
    }
}

impl User {
    /// Whether `part` occurs in any of the names, without regard to case.
    pub fn matches(&self, part: &str) -> bool {
        let part = part.to_lowercase();
        [&self.name, &self.principal_name, &self.display_name]
            .into_iter()
            .flatten()
            .any(|name| name.to_lowercase().contains(&part))
    }
}
