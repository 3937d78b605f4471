//! Everything that is read of Citrix for answers, by way of the cache.
//!
//! The one place that says under which key an answer is kept. Grants are applied to what comes out
//! of here, never to what goes in.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};

use super::{Core, Error, Wildcard};
use crate::{
    cache::{Cache, Cached, Class, FetchError, Key, ReadError, Weigh},
    config::Customer,
    domain::{
        CallContext, DeliveryGroup, Freshness, Machine, MachineCatalog, NameOrId, Page,
        PageRequest, ProblemCode, ResourceLocation, ServiceState, Session, SessionId, Site, SiteId,
    },
    upstream::{ErrorKind, daas},
};

/// What was read of Citrix lately.
pub type ReadCache = Cache<Error>;

/// What a read gives.
type Read<T> = Result<Cached<T>, Error>;

/// Reads of a customer.
impl Core {
    /// The sites of a customer.
    pub(super) async fn sites(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
    ) -> Read<Page<Site>> {
        self.read(ctx, &sites_key(customer), Arc::clone(customer), |core, ctx, customer| {
            async move {
                let me = core.upstream.daas.me(&ctx, &customer).await?;
                let own = |id: &str| id.eq_ignore_ascii_case(customer.id.as_str());
                let reached = me.customers.into_iter().filter(|reached| own(&reached.id));
                let mut sites: Vec<_> = reached.flat_map(|reached| reached.sites).collect();
                sites.sort_by(|a, b| a.id.cmp(&b.id));
                Ok(Page::whole(sites))
            }
            .boxed()
        })
        .await
    }

    /// The sites of a customer, to find out which one is meant. How old an answer the caller wants
    /// is not about them, but who acts on a name wants it looked up now; an id is what it is.
    pub(super) async fn sites_to_choose_from(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        wanted: &Wildcard<NameOrId>,
    ) -> Read<Page<Site>> {
        let by_id = matches!(wanted, Wildcard::One(wanted) if wanted.is_id());
        let freshness = match ctx.freshness {
            Freshness::OnlyIfCached(_) => Freshness::OnlyIfCached(None),
            Freshness::Fresh if !by_id => Freshness::Fresh,
            Freshness::Any | Freshness::MaxAge(_) | Freshness::Fresh => Freshness::Any,
        };
        self.sites(&ctx.wanting(freshness), customer).await
    }

    /// The sites of a customer, if they are known without asking.
    pub(super) fn remembered_sites(&self, customer: &Customer) -> Option<Arc<Page<Site>>> {
        self.cache.peek(&sites_key(customer))
    }

    pub(super) async fn resource_locations(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
    ) -> Read<Page<ResourceLocation>> {
        let key = Key::new(customer, None, Class::ResourceLocations, "list", &[]);
        self.read(ctx, &key, Arc::clone(customer), |core, ctx, customer| {
            async move {
                Ok(Page::whole(core.upstream.cloud.resource_locations(&ctx, &customer).await?))
            }
            .boxed()
        })
        .await
    }

    pub(super) async fn resource_location(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        id: &NameOrId,
    ) -> Read<ResourceLocation> {
        let key = Key::new(customer, None, Class::ResourceLocations, "one", &[id.as_str()]);
        let of = (Arc::clone(customer), id.clone());
        self.read(ctx, &key, of, |core, ctx, (customer, id)| {
            async move { Ok(core.upstream.cloud.resource_location(&ctx, &customer, &id).await?) }
                .boxed()
        })
        .await
    }

    pub(super) async fn service_states(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
    ) -> Read<Page<ServiceState>> {
        let key = Key::new(customer, None, Class::ServiceStates, "list", &[]);
        self.read(ctx, &key, Arc::clone(customer), |core, ctx, customer| {
            async move {
                Ok(Page::whole(core.upstream.cloud.service_states(&ctx, &customer).await?))
            }
            .boxed()
        })
        .await
    }
}

/// Reads of a site.
impl Core {
    pub(super) async fn machine_catalogs(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        part: &PageRequest,
    ) -> Read<Page<MachineCatalog>> {
        let key = part_key(customer, site, Class::MachineCatalogs, ["list", ""], part);
        let of = (Arc::clone(customer), site.clone(), part.clone());
        self.read(ctx, &key, of, |core, ctx, (customer, site, part)| {
            async move {
                Ok(core.upstream.daas.machine_catalogs(&ctx, &customer, &site, &part).await?)
            }
            .boxed()
        })
        .await
    }

    pub(super) async fn machine_catalog(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &NameOrId,
    ) -> Read<MachineCatalog> {
        let key = Key::new(customer, Some(site), Class::MachineCatalogs, "one", &[id.as_str()]);
        let of = (Arc::clone(customer), site.clone(), id.clone());
        self.read(ctx, &key, of, |core, ctx, (customer, site, id)| {
            async move {
                Ok(core.upstream.daas.machine_catalog(&ctx, &customer, &site, &id).await?)
            }
            .boxed()
        })
        .await
    }

    pub(super) async fn delivery_groups(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        part: &PageRequest,
    ) -> Read<Page<DeliveryGroup>> {
        let key = part_key(customer, site, Class::DeliveryGroups, ["list", ""], part);
        let of = (Arc::clone(customer), site.clone(), part.clone());
        self.read(ctx, &key, of, |core, ctx, (customer, site, part)| {
            async move {
                Ok(core.upstream.daas.delivery_groups(&ctx, &customer, &site, &part).await?)
            }
            .boxed()
        })
        .await
    }

