use crate::{config::Customer, domain::RegionName};

/// Which credential a token belongs to. Two callers share a token only when all of it is the same,
/// so a token can reach neither another customer nor another control plane, and a new secret
/// starts afresh.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key {
    region: RegionName,
    endpoint: String,
    client_id: String,
    /// The versions of all its secrets, in order: digests, never secrets.
    secrets: String,
}

impl Key {
    pub(super) fn new(customer: &Customer, endpoint: String) -> Self {
        let mut secrets = String::with_capacity(17 * customer.client_secrets.len());
        for secret in &customer.client_secrets {
            secrets.push_str(&secret.version);
            secrets.push(' ');
        }
        Self {
            region: customer.region.clone(),
            endpoint,
            client_id: customer.client_id.clone(),
            secrets,
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}
