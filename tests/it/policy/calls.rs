//! Calls in Citrix's words, made of what the model knows of them: what a call takes is not read
//! from its path, the path is made from what it takes.

use std::fmt::Write as _;

use cwsgate::domain::Action::{self, Identity, Notify, Power, Read, Session, Write};
use proptest::{collection::vec, option, prelude::*, sample::select};
use reqwest::Method;
use serde_json::{Value, json};

use super::model::Known;

/// A call of one of the apps.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Which app, counted around.
    pub(super) app: usize,
    /// Which customer; `None` is one that nobody has.
    pub(super) customer: Option<&'static Known>,
    by_id: bool,
    shape: Shape,
    /// The site in the path, where one stands there.
    in_path: &'static str,
    /// The site in the header.
    pub(super) in_header: Option<&'static str>,
    /// How the path is written; 0 is as Citrix documents it.
    spelling: u64,
}

#[derive(Clone, Debug)]
enum Shape {
    Daas(Family, Entry),
    Batch(Family, Vec<Entry>),
    /// Citrix Cloud's platform, where nothing is in a site.
    Platform(Entry),
}

/// The two ways to DaaS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    /// The header names the site.
    Manage,
    /// The path does, but for what is in no site.
    Preview,
}

/// What a call takes, its method and its path.
type Entry = (Action, &'static str, &'static str);

/// One thing that is asked for: a call, or an item of a batch.
#[derive(Debug)]
pub(super) struct Deed {
    pub(super) action: Action,
    /// The sites it names; one that names none is about the customer as a whole …
    pub(super) sites: Vec<&'static str>,
    /// … unless it is what every client asks for before it can name a site.
    pub(super) greets: bool,
}

impl Call {
    pub(super) fn any(
        customers: &'static [Known],
        sites: &'static [&'static str],
    ) -> impl Strategy<Value = Self> {
        let customer = prop_oneof![
            9 => select(customers.iter().collect::<Vec<_>>()).prop_map(Some),
            1 => Just(None),
        ];
        let family = prop_oneof![Just(Family::Manage), Just(Family::Preview)];
        let daas = || select(DAAS);
        let shape = prop_oneof![
            6 => (family.clone(), daas()).prop_map(|(family, entry)| Shape::Daas(family, entry)),
            2 => (family, vec(daas(), 1..4)).prop_map(|(family, all)| Shape::Batch(family, all)),
            3 => select(PLATFORM).prop_map(Shape::Platform),
        ];
        let site = select(sites);
        let parts = (0..64_usize, customer, any::<bool>(), shape, site.clone());
        (parts, option::of(site), any::<u64>()).prop_map(|(parts, in_header, spelling)| {
            let (app, customer, by_id, shape, in_path) = parts;
            Self { app, customer, by_id, shape, in_path, in_header, spelling }
        })
    }

    /// What it asks for.
    pub(super) fn deeds(&self) -> Vec<Deed> {
        let deed = |&(action, _, path): &Entry, outer: Option<&'static str>| {
            let inner = path.contains("{s}").then_some(self.in_path);
            let sites = inner.into_iter().chain(outer).collect();
            Deed { action, sites, greets: action == Read && ["me", "HealthCheck"].contains(&path) }
        };
        match &self.shape {
            Shape::Daas(Family::Manage, entry) => vec![deed(entry, self.in_header)],
            Shape::Daas(Family::Preview, entry) => {
                let outer = (!is_siteless(entry.2)).then_some(self.in_path);
                vec![deed(entry, outer)]
            }
            Shape::Batch(Family::Manage, items) => {
                items.iter().map(|item| deed(item, self.in_header)).collect()
            }
            Shape::Batch(Family::Preview, items) => {
                items.iter().map(|item| deed(item, Some(self.in_path))).collect()
            }
            Shape::Platform((action, ..)) => {
                vec![Deed { action: *action, sites: Vec::new(), greets: false }]
            }
        }
    }

    /// Whether it begins like a path of another form of the API, in which the customer or a site
    /// stands first.
    pub(super) fn is_of_another_form(&self) -> bool {
        let starts = ["{s}/", "{c}/", "v1/", "TechPreview/", "cvad/", "cvadapis/"];
        let is = |&(.., path): &Entry| starts.iter().any(|start| path.starts_with(start));
        match &self.shape {
            Shape::Daas(_, entry) => is(entry),
            Shape::Batch(_, items) => items.iter().any(is),
            Shape::Platform(_) => false,
        }
    }

    /// The customer as this call names it.
    pub(super) fn customer_as_named(&self) -> &'static str {
        match self.customer {
            Some(customer) if self.by_id => customer.id,
            Some(customer) => customer.name,
            None => "nobody",
        }
    }

    pub(super) fn method(&self) -> Method {
        let method = match &self.shape {
            Shape::Daas(_, (_, method, _)) | Shape::Platform((_, method, _)) => method,
            Shape::Batch(..) => "POST",
        };
        method.parse().unwrap()
    }

    /// The path with its first slash.
    pub(super) fn path(&self) -> String {
        let path = match &self.shape {
            Shape::Platform((.., path)) => (*path).to_owned(),
            Shape::Daas(family, (.., path)) => in_family(*family, path),
            Shape::Batch(family, _) => in_family(*family, "$batch"),
        };
        let mut luck = Luck::of(self.spelling);
        let mut written = String::new();
        for segment in path.split('/') {
            written.push('/');
            match segment {
                "{c}" => written += self.customer_as_named(),
                _ => written += &luck.spelled(&segment.replace("{s}", self.in_path)),
            }
        }
        if luck.one_in(8) {
            written.push('/');
        }
        written
    }

    pub(super) fn body(&self) -> Option<Value> {
        match &self.shape {
            Shape::Batch(_, items) => {
                let mut luck = Luck::of(self.spelling);
                let item = |(at, (_, method, path)): (usize, &Entry)| {
                    let path = path.replace("{c}", self.customer_as_named());
                    let path = luck.spelled(&path.replace("{s}", self.in_path));
                    let slash = if luck.one_in(4) { "" } else { "/" };
                    let url = format!("{slash}{path}");
                    json!({ "Reference": at.to_string(), "Method": method, "RelativeUrl": url })
                };
                Some(json!({ "Items": items.iter().enumerate().map(item).collect::<Vec<_>>() }))
            }
            Shape::Daas(_, (.., path)) if path.ends_with("$search") => Some(json!({})),
            Shape::Daas(..) | Shape::Platform(_) => None,
        }
    }
}

