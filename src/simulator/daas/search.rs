//! `$search`: the filters and the order of machines and sessions.

use serde::Deserialize;

use super::super::clock::rfc3339;
use super::super::errors;
use super::super::http::Reply;
use super::super::world::{MachineView, SessionView};
use super::machine_fields::summary;

/// The body of a search.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Query {
    basic_search_string: Option<String>,
    search_filters: Option<Vec<Filter>>,
    search_filter_groups: Option<Vec<Group>>,
    search_filter_groups_type: Option<String>,
    sort_criteria: Option<Sort>,
    sort_criteria_items: Option<Vec<Sort>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct Group {
    search_filter_group_type: Option<String>,
    search_filters: Option<Vec<Filter>>,
    search_filter_groups: Option<Vec<Group>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    property: String,
    operator: String,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sort {
    property: String,
    #[serde(default)]
    sort_direction: Option<String>,
}

/// The values of a property of one object; `None` when there is no such property.
type Values<V> = fn(&V, &str) -> Option<Vec<String>>;

impl Query {
    pub(super) fn read(body: &[u8]) -> Result<Self, Reply> {
        serde_json::from_slice(body)
            .map_err(|_| errors::daas(400, "InvalidRequest", "The search is not valid JSON."))
    }

    /// Whether a filter on this property is there at any depth.
    pub(super) fn names(&self, property: &str) -> bool {
        fn in_groups(groups: &[Group], property: &str, depth: usize) -> bool {
            depth < MAX_DEPTH
                && groups.iter().any(|group| {
                    in_filters(group.search_filters.as_deref().unwrap_or_default(), property)
                        || in_groups(
                            group.search_filter_groups.as_deref().unwrap_or_default(),
                            property,
                            depth + 1,
                        )
                })
        }
        fn in_filters(filters: &[Filter], property: &str) -> bool {
            filters.iter().any(|filter| filter.property.eq_ignore_ascii_case(property))
        }
        in_filters(self.search_filters.as_deref().unwrap_or_default(), property)
            || in_groups(self.search_filter_groups.as_deref().unwrap_or_default(), property, 0)
    }

    /// The objects that fit, in the order asked for.
    pub(super) fn run<V>(&self, all: Vec<V>, now: i64, values: Values<V>) -> Result<Vec<V>, Reply> {
        let mut found = Vec::new();
        for item in all {
            if self.fits(&item, now, values)? {
                found.push(item);
            }
        }
        let several = self.sort_criteria_items.as_deref().unwrap_or_default();
        for sort in self.sort_criteria.iter().chain(several).rev() {
            let descending = sort.sort_direction.as_deref() == Some("Descending");
            found.sort_by(|one, other| {
                let key = |item| values(item, &sort.property).unwrap_or_default().join(",");
                let order = compare(&key(one), &key(other));
                if descending { order.reverse() } else { order }
            });
        }
        Ok(found)
    }

    fn fits<V>(&self, item: &V, now: i64, values: Values<V>) -> Result<bool, Reply> {
        if let Some(text) = self.basic_search_string.as_deref().filter(|text| !text.is_empty()) {
            let text = text.to_lowercase();
            let mut anywhere = BASIC.iter().filter_map(|name| values(item, name)).flatten();
            if !anywhere.any(|value| value.to_lowercase().contains(&text)) {
                return Ok(false);
            }
        }
        for filter in self.search_filters.iter().flatten() {
            if !filter.fits(item, now, values)? {
                return Ok(false);
            }
        }
        let groups = self.search_filter_groups.as_deref().unwrap_or_default();
        let is_or = is_or(self.search_filter_groups_type.as_deref());
        combine(is_or, groups.iter().map(|group| group.fits(item, now, values, 0)))
    }
}

impl Group {
    fn fits<V>(&self, item: &V, now: i64, values: Values<V>, depth: usize) -> Result<bool, Reply> {
        if depth >= MAX_DEPTH {
            return Err(errors::daas(400, "InvalidArgument", "The search filters nest too deep."));
        }
        let filters =
            self.search_filters.iter().flatten().map(|filter| filter.fits(item, now, values));
        let groups = self.search_filter_groups.iter().flatten();
        let groups = groups.map(|group| group.fits(item, now, values, depth + 1));
        combine(is_or(self.search_filter_group_type.as_deref()), filters.chain(groups))
    }
}

impl Filter {
    fn fits<V>(&self, item: &V, now: i64, values: Values<V>) -> Result<bool, Reply> {
        let refused = |what: &str, name: &str| {
            errors::daas(
                400,
                "InvalidArgument",
                &format!("The search {what} '{name}' is not valid."),
            )
        };
        let have =
            values(item, &self.property).ok_or_else(|| refused("property", &self.property))?;
        let wanted = self.value.as_deref().unwrap_or_default();
        let lower = wanted.to_lowercase();
        let any =
            |test: &dyn Fn(&str) -> bool| have.iter().any(|value| test(&value.to_lowercase()));
        let operator = self.operator.to_lowercase();
        let (negated, positive) = match operator.strip_prefix("not") {
            Some("equals") => (true, "equals"),
            Some(rest) if !rest.is_empty() => (true, rest),
            _ if operator == "isnotwithin" => (true, "iswithin"),
            _ => (false, operator.as_str()),
        };
        let fits = match positive {
            "equals" if have.is_empty() => wanted.is_empty(),
            "equals" => any(&|value| value == lower),
            "contains" => any(&|value| value.contains(&lower)),
            "startswith" | "containsstartswith" => any(&|value| value.starts_with(&lower)),
            "endswith" | "containsendswith" => any(&|value| value.ends_with(&lower)),
            "like" | "containslike" => any(&|value| like(&lower, value)),
            "in" => any(&|value| lower.split([',', ';']).any(|one| one.trim() == value)),
            "greaterthan" => any(&|value| compare(value, &lower).is_gt()),
            "greaterthanorequals" => any(&|value| compare(value, &lower).is_ge()),
            "lessthan" => any(&|value| compare(value, &lower).is_lt()),
            "lessthanorequals" => any(&|value| compare(value, &lower).is_le()),
            "any" => !have.is_empty(),
            "none" => have.is_empty(),
            "iswithin" => {
                let window = window_ms(&lower).ok_or_else(|| refused("value", wanted))?;
                let from = rfc3339(now.saturating_sub(window)).to_lowercase();
                any(&|value| value >= from.as_str())
            }
            _ => return Err(refused("operator", &self.operator)),
        };
        Ok(fits != negated)
    }
}

/// The values of a machine's property, without the empty ones.
pub(super) fn machine_values(view: &MachineView, property: &str) -> Option<Vec<String>> {
    let machine = &view.machine;
    let flag = |on: bool| vec![if on { "True" } else { "False" }.to_owned()];
    let text = |text: &str| vec![text.to_owned()];
    let time = |ms: Option<i64>| ms.map(rfc3339).into_iter().collect();
    let sessions = |of: fn(&super::super::world::Session) -> String| {
        view.sessions.iter().map(|session| of(session)).collect()
    };
    Some(match property.to_lowercase().as_str() {
        "machinename" => text(&machine.name),
        "dnsname" => text(&machine.dns_name),
        "uid" => vec![machine.uid.to_string()],
        "machinecatalog" => vec![machine.catalog.name.clone(), machine.catalog.id.clone()],
        "deliverygroup" => vec![machine.group_ref.name.clone(), machine.group_ref.id.clone()],
        "zonename" => text(&machine.catalog.zone),
        "sessionsupport" => text(machine.catalog.session_support),
        "allocationtype" => text(machine.catalog.allocation_type),
        "provisioningtype" => text(machine.catalog.provisioning_type),
        "powerstate" => text(machine.power_state),
        "poweractionpending" => flag(machine.power_action_pending),
        "supportedpoweractions" => {
            machine.supported_power_actions.iter().map(|action| (*action).to_owned()).collect()
        }
        "registrationstate" => text(machine.registration_state),
        "faultstate" => text(machine.fault_state),
        "summarystate" => text(summary(view)),
        "inmaintenancemode" => flag(machine.in_maintenance_mode),
        "maintenancemodereason" => {
            text(if machine.in_maintenance_mode { "Administrator" } else { "None" })
        }
        "isassigned" => flag(!machine.assigned_users.is_empty()),
        "sessioncount" => {
            machine.session_count().map(|count| count.to_string()).into_iter().collect()
        }
        "tags" => machine.tags.clone(),
        "ostype" => text(match machine.catalog.session_support {
            "SingleSession" => "Windows 11",
            _ => "Windows Server 2025",
        }),
        "hostedmachinename" => text(machine.name.rsplit('\\').next().unwrap_or_default()),
        "lastconnectionuser" => machine.last_connection_user.clone().into_iter().collect(),
        "lastconnectiontime" => time(machine.last_connection),
        "lastderegistrationtime" => time(machine.last_deregistration),
        "lastderegistrationreason" => text(machine.last_deregistration_reason),
        "username" | "currentuser" => sessions(|session| session.user.clone()),
        "userdisplayname" => sessions(|session| session.display_name.clone()),
        "userprincipalname" => sessions(|session| principal(&session.user)),
        "sessionstate" => sessions(|session| session.state.to_owned()),
        "sessionstatechangetime" => sessions(|session| rfc3339(session.state_changed)),
        "starttime" => sessions(|session| rfc3339(session.started)),
        "functionallevel" => text("L7_34"),
        "agentversion" => text("2507.0.0.204"),
        "machineunavailablereason" => text("None"),
        _ => return None,
    })
}

/// The values of a session's property; what is not its own is its machine's.
pub(super) fn session_values(view: &SessionView, property: &str) -> Option<Vec<String>> {
    let session = &view.session;
    Some(match property.to_lowercase().as_str() {
        "username" | "currentuser" => vec![session.user.clone()],
        "userdisplayname" => vec![session.display_name.clone()],
        "userprincipalname" => vec![principal(&session.user)],
        "sessionstate" => vec![session.state.to_owned()],
        "sessionstatechangetime" => vec![rfc3339(session.state_changed)],
        "starttime" => vec![rfc3339(session.started)],
        "clientname" => vec!["kiosk-7".to_owned()],
        "connectionprotocol" => vec!["Hdx".to_owned()],
        _ => machine_values(view.machine.as_ref()?, property)?,
    })
}

fn principal(sam: &str) -> String {
    let (domain, account) = sam.split_once('\\').unwrap_or(("", sam));
    format!("{account}@{}.example", domain.to_lowercase())
}

fn combine(is_or: bool, mut all: impl Iterator<Item = Result<bool, Reply>>) -> Result<bool, Reply> {
    let mut seen = false;
    let mut fits = !is_or;
    for one in all.by_ref() {
        seen = true;
        let one = one?;
        fits = if is_or { fits || one } else { fits && one };
    }
    Ok(!seen || fits)
}

fn is_or(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("or"))
}

