//! What a bulk operation is about, read from Citrix now.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::time::{Instant, timeout_at};

use super::Bulk;
use crate::{
    auth::{Denied, SiteScope},
    config::Customer,
    domain::{
        Action, CallContext, CustomerName, Machine, NameOrId, PageRequest, ProblemCode, Session,
        SessionId, Site, SiteId,
    },
    services::{
        Account, Candidate, Core, Error, Located, SourceReport, SourceStatus, Wildcard,
        core::{matching, site_id},
    },
    upstream::daas::MachineScope,
};

/// A place that an operation reaches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reach {
    /// One customer, or all that the caller may see.
    pub customer: Wildcard<String>,
    /// One site of it, or all that the caller may see.
    pub site: Wildcard<NameOrId>,
    /// What of the site.
    pub within: Within,
}

/// What of a site is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Within {
    /// All of it.
    Site,
    /// What is in a machine catalog.
    Catalog(NameOrId),
    /// What is in a delivery group.
    Group(NameOrId),
    /// One machine, and its sessions.
    Machine(NameOrId),
    /// One session.
    Session(SessionId),
}

/// What is acted on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    /// Machines.
    Machines,
    /// Sessions.
    Sessions,
    /// Sessions, together with the machines they are on.
    SessionsAndMachines,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// Machines within reach, each once.
    pub machines: Vec<Located<Machine>>,
    /// Sessions within reach, each once.
    pub sessions: Vec<Located<Session>>,
    /// Every customer or site and what became of it.
    pub sources: Vec<SourceReport>,
    /// Positions of the places that name what is nowhere, or what the caller may not see.
    pub missing: Vec<usize>,
}

/// What is known of a place after a source was asked for it. Where several sources were, the last
/// of these words that fits any of them holds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Fate {
    /// Nothing that the caller may act on is there: the action is not granted, or the site sleeps.
    LeftOut,
    /// It is not there.
    Absent,
    /// The source failed, and may hold it.
    Unread,
    /// It is there.
    Found,
}

impl Bulk {
    /// Reads everything within reach. Customers and sites where the caller lacks the action are
    /// left out, and sources that fail are named: what that means is for the caller to decide.
    ///
    /// # Errors
    /// When a name is ambiguous.
    pub async fn survey(
        &self,
        ctx: &CallContext,
        action: Action,
        reaches: &[Reach],
        subject: Subject,
    ) -> Result<Survey, Error> {
        let ctx = &ctx.fresh();
        let mut survey = Survey::default();
        let mut asks: BTreeMap<CustomerName, (&Account, Vec<usize>)> = BTreeMap::new();
        let core = &self.core;
        let visible = |account: &&Account| core.policy.sees(&ctx.principal, account.key());
        for (at, reach) in reaches.iter().enumerate() {
            let meant: Vec<&Account> = match &reach.customer {
                Wildcard::All => core.directory.accounts().filter(visible).collect(),
                Wildcard::One(name) => {
                    core.directory.find(name).filter(visible).into_iter().collect()
                }
            };
            for account in meant {
                asks.entry(account.name().clone()).or_insert((account, Vec::new())).1.push(at);
            }
        }
        let asks: Vec<BoxFuture<'_, Result<Part, Error>>> = asks
            .into_values()
            .map(|(account, ats)| {
                let asked = Asked { core, ctx, action, subject, reaches };
                async move { asked.customer(account, &ats).await }.boxed()
            })
            .collect();
        let mut answers = stream::iter(asks).buffered(core.max_fanout);
        let mut fates = BTreeMap::new();
        while let Some(answer) = answers.next().await {
            let part = answer?;
            survey.machines.extend(part.machines);
            survey.sessions.extend(part.sessions);
            survey.sources.extend(part.sources);
            merge(&mut fates, part.fates);
            if survey.machines.len() + survey.sessions.len() > MOST_THINGS {
                return Err(too_many());
            }
        }
        let is_missing = |at: &usize| matches!(fates.get(at), None | Some(Fate::Absent));
        survey.missing = (0..reaches.len()).filter(is_missing).collect();
        Ok(survey)
    }
}

