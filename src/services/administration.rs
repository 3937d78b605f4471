use std::sync::Arc;

use super::{
    Account, Core, Error, Step, Trouble,
    checkup::{CREDENTIAL_FIX, sign_in},
};
use crate::{
    auth::Denied,
    config::{ClientSecret, Customer, Store, StoreAuth},
    domain::{Action, CallContext, CustomerName, StoreName},
    upstream::{BreakerStatus, CooldownStatus, SlotStatus, TokenStatus},
};

/// What operators do about the gateway itself.
#[derive(Clone, Debug)]
pub struct Administration {
    core: Arc<Core>,
}

/// A customer and the state of its credential; `None` if it is misconfigured.
#[derive(Clone, Debug)]
pub struct CredentialDetail {
    /// The customer.
    pub account: Account,
    /// The state of its credential.
    pub status: Option<TokenStatus>,
}

/// A store and the state of its service account.
#[derive(Clone, Debug)]
pub struct StoreCredentialDetail {
    /// The store.
    pub store: StoreName,
    /// The state of the account's sign-in.
    pub status: TokenStatus,
}

/// What came of trying a credential.
#[derive(Clone, Debug)]
pub struct CredentialCheck {
    /// The customer.
    pub customer: CustomerName,
    /// What was tried, in order.
    pub steps: Vec<Step>,
    accepted: bool,
}

/// What keeps calls away from Citrix just now.
#[derive(Clone, Debug)]
pub struct Guards {
    /// Every breaker that was ever needed.
    pub breakers: Vec<BreakerStatus>,
    /// Every service that is left alone because it said 429.
    pub cooldowns: Vec<CooldownStatus>,
    /// Calls under way and waiting.
    pub slots: Vec<SlotStatus>,
}

impl CredentialCheck {
    /// Whether the gateway can work with it: one secret is enough.
    pub fn is_well(&self) -> bool {
        let mut others = self.steps.iter().filter(|step| step.name != TOKEN);
        self.accepted && others.all(|step| step.outcome.is_ok())
    }
}

impl Administration {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Authorizes what is about the process and so about every customer.
    ///
    /// # Errors
    /// When the caller may not administer all customers.
    pub fn authorize_process(&self, ctx: &CallContext) -> Result<(), Error> {
        Ok(self.core.policy.authorize_everywhere(&ctx.principal, Action::Admin)?)
    }

    /// The credentials of the customers that the caller may administer, in the order of names.
    ///
    /// # Errors
    /// When the caller may administer nothing at all.
    pub fn credentials(&self, ctx: &CallContext) -> Result<Vec<CredentialDetail>, Error> {
        let policy = &self.core.policy;
        if !policy.grants_anywhere(&ctx.principal, Action::Admin) {
            let on = "any customer or store".to_owned();
            return Err(Denied::forbidden(&ctx.principal, Action::Admin, on).into());
        }
        let may = |account: &&Account| {
            policy.authorize_whole(&ctx.principal, Action::Admin, account.key()).is_ok()
        };
        Ok(self.core.directory.accounts().filter(may).map(|account| self.detail(account)).collect())
    }

    /// The service accounts of the stores that the caller may administer, in the order of names.
    pub fn store_credentials(&self, ctx: &CallContext) -> Vec<StoreCredentialDetail> {
        let may = |store: &&Arc<Store>| {
            let store = store.name.as_str();
            self.core.policy.authorize_store(&ctx.principal, Action::Admin, store).is_ok()
        };
        let with_account = self.core.stores.values().filter(|store| has_account(store));
        with_account.filter(may).map(|store| self.store_detail(store)).collect()
    }

    /// What keeps calls away from Citrix, for every customer and region.
    ///
    /// # Errors
    /// When the caller may not administer all customers.
    pub fn guards(&self, ctx: &CallContext) -> Result<Guards, Error> {
        self.authorize_process(ctx)?;
        let upstream = &self.core.upstream;
        Ok(Guards {
            breakers: upstream.breakers(),
            cooldowns: upstream.cooldowns(),
            slots: upstream.slots(),
        })
    }

