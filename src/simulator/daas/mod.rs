//! Citrix DaaS: `/cvad/manage` and the older `/cvadapis`.
//!
//! Sources: Citrix's pages on the DaaS REST APIs and on the migration from their preview, and the
//! models of the official Go SDK.

mod batch;
mod catalogs;
mod fields;
mod groups;
mod jobs;
mod list;
mod machine_fields;
mod machines;
mod operation;
mod search;
mod session_fields;
mod sessions;
mod sites;

pub(super) use operation::operation;
pub(super) use sessions::SessionAction;

use super::auth;
use super::errors::{self, Parameters};
use super::http::{Reply, Request};
use super::platform::unsupported_media_type;
use super::world::{Caller, Customer, Event, JobResult, Site, Work, World};

/// Under which base a call came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Base {
    /// `/cvad/manage`, site in `Citrix-InstanceId`.
    Manage,
    /// `/cvadapis`, site in the path.
    Preview,
}

/// An answer, or what is left to do for it when the world is unlocked again.
pub(super) enum Answer {
    Now(Reply),
    Later(Box<dyn FnOnce() -> Reply + Send>),
}

impl Answer {
    pub(super) fn finish(self) -> Reply {
        match self {
            Self::Now(reply) => reply,
            Self::Later(render) => render(),
        }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Now(reply)
    }
}

/// One call to a site, its caller checked.
struct Call<'a> {
    request: &'a Request,
    /// The segments after base and site, in lower case.
    lower: Vec<String>,
    /// The same as they were written.
    segments: &'a [String],
    caller: &'a Caller,
    customer: usize,
    base: Base,
}

/// Answers a call below one of the bases; `segments` are what follows it.
pub(super) fn serve(
    world: &mut World,
    request: &Request,
    base: Base,
    segments: &[String],
) -> Answer {
    let style = match base {
        Base::Manage => Parameters::Array,
        Base::Preview => Parameters::Map,
    };
    let (caller, customer) = match auth::gateway(world, request, style) {
        Ok(checked) => checked,
        Err(reply) => return reply.into(),
    };
    let instance = request.header("citrix-instanceid");
    serve_as(world, request, base, segments, (&caller, customer), instance)
}

/// Answers a call whose caller is known.
fn serve_as(
    world: &mut World,
    request: &Request,
    base: Base,
    segments: &[String],
    (caller, customer): (&Caller, usize),
    instance: Option<&str>,
) -> Answer {
    if world.customers[customer].frozen {
        return frozen().into();
    }
    let segments = match site_of(world, base, segments, customer, instance) {
        Ok(rest) => rest,
        Err(reply) => return reply.into(),
    };
    if let Some(reply) = backslash(world, request, segments) {
        return reply.into();
    }
    world.expire_jobs(customer);
    let lower = segments.iter().map(|segment| segment.to_lowercase()).collect();
    let call = Call { request, lower, segments, caller, customer, base };
    if needs_json(&call) && world.settings.strict_content_type && !announces_json(request) {
        return unsupported_media_type().into();
    }
    call.answer(world)
}

impl Call<'_> {
    fn answer(&self, world: &mut World) -> Answer {
        let lower: Vec<&str> = self.lower.iter().map(String::as_str).collect();
        match lower.as_slice() {
            ["me" | "sites", ..] | ["about" | "healthcheck"] => {
                sites::answer(world, self, &lower).into()
            }
            ["machines" | "machinesv2", ..] => machines::answer(world, self, &lower),
            ["sessions" | "sessionsv2", ..] => sessions::answer(world, self, &lower),
            ["machinecatalogs" | "machinecatalogsv2", ..] => catalogs::answer(world, self, &lower),
            ["deliverygroups" | "deliverygroupsv2", ..] => groups::answer(world, self, &lower),
            ["jobs", ..] => jobs::answer(world, self, &lower).into(),
            ["$batch"] => batch::answer(world, self).into(),
            _ => errors::no_such_path().into(),
        }
    }

    fn method(&self) -> &str {
        self.request.method.as_str()
    }

    /// A name or id from the path; `|` stands for the backslash.
    fn name(&self, at: usize) -> String {
        self.segments.get(at).map(|segment| segment.replace('|', "\\")).unwrap_or_default()
    }

    fn is_async(&self) -> bool {
        self.request.is_true("async")
    }

    fn site<'w>(&self, world: &'w World) -> &'w Site {
        &world.customers[self.customer].site
    }

    /// Starts a job and answers 202 with its address.
    fn accepted(
        &self,
        world: &mut World,
        kind: &str,
        work: Work,
        parameters: Vec<(&'static str, String)>,
        result: JobResult,
    ) -> Reply {
        let owner = self.caller.client_id.clone();
        let id = world.start_job(self.customer, &owner, kind, work, parameters, result);
        self.accepted_job(world, &id)
    }

    fn accepted_job(&self, world: &World, id: &str) -> Reply {
        let location = format!("{}/Jobs/{id}", self.address(&self.site(world).id));
        Reply::empty(202).header("location", location)
    }

    /// The address that paths of this site begin with.
    fn address(&self, site: &str) -> String {
        match self.base {
            Base::Manage => format!("{}/cvad/manage", self.request.base),
            Base::Preview => format!("{}/cvadapis/{site}", self.request.base),
        }
    }

    /// With `async=true` the answer becomes a job's result.
    fn maybe_job(&self, world: &mut World, kind: &str, answer: Answer) -> Answer {
        if !self.is_async() {
            return answer;
        }
        let reply = answer.finish();
        if reply.status >= 400 {
            return reply.into();
        }
        let result = JobResult::Body(reply.status, reply.body);
        self.accepted(world, kind, Work::Done, Vec::new(), result).into()
    }
}

