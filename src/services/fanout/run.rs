//! The events of a page: sources asked at once, items given out in order.

use std::sync::Arc;

use async_stream::stream;
use futures_util::{Stream, StreamExt, stream::FuturesOrdered};
use tokio::sync::Semaphore;

use super::{
    Event, Query, Sources,
    plan::{Ask, Plan},
    source::{Gathered, Source},
};
use crate::{
    domain::CallContext,
    services::{
        Account, Core, Error, Located, Scope, SourceReport, SourceStatus,
        core::matching,
        cursor::{Cursor, Place},
    },
};

/// Everything that stays the same while a page is read.
pub(super) struct Run<T> {
    pub(super) core: Arc<Core>,
    pub(super) ctx: CallContext,
    pub(super) scope: Arc<Scope>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) page_size: usize,
    pub(super) quota: usize,
    pub(super) limit: u32,
    pub(super) query: Arc<Query<T>>,
}

impl<T: Clone + Send + Sync + 'static> Run<T> {
    pub(super) fn events(
        self,
        plan: Plan,
        cursor: Option<Cursor>,
        binding: Vec<u8>,
    ) -> impl Stream<Item = Event<T>> {
        stream! {
            let Plan { mut asks, done, known } = plan;
            let mut next = Cursor {
                limit: self.limit,
                failed: cursor.as_ref().map_or_else(Vec::new, |cursor| cursor.failed.clone()),
                ..Cursor::default()
            };
            for report in known {
                yield Event::Source(report);
            }
            for ask in done {
                for report in self.unasked(&ask) {
                    yield Event::Source(report);
                }
            }
            let mut emitted = 0;
            let mut position = None;
            // The first page asks everybody; later ones a few at a time until they are full.
            let mut wave = if cursor.is_none() { asks.len() } else { FIRST_WAVE };
            let mut first = true;
            while position.is_none() && !asks.is_empty() {
                let batch: Vec<_> = asks.drain(..wave.min(asks.len())).collect();
                wave = wave.saturating_mul(2);
                let mut answers = FuturesOrdered::new();
                for ask in batch {
                    // The page begins in the first source, which may well fill it alone.
                    let most = if first { self.page_size } else { self.quota };
                    first = false;
                    answers.push_back(self.gather(ask, most));
                }
                while let Some(sources) = answers.next().await {
                    for mut source in sources {
                        if source.is_lost() {
                            next.failed.push(source.as_failed());
                        }
                        // Behind the end of the page nothing is given out.
                        let room = if position.is_none() { self.page_size - emitted } else { 0 };
                        let cut = source.cut(room);
                        source.report.items = source.items.len();
                        emitted += source.items.len();
                        if position.is_none() {
                            position = cut.map(|place| {
                                (source.report.customer.to_string(), source.site.clone(), place)
                            });
                        }
                        let site = source.site.clone();
                        let customer = Arc::clone(&source.customer);
                        for (item, _) in source.items {
                            let (customer, site) = (Arc::clone(&customer), site.clone());
                            yield Event::Item(Located { customer, site, item });
                        }
                        yield Event::Source(source.report);
                    }
                }
                if position.is_none() && emitted == self.page_size && let Some(ask) = asks.front() {
                    position = Some((ask.customer.name.to_string(), None, Place::default()));
                }
            }
            // This page is full without them; the next one asks them.
            for ask in asks {
                for report in self.unasked(&ask) {
                    yield Event::Source(report);
                }
            }
            yield Event::End(match position {
                None => Ok(None),
                Some((customer, site, place)) => {
                    next = Cursor { customer, site, place, ..next };
                    next.seal(&self.core.page_tokens, &binding).map(Some)
                }
            });
        }
    }

    /// The sources of a customer that this page does not ask, as far as they are known without
    /// asking. Those that failed on an earlier page are named elsewhere.
    pub(super) fn unasked(&self, ask: &Ask) -> Vec<SourceReport> {
        let account = Account::Usable(Arc::clone(&ask.customer));
        let remembered = match self.query.sources {
            Sources::Sites => self.core.remembered_sites(&ask.customer),
            Sources::Customers | Sources::PartsOfCustomers => None,
        };
        let Some(sites) = remembered else {
            let whole = ask.failed.is_empty().then(|| SourceReport::unasked(&account, None));
            return whole.into_iter().collect();
        };
        let principal = &self.ctx.principal;
        let visible = self.core.policy.visible_sites(principal, account.key());
        let visible = visible.unwrap_or_else(|| ask.granted.clone());
        matching(&sites.items, &self.scope.site, &visible)
            .into_iter()
            .filter(|site| !ask.has_lost(&site.id))
            .map(|site| {
                let denied =
                    (!ask.granted.contains(&site.id)).then(|| ask.denied(principal, &site));
                let status = denied.as_ref().map(|_| SourceStatus::Skipped);
                let report = SourceReport::unasked(&account, denied.map(Error::from));
                let status = status.unwrap_or(report.status);
                SourceReport { site_id: Some(site.id), status, ..report }
            })
            .collect()
    }

    /// Asks one customer: itself, or each of its sites that are meant.
    pub(super) fn gather(
        &self,
        ask: Ask,
        most: usize,
    ) -> impl Future<Output = Vec<Gathered<T>>> + use<T> {
        let source = Source {
            core: Arc::clone(&self.core),
            ctx: self.ctx.clone(),
            query: Arc::clone(&self.query),
            permits: Arc::clone(&self.permits),
            most,
            limit: self.limit,
            alone: self.scope.names_one(self.query.sources),
        };
        let scope = Arc::clone(&self.scope);
        async move { source.gather(ask, &scope).await }
    }
}

/// Customers that a later page asks at first; twice as many each time the page is not yet full.
const FIRST_WAVE: usize = 4;
