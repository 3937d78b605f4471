//! Sessions: lists, details, and what can be done to one.

use std::sync::Arc;

use serde::Deserialize;

use super::super::errors;
use super::super::http::Reply;
use super::super::world::{JobResult, MachineView, Session, SessionView, Work, World};
use super::fields::{Set, chosen, in_set};
use super::list::{self, Paging};
use super::machine_fields::MACHINE;
use super::search::{self, Query};
use super::session_fields::SESSION;
use super::{Answer, Call, method_not_allowed};

/// What can be done to a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SessionAction {
    Logoff,
    Disconnect,
    Message,
    Hide,
    Unhide,
}

pub(super) fn answer(world: &mut World, call: &Call<'_>, lower: &[&str]) -> Answer {
    match (call.method(), lower) {
        ("GET", ["sessions"]) => listed(world, call, Set::Full),
        ("GET", ["sessionsv2"]) => listed(world, call, Set::Short),
        ("POST", ["sessions", "$search"]) => searched(world, call),
        (_, ["sessions", id, ..]) => match call.site(world).session(id).cloned() {
            Some(session) => one(world, call, lower, &session),
            None => errors::daas_not_found("Session", id).into(),
        },
        _ => method_not_allowed().into(),
    }
}

/// `GET /Machines/{id}/Sessions`: all of them, no pages.
pub(super) fn on_machine(world: &World, call: &Call<'_>, view: &MachineView) -> Answer {
    let site = call.site(world);
    let views = view.sessions.iter().map(|session| site.session_view(session)).collect();
    list::rendered(views, chosen(SESSION, call.request, Set::Full), None, None)
}

fn listed(world: &mut World, call: &Call<'_>, set: Set) -> Answer {
    let paging = match Paging::of(world, call) {
        Ok(paging) => paging,
        Err(reply) => return reply.into(),
    };
    let site = call.site(world);
    let all: Vec<Arc<Session>> = site.sessions.values().cloned().collect();
    let (page, token) = paging.cut(call, &all);
    let views = page.iter().map(|session| site.session_view(session)).collect();
    let answer = list::rendered(views, chosen(SESSION, call.request, set), token, None);
    call.maybe_job(world, "GetSessions", answer)
}

fn searched(world: &mut World, call: &Call<'_>) -> Answer {
    let paging = match Paging::of(world, call) {
        Ok(paging) => paging,
        Err(reply) => return reply.into(),
    };
    let query = match Query::read(&call.request.body) {
        Ok(query) => query,
        Err(reply) => return reply.into(),
    };
    let now = world.now();
    let site = call.site(world);
    let views: Vec<SessionView> = site.sessions.values().map(|s| site.session_view(s)).collect();
    let found = match query.run(views, now, search::session_values) {
        Ok(found) => found,
        Err(reply) => return reply.into(),
    };
    let (page, token) = paging.cut(call, &found);
    let fields = chosen(SESSION, call.request, Set::Full);
    let answer = list::rendered(page, fields, token, Some(found.len()));
    call.maybe_job(world, "DoSessionSearch", answer)
}

fn one(world: &mut World, call: &Call<'_>, lower: &[&str], session: &Arc<Session>) -> Answer {
    match (call.method(), lower.get(2..).unwrap_or_default()) {
        ("GET" | "HEAD", []) => {
            let view = call.site(world).session_view(session);
            list::rendered_one(view, chosen(SESSION, call.request, Set::Full))
        }
        ("GET", ["machine"]) => match call.site(world).view_at(session.machine) {
            Some(view) => list::rendered_one(view, in_set(MACHINE, Set::Detail)),
            None => errors::daas_not_found("Machine", "").into(),
        },
        ("GET", ["applications"]) => list::whole(&[]).into(),
        ("POST", [segment]) => acted(world, call, session, segment),
        _ => method_not_allowed().into(),
    }
}

fn acted(world: &mut World, call: &Call<'_>, session: &Arc<Session>, segment: &str) -> Answer {
    let (action, kind) = match segment {
        "$logoff" => (SessionAction::Logoff, "LogoffSessions"),
        "$disconnect" => (SessionAction::Disconnect, "DisconnectSessions"),
        "$sendmessage" => (SessionAction::Message, "SendSessionMessage"),
        "$hide" => (SessionAction::Hide, "HideSession"),
        "$unhide" => (SessionAction::Unhide, "UnhideSession"),
        _ => return errors::no_such_path().into(),
    };
    if action == SessionAction::Message
        && let Err(reply) = check_message(&call.request.body)
    {
        return reply.into();
    }
    if call.is_async() {
        let parameters = vec![("Id", session.id.clone())];
        let work = Work::Session { uid: session.uid, action };
        let result = match action {
            SessionAction::Disconnect | SessionAction::Message => {
                JobResult::Location(format!("Sessions/{}", session.id))
            }
            _ => JobResult::None,
        };
        return call.accepted(world, kind, work, parameters, result).into();
    }
    let now = world.now();
    if let Err((code, message)) = world.session_action(call.customer, session.uid, action, now) {
        return errors::daas(404, &code, &message).into();
    }
    match (action, call.site(world).session(&session.id)) {
        (SessionAction::Disconnect | SessionAction::Message, Some(now)) => {
            let view = call.site(world).session_view(now);
            list::rendered_one(view, in_set(SESSION, Set::Full))
        }
        _ => Reply::empty(204).into(),
    }
}

impl World {
    /// Does one action on a session now.
    ///
    /// # Errors
    /// A job error code and its text when there is no such session any more.
    pub(crate) fn session_action(
        &mut self,
        customer: usize,
        uid: u32,
        action: SessionAction,
        now: i64,
    ) -> Result<(), (String, String)> {
        let site = self.customers.get_mut(customer).map(|customer| &mut customer.site);
        let Some(session) = site.and_then(|site| site.session_mut(uid)) else {
            return Err(("UnknownSession".into(), "The session does not exist.".into()));
        };
        match action {
            SessionAction::Logoff => self.log_off(customer, uid, now),
            SessionAction::Disconnect => session.set_state("Disconnected", now),
            SessionAction::Message => session.messages = session.messages.saturating_add(1),
            SessionAction::Hide => session.hidden = true,
            SessionAction::Unhide => session.hidden = false,
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    style: String,
    title: String,
    text: String,
}

fn check_message(body: &[u8]) -> Result<(), Reply> {
    let refused = |text: &str| errors::daas(400, "InvalidArgument", text);
    let message: Message = serde_json::from_slice(body)
        .map_err(|_| refused("The message needs 'Style', 'Title' and 'Text'."))?;
    let known = STYLES.iter().any(|style| style.eq_ignore_ascii_case(&message.style));
    if !known {
        return Err(refused("The message style is not known."));
    }
    if message.title.is_empty() || message.text.is_empty() {
        return Err(refused("The message needs a title and a text."));
    }
    Ok(())
}

const STYLES: [&str; 5] = ["Unknown", "Critical", "Question", "Exclamation", "Information"];
