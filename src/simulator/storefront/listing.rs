//! The resources of a user, as the brokers answer for them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::http::Request;
use super::super::ids;
use super::super::scenario::LinkForm;
use super::super::world::World;
use super::answer::{Answer, accepts};
use super::host::Store;
use super::names;
use super::resource::Resource;
use super::tokens::Realm;
use super::xml::Element;
use super::{challenge, power};

/// `GET {store}/resources/v2[/withoutautoprovision]`
pub(super) fn all(world: &mut World, request: &Request, at: usize, auto_provision: bool) -> Answer {
    let user = match challenge::user(world, request, (at, Realm::Resources)) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    if !accepts(request, &[names::RESOURCES_TYPE]) {
        return Answer::page(406);
    }
    let scopes = ["$PRELAUNCH$", "$ANONYMOUS_PRELAUNCH$"];
    if request.query("scope").is_some_and(|s| !scopes.iter().any(|k| k.eq_ignore_ascii_case(s))) {
        return Answer::page(400);
    }
    let store = &mut world.storefront.stores[at];
    store.counts.listings += 1;
    if auto_provision {
        provision(store, user);
    }
    let name = &store.users[user].name;
    let answering = |resource: &&Resource| !store.farms_down.contains(&resource.farm);
    let visible: Vec<&Resource> =
        store.resources.iter().filter(|resource| resource.visible_to(name)).collect();
    let mut farms: Vec<&str> = store.resources.iter().map(|r| r.farm.as_str()).collect();
    farms.sort_unstable();
    farms.dedup();
    let up = farms.iter().filter(|farm| !store.farms_down.contains(**farm)).count();
    let enumeration = match up {
        0 if !farms.is_empty() => "failed",
        up if up < farms.len() => "partial",
        _ => "full",
    };
    let groups = Groups::asked(request);
    let listed = visible
        .into_iter()
        .filter(answering)
        .filter(|resource| subscribed_as_asked(store, user, resource, request))
        .map(|resource| element(store, user, resource, request, &groups));
    let root = root("resources")
        .attribute("enumeration", enumeration)
        .attribute("a:subscriptionsstatus", "enabled")
        .children(listed);
    Answer::xml(names::RESOURCES_TYPE, root).header("cache-control", "public, no-store, max-age=0")
}

/// `GET {link}`
pub(super) fn one(world: &mut World, request: &Request, at: usize, opaque: &str) -> Answer {
    let user = match challenge::user(world, request, (at, Realm::Resources)) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    if !accepts(request, &[names::RESOURCE_TYPE]) {
        return Answer::page(406);
    }
    let store = &world.storefront.stores[at];
    let found = match power::linked(store, user, opaque) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let resource = &store.resources[found];
    let alone = element(store, user, resource, request, &Groups::asked(request));
    let mut declared = root("resource");
    declared.content = alone.content;
    Answer::xml(names::RESOURCE_TYPE, declared)
}

/// Subscribes the user to what an administrator provisions for everybody: here the applications.
fn provision(store: &mut Store, user: usize) {
    let name = &store.users[user].name;
    for resource in &store.resources {
        if resource.kind == "Citrix.MPS.Application"
            && resource.visible_to(name)
            && store.subscriptions.insert((user, resource.id.clone()))
        {
            store.counts.subscriptions_created += 1;
        }
    }
}

fn subscribed_as_asked(store: &Store, user: usize, resource: &Resource, request: &Request) -> bool {
    let status = subscription(store, user, resource);
    let mut wanted =
        request.query.iter().filter(|(name, _)| name == "subscriptionStatus").peekable();
    wanted.peek().is_none() || wanted.any(|(_, value)| value.eq_ignore_ascii_case(status))
}

fn subscription(store: &Store, user: usize, resource: &Resource) -> &'static str {
    let subscribed = store.subscriptions.contains(&(user, resource.id.clone()));
    if subscribed { "subscribed" } else { "notSubscribed" }
}

/// The parts of a resource that were asked for.
struct Groups(Vec<String>);

impl Groups {
    fn asked(request: &Request) -> Self {
        let asked = request.query.iter().filter(|(name, _)| name.eq_ignore_ascii_case("group"));
        let mut all: Vec<String> = asked.map(|(_, value)| value.to_lowercase()).collect();
        if all.is_empty() {
            all.push("all".to_owned());
        }
        Self(all)
    }

