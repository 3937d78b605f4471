use std::{cmp::Reverse, collections::BTreeMap};

use jiff::Timestamp;

use super::{ClientSecret, Customer, Misconfigured};
use crate::{
    config::{
        CustomerSelector, Finding, Severity,
        context::Context,
        document::{Origin, Table, Value},
        layers::Layers,
        reader::{Field, Section},
        regions::Regions,
        schema, secrets,
    },
    domain::{CustomerId, CustomerName, Label, RegionName},
};

/// Customers that can be served and those that cannot.
#[derive(Default)]
pub(in crate::config) struct Customers {
    pub(in crate::config) good: BTreeMap<CustomerName, Customer>,
    pub(in crate::config) misconfigured: BTreeMap<CustomerName, Misconfigured>,
}

impl Customers {
    /// Reads every customer of `layers`. What is wrong with one concerns that one only.
    pub(in crate::config) fn read_all(
        root: &Section<'_>,
        layers: &Layers,
        regions: &Regions,
    ) -> Self {
        let defaults = defaults(&root.field("customer_defaults"), regions);
        let field = root.field("customers");
        let context = field.context;
        let mut drafts = Vec::new();
        for mut customer in field.named() {
            customer.severity = Severity::Customer;
            drafts.extend(Draft::read(&customer, layers, &defaults, regions));
        }
        for (name, place) in &layers.unreadable {
            if !drafts.iter().any(|draft: &Draft| draft.name.as_str() == name) {
                drafts.extend(Draft::unreadable(context, name, place));
            }
        }
        // What is broken anyway comes last, so that it takes nothing from the others.
        drafts
            .sort_by_cached_key(|draft| (!draft.findings.is_empty(), layers.turn(&draft.section)));
        refuse_collisions(context, &mut drafts);
        let mut customers = Self::default();
        for draft in drafts {
            draft.file_into(&mut customers);
        }
        customers
    }

    /// What grants may name: names, ids and labels of all customers, whatever their state.
    pub(in crate::config) fn are_named_by(&self, selector: &CustomerSelector) -> bool {
        let good = self.good.values().map(|c| (&c.name, c.id.as_str(), &c.labels));
        let rest = self.misconfigured.values().map(|c| (&c.name, c.id.as_str(), &c.labels));
        good.chain(rest).any(|(name, id, labels)| selector.matches(name.as_str(), id, labels))
    }

    /// The names of all customers, whatever their state.
    pub(in crate::config) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.good.keys().chain(self.misconfigured.keys()).map(CustomerName::as_str)
    }
}

/// A customer as far as it could be read.
struct Draft {
    name: CustomerName,
    id: Option<CustomerId>,
    display_name: Option<String>,
    region: Option<RegionName>,
    labels: Vec<Label>,
    client_id: Option<String>,
    client_secrets: Vec<ClientSecret>,
    /// Where its section begins.
    section: Origin,
    /// Where its id, or else its name, is written.
    place: Origin,
    findings: Vec<Finding>,
}

impl Draft {
    fn read(
        field: &Field<'_>,
        layers: &Layers,
        defaults: &Table,
        regions: &Regions,
    ) -> Option<Self> {
        let context = field.context;
        // What stands a second time is left out, and costs the first nothing.
        layers.report_repeated("customers", field);
        let mark = context.mark();
        let name = field.name::<CustomerName>()?;
        let own = field.table("a table with `region`, `client_id` and others");
        let merged = with_defaults(own.unwrap_or(&Table::new()), defaults);
        let section = Section::open(
            context,
            &field.path,
            "customers.*",
            &merged,
            field.origin,
            field.severity,
        );
        let id = section.field("id");
        let mut draft = Self {
            id: if id.is_set() {
                id.checked(|text| CustomerId::try_from(text), "write Citrix's id of the customer")
            } else {
                CustomerId::try_from(name.as_str()).ok()
            },
            display_name: section.field("display_name").filled_text().map(str::to_owned),
            region: None,
            labels: labels(&section.field("labels")),
            client_id: None,
            client_secrets: Vec::new(),
            section: field.origin.clone(),
            place: id.origin.clone(),
            findings: Vec::new(),
            name,
        };
        if own.is_some() {
            draft.region = region(
                &section.field("region").required("name its region, such as \"us\""),
                regions,
            );
            let client_id = section.field("client_id").required("write the API client's id");
            draft.client_id = client_id.filled_text().map(str::to_owned);
            draft.client_secrets = client_secrets(&section, draft.name.as_str());
        }
        draft.findings = context.since(mark);
        Some(draft)
    }

