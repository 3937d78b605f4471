//! HTTP out: everything that is asked of Citrix, and nothing that is decided about it.
//!
//! A client method reads like the vendor's manual: build a [`Call`](call::Call), send it through
//! the one [`Transport`](transport::Transport), decode the reply with the client's private
//! `wire` types, return domain types. Tokens come from [`token`]; every fault becomes the one
//! [`Error`].

pub mod cloud;
pub mod daas;

mod error;
mod health;
mod observer;
mod service;
mod token;

use std::{collections::BTreeMap, sync::Arc};

pub use error::{Error, ErrorKind};
pub use health::{HealthStatus, ServiceHealth};
pub use observer::{NoObserver, ObservedCall, Observer};
pub use service::Service;
pub use token::{TokenState, TokenStatus};

use crate::{
    config::{self, UpstreamSettings},
    domain::{Clock, CustomerName, RegionName},
    net,
};

/// Everything that can be asked of Citrix. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The platform services: resource locations, service states, notifications.
    pub cloud: cloud::Client,
    /// Citrix DaaS.
    pub daas: daas::Client,
}

impl Upstream {
    /// Builds the HTTP client and the table of hosts. Nothing is sent.
    pub fn new(
        regions: &BTreeMap<RegionName, config::Region>,
        settings: &UpstreamSettings,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, net::Error> {
        unimplemented!()
    }

    /// What is known of a customer's token. Never the token.
    pub fn token_status(&self, customer: &config::Customer) -> TokenStatus {
        unimplemented!()
    }

    /// How each service last answered for a customer.
    pub fn health(&self, customer: &CustomerName) -> Vec<ServiceHealth> {
        unimplemented!()
    }

    /// Lifts a quarantine or a pause, so that the next call asks for a token at once.
    pub fn release(&self, customer: &config::Customer) {
        unimplemented!()
    }
}
