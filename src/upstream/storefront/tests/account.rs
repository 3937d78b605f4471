//! Tokens of a service account: cached, renewed, refused, and never tried twice with a wrong
//! password.

use std::sync::Arc;

use super::{
    described, kind, link, listed,
    stub::{FakeStore, PASSWORD, USER, account, challenge, xml},
};
use crate::{
    config::StoreAuth,
    domain::Enumeration,
    upstream::{
        ErrorKind, TokenState,
        storefront::Access,
        testing::{Answer, context, with_headers},
    },
};

#[tokio::test]
async fn a_second_list_needs_no_new_token() {
    let fake = FakeStore::start().await;
    let store = fake.basic();
    listed(&fake, &store).await.unwrap();
    listed(&fake, &store).await.unwrap();
    assert_eq!(fake.lines("/Start").len(), 1);
    assert_eq!(fake.lines("auth/v1/token").len(), 2);
    assert_eq!(fake.lines("withoutautoprovision").len(), 3);
    assert_eq!(fake.upstream.storefront.account_status(&store).state, TokenState::Fresh);
}

#[tokio::test]
async fn fifty_first_calls_sign_in_once() {
    let fake = FakeStore::start().await;
    let store = fake.forms();
    let calls = (0..50).map(|_| listed(&fake, &store));
    for result in futures_util::future::join_all(calls).await {
        result.unwrap();
    }
    assert_eq!(fake.lines("ExplicitForms/Start").len(), 1);
    assert_eq!(fake.lines("auth/v1/token").len(), 2);
}

#[tokio::test]
async fn a_refused_token_is_renewed_without_a_new_sign_in() {
    for reason in
        ["expired", "notforthisservice", "invalidtoken", "tokenSignatureNotVerified", "brandnew"]
    {
        let fake = FakeStore::start().await;
        let store = fake.basic();
        listed(&fake, &store).await.unwrap();
        fake.change(|settings| settings.refuse = vec![reason]);
        listed(&fake, &store).await.unwrap();
        assert_eq!(fake.lines("/Start").len(), 1, "{reason}");
        assert_eq!(fake.lines("auth/v1/token").len(), 3, "{reason}");
    }
}

#[tokio::test]
async fn a_doubtful_sign_in_is_made_anew() {
    for reason in ["badpassword", "passwordClaimNotFound", "gatewayclaimsinconsistent"] {
        let fake = FakeStore::start().await;
        let store = fake.basic();
        listed(&fake, &store).await.unwrap();
        fake.change(|settings| settings.refuse = vec![reason]);
        listed(&fake, &store).await.unwrap();
        assert_eq!(fake.lines("/Start").len(), 2, "{reason}");
    }
}

#[tokio::test]
async fn another_audience_is_asked_for_with_the_services_root() {
    let fake = FakeStore::start().await;
    let store = fake.basic();
    fake.change(|settings| settings.refuse = vec!["invalidAudience"]);
    listed(&fake, &store).await.unwrap();
    let sent = fake.sent();
    let urls: Vec<_> = sent
        .iter()
        .filter(|sent| sent.contains("<for-service>store-realm"))
        .map(|sent| sent.contains("/Citrix/Store/resources/v2</for-service-url>"))
        .collect();
    assert_eq!(urls, [false, false, true]);
}

#[tokio::test]
async fn challenges_do_not_go_round_in_circles() {
    let fake = FakeStore::start().await;
    let store = fake.basic();
    fake.change(|settings| settings.refuse = vec!["invalidtoken"; 9]);
    assert_eq!(kind(&fake, &store).await, ErrorKind::RejectedCredentials);
    assert_eq!(fake.lines("withoutautoprovision").len(), 3);
    assert_eq!(fake.lines("/Start").len(), 1);
    // Nothing is asked for in the pause.
    let before = fake.lines("StoreAuth").len();
    assert!(matches!(kind(&fake, &store).await, ErrorKind::TokenUnavailable { .. }));
    assert_eq!(fake.lines("StoreAuth").len(), before);
}

#[tokio::test]
async fn reasons_without_a_remedy_end_the_call() {
    for (reason, expected) in [
        ("nottrusted", ErrorKind::RejectedCredentials),
        ("wrongclaims", ErrorKind::RejectedCredentials),
    ] {
        let fake = FakeStore::start().await;
        let store = fake.basic();
        fake.change(|settings| settings.refuse = vec![reason]);
        let error = listed(&fake, &store).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (expected, Some(reason)));
    }
    let fake = FakeStore::start().await;
    let store = fake.basic();
    fake.change(|settings| settings.refuse = vec!["badaccount"]);
    assert!(matches!(kind(&fake, &store).await, ErrorKind::Quarantined { .. }));
    assert!(matches!(kind(&fake, &store).await, ErrorKind::Quarantined { .. }));
    assert_eq!(fake.lines("/Start").len(), 1);
}