    /// A customer of a file that has syntax errors.
    fn unreadable(context: &Context<'_>, name: &str, place: &Origin) -> Option<Self> {
        let mark = context.mark();
        let (key, problem) = (format!("customers.{name}"), "its file has syntax errors");
        context.report(Severity::Customer, place, &key, problem, "correct the file");
        Some(Self {
            name: CustomerName::try_from(name).ok()?,
            id: None,
            display_name: None,
            region: None,
            labels: Vec::new(),
            client_id: None,
            client_secrets: Vec::new(),
            section: place.clone(),
            place: place.clone(),
            findings: context.since(mark),
        })
    }

    fn file_into(self, customers: &mut Customers) {
        let display_name = self.display_name.unwrap_or_else(|| self.name.to_string());
        match (self.id, self.region, self.client_id) {
            (Some(id), Some(region), Some(client_id)) if self.findings.is_empty() => {
                let customer = Customer {
                    name: self.name.clone(),
                    id,
                    display_name,
                    region,
                    labels: self.labels,
                    client_id,
                    client_secrets: self.client_secrets,
                };
                customers.good.insert(self.name, customer);
            }
            (id, region, _) => {
                let misconfigured = Misconfigured {
                    id: id.map_or_else(|| self.name.to_string(), |id| id.to_string()),
                    name: self.name.clone(),
                    display_name,
                    region,
                    labels: self.labels,
                    findings: self.findings,
                };
                customers.misconfigured.insert(self.name, misconfigured);
            }
        }
    }
}

/// Paths take names and ids alike, so that none may stand for two customers: the first of `drafts`
/// keeps it, and who is refused takes none.
fn refuse_collisions(context: &Context<'_>, drafts: &mut [Draft]) {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for draft in drafts {
        let words = [Some(draft.name.as_str()), draft.id.as_ref().map(CustomerId::as_str)];
        let words: Vec<_> = words.into_iter().flatten().map(str::to_ascii_lowercase).collect();
        let Some(owner) = words.iter().find_map(|word| owners.get(word)) else {
            owners.extend(words.into_iter().map(|word| (word, draft.name.to_string())));
            continue;
        };
        let mark = context.mark();
        let problem = format!("it has the id or name of another customer: {owner}");
        let key = format!("customers.{}.id", draft.name);
        let fix = "give each customer its own name and id";
        context.report(Severity::Customer, &draft.place, &key, problem, fix);
        draft.findings.extend(context.since(mark));
        // The id is that of the other one.
        draft.id = None;
    }
}

/// Checks `customer_defaults` by itself, so that a mistake there is reported once and not for every
/// customer.
fn defaults(field: &Field<'_>, regions: &Regions) -> Table {
    let context = field.context;
    let Some(own) = field.table("a table") else { return Table::new() };
    let mark = context.mark();
    if let Some(section) = field.section("customer_defaults", "a table") {
        region(&section.field("region"), regions);
        labels(&section.field("labels"));
        section.field("client_id").filled_text();
        let secret = section.field("client_secret");
        if matches!(secret.node.map(|node| &node.value), Some(Value::Text(_))) {
            secret.filled_text();
        } else if secret.is_set() {
            secret.section(schema::SECRET, secrets::FORM);
        }
        if section.field("client_secrets").is_set() {
            section.field("client_secrets").items();
        }
    }
    if context.since(mark).is_empty() {
        return own.clone();
    }
    // The gateway will not start; what is missing in customers may be what was meant here.
    context.incomplete.set(true);
    Table::new()
}

