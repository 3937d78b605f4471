//! Whom a page asks, and what is known of the others without asking.

use std::{cmp::Ordering, collections::VecDeque, sync::Arc};

use super::Sources;
use crate::{
    auth::{Denied, SiteScope},
    config::Customer,
    domain::{Action, CallContext, Principal, Site},
    services::{
        Account, Core, Error, Scope, SourceReport, SourceStatus, Wildcard,
        cursor::{Cursor, FailedSource, Place},
    },
};

/// Which customers to ask, and what is known of the others without asking.
pub(super) struct Plan {
    pub(super) asks: VecDeque<Ask>,
    /// Customers that earlier pages have used up.
    pub(super) done: Vec<Ask>,
    pub(super) known: Vec<SourceReport>,
}

/// A customer to ask, and where to begin in it.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) customer: Arc<Customer>,
    pub(super) granted: SiteScope,
    pub(super) start: Option<(Option<String>, Place)>,
    /// Its sites that failed on an earlier page.
    pub(super) failed: Vec<FailedSource>,
}

impl Plan {
    pub(super) fn new(
        core: &Core,
        ctx: &CallContext,
        scope: &Scope,
        cursor: Option<&Cursor>,
        sources: Sources,
    ) -> Result<Self, Error> {
        let principal = &ctx.principal;
        let accounts = core.directory.select(scope, &core.policy, principal)?;
        let wildcard = scope.customer == Wildcard::All;
        if wildcard && !core.policy.grants_anywhere(principal, Action::Read) {
            return Err(Denied::forbidden(principal, Action::Read, "any customer".into()).into());
        }
        let mut plan = Self { asks: VecDeque::new(), done: Vec::new(), known: Vec::new() };
        for account in accounts {
            let decision = core.policy.authorize(principal, Action::Read, account.key());
            let granted = match decision {
                Ok(SiteScope::Only(_)) if sources == Sources::Customers => Err(Denied::forbidden(
                    principal,
                    Action::Read,
                    format!("all of customer {:?}", account.name().as_str()),
                )),
                other => other,
            };
            match granted {
                Ok(granted) => plan.add(account, granted, cursor),
                Err(denied) if wildcard => plan.known.push(SourceReport {
                    status: SourceStatus::Skipped,
                    ..SourceReport::unasked(account, Some(denied.into()))
                }),
                Err(denied) => return Err(denied.into()),
            }
        }
        Ok(plan)
    }

    fn add(&mut self, account: &Account, granted: SiteScope, cursor: Option<&Cursor>) {
        let name = account.name().as_str();
        let failed: Vec<_> = cursor.map_or_else(Vec::new, |cursor| {
            cursor.failed.iter().filter(|failed| failed.customer == name).cloned().collect()
        });
        for source in &failed {
            self.known.push(SourceReport {
                site_id: source.site.clone(),
                ..SourceReport::unasked(account, Some(source.error()))
            });
        }
        if failed.iter().any(|source| source.site.is_none()) {
            return;
        }
        let position = cursor.map(|cursor| name.cmp(cursor.customer.as_str()));
        let customer = match account {
            Account::Usable(customer) => Arc::clone(customer),
            Account::Misconfigured(customer) => {
                let error = Error::Misconfigured { customer: customer.name.clone() };
                self.known.push(SourceReport::unasked(account, Some(error)));
                return;
            }
        };
        let start = cursor
            .filter(|_| position == Some(Ordering::Equal))
            .map(|cursor| (cursor.site.clone(), cursor.place.clone()));
        let ask = Ask { customer, granted, start, failed };
        if position == Some(Ordering::Less) {
            self.done.push(ask);
        } else {
            self.asks.push_back(ask);
        }
    }
}

impl Ask {
    /// Whether this site failed on an earlier page.
    pub(super) fn has_lost(&self, site: &str) -> bool {
        self.failed.iter().any(|failed| failed.site.as_deref() == Some(site))
    }

    pub(super) fn denied(&self, principal: &Principal, site: &Site) -> Denied {
        let on = format!("site {} of customer {:?}", site.id, self.customer.name.as_str());
        Denied::forbidden(principal, Action::Read, on)
    }
}
