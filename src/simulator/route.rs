//! Which service a path belongs to.

use super::daas::{self, Answer, Base};
use super::errors;
use super::http::Request;
use super::others;
use super::platform::{self, Scope};
use super::token;
use super::world::World;

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Route {
    /// `token`, `registry`, `core`, `notifications`, `daas` or `other`.
    pub(super) service: &'static str,
    /// For counters and the log: made of a bounded number of words.
    pub(super) operation: String,
    to: To,
}

#[derive(Debug)]
enum To {
    Token,
    Trust,
    Ping,
    Locations(Scope, Option<String>),
    ServiceStates(Scope),
    Notifications(Scope),
    Notify(Scope),
    Activation(String),
    Administrators,
    Connectors,
    SystemLog,
    /// Base and the position of the first segment after it.
    Daas(Base, usize),
    Nowhere,
}

impl Route {
    /// Finds the service by the path alone, without case.
    pub(super) fn of(request: &Request) -> Self {
        let lower: Vec<String> = request.segments.iter().map(|s| s.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let segment = |at: usize| request.segments.get(at).cloned().unwrap_or_default();
        let in_path = || Scope::Path(segment(0));
        let verb = verb(request.method.as_str());
        let named = |service, name: &str, to| Self { service, operation: name.to_owned(), to };
        match lower.as_slice() {
            ["cctrustoauth2", _, "tokens", "clients"] => named("token", "token", To::Token),
            [_, "tokens", "clients"] => named("token", "trust", To::Trust),
            ["cvad", "manage", ..] => Self::daas(request, Base::Manage, 2),
            ["cvadapis", ..] => Self::daas(request, Base::Preview, 1),
            ["resourceprovider", _, "site", "activation"] => {
                named("daas", "site.activate", To::Activation(segment(1)))
            }
            ["administrators"] => named("other", "administrators.list", To::Administrators),
            ["connectors"] => named("other", "connectors.list", To::Connectors),
            ["systemlog", "records"] => named("other", "systemLog.list", To::SystemLog),
            ["resourcelocations"] => {
                let to = To::Locations(Scope::Header, None);
                named("registry", &format!("resourceLocations.{}", listing(verb)), to)
            }
            ["resourcelocations", _] => {
                let to = To::Locations(Scope::Header, Some(segment(1)));
                named("registry", &format!("resourceLocations.{verb}"), to)
            }
            ["notifications"] => {
                named("notifications", "notifications.list", To::Notifications(Scope::Header))
            }
            [_, "resourcelocations"] => {
                let to = To::Locations(in_path(), None);
                named("registry", &format!("resourceLocations.{}", listing(verb)), to)
            }
            [_, "resourcelocations", _] => {
                let to = To::Locations(in_path(), Some(segment(2)));
                named("registry", &format!("resourceLocations.{verb}"), to)
            }
            [_, "servicestates"] => {
                named("core", "serviceStates.list", To::ServiceStates(in_path()))
            }
            [_, "notifications"] => {
                named("notifications", "notifications.list", To::Notifications(in_path()))
            }
            [_, "notifications", "items"] => {
                named("notifications", "notifications.create", To::Notify(in_path()))
            }
            [_, "ping"] => named("other", "ping", To::Ping),
            _ => named("other", "other", To::Nowhere),
        }
    }

    fn daas(request: &Request, base: Base, from: usize) -> Self {
        let mut rest = request.segments.get(from..).unwrap_or_default();
        let siteless = rest.first().is_some_and(|first| {
            ["me", "sites", "healthcheck", "tokens"].iter().any(|s| first.eq_ignore_ascii_case(s))
        });
        if base == Base::Preview && !siteless {
            rest = rest.get(1..).unwrap_or_default();
        }
        let operation = daas::operation(request.method.as_str(), rest);
        Self { service: "daas", operation, to: To::Daas(base, from) }
    }

    /// The customer that the request says it is for: an id, or an API client's.
    pub(super) fn customer(&self, world: &World, request: &Request) -> Option<usize> {
        let header = || request.header("citrix-customerid").and_then(|id| world.customer_index(id));
        match &self.to {
            To::Token | To::Trust => world.owner_of_client(&token::client_id(request)?),
            To::Locations(scope, _)
            | To::ServiceStates(scope)
            | To::Notifications(scope)
            | To::Notify(scope) => match scope {
                Scope::Header => header(),
                Scope::Path(id) => world.customer_index(id),
            },
            To::Activation(id) => world.customer_index(id),
            _ => header(),
        }
    }

    /// What the service answers.
    pub(super) fn answer(&self, world: &mut World, request: &Request) -> Answer {
        let method = request.method.as_str();
        let reply = match (&self.to, method) {
            (To::Daas(base, from), _) => {
                let rest = request.segments.get(*from..).unwrap_or_default();
                return daas::serve(world, request, *base, rest);
            }
            (To::Token, "POST") => token::oauth2(world, request),
            (To::Trust, "POST") => token::trust(world, request),
            (To::Ping, "GET" | "HEAD") => platform::ping(),
            (To::Locations(scope, id), _) => {
                platform::locations(world, request, scope, id.as_deref())
            }
            (To::ServiceStates(scope), "GET" | "HEAD") => {
                platform::service_states(world, request, scope)
            }
            (To::Notifications(scope), "GET" | "HEAD") => {
                platform::notifications(world, request, scope)
            }
            (To::Notify(scope), "POST") => platform::notify(world, request, scope),
            (To::Administrators, "GET") => others::administrators(world, request),
            (To::Connectors, "GET") => others::connectors(world, request),
            (To::SystemLog, "GET") => others::system_log(world, request),
            (To::Activation(id), "POST") => daas::activate(world, request, id),
            (To::Nowhere, _) => errors::no_such_path(),
            _ => errors::management(405, "Method not allowed"),
        };
        reply.into()
    }
}

fn verb(method: &str) -> &'static str {
    match method {
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "replace",
        "DELETE" => "delete",
        _ => "other",
    }
}

fn listing(verb: &'static str) -> &'static str {
    if verb == "get" { "list" } else { verb }
}