/// The customer's own keys and those defaults that it does not have.
fn with_defaults(own: &Table, defaults: &Table) -> Table {
    let secrets = ["client_secret", "client_secrets"];
    let has_secret = secrets.iter().any(|key| own.contains_key(*key));
    let mut merged = own.clone();
    for (key, entry) in defaults {
        let inherits = !(has_secret && secrets.contains(&key.as_str()));
        if inherits && !merged.contains_key(key) {
            merged.insert(key.clone(), entry.clone());
        }
    }
    merged
}

fn region(field: &Field<'_>, regions: &Regions) -> Option<RegionName> {
    let word = field.filled_text()?;
    // A region with a mistake is there all the same; the mistake is told where it is.
    if !regions.names.contains(word) {
        let names = regions.names.iter().map(String::as_str);
        field.wrong("there is no such region", schema::one_of_or_nearest(word, names));
    }
    regions.good.keys().find(|name| name.as_str() == word).cloned()
}

fn labels(field: &Field<'_>) -> Vec<Label> {
    let words = field.strings().unwrap_or_default().into_iter();
    let label = |(word, field): (String, Field<'_>)| match Label::try_from(word) {
        Ok(label) => Some(label),
        Err(problem) => {
            field.wrong(problem.to_string(), "write a word such as \"gold\"");
            None
        }
    };
    words.filter_map(label).collect()
}

fn client_secrets(section: &Section<'_>, customer: &str) -> Vec<ClientSecret> {
    let (one, several) = (section.field("client_secret"), section.field("client_secrets"));
    if one.is_set() && several.is_set() {
        several.wrong("there is `client_secret` as well", "keep one of them");
    }
    if !several.is_set() {
        let secret =
            secrets::read(&one.required(&format!("write {}", secrets::FORM)), Some(customer));
        return secret.map(|secret| ClientSecret::new(secret, None)).into_iter().collect();
    }
    let mut found = Vec::new();
    let mark = several.context.mark();
    for item in several.items().unwrap_or_default() {
        found.extend(client_secret(&item, customer));
    }
    if found.is_empty() && several.context.since(mark).is_empty() {
        several.wrong("no secret is left that is valid", "add a new one from Citrix Cloud");
    }
    // Stable, so that among equals the order of the file counts. No expiry is the latest of all.
    found.sort_by_key(|secret| Reverse(secret.expires.unwrap_or(Timestamp::MAX)));
    found
}

/// One entry of `client_secrets`; an expired one is not even read.
fn client_secret(item: &Field<'_>, customer: &str) -> Option<ClientSecret> {
    if matches!(item.node?.value, Value::Text(_)) {
        return Some(ClientSecret::new(secrets::read(item, Some(customer))?, None));
    }
    let section =
        item.section("customers.*.client_secrets[]", "{ file = \"path\", expires = … }")?;
    let field = section.field("expires");
    let expires = field.time();
    if field.is_set() && expires.is_none() {
        return None;
    }
    let now = item.context.now;
    if let Some(left) = expires.map(|expires| expires.duration_since(now)) {
        if !left.is_positive() {
            field.warn("the secret has expired and is not used", "remove it");
            return None;
        }
        let days = left.as_hours() / 24;
        if days < WARN_DAYS {
            let problem = format!("the secret expires in {days} days");
            field.warn(problem, "make a new one in Citrix Cloud and add it");
        }
    }
    Some(ClientSecret::new(secrets::referenced(item, &section, Some(customer))?, expires))
}

/// Days before its expiry from which a secret is spoken of.
const WARN_DAYS: i64 = 30;
