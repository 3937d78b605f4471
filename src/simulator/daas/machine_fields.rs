//! The properties of a machine, in the vendor's spelling.

use serde_json::{Value, json};

use super::super::clock::{display, rfc3339};
use super::super::ids;
use super::super::world::{Count, Machine, MachineView, Session};
use super::fields::Set::{Detail, Full, Short};
use super::fields::{Field, Set, display_name, formatted_time, reference, shown_time, user};

const fn field(
    name: &'static str,
    set: Set,
    get: fn(&MachineView) -> Option<Value>,
) -> Field<MachineView> {
    Field { name, set, get }
}

/// Every property, those of the detail model last.
pub(super) static MACHINE: &[Field<MachineView>] = &[
    field("Id", Short, |v| some(&v.machine.id)),
    field("Uid", Short, |v| Some(json!(v.machine.uid))),
    field("Name", Short, |v| some(&v.machine.name)),
    field("DnsName", Short, |v| some(&v.machine.dns_name)),
    field("Sid", Short, |v| some(&v.machine.sid)),
    field("IPAddress", Short, |v| Some(json!(is_on(&v.machine).then_some(&v.machine.ip)))),
    field("Description", Full, |v| Some(json!(v.machine.description))),
    field("PublishedName", Short, |v| Some(json!(v.machine.group_ref.name))),
    field("ControllerDnsName", Full, |v| {
        let registered = v.machine.registration_state == "Registered";
        Some(json!(registered.then_some("connector-1.internal.example")))
    }),
    field("IconId", Full, |_| some("1")),
    field("MachineCatalog", Short, |v| {
        let catalog = &v.machine.catalog;
        Some(reference(&catalog.id, catalog.uid, &catalog.name))
    }),
    field("DeliveryGroup", Short, |v| {
        let group = &v.machine.group_ref;
        Some(reference(&group.id, group.uid, &group.name))
    }),
    field("Zone", Full, |v| {
        let catalog = &v.machine.catalog;
        Some(json!({ "Id": catalog.zone_id, "Name": catalog.zone }))
    }),
    field("SessionCount", Full, |v| match v.machine.count {
        Count::Absent => None,
        _ => Some(json!(v.machine.session_count())),
    }),
    field("SessionSupport", Full, |v| some(v.machine.catalog.session_support)),
    field("AllocationType", Short, |v| some(v.machine.catalog.allocation_type)),
    field("PowerState", Short, |v| some(v.machine.power_state)),
    field("PowerActionPending", Short, |v| Some(json!(v.machine.power_action_pending))),
    field("SupportedPowerActions", Short, |v| Some(json!(v.machine.supported_power_actions))),
    field("InMaintenanceMode", Short, |v| Some(json!(v.machine.in_maintenance_mode))),
    field("MaintenanceModeReason", Short, |v| {
        some(if v.machine.in_maintenance_mode { "Administrator" } else { "None" })
    }),
    field("DrainingUntilShutdown", Short, |_| Some(json!(false))),
    field("RegistrationState", Short, |v| some(v.machine.registration_state)),
    field("FaultState", Short, |v| some(v.machine.fault_state)),
    field("SummaryState", Short, |v| some(summary(v))),
    field("MachineUnavailableReason", Short, |_| some("None")),
    field("ScheduledReboot", Short, |_| some("None")),
    field("AgentVersion", Short, |_| some("2507.0.0.204")),
    field("OSType", Short, |v| some(os(v).0)),
    field("OSVersion", Short, |v| some(os(v).1)),
    field("FunctionalLevel", Short, |_| some("L7_34")),
    field("MachineType", Short, |v| some(v.machine.hardware)),
    field("ProvisioningType", Short, |v| some(v.machine.catalog.provisioning_type)),
    field("PersistUserChanges", Short, |v| {
        some(if v.machine.catalog.allocation_type == "Static" { "OnLocal" } else { "Discard" })
    }),
    field("DeliveryType", Full, |_| some("DesktopsAndApps")),
    field("IsAssigned", Short, |v| Some(json!(!v.machine.assigned_users.is_empty()))),
    field("WillShutdownAfterUse", Short, |_| Some(json!(false))),
    field("MachineConfigurationOutOfSync", Full, |_| Some(json!(false))),
    field("AssignedUsers", Full, |v| Some(users(&v.machine.assigned_users))),
    field("AssociatedUsers", Full, |v| {
        let names: Vec<String> = v.sessions.iter().map(|session| session.user.clone()).collect();
        Some(users(if names.is_empty() { &v.machine.assigned_users } else { &names }))
    }),
    field("ApplicationsInUse", Full, |_| Some(json!([]))),
    field("PublishedApplications", Full, |_| Some(json!([]))),
    field("Hosting", Full, hosting),
    field("LoadIndex", Full, |v| multi(v, json!(v.sessions.len() * 250))),
    field("LoadIndexes", Full, |v| multi(v, json!([v.sessions.len() * 250]))),
    field("LoadIndexNames", Full, |v| multi(v, json!(["SessionCount"]))),
    field("LastConnectionTime", Full, |v| shown_time(v.machine.last_connection)),
    field("FormattedLastConnectionTime", Full, |v| formatted_time(v.machine.last_connection)),
    field("LastConnectionUser", Full, |v| {
        let name = v.machine.last_connection_user.as_deref();
        Some(json!(name.map(|name| user(name, &display_name(name)))))
    }),
    field("LastConnectionFailure", Full, |_| some("None")),
    field("LastDeregistrationTime", Full, |v| shown_time(v.machine.last_deregistration)),
    field("FormattedLastDeregistrationTime", Full, |v| {
        formatted_time(v.machine.last_deregistration)
    }),
    field("LastDeregistrationReason", Full, |v| some(v.machine.last_deregistration_reason)),
    field("LastErrorTime", Full, |_| shown_time(None)),
    field("FormattedLastErrorTime", Full, |_| formatted_time(None)),
    field("SessionStartTime", Full, |v| single(v, |s| json!(s.map(|s| display(s.started))))),
    field("FormattedSessionStartTime", Full, |v| {
        single(v, |s| json!(s.map(|s| rfc3339(s.started))))
    }),
    field("SessionStateChangeTime", Full, |v| {
        single(v, |s| json!(s.map(|s| display(s.state_changed))))
    }),
    field("FormattedSessionStateChangeTime", Full, |v| {
        single(v, |s| json!(s.map(|s| rfc3339(s.state_changed))))
    }),
    field("SessionState", Full, |v| single(v, |s| json!(s.map_or("Unknown", |s| s.state)))),
    field("SessionProtocol", Full, |v| single(v, |s| json!(s.map_or("Unknown", |_| "Hdx")))),
    field("SessionUserName", Full, |v| single(v, |s| json!(s.map(|s| &s.user)))),
    field("SessionClientName", Full, |v| single(v, |s| json!(s.map(|_| "kiosk-7")))),
    field("SessionClientAddress", Full, |v| single(v, |s| json!(s.map(|_| "192.0.2.17")))),
    field("SessionClientVersion", Full, |v| single(v, |s| json!(s.map(|_| "25.7.0.12")))),
    field("WindowsConnectionSetting", Full, |_| some("LogonEnabled")),
    field("UpgradeType", Full, |_| some("NotSet")),
    field("UpgradeState", Full, |_| some("Unknown")),
    field("AzureAdJoinedMode", Full, |_| some("NotAadJoined")),
    field("DesktopConditions", Full, |_| Some(json!([]))),
    field("Tags", Full, |v| Some(json!(v.machine.tags))),
    field("Metadata", Full, |v| {
        let shown = v.machine.metadata.iter();
        Some(shown.map(|(name, value)| json!({ "Name": name, "Value": value })).collect())
    }),
    field("ContainerScopes", Full, |_| Some(json!([]))),
    field("IsReserved", Detail, |_| Some(json!(false))),
    field("SessionsEstablished", Detail, |v| {
        Some(json!(v.sessions.iter().filter(|session| session.state != "Unknown").count()))
    }),
    field("SessionsPending", Detail, |_| Some(json!(0))),
    field("AssignedClientName", Detail, |_| Some(Value::Null)),
    field("AssignedIPAddress", Detail, |_| Some(Value::Null)),
    field("BrowserName", Detail, |_| Some(Value::Null)),
    field("ColorDepth", Detail, |_| some("TwentyFourBit")),
    field("SecureIcaRequired", Detail, |_| Some(Value::Null)),
    field("VMToolsState", Detail, |v| {
        some(match (v.machine.hardware, is_on(&v.machine)) {
            ("Virtual", true) => "Running",
            ("Virtual", false) => "NotStarted",
            _ => "NotPresent",
        })
    }),
    field("FailureReason", Detail, |_| Some(Value::Null)),
    field("FailedActionCompletionTime", Detail, |v| formatted_time(v.machine.failed_action)),
    field("StoreFrontServersForHostedReceiver", Detail, |_| Some(Value::Null)),
];

