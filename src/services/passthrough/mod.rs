//! Calls in Citrix's own words, passed on as they are: whose they are and what they do is decided
//! here, by method and path alone; their bodies are not read, but for those that hold calls.
//!
//! This use case speaks HTTP, since what it passes on is nothing else.

mod batch;
mod classify;
mod surface;

use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc};

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response};

pub use surface::{DropInPath, Surface};

use self::{
    batch::{Item, overrides_method},
    classify::{Class, DaasPath, Reach, classify, disguised, reach},
    surface::push_query,
};
use super::{
    Account, Core, Error,
    core::{outcome, require_reason},
};
use crate::{
    audit::{Event, Outcome, Target},
    auth::{Denied, SiteScope},
    config::Customer,
    domain::{Action, CallContext, ProblemCode, SiteId},
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
    pub async fn pass(&self, ctx: &CallContext, call: DropInCall) -> Result<Response<Body>, Error> {
        let named = named_customer(&call)?;
        let account = self.core.directory.find(&named).ok_or(Error::NotFound)?;
        if !self.core.policy.sees(&ctx.principal, account.key()) {
            return Err(Error::NotFound);
        }
        if let Some(reason) = call.path.unsound() {
            return Err(invalid("/", reason));
        }
        let in_path = call.path.customer().map(|named| self.core.directory.find(named));
        if in_path.is_some_and(|found| found.is_none_or(|it| it.name() != account.name())) {
            let detail = "the path names another customer than Citrix-CustomerId";
            return Err(invalid("/Citrix-CustomerId", detail));
        }
        if let Some(reason) = call.query.as_deref().and_then(overrides_method) {
            return Err(invalid("/", reason));
        }
        let surface = call.path.surface();
        let daas = surface.is_daas().then(|| DaasPath::of(surface, call.path.below()));
        let lower: Vec<_> = call.path.below().iter().map(|s| s.to_ascii_lowercase()).collect();
        let rest = daas.as_ref().map_or(&lower, |daas| &daas.rest);
        if !is_read(&call.method)
            && let Some(reason) = disguised(surface, rest)
        {
            return Err(invalid("/", reason));
        }
        let site = instance(&call)?;
        let class = classify(surface, &call.method, rest);
        let act_reach = |action| reach(surface, action, rest);
        let mut reaches = Vec::new();
        let mut place = Place { account, daas: daas.clone(), site: site.clone() };
        let (payload, writes) = match class {
            Class::Act(action) => {
                self.authorize(ctx, action, &place, None)?;
                reaches.push(act_reach(action));
                let body = call.body.map_or(Payload::Empty, Payload::Stream);
                (body, action != Action::Read)
            }
            Class::Batch => {
                let items = batch::read(call.body.unwrap_or_default()).await?;
                let outer = place.daas.take().unwrap_or_default().sites;
                for item in &items {
                    let mut path = item.path.clone();
                    path.sites.extend_from_slice(&outer);
                    place.daas = Some(path);
                    self.authorize(ctx, item.action, &place, Some(item))?;
                    reaches.push(reach(Surface::Manage, item.action, &item.path.rest));
                }
                let writes = items.iter().any(|item| item.action != Action::Read);
                (Payload::Batch(items.into_iter().map(|item| item.call).collect()), writes)
            }
        };
        let customer = Arc::clone(account.usable()?);
        self.count_machines(ctx, &reaches)?;
        let mut target = call.path.target(customer.id.as_str());
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
            writes,
            prefix: surface.prefix(),
            gateway: call.gateway,
        };
        self.send(ctx, customer, passage).await
    }

    /// Counts the machines that a call acts on, where its app's are limited. An app that is limited
    /// may not act where nobody can count.
    fn count_machines(&self, ctx: &CallContext, reaches: &[Reach]) -> Result<(), Error> {
        let Some(limit) = self.core.quotas.machine_limit(&ctx.principal.app) else { return Ok(()) };
        if reaches.contains(&Reach::Unknown) {
            let detail = format!(
                "this app may act on {limit} machines in an hour, and on how many this acts cannot \
                 be told; use /v1/operations"
            );
            return Err(invalid("/", detail));
        }
        let count = reaches.iter().filter(|reach| **reach == Reach::One).count();
        let count = u32::try_from(count).ok().and_then(NonZeroU32::new);
        let Some(count) = count else { return Ok(()) };
        if count > limit {
            let detail = format!(
                "the batch acts on {count} machines, and this app may act on {limit} in an hour"
            );
            return Err(invalid("/Items", detail));
        }
        self.core.count_machines(ctx, count)
    }

    /// The one way out, where changes are told from what only reads.
    async fn send(
        &self,
        ctx: &CallContext,
        customer: Arc<Customer>,
        passage: Passage,
    ) -> Result<Response<Body>, Error> {
        if !passage.writes {
            return Ok(self.core.upstream.passthrough.pass(ctx, &customer, passage).await?);
        }
        let event = change(&customer, &passage);
        let (core, own) = (Arc::clone(&self.core), ctx.clone());
        let work = async move {
            // What it changes is not known: it may be anything of the customer's.
            let _writing = core.cache.writing(&customer, None);
            Ok(core.upstream.passthrough.pass(&own, &customer, passage).await?)
        };
        self.core.act_and_judge(ctx, event, work, judge).await
    }

    /// Decides on one action. A grant on single sites covers what names no other site; of what names
    /// none it covers only what every client asks for before it can name one.
    fn authorize(
        &self,
        ctx: &CallContext,
        action: Action,
        place: &Place<'_>,
        item: Option<&Item>,
    ) -> Result<(), Error> {
        let (policy, who, key) = (&self.core.policy, &ctx.principal, place.account.key());
        let of_batch = |on: String| match item {
            Some(item) => format!("{on}, for item {:?} of the batch", item.call.reference),
            None => on,
        };
        let on = || format!("customer {:?}", place.account.name().as_str());
        let Some(granted) = policy.scope(who, action, key) else {
            return Err(Denied::forbidden(who, action, of_batch(on())).into());
        };
        let sites = place.sites();
        if let SiteScope::Only(granted) = &granted {
            let has = |known: &BTreeSet<SiteId>, site: &str| {
                known.iter().any(|known| known.as_str().eq_ignore_ascii_case(site))
            };
            if let Some(SiteScope::Only(visible)) = policy.visible_sites(who, key)
                && sites.iter().any(|site| !has(&visible, site))
            {
                return Err(Error::NotFound);
            }
            if let Some(other) = sites.iter().find(|site| !has(granted, site)) {
                let on = of_batch(format!("site {other} of {}", on()));
                return Err(Denied::forbidden(who, action, on).into());
            }
            if sites.is_empty() && !(action == Action::Read && place.is_greeting()) {
                let on = of_batch(format!("all of {}", on()));
                return Err(Denied::forbidden(who, action, on).into());
            }
        }
        let named = sites.iter().copied().map(Some);
        let mut places = named.chain(sites.is_empty().then_some(None));
        let needed = || places.any(|site| policy.needs_reason(who, action, key, site));
        require_reason(ctx, needed).map_err(|_| {
            let detail =
                "this app must say why it acts, which Citrix's own paths cannot carry; use /v1";
            invalid("/reason", detail)
        })
    }
}

