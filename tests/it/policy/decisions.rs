//! The decisions of a policy, one by one.

use std::collections::BTreeSet;

use cwsgate::{
    auth::{CustomerKey, Denied, Policy},
    config::{App, CustomerSelector, Grant, SiteSelector},
    domain::{Action, AppName, AuthMethod, Label, Principal, SiteId},
};
use proptest::{collection::vec, prelude::*};

use super::model::{Known, NO_SITE, Words};

/// The id of one begins like the name of another, and labels are named like customers.
const CUSTOMERS: [Known; 4] = [
    Known { name: "acme", id: "abcd", labels: &["gold"] },
    Known { name: "globex", id: "acme2", labels: &["gold", "eu"] },
    Known { name: "contoso", id: "globex3", labels: &[] },
    Known { name: "gold", id: "eu9", labels: &["acme"] },
];
const SELECTORS: [&str; 10] = [
    "*",
    "acme",
    "abcd",
    "acme2",
    "globex",
    "gold",
    "label:gold",
    "label:eu",
    "label:acme",
    "nobody",
];
const SITES: [&str; 3] = ["one", "two", "three"];
const SITE_SELECTORS: [&str; 4] = ["*", "one", "TWO", "elsewhere"];

proptest! {
    #[test]
    fn an_app_may_do_exactly_what_one_of_its_grants_says(
        mine in vec(grant(), 0..4),
        others in vec(grant(), 0..3),
    ) {
        let policy = policy(&[("desk", &mine), ("other", &others)]);
        let desk = principal("desk");
        let mut anywhere = BTreeSet::new();
        for customer in CUSTOMERS {
            let Known { name, id, labels } = customer;
            let labels: Vec<_> = labels.iter().map(|l| Label::try_from(*l).unwrap()).collect();
            let key = CustomerKey { name, id, labels: &labels };
            let visible = mine.iter().any(|grant| grant.names(&customer));
            prop_assert_eq!(policy.sees(&desk, key), visible);
            for action in Action::ALL {
                let decision = policy.authorize(&desk, action, key);
                let granted: Vec<_> = mine
                    .iter()
                    .filter(|grant| grant.names(&customer))
                    .filter(|grant| grant.actions.contains(&action))
                    .collect();
                if !granted.is_empty() {
                    anywhere.insert(action);
                }
                match &decision {
                    Ok(scope) => for site in SITES {
                        let may = granted.iter().any(|grant| grant.covers(site));
                        prop_assert_eq!(scope.contains(site), may, "{} {} {}", name, action, site);
                    },
                    Err(denied) => {
                        prop_assert!(granted.is_empty());
                        let invisible = *denied == Denied::Invisible;
                        prop_assert_eq!(invisible, !visible);
                        if !invisible {
                            let said = denied.to_string();
                            prop_assert!(said.contains(action.as_str()) && said.contains(name));
                        }
                    }
                }
                prop_assert_eq!(decision.is_ok(), !granted.is_empty());
                let whole = granted.iter().any(|grant| grant.covers(NO_SITE));
                prop_assert_eq!(policy.authorize_whole(&desk, action, key).is_ok(), whole);
            }
        }
        for action in anywhere {
            prop_assert!(policy.grants_anywhere(&desk, action));
        }
    }

    #[test]
    fn an_unknown_app_may_do_nothing(grants in vec(grant(), 0..4)) {
        let policy = policy(&[("desk", &grants)]);
        let stranger = principal("desks");
        for Known { name, id, .. } in CUSTOMERS {
            let key = CustomerKey { name, id, labels: &[] };
            for action in Action::ALL {
                prop_assert_eq!(policy.authorize(&stranger, action, key), Err(Denied::Invisible));
                prop_assert!(!policy.grants_anywhere(&stranger, action));
            }
        }
    }
}

fn grant() -> impl Strategy<Value = Words> {
    Words::any(&SELECTORS, &SITE_SELECTORS, 0)
}

fn policy(apps: &[(&str, &[Words])]) -> Policy {
    let apps: Vec<_> = apps
        .iter()
        .map(|(name, grants)| App {
            limits: cwsgate::config::AppLimits::default(),
            name: AppName::try_from(*name).unwrap(),
            keys: Vec::new(),
            subject: None,
            grants: grants.iter().map(real).collect(),
        })
        .collect();
    Policy::new(&apps)
}

fn real(words: &Words) -> Grant {
    let customer = |word: &&str| match (*word, word.strip_prefix("label:")) {
        ("*", _) => CustomerSelector::All,
        (_, Some(label)) => CustomerSelector::Label(Label::try_from(label).unwrap()),
        (name, None) => CustomerSelector::NameOrId(name.to_owned()),
    };
    let site = |word: &&str| match *word {
        "*" => SiteSelector::All,
        id => SiteSelector::Id(SiteId::try_from(id).unwrap()),
    };
    Grant {
        actions: words.actions.iter().copied().collect(),
        customers: words.customers.iter().map(customer).collect(),
        sites: words.sites.as_ref().map(|sites| sites.iter().map(site).collect()),
        stores: Vec::new(),
        require_reason: false,
    }
}

fn principal(app: &str) -> Principal {
    let app = AppName::try_from(app).unwrap();
    Principal { app, method: AuthMethod::UnsafeAnonymous, subject: None }
}
