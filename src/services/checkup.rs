//! Whether a customer's credential works, step by step, changing nothing.

use std::sync::Arc;

use super::Error;
use crate::{
    config::Customer,
    domain::{CallContext, SiteId},
    upstream::{self, Service, Upstream},
};

/// One thing that was tried.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it was about.
    pub name: &'static str,
    /// What was found, or what to do about it.
    pub outcome: Result<String, Trouble>,
}

/// Why a step failed.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What happened.
    pub detail: String,
    /// What to do now.
    pub fix: String,
}

impl Step {
    /// A call to Citrix and what it gave.
    pub fn of(name: &'static str, result: Result<String, upstream::Error>) -> Self {
        let outcome = result.map_err(|error| {
            let error = Error::from(error);
            Trouble { detail: error.to_string(), fix: error.code().fix().to_owned() }
        });
        Self { name, outcome }
    }
}

/// Asks Citrix who the customer's credential belongs to and which sites it reaches. The first of
/// these sites, where there is one.
pub async fn sign_in(
    upstream: &Upstream,
    ctx: &CallContext,
    customer: &Arc<Customer>,
) -> (Vec<Step>, Option<SiteId>) {
    let me = match upstream.daas.me(ctx, customer).await {
        Ok(me) => me,
        Err(error) => {
            let step = Step { name: "sign-in", outcome: Err(sign_in_trouble(error)) };
            return (vec![step], None);
        }
    };
    let name = me.display_name.as_deref().unwrap_or("an unnamed client");
    let signed_in = Step { name: "sign-in", outcome: Ok(format!("as {name}")) };
    let own = me.customers.iter().find(|c| c.id.eq_ignore_ascii_case(customer.id.as_str()));
    let site = own.and_then(|own| own.sites.first());
    let Some((site, id)) =
        site.and_then(|site| Some((site, SiteId::try_from(site.id.as_str()).ok()?)))
    else {
        let trouble = Trouble {
            detail: format!("no site of customer {} can be seen", customer.id),
            fix: "check the customer id, and that the API client has a DaaS role".to_owned(),
        };
        return (vec![signed_in, Step { name: "sites", outcome: Err(trouble) }], None);
    };
    let name = site.name.clone().unwrap_or_else(|| id.to_string());
    (vec![signed_in, Step { name: "sites", outcome: Ok(name) }], Some(id))
}

/// A refused credential is not cured by waiting, whatever the gateway would do about it later.
fn sign_in_trouble(error: upstream::Error) -> Trouble {
    let refused = error.service == Service::Token
        && error.status.is_some_and(|status| (400..500).contains(&status) && status != 429);
    let error = Error::from(error);
    let fix = if refused { CREDENTIAL_FIX } else { error.code().fix() };
    Trouble { detail: error.to_string(), fix: fix.to_owned() }
}

/// What to do about a credential that Citrix refuses.
pub(super) const CREDENTIAL_FIX: &str =
    "check client_id and client_secret of this customer, and that the client still exists";