/// `POST /resourceprovider/{customer}/site/activation`: wakes a frozen site.
pub(super) fn activate(world: &mut World, request: &Request, id: &str) -> Reply {
    let checked = auth::gateway(world, request, Parameters::Array);
    let customer = match checked {
        Ok((_, customer)) => customer,
        Err(reply) => return reply,
    };
    let known: &Customer = &world.customers[customer];
    if known.id != id {
        return errors::daas_not_found("Customer", id);
    }
    if !known.frozen {
        return Reply::empty(200);
    }
    let (now, after) = (world.now(), i64::from(world.settings.activation_ms));
    world.schedule(now, after, Event::Thaw { customer });
    Reply::empty(202)
}

/// Finds the site that is meant and returns the segments after it.
fn site_of<'a>(
    world: &World,
    base: Base,
    segments: &'a [String],
    customer: usize,
    instance: Option<&str>,
) -> Result<&'a [String], Reply> {
    let site = &world.customers[customer].site.id;
    let first = segments.first().map(|segment| segment.to_lowercase()).unwrap_or_default();
    if SITELESS.contains(&first.as_str()) {
        return Ok(segments);
    }
    let (named, rest) = match base {
        Base::Preview => (segments.first().map(String::as_str), segments.get(1..)),
        Base::Manage => (instance.filter(|id| !id.is_empty()), Some(segments)),
    };
    let Some(named) = named else {
        let message = "The request header 'Citrix-InstanceId' is missing.";
        return Err(errors::daas(400, "InvalidArgument", message));
    };
    let asleep = &world.customers[customer].sleeping_sites;
    if asleep.iter().any(|(id, _)| named.eq_ignore_ascii_case(id)) {
        return Err(frozen());
    }
    if !named.eq_ignore_ascii_case(site) {
        return Err(errors::daas_not_found("Site", named));
    }
    Ok(rest.unwrap_or_default())
}

/// A backslash in a path must be written as `|`.
fn backslash(world: &World, request: &Request, segments: &[String]) -> Option<Reply> {
    if request.path.contains('\\') {
        let message = "The path contains a backslash; write '|' instead.";
        return Some(errors::daas(400, "InvalidArgument", message));
    }
    let encoded = segments.iter().find(|segment| segment.contains('\\'))?;
    if world.settings.accept_encoded_backslash {
        return None;
    }
    Some(errors::daas_not_found("Object", encoded))
}

fn needs_json(call: &Call<'_>) -> bool {
    match call.method() {
        "PATCH" | "PUT" => true,
        "POST" => matches!(
            call.lower.last().map(String::as_str),
            Some("$search" | "$batch" | "$sendmessage")
        ),
        _ => false,
    }
}

fn announces_json(request: &Request) -> bool {
    matches!(
        request.content_type().as_deref(),
        Some(
            "application/json"
                | "application/json;charset=utf-8"
                | "application/json;charset=\"utf-8\""
        )
    )
}

fn method_not_allowed() -> Reply {
    errors::daas(405, "MethodNotAllowed", "The requested resource does not support this method.")
}

fn not_implemented() -> Reply {
    let detail = "The simulator does not do this.";
    errors::guideline(501, "common/notImplemented", detail, &[], Parameters::Array)
}

fn frozen() -> Reply {
    errors::daas(530, "SiteFrozen", "The site is not active. Activate it and try again.")
}

/// What needs no site.
const SITELESS: [&str; 4] = ["me", "sites", "healthcheck", "tokens"];
