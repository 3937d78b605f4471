use std::time::Duration;

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::{BulkAction, Error, request::span};
use crate::{
    domain::{Machine, NameOrId, Session, SessionId, User},
    services::{Reach, Wildcard, Within},
};

/// What an operation is about: everything in `in` that is like `where`, without what is in
/// `exclude`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Paths (`self`) of sites, machine catalogs, delivery groups, machines or sessions. Names
    /// stand for ids, `-` for all customers or sites, and the leading `/v1/` may be left out.
    #[schema(min_items = 1, max_items = 200, example = json!(["customers/acme/sites/-/machine-catalogs/Win11-Pool"]))]
    pub r#in: Vec<String>,
    /// What targets must be like; everything that is set must hold.
    #[serde(default)]
    pub r#where: Where,
    /// Paths of what is left alone, written as those of `in`.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub exclude: Vec<String>,
}

/// What targets must be like. Words compare whole and without case.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = SelectorWhere)]
pub struct Where {
    /// Machines with exactly this many sessions.
    #[serde(deserialize_with = "set", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub session_count: Option<u32>,
    /// Machines in this power state, such as `On`.
    #[serde(deserialize_with = "set", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub power_state: Option<String>,
    /// Machines in this registration state, such as `Unregistered`.
    #[serde(deserialize_with = "set", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub registration_state: Option<String>,
    /// Machines in maintenance mode, or not in it.
    #[serde(deserialize_with = "set", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<bool>)]
    pub in_maintenance_mode: Option<bool>,
    /// Machines with this tag.
    #[serde(deserialize_with = "set", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub tag: Option<String>,
    /// Sessions of this user, or machines of this user: the user name with or without its
    /// domain, the user principal name, or the display name.
    #[serde(deserialize_with = "set", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub user: Option<String>,
    /// Sessions in this state, such as `Disconnected`. For actions on sessions only.
    #[serde(deserialize_with = "set", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub session_state: Option<String>,
    /// Sessions that have been disconnected for at least this long, such as `24h`. For actions
    /// on sessions only.
    #[serde(deserialize_with = "set", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub disconnected_for: Option<String>,
}

/// A selector that was read and understood.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) include: Vec<Reach>,
    pub(super) exclude: Vec<Reach>,
    pub(super) filter: Filter,
}

/// What targets must be like, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    wanted: Where,
    disconnected_for: Option<Duration>,
}

impl Selector {
    /// Reads every path and condition.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the place that is wrong.
    pub(super) fn read(&self, action: BulkAction) -> Result<Choice, Error> {
        if self.r#in.is_empty() {
            let detail = "say what is meant, such as \"customers/acme/sites/-\"";
            return Err(Error::invalid("/selector/in", detail));
        }
        for (list, name) in [(&self.r#in, "in"), (&self.exclude, "exclude")] {
            if list.len() > MOST_PATHS {
                let detail = format!("at most {MOST_PATHS} paths");
                return Err(Error::invalid(format!("/selector/{name}"), detail));
            }
        }
        let read = |paths: &[String], name: &str| -> Result<Vec<Reach>, Error> {
            let paths = paths.iter().enumerate();
            paths
                .map(|(at, path)| {
                    reach(path, action)
                        .map_err(|why| Error::invalid(format!("/selector/{name}/{at}"), why))
                })
                .collect()
        };
        Ok(Choice {
            include: read(&self.r#in, "in")?,
            exclude: read(&self.exclude, "exclude")?,
            filter: self.r#where.read(action)?,
        })
    }
}

impl Where {
    pub(super) fn read(&self, action: BulkAction) -> Result<Filter, Error> {
        let words = [
            ("powerState", &self.power_state),
            ("registrationState", &self.registration_state),
            ("tag", &self.tag),
            ("user", &self.user),
            ("sessionState", &self.session_state),
            ("disconnectedFor", &self.disconnected_for),
        ];
        for (name, word) in words {
            // Most likely a variable that is not set: to leave it out would reach everything.
            if word.as_deref().is_some_and(|word| word.trim().is_empty()) {
                let detail = format!("{name} is empty; give it a value or leave it out");
                return Err(Error::invalid(format!("/selector/where/{name}"), detail));
            }
        }
        let of_sessions = [
            ("sessionState", self.session_state.is_some()),
            ("disconnectedFor", self.disconnected_for.is_some()),
        ];
        if let Some((name, _)) = of_sessions.into_iter().find(|(_, is_set)| *is_set)
            && !action.is_about_sessions()
        {
            let detail = format!("{name} is about sessions, and {} is not", action.as_str());
            return Err(Error::invalid(format!("/selector/where/{name}"), detail));
        }
        let disconnected_for = match &self.disconnected_for {
            None => None,
            Some(text) => Some(span(text).ok_or_else(|| {
                let detail = "write a span of time such as \"24h\"";
                Error::invalid("/selector/where/disconnectedFor", detail)
            })?),
        };
        Ok(Filter { wanted: self.clone(), disconnected_for })
    }
}

impl Filter {
    /// What a machine is like that it should not be; empty when it is as wanted.
    pub(super) fn machine_mismatches(&self, machine: &Machine) -> Vec<&'static str> {
        let mut names = self.state_mismatches(machine);
        if let Some(user) = &self.wanted.user {
            let mut users = machine.assigned_users.iter().chain(&machine.associated_users);
            if !users.any(|known| is_user(known, user)) {
                names.push("user");
            }
        }
        names
    }

