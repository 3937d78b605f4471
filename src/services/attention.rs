use std::{sync::Arc, time::Duration};

use super::{
    Core, Error, Listing, Paging, Scope,
    fanout::{Keep, Query},
};
use crate::{
    cache::Cached,
    config::Customer,
    domain::{Attention, AttentionKind, CallContext, Page, PageRequest, SiteId},
    upstream::daas,
};

/// What needs somebody now, found among machines and sessions.
#[derive(Clone, Debug)]
pub struct Attentions {
    core: Arc<Core>,
}

/// What is worth somebody's time.
#[derive(Clone, Debug)]
pub struct AttentionFilter {
    /// Only these kinds; empty for all.
    pub kinds: Vec<AttentionKind>,
    /// How long a session must have been disconnected.
    pub disconnected_for: Duration,
}

impl Attentions {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The machines and sessions of the sites in scope that need somebody: of each site the machines
    /// first.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn list(
        &self,
        ctx: &CallContext,
        scope: Scope,
        filter: AttentionFilter,
        paging: Paging,
    ) -> Result<Listing<Attention>, Error> {
        let AttentionFilter { kinds, disconnected_for } = filter;
        let wanted = move |kind| kinds.is_empty() || kinds.contains(&kind);
        let sessions = wanted(AttentionKind::StaleSession);
        let machines = MACHINE_KINDS.into_iter().any(&wanted);
        let query =
            Query::of_sites(&self.core, move |core, ctx, customer, site, part| async move {
                match Phase::of(part, machines) {
                    Phase::Machines(part) => {
                        faulty_machines(&core, &ctx, &customer, &site, &part, sessions).await
                    }
                    Phase::Sessions(part) => {
                        stale_sessions(&core, &ctx, &customer, &site, &part, disconnected_for).await
                    }
                }
            });
        // A machine has one kind: what its worst is does not depend on what is wanted.
        let keep: Keep<Attention> = Arc::new(move |found| wanted(found.kind));
        let query = query.keeping(Some(keep));
        Listing::begin(&self.core, ctx, scope, paging, query)
    }
}

/// Which of a site's lists is being read, and which part of it.
enum Phase {
    Machines(PageRequest),
    Sessions(PageRequest),
}

impl Phase {
    /// Both lists are one to whoever reads a source, so that the continuation says which it is.
    fn of(part: PageRequest, machines: bool) -> Self {
        let PageRequest { limit, continuation } = part;
        let at = |token: &str| PageRequest {
            limit,
            continuation: (!token.is_empty()).then(|| token.to_owned()),
        };
        match continuation.as_deref() {
            None if machines => Self::Machines(at("")),
            None => Self::Sessions(at("")),
            Some(token) => match token.strip_prefix(IN_MACHINES) {
                Some(token) => Self::Machines(at(token)),
                None => Self::Sessions(at(token.strip_prefix(IN_SESSIONS).unwrap_or_default())),
            },
        }
    }
}

async fn faulty_machines(
    core: &Arc<Core>,
    ctx: &CallContext,
    customer: &Arc<Customer>,
    site: &SiteId,
    part: &PageRequest,
    then_sessions: bool,
) -> Result<Cached<Page<Attention>>, Error> {
    let all = daas::MachineScope::All;
    let Cached { value, reading } = core.machines(ctx, customer, site, &all, part).await?;
    let items = value.items.iter().filter_map(Attention::of_machine).collect();
    let continuation = match &value.continuation {
        Some(token) => Some(format!("{IN_MACHINES}{token}")),
        None => then_sessions.then(|| IN_SESSIONS.to_owned()),
    };
    Ok(Cached { value: Arc::new(Page { items, continuation }), reading })
}

async fn stale_sessions(
    core: &Arc<Core>,
    ctx: &CallContext,
    customer: &Arc<Customer>,
    site: &SiteId,
    part: &PageRequest,
    at_least: Duration,
) -> Result<Cached<Page<Attention>>, Error> {
    let now = core.now();
    let Cached { value, reading } = core.sessions(ctx, customer, site, part).await?;
    let stale = |session| Attention::of_session(session, now, at_least);
    let items = value.items.iter().filter_map(stale).collect();
    let continuation = value.continuation.as_ref().map(|token| format!("{IN_SESSIONS}{token}"));
    Ok(Cached { value: Arc::new(Page { items, continuation }), reading })
}

const MACHINE_KINDS: [AttentionKind; 4] = [
    AttentionKind::Unregistered,
    AttentionKind::Stuck,
    AttentionKind::Faulted,
    AttentionKind::Maintenance,
];

const IN_MACHINES: &str = "m:";
const IN_SESSIONS: &str = "s:";
