use std::{future::Future, sync::Arc};

use futures_util::future::BoxFuture;

use super::super::{Core, Error};
use crate::{
    cache::Cached,
    config::Customer,
    domain::{CallContext, Page, PageRequest, SiteId},
};

/// What to list: from which sources, how a part of one is read, and which items are wanted.
pub(in crate::services) struct Query<T> {
    pub(super) sources: Sources,
    pub(super) read: Read<T>,
    /// `None` keeps every item.
    pub(super) keep: Option<Keep<T>>,
}

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

/// Reads one part of a source's list.
pub(super) type Read<T> = Arc<
    dyn Fn(CallContext, Arc<Customer>, Option<SiteId>, PageRequest) -> BoxFuture<'static, Part<T>>
        + Send
        + Sync,
>;

/// Whether an item is wanted.
pub(in crate::services) type Keep<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

type Part<T> = Result<Cached<Page<T>>, Error>;

impl<T: 'static> Query<T> {
    /// Asks customers as a whole.
    pub(in crate::services) fn of_customers<F, R>(core: &Arc<Core>, read: F) -> Self
    where
        F: Fn(Arc<Core>, CallContext, Arc<Customer>) -> R + Send + Sync + 'static,
        R: Future<Output = Part<T>> + Send + 'static,
    {
        let core = Arc::clone(core);
        Self {
            sources: Sources::Customers,
            read: Arc::new(move |ctx, customer, _, _| {
                Box::pin(read(Arc::clone(&core), ctx, customer))
            }),
            keep: None,
        }
    }

    /// Asks customers for what the caller may see of them: `read` leaves out the rest.
    pub(in crate::services) fn of_parts_of_customers<F, R>(core: &Arc<Core>, read: F) -> Self
    where
        F: Fn(Arc<Core>, CallContext, Arc<Customer>) -> R + Send + Sync + 'static,
        R: Future<Output = Part<T>> + Send + 'static,
    {
        Self { sources: Sources::PartsOfCustomers, ..Self::of_customers(core, read) }
    }

    /// Asks the sites of customers, part by part.
    pub(in crate::services) fn of_sites<F, R>(core: &Arc<Core>, read: F) -> Self
    where
        F: Fn(Arc<Core>, CallContext, Arc<Customer>, SiteId, PageRequest) -> R
            + Send
            + Sync
            + 'static,
        R: Future<Output = Part<T>> + Send + 'static,
    {
        let core = Arc::clone(core);
        Self {
            sources: Sources::Sites,
            read: Arc::new(move |ctx, customer, site, part| match site {
                Some(site) => Box::pin(read(Arc::clone(&core), ctx, customer, site, part)),
                None => Box::pin(async { Err(Error::Internal) }),
            }),
            keep: None,
        }
    }

    /// Keeps only the items that pass the test, where there is one.
    pub(in crate::services) fn keeping(self, keep: Option<Keep<T>>) -> Self {
        Self { keep, ..self }
    }
}