    /// The same for a session on `machine`, where that was read.
    pub(super) fn session_mismatches(
        &self,
        session: &Session,
        machine: Option<&Machine>,
        now: Timestamp,
    ) -> Vec<&'static str> {
        let mut names = Vec::new();
        if self.is_about_machines() {
            match machine {
                Some(machine) => names = self.state_mismatches(machine),
                None => names.push("machine"),
            }
        }
        let state = session.state.as_deref();
        if self.wanted.session_state.as_deref().is_some_and(|wanted| !is_word(state, wanted)) {
            names.push("sessionState");
        }
        if let Some(user) = &self.wanted.user
            && !session.user.as_ref().is_some_and(|known| is_user(known, user))
        {
            names.push("user");
        }
        if let Some(at_least) = self.disconnected_for {
            let gone = session
                .state_change_time
                .and_then(|since| Duration::try_from(now.duration_since(since)).ok());
            if !is_word(state, "Disconnected") || gone.is_none_or(|gone| gone < at_least) {
                names.push("disconnectedFor");
            }
        }
        names
    }

    /// Whether sessions can only be told apart by the machines they are on.
    pub(super) fn is_about_machines(&self) -> bool {
        let Where {
            session_count, power_state, registration_state, in_maintenance_mode, tag, ..
        } = &self.wanted;
        session_count.is_some()
            || power_state.is_some()
            || registration_state.is_some()
            || in_maintenance_mode.is_some()
            || tag.is_some()
    }

    fn state_mismatches(&self, machine: &Machine) -> Vec<&'static str> {
        let wanted = &self.wanted;
        let word = |wanted: &Option<String>, actual: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| is_word(actual.as_deref(), wanted))
        };
        let tag = |wanted: &String| machine.tags.iter().any(|tag| is_word(Some(tag), wanted));
        let checks = [
            (
                "sessionCount",
                wanted.session_count.is_none_or(|count| machine.session_count == Some(count)),
            ),
            ("powerState", word(&wanted.power_state, &machine.power_state)),
            ("registrationState", word(&wanted.registration_state, &machine.registration_state)),
            (
                "inMaintenanceMode",
                wanted.in_maintenance_mode.is_none_or(|on| machine.in_maintenance_mode == Some(on)),
            ),
            ("tag", wanted.tag.as_ref().is_none_or(tag)),
        ];
        checks.into_iter().filter(|(_, holds)| !holds).map(|(name, _)| name).collect()
    }
}

/// A value that is there if its name is: `null` is most likely a variable that is not set, and to
/// leave the condition out would reach everything.
fn set<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn is_word(actual: Option<&str>, wanted: &str) -> bool {
    actual.is_some_and(|actual| actual.to_lowercase() == wanted.to_lowercase())
}

fn is_user(user: &User, wanted: &str) -> bool {
    let name = user.name.as_deref();
    let short = name.and_then(|name| name.rsplit('\\').next());
    let others = [user.principal_name.as_deref(), user.display_name.as_deref()];
    [name, short].into_iter().chain(others).any(|known| is_word(known, wanted))
}

/// Reads one path.
fn reach(path: &str, action: BulkAction) -> Result<Reach, String> {
    let trimmed = path.strip_prefix('/').unwrap_or(path);
    let trimmed = trimmed.strip_prefix("v1/").unwrap_or(trimmed);
    let parts: Vec<&str> = trimmed.split('/').collect();
    let (customer, site, kind) = match parts.as_slice() {
        ["customers", customer, "sites", site] => (customer, site, None),
        ["customers", customer, "sites", site, kind, name] => (customer, site, Some((kind, name))),
        ["customers", customer] | ["customers", customer, "sites"] => {
            return Err(format!("for the whole customer write \"customers/{customer}/sites/-\""));
        }
        _ => return Err(format!("{path:?} is not the path of {REACHABLE}")),
    };
    let customer = decoded(customer)?;
    let customer = if customer == "-" { Wildcard::All } else { Wildcard::One(customer) };
    let site = match decoded(site)?.as_str() {
        "-" => Wildcard::All,
        name => Wildcard::One(NameOrId::try_from(name).map_err(|error| error.to_string())?),
    };
    let within = match kind {
        None => Within::Site,
        Some((kind, name)) => {
            let name = decoded(name)?;
            let named = |name: &str| NameOrId::try_from(name).map_err(|error| error.to_string());
            match *kind {
                "machine-catalogs" => Within::Catalog(named(&name)?),
                "delivery-groups" => Within::Group(named(&name)?),
                "machines" => Within::Machine(named(&name)?),
                "sessions" if action.is_about_sessions() => Within::Session(
                    SessionId::try_from(name.as_str()).map_err(|error| error.to_string())?,
                ),
                "sessions" => {
                    return Err(format!("{} is for machines; name those", action.as_str()));
                }
                _ => return Err(format!("{path:?} is not the path of {REACHABLE}")),
            }
        }
    };
    if customer == Wildcard::All && matches!(within, Within::Machine(_) | Within::Session(_)) {
        return Err("name the customer of a single machine or session".to_owned());
    }
    Ok(Reach { customer, site, within })
}

