use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use url::Url;

use super::{
    Severity, address,
    customers::Customers,
    layers::Layers,
    reader::{Field, Section},
    schema, secrets,
};
use crate::domain::{CustomerName, StoreName};

/// One StoreFront store and the one way to sign in to it.
#[derive(Clone, Debug)]
pub struct Store {
    /// Its name.
    pub name: StoreName,
    /// Its own URL, such as `https://sf.example.test/Citrix/Store`.
    pub url: Url,
    /// The customer it belongs to, where it belongs to one.
    pub customer: Option<CustomerName>,
    /// How to sign in.
    pub auth: StoreAuth,
}

/// How the gateway signs in to a store.
#[derive(Clone, Debug)]
pub enum StoreAuth {
    /// A service account over HTTP Basic.
    HttpBasic(StoreAccount),
    /// A service account over the form of the store's web page.
    ExplicitForms(StoreAccount),
    /// Each calling app signs its own user in.
    Caller,
}

/// A service account of a store.
#[derive(Clone, Debug)]
pub struct StoreAccount {
    /// Its name, `DOMAIN\user` or UPN.
    pub username: SecretString,
    /// Its password.
    pub password: SecretString,
}

impl Store {
    /// Reads every store below `stores`, and the names of all of them. One that is wrong is left
    /// out and concerns no other.
    pub(super) fn read_all(
        stores: &Field<'_>,
        layers: &Layers,
        customers: &Customers,
    ) -> (BTreeMap<StoreName, Self>, BTreeSet<String>) {
        let (mut found, mut names) = (BTreeMap::new(), BTreeSet::new());
        for mut field in stores.named() {
            field.severity = Severity::Customer;
            layers.report_repeated("stores", &field);
            let mark = field.context.mark();
            names.insert(field.last.to_owned());
            if let Some(store) = Self::read(&field, customers)
                && field.context.since(mark).is_empty()
            {
                found.insert(store.name.clone(), store);
            }
        }
        (found, names)
    }

    fn read(field: &Field<'_>, customers: &Customers) -> Option<Self> {
        let name = field.name::<StoreName>();
        let section = field.section("stores.*", "a table with `url` and `auth`")?;
        let url_fix = "write the store's URL, such as \"https://sf.example.test/Citrix/Store\"";
        let url = section.field("url").required(url_fix).checked(address::base_url, url_fix);
        let customer = owner(&section.field("customer"), customers);
        let auth = StoreAuth::read(&section.field("auth").required(AUTH_FIX));
        Some(Self { name: name?, url: url?, customer, auth: auth? })
    }
}

impl StoreAuth {
    fn read(field: &Field<'_>) -> Option<Self> {
        let section = field.section("stores.*.auth", "{ method = \"caller\" }")?;
        let methods = [("http-basic", 0), ("explicit-forms", 1), ("caller", 2)];
        let method = section.field("method").required(AUTH_FIX).choice(&methods)?;
        if method == 2 {
            for key in ["username", "password"] {
                if section.field(key).is_set() {
                    let problem = "the calling app signs its own user in";
                    section.field(key).wrong(problem, "remove it");
                }
            }
            return Some(Self::Caller);
        }
        let account = StoreAccount::read(&section);
        account.map(if method == 0 { Self::HttpBasic } else { Self::ExplicitForms })
    }
}

impl StoreAccount {
    fn read(section: &Section<'_>) -> Option<Self> {
        let field = section.field("username").required("write the service account's name");
        let plain =
            matches!(field.node.map(|node| &node.value), Some(super::document::Value::Text(_)));
        // A name is no secret, so that a literal is fine.
        let username = if plain {
            field.filled_text().map(SecretString::from)
        } else {
            secrets::read(&field, None)
        };
        let fix = format!("write {}", secrets::FORM);
        let password = secrets::read(&section.field("password").required(&fix), None);
        Some(Self { username: username?, password: password? })
    }
}

fn owner(field: &Field<'_>, customers: &Customers) -> Option<CustomerName> {
    let word = field.filled_text()?;
    let found = customers.names().find(|name| *name == word);
    if found.is_none() && !field.context.incomplete.get() {
        let fix = schema::one_of_or_nearest(word, customers.names());
        field.wrong("there is no such customer", fix);
    }
    CustomerName::try_from(found?).ok()
}

const AUTH_FIX: &str = "write auth = { method = \"http-basic\", username = '…', password = { env = \"…\" } }, or method = \"explicit-forms\" or \"caller\"";
