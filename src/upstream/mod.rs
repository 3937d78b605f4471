//! HTTP out: everything that is asked of Citrix, and nothing that is decided about it.
//!
//! A client method reads like the vendor's manual: build a `Call`, send it through the one
//! `Transport`, decode the reply with the client's private `wire` types, return domain types.
//! Tokens come from the `token` room; every fault becomes the one [`Error`]. What may be repeated,
//! and how many calls may be under way, is for the `resilience` room to say.

pub mod cloud;
pub mod daas;
#[doc(hidden)]
pub mod fuzz;
pub mod passthrough;
pub mod storefront;

mod call;
mod error;
mod exchange;
mod fault;
mod health;
mod hibernation;
mod hosts;
mod json;
mod lenient;
mod observer;
mod reply;
mod report;
mod resilience;
mod service;
mod token;
mod transport;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, sync::Arc};

pub use error::{Error, ErrorKind, Place};
pub use health::{HealthStatus, ServiceHealth};
pub use observer::{NoObserver, ObservedCall, Observer};
pub use passthrough::BodyFault;
pub use resilience::{
    BreakerScope, BreakerState, BreakerStatus, CooldownStatus, Guard, GuardEvent, GuardEventKind,
    Outcome, Permit, SlotStatus,
};
pub use service::Service;
pub use token::{TokenState, TokenStatus};

use self::{
    hibernation::Hibernation,
    hosts::Hosts,
    report::Reporter,
    resilience::Retry,
    token::{HttpMint, Jitter, Tokens},
    transport::Transport,
};
use crate::{
    config::{self, UpstreamSettings},
    domain::{Clock, CustomerName, RegionName, SiteId},
    net,
};

/// Everything that can be asked of Citrix. Cheap to clone; the clones share tokens and
/// connections.
#[derive(Clone)]
pub struct Upstream {
    /// The platform services: resource locations, service states, notifications.
    pub cloud: cloud::Client,
    /// Citrix DaaS.
    pub daas: daas::Client,
    /// StoreFront stores.
    pub storefront: storefront::Client,
    /// Calls that are passed on as they came.
    pub passthrough: passthrough::Client,
    transport: Arc<Transport>,
}

impl Upstream {
    /// Builds the HTTP client and the table of hosts. Nothing is sent until something is asked.
    ///
    /// Customers come with each call, so new customers and secrets need no new `Upstream`; other
    /// regions or settings do, and it starts without tokens.
    pub fn new(
        regions: &BTreeMap<RegionName, config::Region>,
        settings: &UpstreamSettings,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, net::Error> {
        let hosts = Arc::new(Hosts::new(regions)?);
        let options = net::ClientOptions {
            connect_timeout: settings.connect_timeout,
            ..net::ClientOptions::default()
        };
        let client = net::client(&options)?;
        let resilience = settings.resilience;
        let guard = Guard::new(resilience, Arc::clone(&observer));
        let retry = Arc::new(Retry::new(resilience.retry, Jitter::random()));
        let reporter = Arc::new(Reporter::new(observer, Arc::clone(&clock)));
        let mint = HttpMint::new(
            client.clone(),
            Arc::clone(&clock),
            Arc::clone(&reporter),
            settings.token.mint_timeout,
        );
        let tokens = Tokens::new(
            Arc::clone(&hosts),
            Arc::new(mint),
            settings.token.clone(),
            Arc::clone(&clock),
            Jitter::random(),
        );
        let storefront = storefront::Client::new(
            client.clone(),
            Arc::clone(&clock),
            Arc::clone(&reporter),
            (guard.clone(), Arc::clone(&retry)),
            settings.read_timeout,
            settings.token.clone(),
        );
        let transport = Arc::new(Transport {
            client,
            hosts,
            tokens,
            guard,
            retry,
            hibernation: Hibernation::new(settings.hibernated_recheck),
            clock,
            reporter,
            read_timeout: settings.read_timeout,
            max_body_bytes: settings.max_body_bytes,
        });
        Ok(Self {
            cloud: cloud::Client::new(Arc::clone(&transport)),
            daas: daas::Client::new(
                Arc::clone(&transport),
                settings.job_poll_min,
                settings.job_poll_max,
            ),
            storefront,
            passthrough: passthrough::Client::new(
                Arc::clone(&transport),
                net::streaming_client(&options),
            ),
            transport,
        })
    }

    /// What is known of a customer's token. Never the token.
    pub fn token_status(&self, customer: &config::Customer) -> TokenStatus {
        self.transport.tokens.status(customer)
    }

    /// How each service last answered for a customer.
    pub fn health(&self, customer: &CustomerName) -> Vec<ServiceHealth> {
        self.transport.reporter.health(customer)
    }

    /// Whether a site was hibernated when it last answered, whoever asked.
    pub fn is_hibernated(&self, customer: &CustomerName, site: &SiteId) -> bool {
        self.transport.hibernation.seen(customer, site).is_some()
    }

    /// The same, and so lately that who only lists sites need not ask it.
    pub fn is_asleep(&self, customer: &CustomerName, site: &SiteId) -> bool {
        self.transport.hibernation.is_recent(customer, site)
    }

    /// Lets calls through, or says why not. Whoever calls Citrix by another way than the clients
    /// here asks it too.
    pub fn guard(&self) -> &Guard {
        &self.transport.guard
    }

    /// Every breaker that was ever needed.
    pub fn breakers(&self) -> Vec<BreakerStatus> {
        self.guard().breakers()
    }

    /// Every service that is left alone because it said 429.
    pub fn cooldowns(&self) -> Vec<CooldownStatus> {
        self.guard().cooldowns()
    }

    /// Calls under way and waiting, where there are any.
    pub fn slots(&self) -> Vec<SlotStatus> {
        self.guard().slots()
    }

    /// Asks for a token with each secret of a customer, best first, in whatever state its
    /// credential is, and keeps none. Why one was refused is in our words.
    pub async fn try_secrets(&self, customer: &config::Customer) -> Vec<Result<(), String>> {
        self.transport.tokens.try_secrets(customer).await
    }

    /// Lifts a quarantine or a pause, so that the next call asks for a token at once.
    pub fn release(&self, customer: &config::Customer) {
        self.transport.tokens.release(customer);
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").finish_non_exhaustive()
    }
}
