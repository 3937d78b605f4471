//! Which properties of an object are shown.

use serde_json::{Value, json};

use super::super::clock::{display, rfc3339};
use super::super::http::Request;

/// One property: its name, where it belongs, and how to read it. `None` leaves it out.
#[derive(Debug)]
pub(super) struct Field<V: 'static> {
    pub(super) name: &'static str,
    pub(super) set: Set,
    pub(super) get: fn(&V) -> Option<Value>,
}

/// Where a property is shown without being asked for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Set {
    /// Everywhere, the short lists of the `…V2` operations included.
    Short,
    /// In full lists and in details.
    Full,
    /// In details only.
    Detail,
}

/// The properties to show: those named by `fields`, else the ones that belong to `set`.
pub(super) fn chosen<V>(
    all: &'static [Field<V>],
    request: &Request,
    set: Set,
) -> Vec<&'static Field<V>> {
    let Some(names) = request.query("fields").filter(|names| !names.trim().is_empty()) else {
        return in_set(all, set);
    };
    // `Hosting.HostedMachineName` asks for a part of `Hosting`; the whole is answered.
    let asked: Vec<&str> =
        names.split(',').map(|name| name.trim().split('.').next().unwrap_or_default()).collect();
    let wanted = |field: &&Field<V>| asked.iter().any(|name| name.eq_ignore_ascii_case(field.name));
    all.iter().filter(wanted).collect()
}

/// The properties that belong to `set`.
pub(super) fn in_set<V>(all: &'static [Field<V>], set: Set) -> Vec<&'static Field<V>> {
    all.iter().filter(|field| field.set <= set).collect()
}

/// `{Id, Uid, Name}`
pub(super) fn reference(id: &str, uid: u32, name: &str) -> Value {
    json!({ "Id": id, "Uid": uid, "Name": name })
}

/// A time in the site's display format, or null.
#[expect(clippy::unnecessary_wraps, reason = "what a field's reader returns")]
pub(super) fn shown_time(ms: Option<i64>) -> Option<Value> {
    Some(json!(ms.map(display)))
}

/// A time in RFC 3339, or null.
#[expect(clippy::unnecessary_wraps, reason = "what a field's reader returns")]
pub(super) fn formatted_time(ms: Option<i64>) -> Option<Value> {
    Some(json!(ms.map(rfc3339)))
}

/// An identity as DaaS shows users.
pub(super) fn user(sam: &str, display_name: &str) -> Value {
    let (domain, account) = sam.split_once('\\').unwrap_or(("", sam));
    let lower = domain.to_lowercase();
    let guid = super::super::ids::stable(&["user", sam]);
    json!({
        "Sid": format!("S-1-5-21-1004336348-1177238915-682003330-{}", 5000 + account.len()),
        "Guid": guid,
        "Oid": null,
        "SamName": sam,
        "SamAccountName": account,
        "PrincipalName": format!("{account}@{lower}.example"),
        "Mail": format!("{account}@{lower}.example"),
        "DisplayName": display_name,
        "CommonName": display_name,
        "Domain": format!("{lower}.example"),
        "Forest": format!("{lower}.example"),
        "UserIdentity": null,
        "IsGroup": false,
        "IsBuiltIn": false,
        "Enabled": true,
        "Locked": false,
        "PropertiesFetched": 16383,
        "PossibleLookupFailure": false,
    })
}

/// The display name of a user of whom only the account is known.
pub(super) fn display_name(sam: &str) -> String {
    let account = sam.rsplit('\\').next().unwrap_or(sam);
    let mut letters = account.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
