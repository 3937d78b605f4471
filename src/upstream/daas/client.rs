use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use super::wire::{self, IntoDomain};
use crate::{
    config::Customer,
    domain::{CallContext, Me, Page, PageRequest, SiteId},
    upstream::{Error, ErrorKind, Service, call::Call, reply::Reply, transport::Transport},
};

/// Asks Citrix DaaS.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
    pub(super) job_poll_min: Duration,
    pub(super) job_poll_max: Duration,
}

impl Client {
    pub(in crate::upstream) fn new(
        transport: Arc<Transport>,
        job_poll_min: Duration,
        job_poll_max: Duration,
    ) -> Self {
        Self { transport, job_poll_min, job_poll_max }
    }

    /// Shows the administrator behind the credential, with customers and sites (`GET /me`).
    pub async fn me(&self, ctx: &CallContext, customer: &Arc<Customer>) -> Result<Me, Error> {
        let call = Call::get("daas.me.get", Service::Daas).path("me");
        self.one::<wire::Me>(ctx, customer, call).await
    }

    pub(super) async fn send(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        call: &Call,
    ) -> Result<Reply, Error> {
        self.transport.send(ctx, customer, call).await
    }

    /// Fetches one object.
    pub(super) async fn one<T: IntoDomain + DeserializeOwned>(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        call: Call,
    ) -> Result<T::Domain, Error> {
        let reply = self.send(ctx, customer, &call).await?;
        if let Some(absent) = reply.no_object().filter(|_| call.names_object) {
            return Err(absent);
        }
        let object: T = reply.json()?;
        object.into_domain().ok_or_else(|| reply.malformed(Unidentified))
    }

    /// Fetches one part of a list.
    pub(super) async fn page<T: IntoDomain + DeserializeOwned>(
        &self,
        ctx: &CallContext,
        customer: &Customer,
        call: Call,
        page: &PageRequest,
    ) -> Result<Page<T::Domain>, Error> {
        let call = match page.limit {
            Some(limit) => call.query("limit", limit.clamp(1, LARGEST_PAGE).to_string()),
            None => call,
        };
        let call = match &page.continuation {
            Some(token) => call.query("continuationToken", token.as_str()),
            None => call,
        };
        let reply = self.send(ctx, customer, &call).await?;
        let list: wire::List<T> = reply.json()?;
        let continuation = list.continuation_token.filter(|token| !token.is_empty());
        if continuation.is_some() && continuation == page.continuation {
            return Err(reply.malformed("the list goes on where it began"));
        }
        let items = list.items.into_iter().map(T::into_domain).collect::<Option<_>>();
        let items = items.ok_or_else(|| reply.malformed(Unidentified))?;
        Ok(Page { items, continuation })
    }
}

/// An error about a call without an answer of its own.
pub(super) fn error(kind: ErrorKind, call: &Call, customer: &Customer) -> Error {
    Error::new(kind, call.operation, call.service, customer.region.clone())
}

/// A call about a site.
pub(super) fn get(operation: &'static str, site: &SiteId) -> Call {
    Call::get(operation, Service::Daas).site(site)
}

/// An object came without what identifies it.
#[derive(Debug, thiserror::Error)]
#[error("an object without an id")]
struct Unidentified;

/// Citrix may refuse larger pages.
const LARGEST_PAGE: u32 = 1000;
