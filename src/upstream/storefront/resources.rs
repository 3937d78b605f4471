use url::Url;

use crate::domain::{Enumeration, StoreResource};

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
pub struct PowerOffLink(pub(super) Url);

impl Resources {
    /// The resource with this [`id`](StoreResource::id).
    pub fn find(&self, id: &str) -> Option<&ListedResource> {
        self.items.iter().find(|item| item.resource.id == id)
    }
}
