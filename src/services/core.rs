use std::{
    collections::BTreeMap, future::Future, num::NonZeroU32, panic::AssertUnwindSafe, sync::Arc,
};

use futures_util::FutureExt;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::task::TaskTracker;

use super::{Account, Candidate, Directory, Error, Idempotency, ReadCache, SignedOut, Wildcard};
use crate::{
    audit::{self, Audit, Outcome},
    auth::{Denied, Policy, Quotas, SiteScope},
    config::{Customer, Store},
    domain::{Action, CallContext, Clock, NameOrId, ProblemCode, Site, SiteId, StoreName},
    upstream::Upstream,
    wire::seal::Sealer,
};

/// What every use case works with.
#[derive(Debug)]
pub struct Core {
    pub(super) directory: Directory,
    pub(super) policy: Policy,
    pub(super) quotas: Arc<Quotas>,
    pub(super) upstream: Upstream,
    pub(super) audit: Audit,
    pub(super) idempotency: Idempotency,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) page_tokens: Sealer,
    pub(super) max_fanout: usize,
    pub(super) stores: BTreeMap<StoreName, Arc<Store>>,
    /// Seals the handles of users' sign-ins to stores.
    pub(super) store_sessions: Sealer,
    pub(super) signed_out: SignedOut,
    pub(super) cache: ReadCache,
    pub(super) changes: TaskTracker,
}

/// What a [`Core`] is made of.
#[derive(Debug)]
pub struct CoreParts {
    /// Customers and regions.
    pub directory: Directory,
    /// StoreFront stores.
    pub stores: BTreeMap<StoreName, Store>,
    /// Who may do what.
    pub policy: Policy,
    /// How much of it.
    pub quotas: Arc<Quotas>,
    /// The way to Citrix.
    pub upstream: Upstream,
    /// Where changes are recorded.
    pub audit: Audit,
    /// Requests that must not be carried out twice.
    pub idempotency: Idempotency,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Root of the key that seals page tokens.
    pub secret: SecretString,
    /// The root before the last change, for page tokens that are still about.
    pub previous_secret: Option<SecretString>,
    /// Sources that one list asks at the same time.
    pub max_fanout: usize,
    /// Sign-ins to stores that were ended here.
    pub signed_out: SignedOut,
    /// What was read of Citrix lately.
    pub cache: ReadCache,
    /// Knows the changes that are under way, so that the process waits for them before it ends.
    pub changes: TaskTracker,
}

