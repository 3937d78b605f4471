//! Token requests and token responses, and logon with one request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use url::Url;

use super::super::http::Request;
use super::super::scenario::StoreMethod;
use super::super::world::World;
use super::answer::{Answer, accepts, is_of_type};
use super::host::{SignIn, Store};
use super::names;
use super::read::Received;
use super::tokens::{Order, Realm};
use super::xml::Element;

/// A `requesttoken` that can be answered.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) realm: Realm,
    /// Scheme, host and port of `for-service-url`.
    origin: String,
    lifetime_ms: Option<i64>,
}

impl Wanted {
    /// Reads the body of a token request.
    ///
    /// # Errors
    /// 415 or 400.
    pub(super) fn read(request: &Request, store: &Store) -> Result<Self, Answer> {
        if !is_of_type(request, names::REQUEST_TOKEN_TYPE) {
            return Err(Answer::page(415));
        }
        let read = || {
            let document = Received::read(&request.body).ok()?;
            if !document.is("requesttoken", names::REQUEST_TOKEN) {
                return None;
            }
            document.field("reqtokentemplate")?;
            let service = document.field("for-service")?;
            let mut realms = Realm::ALL.into_iter();
            let realm = realms.find(|realm| realm.id(store).eq_ignore_ascii_case(service))?;
            let url = Url::parse(document.field("for-service-url")?).ok()?;
            let lifetime = document.field("requested-lifetime");
            let lifetime_ms = match lifetime {
                Some(text) => Some(span_ms(text)?),
                None => None,
            };
            Some(Self { realm, origin: url.origin().ascii_serialization(), lifetime_ms })
        };
        // A service that nobody knows is 400 as well (inferred).
        read().ok_or_else(|| Answer::page(400))
    }

    /// The token for a user: 200 and a `requesttokenresponse`.
    pub(super) fn issue(&self, world: &mut World, store: usize, user: usize) -> Answer {
        let known = &world.storefront.stores[store];
        let longest = match self.realm {
            Realm::Tokens => known.primary_token_seconds,
            _ => known.service_token_seconds,
        };
        let (service, warned) = (self.realm.id(known), known.users[user].password_expires_soon);
        let longest = i64::from(longest) * 1000;
        let lifetime_ms = self.lifetime_ms.map_or(longest, |wanted| wanted.min(longest));
        let (realm, origin) = (self.realm, self.origin.clone());
        let (token, expires) =
            world.issue_store_token(Order { store, realm, user, origin, lifetime_ms });
        let mut root = Element::root("requesttokenresponse", names::TOKEN)
            .child(Element::of("for-service", service))
            .child(Element::of("issued", precise(world.now())))
            .child(Element::of("expiry", precise(expires)))
            .child(Element::of("lifetime", span(lifetime_ms)))
            .child(Element::new("token-template"))
            .child(Element::of("token", token));
        if warned && self.realm == Realm::Tokens {
            root = root.child(warning(world.now()));
        }
        Answer::xml(names::TOKEN_TYPE, root)
            .header("cache-control", LOGON_CACHE)
            .header("pragma", "no-cache")
    }
}

/// `POST {auth}/HttpBasic/Authenticate`
pub(super) fn basic(world: &mut World, request: &Request, at: usize) -> Answer {
    let store = &mut world.storefront.stores[at];
    if !store.methods.contains(&StoreMethod::HttpBasic) {
        return Answer::page(404);
    }
    if !accepts(request, &[names::TOKEN_TYPE]) {
        return Answer::page(406);
    }
    let given = request.header("authorization").and_then(|value| {
        let (scheme, text) = value.split_once(' ')?;
        let bytes = STANDARD.decode(text.trim()).ok()?;
        let text =
            String::from_utf8(bytes).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
    });
    // How wrong credentials are answered is not published: the way of RFC 7617 (inferred).
    let refused = || Answer::page(401).header("www-authenticate", "Basic realm=\"StoreFront\"");
    let Some((name, password)) = given else { return refused() };
    let wanted = match Wanted::read(request, store) {
        Ok(wanted) => wanted,
        Err(answer) => return answer,
    };
    match store.sign_in(&name, &password) {
        SignIn::Good(user) => wanted.issue(world, at, user),
        // There is no way to ask for a new password here (inferred).
        SignIn::Expired(_) | SignIn::Locked | SignIn::Wrong => refused(),
    }
}

fn warning(now: i64) -> Element {
    let days = 5;
    let update = Element::new("CredentialUpdateInformation")
        .child(Element::of("CredentialDisplayName", "Password"))
        .child(Element::of("AuthenticationInfoId", "Citrix Common Forms 1.0"))
        .child(Element::of("ExpiryTime", precise(now + days * 86_400_000)))
        .child(Element::of("TimeRemaining", span(days * 86_400_000)));
    Element::root("CredentialUpdateInformationList", names::FORM).child(update)
}

/// UTC with seven digits of fraction.
fn precise(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    format!("{}.{:03}0000Z", time.strftime("%Y-%m-%dT%H:%M:%S"), ms.rem_euclid(1000))
}

/// `d.hh:mm:ss`
fn span(ms: i64) -> String {
    let s = ms / 1000;
    format!("{}.{:02}:{:02}:{:02}", s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60)
}

/// Reads `[d.]hh:mm:ss[.ff]`.
fn span_ms(text: &str) -> Option<i64> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':')?;
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    let seconds = seconds.split_once('.').map_or(seconds, |(whole, _)| whole);
    let [days, hours, minutes, seconds] =
        [days, hours, minutes, seconds].map(|part| part.parse::<u16>().ok().map(i64::from));
    Some((((days? * 24 + hours?) * 60 + minutes?) * 60 + seconds?) * 1000)
}

/// As the documented samples print it, semicolons included.
const LOGON_CACHE: &str = "no-cache; private; no-store; must-revalidate; max-stale=0; \
                           post-check=0; pre-check=0; max-age=0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_is_read_as_it_is_written() {
        assert_eq!(span_ms("0.08:00:00"), Some(8 * 3_600_000));
        assert_eq!(span_ms("01:02:03.25"), Some(3_723_000));
        assert_eq!(span_ms("2.00:00:01").map(span).as_deref(), Some("2.00:00:01"));
        assert_eq!(span_ms("eight hours"), None);
        assert_eq!(precise(1_792_048_910_007), "2026-10-15T07:21:50.0070000Z");
    }
}