/// The broker's summary of a machine.
pub(super) fn summary(view: &MachineView) -> &'static str {
    view.machine.summary(view.sessions.iter().map(|session| session.state))
}

#[expect(clippy::unnecessary_wraps, reason = "what a field's reader returns")]
fn some(text: &str) -> Option<Value> {
    Some(json!(text))
}

fn is_on(machine: &Machine) -> bool {
    matches!(machine.power_state, "On" | "Unmanaged")
}

fn os(view: &MachineView) -> (&'static str, &'static str) {
    match view.machine.catalog.session_support {
        "SingleSession" => ("Windows 11", "10.0.26100.0"),
        _ => ("Windows Server 2025", "10.0.26100.0"),
    }
}

fn users(names: &[String]) -> Value {
    names.iter().map(|name| user(name, &display_name(name))).collect()
}

/// Load is known of multi-session machines only; others leave it out.
fn multi(view: &MachineView, value: Value) -> Option<Value> {
    (view.machine.catalog.session_support == "MultiSession").then_some(value)
}

/// What the one session of a single-session machine says; others have no such property at all.
fn single(view: &MachineView, of: impl FnOnce(Option<&Session>) -> Value) -> Option<Value> {
    let is_single = view.machine.catalog.session_support == "SingleSession";
    is_single.then(|| of(view.sessions.first().map(AsRef::as_ref)))
}

#[expect(clippy::unnecessary_wraps, reason = "what a field's reader returns")]
fn hosting(view: &MachineView) -> Option<Value> {
    let machine = &view.machine;
    if machine.hardware != "Virtual" {
        return Some(Value::Null);
    }
    let host = machine.name.rsplit('\\').next().unwrap_or_default();
    let connection = ids::stable(&["hypervisor", &machine.catalog.id]);
    Some(json!({
        "HostedMachineId": ids::stable(&["hosted", &machine.id]),
        "HostedMachineName": host,
        "HostingServerName": is_on(machine).then_some("esx-04.internal.example"),
        "LastHostingUpdateTime": null,
        "FormattedLastHostingUpdateTime": null,
        "HypervisorConnection": reference(&connection, 1, "vSphere"),
        "ImageOutOfDate": false,
    }))
}