fn decoded(segment: &str) -> Result<String, String> {
    let text = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| format!("{segment:?} is not UTF-8 once decoded"))?;
    if text.is_empty() {
        return Err("a part of the path is empty".to_owned());
    }
    Ok(text.into_owned())
}

const REACHABLE: &str = "a site, machine catalog, delivery group, machine or session, such as \
    \"customers/acme/sites/-/machine-catalogs/Win11-Pool\"";

/// Most paths in one list.
const MOST_PATHS: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(paths: &[&str], action: BulkAction) -> Result<Choice, Error> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let selector = Selector { r#in: paths, r#where: Where::default(), exclude: Vec::new() };
        selector.read(action)
    }

    fn one(path: &str) -> Reach {
        read(&[path], BulkAction::LogoffSessions).unwrap().include.remove(0)
    }

    fn named(name: &str) -> NameOrId {
        NameOrId::try_from(name).unwrap()
    }

    #[test]
    fn paths_are_read_with_and_without_their_prefix_encoded_or_plain() {
        let catalog = Reach {
            customer: Wildcard::One("acme".into()),
            site: Wildcard::All,
            within: Within::Catalog(named("Büro Pool")),
        };
        for path in [
            "customers/acme/sites/-/machine-catalogs/Büro Pool",
            "/v1/customers/acme/sites/-/machine-catalogs/B%C3%BCro%20Pool",
            "v1/customers/acme/sites/-/machine-catalogs/B%C3%BCro Pool",
        ] {
            assert_eq!(one(path), catalog, "{path}");
        }
        assert_eq!(
            one("customers/-/sites/main/delivery-groups/Finance"),
            Reach {
                customer: Wildcard::All,
                site: Wildcard::One(named("main")),
                within: Within::Group(named("Finance")),
            }
        );
        let machine = one(r"customers/acme/sites/-/machines/DEMOLAB\KESTREL");
        assert_eq!(machine.within, Within::Machine(named(r"DEMOLAB\KESTREL")));
        assert!(matches!(one("customers/acme/sites/s1/sessions/x").within, Within::Session(_)));
        assert_eq!(one("customers/acme/sites/s1").within, Within::Site);
    }

    #[test]
    fn other_paths_are_refused_with_their_place() {
        for path in [
            "",
            "machines",
            "customers/acme",
            "customers/acme/sites",
            "customers/acme/sites/-/machines",
            "customers/acme/sites/-/printers/x",
            "customers/acme/sites//machines/x",
            "customers/acme/sites/-/machines/a%2Fb",
            "customers/acme/sites/-/machines/x/sessions",
            "customers/-/sites/-/machines/x",
            "stores/hq/resources/x",
        ] {
            let error = read(&["customers/acme/sites/-", path], BulkAction::Reboot).unwrap_err();
            assert!(
                matches!(&error, Error::Invalid { pointer, .. } if pointer == "/selector/in/1")
            );
        }
        assert!(read(&[], BulkAction::Reboot).is_err());
        assert!(read(&["customers/a/sites/-/sessions/x"], BulkAction::Reboot).is_err());
    }

    #[test]
    fn a_condition_that_is_null_or_empty_is_refused() {
        let parse = |conditions: Value| serde_json::from_value::<Where>(conditions);
        assert!(parse(json!({ "tag": null })).is_err());
        assert!(parse(json!({ "sessionCount": null })).is_err());
        assert!(parse(json!({ "user": " " })).unwrap().read(BulkAction::Reboot).is_err());
        let of_sessions = parse(json!({ "disconnectedFor": "24h" })).unwrap();
        assert!(of_sessions.read(BulkAction::Reboot).is_err());
        assert!(of_sessions.read(BulkAction::LogoffSessions).is_ok());
    }

    #[test]
    fn a_user_is_known_by_whole_names_only() {
        let user = User {
            name: Some(r"DEMOLAB\mira".into()),
            principal_name: Some("mira@demolab.example".into()),
            display_name: Some("Mira Lind".into()),
        };
        for known in ["MIRA", r"demolab\mira", "mira@demolab.example", "mira lind"] {
            assert!(is_user(&user, known), "{known}");
        }
        assert!(!is_user(&user, "mir") && !is_user(&user, "demolab"));
    }
}
