//! Policy against a model of it that is small enough to be seen through.

use std::collections::BTreeSet;

use cwsgate::{
    auth::{CustomerKey, Denied, Policy},
    config::{App, CustomerSelector, Grant, SiteSelector},
    domain::{Action, AppName, AuthMethod, Label, Principal, SiteId},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// A grant in plain words.
#[derive(Clone, Debug)]
struct Words {
    actions: Vec<Action>,
    customers: Vec<&'static str>,
    sites: Option<Vec<&'static str>>,
}

/// Name, id and labels. The id of one is the name of another, and a label is named like both.
const CUSTOMERS: [(&str, &str, &[&str]); 4] = [
    ("acme", "abcd", &["gold"]),
    ("globex", "acme2", &["gold", "eu"]),
    ("contoso", "globex3", &[]),
    ("gold", "eu9", &["acme"]),
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
const SITE_SELECTORS: [&str; 4] = ["*", "one", "two", "elsewhere"];

proptest! {
    #[test]
    fn an_app_may_do_exactly_what_one_of_its_grants_says(
        mine in vec(grant(), 0..4),
        others in vec(grant(), 0..3),
    ) {
        let policy = policy(&[("desk", &mine), ("other", &others)]);
        let desk = principal("desk");
        let mut anywhere = BTreeSet::new();
        for (name, id, labels) in CUSTOMERS {
            let labels: Vec<_> = labels.iter().map(|l| Label::try_from(*l).unwrap()).collect();
            let key = CustomerKey { name, id, labels: &labels };
            let visible = mine.iter().any(|grant| names(grant, name, id, &labels));
            prop_assert_eq!(policy.sees(&desk, key), visible);
            for action in Action::ALL {
                let decision = policy.authorize(&desk, action, key);
                let granted: Vec<_> = mine
                    .iter()
                    .filter(|grant| names(grant, name, id, &labels))
                    .filter(|grant| grant.actions.contains(&action))
                    .collect();
                if !granted.is_empty() {
                    anywhere.insert(action);
                }
                match &decision {
                    Ok(scope) => for site in SITES {
                        let may = granted.iter().any(|grant| covers(grant, site));
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
                let whole = granted.iter().any(|grant| covers(grant, "a site nobody names"));
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
        for (name, id, _) in CUSTOMERS {
            let key = CustomerKey { name, id, labels: &[] };
            for action in Action::ALL {
                prop_assert_eq!(policy.authorize(&stranger, action, key), Err(Denied::Invisible));
                prop_assert!(!policy.grants_anywhere(&stranger, action));
            }
        }
    }
}

fn grant() -> impl Strategy<Value = Words> {
    let actions = vec(select(&Action::ALL[..]), 0..4);
    let customers = vec(select(&SELECTORS[..]), 0..3);
    let sites = option::of(vec(select(&SITE_SELECTORS[..]), 0..3));
    (actions, customers, sites).prop_map(|(actions, customers, sites)| Words {
        actions,
        customers,
        sites,
    })
}

/// Whether the grant names the customer.
fn names(grant: &Words, name: &str, id: &str, labels: &[Label]) -> bool {
    grant.customers.iter().any(|word| match word.strip_prefix("label:") {
        Some(label) => labels.iter().any(|known| known.as_str() == label),
        None => ["*", name, id].contains(word),
    })
}

/// Whether the grant reaches the site.
fn covers(grant: &Words, site: &str) -> bool {
    grant.sites.as_ref().is_none_or(|sites| sites.contains(&"*") || sites.contains(&site))
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
