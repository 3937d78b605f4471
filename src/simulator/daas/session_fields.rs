//! The properties of a session, in the vendor's spelling.

use serde_json::{Value, json};

use super::super::world::{MachineView, SessionView};
use super::fields::Set::{Full, Short};
use super::fields::{Field, Set, formatted_time, in_set, shown_time, user};
use super::list::Shown;
use super::machine_fields::MACHINE;

const fn field(
    name: &'static str,
    set: Set,
    get: fn(&SessionView) -> Option<Value>,
) -> Field<SessionView> {
    Field { name, set, get }
}

/// Every property.
pub(super) static SESSION: &[Field<SessionView>] = &[
    field("Id", Short, |v| Some(json!(v.session.id))),
    field("Uid", Short, |v| Some(json!(v.session.uid))),
    field("State", Short, |v| Some(json!(v.session.state))),
    field("SessionType", Short, |v| Some(json!(v.session.kind))),
    field("AppState", Short, |v| {
        Some(json!(if v.session.kind == "Desktop" { "Desktop" } else { "Active" }))
    }),
    field("Machine", Full, |v| Some(v.machine.as_ref().map_or(Value::Null, machine))),
    field("User", Short, |v| Some(user(&v.session.user, &v.session.display_name))),
    field("UntrustedUserName", Short, |v| Some(json!(v.session.user))),
    field("IsAnonymousUser", Short, |_| Some(json!(false))),
    field("IsHidden", Short, |v| Some(json!(v.session.hidden))),
    field("LogonInProgress", Short, |_| Some(json!(false))),
    field("LogoffInProgress", Short, |v| Some(json!(v.session.logoff_in_progress))),
    field("StartTime", Short, |v| shown_time(Some(v.session.started))),
    field("FormattedStartTime", Short, |v| formatted_time(Some(v.session.started))),
    field("EstablishmentTime", Short, |v| shown_time(Some(v.session.started))),
    field("FormattedEstablishmentTime", Short, |v| formatted_time(Some(v.session.started))),
    field("EstablishmentDurationMilliseconds", Short, |_| Some(json!(8214))),
    field("StateChangeTime", Short, |v| shown_time(Some(v.session.state_changed))),
    field("FormattedStateChangeTime", Short, |v| formatted_time(Some(v.session.state_changed))),
    field("AppStateLastChangeTime", Short, |v| shown_time(Some(v.session.started))),
    field("FormattedAppStateLastChangeTime", Short, |v| formatted_time(Some(v.session.started))),
    field("ApplicationsInUse", Full, |_| Some(json!([]))),
    field("Client", Short, |v| {
        Some(json!({
            "DeviceId": "kiosk-7",
            "HardwareId": null,
            "IPAddress": "192.0.2.17",
            "Name": "kiosk-7",
            "Platform": "Windows",
            "ProductId": 1,
            "ReceiverIPAddress": null,
            "ReceiverName": if v.session.state == "Disconnected" { None } else { Some("CitrixReceiver") },
            "Version": "25.7.0.12",
        }))
    }),
    field("Connection", Full, |_| {
        Some(json!({
            "ConnectedViaHostName": null,
            "ConnectedViaIP": "192.0.2.17",
            "ConnectionMode": "Brokered",
            "LaunchedViaHostName": null,
            "LaunchedViaIP": "192.0.2.1",
            "LaunchedViaPublishedName": null,
            "Protocol": "Hdx",
            "SecureIcaActive": false,
            "SmartAccessTags": [],
        }))
    }),
    field("Brokering", Full, |v| {
        Some(json!({
            "AutonomouslyBrokered": false,
            "DurationMilliseconds": 912,
            "Time": shown_time(Some(v.session.started)),
            "FormattedTime": formatted_time(Some(v.session.started)),
            "UserName": v.session.user,
            "UserSid": null,
        }))
    }),
    field("ContainerScopes", Full, |_| Some(json!([]))),
];

fn machine(view: &MachineView) -> Value {
    let fields = in_set(MACHINE, Full);
    serde_json::to_value(Shown { item: view, fields: &fields }).unwrap_or_default()
}
