use std::{sync::Arc, time::Duration};

use moka::{Expiry, notification::RemovalCause, ops::compute::Op, sync};

use super::{Key, entry::Entry};
use crate::telemetry::Metrics;

/// Where entries are kept: as many as fit into so many bytes, those that are asked for before the
/// others.
#[derive(Debug)]
pub(super) struct Store {
    entries: sync::Cache<Arc<str>, Entry>,
    metrics: Metrics,
}

impl Store {
    pub(super) fn new(max_bytes: u64, metrics: Metrics) -> Self {
        let listener = metrics.clone();
        let entries = sync::Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|_: &Arc<str>, entry: &Entry| entry.weight)
            .expire_after(Life)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    listener.cache_evicted();
                }
            })
            .build();
        Self { entries, metrics }
    }

    pub(super) fn find(&self, key: &Key) -> Option<Entry> {
        self.entries.get(key.text())
    }

    /// Keeps an entry, unless one is kept that was asked for later.
    pub(super) fn keep(&self, key: &Key, entry: Entry) {
        self.entries.entry(Arc::clone(key.text())).and_compute_with(|kept| match kept {
            Some(kept) if kept.value().number > entry.number => Op::Nop,
            _ => Op::Put(entry),
        });
        self.settle();
    }

    pub(super) fn forget(&self, key: &Key) {
        self.entries.invalidate(key.text());
        self.settle();
    }

    /// Bytes of all entries, by their own account.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.weighted_size()
    }

    /// Does now what would otherwise wait for many more entries, each of which may be large: the
    /// bound on bytes is one at all times.
    fn settle(&self) {
        self.entries.run_pending_tasks();
        self.metrics.cache_holds(self.bytes(), self.entries.entry_count());
    }
}

/// Lets go of what is of no more use.
struct Life;

impl Expiry<Arc<str>, Entry> for Life {
    fn expire_after_create(
        &self,
        _: &Arc<str>,
        entry: &Entry,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(entry.windows.life())
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Entry,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.windows.life())
    }
}
