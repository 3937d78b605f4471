use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    time::Duration,
};

use super::{
    App, AppLimits, CustomerSelector, Grant, HASH_PREFIX, KeyHash, SiteSelector, StoreSelector,
    Subject,
};
use crate::{
    config::{
        Issuer, customers::Customers, document::Value, layers::Layers, reader::Field, schema,
    },
    domain::{Action, AppName, CustomerName, Label, SiteId, StoreName},
};

/// What grants and subjects may name.
pub(in crate::config) struct Known<'a> {
    pub(in crate::config) customers: &'a Customers,
    /// All stores that are configured, usable or not.
    pub(in crate::config) stores: &'a BTreeSet<String>,
    pub(in crate::config) issuers: &'a BTreeMap<String, Issuer>,
}

impl App {
    /// Reads every app below `apps`.
    pub(in crate::config) fn read_all(
        apps: &Field<'_>,
        layers: &Layers,
        known: &Known<'_>,
    ) -> BTreeMap<AppName, Self> {
        let mut owners = BTreeMap::new();
        let mut found: BTreeMap<AppName, Self> = BTreeMap::new();
        for field in apps.named() {
            layers.report_repeated("apps", &field);
            if let Some(app) = Self::read(&field, known, &mut owners) {
                let same = |other: &&Self| app.subject.is_some() && other.subject == app.subject;
                if let Some(other) = found.values().find(same) {
                    let problem = format!("app {} has the same `subject`", other.name);
                    field.wrong(problem, "no token could tell the two apart: change one of them");
                }
                found.insert(app.name.clone(), app);
            }
        }
        found
    }

    fn read(
        field: &Field<'_>,
        known: &Known<'_>,
        owners: &mut BTreeMap<String, String>,
    ) -> Option<Self> {
        let name = field.name::<AppName>();
        let section = field.section("apps.*", "a table with `keys` and `grants`")?;
        let (keys_field, subject_field) = (section.field("keys"), section.field("subject"));
        // That is how a key is revoked, so that it must not stand in the way.
        if is_empty(&keys_field) && !subject_field.is_set() && !field.context.incomplete.get() {
            let at = if keys_field.is_set() { &keys_field } else { field };
            at.warn(
                "nobody can be this app: it has neither `keys` nor `subject`",
                format!("add keys = [\"…\"], made by `cwsgate key new --app {}`", field.last),
            );
        }
        let keys = keys(&keys_field, field.last, owners);
        let subject = Subject::read(&subject_field, known);
        let grants = section.field("grants").required("say what it may do: grants = [ … ]");
        let grants = grants.items().unwrap_or_default();
        let grants = grants.iter().filter_map(|grant| Grant::read(grant, known)).collect();
        let limits = AppLimits::read(&section.field("limits"));
        Some(Self { name: name?, keys, subject, grants, limits })
    }
}

impl AppLimits {
    fn read(field: &Field<'_>) -> Self {
        let form = "{ requests_per_minute = 600 }";
        let section = field.is_set().then(|| field.section("apps.*.limits", form)).flatten();
        let Some(section) = section else { return Self::default() };
        let count = |key, most| {
            let set = section.field(key).is_set();
            set.then(|| NonZeroU32::new(section.count(key, 1..=most))).flatten()
        };
        Self {
            requests_per_minute: count("requests_per_minute", 1_000_000),
            machines_per_hour: count("machines_per_hour", 1_000_000),
            max_deadline: {
                let bounds = Duration::from_secs(1)..=Duration::from_hours(1);
                section.field("max_deadline").duration(&bounds)
            },
        }
    }
}

impl Subject {
    fn read(field: &Field<'_>, known: &Known<'_>) -> Option<Self> {
        field.node?;
        let form = "{ issuer = \"…\", claim = \"…\", value = \"…\" }";
        let section = field.section("apps.*.subject", form)?;
        let text = |key| {
            let field = section.field(key).required(&format!("write {form}"));
            field.filled_text().map(str::to_owned)
        };
        let (issuer, claim, value) = (text("issuer"), text("claim"), text("value"));
        let issuer = issuer?;
        if !known.issuers.contains_key(&issuer) && !field.context.incomplete.get() {
            let names = known.issuers.keys().map(String::as_str);
            let fix = format!("add [issuers.NAME]; {}", schema::one_of_or_nearest(&issuer, names));
            section.field("issuer").wrong("there is no such issuer", fix);
            return None;
        }
        Some(Self { issuer, claim: claim?, value: value? })
    }
}

impl Grant {
    fn read(field: &Field<'_>, known: &Known<'_>) -> Option<Self> {
        let form = "{ actions = [\"read\"], customers = [\"*\"] }";
        let section = field.section("apps.*.grants[]", form)?;
        let has_target = ["customers", "stores"].iter().any(|key| section.field(key).is_set());
        if !has_target && !field.context.incomplete.get() {
            section.wrong(
                "it names neither customers nor stores, so that it grants nothing",
                "add customers = [\"*\"] or stores = [\"*\"]",
            );
        }
        let actions_field = section.field("actions").required("add actions = [\"read\"]");
        let actions = list(&actions_field, action);
        let require_reason = section.field("require_reason").boolean().unwrap_or_default();
        let sites = section.field("sites");
        if sites.is_set() && !section.field("customers").is_set() {
            sites.wrong("there are no customers for these sites", "add customers, or remove it");
        }
        Some(Self {
            actions: actions.into_iter().collect(),
            customers: list(&section.field("customers"), |word, at| customers(word, at, known)),
            sites: sites.is_set().then(|| list(&sites, site)),
            stores: list(&section.field("stores"), |word, at| store(word, at, known)),
            require_reason,
        })
    }
}