fn in_family(family: Family, path: &str) -> String {
    match family {
        Family::Manage => format!("cvad/manage/{path}"),
        Family::Preview if is_siteless(path) => format!("cvadapis/{path}"),
        Family::Preview => format!("cvadapis/{{s}}/{path}"),
    }
}

/// Whether it stands before the site in the older form.
fn is_siteless(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    ["me", "Sites", "HealthCheck"].contains(&first)
}

/// Decides how a path is written.
struct Luck(Option<fastrand::Rng>);

impl Luck {
    fn of(seed: u64) -> Self {
        Self((seed != 0).then(|| fastrand::Rng::with_seed(seed)))
    }

    fn one_in(&mut self, many: u8) -> bool {
        self.0.as_mut().is_some_and(|dice| dice.u8(..many) == 0)
    }

    /// The same for Citrix: it does not distinguish case, and a percent code is what it stands for.
    fn spelled(&mut self, text: &str) -> String {
        let mut written = String::new();
        for letter in text.chars() {
            let other = if letter.is_ascii_uppercase() {
                letter.to_ascii_lowercase()
            } else {
                letter.to_ascii_uppercase()
            };
            let letter = if self.one_in(3) { other } else { letter };
            let coded = self.one_in(if letter == '$' { 2 } else { 16 });
            if coded && letter != '/' {
                write!(written, "%{:02X}", u32::from(letter)).unwrap();
            } else {
                written.push(letter);
            }
        }
        written
    }
}

