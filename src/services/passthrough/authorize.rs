use std::num::NonZeroU32;

use super::{Passthrough, classify::Reach, deed::Deed, invalid};
use crate::{
    auth::{Denied, SiteScope},
    domain::CallContext,
    services::{Account, Error, core::require_reason},
};

impl Passthrough {
    /// Decides on one deed. A grant on single sites covers what names no other site; of what names
    /// none it covers only what every client asks for before it can name one.
    pub(super) fn authorize(
        &self,
        ctx: &CallContext,
        account: &Account,
        deed: &Deed,
    ) -> Result<(), Error> {
        let (policy, who, key) = (&self.core.policy, &ctx.principal, account.key());
        let denied = |on: &str| -> Error {
            let customer = account.name().as_str();
            let on = match &deed.reference {
                Some(item) => format!("{on}customer {customer:?}, for item {item:?} of the batch"),
                None => format!("{on}customer {customer:?}"),
            };
            Denied::forbidden(who, deed.action, on).into()
        };
        let granted = policy.scope(who, deed.action, key).ok_or_else(|| denied(""))?;
        if granted != SiteScope::All {
            let visible = policy.visible_sites(who, key).ok_or(Error::NotFound)?;
            if deed.sites.iter().any(|site| !visible.contains(site)) {
                return Err(Error::NotFound);
            }
            if let Some(other) = deed.sites.iter().find(|site| !granted.contains(site)) {
                return Err(denied(&format!("site {other} of ")));
            }
            if deed.sites.is_empty() && !deed.greets {
                return Err(denied("all of "));
            }
        }
        let named = deed.sites.iter().map(|site| Some(site.as_str()));
        let mut places = named.chain(deed.sites.is_empty().then_some(None));
        let needed = || places.any(|site| policy.needs_reason(who, deed.action, key, site));
        require_reason(ctx, needed).map_err(|_| {
            let detail =
                "this app must say why it acts, which Citrix's own paths cannot carry; use /v1";
            invalid("/reason", detail)
        })
    }

    /// Counts the machines that are acted on, where the app's are limited. An app that is limited
    /// may not act where nobody can count.
    pub(super) fn count_machines(&self, ctx: &CallContext, deeds: &[Deed]) -> Result<(), Error> {
        let Some(limit) = self.core.quotas.machine_limit(&ctx.principal.app) else { return Ok(()) };
        if deeds.iter().any(|deed| deed.reach == Reach::Unknown) {
            let detail = format!(
                "this app may act on {limit} machines in an hour, and on how many this acts cannot \
                 be told; use /v1/operations"
            );
            return Err(invalid("/", detail));
        }
        let count = deeds.iter().filter(|deed| deed.reach == Reach::One).count();
        let count = u32::try_from(count).ok().and_then(NonZeroU32::new);
        let Some(count) = count else { return Ok(()) };
        if count > limit {
            let detail = format!(
                "the batch acts on {count} machines, and this app may act on {limit} in an hour"
            );
            return Err(invalid("/Items", detail));
        }
        self.core.count_machines(ctx, count)
    }
}
