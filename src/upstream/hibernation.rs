use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::{CustomerName, SiteId};

/// Sites that were found hibernated: Citrix freezes idle ones, and its edge then answers 530 to
/// every call. Asking wakes none; an administrator does.
#[derive(Debug)]
pub(super) struct Hibernation {
    /// How long nobody needs to ask again.
    recheck: Duration,
    /// When each last answered so.
    sites: RwLock<HashMap<(CustomerName, SiteId), Instant>>,
}

impl Hibernation {
    pub(super) fn new(recheck: Duration) -> Self {
        Self { recheck, sites: RwLock::default() }
    }

    /// Takes note of how a site answered.
    pub(super) fn note(&self, customer: &CustomerName, site: &SiteId, hibernated: bool) {
        let known = || self.sites.read().unwrap_or_else(PoisonError::into_inner);
        // Nearly every site is awake, and nearly every answer is like the one before.
        if !hibernated && known().is_empty() {
            return;
        }
        let key = (customer.clone(), site.clone());
        if !hibernated && !known().contains_key(&key) {
            return;
        }
        let mut sites = self.sites.write().unwrap_or_else(PoisonError::into_inner);
        if !hibernated {
            sites.remove(&key);
            return;
        }
        if sites.len() >= MANY {
            sites.retain(|_, since| since.elapsed() < self.recheck);
        }
        sites.insert(key, Instant::now());
    }

    /// How long ago the site answered that it is hibernated, if that was its last answer.
    pub(super) fn seen(&self, customer: &CustomerName, site: &SiteId) -> Option<Duration> {
        let sites = self.sites.read().unwrap_or_else(PoisonError::into_inner);
        if sites.is_empty() {
            return None;
        }
        Some(sites.get(&(customer.clone(), site.clone()))?.elapsed())
    }

    /// Whether that is so recent that nobody needs to ask again.
    pub(super) fn is_recent(&self, customer: &CustomerName, site: &SiteId) -> bool {
        self.seen(customer, site).is_some_and(|ago| ago < self.recheck)
    }
}

/// From this many on, old entries are forgotten.
const MANY: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_site_is_left_alone_for_a_while_and_remembered_until_it_answers() {
        let hibernation = Hibernation::new(Duration::from_mins(15));
        let acme = CustomerName::try_from("acme").unwrap();
        let (frozen, other) =
            (SiteId::try_from("frozen").unwrap(), SiteId::try_from("other").unwrap());
        let recent = |site| hibernation.is_recent(&acme, site);

        hibernation.note(&acme, &other, false);
        hibernation.note(&acme, &frozen, true);
        assert!(recent(&frozen) && !recent(&other));
        tokio::time::advance(Duration::from_mins(15)).await;
        assert!(!recent(&frozen), "time to ask again");
        assert!(hibernation.seen(&acme, &frozen).is_some());
        hibernation.note(&acme, &frozen, true);
        assert!(recent(&frozen));
        hibernation.note(&acme, &frozen, false);
        assert_eq!(hibernation.seen(&acme, &frozen), None);
    }
}
