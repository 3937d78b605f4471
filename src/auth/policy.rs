use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::{App, CustomerSelector, Grant, SiteSelector, StoreSelector},
    domain::{Action, AppName, Label, Principal, SiteId},
};

/// What every app may do. Built from the configuration, asked at each use case.
#[derive(Debug, Default)]
pub struct Policy {
    grants: BTreeMap<AppName, Vec<Grant>>,
}

/// What a customer goes by in grants.
#[derive(Clone, Copy, Debug)]
pub struct CustomerKey<'a> {
    /// Our name for it.
    pub name: &'a str,
    /// Citrix's id.
    pub id: &'a str,
    /// Its labels.
    pub labels: &'a [Label],
}

/// Which sites of a customer an action is granted on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SiteScope {
    /// On every site, and on the customer itself.
    All,
    /// On these sites only.
    Only(BTreeSet<SiteId>),
}

/// Why a use case may not go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denied {
    /// No grant names the thing: it is answered like one that does not exist.
    #[error("there is no such thing")]
    Invisible,
    /// The thing is visible, the action is not granted on it.
    #[error("the app {app:?} has no grant of the action \"{action}\" on {on}")]
    Forbidden {
        /// The calling app.
        app: String,
        /// The action that is missing.
        action: Action,
        /// Where it is missing, such as `customer "acme"`.
        on: String,
    },
}

impl Policy {
    /// The policy that the configuration states.
    pub fn new<'a>(apps: impl IntoIterator<Item = &'a App>) -> Self {
        let grants = apps.into_iter().map(|app| (app.name.clone(), app.grants.clone())).collect();
        Self { grants }
    }

    /// The grants of the calling app.
    pub fn grants(&self, principal: &Principal) -> &[Grant] {
        self.grants.get(&principal.app).map_or(&[], Vec::as_slice)
    }

    /// Whether any grant names the customer.
    pub fn sees(&self, principal: &Principal, customer: CustomerKey<'_>) -> bool {
        self.naming(principal, customer).next().is_some()
    }

    /// Whether the action is granted anywhere at all.
    pub fn grants_anywhere(&self, principal: &Principal, action: Action) -> bool {
        self.grants(principal).iter().any(|grant| grant.actions.contains(&action))
    }

    /// On which sites of the customer the action is granted; `None` is on none.
    pub fn scope(
        &self,
        principal: &Principal,
        action: Action,
        customer: CustomerKey<'_>,
    ) -> Option<SiteScope> {
        self.naming(principal, customer)
            .filter(|grant| grant.actions.contains(&action))
            .map(site_scope)
            .reduce(SiteScope::union)
    }

    /// On which sites of the customer anything at all is granted: the sites that are visible.
    pub fn visible_sites(
        &self,
        principal: &Principal,
        customer: CustomerKey<'_>,
    ) -> Option<SiteScope> {
        self.naming(principal, customer).map(site_scope).reduce(SiteScope::union)
    }

    /// Authorizes an action on a customer, for a part of its sites at least.
    ///
    /// # Errors
    /// [`Denied::Invisible`] when no grant names the customer, else [`Denied::Forbidden`].
    pub fn authorize(
        &self,
        principal: &Principal,
        action: Action,
        customer: CustomerKey<'_>,
    ) -> Result<SiteScope, Denied> {
        if let Some(scope) = self.scope(principal, action, customer) {
            return Ok(scope);
        }
        if !self.sees(principal, customer) {
            return Err(Denied::Invisible);
        }
        Err(Denied::forbidden(principal, action, format!("customer {:?}", customer.name)))
    }

    /// Authorizes an action on the gateway itself, which a grant of it on every customer covers.
    ///
    /// # Errors
    /// [`Denied::Forbidden`].
    pub fn authorize_everywhere(
        &self,
        principal: &Principal,
        action: Action,
    ) -> Result<(), Denied> {
        let everywhere = |grant: &Grant| {
            grant.actions.contains(&action)
                && grant.customers.contains(&CustomerSelector::All)
                && site_scope(grant) == SiteScope::All
        };
        if self.grants(principal).iter().any(everywhere) {
            return Ok(());
        }
        Err(Denied::forbidden(principal, action, "all customers (\"*\")".to_owned()))
    }

    /// Authorizes an action on the customer as a whole, which a grant on single sites does not
    /// cover: resource locations, service states, notifications.
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize).
    pub fn authorize_whole(
        &self,
        principal: &Principal,
        action: Action,
        customer: CustomerKey<'_>,
    ) -> Result<(), Denied> {
        match self.authorize(principal, action, customer)? {
            SiteScope::All => Ok(()),
            SiteScope::Only(_) => Err(Denied::forbidden(
                principal,
                action,
                format!("all of customer {:?}", customer.name),
            )),
        }
    }

    /// Whether a change must say why: every grant that allows it, on this site or (`None`) on the
    /// customer as a whole, wants a reason.
    pub fn needs_reason(
        &self,
        principal: &Principal,
        action: Action,
        customer: CustomerKey<'_>,
        site: Option<&str>,
    ) -> bool {
        let covers = |grant: &&Grant| {
            let scope = site_scope(grant);
            site.map_or(scope == SiteScope::All, |site| scope.contains(site))
        };
        let grants = self.naming(principal, customer);
        let mut allowing =
            grants.filter(|grant| grant.actions.contains(&action)).filter(covers).peekable();
        // Nothing that allows it is a matter of the grants, not of a reason.
        action.changes() && allowing.peek().is_some() && allowing.all(|grant| grant.require_reason)
    }

    /// The same for a store.
    pub fn store_needs_reason(&self, principal: &Principal, action: Action, store: &str) -> bool {
        let grants = self.grants(principal).iter();
        action.changes()
            && grants
                .filter(|grant| names_store(grant, store) && grant.actions.contains(&action))
                .all(|grant| grant.require_reason)
    }

    /// Whether any grant names the store.
    pub fn sees_store(&self, principal: &Principal, store: &str) -> bool {
        self.grants(principal).iter().any(|grant| names_store(grant, store))
    }

    /// Authorizes an action on a store.
    ///
    /// # Errors
    /// [`Denied::Invisible`] when no grant names the store, else [`Denied::Forbidden`].
    pub fn authorize_store(
        &self,
        principal: &Principal,
        action: Action,
        store: &str,
    ) -> Result<(), Denied> {
        if !self.sees_store(principal, store) {
            return Err(Denied::Invisible);
        }
        let grants = self.grants(principal).iter();
        if grants.filter(|g| names_store(g, store)).any(|g| g.actions.contains(&action)) {
            return Ok(());
        }
        Err(Denied::forbidden(principal, action, format!("store {store:?}")))
    }

    fn naming<'a>(
        &'a self,
        principal: &Principal,
        customer: CustomerKey<'a>,
    ) -> impl Iterator<Item = &'a Grant> {
        self.grants(principal).iter().filter(move |grant| {
            grant
                .customers
                .iter()
                .any(|selector| selector.matches(customer.name, customer.id, customer.labels))
        })
    }
}

