//! What an operation would do, read from Citrix now.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use super::{
    BulkAction, Error, OperationRequest, Selector, Settings, Target,
    guard::{LeftAlone, check_machine},
    selector::{Choice, Filter},
};
use crate::{
    domain::{CallContext, Machine, Session},
    services::{Bulk, Located, SourceReport, SourceStatus, Subject, Survey},
};

/// What an operation would act on, and what it would leave alone.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it would act on.
    pub targets: Vec<Target>,
    /// What is within reach and would be left alone.
    pub skipped: Vec<Skipped>,
    /// Every customer or site within reach and what became of it.
    pub sources: Vec<SourceReport>,
    /// Names the plan in a later request.
    pub digest: String,
}

/// Something within reach that would be left alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// What.
    pub target: Target,
    /// One word; the name of the guard that holds, if one does.
    pub reason: &'static str,
    /// A sentence without its subject, such as `has 2 sessions`.
    pub detail: String,
    /// Sessions on it; `None` if that is unknown or it is no machine.
    pub session_count: Option<u32>,
}

impl Plan {
    /// Reads everything that the selector reaches and decides on each thing.
    ///
    /// # Errors
    /// [`Error::PlanIncomplete`] when a source fails, unless the request accepts that; what is to
    /// be excluded must be known in any case.
    pub(super) async fn make(
        bulk: &Bulk,
        ctx: &CallContext,
        request: &OperationRequest,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let action = request.action;
        let Choice { include, exclude, filter } = request.selector.read(action)?;
        let subject = match (action.is_about_sessions(), filter.is_about_machines()) {
            (false, _) => Subject::Machines,
            (true, false) => Subject::Sessions,
            (true, true) => Subject::SessionsAndMachines,
        };
        let survey = bulk.survey(ctx, action.needs(), &include, subject).await?;
        if let Some(refusal) = survey.refusal() {
            return Err(refusal.into());
        }
        check_missing(&survey, "in")?;
        if !request.options.partial_plan && any_failed(&survey.sources) {
            return Err(Error::PlanIncomplete { sources: survey.sources });
        }
        let excluded = if exclude.is_empty() {
            HashSet::new()
        } else {
            let sessions = action.is_about_sessions();
            let subject = if sessions { Subject::Sessions } else { Subject::Machines };
            // Where the action is not granted, nothing need be excluded.
            let survey = bulk.survey(ctx, action.needs(), &exclude, subject).await?;
            check_missing(&survey, "exclude")?;
            if any_failed(&survey.sources) {
                return Err(Error::PlanIncomplete { sources: survey.sources });
            }
            let machines = survey.machines.iter().map(Target::machine);
            let sessions = survey.sessions.iter().map(Target::session);
            machines.chain(sessions).map(|target| target.path).collect()
        };
        let mut plan = Self {
            targets: Vec::new(),
            skipped: Vec::new(),
            sources: survey.sources,
            digest: String::new(),
        };
        if action.is_about_sessions() {
            let machines = by_place(&survey.machines);
            for session in &survey.sessions {
                let verdict = check_session(&filter, session, &machines, now);
                plan.add(Target::session(session), None, &excluded, verdict);
            }
        } else {
            for machine in &survey.machines {
                let verdict = check_machine(action, &filter, &settings.include, &machine.item);
                let sessions = machine.item.session_count;
                plan.add(Target::machine(machine), sessions, &excluded, verdict);
            }
        }
        plan.digest = plan.digest_of(ctx, action, &request.selector);
        Ok(plan)
    }

    /// How many targets there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.targets.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// How many things are left alone for which reason.
    pub(super) fn skipped_by_reason(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for skipped in &self.skipped {
            *counts.entry(skipped.reason.to_owned()).or_default() += 1;
        }
        counts
    }

    fn add(
        &mut self,
        target: Target,
        session_count: Option<u32>,
        excluded: &HashSet<String>,
        verdict: Result<(), LeftAlone>,
    ) {
        let verdict = if excluded.contains(&target.path) {
            Err(LeftAlone::new("excluded", "is excluded"))
        } else {
            verdict
        };
        match verdict {
            Ok(()) => self.targets.push(target),
            Err(LeftAlone { reason, detail }) => {
                self.skipped.push(Skipped { target, reason, detail, session_count });
            }
        }
    }

    /// Says what is planned, for whom: two plans that differ in any of this have two names.
    fn digest_of(&self, ctx: &CallContext, action: BulkAction, selector: &Selector) -> String {
        let targets: Vec<_> = self.targets.iter().map(|target| target.path.as_str()).collect();
        // JSON, so that no value can slide into its neighbour.
        let text = serde_json::to_vec(&(ctx.principal.app.as_str(), action, selector, targets));
        hex(digest(&SHA256, &text.unwrap_or_default()).as_ref())
    }
}

/// Whether a session may be acted on as it is now.
pub(super) fn check_session(
    filter: &Filter,
    session: &Located<Session>,
    machines: &HashMap<Place<'_>, &Machine>,
    now: Timestamp,
) -> Result<(), LeftAlone> {
    let on = session.item.machine.as_ref().and_then(|machine| machine.id.as_deref());
    let place = on.map(|id| (session.customer.name.as_str(), session.site.as_deref(), id));
    let machine = place.and_then(|place| machines.get(&place).copied());
    let mismatches = filter.session_mismatches(&session.item, machine, now);
    if mismatches.is_empty() { Ok(()) } else { Err(LeftAlone::not_wanted(&mismatches)) }
}

/// Customer, site and id.
pub(super) type Place<'a> = (&'a str, Option<&'a str>, &'a str);

fn by_place(machines: &[Located<Machine>]) -> HashMap<Place<'_>, &Machine> {
    machines
        .iter()
        .map(|found| {
            (
                (found.customer.name.as_str(), found.site.as_deref(), found.item.id.as_str()),
                &found.item,
            )
        })
        .collect()
}

fn check_missing(survey: &Survey, list: &str) -> Result<(), Error> {
    match survey.missing.first() {
        Some(at) => Err(Error::NotFound { pointer: Some(format!("/selector/{list}/{at}")) }),
        None => Ok(()),
    }
}

fn any_failed(sources: &[SourceReport]) -> bool {
    sources.iter().any(|source| source.status == SourceStatus::Failed)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
