//! One list over several customers and sites.
//!
//! Sources are asked at the same time, each within a share of the caller's time, and their items
//! are given out in one fixed order: customer, site, upstream. The first page asks every source,
//! so that its completeness is the truth; later pages ask only as many as they need. A source
//! that failed is named on every page and not asked again.

mod plan;
mod query;
mod run;
mod source;

use std::{fmt, sync::Arc};

use futures_util::{StreamExt, stream::BoxStream};
use tokio::sync::Semaphore;

pub(super) use self::query::{Keep, Query};
use self::{plan::Plan, query::Sources, run::Run};
use super::{Core, Error, ListPage, Located, Scope, SourceReport, Verdict, cursor::Cursor};
use crate::domain::CallContext;

/// How a page was asked for.
#[derive(Clone, Debug)]
pub struct Paging {
    /// Most items on the page.
    pub size: usize,
    /// The token of the page, unless it is the first.
    pub token: Option<String>,
    /// What the token is bound to: app, path and query.
    pub binding: Vec<u8>,
}

/// A list that is being read.
pub struct Listing<T>(BoxStream<'static, Event<T>>);

/// Something a list gives out.
#[derive(Debug)]
pub enum Event<T> {
    /// The next item.
    Item(Located<T>),
    /// A source has nothing more for this page.
    Source(SourceReport),
    /// The page is finished; the token of the next one, if there is one.
    End(Result<Option<String>, Error>),
}

impl<T: Clone + Send + Sync + 'static> Listing<T> {
    /// Begins to read a list. Nothing is asked before the first event is.
    ///
    /// # Errors
    /// When the caller may see nothing of it, when the page token is not for this query, or when
    /// the scope names what does not exist.
    pub(super) fn begin(
        core: &Arc<Core>,
        ctx: &CallContext,
        scope: Scope,
        paging: Paging,
        query: Query<T>,
    ) -> Result<Self, Error> {
        let cursor = match &paging.token {
            Some(token) => Some(Cursor::open(token, &core.page_tokens, &paging.binding)?),
            None => None,
        };
        let plan = Plan::new(core, ctx, &scope, cursor.as_ref(), query.sources)?;
        let limit = cursor.as_ref().map_or_else(|| part_size(&paging, &query), |c| c.limit);
        let run = Run {
            core: Arc::clone(core),
            ctx: ctx.with_share(SOURCE_SHARE),
            scope: Arc::new(scope),
            permits: Arc::new(Semaphore::new(core.max_fanout)),
            page_size: paging.size,
            quota: quota(paging.size, plan.asks.len()),
            limit,
            query: Arc::new(query),
        };
        Ok(Self(run.events(plan, cursor, paging.binding).boxed()))
    }
}

impl<T> Listing<T> {
    /// Reads the whole page.
    ///
    /// # Errors
    /// As the verdict decides on the sources.
    pub async fn page(mut self, verdict: Verdict) -> Result<ListPage<T>, Error> {
        let (mut items, mut sources) = (Vec::new(), Vec::new());
        let mut next = None;
        while let Some(event) = self.0.next().await {
            match event {
                Event::Item(item) => items.push(item),
                Event::Source(source) => sources.push(source),
                Event::End(token) => next = token?,
            }
        }
        sources.sort_by(|a, b| (&a.customer, &a.site_id).cmp(&(&b.customer, &b.site_id)));
        Ok(ListPage { items, next, sources: verdict.decide(sources)? })
    }

    /// The events as they come.
    pub fn into_events(self) -> BoxStream<'static, Event<T>> {
        self.0
    }
}

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listing(…)")
    }
}

/// Part of the caller's time that a source may use, so that an answer can still be built.
const SOURCE_SHARE: f64 = 0.85;

/// Items that a source other than the first may contribute to a page: with many sources less
/// than the whole page, because all of them are held until it is their turn. A page can end
/// short for it, never wrong.
fn quota(page_size: usize, sources: usize) -> usize {
    let share = page_size * SHARES_HELD / sources.max(1);
    share.max(LEAST_QUOTA).min(page_size)
}

/// Pages' worth of items that one list may hold.
const SHARES_HELD: usize = 4;

/// A source may always contribute this many items.
const LEAST_QUOTA: usize = 100;

/// Most items that Citrix gives out at once.
const MAX_PART: u32 = 1000;

/// How many items to ask for at once: as many as the page holds; all that Citrix gives where a
/// filter will drop some.
fn part_size<T>(paging: &Paging, query: &Query<T>) -> u32 {
    if query.keep.is_some() {
        return MAX_PART;
    }
    u32::try_from(paging.size).unwrap_or(MAX_PART).clamp(1, MAX_PART)
}