    fn any(&self, of: &[&str]) -> bool {
        self.0.iter().any(|group| group == "all" || of.contains(&group.as_str()))
    }
}

fn root(name: &str) -> Element {
    Element::root(name, names::RESOURCES).attribute("xmlns:a", names::SUBSCRIPTIONS)
}

/// Children in the order of the schema.
fn element(
    store: &Store,
    user: usize,
    resource: &Resource,
    request: &Request,
    groups: &Groups,
) -> Element {
    let opaque = resource.opaque(&store.name, &store.users[user].name);
    let base = match resource.links {
        LinkForm::Absolute => &*request.base,
        LinkForm::HostRelative => "",
    };
    let link = format!("{base}/Citrix/{}/resources/v2/{opaque}", store.path);
    let thumbprint = ids::stable(&["storefront icon", &resource.id]);
    let desktop = resource.kind == "Citrix.MPS.Desktop";
    let word = |yes: bool| if yes { "true" } else { "false" };
    let parts: Vec<(&[&str], Option<Element>)> = vec![
        (&["core", "status"], Some(Element::link("link", link.clone()))),
        (&["core"], Some(Element::of("title", &*resource.title))),
        (&["core"], Some(Element::new("summary"))),
        (&["core"], Some(Element::of("path", "\\"))),
        (&["core"], Some(Element::of("resourcetype", &*resource.kind))),
        (
            &["core"],
            Some(
                Element::new("clienttypes")
                    .children(["ica30", "rdp"].map(|kind| Element::of("clienttype", kind))),
            ),
        ),
        (&["keywords"], Some(Element::new("keywords"))),
        (&["keywords"], Some(Element::new("properties"))),
        (
            &["images"],
            Some(Element::new("images").children(["32", "128"].map(|size| {
                Element::new("image").attribute("size", size).attribute("depth", "32")
            }))),
        ),
        (&["core"], Some(Element::of("enabled", word(resource.enabled)))),
        (&["launch"], Some(Element::link("launchica", format!("{link}/launch/ica")))),
        (&["core", "icon"], Some(Element::link("image", format!("{link}/image/{thumbprint}")))),
        (&["core", "icon"], Some(Element::link("icon", format!("{link}/icon/{thumbprint}")))),
        (&["vm"], resource.can_power_off.then(|| power_off_link(&link, &opaque))),
        (&["core"], Some(Element::of("imagehash", thumbprint.replace('-', "")))),
        (&["desktop"], desktop.then(|| desktop_info(resource))),
        (&["core"], Some(Element::of("aggregatedresource", "false"))),
        (&["core"], Some(Element::of("publisherresourceid", &*resource.publisher_id))),
        (&["core"], Some(Element::of("publishername", &*resource.farm))),
        (&["sub"], Some(subscription_link(&request.base, store, resource))),
        (
            &["sub", "status"],
            Some(Element::of("a:subscriptionstatus", subscription(store, user, resource))),
        ),
    ];
    let shown = parts.into_iter().filter(|(of, _)| groups.any(of)).filter_map(|(_, part)| part);
    Element::new("resource").child(Element::of("id", &*resource.id)).children(shown)
}

/// With a suffix and a query that no pattern in the documentation has.
fn power_off_link(link: &str, opaque: &str) -> Element {
    let suffix = &opaque[..power::SUFFIX];
    Element::link("machinepoweroff", format!("{link}/poweroff/{suffix}?v=2&via=broker"))
}

fn desktop_info(resource: &Resource) -> Element {
    let host = resource.machine.as_ref().map(|machine| Element::of("hostname", &*machine.name));
    let assignment =
        resource.assignment.as_ref().map(|kind| Element::of("assignmenttype", kind.as_str()));
    Element::new("desktopinfo").children(host.into_iter().chain(assignment))
}

/// Its `url` is in the namespace of the resources.
fn subscription_link(base: &str, store: &Store, resource: &Resource) -> Element {
    let segment = STANDARD.encode(&resource.id).replace('=', "-");
    let url = format!("{base}/Citrix/{}/resources/v2/subscriptions/{segment}", store.path);
    Element::link("a:subscriptionactions", url)
}
