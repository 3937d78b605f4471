//! Machine power-off, and as much of a launch as starts a machine again.

use super::super::http::Request;
use super::super::scenario::PowerOffSpec;
use super::super::world::World;
use super::answer::{Answer, accepts, is_of_type};
use super::document::FailureShape;
use super::host::Store;
use super::read::Received;
use super::resource::{Power, Resource};
use super::tokens::Realm;
use super::xml::Element;
use super::{challenge, names};

/// `POST {machinepoweroff link}`
pub(super) fn off(
    world: &mut World,
    request: &Request,
    at: usize,
    (opaque, suffix): (&str, &str),
) -> Answer {
    let posted = posted(&mut world.storefront.stores[at], opaque);
    let user = match challenge::user(world, request, (at, Realm::Resources)) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    let store = &mut world.storefront.stores[at];
    let found = match linked(store, user, opaque) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let whole = opaque.starts_with(suffix) && suffix.len() == SUFFIX;
    if !whole || request.query("v") != Some("2") || posted != Some(found) {
        return Answer::page(404);
    }
    if !accepts(request, &[names::POWER_OFF_TYPE]) {
        return Answer::page(406);
    }
    if !is_of_type(request, names::POWER_OFF_PARAMS_TYPE) {
        return Answer::page(415);
    }
    let received = Received::read(&request.body);
    let received =
        received.ok().filter(|doc| doc.is("machinepoweroffparams", names::POWER_OFF_PARAMS));
    // An empty or malformed body is 400, a missing `clientName` is accepted (both inferred).
    let Some(received) = received else { return Answer::page(400) };
    let trusted = store.trusted;
    let resource = &mut store.resources[found];
    resource.last_client_name =
        received.field("clientName").map(|name| name.chars().take(256).collect());
    if !resource.enabled {
        return Answer::not_found("ResourceDisabled");
    }
    if !resource.can_power_off {
        return Answer::not_found("UnsupportedOperation");
    }
    let told = resource.told();
    let (answer, effect) = match told {
        Some(told) => told_answer(&told),
        None => match refusal(resource, trusted) {
            Some(id) => {
                (Answer::xml(names::POWER_OFF_TYPE, failure(id, FailureShape::Element)), false)
            }
            None => (Answer::xml(names::POWER_OFF_TYPE, success()), true),
        },
    };
    if effect {
        world.store_power_off(at, found);
    }
    let language = request.header("accept-language").and_then(|all| all.split([',', ';']).next());
    answer.header("content-language", language.unwrap_or("en").trim())
}

/// `POST {launchica link}`: never gives an ICA file, but starts a machine that is off.
pub(super) fn launch(world: &mut World, request: &Request, at: usize, opaque: &str) -> Answer {
    let user = match challenge::user(world, request, (at, Realm::Resources)) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    let store = &world.storefront.stores[at];
    let found = match linked(store, user, opaque) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let resource = &store.resources[found];
    if !resource.enabled {
        return Answer::not_found("ResourceDisabled");
    }
    if !accepts(request, &[names::LAUNCH_TYPE]) {
        return Answer::page(406);
    }
    let power = resource.machine.as_ref().map(|machine| machine.power);
    let result = if power.is_some_and(|power| power != Power::On) {
        world.store_power_on(at, found);
        let url = format!("{}{}", request.base, request.path);
        let retry = Element::link("retry", url)
            .child(Element::of("after", "5"))
            .child(Element::of("reason", "rebooting"));
        ("retry", Element::new("result").attribute("type", "retry").child(retry))
    } else {
        ("failure", error("CouldNotConnectToWorkstation"))
    };
    let root = Element::root("launch", names::LAUNCH).attribute("status", result.0);
    Answer::xml(names::LAUNCH_TYPE, root.child(result.1))
}

