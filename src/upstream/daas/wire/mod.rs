//! DaaS's own spelling. It stops here: everything becomes a domain type.
//!
//! Every field may be missing or of another type; only what identifies an object is required.

mod groups;
mod job;
mod machine;
mod me;
mod session;

use serde::{Deserialize, de::DeserializeOwned};

pub(super) use groups::{CATALOG_FIELDS, DeliveryGroup, MachineCatalog};
pub(super) use job::{Job, Parameter};
pub(super) use machine::{MACHINE_FIELDS, Machine};
pub(super) use me::Me;
pub(super) use session::{SESSION_FIELDS, Session};

use crate::{domain, upstream::lenient};

/// A list, or one part of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", bound = "T: DeserializeOwned")]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) continuation_token: Option<String>,
}

/// What becomes a domain type; `None` where what identifies it is missing.
pub(super) trait IntoDomain {
    type Domain;
    fn into_domain(self) -> Option<Self::Domain>;
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Reference {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
}

impl Reference {
    /// `None` for one that points nowhere.
    fn into_domain(self) -> Option<domain::Reference> {
        (self.id.is_some() || self.name.is_some())
            .then_some(domain::Reference { id: self.id, name: self.name })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_field_names, reason = "the names are the vendor's")]
struct User {
    #[serde(deserialize_with = "lenient::text")]
    sam_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    principal_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    display_name: Option<String>,
}

impl User {
    /// `None` for one without any name.
    fn into_domain(self) -> Option<domain::User> {
        let user = domain::User {
            name: self.sam_name,
            principal_name: self.principal_name,
            display_name: self.display_name,
        };
        (user != domain::User::default()).then_some(user)
    }
}

fn users(users: Vec<User>) -> Vec<domain::User> {
    users.into_iter().filter_map(User::into_domain).collect()
}