#[tokio::test]
async fn one_wrong_password_quarantines_the_account_until_it_changes() {
    for forms in [false, true] {
        let fake = FakeStore::start().await;
        let auth = |password: &str| {
            if forms {
                StoreAuth::ExplicitForms(account(password))
            } else {
                StoreAuth::HttpBasic(account(password))
            }
        };
        fake.change(|settings| settings.password = "another");
        let store = fake.store(auth(PASSWORD));
        for _ in 0..3 {
            let error = listed(&fake, &store).await.unwrap_err();
            assert!(matches!(error.kind, ErrorKind::Quarantined { .. }), "{error:?}");
        }
        let again = fake.store(auth(PASSWORD));
        assert!(matches!(kind(&fake, &again).await, ErrorKind::Quarantined { .. }));
        assert_eq!(fake.lines("/Start").len(), 1);
        assert_eq!(fake.lines("ExplicitForms").len(), if forms { 2 } else { 0 });
        let status = fake.upstream.storefront.account_status(&store);
        assert_eq!(status.state, TokenState::Quarantined);
        assert_eq!(status.last_error_reason.as_deref(), Some("the password was refused"));

        let changed = fake.store(auth("another"));
        listed(&fake, &changed).await.unwrap();
    }
}

#[tokio::test]
async fn a_release_allows_one_more_attempt() {
    let fake = FakeStore::start().await;
    let store = fake.basic();
    fake.change(|settings| settings.password = "another");
    listed(&fake, &store).await.unwrap_err();
    fake.change(|settings| settings.password = PASSWORD);
    assert!(matches!(kind(&fake, &store).await, ErrorKind::Quarantined { .. }));
    fake.upstream.storefront.release(&store);
    listed(&fake, &store).await.unwrap();
}

#[tokio::test]
async fn pages_that_a_password_does_not_answer_are_final() {
    let form = super::stub::logon_form("");
    for page in [
        form.replace("more-info", "update-credentials"),
        form.replace("more-info", "fail"),
        form.replace("more-info", "cancelled"),
        form.replace("<Type>savecredentials</Type></Credential><Input><CheckBox><InitialValue>false</InitialValue></CheckBox>", "<Type>passcode</Type></Credential><Input><Text><Secret>true</Secret></Text>"),
    ] {
        let fake = FakeStore::start().await;
        fake.instead("ExplicitForms/Start", vec![xml(200, "", &page)]);
        let store = fake.forms();
        assert!(matches!(kind(&fake, &store).await, ErrorKind::Quarantined { .. }), "{page}");
        assert_eq!(fake.lines("POST /Citrix/StoreAuth/ExplicitForms ").len(), 0);
    }
}

#[tokio::test]
async fn trouble_of_the_token_service_is_no_strike() {
    for (part, answer) in [
        ("auth/v1/token", with_headers(503, "", "<html>")),
        ("auth/v1/token", Answer::Close),
        ("auth/v1/token", xml(200, "", "<html/>")),
        ("auth/v1/protocols", with_headers(500, "", "<html>")),
        ("HttpBasic", with_headers(503, "", "<html>")),
        ("HttpBasic", xml(200, "", "<!DOCTYPE x><x/>")),
        ("HttpBasic", with_headers(302, "Location: /logon\r\n", "")),
    ] {
        let fake = FakeStore::start().await;
        fake.instead(part, vec![answer]);
        let store = fake.basic();
        let error = listed(&fake, &store).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::TokenUnavailable { .. }), "{part} {error:?}");
        assert_eq!(fake.upstream.storefront.account_status(&store).state, TokenState::Backoff);
        fake.upstream.storefront.release(&store);
        listed(&fake, &store).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_sent_to_another_host() {
    for host in ["http://127.0.0.2:1", "https://127.0.0.1", "http://evil.test", "//evil.test"] {
        let fake = FakeStore::start().await;
        fake.change(|settings| settings.token_host = Some(host));
        let store = fake.basic();
        assert!(matches!(kind(&fake, &store).await, ErrorKind::TokenUnavailable { .. }), "{host}");
        assert_eq!(fake.lines("StoreAuth").len(), 0);
        let why = fake.upstream.storefront.account_status(&store).last_error_reason;
        assert_eq!(why.unwrap(), "the store names no token service on its own host");
    }
    let fake = FakeStore::start().await;
    let elsewhere = challenge("http://evil.test", "auth-realm", "notoken", "/p", "/t");
    fake.instead("auth/v1/token", vec![elsewhere]);
    let store = fake.basic();
    assert!(matches!(kind(&fake, &store).await, ErrorKind::TokenUnavailable { .. }));
    let why = fake.upstream.storefront.account_status(&store).last_error_reason;
    assert_eq!(why.unwrap(), "the token service names no place to sign in on its own host");
}

