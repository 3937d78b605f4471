use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Key, key};
use crate::{config::Customer, domain::SiteId};

/// Which writes there have been. A read counts if no write to the same thing ended after the read
/// had begun.
#[derive(Debug, Default)]
pub(super) struct Writes {
    count: AtomicU64,
    last: RwLock<Last>,
}

/// The number of the last write to each customer or site.
#[derive(Debug, Default)]
struct Last {
    by_scope: HashMap<String, u64>,
    /// Reads from before this write do not count, whatever they are of.
    floor: u64,
}

/// A write that is under way. What is read before its end may be out of date after it, so that
/// dropping this counts as the write's end, however it ended.
#[must_use = "the write ends when this is dropped"]
pub struct Writing {
    writes: Arc<Writes>,
    scope: String,
}

impl Writes {
    /// The number that a read which begins now is known by.
    pub(super) fn now(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Whether a read that began then still counts.
    pub(super) fn allow(&self, key: &Key, begun: u64) -> bool {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        let after = |scope: &str| last.by_scope.get(scope).copied().unwrap_or(0);
        begun >= last.floor
            && begun >= after(key.customer_scope())
            && begun >= after(key.site_scope())
    }

    /// A write to a site, or to the customer as a whole, begins.
    pub(super) fn begin(self: &Arc<Self>, customer: &Customer, site: Option<&SiteId>) -> Writing {
        let scope = key::scope(customer, site);
        self.note(&scope);
        Writing { writes: Arc::clone(self), scope }
    }

    fn note(&self, scope: &str) {
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        let number = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        if last.by_scope.len() >= MOST_SCOPES && !last.by_scope.contains_key(scope) {
            // Forgetting which ones were written to means that none of them may be trusted.
            *last = Last { by_scope: HashMap::new(), floor: number };
        }
        last.by_scope.insert(scope.to_owned(), number);
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.writes.note(&self.scope);
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writing(…)")
    }
}

/// Customers and sites whose last writes are remembered one by one.
const MOST_SCOPES: usize = 20_000;
