//! Logon with forms: a conversation bound to a cookie, always answered with 200.

use super::super::http::{Request, form_pairs};
use super::super::ids;
use super::super::scenario::{DomainField, Secret, StoreMethod};
use super::super::world::World;
use super::answer::{Answer, accepts, is_of_type};
use super::form_pages::{self, Language, Page};
use super::host::{SignIn, Store};
use super::issue::Wanted;
use super::names;
use super::tokens::Realm;

/// What the server remembers between two forms.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    wanted: Wanted,
    stage: Stage,
    touched_ms: i64,
}

/// Which form was sent last.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Logon,
    /// The user's password has expired.
    NewPassword(usize),
    /// It was changed.
    Confirmed(usize),
}

/// `POST {auth}/ExplicitForms/Start`
pub(super) fn start(world: &mut World, request: &Request, at: usize) -> Answer {
    let now = world.now();
    let store = &mut world.storefront.stores[at];
    if !store.methods.contains(&StoreMethod::ExplicitForms) {
        return Answer::page(404);
    }
    if !accepts(request, &[names::FORM_TYPE, names::TOKEN_TYPE, "text/xml"]) {
        return Answer::page(406);
    }
    let wanted = match Wanted::read(request, store) {
        Ok(wanted) if wanted.realm == Realm::Tokens => wanted,
        Ok(_) => return Answer::page(400),
        Err(answer) => return answer,
    };
    store.conversations.retain(|_, known| now - known.touched_ms < FORGET_MS);
    if store.conversations.len() >= MAX_CONVERSATIONS {
        store.conversations.clear();
    }
    let id = ids::fresh().replace('-', "");
    let conversation = Conversation { wanted, stage: Stage::Logon, touched_ms: now };
    store.conversations.insert(id.clone(), conversation);
    page(store, request, Page::Logon { error: None })
        .header("set-cookie", format!("{COOKIE}={id}; path=/; HttpOnly"))
}

/// `POST {auth}/ExplicitForms`, the `PostBack` of every form.
pub(super) fn post(world: &mut World, request: &Request, at: usize) -> Answer {
    if !accepts(request, &[names::FORM_TYPE, names::TOKEN_TYPE, "text/xml"]) {
        return Answer::page(406);
    }
    if !is_of_type(request, "application/x-www-form-urlencoded") {
        return Answer::page(415);
    }
    let now = world.now();
    let store = &mut world.storefront.stores[at];
    let id = cookie(request).unwrap_or_default();
    let Some(conversation) = store.conversations.get_mut(&id) else {
        return form_pages::trouble("error-sessionid-invalid");
    };
    if now - conversation.touched_ms >= IDLE_MS {
        store.conversations.remove(&id);
        return form_pages::trouble("error-sessionid-expired");
    }
    conversation.touched_ms = now;
    let stage = conversation.stage;
    let given = Given(form_pairs(&String::from_utf8_lossy(&request.body)));
    if given.one("StateContext") != Some(&*store.state_context) {
        return form_pages::trouble("error-state-context-invalid");
    }
    let language = Language::of(request);
    let outcome = match stage {
        Stage::Logon => logon(store, &given, language),
        Stage::NewPassword(user) => new_password(store, user, &given, language),
        Stage::Confirmed(user) => {
            let expected = [("changePasswordConfirmBtn", Some(language.ok()))];
            given.are(&expected).then_some(Outcome::Token(user))
        }
    };
    let Some(outcome) = outcome else {
        return form_pages::trouble("error-params-not-expected");
    };
    match outcome {
        Outcome::Next(next, shown) => {
            if let Some(conversation) = store.conversations.get_mut(&id) {
                conversation.stage = next;
            }
            page(store, request, shown)
        }
        Outcome::Refused => {
            store.conversations.remove(&id);
            form_pages::refused()
        }
        Outcome::Token(user) => match store.conversations.remove(&id) {
            Some(conversation) => conversation.wanted.issue(world, at, user),
            None => form_pages::trouble("error-internal-failure"),
        },
    }
}

/// `POST {auth}/ExplicitForms/Cancel`
pub(super) fn cancel(world: &mut World, request: &Request, at: usize) -> Answer {
    let store = &mut world.storefront.stores[at];
    match cookie(request).and_then(|id| store.conversations.remove(&id)) {
        Some(_) => form_pages::cancelled(),
        None => form_pages::trouble("error-sessionid-invalid"),
    }
}

