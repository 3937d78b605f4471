//! Calls in Citrix's own words, passed on as they are: whose they are and what they do is decided
//! here, by method and path alone; their bodies are not read, but for those that hold calls.
//!
//! This use case speaks HTTP, since what it passes on is nothing else.

mod authorize;
mod batch;
mod classify;
mod deed;
mod json;
mod named;
mod query;
mod record;
mod surface;

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, header::ACCEPT_ENCODING};

pub use surface::{DropInPath, Surface};

use self::{
    batch::Item,
    classify::{Class, DaasPath, classify, disguised, lower},
    deed::Deed,
    query::Queries,
    record::Told,
    surface::push_query,
};
use super::{Account, Core, Error};
use crate::{
    config::Customer,
    domain::{CallContext, SiteId},
    upstream::passthrough::{Passage, Payload},
};

/// Passes calls on.
#[derive(Clone, Debug)]
pub struct Passthrough {
    core: Arc<Core>,
}

/// A call in Citrix's words.
#[derive(Debug)]
pub struct DropInCall {
    /// Its path.
    pub path: DropInPath,
    /// Its method.
    pub method: Method,
    /// Its query as it came.
    pub query: Option<String>,
    /// Everything the caller sent.
    pub headers: HeaderMap,
    /// Its body; `None` where there is none.
    pub body: Option<Body>,
    /// Where the caller reaches the gateway, such as `https://gateway.example`, as far as that is
    /// known.
    pub gateway: Option<HeaderValue>,
}

impl Passthrough {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Passes a call on, if the caller may make it, and returns Citrix's answer as it streams in.
    ///
    /// A change goes on when the caller goes away once the whole body is here; everything else
    /// stops.
    ///
    /// # Errors
    /// See [`Error`]. What Citrix answers is no error, whatever it says, but for a 401: that one is
    /// about the gateway's own credential.
    pub async fn pass(
        &self,
        ctx: &CallContext,
        mut call: DropInCall,
    ) -> Result<Response<Body>, Error> {
        let account = self.account(ctx, &call)?;
        let site = named::site(&call)?;
        let mut target = call.path.target(account.id());
        let (payload, deeds) = read(&mut call, account, &target, site.as_ref()).await?;
        for deed in &deeds {
            self.authorize(ctx, account, deed)?;
        }
        let customer = Arc::clone(account.usable()?);
        self.count_machines(ctx, &deeds)?;
        let surface = call.path.surface();
        push_query(&mut target, call.query.as_deref());
        let passage = Passage {
            operation: operation(surface),
            service: surface.service(),
            host: surface.host(),
            method: call.method,
            target,
            headers: call.headers,
            site,
            payload,
            writes: deeds.iter().any(Deed::writes),
            prefix: surface.prefix(),
            gateway: call.gateway,
        };
        self.send(ctx, customer, passage, deeds).await
    }

    /// The customer of a call. One that the caller may not see is refused before anything else is
    /// looked at; then what could be read in two ways.
    fn account(&self, ctx: &CallContext, call: &DropInCall) -> Result<&Account, Error> {
        let directory = &self.core.directory;
        let account = directory.find(&named::customer(call)?).ok_or(Error::NotFound)?;
        if !self.core.policy.sees(&ctx.principal, account.key()) {
            return Err(Error::NotFound);
        }
        if let Some(reason) = call.path.unsound() {
            return Err(invalid("/", reason));
        }
        let in_path = call.path.customer().map(|named| directory.find(named));
        if in_path.is_some_and(|found| found.is_none_or(|it| it.name() != account.name())) {
            let detail = "the path names another customer than Citrix-CustomerId";
            return Err(invalid("/Citrix-CustomerId", detail));
        }
        if let Some(reason) = call.query.as_deref().and_then(|it| Queries::of(call).fault(it)) {
            return Err(invalid("/", reason));
        }
        Ok(account)
    }

    /// The one way out, where changes are told from what only reads.
    async fn send(
        &self,
        ctx: &CallContext,
        customer: Arc<Customer>,
        mut passage: Passage,
        mut deeds: Vec<Deed>,
    ) -> Result<Response<Body>, Error> {
        if !passage.writes {
            return Ok(self.core.upstream.passthrough.pass(ctx, &customer, passage).await?);
        }
        deeds.retain(Deed::writes);
        let events = deeds.iter().map(|deed| record::change(&customer, deed)).collect();
        let batch = matches!(passage.payload, Payload::Batch(_));
        if batch {
            // What became of each is read from the answer.
            passage.headers.remove(ACCEPT_ENCODING);
        }
        let (core, own) = (Arc::clone(&self.core), ctx.clone());
        let work = async move {
            // What it changes is not known: it may be anything of the customer's.
            let _writing = core.cache.writing(&customer, None);
            let answer = core.upstream.passthrough.pass(&own, &customer, passage).await?;
            Ok(if batch {
                Told::by_batch(answer, own.deadline).await
            } else {
                Told::unread(answer)
            })
        };
        let judge = move |result: &Result<Told, Error>| record::judge(result, &deeds);
        Ok(self.core.act_and_judge(ctx, events, work, judge).await?.answer)
    }
}

/// What a call asks for, and what goes up of its body. `target` is its path as it goes up, `site`
/// the one in its header.
async fn read(
    call: &mut DropInCall,
    account: &Account,
    target: &str,
    site: Option<&SiteId>,
) -> Result<(Payload, Vec<Deed>), Error> {
    let surface = call.path.surface();
    let path = surface.is_daas().then(|| DaasPath::of(surface, call.path.below()));
    let rest = path.as_ref().map_or_else(|| lower(call.path.below()), |path| path.rest.clone());
    let own = [account.id(), account.name().as_str()];
    if let Some(reason) = path.as_ref().and_then(|path| path.other_form(own)) {
        return Err(invalid("/", reason));
    }
    if !is_read(&call.method)
        && let Some(reason) = disguised(surface, &rest)
    {
        return Err(invalid("/", reason));
    }
    let body = call.body.take();
    let (payload, mut deeds) = match classify(surface, &call.method, &rest) {
        Class::Act(action) => {
            let payload = body.map_or(Payload::Empty, Payload::Stream);
            (payload, vec![Deed::on(path.as_ref(), action, &call.method, target)])
        }
        Class::Batch => {
            let rules = batch::Rules { own, queries: Queries::of(call) };
            let items = batch::read(body.unwrap_or_default(), &rules).await?;
            let (calls, deeds) = items.into_iter().map(|Item { call, deed }| (call, deed)).unzip();
            (Payload::Batch(calls), deeds)
        }
    };
    if let Some(DaasPath { sites, .. }) = path {
        let outer: Vec<_> = sites.into_iter().chain(site.map(ToString::to_string)).collect();
        for deed in &mut deeds {
            deed.sites.extend_from_slice(&outer);
        }
    }
    Ok((payload, deeds))
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn operation(surface: Surface) -> &'static str {
    match surface {
        Surface::Manage | Surface::Preview | Surface::ResourceProvider => "daas.pass",
        Surface::ResourceLocations | Surface::CustomerLocations => "registry.pass",
        Surface::CustomerStates => "core.pass",
        Surface::Notifications | Surface::CustomerNotifications => "notifications.pass",
        Surface::Administrators => "administrators.pass",
        Surface::SystemLog => "system_log.pass",
        Surface::Connectors => "connectors.pass",
        Surface::Monitor => "monitor.pass",
        Surface::CatalogService => "catalog_service.pass",
        Surface::QuickCreate => "quick_create.pass",
    }
}

fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Error {
    Error::Invalid { pointer: pointer.into(), detail: detail.into() }
}
