//! Identity providers that answer otherwise than they should.

use serde_json::json;

use super::{Watch, authenticate, authenticator};
use crate::support::{IdentityProvider, Instead, Signer};
use cwsgate::auth::Refused;

#[tokio::test]
async fn keys_come_from_the_configured_provider_and_from_nowhere_else() {
    let attacker = IdentityProvider::start_with(Signer::ec("key-1")).await;
    let foreign = |issuer: &str| {
        let keys = format!("{}keys", attacker.issuer());
        Instead::Json(json!({ "issuer": issuer, "jwks_uri": keys }))
    };
    for (path, instead) in [
        ("discovery", foreign(attacker.issuer())),
        ("discovery", foreign("")),
        ("discovery", Instead::Json(json!({ "jwks_uri": format!("{}keys", attacker.issuer()) }))),
        ("discovery", Instead::Json(json!([]))),
        ("discovery", Instead::Redirect(format!("{}keys", attacker.issuer()))),
        ("discovery", Instead::Bytes(2 << 20)),
        ("keys", Instead::Redirect(format!("{}keys", attacker.issuer()))),
        ("keys", Instead::Json(json!({ "keys": {} }))),
        ("keys", Instead::Json(json!({}))),
        ("keys", Instead::Bytes(2 << 20)),
        ("keys", Instead::Bytes(0)),
    ] {
        let provider = IdentityProvider::start().await;
        provider.answer(path, instead);
        let gateway = authenticator(&provider.settings("corp"), &Watch::new(), None);
        for signer in [&provider.signer, &attacker.signer] {
            let refused = authenticate(&gateway, &signer.token(&provider.claims())).await;
            let unavailable = matches!(refused, Err(Refused::IdentityUnavailable { .. }));
            assert!(unavailable, "{path}: {refused:?}");
        }
    }
    assert_eq!(attacker.fetches(), 0);
}

#[tokio::test]
async fn addresses_that_discovery_names_must_be_safe() {
    for address in ["http://192.0.2.1/keys", "file:///etc/passwd", "data:,{}", "ftp://[::1]/", "x"]
    {
        let provider = IdentityProvider::start().await;
        let document = json!({ "issuer": provider.issuer(), "jwks_uri": address });
        provider.answer("discovery", Instead::Json(document));
        let gateway = authenticator(&provider.settings("corp"), &Watch::new(), None);
        let refused = authenticate(&gateway, &provider.token(&provider.claims())).await;
        assert!(matches!(refused, Err(Refused::IdentityUnavailable { .. })), "{address}");
    }
}

#[tokio::test]
async fn a_configured_address_of_keys_is_used_without_discovery() {
    let provider = IdentityProvider::start().await;
    provider.answer("discovery", Instead::Json(json!([])));
    let keys = format!("jwks_url = \"{}keys\"\naudience", provider.issuer());
    let settings = provider.settings("corp").replacen("audience", &keys, 1);
    let gateway = authenticator(&settings, &Watch::new(), None);
    authenticate(&gateway, &provider.token(&provider.claims())).await.unwrap();
}

#[tokio::test]
async fn one_odd_key_does_not_spoil_the_set() {
    let provider = IdentityProvider::start().await;
    provider.publish(&[
        json!(null),
        json!({ "kty": "AKP", "alg": "ML-DSA-65", "kid": "quantum" }),
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "key-1", "alg": "HS256" }),
        provider.signer.jwk(),
    ]);
    let gateway = authenticator(&provider.settings("corp"), &Watch::new(), None);
    authenticate(&gateway, &provider.token(&provider.claims())).await.unwrap();
}