impl Fate {
    /// Of all places of a source that gave this instead of an answer.
    fn after(error: &Error) -> Self {
        match error.code() {
            ProblemCode::SiteHibernated => Self::LeftOut,
            _ => Self::Unread,
        }
    }
}

impl Survey {
    /// The refusal, when there were sources and the caller lacks the action on each.
    pub fn refusal(&self) -> Option<Error> {
        let mut denials = self.sources.iter().map(|source| match &source.error {
            Some(error @ Error::Denied(_)) => Some(error),
            _ => None,
        });
        let first = denials.next()??;
        denials.all(|denial| denial.is_some()).then(|| first.clone())
    }
}

/// A survey while it goes on.
struct Asked<'a> {
    core: &'a Arc<Core>,
    ctx: &'a CallContext,
    action: Action,
    subject: Subject,
    reaches: &'a [Reach],
}

/// What one customer or site gave.
#[derive(Default)]
struct Part {
    machines: Vec<Located<Machine>>,
    sessions: Vec<Located<Session>>,
    sources: Vec<SourceReport>,
    fates: BTreeMap<usize, Fate>,
}

impl Asked<'_> {
    async fn customer(&self, account: &Account, ats: &[usize]) -> Result<Part, Error> {
        let (core, principal) = (self.core, &self.ctx.principal);
        let mut part = Part::default();
        let Some(granted) = core.policy.scope(principal, self.action, account.key()) else {
            let on = format!("customer {:?}", account.name().as_str());
            let denied = Denied::forbidden(principal, self.action, on);
            part.sources.push(skipped(account, None, denied));
            part.fates = each(ats, Fate::LeftOut);
            return Ok(part);
        };
        let customer = match account.usable() {
            Ok(customer) => customer,
            Err(error) => {
                part.sources.push(SourceReport::unasked(account, Some(error)));
                part.fates = each(ats, Fate::Unread);
                return Ok(part);
            }
        };
        let began = Instant::now();
        let sites = match self.in_time(core.sites(self.ctx, customer)).await {
            Ok(sites) => sites,
            Err(error) => {
                part.fates = each(ats, Fate::after(&error));
                let mut report = SourceReport::unasked(account, Some(error));
                report.duration = began.elapsed();
                part.sources.push(report);
                return Ok(part);
            }
        };
        let visible = core.policy.visible_sites(principal, account.key());
        let visible = visible.unwrap_or_else(|| granted.clone());
        let mut by_site: BTreeMap<String, (Site, Vec<usize>)> = BTreeMap::new();
        for at in ats.iter().copied() {
            let reach = &self.reaches[at];
            let meant = matching(&sites.value.items, &reach.site, &visible);
            check_one_site(reach, &meant)?;
            if meant.is_empty() {
                part.fates.insert(at, Fate::Absent);
            }
            for site in meant {
                by_site.entry(site.id.clone()).or_insert((site, Vec::new())).1.push(at);
            }
        }
        for (site, ats) in by_site.into_values() {
            let (more, report) = self.site(account, customer, &granted, &site, &ats).await?;
            part.machines.extend(more.machines);
            part.sessions.extend(more.sessions);
            merge(&mut part.fates, more.fates);
            part.sources.push(report);
        }
        Ok(part)
    }

    async fn site(
        &self,
        account: &Account,
        customer: &Arc<Customer>,
        granted: &SiteScope,
        site: &Site,
        ats: &[usize],
    ) -> Result<(Part, SourceReport), Error> {
        if !granted.contains(&site.id) {
            let on = format!("site {} of customer {:?}", site.id, account.name().as_str());
            let denied = Denied::forbidden(&self.ctx.principal, self.action, on);
            let part = Part { fates: each(ats, Fate::LeftOut), ..Part::default() };
            return Ok((part, skipped(account, Some(site.id.clone()), denied)));
        }
        let (began, as_of) = (Instant::now(), self.core.now());
        let read = async {
            let id = site_id(site)?;
            Reading { asked: self, customer, site: &id }.all(ats).await
        };
        let (part, error) = match self.in_time(read).await {
            Ok(part) => (part, None),
            // Not about the source but about the request.
            Err(error) if error.code().status() < 500 => return Err(error),
            Err(error) => {
                let fates = each(ats, Fate::after(&error));
                (Part { fates, ..Part::default() }, Some(error))
            }
        };
        let items = match self.subject {
            Subject::Machines => part.machines.len(),
            Subject::Sessions | Subject::SessionsAndMachines => part.sessions.len(),
        };
        let report = SourceReport {
            site_id: Some(site.id.clone()),
            duration: began.elapsed(),
            as_of: Some(as_of),
            items,
            ..SourceReport::unasked(account, error)
        };
        Ok((part, report))
    }

    /// Waits no longer than leaves time to answer.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let deadline = self.ctx.with_share(SOURCE_SHARE).deadline;
        match timeout_at(deadline, work).await {
            Ok(Err(error)) if error.code() == ProblemCode::DeadlineExceeded => Err(Error::TimedOut),
            Ok(result) => result,
            Err(_) => Err(Error::TimedOut),
        }
    }
}

