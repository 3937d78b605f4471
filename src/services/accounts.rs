use std::sync::Arc;

use super::{Account, Core, Error, Paging, Scope, cursor::Cursor};
use crate::{
    auth::Denied,
    config::{Grant, Region},
    domain::{Action, AppName, AuthMethod, CallContext},
    upstream::{ServiceHealth, TokenStatus},
};

/// Customers, regions and the caller itself: what the gateway knows without asking Citrix.
#[derive(Clone, Debug)]
pub struct Accounts {
    core: Arc<Core>,
}

/// The caller, as the gateway sees it.
#[derive(Clone, Debug)]
pub struct Whoami {
    /// The app.
    pub app: AppName,
    /// How it was authenticated.
    pub method: AuthMethod,
    /// What it may do.
    pub grants: Vec<Grant>,
}

/// A customer and how the gateway gets on with it.
#[derive(Clone, Debug)]
pub struct CustomerDetail {
    /// The customer.
    pub account: Account,
    /// The state of its credential; `None` if it is misconfigured.
    pub credential: Option<TokenStatus>,
    /// What the last calls to each service gave.
    pub health: Vec<ServiceHealth>,
}

/// A region and how its services answer.
#[derive(Clone, Debug)]
pub struct RegionDetail {
    /// The region.
    pub region: Region,
    /// Health of the services there, per customer that the caller may see.
    pub health: Vec<ServiceHealth>,
}

impl Accounts {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Who the caller is.
    pub fn whoami(&self, ctx: &CallContext) -> Whoami {
        Whoami {
            app: ctx.principal.app.clone(),
            method: ctx.principal.method.clone(),
            grants: self.core.policy.grants(&ctx.principal).to_vec(),
        }
    }

    /// A page of the customers in scope that the caller may read, and the token of the next.
    ///
    /// # Errors
    /// When the caller may read none at all, or the scope names what is not there.
    pub fn list(
        &self,
        ctx: &CallContext,
        scope: &Scope,
        paging: &Paging,
    ) -> Result<(Vec<CustomerDetail>, Option<String>), Error> {
        let core = &self.core;
        self.read_anything(ctx)?;
        let start = match &paging.token {
            Some(token) => Cursor::open(token, &core.page_tokens, &paging.binding)?.customer,
            None => String::new(),
        };
        let accounts = core.directory.select(scope, &core.policy, &ctx.principal)?;
        let mut readable = accounts.into_iter().filter(|account| {
            account.name().as_str() >= start.as_str()
                && core.policy.scope(&ctx.principal, Action::Read, account.key()).is_some()
        });
        let page = readable.by_ref().take(paging.size).map(|a| self.detail(a)).collect();
        let next = match readable.next() {
            None => None,
            Some(account) => {
                let cursor = Cursor { customer: account.name().to_string(), ..Cursor::default() };
                Some(cursor.seal(&core.page_tokens, &paging.binding)?)
            }
        };
        Ok((page, next))
    }

    /// One customer.
    ///
    /// # Errors
    /// When it is not there or the caller may not read it.
    pub fn get(&self, ctx: &CallContext, customer: &str) -> Result<CustomerDetail, Error> {
        let (account, _) = self.core.authorize(ctx, Action::Read, customer)?;
        Ok(self.detail(account))
    }

    /// Every region.
    ///
    /// # Errors
    /// When the caller may read nothing at all.
    pub fn regions(&self, ctx: &CallContext) -> Result<Vec<RegionDetail>, Error> {
        self.read_anything(ctx)?;
        let core = &self.core;
        let seen: Vec<_> = core
            .directory
            .accounts()
            .filter(|a| core.policy.scope(&ctx.principal, Action::Read, a.key()).is_some())
            .collect();
        let details = core.directory.regions().map(|region| RegionDetail {
            health: seen
                .iter()
                .filter(|account| account.region() == Some(&region.name))
                .flat_map(|account| core.upstream.health(account.name()))
                .collect(),
            region: region.clone(),
        });
        Ok(details.collect())
    }

    fn read_anything(&self, ctx: &CallContext) -> Result<(), Error> {
        let policy = &self.core.policy;
        if policy.grants_anywhere(&ctx.principal, Action::Read) {
            return Ok(());
        }
        let on = "any customer".to_owned();
        Err(Denied::forbidden(&ctx.principal, Action::Read, on).into())
    }

    fn detail(&self, account: &Account) -> CustomerDetail {
        let upstream = &self.core.upstream;
        let credential = account.usable().ok().map(|customer| upstream.token_status(customer));
        let health = upstream.health(account.name());
        CustomerDetail { account: account.clone(), credential, health }
    }
}
