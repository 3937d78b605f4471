use std::sync::Arc;

use async_stream::try_stream;
use futures_util::Stream;
use serde::{Deserialize, Serialize};

use super::{Core, Error, Paging, Scope, Wildcard};
use crate::{
    audit::{Entry, Filter, Part, Visible},
    auth::{Denied, SiteScope},
    config::{CustomerSelector, StoreSelector},
    domain::{Action, CallContext},
};

/// The record of changes, as far as the caller may see it.
#[derive(Clone, Debug)]
pub struct AuditTrail {
    core: Arc<Core>,
}

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// What they must be like.
    pub filter: Filter,
    /// Only entries of this store.
    pub store: Option<String>,
}

/// Where a page goes on: before this entry.
#[derive(Deserialize, Serialize)]
struct Place {
    before: String,
}

impl AuditTrail {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// A page of entries, newest first, and the token of the next.
    ///
    /// # Errors
    /// When the caller may see no entries at all, the scope names what is not there, or the
    /// record cannot be read.
    pub async fn page(
        &self,
        ctx: &CallContext,
        scope: &Scope,
        query: &AuditQuery,
        paging: &Paging,
    ) -> Result<(Vec<Entry>, Option<String>), Error> {
        let visible = self.visible(ctx, scope, query)?;
        let before = self.place(paging)?;
        let audit = &self.core.audit;
        let mut entries =
            audit.search(&visible, &query.filter, before.as_deref(), paging.size + 1).await?;
        let more = entries.len() > paging.size;
        entries.truncate(paging.size);
        let last = entries.last().filter(|_| more);
        let next = last.map(|entry| self.token(&entry.id, paging)).transpose()?;
        Ok((entries, next))
    }

    /// All entries from the page on, newest first, some at a time.
    ///
    /// # Errors
    /// As [`page`](Self::page); a later failure ends the stream.
    pub fn all(
        &self,
        ctx: &CallContext,
        scope: &Scope,
        query: AuditQuery,
        paging: &Paging,
    ) -> Result<impl Stream<Item = Result<Vec<Entry>, Error>> + Send + use<>, Error> {
        let visible = self.visible(ctx, scope, &query)?;
        let mut before = self.place(paging)?;
        let audit = self.core.audit.clone();
        Ok(try_stream! {
            loop {
                let found = audit.search(&visible, &query.filter, before.as_deref(), CHUNK).await?;
                let Some(last) = found.last() else { break };
                before = Some(last.id.clone());
                yield found;
            }
        })
    }

    fn place(&self, paging: &Paging) -> Result<Option<String>, Error> {
        let Some(token) = &paging.token else { return Ok(None) };
        let plain = self.core.page_tokens.open(token, &paging.binding);
        let plain = plain.map_err(|_| Error::InvalidPageToken)?;
        let place: Place = serde_json::from_slice(&plain).map_err(|_| Error::InvalidPageToken)?;
        Ok(Some(place.before))
    }

    fn token(&self, before: &str, paging: &Paging) -> Result<String, Error> {
        let place = Place { before: before.to_owned() };
        let plain = serde_json::to_vec(&place).map_err(|_| Error::Internal)?;
        Ok(self.core.page_tokens.seal(&plain, &paging.binding))
    }

    /// Which entries the caller may see and the scope means.
    fn visible(
        &self,
        ctx: &CallContext,
        scope: &Scope,
        query: &AuditQuery,
    ) -> Result<Visible, Error> {
        let core = &self.core;
        if !core.policy.grants_anywhere(&ctx.principal, Action::Audit) {
            let on = "any customer or store".to_owned();
            return Err(Denied::forbidden(&ctx.principal, Action::Audit, on).into());
        }
        let narrowed = !scope.regions.is_empty()
            || !scope.customers.is_empty()
            || matches!(scope.customer, Wildcard::One(_));
        let stores = match &query.store {
            Some(store) => {
                core.policy.authorize_store(&ctx.principal, Action::Audit, store)?;
                Some(vec![store.clone()])
            }
            None if narrowed => Some(Vec::new()),
            None => self.stores(ctx),
        };
        let customers = match (narrowed, &query.store) {
            (false, Some(_)) => Some(Vec::new()),
            (false, None) if self.has_all_customers(ctx) => None,
            _ => Some(self.customers(ctx, scope)?),
        };
        Ok(Visible { customers, stores })
    }

    /// Whether the caller may see the entries of every customer, of those that are gone as well.
    fn has_all_customers(&self, ctx: &CallContext) -> bool {
        self.core.policy.grants(&ctx.principal).iter().any(|grant| {
            grant.actions.contains(&Action::Audit)
                && grant.sites.is_none()
                && grant.customers.contains(&CustomerSelector::All)
        })
    }

    fn customers(&self, ctx: &CallContext, scope: &Scope) -> Result<Vec<Part>, Error> {
        let core = &self.core;
        let accounts = core.directory.select(scope, &core.policy, &ctx.principal)?;
        let granted = accounts.into_iter().filter_map(|account| {
            let sites = core.policy.scope(&ctx.principal, Action::Audit, account.key())?;
            let sites = match sites {
                SiteScope::All => None,
                SiteScope::Only(sites) => Some(sites.iter().map(ToString::to_string).collect()),
            };
            Some(Part { customer: account.name().to_string(), sites })
        });
        Ok(granted.collect())
    }

    fn stores(&self, ctx: &CallContext) -> Option<Vec<String>> {
        let grants = self.core.policy.grants(&ctx.principal).iter();
        let mut names = Vec::new();
        for grant in grants.filter(|grant| grant.actions.contains(&Action::Audit)) {
            for selector in &grant.stores {
                match selector {
                    StoreSelector::All => return None,
                    StoreSelector::Name(name) => names.push(name.to_string()),
                }
            }
        }
        Some(names)
    }
}

/// Entries that a stream reads at once.
const CHUNK: usize = 500;
