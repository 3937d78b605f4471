//! `CitrixAuth`: who may come in, and the challenge for everybody else.

use super::super::http::Request;
use super::super::world::World;
use super::answer::Answer;
use super::host::Store;
use super::tokens::Realm;

/// The user that a request's token speaks for.
///
/// # Errors
/// The 401 with its challenge.
pub(super) fn user(
    world: &mut World,
    request: &Request,
    (store, realm): (usize, Realm),
) -> Result<usize, Answer> {
    let judged = match world.storefront.stores[store].next_rejection(realm) {
        Some(reason) => Err(reason),
        None => judge(world, request, (store, realm)).map_err(str::to_owned),
    };
    judged.map_err(|reason| challenge(&world.storefront.stores[store], request, realm, &reason))
}

fn judge(world: &World, request: &Request, place: (usize, Realm)) -> Result<usize, &'static str> {
    // The word of the scheme is case-sensitive.
    let token = request.header("authorization").and_then(|value| value.strip_prefix("CitrixAuth "));
    let token = token.ok_or("notoken")?;
    world.store_user(token.trim(), place, &request.base)
}

/// The 401: one line, this order, every value quoted.
fn challenge(store: &Store, request: &Request, realm: Realm, reason: &str) -> Answer {
    let auth = format!("{}/Citrix/{}", request.base, store.auth_path);
    let token_service = format!("{auth}/auth/v1/token");
    let (location, root) = match realm {
        Realm::Resources => {
            (token_service, format!("{}/Citrix/{}/resources/v2", request.base, store.path))
        }
        Realm::Tokens => (format!("{auth}/auth/v1/protocols"), token_service),
        Realm::Validation => (token_service.clone(), format!("{token_service}/validate")),
    };
    let locations = if store.dead_location_first && realm == Realm::Resources {
        format!("{}/Citrix/Retired/auth/v1/token|{location}", request.base)
    } else {
        location
    };
    let line = format!(
        "CitrixAuth realm=\"{}\", reqtokentemplate=\"\", reason=\"{reason}\", \
         locations=\"{locations}\", serviceroot-hint=\"{root}\"",
        realm.id(store)
    );
    Answer::page(401)
        .header("www-authenticate", line)
        .header("cache-control", "public, no-store, max-age=0")
}

/// Every published reason of a challenge.
pub(crate) const REASONS: [&str; 12] = [
    "notoken",
    "expired",
    "notforthisservice",
    "nottrusted",
    "invalidtoken",
    "passwordClaimNotFound",
    "badpassword",
    "badaccount",
    "invalidAudience",
    "tokenSignatureNotVerified",
    "wrongclaims",
    "gatewayclaimsinconsistent",
];