/// The items of a list that is not empty, where it is there at all.
fn list<T>(field: &Field<'_>, read: impl Fn(&str, &Field<'_>) -> Option<T>) -> Vec<T> {
    let Some(words) = field.strings() else { return Vec::new() };
    if words.is_empty() {
        field.wrong("the list is empty", "add to it, or remove the key");
    }
    words.iter().filter_map(|(word, field)| read(word, field)).collect()
}

fn action(word: &str, field: &Field<'_>) -> Option<Action> {
    let action = word.parse().ok();
    if action.is_none() {
        let names = Action::ALL.into_iter().map(Action::as_str);
        field.wrong("there is no such action", schema::one_of_or_nearest(word, names));
    }
    action
}

fn customers(word: &str, field: &Field<'_>, known: &Known<'_>) -> Option<CustomerSelector> {
    let selector = match (word, word.strip_prefix("label:")) {
        ("*", _) => Ok(CustomerSelector::All),
        (_, Some(label)) => Label::try_from(label).map(CustomerSelector::Label),
        _ => CustomerName::try_from(word).map(|_| CustomerSelector::NameOrId(word.to_owned())),
    };
    let selector = match selector {
        Ok(selector) => selector,
        Err(problem) => {
            field.wrong(problem.to_string(), "write a name, an id, \"label:x\" or \"*\"");
            return None;
        }
    };
    let names_none = selector != CustomerSelector::All && !known.customers.are_named_by(&selector);
    if names_none && !field.context.incomplete.get() {
        let fix = match schema::nearest(word, known.customers.names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "correct it, or add the customer or label".to_owned(),
        };
        field.warn("no customer has this name, id or label", fix);
    }
    Some(selector)
}

fn site(word: &str, field: &Field<'_>) -> Option<SiteSelector> {
    if word == "*" {
        return Some(SiteSelector::All);
    }
    match SiteId::try_from(word) {
        Ok(id) => Some(SiteSelector::Id(id)),
        Err(problem) => {
            field.wrong(problem.to_string(), "write a site's id, or \"*\"");
            None
        }
    }
}

fn store(word: &str, field: &Field<'_>, known: &Known<'_>) -> Option<StoreSelector> {
    if word == "*" {
        return Some(StoreSelector::All);
    }
    let names = known.stores.iter().map(String::as_str);
    if !known.stores.contains(word) && !field.context.incomplete.get() {
        field.warn("there is no such store", schema::one_of_or_nearest(word, names));
    }
    match StoreName::try_from(word) {
        Ok(name) => Some(StoreSelector::Name(name)),
        Err(problem) => {
            field.wrong(problem.to_string(), "write a store's name, or \"*\"");
            None
        }
    }
}

/// Whether no key is listed.
fn is_empty(keys: &Field<'_>) -> bool {
    match keys.node.map(|node| &node.value) {
        None => true,
        Some(Value::Array(keys)) => keys.is_empty(),
        Some(_) => false,
    }
}

fn keys(field: &Field<'_>, app: &str, owners: &mut BTreeMap<String, String>) -> Vec<KeyHash> {
    let Some(items) = field.items_or_words() else { return Vec::new() };
    let mut keys = Vec::new();
    for item in items {
        let Some(key) = key(&item) else { continue };
        if let Some(owner) = owners.insert(key.id.clone(), app.to_owned()) {
            let problem = format!("the same key stands in app {owner} already");
            item.wrong(problem, "make each app its own key: `cwsgate key new`");
        }
        keys.push(key);
    }
    let now = field.context.now;
    let live = keys.iter().filter(|key| key.expires.is_none_or(|expires| expires > now)).count();
    if live > MAX_LIVE_KEYS {
        field.wrong("more than two keys are valid", "remove the oldest");
    }
    keys
}

fn key(item: &Field<'_>) -> Option<KeyHash> {
    if !matches!(item.node?.value, Value::Table(_)) {
        return hash(item);
    }
    let section = item.section("apps.*.keys[]", "{ hash = \"cwsgate_hash_…\", expires = … }")?;
    let expires_field = section.field("expires");
    let expires = expires_field.time();
    if expires.is_some_and(|expires| expires <= item.context.now) {
        expires_field.warn("the key has expired", "remove it");
    }
    let hash = hash(&section.field("hash").required("write the hash of the key"))?;
    Some(KeyHash { expires, ..hash })
}

fn hash(field: &Field<'_>) -> Option<KeyHash> {
    let text = field.filled_text()?;
    let hash = KeyHash::parse(text.trim());
    if hash.is_none() {
        let make = "write the hash that `cwsgate key new` prints: cwsgate_hash_…";
        if text.starts_with("cwsgate_") && !text.starts_with(HASH_PREFIX) {
            field.wrong("this is an API key, not its hash: it has leaked into the file", make);
        } else {
            field.wrong("this is not the hash of an API key", make);
        }
    }
    hash
}

/// Keys of one app that may be valid at a time: the old and the new one.
const MAX_LIVE_KEYS: usize = 2;
