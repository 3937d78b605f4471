//! One list over several customers and sites.
//!
//! Sources are asked at the same time, each within a share of the caller's time, and their items
//! are given out in one fixed order: customer, site, upstream. The first page asks every source,
//! so that its completeness is the truth; later pages ask only as many as they need. A source
//! that failed is named on every page and not asked again.

use std::{cmp::Ordering, collections::VecDeque, fmt, sync::Arc};

use async_stream::stream;
use futures_util::{
    Stream, StreamExt,
    future::BoxFuture,
    stream::{BoxStream, FuturesOrdered},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    Account, Core, Error, ListPage, Located, Scope, SourceReport, SourceStatus, Verdict, Wildcard,
    core::{matching, site_id},
    cursor::{Cursor, FailedSource, Place},
};
use crate::{
    auth::{Denied, SiteScope},
    config::Customer,
    domain::{Action, CallContext, Page, PageRequest, Principal, ProblemCode, Site, SiteId},
};

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

/// One part of a source's list.
pub(super) type Fetch<T> = Arc<
    dyn Fn(CallContext, Arc<Customer>, Option<SiteId>, PageRequest) -> FetchFuture<T> + Send + Sync,
>;
/// See [`Fetch`].
pub(super) type FetchFuture<T> = BoxFuture<'static, Result<Page<T>, Error>>;
/// Whether an item is wanted.
pub(super) type Keep<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

/// What the sources of a list are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sources {
    /// Customers as a whole: a grant on some of their sites is not enough.
    Customers,
    /// Customers, or what the caller may see of them.
    PartsOfCustomers,
    /// The sites of customers.
    Sites,
}

/// What to list.
pub(super) struct Query<T> {
    pub(super) sources: Sources,
    pub(super) fetch: Fetch<T>,
    /// `None` keeps every item.
    pub(super) keep: Option<Keep<T>>,
}

impl<T: Send + 'static> Listing<T> {
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

/// Which customers to ask, and what is known of the others without asking.
struct Plan {
    asks: VecDeque<Ask>,
    /// Customers that earlier pages have used up.
    done: Vec<Ask>,
    known: Vec<SourceReport>,
}

/// A customer to ask, and where to begin in it.
#[derive(Clone)]
struct Ask {
    customer: Arc<Customer>,
    granted: SiteScope,
    start: Option<(Option<String>, Place)>,
    /// Its sites that failed on an earlier page.
    failed: Vec<FailedSource>,
}

/// What one source gave.
struct Gathered<T> {
    report: SourceReport,
    customer: Arc<Customer>,
    site: Option<String>,
    /// Where reading began.
    begin: Place,
    /// Items, each with the place after it.
    items: Vec<(T, Place)>,
    /// Where to go on after all of them; `None` at the end of the source.
    rest: Option<Place>,
}

/// Everything that stays the same while a page is read.
struct Run<T> {
    core: Arc<Core>,
    ctx: CallContext,
    scope: Arc<Scope>,
    permits: Arc<Semaphore>,
    page_size: usize,
    quota: usize,
    limit: u32,
    query: Arc<Query<T>>,
}

impl Plan {
    fn new(
        core: &Core,
        ctx: &CallContext,
        scope: &Scope,
        cursor: Option<&Cursor>,
        sources: Sources,
    ) -> Result<Self, Error> {
        let principal = &ctx.principal;
        let accounts = core.directory.select(scope, &core.policy, principal)?;
        let wildcard = scope.customer == Wildcard::All;
        if wildcard && !core.policy.grants_anywhere(principal, Action::Read) {
            return Err(Denied::forbidden(principal, Action::Read, "any customer".into()).into());
        }
        let mut plan = Self { asks: VecDeque::new(), done: Vec::new(), known: Vec::new() };
        for account in accounts {
            let decision = core.policy.authorize(principal, Action::Read, account.key());
            let granted = match decision {
                Ok(SiteScope::Only(_)) if sources == Sources::Customers => Err(Denied::forbidden(
                    principal,
                    Action::Read,
                    format!("all of customer {:?}", account.name().as_str()),
                )),
                other => other,
            };
            match granted {
                Ok(granted) => plan.add(account, granted, cursor),
                Err(denied) if wildcard => plan.known.push(SourceReport {
                    status: SourceStatus::Skipped,
                    ..SourceReport::unasked(account, Some(denied.into()))
                }),
                Err(denied) => return Err(denied.into()),
            }
        }
        Ok(plan)
    }

    fn add(&mut self, account: &Account, granted: SiteScope, cursor: Option<&Cursor>) {
        let name = account.name().as_str();
        let failed: Vec<_> = cursor.map_or_else(Vec::new, |cursor| {
            cursor.failed.iter().filter(|failed| failed.customer == name).cloned().collect()
        });
        for source in &failed {
            self.known.push(SourceReport {
                site_id: source.site.clone(),
                ..SourceReport::unasked(account, Some(source.error()))
            });
        }
        if failed.iter().any(|source| source.site.is_none()) {
            return;
        }
        let position = cursor.map(|cursor| name.cmp(cursor.customer.as_str()));
        let customer = match account {
            Account::Usable(customer) => Arc::clone(customer),
            Account::Misconfigured(customer) => {
                let error = Error::Misconfigured { customer: customer.name.clone() };
                self.known.push(SourceReport::unasked(account, Some(error)));
                return;
            }
        };
        let start = cursor
            .filter(|_| position == Some(Ordering::Equal))
            .map(|cursor| (cursor.site.clone(), cursor.place.clone()));
        let ask = Ask { customer, granted, start, failed };
        if position == Some(Ordering::Less) {
            self.done.push(ask);
        } else {
            self.asks.push_back(ask);
        }
    }
}

