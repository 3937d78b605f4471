//! What is remembered of a verified token, and what is not.

use jiff::SignedDuration;
use serde_json::json;

use super::{Watch, authenticate, authenticator};
use crate::support::{IdentityProvider, Signer};
use cwsgate::auth::Refused;

#[tokio::test]
async fn a_signature_is_checked_once() {
    let provider = IdentityProvider::start().await;
    let gateway = authenticator(&provider.settings("corp"), &Watch::new(), None);
    let (one, two) = (provider.token(&provider.claims()), provider.token(&provider.claims()));
    assert_ne!(one, two);
    for token in [&one, &two] {
        for _ in 0..100 {
            let principal = authenticate(&gateway, token).await.unwrap();
            assert_eq!(principal.app.as_str(), "desk-corp");
        }
    }
    assert_eq!(gateway.signatures_checked(), 2);
}

#[tokio::test]
async fn two_tokens_never_share_a_memory() {
    let provider = IdentityProvider::start().await;
    let gateway = authenticator(&provider.settings("corp"), &Watch::new(), None);
    let token = |number: usize| {
        let mut claims = provider.claims();
        claims["sub"] = json!(format!("user-{number}"));
        provider.token(&claims)
    };
    let tokens: Vec<String> = (0..50).map(token).collect();
    for _ in 0..3 {
        for (number, token) in tokens.iter().enumerate() {
            let principal = authenticate(&gateway, token).await.unwrap();
            assert_eq!(principal.subject, Some(format!("user-{number}")));
        }
    }
    // The same claims under a signature that is not one.
    let (signed, _) = tokens[0].rsplit_once('.').unwrap();
    let (_, signature) = tokens[1].rsplit_once('.').unwrap();
    let forged = authenticate(&gateway, &format!("{signed}.{signature}")).await;
    assert_eq!(forged.err(), Some(Refused::BadSignature));
}

#[tokio::test]
async fn a_remembered_token_ends_when_it_would_have_ended() {
    let provider = IdentityProvider::start().await;
    let clock = Watch::new();
    let gateway = authenticator(&provider.settings("corp"), &clock, None);
    let token = provider.token(&provider.claims());
    authenticate(&gateway, &token).await.unwrap();
    clock.advance(SignedDuration::from_mins(59));
    authenticate(&gateway, &token).await.unwrap();
    clock.advance(SignedDuration::from_mins(2));
    assert_eq!(authenticate(&gateway, &token).await.err(), Some(Refused::TokenExpired));
}

#[tokio::test]
async fn a_remembered_token_ends_with_the_key_that_signed_it() {
    let provider = IdentityProvider::start().await;
    let gateway = authenticator(&provider.settings("corp"), &Watch::new(), None);
    let token = provider.token(&provider.claims());
    authenticate(&gateway, &token).await.unwrap();
    let next = Signer::ec("key-2");
    provider.publish(&[next.jwk()]);
    // Brings the new keys, and takes the old one away.
    authenticate(&gateway, &next.token(&provider.claims())).await.unwrap();
    let refused = authenticate(&gateway, &token).await;
    assert_eq!(refused.err(), Some(Refused::UnknownSigningKey));
}

#[tokio::test]
async fn another_configuration_accepts_what_it_says_and_keeps_the_keys() {
    let provider = IdentityProvider::start().await;
    let clock = Watch::new();
    let settings = provider.settings("corp");
    let gateway = authenticator(&settings, &clock, None);
    let token = provider.token(&provider.claims());
    authenticate(&gateway, &token).await.unwrap();
    let change = |from: &str, to: &str| {
        assert!(settings.contains(from));
        authenticator(&settings.replace(from, to), &clock, Some(&gateway))
    };

    authenticate(&change("\"ops\"", "\"operators\""), &token).await.unwrap();
    for (from, to, refused) in [
        ("\"cwsgate\", ", "", Refused::ForeignAudience),
        ("desk-web", "helpdesk-web", Refused::NoApp),
        (provider.issuer(), "https://login.example.test/", Refused::UnknownIssuer),
        ("\"robot\"", "\"user-7\"", Refused::AmbiguousApp),
    ] {
        let answer = authenticate(&change(from, to), &token).await;
        assert_eq!(answer.err(), Some(refused), "{to}");
    }
    assert_eq!(provider.fetches(), 1, "the keys come from the same place");

    let strict = change("\"ES256\", ", "");
    assert_eq!(authenticate(&strict, &token).await.err(), Some(Refused::Algorithm));
    authenticate(&gateway, &token).await.unwrap();
}