/// Where a conversation goes next.
enum Outcome {
    Next(Stage, Page),
    Refused,
    Token(usize),
}

/// `None` when the answers are not those that the form asked for.
fn logon(store: &mut Store, given: &Given, language: Language) -> Option<Outcome> {
    let mut expected = vec![
        ("username", None),
        ("password", None),
        ("saveCredentials", None),
        ("loginBtn", Some(language.log_on())),
    ];
    if store.domain_field != DomainField::None {
        expected.push(("domain", None));
    }
    if !given.are(&expected) {
        return None;
    }
    let (name, password) = (given.one("username")?, given.one("password")?);
    if !["true", "false"].contains(&given.one("saveCredentials")?) {
        return None;
    }
    let name = match given.one("domain") {
        Some(domain) => format!("{domain}\\{name}"),
        None => name.to_owned(),
    };
    Some(match store.sign_in(&name, password) {
        SignIn::Good(user) => Outcome::Token(user),
        SignIn::Expired(user) => {
            let name = store.users[user].name.clone();
            Outcome::Next(Stage::NewPassword(user), Page::NewPassword { name, error: None })
        }
        // That a locked account ends the conversation is inferred.
        SignIn::Locked => Outcome::Refused,
        SignIn::Wrong => {
            let error = Some(language.wrong_password());
            Outcome::Next(Stage::Logon, Page::Logon { error })
        }
    })
}

fn new_password(
    store: &mut Store,
    at: usize,
    given: &Given,
    language: Language,
) -> Option<Outcome> {
    let expected = [
        ("oldPassword", None),
        ("newPassword", None),
        ("confirmPassword", None),
        ("changePasswordBtn", Some(language.change())),
    ];
    if !given.are(&expected) {
        return None;
    }
    let (old, new) = (given.one("oldPassword")?, given.one("newPassword")?);
    let user = store.users.get_mut(at)?;
    let good = user.password.expose() == old
        && new != old
        && !new.is_empty()
        && given.one("confirmPassword") == Some(new);
    if !good {
        let error = Some(language.bad_change());
        let page = Page::NewPassword { name: user.name.clone(), error };
        return Some(Outcome::Next(Stage::NewPassword(at), page));
    }
    user.set_password(Secret::from(new));
    user.sign_ins += 1;
    Some(Outcome::Next(Stage::Confirmed(at), Page::Changed))
}

fn page(store: &Store, request: &Request, page: Page) -> Answer {
    let mut domains: Vec<String> =
        store.users.iter().map(|user| user.domain().to_owned()).collect();
    domains.sort_unstable();
    domains.dedup();
    let frame = form_pages::Frame {
        post_back: format!("/Citrix/{}/ExplicitForms", store.auth_path),
        state_context: store.state_context.clone(),
        domain_field: store.domain_field,
        domains,
        language: Language::of(request),
    };
    frame.show(page)
}

fn cookie(request: &Request) -> Option<String> {
    let all = request.headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(name, _)| name.trim() == COOKIE);
    found.map(|(_, value)| value.trim().to_owned())
}

/// The answers to a form.
struct Given(Vec<(String, String)>);

impl Given {
    /// The value of a field that is there exactly once.
    fn one(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        found.next().filter(|_| found.next().is_none()).map(|(_, value)| value.as_str())
    }

    /// Exactly these fields and `StateContext`, buttons with their localized text.
    fn are(&self, expected: &[(&str, Option<&str>)]) -> bool {
        let known = |name: &str| {
            name == "StateContext" || expected.iter().any(|(expected, _)| *expected == name)
        };
        self.0.iter().all(|(name, _)| known(name))
            && expected.iter().all(|(name, value)| {
                self.one(name).is_some_and(|given| value.is_none_or(|value| value == given))
            })
    }
}

const COOKIE: &str = "Citrix_AuthSvc";
/// Between two forms, in simulated time.
const IDLE_MS: i64 = 5 * 60_000;
/// Expired conversations are known so long, to say that they expired.
const FORGET_MS: i64 = 4 * IDLE_MS;
const MAX_CONVERSATIONS: usize = 1000;
