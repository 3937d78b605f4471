//! The token service: service tokens for a primary one, and the choice of logon protocols.

use super::super::http::Request;
use super::super::scenario::StoreMethod;
use super::super::world::World;
use super::answer::{Answer, accepts, is_of_type};
use super::challenge;
use super::issue::Wanted;
use super::names;
use super::read::Received;
use super::tokens::Realm;
use super::xml::Element;

/// `POST {auth}/auth/v1/token`: what is wanted shows in the content type alone.
pub(super) fn post(world: &mut World, request: &Request, at: usize) -> Answer {
    let user = match challenge::user(world, request, (at, Realm::Tokens)) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    if is_of_type(request, names::DESTROY_TYPE) {
        return destroy(request);
    }
    if !accepts(request, &[names::TOKEN_TYPE]) {
        return Answer::page(406);
    }
    match Wanted::read(request, &world.storefront.stores[at]) {
        Ok(wanted) => wanted.issue(world, at, user),
        Err(answer) => answer,
    }
}

/// Frees what the server remembers; the token stays good, as documented.
fn destroy(request: &Request) -> Answer {
    if !accepts(request, &[names::DESTROYED_TYPE]) {
        return Answer::page(406);
    }
    let read = Received::read(&request.body).ok();
    let read = read.filter(|document| document.is("destroytoken", names::DESTROY));
    if read.is_none_or(|document| document.field("token").is_none_or(str::is_empty)) {
        return Answer::page(400);
    }
    let root = Element::root("destroytokenresponse", names::DESTROYED);
    Answer::xml(names::DESTROYED_TYPE, root.child(Element::of("status", "destroyed")))
}

/// `POST {auth}/auth/v1/protocols`: 300, a body and no `Location`.
pub(super) fn protocols(world: &World, request: &Request, at: usize) -> Answer {
    let store = &world.storefront.stores[at];
    if !accepts(request, &[names::CHOICES_TYPE]) {
        return Answer::page(406);
    }
    match Wanted::read(request, store) {
        Ok(wanted) if wanted.realm == Realm::Tokens => {}
        Ok(_) => return Answer::page(400),
        Err(answer) => return answer,
    }
    let offered = |method| store.methods.contains(&method);
    let mut all = Vec::new();
    // Of no use to a client, first in the list, and always there.
    all.push(("CitrixFederation", "CitrixFederation/Authenticate"));
    if offered(StoreMethod::ExplicitForms) {
        all.push(("ExplicitForms", "ExplicitForms/Start"));
    }
    if offered(StoreMethod::HttpBasic) {
        all.push(("HttpBasic", "HttpBasic/Authenticate"));
    }
    let choice = |(name, path): (&str, &str)| {
        let location = format!("\n      {}/Citrix/{}/{path}\n    ", request.base, store.auth_path);
        Element::new("choice")
            .child(Element::of("protocol", name))
            .child(Element::of("location", location))
    };
    let choices = Element::new("choices").children(all.into_iter().map(choice));
    Answer::xml(
        names::CHOICES_TYPE,
        Element::root("requesttokenchoices", names::CHOICES).child(choices),
    )
    .status(300)
}

/// `GET {auth}/auth/v1/token/validate[/{service}]`: who a token speaks for.
pub(super) fn validate(world: &mut World, request: &Request, at: usize) -> Answer {
    let user = match challenge::user(world, request, (at, Realm::Validation)) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    if !accepts(request, &[names::CLAIMS_TYPE]) {
        return Answer::page(406);
    }
    let name = world.storefront.stores[at].users[user].name.clone();
    let claim = Element::new("claim")
        .attribute("type", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name")
        .attribute("value", &*name)
        .attribute("valueType", "http://www.w3.org/2001/XMLSchema#string")
        .attribute("issuer", "LOCAL AUTHORITY");
    let identity = Element::new("identity")
        .attribute("name", name)
        .attribute("isAuthenticated", "true")
        .attribute("authMethod", "ExplicitForms");
    let root = Element::root("claimsPrincipal", names::CLAIMS)
        .child(identity)
        .child(Element::new("claims").child(claim));
    Answer::xml(names::CLAIMS_TYPE, root)
}
