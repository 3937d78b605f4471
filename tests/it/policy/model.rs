//! What grants mean, in as few words as possible.

use cwsgate::domain::Action;
use proptest::{collection::vec, option, prelude::*, sample::select};

/// A grant in plain words.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub(super) actions: Vec<Action>,
    pub(super) customers: Vec<&'static str>,
    pub(super) sites: Option<Vec<&'static str>>,
}

/// What a customer goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) id: &'static str,
    pub(super) labels: &'static [&'static str],
}

impl Words {
    /// Grants that name customers and sites with these words. None of their lists is shorter than
    /// `least`.
    pub(super) fn any(
        customers: &'static [&'static str],
        sites: &'static [&'static str],
        least: usize,
    ) -> impl Strategy<Value = Self> {
        let actions = vec(select(&Action::ALL[..]), least..4);
        let customers = vec(select(customers), least..3);
        let sites = option::of(vec(select(sites), least..3));
        (actions, customers, sites).prop_map(|(actions, customers, sites)| Self {
            actions,
            customers,
            sites,
        })
    }

    /// Whether the grant names the customer.
    pub(super) fn names(&self, customer: &Known) -> bool {
        self.customers.iter().any(|word| match word.strip_prefix("label:") {
            Some(label) => customer.labels.contains(&label),
            None => ["*", customer.name, customer.id].contains(word),
        })
    }

    /// Whether the grant reaches the site, in whatever case either is written.
    pub(super) fn covers(&self, site: &str) -> bool {
        let reaches = |word: &&str| *word == "*" || word.eq_ignore_ascii_case(site);
        self.sites.as_ref().is_none_or(|sites| sites.iter().any(reaches))
    }
}

/// What only a grant on all sites covers.
pub(super) const NO_SITE: &str = "a site nobody names";