/// One site while it is read.
struct Reading<'a> {
    asked: &'a Asked<'a>,
    customer: &'a Arc<Customer>,
    site: &'a SiteId,
}

impl Reading<'_> {
    async fn all(&self, ats: &[usize]) -> Result<Part, Error> {
        let mut part = Part { fates: each(ats, Fate::Absent), ..Part::default() };
        let mut machines = Distinct::default();
        let mut sessions = Distinct::default();
        let of_sessions = self.asked.subject != Subject::Machines;
        // Read once, however many places want a part of it.
        let mut every_session: Option<Vec<Session>> = None;
        for at in ats.iter().copied() {
            let within = &self.asked.reaches[at].within;
            if let Within::Session(id) = within {
                if let Some(session) = found(self.session(id).await)? {
                    sessions.add(session.id.clone(), session);
                    part.fates.insert(at, Fate::Found);
                }
                continue;
            }
            let whole_site = *within == Within::Site;
            let mut ids = HashSet::new();
            if !of_sessions || !whole_site || self.asked.subject == Subject::SessionsAndMachines {
                let Some(members) = found(self.members(within).await)? else { continue };
                for machine in members {
                    ids.insert(machine.id.clone());
                    machines.add(machine.id.clone(), machine);
                }
            }
            part.fates.insert(at, Fate::Found);
            if of_sessions {
                if every_session.is_none() {
                    every_session = Some(self.sessions().await?);
                }
                for session in every_session.iter().flatten() {
                    let on = session.machine.as_ref().and_then(|machine| machine.id.as_ref());
                    if whole_site || on.is_some_and(|id| ids.contains(id)) {
                        sessions.add(session.id.clone(), session.clone());
                    }
                }
            }
        }
        if self.asked.subject == Subject::SessionsAndMachines {
            // Single sessions were asked for without their machines.
            for session in &sessions.items {
                let on = session.machine.as_ref().and_then(|machine| machine.id.clone());
                if let Some(id) = on.filter(|id| !machines.ids.contains(id))
                    && let Ok(named) = NameOrId::try_from(id)
                    && let Some(machine) = found(self.machine(&named).await)?
                {
                    machines.add(machine.id.clone(), machine);
                }
            }
        }
        part.machines = machines.items.into_iter().map(|item| self.located(item)).collect();
        part.sessions = sessions.items.into_iter().map(|item| self.located(item)).collect();
        Ok(part)
    }

    /// The machines of a place.
    async fn members(&self, within: &Within) -> Result<Vec<Machine>, Error> {
        let (core, ctx) = (self.asked.core, self.asked.ctx);
        let scope = match within {
            Within::Machine(name) => return Ok(vec![self.machine(name).await?]),
            Within::Session(_) => return Ok(Vec::new()),
            Within::Site => MachineScope::All,
            Within::Catalog(name) => {
                MachineScope::Catalog(core.catalog_id(ctx, self.customer, self.site, name).await?)
            }
            Within::Group(name) => {
                MachineScope::Group(core.group_id(ctx, self.customer, self.site, name).await?)
            }
        };
        let mut all = Vec::new();
        let mut part = whole_parts();
        loop {
            let daas = &core.upstream.daas;
            let page = daas.machines(ctx, self.customer, self.site, &scope, &part).await?;
            all.extend(page.items);
            if all.len() > MOST_THINGS {
                return Err(too_many());
            }
            match page.continuation {
                Some(token) => part.continuation = Some(token),
                None => return Ok(all),
            }
        }
    }

    async fn sessions(&self) -> Result<Vec<Session>, Error> {
        let mut all = Vec::new();
        let mut part = whole_parts();
        loop {
            let daas = &self.asked.core.upstream.daas;
            let page = daas.sessions(self.asked.ctx, self.customer, self.site, &part).await?;
            all.extend(page.items);
            if all.len() > MOST_THINGS {
                return Err(too_many());
            }
            match page.continuation {
                Some(token) => part.continuation = Some(token),
                None => return Ok(all),
            }
        }
    }

    async fn machine(&self, name: &NameOrId) -> Result<Machine, Error> {
        self.asked.core.find_machine(self.asked.ctx, self.customer, self.site, name).await
    }

    async fn session(&self, id: &SessionId) -> Result<Session, Error> {
        let daas = &self.asked.core.upstream.daas;
        Ok(daas.session(self.asked.ctx, self.customer, self.site, id).await?)
    }

    fn located<T>(&self, item: T) -> Located<T> {
        let (customer, site) = (Arc::clone(self.customer), Some(self.site.to_string()));
        Located { customer, site, item }
    }
}