    pub(super) async fn delivery_group(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &NameOrId,
    ) -> Read<DeliveryGroup> {
        let key = Key::new(customer, Some(site), Class::DeliveryGroups, "one", &[id.as_str()]);
        let of = (Arc::clone(customer), site.clone(), id.clone());
        self.read(ctx, &key, of, |core, ctx, (customer, site, id)| {
            async move { Ok(core.upstream.daas.delivery_group(&ctx, &customer, &site, &id).await?) }
                .boxed()
        })
        .await
    }

    pub(super) async fn machines(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        within: &daas::MachineScope,
        part: &PageRequest,
    ) -> Read<Page<Machine>> {
        let list = match within {
            daas::MachineScope::All => ["list", ""],
            daas::MachineScope::Catalog(id) => ["list of catalog", id.as_str()],
            daas::MachineScope::Group(id) => ["list of group", id.as_str()],
        };
        let key = part_key(customer, site, Class::Machines, list, part);
        let of = (Arc::clone(customer), site.clone(), within.clone(), part.clone());
        self.read(ctx, &key, of, |core, ctx, (customer, site, within, part)| {
            async move {
                Ok(core.upstream.daas.machines(&ctx, &customer, &site, &within, &part).await?)
            }
            .boxed()
        })
        .await
    }

    /// The machine of that id or name; looking the name up is part of what is kept.
    pub(super) async fn machine(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        wanted: &NameOrId,
    ) -> Read<Machine> {
        let key = Key::new(customer, Some(site), Class::Machines, "one", &[wanted.as_str()]);
        let of = (Arc::clone(customer), site.clone(), wanted.clone());
        self.read(ctx, &key, of, |core, ctx, (customer, site, wanted)| {
            async move { core.find_machine(&ctx, &customer, &site, &wanted).await }.boxed()
        })
        .await
    }

    pub(super) async fn sessions(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        part: &PageRequest,
    ) -> Read<Page<Session>> {
        let key = part_key(customer, site, Class::Sessions, ["list", ""], part);
        let of = (Arc::clone(customer), site.clone(), part.clone());
        self.read(ctx, &key, of, |core, ctx, (customer, site, part)| {
            async move { Ok(core.upstream.daas.sessions(&ctx, &customer, &site, &part).await?) }
                .boxed()
        })
        .await
    }

    pub(super) async fn session(
        self: &Arc<Self>,
        ctx: &CallContext,
        customer: &Arc<Customer>,
        site: &SiteId,
        id: &SessionId,
    ) -> Read<Session> {
        let key = Key::new(customer, Some(site), Class::Sessions, "one", &[id.as_str()]);
        let of = (Arc::clone(customer), site.clone(), id.clone());
        self.read(ctx, &key, of, |core, ctx, (customer, site, id)| {
            async move { Ok(core.upstream.daas.session(&ctx, &customer, &site, &id).await?) }
                .boxed()
        })
        .await
    }

    /// Reads what `key` names; `of` is what it names, in the words of the fetch.
    async fn read<T, A, F>(
        self: &Arc<Self>,
        ctx: &CallContext,
        key: &Key,
        of: A,
        fetch: F,
    ) -> Read<T>
    where
        T: Weigh + Send + Sync + 'static,
        A: Clone + Send + 'static,
        F: Fn(Arc<Self>, CallContext, A) -> BoxFuture<'static, Result<T, Error>>
            + Copy
            + Send
            + 'static,
    {
        let core = Arc::clone(self);
        let fetch = move |ctx| fetch(Arc::clone(&core), ctx, of.clone());
        Ok(self.cache.read(ctx, key, fetch).await?)
    }
}

impl FetchError for Error {
    fn is_outage(&self) -> bool {
        match self {
            Self::Upstream(error) => match error.kind {
                ErrorKind::Failed => error.status.is_none_or(|status| status >= 500),
                ErrorKind::Malformed => true,
                _ => self.is_temporary(),
            },
            _ => self.is_temporary(),
        }
    }
}

impl Error {
    fn is_temporary(&self) -> bool {
        matches!(
            self.code(),
            ProblemCode::UpstreamTimeout
                | ProblemCode::UpstreamUnavailable
                | ProblemCode::UpstreamRateLimited
                | ProblemCode::UpstreamTokenUnavailable
                | ProblemCode::DeadlineExceeded
                | ProblemCode::Overloaded
        )
    }
}

impl From<ReadError<Error>> for Error {
    fn from(error: ReadError<Error>) -> Self {
        match error {
            ReadError::NotCached => Self::NotCached,
            ReadError::TimedOut { asked: true } => Self::TimedOut,
            ReadError::TimedOut { asked: false } => Self::DeadlineExceeded,
            ReadError::Broken => Self::Internal,
            ReadError::Fetch(error) => error,
        }
    }
}

fn sites_key(customer: &Customer) -> Key {
    Key::new(customer, None, Class::Sites, "list", &[])
}

/// The key of one part of a list: which list, and what narrows it.
fn part_key(
    customer: &Customer,
    site: &SiteId,
    class: Class,
    [list, of]: [&str; 2],
    part: &PageRequest,
) -> Key {
    let limit = part.limit.map(|limit| limit.to_string()).unwrap_or_default();
    let begin = part.continuation.as_deref().unwrap_or_default();
    Key::new(customer, Some(site), class, list, &[of, &limit, begin])
}