impl Core {
    /// Puts the parts together.
    pub fn new(parts: CoreParts) -> Self {
        let CoreParts { directory, policy, quotas, upstream, audit, idempotency, clock, .. } =
            parts;
        let (max_fanout, cache) = (parts.max_fanout, parts.cache);
        let previous = parts.previous_secret.as_ref().map(|root| root.expose_secret().as_bytes());
        let root = parts.secret.expose_secret().as_bytes();
        let page_tokens = Sealer::new(root, previous, "page-token");
        let store_sessions = Sealer::new(root, previous, "store-session");
        let stores = parts.stores.into_iter().map(|(name, store)| (name, Arc::new(store)));
        let stores = stores.collect();
        Self {
            directory,
            policy,
            quotas,
            upstream,
            audit,
            idempotency,
            clock,
            page_tokens,
            max_fanout,
            stores,
            store_sessions,
            signed_out: parts.signed_out,
            cache,
            changes: parts.changes,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The customer of a path that names exactly one, for an action on it or a part of its sites.
    pub(super) fn authorize(
        &self,
        ctx: &CallContext,
        action: Action,
        customer: &str,
    ) -> Result<(&Account, SiteScope), Error> {
        let account = self.directory.find(customer).ok_or(Error::NotFound)?;
        let scope = self.policy.authorize(&ctx.principal, action, account.key())?;
        Ok((account, scope))
    }

    /// The same for an action on the customer as a whole.
    pub(super) fn authorize_whole(
        &self,
        ctx: &CallContext,
        action: Action,
        customer: &str,
    ) -> Result<&Arc<Customer>, Error> {
        let account = self.directory.find(customer).ok_or(Error::NotFound)?;
        self.policy.authorize_whole(&ctx.principal, action, account.key())?;
        require_reason(ctx, || {
            self.policy.needs_reason(&ctx.principal, action, account.key(), None)
        })?;
        account.usable()
    }

    /// The customer and the site of a path that names exactly one thing.
    pub(super) async fn authorize_site(
        self: &Arc<Self>,
        ctx: &CallContext,
        action: Action,
        customer: &str,
        site: &Wildcard<NameOrId>,
    ) -> Result<(Arc<Customer>, SiteId), Error> {
        let (account, granted) = self.authorize(ctx, action, customer)?;
        let customer = Arc::clone(account.usable()?);
        let visible = self.policy.visible_sites(&ctx.principal, account.key());
        let visible = visible.ok_or(Error::NotFound)?;
        let site = self.one_site(ctx, &customer, site, &visible).await?;
        if !granted.contains(&site.id) {
            let on = format!("site {} of customer {:?}", site.id, account.name().as_str());
            return Err(Denied::forbidden(&ctx.principal, action, on).into());
        }
        require_reason(ctx, || {
            self.policy.needs_reason(&ctx.principal, action, account.key(), Some(&site.id))
        })?;
        Ok((customer, site_id(&site)?))
    }

    /// Counts a machine that is about to be acted on.
    pub(super) fn count_machine(&self, ctx: &CallContext) -> Result<(), Error> {
        self.count_machines(ctx, NonZeroU32::MIN)
    }

    /// The same for several, which are acted on together.
    pub(super) fn count_machines(&self, ctx: &CallContext, count: NonZeroU32) -> Result<(), Error> {
        self.quotas.machines(&ctx.principal.app, count).map(|_| ()).map_err(Error::QuotaExceeded)
    }

    /// The same sites with what is known of their sleep.
    pub(super) fn with_sleep(&self, customer: &Customer, mut sites: Vec<Site>) -> Vec<Site> {
        for site in &mut sites {
            let id = SiteId::try_from(site.id.as_str());
            site.hibernated = id.is_ok_and(|id| self.upstream.is_hibernated(&customer.name, &id));
        }
        sites
    }

    /// Makes a change: the only way to one. It is recorded before anything is sent, together
    /// with the call's idempotency key, and its outcome when there is one. It runs to its end even
    /// when the caller goes away meanwhile: dropping it halfway would leave nobody who knows what
    /// became of it.
    pub(super) async fn act<T: Send + 'static>(
        self: &Arc<Self>,
        ctx: &CallContext,
        event: audit::Event,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.act_and_judge(ctx, vec![event], work, |result| vec![outcome(result)]).await
    }

    /// The same for work whose answer may not mean that it succeeded, and for several changes in
    /// one call: `judge` gives the outcome of each, in their order.
    pub(super) async fn act_and_judge<T: Send + 'static>(
        self: &Arc<Self>,
        ctx: &CallContext,
        events: Vec<audit::Event>,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
        judge: impl FnOnce(&Result<T, Error>) -> Vec<Outcome> + Send + 'static,
    ) -> Result<T, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        let recorded = self.changes.spawn(async move {
            let intent = core.audit.begin_all(&ctx, events, Idempotency::acting(&ctx)).await?;
            let result = AssertUnwindSafe(work).catch_unwind().await;
            let Ok(result) = result else {
                tracing::error!(
                    cwsgate.request_id = ctx.request_id.as_str(),
                    "a change broke down"
                );
                intent.end(Outcome::Unknown(ProblemCode::Internal)).await;
                return Err(Error::Internal);
            };
            intent.end_each(judge(&result)).await;
            result
        });
        recorded.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a change broke down");
            Err(Error::Internal)
        })
    }

    async fn one_site(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        wanted: &Wildcard<NameOrId>,
        visible: &SiteScope,
    ) -> Result<Site, Error> {
        let mut sites = self.sites_to_choose_from(ctx, customer, wanted).await?;
        let mut found = matching(&sites.value.items, wanted, visible);
        if found.is_empty() && !sites.reading.was_asked() && ctx.may_ask() {
            // It may be new: ask before saying that it is not there.
            sites = self.sites(&ctx.fresh(), customer).await?;
            found = matching(&sites.value.items, wanted, visible);
        }
        match (found.len(), wanted) {
            (1, _) => Ok(found.remove(0)),
            (0, _) => Err(Error::NotFound),
            (_, Wildcard::All) => Err(Error::AmbiguousSite { candidates: candidates(found) }),
            (_, Wildcard::One(_)) => Err(Error::AmbiguousName { candidates: candidates(found) }),
        }
    }
}

/// The sites that are meant and may be seen.
pub(super) fn matching(
    sites: &[Site],
    wanted: &Wildcard<NameOrId>,
    visible: &SiteScope,
) -> Vec<Site> {
    let meant = |site: &&Site| match wanted {
        Wildcard::All => true,
        Wildcard::One(wanted) => {
            site.id.eq_ignore_ascii_case(wanted.as_str())
                || site.name.as_deref().is_some_and(|n| same_name(n, wanted.as_str()))
        }
    };
    sites.iter().filter(|site| visible.contains(&site.id)).filter(meant).cloned().collect()
}

/// Whether two names of Citrix's are the same: it does not distinguish case.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// A site id that can stand in a header. Citrix's are GUIDs; anything else is refused.
pub(super) fn site_id(site: &Site) -> Result<SiteId, Error> {
    SiteId::try_from(site.id.as_str()).map_err(|_| Error::NotFound)
}

/// What became of a change, for the record.
pub(super) fn outcome<T>(result: &Result<T, Error>) -> Outcome {
    match result {
        Ok(_) => Outcome::Succeeded,
        Err(error) if error.outcome_unknown() => Outcome::Unknown(error.code()),
        Err(error) => Outcome::Failed(error.code()),
    }
}

/// Refuses a change without a reason where every grant that allows it wants one.
pub(super) fn require_reason(
    ctx: &CallContext,
    needed: impl FnOnce() -> bool,
) -> Result<(), Error> {
    if ctx.reason.is_some() || !needed() {
        return Ok(());
    }
    let detail = "this app must say why it acts: send {\"reason\":\"…\"}".to_owned();
    Err(Error::Invalid { pointer: "/reason".to_owned(), detail })
}

fn candidates(sites: Vec<Site>) -> Vec<Candidate> {
    sites.into_iter().map(|site| Candidate { id: site.id, name: site.name }).collect()
}