/// What a call is about.
struct Place<'a> {
    account: &'a Account,
    /// On the surfaces where things are in a site.
    daas: Option<DaasPath>,
    /// `Citrix-InstanceId`.
    site: Option<SiteId>,
}

impl Place<'_> {
    /// Every site that path or header name. None counts where things are not in a site.
    fn sites(&self) -> Vec<&str> {
        let Some(daas) = &self.daas else { return Vec::new() };
        let header = self.site.as_ref().map(SiteId::as_str);
        daas.sites.iter().map(String::as_str).chain(header).collect()
    }

    fn is_greeting(&self) -> bool {
        self.daas.as_ref().is_some_and(DaasPath::is_greeting)
    }
}

/// The customer that a call is for, by our name or by Citrix's id.
fn named_customer(call: &DropInCall) -> Result<String, Error> {
    let header = only(&call.headers, CUSTOMER_ID)?.filter(|value| !value.is_empty());
    let path = call.path.customer();
    if call.path.surface().customer_at() == Some(0) {
        return Ok(path.unwrap_or_default().to_owned());
    }
    header.map(ToOwned::to_owned).ok_or_else(|| {
        invalid("/Citrix-CustomerId", "the header Citrix-CustomerId is missing: name the customer")
    })
}

/// The site in the header; in the older form of DaaS the path says it.
fn instance(call: &DropInCall) -> Result<Option<SiteId>, Error> {
    if call.path.surface() == Surface::Preview {
        return Ok(None);
    }
    let Some(id) = only(&call.headers, INSTANCE_ID)?.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let wrong = |_| invalid("/Citrix-InstanceId", "Citrix-InstanceId is not the id of a site");
    SiteId::try_from(id).map(Some).map_err(wrong)
}

/// The value of a header that may not say two things.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return Err(invalid(format!("/{name}"), format!("{name} is there twice")));
    }
    let readable = first.to_str().map(str::trim);
    readable.map(Some).map_err(|_| invalid(format!("/{name}"), format!("{name} is not readable")))
}

/// A change in Citrix's words, for the record: its verb, and the path it is made on.
fn change(customer: &Customer, passage: &Passage) -> Event {
    let path = passage.target.split('?').next().unwrap_or_default().trim_end_matches('/');
    let verb = path.rsplit('/').next().unwrap_or_default();
    let verb = verb.strip_prefix('$').or_else(|| verb.strip_prefix("%24"));
    let action = match verb {
        Some(verb) => verb.to_ascii_lowercase(),
        None => passage.method.as_str().to_ascii_lowercase(),
    };
    let calls = match &passage.payload {
        Payload::Batch(calls) => {
            let calls = calls.iter().map(|call| {
                let path = call.relative_url.split('?').next().unwrap_or_default();
                format!("{} {path}", call.method)
            });
            let all: String = calls.collect::<Vec<_>>().join(", ");
            Some(all.chars().take(MAX_CALLS).collect())
        }
        _ => None,
    };
    Event {
        action: action.into(),
        customer: Some(customer.name.clone()),
        site: passage.site.as_ref().map(ToString::to_string),
        target: Some(Target { kind: "path".into(), id: path.to_owned(), name: calls }),
        ..Event::default()
    }
}

/// What Citrix's answer says of a change.
fn judge(result: &Result<Response<Body>, Error>) -> Outcome {
    match result {
        Ok(answer) => match answer.status().as_u16() {
            ..400 => Outcome::Succeeded,
            // It was not done, nor by a service that does not know it, nor in a frozen site.
            400..=499 | 501 => Outcome::Failed(ProblemCode::UpstreamError),
            530 => Outcome::Failed(ProblemCode::SiteHibernated),
            _ => Outcome::Unknown(ProblemCode::OutcomeUnknown),
        },
        other => outcome(other),
    }
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

/// Characters of the calls of a batch that are recorded.
const MAX_CALLS: usize = 4_096;

const CUSTOMER_ID: &str = "Citrix-CustomerId";
const INSTANCE_ID: &str = "Citrix-InstanceId";
