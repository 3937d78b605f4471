use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use moka::sync::Cache;
use tokio::time::Instant;

use super::{
    Jitter, Lease, Refusal, TokenState, TokenStatus,
    credential::Credential,
    key::Key,
    mint::{Mint, MintRequest},
};
use crate::{
    config::{Customer, TokenSettings},
    domain::Clock,
    upstream::{Service, hosts::Hosts},
};

/// Every credential in use.
///
/// The cache has no bound on its size: it holds one entry per credential of the configuration, and
/// evicting one would forget its quarantine, so that a refused secret would be tried again and
/// again. What nobody has used for a day was removed or replaced, and goes.
#[derive(Debug)]
pub(in crate::upstream) struct Tokens {
    hosts: Arc<Hosts>,
    mint: Arc<dyn Mint>,
    settings: TokenSettings,
    clock: Arc<dyn Clock>,
    jitter: Jitter,
    credentials: Cache<Key, Arc<Credential>>,
}

impl Tokens {
    pub(in crate::upstream) fn new(
        hosts: Arc<Hosts>,
        mint: Arc<dyn Mint>,
        settings: TokenSettings,
        clock: Arc<dyn Clock>,
        jitter: Jitter,
    ) -> Self {
        let credentials = Cache::builder().time_to_idle(FORGET_AFTER).build();
        Self { hosts, mint, settings, clock, jitter, credentials }
    }

    /// A token of the customer's credential, at once or when the one being asked for arrives.
    pub(in crate::upstream) async fn acquire(
        &self,
        customer: &Customer,
        deadline: Instant,
    ) -> Result<Lease, Refusal> {
        let credential = self.credential(customer).ok_or(Refusal::NotConfigured)?;
        credential.acquire(deadline).await
    }

    /// What is known of the customer's token.
    pub(in crate::upstream) fn status(&self, customer: &Customer) -> TokenStatus {
        self.key(customer).and_then(|key| self.find(&key)).map_or(
            TokenStatus {
                state: TokenState::Empty,
                expires: None,
                quarantined_since: None,
                last_error_reason: None,
            },
            |credential| credential.status(),
        )
    }

    /// Lifts quarantine and pauses.
    pub(in crate::upstream) fn release(&self, customer: &Customer) {
        if let Some(credential) = self.key(customer).and_then(|key| self.find(&key)) {
            credential.release();
        }
    }

    /// Asks for a token with each secret, and keeps none.
    pub(in crate::upstream) async fn try_secrets(
        &self,
        customer: &Customer,
    ) -> Vec<Result<(), String>> {
        let asked = customer.client_secrets.iter().map(|secret| async {
            let request = self.request(customer).ok_or("the region has no token service")?;
            let request = MintRequest { secret: secret.secret.clone(), ..request };
            self.mint.mint(&request).await.map(drop).map_err(|failure| failure.reason)
        });
        join_all(asked).await
    }

    /// How a token is asked for, without a secret.
    fn request(&self, customer: &Customer) -> Option<MintRequest> {
        Some(MintRequest {
            endpoint: self.key(customer)?.endpoint().to_owned(),
            form: self.hosts.token_form(&customer.region)?,
            client_id: customer.client_id.clone(),
            secret: secrecy::SecretString::default(),
            region: customer.region.clone(),
            customer: customer.name.clone(),
        })
    }

    fn key(&self, customer: &Customer) -> Option<Key> {
        Some(Key::new(customer, self.hosts.base(customer, Service::Token)?))
    }

    fn find(&self, key: &Key) -> Option<Arc<Credential>> {
        self.credentials.get(key)
    }

    fn credential(&self, customer: &Customer) -> Option<Arc<Credential>> {
        let key = self.key(customer)?;
        if let Some(credential) = self.find(&key) {
            return Some(credential);
        }
        let request = self.request(customer)?;
        // Concurrent first callers wait for one start.
        let credential = self.credentials.get_with(key, || {
            Credential::start(
                Arc::clone(&self.mint),
                request,
                customer.client_secrets.iter().map(|s| s.secret.clone()).collect(),
                self.settings.clone(),
                Arc::clone(&self.clock),
                self.jitter.clone(),
            )
        });
        Some(credential)
    }
}

/// A credential that nobody has used for so long was removed or replaced.
const FORGET_AFTER: Duration = Duration::from_hours(24);
