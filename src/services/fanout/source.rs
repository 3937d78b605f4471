//! One source of a page, read until it has given enough.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{Query, Sources, plan::Ask};
use crate::{
    config::Customer,
    domain::{CallContext, PageRequest, ProblemCode, Reading, SiteId},
    services::{
        Account, Core, Error, Scope, SourceReport, SourceStatus, Wildcard,
        core::{matching, site_id},
        cursor::{FailedSource, Place},
    },
    upstream::{self, ErrorKind, Service},
};

/// What one source gave.
pub(super) struct Gathered<T> {
    pub(super) report: SourceReport,
    pub(super) customer: Arc<Customer>,
    pub(super) site: Option<String>,
    /// Where reading began.
    pub(super) begin: Place,
    /// Items, each with the place after it.
    pub(super) items: Vec<(T, Place)>,
    /// Where to go on after all of them; `None` at the end of the source.
    pub(super) rest: Option<Place>,
}

/// One customer that is being asked.
pub(super) struct Source<T> {
    pub(super) core: Arc<Core>,
    pub(super) ctx: CallContext,
    pub(super) query: Arc<Query<T>>,
    pub(super) permits: Arc<Semaphore>,
    /// Items after which the source need not be read further for this page.
    pub(super) most: usize,
    pub(super) limit: u32,
    /// Whether the path names this customer and one of its sites, and nothing else.
    pub(super) alone: bool,
}

impl<T: Clone + Send + Sync + 'static> Source<T> {
    pub(super) async fn gather(self, ask: Ask, scope: &Scope) -> Vec<Gathered<T>> {
        // Closed never: the semaphore lives as long as the page.
        let _permit = self.permits.acquire().await;
        let account = Account::Usable(Arc::clone(&ask.customer));
        if self.query.sources != Sources::Sites {
            let place = ask.start.map(|(_, place)| place).unwrap_or_default();
            return vec![self.read(&account, &ask.customer, None, place).await];
        }
        let began = Instant::now();
        let sites = self.core.sites_to_choose_from(&self.ctx, &ask.customer, &scope.site);
        let sites = match self.within_deadline(sites).await {
            Ok(sites) => sites.value,
            Err(error) => return vec![self.failed(&account, &ask.customer, began, error)],
        };
        let visible = self.core.policy.visible_sites(&self.ctx.principal, account.key());
        let meant =
            matching(&sites.items, &scope.site, &visible.unwrap_or_else(|| ask.granted.clone()));
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
                Ok(id) if self.is_asleep(&ask.customer, &id) => {
                    Gathered::asleep(&account, &ask.customer, &id)
                }
                Ok(id) => self.read(&account, &ask.customer, Some(id), place).await,
                Err(error) => self.failed(&account, &ask.customer, began, error),
            });
        }
        gathered
    }

    /// Whether asking a site would only be told that it is hibernated. Who names it is told by the
    /// site itself.
    fn is_asleep(&self, customer: &Customer, site: &SiteId) -> bool {
        !self.alone && self.core.upstream.is_asleep(&customer.name, site)
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
        let mut reading: Option<Reading> = None;
        let mut items = Vec::new();
        let mut place = start.clone();
        let outcome = loop {
            let part =
                PageRequest { limit: Some(self.limit), continuation: place.continuation.clone() };
            let call =
                (self.query.read)(self.ctx.clone(), Arc::clone(customer), site.clone(), part);
            let (page, read) = match self.within_deadline(call).await {
                Ok(found) => (found.value, found.reading),
                Err(error) => break Err(error),
            };
            reading = Some(reading.map_or(read, |earlier| earlier.and(read)));
            let mut at = place.clone();
            for item in page.items.iter().skip(place.offset) {
                at.offset += 1;
                if self.query.keep.as_ref().is_none_or(|keep| keep(item)) {
                    items.push((item.clone(), at.clone()));
                }
            }
            match &page.continuation {
                None => break Ok(None),
                // The same place again would go on for ever.
                Some(token) if Some(token) == place.continuation.as_ref() => break Ok(None),
                Some(token) => place = Place { continuation: Some(token.clone()), offset: 0 },
            }
            if items.len() >= self.most {
                break Ok(Some(place));
            }
        };
        let site_id = site.as_ref().map(ToString::to_string);
        match outcome {
            Ok(rest) => {
                let stale = reading.is_some_and(|reading| reading.is_stale());
                if let Some(reading) = reading {
                    self.ctx.note_reading(reading);
                }
                Gathered {
                    report: SourceReport {
                        site_id: site_id.clone(),
                        status: if stale { SourceStatus::Stale } else { SourceStatus::Ok },
                        duration: began.elapsed(),
                        as_of: reading.map(|reading| reading.as_of),
                        cache: reading.map(|reading| reading.source),
                        ..SourceReport::unasked(account, None)
                    },
                    customer: Arc::clone(customer),
                    site: site_id,
                    begin: start,
                    items,
                    rest,
                }
            }
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
        match timeout_at(self.ctx.deadline + LAST_WORDS, work).await {
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
    pub(super) fn untouched(account: &Account, customer: &Arc<Customer>, site: &str) -> Self {
        let report =
            SourceReport { site_id: Some(site.to_owned()), ..SourceReport::unasked(account, None) };
        Self::empty(report, customer, Some(site.to_owned()))
    }

    /// A site that need not be asked: it is hibernated.
    fn asleep(account: &Account, customer: &Arc<Customer>, site: &SiteId) -> Self {
        let region = customer.region.clone();
        let operation = "daas.site.skipped";
        let error =
            upstream::Error::new(ErrorKind::Hibernated, operation, Service::Daas, region).into();
        let report = SourceReport {
            site_id: Some(site.to_string()),
            ..SourceReport::unasked(account, Some(error))
        };
        Self::empty(report, customer, Some(site.to_string()))
    }

    pub(super) fn empty(
        report: SourceReport,
        customer: &Arc<Customer>,
        site: Option<String>,
    ) -> Self {
        let customer = Arc::clone(customer);
        Self { report, customer, site, begin: Place::default(), items: Vec::new(), rest: None }
    }

    /// Keeps as many items as there is room for; the place where the next page goes on, unless
    /// the source is used up.
    pub(super) fn cut(&mut self, room: usize) -> Option<Place> {
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
    pub(super) fn is_lost(&self) -> bool {
        let code = self.report.error.as_ref().map(Error::code);
        code.is_some_and(|code| code != ProblemCode::PolicyDenied)
    }

    pub(super) fn as_failed(&self) -> FailedSource {
        FailedSource {
            customer: self.report.customer.to_string(),
            site: self.site.clone(),
            code: self.report.error.as_ref().map_or(ProblemCode::Internal, Error::code).to_string(),
        }
    }
}

/// How long after its deadline a source may still say what it ran into, or fall back on an older
/// answer: what it waits for has the same deadline.
const LAST_WORDS: Duration = Duration::from_millis(50);

impl Scope {
    /// Whether there can be only one source.
    pub(super) fn names_one(&self, sources: Sources) -> bool {
        let one_site = sources != Sources::Sites || self.site != Wildcard::All;
        self.customer != Wildcard::All && one_site
    }
}

impl SourceReport {
    /// A source that this page did not ask.
    pub(in crate::services) fn unasked(account: &Account, error: Option<Error>) -> Self {
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
            duration: Duration::ZERO,
            as_of: None,
            cache: None,
            error,
            absent: false,
        }
    }
}
