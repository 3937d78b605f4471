//! The short name of an operation, for counters and the log.

/// `machines.list`, `machines.reboot`, `sessions.logoff`, `machineCatalogs.machines`, `me`, …
/// made of known words only, so that there is a bounded number of them.
pub(crate) fn operation(method: &str, segments: &[String]) -> String {
    let lower: Vec<String> = segments.iter().map(|segment| segment.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let verb = match method {
        "GET" => "get",
        "HEAD" => "exists",
        "PATCH" => "update",
        "PUT" => "replace",
        "POST" => "create",
        "DELETE" => "delete",
        _ => "other",
    };
    match lower.as_slice() {
        ["me", ..] => "me".to_owned(),
        ["$batch"] => "batch".to_owned(),
        ["about"] => "about".to_owned(),
        ["healthcheck"] => "healthCheck".to_owned(),
        [collection] if verb == "get" => format!("{}.list", word(collection, &COLLECTIONS)),
        [collection, "$search"] => format!("{}.search", word(collection, &COLLECTIONS)),
        [collection] | [collection, _] => format!("{}.{verb}", word(collection, &COLLECTIONS)),
        [collection, _, sub] => {
            let sub = word(sub.strip_prefix('$').unwrap_or(sub), &PARTS);
            format!("{}.{sub}", word(collection, &COLLECTIONS))
        }
        _ => "other".to_owned(),
    }
}

fn word(segment: &str, known: &[&'static str]) -> &'static str {
    known.iter().copied().find(|known| known.eq_ignore_ascii_case(segment)).unwrap_or("other")
}

const COLLECTIONS: [&str; 10] = [
    "machines",
    "machinesV2",
    "sessions",
    "sessionsV2",
    "machineCatalogs",
    "machineCatalogsV2",
    "deliveryGroups",
    "deliveryGroupsV2",
    "jobs",
    "sites",
];
const PARTS: [&str; 24] = [
    "reboot",
    "start",
    "shutdown",
    "suspend",
    "resume",
    "logoff",
    "disconnect",
    "sendMessage",
    "hide",
    "unhide",
    "machines",
    "machine",
    "sessions",
    "machineCatalog",
    "deliveryGroup",
    "tags",
    "desktop",
    "applications",
    "status",
    "results",
    "cancel",
    "rebootMachines",
    "startRebootCycle",
    "powerActionSchedules",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_without_the_caller_s_words() {
        let name = |method, path: &str| {
            let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
            operation(method, &segments)
        };
        assert_eq!(name("GET", "Machines"), "machines.list");
        assert_eq!(name("POST", "machines/$search"), "machines.search");
        assert_eq!(name("POST", "Machines/1234/$Reboot"), "machines.reboot");
        assert_eq!(name("PATCH", "Machines/1234"), "machines.update");
        assert_eq!(name("GET", "MachineCatalogs/x/Machines"), "machineCatalogs.machines");
        assert_eq!(name("GET", "Whatever/x/y/z"), "other");
        assert_eq!(name("DELETE", "Secrets/x"), "other.delete");
    }
}
