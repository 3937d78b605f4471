use std::{fmt, sync::Arc};

use secrecy::SecretString;

use super::{Access, PowerOffLink, PowerOffOutcome, Resources, Session};
use crate::{
    config::Store,
    domain::{CallContext, ClientName},
    upstream::{Error, ErrorKind, Service, TokenState, TokenStatus},
};

/// Asks StoreFront stores. Stores come with each call, so that new ones and new accounts need no
/// new client.
#[derive(Clone, Debug)]
pub struct Client {}

impl Client {
    pub(in crate::upstream) fn new() -> Self {
        Self {}
    }

    /// A visit to a store: one use case's calls, all as the same account. Sends nothing.
    pub fn visit(&self, store: &Arc<Store>, access: Access) -> Visit {
        Visit { store: Arc::clone(store), access }
    }

    /// Signs a caller's user in, once: a refusal is never tried again, since repeated failures
    /// lock accounts.
    ///
    /// # Errors
    /// [`ErrorKind::SignInRefused`] for a wrong or expired password and whatever else the store
    /// wants that a user name and a password cannot give.
    pub async fn sign_in(
        &self,
        _ctx: &CallContext,
        store: &Arc<Store>,
        _username: &str,
        _password: &SecretString,
    ) -> Result<Session, Error> {
        let name = store.name.clone();
        Err(Error::new(ErrorKind::NotConfigured, "storefront.sign-in", Service::StoreFront, name))
    }

    /// What is known of the store's service account and its sign-in. Never the token.
    pub fn account_status(&self, _store: &Arc<Store>) -> TokenStatus {
        TokenStatus {
            state: TokenState::Empty,
            expires: None,
            quarantined_since: None,
            last_error_reason: None,
        }
    }

    /// Lifts the quarantine of the store's service account, so that the next call signs in.
    pub fn release(&self, _store: &Arc<Store>) {}
}

/// One use case's calls to a store, all as the same account.
pub struct Visit {
    store: Arc<Store>,
    access: Access,
}

impl Visit {
    /// What the store offers to the account. Never subscribes anybody to anything.
    pub async fn resources(&self, _ctx: &CallContext) -> Result<Resources, Error> {
        let name = self.store.name.clone();
        Err(Error::new(
            ErrorKind::NotConfigured,
            "storefront.resources.list",
            Service::StoreFront,
            name,
        ))
    }

    /// Posts a power-off to a link that [`resources`](Self::resources) gave.
    ///
    /// Sent once; repeated only after a 401, which did nothing.
    ///
    /// # Errors
    /// [`ErrorKind::OutcomeUnknown`] when the answer was lost or the store broke down after the
    /// request was written. After every other error the machine was not touched.
    pub async fn power_off(
        &self,
        _ctx: &CallContext,
        _link: &PowerOffLink,
        _client_name: &ClientName,
    ) -> Result<PowerOffOutcome, Error> {
        let name = self.store.name.clone();
        Err(Error::new(
            ErrorKind::NotConfigured,
            "storefront.resources.power-off",
            Service::StoreFront,
            name,
        ))
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit")
            .field("store", &self.store.name)
            .field("access", &self.access)
            .finish()
    }
}