impl<T: Send + 'static> Run<T> {
    fn events(
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
                for report in self.unasked(&ask).await {
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
                for report in self.unasked(&ask).await {
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
    async fn unasked(&self, ask: &Ask) -> Vec<SourceReport> {
        let account = Account::Usable(Arc::clone(&ask.customer));
        let remembered = match self.query.sources {
            Sources::Sites => self.core.remembered_sites(&ask.customer).await,
            Sources::Customers | Sources::PartsOfCustomers => None,
        };
        let Some(sites) = remembered else {
            let whole = ask.failed.is_empty().then(|| SourceReport::unasked(&account, None));
            return whole.into_iter().collect();
        };
        let principal = &self.ctx.principal;
        let visible = self.core.policy.visible_sites(principal, account.key());
        let visible = visible.unwrap_or_else(|| ask.granted.clone());
        matching(&sites, &self.scope.site, &visible)
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
    fn gather(&self, ask: Ask, most: usize) -> impl Future<Output = Vec<Gathered<T>>> + use<T> {
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

impl Ask {
    /// Whether this site failed on an earlier page.
    fn has_lost(&self, site: &str) -> bool {
        self.failed.iter().any(|failed| failed.site.as_deref() == Some(site))
    }

    fn denied(&self, principal: &Principal, site: &Site) -> Denied {
        let on = format!("site {} of customer {:?}", site.id, self.customer.name.as_str());
        Denied::forbidden(principal, Action::Read, on)
    }
}

/// One customer that is being asked.
struct Source<T> {
    core: Arc<Core>,
    ctx: CallContext,
    query: Arc<Query<T>>,
    permits: Arc<Semaphore>,
    /// Items after which the source need not be read further for this page.
    most: usize,
    limit: u32,
    /// Whether the path names this customer and one of its sites, and nothing else.
    alone: bool,
}

impl<T: Send + 'static> Source<T> {
    async fn gather(self, ask: Ask, scope: &Scope) -> Vec<Gathered<T>> {
        // Closed never: the semaphore lives as long as the page.
        let _permit = self.permits.acquire().await;
        let account = Account::Usable(Arc::clone(&ask.customer));
        if self.query.sources != Sources::Sites {
            let place = ask.start.map(|(_, place)| place).unwrap_or_default();
            return vec![self.read(&account, &ask.customer, None, place).await];
        }
        let began = Instant::now();
        let sites = match self.within_deadline(self.core.sites(&self.ctx, &ask.customer)).await {
            Ok(sites) => sites,
            Err(error) => return vec![self.failed(&account, &ask.customer, began, error)],
        };
        let visible = self.core.policy.visible_sites(&self.ctx.principal, account.key());
        let meant = matching(&sites, &scope.site, &visible.unwrap_or_else(|| ask.granted.clone()));
        if meant.is_empty() && scope.site != Wildcard::All {
            return vec![self.failed(&account, &ask.customer, began, Error::NotFound)];
        }
        let mut gathered = Vec::new();
        for site in meant {
            if ask.has_lost(&site.id) {
                continue;
            }
            let place = match &ask.start {
                Some((Some(at), _)) if site.id < *at => {
                    gathered.push(Gathered::untouched(&account, &ask.customer, &site.id));
                    continue;
                }
                Some((Some(at), place)) if site.id == *at => place.clone(),
                _ => Place::default(),
            };
            if !ask.granted.contains(&site.id) {
                let denied = ask.denied(&self.ctx.principal, &site);
                let mut source = self.failed(&account, &ask.customer, began, denied.into());
                source.report.site_id = Some(site.id.clone());
                source.report.status = SourceStatus::Skipped;
                gathered.push(source);
                continue;
            }
            gathered.push(match site_id(&site) {
                Ok(id) => self.read(&account, &ask.customer, Some(id), place).await,
                Err(error) => self.failed(&account, &ask.customer, began, error),
            });
        }
        gathered
    }

    /// Reads one source until it has given enough for this page, or ends.
    async fn read(
        &self,
        account: &Account,
        customer: &Arc<Customer>,
        site: Option<SiteId>,
        start: Place,
    ) -> Gathered<T> {
        let began = Instant::now();
        let as_of = self.core.now();
        let mut items = Vec::new();
        let mut place = start.clone();
        let outcome = loop {
            let part =
                PageRequest { limit: Some(self.limit), continuation: place.continuation.clone() };
            let call =
                (self.query.fetch)(self.ctx.clone(), Arc::clone(customer), site.clone(), part);
            let page = match self.within_deadline(call).await {
                Ok(page) => page,
                Err(error) => break Err(error),
            };
            let mut at = place.clone();
            for item in page.items.into_iter().skip(place.offset) {
                at.offset += 1;
                if self.query.keep.as_ref().is_none_or(|keep| keep(&item)) {
                    items.push((item, at.clone()));
                }
            }
            match page.continuation {
                None => break Ok(None),
                // The same place again would go on for ever.
                Some(token) if Some(&token) == place.continuation.as_ref() => break Ok(None),
                Some(token) => place = Place { continuation: Some(token), offset: 0 },
            }
            if items.len() >= self.most {
                break Ok(Some(place));
            }
        };
        let site_id = site.as_ref().map(ToString::to_string);
        match outcome {
            Ok(rest) => Gathered {
                report: SourceReport {
                    site_id: site_id.clone(),
                    duration: began.elapsed(),
                    as_of: Some(as_of),
                    ..SourceReport::unasked(account, None)
                },
                customer: Arc::clone(customer),
                site: site_id,
                begin: start,
                items,
                rest,
            },
            Err(error) => {
                let mut source = self.failed(account, customer, began, error);
                source.report.site_id.clone_from(&site_id);
                source.site = site_id;
                source
            }
        }
    }

    async fn within_deadline<R>(
        &self,
        work: impl Future<Output = Result<R, Error>>,
    ) -> Result<R, Error> {
        let in_time = !self.ctx.remaining().is_zero();
        match timeout_at(self.ctx.deadline, work).await {
            // The time is the source's share, and it is the source that used it up.
            Ok(Err(error)) if in_time && error.code() == ProblemCode::DeadlineExceeded => {
                Err(Error::TimedOut)
            }
            Ok(result) => result,
            Err(_) => Err(Error::TimedOut),
        }
    }

    fn failed(
        &self,
        account: &Account,
        customer: &Arc<Customer>,
        began: Instant,
        error: Error,
    ) -> Gathered<T> {
        // Among several sources, one that lacks what the path names has just nothing to add.
        let absent = error.code() == ProblemCode::NotFound;
        let mut report = SourceReport::unasked(account, (!absent || self.alone).then_some(error));
        report.absent = absent;
        report.duration = began.elapsed();
        report.as_of = Some(self.core.now());
        Gathered::empty(report, customer, None)
    }
}

impl<T> Gathered<T> {
    /// A source that an earlier page has used up.
    fn untouched(account: &Account, customer: &Arc<Customer>, site: &str) -> Self {
        let report =
            SourceReport { site_id: Some(site.to_owned()), ..SourceReport::unasked(account, None) };
        Self::empty(report, customer, Some(site.to_owned()))
    }

    fn empty(report: SourceReport, customer: &Arc<Customer>, site: Option<String>) -> Self {
        let customer = Arc::clone(customer);
        Self { report, customer, site, begin: Place::default(), items: Vec::new(), rest: None }
    }

    /// Keeps as many items as there is room for; the place where the next page goes on, unless
    /// the source is used up.
    fn cut(&mut self, room: usize) -> Option<Place> {
        if self.items.len() <= room {
            // With no room left, a source that was not begun is begun on the next page.
            return self.rest.take();
        }
        let place = match room.checked_sub(1).and_then(|last| self.items.get(last)) {
            Some((_, after)) => after.clone(),
            None => self.begin.clone(),
        };
        self.items.truncate(room);
        Some(place)
    }

    /// Whether later pages leave it out: it failed, or it is asleep.
    fn is_lost(&self) -> bool {
        let code = self.report.error.as_ref().map(Error::code);
        code.is_some_and(|code| code != ProblemCode::PolicyDenied)
    }

    fn as_failed(&self) -> FailedSource {
        FailedSource {
            customer: self.report.customer.to_string(),
            site: self.site.clone(),
            code: self.report.error.as_ref().map_or(ProblemCode::Internal, Error::code).to_string(),
        }
    }
}

impl Scope {
    /// Whether there can be only one source.
    fn names_one(&self, sources: Sources) -> bool {
        let one_site = sources != Sources::Sites || self.site != Wildcard::All;
        self.customer != Wildcard::All && one_site
    }
}

impl SourceReport {
    /// A source that this page did not ask.
    fn unasked(account: &Account, error: Option<Error>) -> Self {
        let status = match error.as_ref().map(Error::code) {
            None => SourceStatus::Ok,
            Some(ProblemCode::SiteHibernated) => SourceStatus::Skipped,
            Some(_) => SourceStatus::Failed,
        };
        Self {
            customer: account.name().clone(),
            customer_id: account.id().to_owned(),
            region: account.region().cloned(),
            site_id: None,
            status,
            items: 0,
            duration: std::time::Duration::ZERO,
            as_of: None,
            error,
            absent: false,
        }
    }
}

/// Part of the caller's time that a source may use, so that an answer can still be built.
const SOURCE_SHARE: f64 = 0.85;

/// Customers that a later page asks at first; twice as many each time the page is not yet full.
const FIRST_WAVE: usize = 4;

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
