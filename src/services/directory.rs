use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::Error;
use crate::{
    auth::{CustomerKey, Policy},
    config::{Customer, CustomerSelector, Misconfigured, Region},
    domain::{CustomerName, Label, NameOrId, Principal, RegionName},
};

/// Every customer and region that the configuration knows.
#[derive(Debug)]
pub struct Directory {
    accounts: BTreeMap<CustomerName, Account>,
    by_id: HashMap<String, CustomerName>,
    regions: BTreeMap<RegionName, Region>,
}

/// A customer, usable or not.
#[derive(Clone, Debug)]
pub enum Account {
    /// It can be served.
    Usable(Arc<Customer>),
    /// Its own configuration is wrong.
    Misconfigured(Arc<Misconfigured>),
}

/// One thing by name, or all that the caller may see (`-` in paths).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wildcard<T> {
    /// Every one that the caller may see.
    All,
    /// This one.
    One(T),
}

/// Which customers and sites a list is about.
#[derive(Clone, Debug)]
pub struct Scope {
    /// From the path.
    pub customer: Wildcard<String>,
    /// From the path; `All` where the list has no site.
    pub site: Wildcard<NameOrId>,
    /// Narrowed to these regions, where any are named.
    pub regions: Vec<String>,
    /// Narrowed to these customers, where any are named.
    pub customers: Vec<CustomerSelector>,
}

impl Directory {
    /// The directory that the configuration states.
    pub fn new(
        regions: BTreeMap<RegionName, Region>,
        customers: BTreeMap<CustomerName, Customer>,
        misconfigured: BTreeMap<CustomerName, Misconfigured>,
    ) -> Self {
        let usable = customers
            .into_iter()
            .map(|(name, customer)| (name, Account::Usable(Arc::new(customer))));
        let broken = misconfigured
            .into_iter()
            .map(|(name, customer)| (name, Account::Misconfigured(Arc::new(customer))));
        let accounts: BTreeMap<_, _> = broken.chain(usable).collect();
        // Those that can be served come last and keep their ids: what is wrong with another
        // customer may be that it has one of them.
        let (usable, broken): (Vec<_>, Vec<_>) =
            accounts.iter().partition(|(_, account)| account.usable().is_ok());
        let by_id = broken
            .into_iter()
            .chain(usable)
            .map(|(name, account)| (account.id().to_owned(), name.clone()))
            .collect();
        Self { accounts, by_id, regions }
    }

    /// Regions by name.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.regions.values()
    }

    /// Every customer, in the order of our names.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// The customer of that name or Citrix id.
    pub fn find(&self, name_or_id: &str) -> Option<&Account> {
        let named = self.accounts.get(name_or_id);
        if named.is_some_and(|account| account.usable().is_ok()) {
            return named;
        }
        let with_id = || self.accounts.get(self.by_id.get(name_or_id)?.as_str());
        with_id().or(named)
    }

    /// The customers that a list is about and that the caller may see, in order.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the scope names a customer that is not there or not visible,
    /// [`Error::Invalid`] when it names an unknown region.
    pub(super) fn select(
        &self,
        scope: &Scope,
        policy: &Policy,
        principal: &Principal,
    ) -> Result<Vec<&Account>, Error> {
        for region in &scope.regions {
            if !self.regions.contains_key(region.as_str()) {
                return Err(self.unknown_region(region));
            }
        }
        let visible = |account: &&Account| policy.sees(principal, account.key());
        for selector in &scope.customers {
            if let CustomerSelector::NameOrId(name) = selector {
                self.find(name).filter(visible).ok_or(Error::NotFound)?;
            }
        }
        let candidates = match &scope.customer {
            Wildcard::One(name) => vec![self.find(name).filter(visible).ok_or(Error::NotFound)?],
            Wildcard::All => self.accounts.values().filter(visible).collect(),
        };
        let in_region = |account: &&Account| {
            scope.regions.is_empty()
                || account
                    .region()
                    .is_some_and(|region| scope.regions.iter().any(|r| r == region.as_str()))
        };
        let named = |account: &&Account| {
            let key = account.key();
            scope.customers.is_empty()
                || scope.customers.iter().any(|s| s.matches(key.name, key.id, key.labels))
        };
        Ok(candidates.into_iter().filter(in_region).filter(named).collect())
    }

    fn unknown_region(&self, region: &str) -> Error {
        let known: Vec<_> = self.regions.keys().map(RegionName::as_str).collect();
        Error::Invalid {
            pointer: "/region".into(),
            detail: format!("there is no region {region:?}; regions are {}", known.join(", ")),
        }
    }
}

impl Account {
    /// What it goes by in grants.
    pub fn key(&self) -> CustomerKey<'_> {
        CustomerKey { name: self.name().as_str(), id: self.id(), labels: self.labels() }
    }

    /// Our name for it.
    pub fn name(&self) -> &CustomerName {
        match self {
            Self::Usable(customer) => &customer.name,
            Self::Misconfigured(customer) => &customer.name,
        }
    }

    /// Citrix's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Usable(customer) => customer.id.as_str(),
            Self::Misconfigured(customer) => &customer.id,
        }
    }

    /// Its name for people.
    pub fn display_name(&self) -> &str {
        match self {
            Self::Usable(customer) => &customer.display_name,
            Self::Misconfigured(customer) => &customer.display_name,
        }
    }

    /// The control plane it lives in, where that is known.
    pub fn region(&self) -> Option<&RegionName> {
        match self {
            Self::Usable(customer) => Some(&customer.region),
            Self::Misconfigured(customer) => customer.region.as_ref(),
        }
    }

    /// Its labels.
    pub fn labels(&self) -> &[Label] {
        match self {
            Self::Usable(customer) => &customer.labels,
            Self::Misconfigured(customer) => &customer.labels,
        }
    }

    /// The customer, if it can be served.
    ///
    /// # Errors
    /// [`Error::Misconfigured`].
    pub fn usable(&self) -> Result<&Arc<Customer>, Error> {
        match self {
            Self::Usable(customer) => Ok(customer),
            Self::Misconfigured(customer) => {
                Err(Error::Misconfigured { customer: customer.name.clone() })
            }
        }
    }
}
