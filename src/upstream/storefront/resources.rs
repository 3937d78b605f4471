//! The resource list, and the document that says where it is.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::Url;

use super::origin;
use crate::{
    domain::{Enumeration, StoreResource},
    wire::xml::{self, Limits, Node},
};

/// What a store offers to one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Resources {
    /// How much of the list there is. Only a full one proves that something does not exist.
    pub enumeration: Enumeration,
    /// In the store's order.
    pub items: Vec<ListedResource>,
}

/// A resource and the links that came with it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedResource {
    /// What callers may see.
    pub resource: StoreResource,
    /// Where to post a power-off. Absent where the store does not offer it to this account.
    pub power_off: Option<PowerOffLink>,
}

/// A power-off link exactly as the store gave it. Two visits may be given different ones.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PowerOffLink(Box<str>);

impl Resources {
    /// The resource with this [`id`](StoreResource::id).
    pub fn find(&self, id: &str) -> Option<&ListedResource> {
        self.items.iter().find(|item| item.resource.id == id)
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, xml::Error> {
        let document = xml::parse(body, &LIST_LIMITS)?;
        let root = document.root(RESOURCES, "resources")?;
        let enumeration = match root.attribute("enumeration").map(str::trim) {
            // The schema lets it out.
            None => Enumeration::Full,
            Some(word) if word.eq_ignore_ascii_case("full") => Enumeration::Full,
            Some(word) if word.eq_ignore_ascii_case("failed") => Enumeration::Failed,
            // A word that nobody knows proves nothing.
            Some(_) => Enumeration::Partial,
        };
        let listed = root.children().filter(|node| node.is(RESOURCES, "resource"));
        Ok(Self { enumeration, items: listed.filter_map(resource).collect() })
    }
}

impl PowerOffLink {
    /// Where it leads, if that is the origin of the list it stood in.
    pub(super) fn resolve(&self, list: &Url) -> Option<Url> {
        origin::same_origin(&self.0, list)
    }
}

/// Where the store lists resources without subscribing anybody, by its endpoints document.
pub(super) fn list_link(body: &[u8]) -> Result<Option<String>, xml::Error> {
    let document = xml::parse(body, &ENDPOINTS_LIMITS)?;
    let root = document.root(ENDPOINTS, "endpoints")?;
    let endpoint = root.children().find(|node| {
        let id = node.attribute("id").unwrap_or_default();
        node.is(ENDPOINTS, "endpoint") && id.eq_ignore_ascii_case("ListResources")
    });
    let link = endpoint.and_then(|node| node.child(ENDPOINTS, "url"));
    Ok(link.map(|node| node.text().trim().to_owned()).filter(|link| !link.is_empty()))
}

/// A resource without an id can be neither shown nor found again.
fn resource(node: Node<'_>) -> Option<ListedResource> {
    let text = |node: Node<'_>, name: &str| {
        let text = node.child(RESOURCES, name)?.text().trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let store_front_id = text(node, "id")?;
    let desktop = node.child(RESOURCES, "desktopinfo");
    let link = node.child(RESOURCES, "machinepoweroff").and_then(|link| text(link, "url"));
    let enabled = text(node, "enabled").is_none_or(|word| word != "false" && word != "0");
    Some(ListedResource {
        resource: StoreResource {
            id: path_id(&store_front_id),
            name: text(node, "title"),
            resource_type: text(node, "resourcetype"),
            hostname: desktop.and_then(|desktop| text(desktop, "hostname")),
            assignment: desktop.and_then(|desktop| text(desktop, "assignmenttype")),
            store_front_id,
            can_power_off: link.is_some() && enabled,
        },
        power_off: link.map(|link| PowerOffLink(link.into())),
    })
}

/// A store's ids hold blanks and other characters and may be long; half a SHA-256 is neither.
fn path_id(store_front_id: &str) -> String {
    let digest = digest::digest(&digest::SHA256, store_front_id.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
}

const RESOURCES: &str = "http://citrix.com/delivery-services/2-0/resources";
const ENDPOINTS: &str = "http://citrix.com/dazzleservices/2-0/endpoints";

/// What the two requests say that they take.
pub(super) const ACCEPT: &str = "application/vnd.citrix.resources+xml";
pub(super) const ENDPOINTS_ACCEPT: &str = "application/vnd.citrix.endpoints+xml";

/// The parts of a resource that are asked for.
pub(super) const GROUPS: &str = "group=core&group=vm&group=desktop";

/// Bytes of a list; a thousand resources are about 2 MB.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;
pub(super) const ENDPOINTS_MAX_BYTES: usize = 1024 * 1024;
const LIST_LIMITS: Limits = Limits::of_bytes(MAX_BYTES);
const ENDPOINTS_LIMITS: Limits =
    Limits { max_elements: 4096, ..Limits::of_bytes(ENDPOINTS_MAX_BYTES) };

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<resources xmlns="http://citrix.com/delivery-services/2-0/resources" xmlns:a="http://citrix.com/delivery-services/2-0/subscriptions" enumeration="full" a:subscriptionsstatus="enabled">
  <resource>
    <id>Farm1.Eng Desktops $S12-34</id>
    <link><url>https://sf.example.test/r/1</url></link>
    <title>Engineering &amp; desktop</title><summary /><path>\</path>
    <resourcetype>Citrix.MPS.Desktop</resourcetype>
    <enabled>true</enabled>
    <images><image size="32" depth="32" /></images><image><url>x</url></image>
    <machinepoweroff><url> https://sf.example.test/r/1/poweroff?k=1&amp;l=2 </url></machinepoweroff>
    <desktopinfo><hostname>ENG-VM-0042</hostname><assignmenttype>assigned</assignmenttype></desktopinfo>
    <a:subscriptionactions><url>https://sf.example.test/s</url></a:subscriptionactions>
  </resource>
  <resource><id>Farm1.Notepad</id><machinepoweroff><url>/x</url></machinepoweroff><enabled>0</enabled></resource>
  <resource><title>no id</title></resource>
  <a:resource><id>another namespace</id></a:resource>
</resources>"#;

    #[test]
    fn a_list_is_read() {
        let resources = Resources::read(LIST.as_bytes()).unwrap();
        assert_eq!(resources.enumeration, Enumeration::Full);
        assert_eq!(resources.items.len(), 2);
        let first = &resources.items[0];
        assert_eq!(
            first.resource,
            StoreResource {
                id: path_id("Farm1.Eng Desktops $S12-34"),
                name: Some("Engineering & desktop".to_owned()),
                resource_type: Some("Citrix.MPS.Desktop".to_owned()),
                hostname: Some("ENG-VM-0042".to_owned()),
                assignment: Some("assigned".to_owned()),
                store_front_id: "Farm1.Eng Desktops $S12-34".to_owned(),
                can_power_off: true,
            }
        );
        let list = Url::parse("https://sf.example.test/Citrix/Store/resources/v2").unwrap();
        let target = first.power_off.as_ref().unwrap().resolve(&list).unwrap();
        assert_eq!(target.as_str(), "https://sf.example.test/r/1/poweroff?k=1&l=2");
        let second = &resources.items[1];
        assert!(second.power_off.is_some() && !second.resource.can_power_off);
        assert_eq!(resources.find(&first.resource.id), Some(first));
        assert!(first.resource.id.len() == 22);
    }

    #[test]
    fn an_empty_list_says_whether_it_proves_anything() {
        for (attribute, expected) in [
            ("", Enumeration::Full),
            ("enumeration='full'", Enumeration::Full),
            ("enumeration='partial'", Enumeration::Partial),
            ("enumeration='Failed'", Enumeration::Failed),
            ("enumeration='new'", Enumeration::Partial),
        ] {
            let xml = format!("<resources xmlns='{RESOURCES}' {attribute}/>");
            assert_eq!(Resources::read(xml.as_bytes()).unwrap().enumeration, expected);
        }
    }

    #[test]
    fn the_list_that_subscribes_nobody_is_chosen() {
        let endpoint = |id: &str, url: &str| {
            format!("<endpoint id=\"{id}\"><url>{url}</url><capabilities/></endpoint>")
        };
        let xml = |inside: &str| format!("<endpoints xmlns=\"{ENDPOINTS}\">{inside}</endpoints>");
        let subscribing = endpoint("ListResourcesWithAutoProvision", "https://sf.test/v2");
        let both = format!("{subscribing}{}", endpoint("ListResources", " https://sf.test/w "));
        let link = list_link(xml(&both).as_bytes()).unwrap();
        assert_eq!(link.as_deref(), Some("https://sf.test/w"));
        assert_eq!(list_link(xml(&subscribing).as_bytes()).unwrap(), None);
    }
}