#[tokio::test]
async fn a_list_on_another_origin_is_not_asked() {
    let fake = FakeStore::start().await;
    let elsewhere = "<endpoints xmlns=\"http://citrix.com/dazzleservices/2-0/endpoints\"><endpoint id=\"ListResources\"><url>http://evil.test/x</url></endpoint></endpoints>";
    fake.instead("endpoints", vec![xml(200, "", elsewhere)]);
    assert_eq!(kind(&fake, &fake.basic()).await, ErrorKind::Malformed);
}

#[tokio::test]
async fn a_long_list_is_read_and_one_beyond_the_bound_is_not() {
    let fake = FakeStore::start().await;
    let store = fake.basic();
    let item = "<resource><id>x</id><title>Notepad</title></resource>";
    fake.change(|settings| settings.list = super::stub::list("full", &item.repeat(10_000)));
    assert_eq!(listed(&fake, &store).await.unwrap().items.len(), 10_001);
    fake.change(|settings| settings.list = super::stub::list("full", &item.repeat(400_000)));
    assert_eq!(kind(&fake, &store).await, ErrorKind::Malformed);
}

#[tokio::test]
async fn a_store_without_an_endpoints_document_is_asked_at_the_documented_place() {
    let fake = FakeStore::start().await;
    fake.instead("endpoints", vec![with_headers(404, "", "")]);
    let resources = listed(&fake, &fake.basic()).await.unwrap();
    assert_eq!(resources.enumeration, Enumeration::Full);
    assert!(fake.lines("v2 ").is_empty());
}

#[tokio::test]
async fn a_token_that_has_ended_by_our_clock_is_used_once() {
    let fake = FakeStore::start().await;
    fake.change(|settings| settings.expiry = "2026-11-22T11:59:59Z");
    let store = fake.basic();
    listed(&fake, &store).await.unwrap();
    listed(&fake, &store).await.unwrap();
    assert_eq!(fake.lines("/Start").len(), 2);
}

#[tokio::test]
async fn answers_of_the_list_are_told_apart() {
    for (answer, expected) in [
        (with_headers(503, "", ""), ErrorKind::Unavailable { retry_after: None }),
        (with_headers(504, "", ""), ErrorKind::TimedOut),
        (with_headers(500, "", ""), ErrorKind::Failed),
        (with_headers(404, "", ""), ErrorKind::Failed),
        (with_headers(302, "Location: /x\r\n", ""), ErrorKind::Failed),
        (with_headers(403, "", ""), ErrorKind::Forbidden),
        (with_headers(406, "", ""), ErrorKind::Malformed),
        (with_headers(401, "", ""), ErrorKind::Malformed),
        (xml(200, "", "<html/>"), ErrorKind::Malformed),
        (Answer::Close, ErrorKind::Unavailable { retry_after: None }),
    ] {
        let fake = FakeStore::start().await;
        let store = fake.basic();
        listed(&fake, &store).await.unwrap();
        fake.instead("withoutautoprovision", vec![answer]);
        assert_eq!(kind(&fake, &store).await, expected);
    }
}

#[tokio::test]
async fn passwords_tokens_and_cookies_are_in_no_text() {
    let echo = format!("{PASSWORD} canary-primary-0 canary-service-1 canary-cookie {USER}");
    let mut texts = Vec::new();
    for forms in [false, true] {
        for part in ["auth/v1/token", "protocols", "/Start", "withoutauto", "endpoints"] {
            let fake = FakeStore::start().await;
            fake.instead(part, vec![with_headers(500, "", &echo), xml(200, "", &echo)]);
            let store = if forms { fake.forms() } else { fake.basic() };
            for _ in 0..3 {
                if let Err(error) = listed(&fake, &store).await {
                    texts.push(described(&error));
                }
                fake.upstream.storefront.release(&store);
            }
            let visit = fake.upstream.storefront.visit(&store, Access::Account);
            texts.push(format!("{visit:?} {:?} {store:?}", fake.upstream.storefront));
            texts.push(format!("{:?}", fake.upstream.storefront.account_status(&store)));
        }
        // The page repeats the password.
        let fake = FakeStore::start().await;
        fake.change(|settings| settings.password = "another");
        let store = if forms { fake.forms() } else { fake.basic() };
        texts.push(described(&listed(&fake, &store).await.unwrap_err()));
        let own = fake.store(StoreAuth::Caller);
        fake.change(|settings| settings.protocols = vec!["ExplicitForms"]);
        let password = secrecy::SecretString::from(PASSWORD);
        let refused = fake.upstream.storefront.sign_in(&context(), &own, USER, &password).await;
        texts.push(described(&refused.unwrap_err()));
    }
    for text in texts {
        for canary in ["canary", PASSWORD, "kiosk"] {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
}

#[tokio::test]
async fn a_caller_who_leaves_stops_no_sign_in() {
    let fake = FakeStore::start().await;
    let store = Arc::clone(&fake.basic());
    let first = tokio::time::timeout(std::time::Duration::from_millis(1), listed(&fake, &store));
    let _ = first.await;
    link(&fake, &store).await;
    assert_eq!(fake.lines("/Start").len(), 1);
}
