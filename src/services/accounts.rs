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
    /// The user or service behind the credential, where it names one.
    pub subject: Option<String>,
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
            subject: ctx.principal.subject.clone(),
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
        let start = self.start(paging)?;
        let accounts = core.directory.select(scope, &core.policy, &ctx.principal)?;
        let mut readable = accounts.into_iter().filter(|account| {
            account.name().as_str() >= start.as_str() && self.readable(ctx, account)
        });
        let page = readable.by_ref().take(paging.size).map(|a| self.detail(a)).collect();
        let next = readable.next().map(|account| self.cursor(account.name().as_str(), paging));
        Ok((page, next.transpose()?))
    }

    /// One customer.
    ///
    /// # Errors
    /// When it is not there or the caller may not read it.
    pub fn get(&self, ctx: &CallContext, customer: &str) -> Result<CustomerDetail, Error> {
        let (account, _) = self.core.authorize(ctx, Action::Read, customer)?;
        Ok(self.detail(account))
    }

    /// A page of the regions in scope, and the token of the next. A scope that names customers
    /// is about the regions they live in.
    ///
    /// # Errors
    /// When the caller may read nothing at all, or the scope names what is not there.
    pub fn regions(
        &self,
        ctx: &CallContext,
        scope: &Scope,
        paging: &Paging,
    ) -> Result<(Vec<RegionDetail>, Option<String>), Error> {
        let core = &self.core;
        self.read_anything(ctx)?;
        let start = self.start(paging)?;
        let accounts = core.directory.select(scope, &core.policy, &ctx.principal)?;
        let named = |region: &Region| {
            scope.regions.is_empty() || scope.regions.iter().any(|r| r == region.name.as_str())
        };
        let lived_in = |region: &Region| {
            scope.customers.is_empty()
                || accounts.iter().any(|account| account.region() == Some(&region.name))
        };
        let mut meant = core.directory.regions().filter(|region| {
            region.name.as_str() >= start.as_str() && named(region) && lived_in(region)
        });
        let page = meant.by_ref().take(paging.size).map(|r| self.region_detail(ctx, r)).collect();
        let next = meant.next().map(|region| self.cursor(region.name.as_str(), paging));
        Ok((page, next.transpose()?))
    }

    /// One region.
    ///
    /// # Errors
    /// When it is not there, or the caller may read nothing at all.
    pub fn region(&self, ctx: &CallContext, name: &str) -> Result<RegionDetail, Error> {
        self.read_anything(ctx)?;
        let region = self.core.directory.regions().find(|region| region.name.as_str() == name);
        Ok(self.region_detail(ctx, region.ok_or(Error::NotFound)?))
    }

    /// The name that a page begins with.
    fn start(&self, paging: &Paging) -> Result<String, Error> {
        match &paging.token {
            Some(token) => {
                Ok(Cursor::open(token, &self.core.page_tokens, &paging.binding)?.customer)
            }
            None => Ok(String::new()),
        }
    }

    /// The token of a page that begins with this name.
    fn cursor(&self, name: &str, paging: &Paging) -> Result<String, Error> {
        let cursor = Cursor { customer: name.to_owned(), ..Cursor::default() };
        cursor.seal(&self.core.page_tokens, &paging.binding)
    }

    fn readable(&self, ctx: &CallContext, account: &Account) -> bool {
        self.core.policy.scope(&ctx.principal, Action::Read, account.key()).is_some()
    }

    fn region_detail(&self, ctx: &CallContext, region: &Region) -> RegionDetail {
        let accounts = self.core.directory.accounts();
        let health = accounts
            .filter(|account| account.region() == Some(&region.name))
            .filter(|account| self.readable(ctx, account))
            .flat_map(|account| self.core.upstream.health(account.name()))
            .collect();
        RegionDetail { region: region.clone(), health }
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