/// The resource behind a link, if this user has it.
///
/// # Errors
/// 404: with a reason when the link is somebody's, without one when it is nobody's (inferred: a
/// path that no application knows never reaches the store).
pub(super) fn linked(store: &Store, user: usize, opaque: &str) -> Result<usize, Answer> {
    let is = |resource: &Resource, user: &str| resource.opaque(&store.name, user) == opaque;
    let name = store.users[user].name.as_str();
    if let Some(at) = store.resources.iter().position(|resource| is(resource, name)) {
        let visible = store.resources[at].visible_to(name);
        return visible.then_some(at).ok_or_else(|| Answer::not_found("ResourceNotFound"));
    }
    let anybodys = store
        .users
        .iter()
        .any(|other| store.resources.iter().any(|resource| is(resource, &other.name)));
    Err(if anybodys { Answer::not_found("ResourceNotFound") } else { Answer::page(404) })
}

/// Counts a POST to the power-off link of whoever it belongs to, whatever comes of it.
fn posted(store: &mut Store, opaque: &str) -> Option<usize> {
    let at = store.resources.iter().position(|resource| {
        store.users.iter().any(|user| resource.opaque(&store.name, &user.name) == opaque)
    })?;
    store.resources[at].posts += 1;
    Some(at)
}

impl Resource {
    /// What somebody wants the next power-off to answer.
    fn told(&mut self) -> Option<PowerOffSpec> {
        let Some(next) = self.next.front_mut() else { return self.always.clone() };
        let told = next.clone();
        let left = next.times.unwrap_or(1).saturating_sub(1);
        next.times = Some(left);
        if left == 0 {
            self.next.pop_front();
        }
        Some(told)
    }
}

/// Why the broker would refuse by itself.
fn refusal(resource: &Resource, trusted: bool) -> Option<&'static str> {
    if !trusted {
        return Some("not-trusted");
    }
    if !resource.supports_power_off {
        return Some("not-supported");
    }
    let Some(machine) = &resource.machine else { return Some("no-machine") };
    if machine.in_maintenance {
        return Some("in-maintenance-mode");
    }
    machine.is_busy().then_some("operation-in-progress")
}

fn told_answer(told: &PowerOffSpec) -> (Answer, bool) {
    let effect = told.with_effect.unwrap_or(told.error_id.is_none() && told.status.is_none());
    let mut answer = match (told.status, &told.error_id) {
        (Some(status), _) => {
            let page = Answer::page(status);
            match &told.reason {
                Some(reason) => page.header("x-citrix-error-reason", reason.as_str()),
                None => page,
            }
        }
        (None, Some(id)) => Answer::xml(names::POWER_OFF_TYPE, failure(id, told.shape)),
        (None, None) => Answer::xml(names::POWER_OFF_TYPE, success()),
    };
    answer.document = told.document;
    answer.latency_ms = told.latency_ms;
    (answer, effect)
}

fn success() -> Element {
    Element::root("machinepoweroff", names::POWER_OFF).attribute("status", "success")
}

/// The place of the id is not published: every one that a sibling document uses, and some more.
fn failure(id: &str, shape: FailureShape) -> Element {
    let root = Element::root("machinepoweroff", names::POWER_OFF);
    let status = match shape {
        FailureShape::NoStatus => None,
        FailureShape::OtherStatus => Some("rejected"),
        _ => Some("failure"),
    };
    let root = match status {
        Some(status) => root.attribute("status", status),
        None => root,
    };
    match shape {
        FailureShape::Element | FailureShape::NoStatus | FailureShape::OtherStatus => {
            root.child(Element::of("errorid", id))
        }
        FailureShape::CamelElement => root.child(Element::of("errorId", id)),
        FailureShape::HyphenElement => root.child(Element::of("error-id", id)),
        FailureShape::Attribute => root.attribute("errorid", id),
        FailureShape::Nested => root.child(error(id)),
        FailureShape::NoId => root,
    }
}

fn error(id: &str) -> Element {
    let text = Element::of("text", "The machine could not be powered off.");
    let error = Element::new("error").child(Element::of("id", id)).child(text);
    Element::new("result").attribute("type", "error").child(error)
}

/// How much of the opaque part is repeated at the end of a power-off link.
pub(super) const SUFFIX: usize = 8;