/// What there is to call in DaaS, below the site. A machine `x` is not there, so that nothing that
/// is allowed has an effect; what is not named in the documentation is a write.
const DAAS: &[Entry] = &[
    (Read, "GET", "me"),
    (Read, "HEAD", "me"),
    (Read, "GET", "HealthCheck"),
    (Read, "GET", "Sites"),
    (Read, "GET", "Sites/{s}"),
    (Read, "GET", "Sites/{s}/Status"),
    (Read, "GET", "{s}/Machines"),
    (Read, "GET", "{c}/{s}/Machines"),
    (Read, "HEAD", "cvad/manage/Sites/{s}"),
    (Read, "GET", "v1/{c}/{s}/Machines"),
    (Power, "POST", "{c}/{s}/Machines/x/$start"),
    (Power, "POST", "cvadapis/{s}/Machines/x/$start"),
    (Power, "POST", "TechPreview/{c}/{s}/Machines/x/$start"),
    (Read, "GET", "Machines"),
    (Read, "HEAD", "Machines/x"),
    (Read, "GET", "Machines/x/$reboot"),
    (Read, "GET", "Nothing/of/the/kind"),
    (Read, "POST", "Machines/$search"),
    (Read, "POST", "Sessions/$search"),
    (Power, "POST", "Machines/x/$start"),
    (Power, "POST", "Machines/x/$shutdown"),
    (Power, "POST", "Machines/x/$reboot"),
    (Power, "POST", "Machines/x/$suspend"),
    (Power, "POST", "Machines/x/$resume"),
    (Power, "POST", "MachineCatalogs/x/$RebootMachines"),
    (Power, "POST", "DeliveryGroups/x/$StartRebootCycle"),
    (Power, "DELETE", "Machines/x/PowerActionSchedules"),
    (Session, "POST", "Sessions/x/$logoff"),
    (Session, "POST", "Sessions/x/$disconnect"),
    (Session, "POST", "Sessions/x/$sendMessage"),
    (Session, "POST", "Sessions/x/$anything"),
    (Session, "POST", "Machines/x/$logoff"),
    (Session, "POST", "Machines/x/$disconnect"),
    (Write, "PATCH", "Machines/x"),
    (Write, "DELETE", "Machines/x"),
    (Write, "PUT", "Machines/x/$start"),
    (Write, "DELETE", "Machines/x/$reboot"),
    (Write, "POST", "Machines/x/$explode"),
    (Write, "POST", "Machines/x/y/$start"),
    (Write, "POST", "Machines/$start"),
    (Write, "POST", "Machines/x/$search"),
    (Write, "POST", "Machines/x/$RebootMachines"),
    (Write, "POST", "MachineCatalogs/x/$StartRebootCycle"),
    (Write, "POST", "DeliveryGroups/x/$RebootMachines"),
    (Write, "POST", "Nothing/$search"),
    (Write, "DELETE", "Sessions/x"),
    (Write, "POST", "MachineCatalogs"),
    (Write, "PATCH", "Sites/{s}"),
    (Write, "POST", "me"),
    (Write, "POST", "Admin/Administrators"),
];

/// What there is to call beside DaaS.
const PLATFORM: &[Entry] = &[
    (Read, "GET", "resourcelocations"),
    (Read, "GET", "administrators"),
    (Read, "GET", "systemlog/records"),
    (Read, "GET", "notifications"),
    (Read, "GET", "connectors"),
    (Read, "GET", "monitorodata/Machines"),
    (Read, "GET", "catalogservice/{c}/x"),
    (Read, "GET", "{c}/resourcelocations"),
    (Read, "GET", "{c}/serviceStates"),
    (Read, "HEAD", "{c}/serviceStates"),
    (Read, "GET", "{c}/notifications"),
    (Notify, "POST", "notifications"),
    (Notify, "POST", "{c}/notifications/items"),
    (Notify, "DELETE", "{c}/notifications/items/x"),
    (Identity, "POST", "administrators/$create"),
    (Identity, "PUT", "administrators/x/access"),
    (Identity, "DELETE", "administrators/x"),
    (Write, "POST", "resourcelocations"),
    (Write, "DELETE", "{c}/resourcelocations/x"),
    (Write, "POST", "{c}/serviceStates"),
    (Write, "POST", "systemlog/records"),
    (Write, "POST", "connectors/x"),
    (Write, "POST", "monitorodata/$batch"),
    (Write, "POST", "monitorodata/Machines/$search"),
    (Write, "POST", "catalogservice/{c}/Machines/x/$start"),
    (Write, "POST", "quickcreateservice/{c}/x"),
    (Write, "POST", "resourceprovider/{c}/site/x"),
];
