use std::sync::Arc;

use super::{
    Core, Error, Listing, Located, Paging, Scope, Wildcard, core::matching, fanout::Query,
};
use crate::domain::{Action, CallContext, Me, NameOrId, Page, Site};
use crate::{auth::CustomerKey, cache::Cached, config::Customer};

/// Sites, and the administrator behind a customer's credential.
#[derive(Clone, Debug)]
pub struct Sites {
    core: Arc<Core>,
}

impl Sites {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The sites of the customers in scope.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn list(
        &self,
        ctx: &CallContext,
        scope: Scope,
        paging: Paging,
    ) -> Result<Listing<Site>, Error> {
        let query = Query::of_parts_of_customers(&self.core, |core, ctx, customer| async move {
            let Cached { value, reading } = core.sites(&ctx, &customer).await?;
            let granted = core.policy.authorize(&ctx.principal, Action::Read, key(&customer))?;
            let sites = matching(&value.items, &Wildcard::All, &granted);
            let sites = core.with_sleep(&customer, sites);
            Ok(Cached { value: Arc::new(Page::whole(sites)), reading })
        });
        Listing::begin(&self.core, ctx, scope, paging, query)
    }

    /// One site.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(
        &self,
        ctx: &CallContext,
        customer: &str,
        site: &Wildcard<NameOrId>,
    ) -> Result<Located<Site>, Error> {
        let (customer, id) = self.core.authorize_site(ctx, Action::Read, customer, site).await?;
        let sites = self.core.sites(ctx, &customer).await?;
        ctx.note_reading(sites.reading);
        let item = sites.value.items.iter().find(|site| site.id == id.as_str());
        let item = item.ok_or(Error::NotFound)?.clone();
        let item = self.core.with_sleep(&customer, vec![item]).remove(0);
        Ok(Located { customer, site: None, item })
    }

    /// The administrator behind the customer's credential.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn me(&self, ctx: &CallContext, customer: &str) -> Result<Located<Me>, Error> {
        let (account, granted) = self.core.authorize(ctx, Action::Read, customer)?;
        let customer = Arc::clone(account.usable()?);
        let mut item = self.core.upstream.daas.me(ctx, &customer).await?;
        // A credential may reach further than the caller's grants.
        item.customers.retain(|reached| reached.id.eq_ignore_ascii_case(customer.id.as_str()));
        for reached in &mut item.customers {
            let sites = matching(&reached.sites, &Wildcard::All, &granted);
            reached.sites = self.core.with_sleep(&customer, sites);
        }
        Ok(Located { customer, site: None, item })
    }
}

fn key(customer: &Customer) -> CustomerKey<'_> {
    CustomerKey { name: customer.name.as_str(), id: customer.id.as_str(), labels: &customer.labels }
}
