//! What happens while an identity provider is away, and while somebody hammers it through us.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{Watch, authenticate, authenticator, start, who};
use crate::support::{Gateway, IdentityProvider, Signer, signed_part};
use cwsgate::auth::Refused;

#[tokio::test]
async fn without_the_provider_known_keys_serve_and_unknown_ones_are_told_to_wait() {
    let (gateway, mut provider) = start().await;
    let token = provider.token(&provider.claims());
    who(&gateway, &token).await.ok(200);
    provider.stop().await;

    let next = Signer::ec("key-2");
    for _ in 0..3 {
        let mut claims = provider.claims();
        claims["sub"] = json!("user-8");
        for known in [&token, &provider.token(&claims)] {
            who(&gateway, known).await.ok(200);
        }
        let reply = who(&gateway, &next.token(&claims)).await;
        let problem = reply.problem(503, "identity_unavailable");
        assert_eq!(problem["origin"], "gateway");
    }
    assert_eq!(gateway.total_asked().await, 0);

    provider.publish(&[next.jwk()]);
    provider.restart().await;
    let found = timeout(Duration::from_mins(1), async {
        while who(&gateway, &next.token(&provider.claims())).await.status != 200 {
            sleep(Duration::from_millis(200)).await;
        }
    });
    found.await.expect("the provider is back, which should have been noticed");
    // The old key is no longer the provider's, and what it signed is no longer believed.
    who(&gateway, &token).await.problem(401, "credentials_invalid");
}

#[tokio::test]
async fn a_gateway_starts_without_its_provider_and_finds_it_later() {
    let mut provider = IdentityProvider::start().await;
    provider.stop().await;
    let gateway = Gateway::builder().settings(&provider.settings("corp")).start().await;
    let token = provider.token(&provider.claims());
    assert_eq!(gateway.get_admin("/readyz").await.status, 200);
    gateway.get("/v1/whoami").await.ok(200);
    who(&gateway, &token).await.problem(503, "identity_unavailable");

    provider.restart().await;
    let found = timeout(Duration::from_mins(1), async {
        while who(&gateway, &token).await.status != 200 {
            sleep(Duration::from_millis(200)).await;
        }
    });
    found.await.expect("the provider is there, which should have been noticed");
}

#[tokio::test]
async fn ten_thousand_random_keys_cause_one_question() {
    let provider = IdentityProvider::start().await;
    let gateway = authenticator(&provider.settings("corp"), &Watch::new(), None);
    let known = provider.token(&provider.claims());
    authenticate(&gateway, &known).await.unwrap();
    let (asked, checked) = (provider.fetches(), gateway.signatures_checked());
    let began = std::time::Instant::now();

    let claims = provider.claims().to_string();
    for number in 0..10_000 {
        let header = json!({ "alg": "ES256", "kid": format!("random-{number}") }).to_string();
        let token = signed_part(&header, &claims) + ".c2ln";
        let refused = authenticate(&gateway, &token).await;
        assert_eq!(refused.err(), Some(Refused::UnknownSigningKey));
    }

    let periods = usize::try_from(began.elapsed().as_secs() / 30).unwrap();
    let caused = provider.fetches() - asked;
    assert!((1..=1 + periods).contains(&caused), "{caused}");
    authenticate(&gateway, &known).await.unwrap();
    assert_eq!(gateway.signatures_checked(), checked, "no key, nothing to check");
}
