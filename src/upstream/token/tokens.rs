use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

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
/// A plain map rather than a cache that evicts: forgetting a credential would forget its
/// quarantine as well, and a refused secret would be tried again and again. It holds one entry
/// per credential in the configuration, and drops those that nobody has used for a day.
#[derive(Debug)]
pub(in crate::upstream) struct Tokens {
    hosts: Arc<Hosts>,
    mint: Arc<dyn Mint>,
    settings: TokenSettings,
    clock: Arc<dyn Clock>,
    jitter: Jitter,
    credentials: RwLock<HashMap<Key, Arc<Credential>>>,
}

impl Tokens {
    pub(in crate::upstream) fn new(
        hosts: Arc<Hosts>,
        mint: Arc<dyn Mint>,
        settings: TokenSettings,
        clock: Arc<dyn Clock>,
        jitter: Jitter,
    ) -> Self {
        Self { hosts, mint, settings, clock, jitter, credentials: RwLock::default() }
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

    fn key(&self, customer: &Customer) -> Option<Key> {
        Some(Key::new(customer, self.hosts.base(customer, Service::Token)?))
    }

    fn find(&self, key: &Key) -> Option<Arc<Credential>> {
        self.credentials.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn credential(&self, customer: &Customer) -> Option<Arc<Credential>> {
        let key = self.key(customer)?;
        if let Some(credential) = self.find(&key) {
            return Some(credential);
        }
        let request = MintRequest {
            endpoint: key.endpoint().to_owned(),
            form: self.hosts.token_form(&customer.region)?,
            client_id: customer.client_id.clone(),
            secret: secrecy::SecretString::default(),
            region: customer.region.clone(),
            customer: customer.name.clone(),
        };
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        credentials.retain(|other, credential| {
            *other == key || now.saturating_duration_since(credential.last_used()) < FORGET_AFTER
        });
        // Somebody may have been faster between the two locks.
        let credential = credentials.entry(key).or_insert_with(|| {
            Credential::start(
                Arc::clone(&self.mint),
                request,
                customer.client_secrets.iter().map(|s| s.secret.clone()).collect(),
                self.settings.clone(),
                Arc::clone(&self.clock),
                self.jitter.clone(),
            )
        });
        Some(Arc::clone(credential))
    }
}

/// A credential that nobody has used for so long was removed or replaced.
const FORGET_AFTER: Duration = Duration::from_hours(24);