/// As numbers when both are, else as text without case.
fn compare(one: &str, other: &str) -> std::cmp::Ordering {
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.total_cmp(&other),
        _ => one.to_lowercase().cmp(&other.to_lowercase()),
    }
}

/// `*` stands for anything.
fn like(pattern: &str, value: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = value.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn window_ms(name: &str) -> Option<i64> {
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 1440 * MINUTE;
    Some(match name {
        "lastminute" => MINUTE,
        "last5minutes" => 5 * MINUTE,
        "last30minutes" => 30 * MINUTE,
        "lasthour" => 60 * MINUTE,
        "last12hours" => 720 * MINUTE,
        "last24hours" | "today" => DAY,
        "yesterday" => 2 * DAY,
        "last7days" => 7 * DAY,
        "last28days" => 28 * DAY,
        "lastmonth" => 31 * DAY,
        "lastthreemonths" => 92 * DAY,
        "lastsixmonths" => 184 * DAY,
        _ => return None,
    })
}

const BASIC: [&str; 5] = ["MachineName", "DnsName", "UserName", "UserDisplayName", "DeliveryGroup"];
const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(like("demo*key", "demolab\\turkey"));
        assert!(like("*", ""));
        assert!(like("a*b*c", "aXbYc"));
        assert!(!like("a*b*c", "aXcYb"));
        assert!(!like("abc", "abcd"));
    }

    #[test]
    fn numbers_compare_as_numbers() {
        assert!(compare("10", "9").is_gt());
        assert!(compare("b", "A").is_gt());
    }
}
