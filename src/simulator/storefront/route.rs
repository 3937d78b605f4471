//! Which application, and what in it, a path means.

use super::super::http::Request;
use super::super::world::World;
use super::answer::Answer;
use super::host::StoreHost;
use super::{endpoints, forms, issue, listing, power, token_service};

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Route {
    /// Index of the store, or of the store whose authentication service it is.
    pub(super) store: Option<usize>,
    /// `storefront` or `storeauth`.
    pub(super) service: &'static str,
    /// For counters and the log.
    pub(super) operation: &'static str,
    to: To,
}

#[derive(Debug)]
enum To {
    Endpoints,
    List { auto_provision: bool },
    Resource { opaque: String },
    PowerOff { opaque: String, suffix: String },
    Launch { opaque: String },
    AuthEndpoints,
    Token,
    Validate,
    Protocols,
    Basic,
    FormsStart,
    Forms,
    FormsCancel,
    Nowhere,
}

impl Route {
    /// Finds the application by the path alone, without case.
    pub(super) fn of(host: &StoreHost, request: &Request) -> Self {
        let lower: Vec<String> = request.segments.iter().map(|s| s.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let nowhere =
            Self { store: None, service: "storefront", operation: "other", to: To::Nowhere };
        let ["citrix", application, rest @ ..] = lower.as_slice() else { return nowhere };
        let owns = |path: &str| path.eq_ignore_ascii_case(application);
        if let Some(store) = host.stores.iter().position(|store| owns(&store.path)) {
            let (operation, to) = in_store(rest, request);
            return Self { store: Some(store), service: "storefront", operation, to };
        }
        if let Some(store) = host.stores.iter().position(|store| owns(&store.auth_path)) {
            let (operation, to) = in_auth(rest);
            return Self { store: Some(store), service: "storeauth", operation, to };
        }
        nowhere
    }

    /// What the application answers.
    pub(super) fn answer(&self, world: &mut World, request: &Request) -> Answer {
        let Some(store) = self.store else { return Answer::page(404) };
        let method = request.method.as_str();
        match (&self.to, method) {
            (To::Nowhere, _) => Answer::page(404),
            (To::Endpoints, "GET") => endpoints::store(world, request, store),
            (To::List { auto_provision }, "GET") => {
                listing::all(world, request, store, *auto_provision)
            }
            (To::Resource { opaque }, "GET") => listing::one(world, request, store, opaque),
            (To::PowerOff { opaque, suffix }, "POST") => {
                power::off(world, request, store, (opaque, suffix))
            }
            (To::Launch { opaque }, "POST") => power::launch(world, request, store, opaque),
            (To::AuthEndpoints, "GET") => endpoints::auth(world, request, store),
            (To::Token, "POST") => token_service::post(world, request, store),
            (To::Validate, "GET") => token_service::validate(world, request, store),
            (To::Protocols, "POST") => token_service::protocols(world, request, store),
            (To::Basic, "POST") => issue::basic(world, request, store),
            (To::FormsStart, "POST") => forms::start(world, request, store),
            (To::Forms, "POST") => forms::post(world, request, store),
            (To::FormsCancel, "POST") => forms::cancel(world, request, store),
            _ => Answer::page(405),
        }
    }
}

fn in_store(rest: &[&str], request: &Request) -> (&'static str, To) {
    // Links are compared as they were written, behind `/Citrix/{store}`.
    let segment = |at: usize| request.segments.get(at + 2).cloned().unwrap_or_default();
    match rest {
        ["endpoints", "v1"] => ("endpoints", To::Endpoints),
        ["resources", "v2"] => ("resources.listAndProvision", To::List { auto_provision: true }),
        ["resources", "v2", "withoutautoprovision"] => {
            ("resources.list", To::List { auto_provision: false })
        }
        ["resources", "v2", _] => ("resources.get", To::Resource { opaque: segment(2) }),
        ["resources", "v2", _, "poweroff", ..] => {
            let (opaque, suffix) = (segment(2), segment(4));
            ("resources.powerOff", To::PowerOff { opaque, suffix })
        }
        ["resources", "v2", _, "launch", "ica"] => {
            ("resources.launch", To::Launch { opaque: segment(2) })
        }
        _ => ("other", To::Nowhere),
    }
}

fn in_auth(rest: &[&str]) -> (&'static str, To) {
    match rest {
        ["endpoints", "v1"] => ("endpoints", To::AuthEndpoints),
        ["auth", "v1", "token"] => ("token", To::Token),
        ["auth", "v1", "token", "validate"] | ["auth", "v1", "token", "validate", _] => {
            ("token.validate", To::Validate)
        }
        ["auth", "v1", "protocols"] => ("protocols", To::Protocols),
        ["httpbasic", "authenticate"] => ("httpBasic", To::Basic),
        ["explicitforms", "start"] => ("forms.start", To::FormsStart),
        ["explicitforms"] => ("forms.post", To::Forms),
        ["explicitforms", "cancel"] => ("forms.cancel", To::FormsCancel),
        _ => ("other", To::Nowhere),
    }
}
