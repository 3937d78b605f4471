//! Callers' own users: sign-ins, and tokens that they bring.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use super::{
    described,
    stub::{FakeStore, PASSWORD, USER},
};
use crate::{
    config::{Store, StoreAuth},
    net,
    upstream::{
        Error, ErrorKind,
        storefront::{
            Access, CallerToken, Resources, Session,
            access::Token,
            challenge::Challenge,
            http::Http,
            wallet::{Proof, Wallet},
        },
        testing::{FixedClock, context, settings, with_headers},
    },
};

async fn sign_in(fake: &FakeStore, store: &Arc<Store>, password: &str) -> Result<Session, Error> {
    let password = SecretString::from(password);
    fake.upstream.storefront.sign_in(&context(), store, USER, &password).await
}

async fn listed_as(
    fake: &FakeStore,
    store: &Arc<Store>,
    access: Access,
) -> Result<Resources, ErrorKind> {
    let visit = fake.upstream.storefront.visit(store, access);
    visit.resources(&context()).await.map_err(|error| error.kind)
}

fn token(raw: &str) -> Access {
    Access::Token(CallerToken::new(&SecretString::from(raw)).unwrap())
}

#[tokio::test]
async fn a_user_signs_in_once_and_lists_with_what_came_of_it() {
    for protocols in [vec!["ExplicitForms", "HttpBasic"], vec!["CitrixFederation", "ExplicitForms"]]
    {
        let fake = FakeStore::start().await;
        fake.change(|settings| settings.protocols = protocols);
        let store = fake.store(StoreAuth::Caller);
        let session = sign_in(&fake, &store, PASSWORD).await.unwrap();
        assert_eq!(session.expires().to_string(), "2026-11-22T13:00:00.1234567Z");
        assert_eq!(session.expose_token(), "canary-primary-0");

        let kept = SecretString::from(session.expose_token());
        let session = Session::restore(&kept, session.expires()).unwrap();
        for _ in 0..2 {
            listed_as(&fake, &store, Access::Session(session.clone())).await.unwrap();
        }
        assert_eq!(fake.lines("/Start").len(), 1);
        // One for the sign-in's challenge, one for the service token of both lists.
        assert_eq!(fake.lines("auth/v1/token").len(), 2);
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_tried_again() {
    for (protocol, posts) in [("HttpBasic", 1), ("ExplicitForms", 2)] {
        let fake = FakeStore::start().await;
        fake.change(|settings| settings.protocols = vec![protocol]);
        let store = fake.store(StoreAuth::Caller);
        let error = sign_in(&fake, &store, "wrong").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::SignInRefused);
        assert_eq!(fake.lines(&format!("StoreAuth/{protocol}")).len(), posts);
        // The next user is not punished for it.
        sign_in(&fake, &store, PASSWORD).await.unwrap();
    }
}

#[tokio::test]
async fn a_protocol_that_is_not_offered_is_said_so() {
    let fake = FakeStore::start().await;
    fake.change(|settings| settings.protocols = vec!["CitrixFederation", "IntegratedWindows"]);
    let error = sign_in(&fake, &fake.store(StoreAuth::Caller), PASSWORD).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert_eq!(
        error.message.as_deref(),
        Some("the store does not offer HttpBasic or ExplicitForms")
    );
}

#[tokio::test]
async fn a_sign_in_that_has_ended_or_is_missing_is_said_so() {
    let fake = FakeStore::start().await;
    let store = fake.store(StoreAuth::Caller);
    let expired = Some(ErrorKind::SessionExpired);
    assert_eq!(listed_as(&fake, &store, Access::Account).await.err(), expired);
    let primary = SecretString::from("canary-primary-0");
    let ended = Session::restore(&primary, "2026-11-22T12:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(listed_as(&fake, &store, Access::Session(ended)).await.err(), expired);
    assert!(fake.sent().is_empty());

    let unknown = SecretString::from("unknown");
    let refused = Session::restore(&unknown, "2026-11-22T13:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(listed_as(&fake, &store, Access::Session(refused)).await.err(), expired);
}

#[tokio::test]
async fn a_token_of_either_kind_is_good_for_its_visit_only() {
    let fake = FakeStore::start().await;
    let store = fake.store(StoreAuth::Caller);
    listed_as(&fake, &store, token("canary-service-7")).await.unwrap();
    assert_eq!(fake.lines("StoreAuth").len(), 0);
    for visits in 1..=2 {
        listed_as(&fake, &store, token("canary-primary-7")).await.unwrap();
        assert_eq!(fake.lines("auth/v1/token").len(), visits);
    }
    let refused = listed_as(&fake, &store, token("neither")).await;
    assert_eq!(refused.err(), Some(ErrorKind::SessionExpired));
}

#[tokio::test]
async fn two_users_never_share_a_token() {
    let fake = FakeStore::start().await;
    let store = fake.store(StoreAuth::Caller);
    let session = |primary: &str| {
        let ends = "2026-11-22T13:00:00Z".parse().unwrap();
        Access::Session(Session::restore(&SecretString::from(primary), ends).unwrap())
    };
    for primary in ["canary-primary-ada", "canary-primary-bob", "canary-primary-ada"] {
        listed_as(&fake, &store, session(primary)).await.unwrap();
    }
    let sent = fake.sent();
    let used: Vec<_> = sent
        .iter()
        .filter(|sent| sent.contains("withoutautoprovision?"))
        .filter_map(|sent| sent.lines().find_map(|line| line.strip_prefix("authorization: ")))
        .collect();
    let [ada, bob] = ["CitrixAuth canary-service-0", "CitrixAuth canary-service-1"];
    assert_eq!(used, [ada, bob, ada]);
}

#[tokio::test]
async fn refusals_after_the_sign_in_are_about_the_caller() {
    for reason in ["badaccount", "nottrusted", "wrongclaims", "badpassword"] {
        let fake = FakeStore::start().await;
        let store = fake.store(StoreAuth::Caller);
        fake.change(|settings| settings.refuse = vec![reason; 9]);
        let visit = fake.upstream.storefront.visit(&store, token("canary-primary-7"));
        let error = visit.resources(&context()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::SessionExpired, "{reason}");
        assert_eq!(error.code.as_deref(), Some(reason));
        assert!(!described(&error).contains("canary"));
    }
}

#[tokio::test]
async fn a_failure_reaches_all_who_waited_for_the_same_token() {
    let fake = FakeStore::start().await;
    fake.instead("auth/v1/token", vec![with_headers(503, "", ""); 20]);
    let url = Url::parse(&format!("{}/Citrix/Store/resources/v2", fake.stub.base)).unwrap();
    let http = Http {
        client: net::client(&net::ClientOptions::default()).unwrap(),
        clock: Arc::new(FixedClock),
        read_timeout: Duration::from_secs(10),
    };
    let proof = Proof::Primary(Token::new("canary-primary-7").unwrap());
    let wallet = Arc::new(Wallet::new(proof, url.clone(), http, settings().token));
    let line = format!(
        "CitrixAuth realm=\"r\", reason=\"notoken\", locations=\"{}/Citrix/StoreAuth/auth/v1/token\"",
        fake.stub.base
    );
    let headers = [(http::header::WWW_AUTHENTICATE, line.parse().unwrap())].into_iter().collect();
    let challenge = Challenge::of(&headers).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let calls = (0..20).map(|_| wallet.obtain(challenge.clone(), &url, None, deadline));
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(result.unwrap_err().kind, ErrorKind::Unavailable { retry_after: None });
    }
    assert_eq!(fake.lines("auth/v1/token").len(), 1);
}

#[test]
fn what_cannot_be_a_token_is_refused() {
    for raw in ["", "a b", "a\r\nX: y", "caf\u{e9}", &"x".repeat(32 * 1024 + 1)] {
        assert!(CallerToken::new(&SecretString::from(raw)).is_none());
    }
    let token = CallerToken::new(&SecretString::from("H4sI+/A==")).unwrap();
    assert!(!format!("{token:?}").contains("H4sI"));
}