/// Things in the order they came, each once.
struct Distinct<T> {
    items: Vec<T>,
    ids: HashSet<String>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { items: Vec::new(), ids: HashSet::new() }
    }
}

impl<T> Distinct<T> {
    fn add(&mut self, id: String, item: T) {
        if self.ids.insert(id) {
            self.items.push(item);
        }
    }
}

/// What is not there is no failure of the one who was asked.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A single thing is in one site: with several to choose from, one has to be named.
fn check_one_site(reach: &Reach, meant: &[Site]) -> Result<(), Error> {
    let single = matches!(reach.within, Within::Machine(_) | Within::Session(_));
    if meant.len() < 2 || (reach.site == Wildcard::All && !single) {
        return Ok(());
    }
    let candidates =
        meant.iter().map(|site| Candidate { id: site.id.clone(), name: site.name.clone() });
    let candidates = candidates.collect();
    Err(match reach.site {
        Wildcard::All => Error::AmbiguousSite { candidates },
        Wildcard::One(_) => Error::AmbiguousName { candidates },
    })
}

fn each(ats: &[usize], fate: Fate) -> BTreeMap<usize, Fate> {
    ats.iter().map(|at| (*at, fate)).collect()
}

fn merge(known: &mut BTreeMap<usize, Fate>, more: BTreeMap<usize, Fate>) {
    for (at, fate) in more {
        known.entry(at).and_modify(|known| *known = fate.max(*known)).or_insert(fate);
    }
}

fn skipped(account: &Account, site_id: Option<String>, denied: Denied) -> SourceReport {
    SourceReport {
        site_id,
        status: SourceStatus::Skipped,
        ..SourceReport::unasked(account, Some(denied.into()))
    }
}

fn too_many() -> Error {
    Error::Invalid {
        pointer: "/selector/in".into(),
        detail: format!("it reaches more than {MOST_THINGS} things; narrow it"),
    }
}

fn whole_parts() -> PageRequest {
    PageRequest { limit: Some(1000), continuation: None }
}

/// Part of the caller's time that reading may use, so that an answer can still be built.
const SOURCE_SHARE: f64 = 0.85;

/// Most machines and sessions that one operation looks at.
const MOST_THINGS: usize = 100_000;