    /// Lifts the quarantine, or another pause, of a customer's credential.
    ///
    /// # Errors
    /// When it is not there, misconfigured, or the caller may not administer it.
    pub fn release(&self, ctx: &CallContext, customer: &str) -> Result<CredentialDetail, Error> {
        let customer = self.core.authorize_whole(ctx, Action::Admin, customer)?;
        self.core.upstream.release(customer);
        tracing::info!(
            cwsgate.customer = customer.name.as_str(),
            cwsgate.app = ctx.principal.app.as_str(),
            "an operator released the credential"
        );
        Ok(self.detail(&Account::Usable(Arc::clone(customer))))
    }

    /// Lifts the quarantine, or another pause, of a store's service account.
    ///
    /// # Errors
    /// When the store is not there, has no service account, or the caller may not administer it.
    pub fn release_store(
        &self,
        ctx: &CallContext,
        store: &str,
    ) -> Result<StoreCredentialDetail, Error> {
        self.core.policy.authorize_store(&ctx.principal, Action::Admin, store)?;
        let store = self.core.stores.get(store).ok_or(Error::NotFound)?;
        if !has_account(store) {
            let detail = format!(
                "store {} has no account of the gateway's: each app signs its own users in",
                store.name
            );
            return Err(Error::Invalid { pointer: "/store".to_owned(), detail });
        }
        self.core.upstream.storefront.release(store);
        tracing::info!(
            store = store.name.as_str(),
            cwsgate.app = ctx.principal.app.as_str(),
            "an operator released the service account"
        );
        Ok(self.store_detail(store))
    }

    /// Tries every secret of a customer at the token service, in whatever state the credential is,
    /// and asks Citrix who it belongs to. What works is released from quarantine.
    ///
    /// # Errors
    /// When the customer is not there, misconfigured, or the caller may not administer it.
    pub async fn test(&self, ctx: &CallContext, customer: &str) -> Result<CredentialCheck, Error> {
        let customer = self.core.authorize_whole(ctx, Action::Admin, customer)?;
        let upstream = &self.core.upstream;
        let found = upstream.try_secrets(customer).await;
        let accepted = found.iter().any(Result::is_ok);
        let mut steps = secret_steps(customer, found);
        if accepted {
            upstream.release(customer);
            steps.extend(sign_in(upstream, ctx, customer).await.0);
        }
        Ok(CredentialCheck { customer: customer.name.clone(), steps, accepted })
    }

    fn detail(&self, account: &Account) -> CredentialDetail {
        let customer = account.usable().ok();
        let status = customer.map(|customer| self.core.upstream.token_status(customer));
        CredentialDetail { account: account.clone(), status }
    }

    fn store_detail(&self, store: &Arc<Store>) -> StoreCredentialDetail {
        let status = self.core.upstream.storefront.account_status(store);
        StoreCredentialDetail { store: store.name.clone(), status }
    }
}

fn has_account(store: &Store) -> bool {
    !matches!(store.auth, StoreAuth::Caller)
}

fn secret_steps(customer: &Customer, found: Vec<Result<(), String>>) -> Vec<Step> {
    let of = customer.client_secrets.len();
    let secrets = customer.client_secrets.iter().zip(found).enumerate();
    let step = |(index, (secret, result)): (usize, (&ClientSecret, Result<(), String>))| {
        let which = format!("secret {} of {of}", index + 1);
        let outcome = match (result, secret.expires) {
            (Ok(()), None) => Ok(format!("{which} is accepted")),
            (Ok(()), Some(end)) => Ok(format!("{which} is accepted, and said to end {end}")),
            (Err(reason), _) => Err(Trouble {
                detail: format!("{which}: {reason}"),
                fix: CREDENTIAL_FIX.to_owned(),
            }),
        };
        Step { name: TOKEN, outcome }
    };
    secrets.map(step).collect()
}

const TOKEN: &str = "token";