impl Denied {
    /// The denial that names the action and the place.
    pub fn forbidden(principal: &Principal, action: Action, on: String) -> Self {
        Self::Forbidden { app: principal.app.to_string(), action, on }
    }
}

impl SiteScope {
    /// Whether the site is in it. Ids of sites are GUIDs, which do not distinguish case.
    pub fn contains(&self, site: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(sites) => {
                sites.iter().any(|known| known.as_str().eq_ignore_ascii_case(site))
            }
        }
    }

    fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(mut some), Self::Only(more)) => {
                some.extend(more);
                Self::Only(some)
            }
            _ => Self::All,
        }
    }
}

fn names_store(grant: &Grant, store: &str) -> bool {
    grant.stores.iter().any(|selector| match selector {
        StoreSelector::All => true,
        StoreSelector::Name(name) => name.as_str() == store,
    })
}

fn site_scope(grant: &Grant) -> SiteScope {
    let Some(selectors) = &grant.sites else { return SiteScope::All };
    let mut sites = BTreeSet::new();
    for selector in selectors {
        match selector {
            SiteSelector::All => return SiteScope::All,
            SiteSelector::Id(id) => sites.insert(id.clone()),
        };
    }
    SiteScope::Only(sites)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::CustomerSelector,
        domain::{AuthMethod, StoreName},
    };

    fn grant(actions: &[Action], customers: &[&str], sites: Option<&[&str]>) -> Grant {
        Grant {
            actions: actions.iter().copied().collect(),
            customers: customers
                .iter()
                .map(|word| match (*word, word.strip_prefix("label:")) {
                    ("*", _) => CustomerSelector::All,
                    (_, Some(label)) => CustomerSelector::Label(Label::try_from(label).unwrap()),
                    (name, None) => CustomerSelector::NameOrId(name.into()),
                })
                .collect(),
            sites: sites.map(|ids| {
                ids.iter().map(|id| SiteSelector::Id(SiteId::try_from(*id).unwrap())).collect()
            }),
            stores: Vec::new(),
            require_reason: false,
        }
    }

    fn policy(grants: Vec<Grant>) -> (Policy, Principal) {
        let app = AppName::try_from("desk").unwrap();
        let principal =
            Principal { app: app.clone(), method: AuthMethod::UnsafeAnonymous, subject: None };
        (Policy { grants: [(app, grants)].into() }, principal)
    }

    const ACME: CustomerKey<'_> = CustomerKey { name: "acme", id: "abcd", labels: &[] };

    #[test]
    fn nothing_is_granted_to_an_app_without_grants() {
        let (policy, desk) = policy(Vec::new());
        assert_eq!(policy.authorize(&desk, Action::Read, ACME), Err(Denied::Invisible));
        let stranger = Principal { app: AppName::try_from("other").unwrap(), ..desk };
        assert!(!policy.sees(&stranger, ACME));
    }

    #[test]
    fn no_action_implies_another() {
        for granted in Action::ALL {
            let (policy, desk) = policy(vec![grant(&[granted], &["acme"], None)]);
            for asked in Action::ALL {
                let decision = policy.authorize(&desk, asked, ACME);
                assert_eq!(decision.is_ok(), asked == granted, "{asked} of {granted}");
                if asked != granted {
                    assert!(matches!(decision, Err(Denied::Forbidden { .. })));
                }
            }
        }
    }

    #[test]
    fn a_customer_is_named_by_name_id_label_or_star() {
        let gold = [Label::try_from("gold").unwrap()];
        let acme = CustomerKey { labels: &gold, ..ACME };
        for (word, seen) in [
            ("acme", true),
            ("abcd", true),
            ("label:gold", true),
            ("*", true),
            ("label:acme", false),
        ] {
            let (policy, desk) = policy(vec![grant(&[Action::Read], &[word], None)]);
            assert_eq!(policy.sees(&desk, acme), seen, "{word}");
        }
    }

    #[test]
    fn a_store_is_named_by_name_or_star_and_actions_on_it_are_its_own() {
        let on_store = |actions: &[Action], stores: Vec<StoreSelector>| Grant {
            stores,
            ..grant(actions, &[], None)
        };
        let hq = || vec![StoreSelector::Name(StoreName::try_from("hq").unwrap())];
        let (policy, desk) =
            policy(vec![on_store(&[Action::Read], hq()), grant(&[Action::Power], &["*"], None)]);
        assert_eq!(policy.authorize_store(&desk, Action::Read, "hq"), Ok(()));
        assert_eq!(policy.authorize_store(&desk, Action::Read, "lab"), Err(Denied::Invisible));
        let power = policy.authorize_store(&desk, Action::Power, "hq");
        assert!(matches!(power, Err(Denied::Forbidden { .. })), "power on customers is another");
    }

    #[test]
    fn a_reason_is_needed_where_every_grant_that_allows_it_wants_one() {
        let wanting = |sites| Grant {
            require_reason: true,
            ..grant(&[Action::Read, Action::Power], &["acme"], sites)
        };
        let (strict, desk) = policy(vec![wanting(Some(&["s1"]))]);
        let needs = |policy: &Policy, action, site| policy.needs_reason(&desk, action, ACME, site);
        assert!(needs(&strict, Action::Power, Some("s1")));
        assert!(needs(&strict, Action::Power, Some("S1")), "ids do not distinguish case");
        assert!(!needs(&strict, Action::Power, Some("s2")), "it is not allowed at all");
        assert!(!needs(&strict, Action::Read, Some("s1")), "it changes nothing");
        let lax = grant(&[Action::Power], &["acme"], None);
        let (both, _) = policy(vec![wanting(None), lax]);
        assert!(!needs(&both, Action::Power, Some("s1")));
    }

    #[test]
    fn grants_on_sites_add_up_and_do_not_cover_the_customer_as_a_whole() {
        let (policy, desk) = policy(vec![
            grant(&[Action::Read], &["acme"], Some(&["s1"])),
            grant(&[Action::Read], &["acme"], Some(&["s2"])),
            grant(&[Action::Power], &["acme"], Some(&["s1"])),
        ]);
        let scope = policy.authorize(&desk, Action::Read, ACME).unwrap();
        assert!(scope.contains("s1") && scope.contains("s2") && !scope.contains("s3"));
        assert!(!policy.authorize(&desk, Action::Power, ACME).unwrap().contains("s2"));
        assert!(policy.authorize_whole(&desk, Action::Read, ACME).is_err());
    }
}
