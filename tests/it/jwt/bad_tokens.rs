//! Tokens that are not what they seem: one answer for all of them, and no work for anybody else.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use super::who;
use crate::{
    auth::refusal,
    support::{Gateway, IdentityProvider, Signer, signed_part},
};

#[tokio::test]
async fn no_trick_gets_a_token_accepted_or_an_answer_of_its_own() {
    let corp = IdentityProvider::start().await;
    let other = IdentityProvider::start_with(Signer::rsa("rsa-1")).await;
    let settings = corp.settings("corp") + &other.settings("other");
    let gateway = Gateway::builder().settings(&settings).start().await;
    // Both are good, so that what is bad below is bad for its own reason.
    who(&gateway, &corp.token(&corp.claims())).await.ok(200);
    who(&gateway, &other.token(&other.claims())).await.ok(200);
    let fetched = (corp.fetches(), other.fetches());

    let mut first = None;
    let bad = [
        bad_forms(&corp),
        bad_signatures(&corp, &other),
        bad_headers(&corp),
        bad_claims(&corp, &other),
    ];
    for (what, token) in bad.concat() {
        let reply = who(&gateway, &token).await;
        assert_eq!(reply.status, 401, "{what}: {}", reply.text);
        let body = refusal(&reply);
        assert_eq!(first.get_or_insert_with(|| body.clone()), &body, "{what}");
    }
    let fetched_since = (corp.fetches() - fetched.0, other.fetches() - fetched.1);
    assert!(fetched_since.0 <= 1 && fetched_since.1 <= 1, "{fetched_since:?}");
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn a_token_may_be_as_long_as_8_kib_and_no_longer() {
    let provider = IdentityProvider::start().await;
    let gateway = Gateway::builder().settings(&provider.settings("corp")).start().await;
    // Not every length is one of base64url; two parts make up for it.
    let padded = |length: usize| {
        let of = |header_filler: usize, filler: usize| {
            let (mut header, mut claims) = (provider.signer.header(), provider.claims());
            header["x"] = json!("x".repeat(header_filler));
            claims["x"] = json!("x".repeat(filler));
            (header.to_string(), claims.to_string())
        };
        let length_of = |(header, claims): &(String, String)| {
            signed_part(header, claims).len() + ".".len() + URL_SAFE_NO_PAD.encode([0; 64]).len()
        };
        let near = (length - length_of(&of(0, 0))) / 4 * 3;
        let mut tries = (0..4).flat_map(|header| (0..8).map(move |more| of(header, near + more)));
        let (header, claims) = tries.find(|parts| length_of(parts) == length).unwrap();
        provider.signer.sign(&header, &claims)
    };
    let longest = padded(8192);
    assert_eq!(longest.len(), 8192);
    who(&gateway, &longest).await.ok(200);
    let over = padded(8193);
    assert_eq!(over.len(), 8193);
    refusal(&who(&gateway, &over).await);
}

#[tokio::test]
async fn a_token_that_has_expired_is_told_so_only_if_it_was_genuine() {
    let provider = IdentityProvider::start().await;
    let gateway = Gateway::builder().settings(&provider.settings("corp")).start().await;
    who(&gateway, &provider.token(&provider.claims())).await.ok(200);
    let mut claims = provider.claims();
    for name in ["exp", "iat", "nbf"] {
        claims[name] = json!(claims[name].as_i64().unwrap() - 7200);
    }
    let expired = provider.token(&claims);
    let reply = who(&gateway, &expired).await;
    reply.problem(401, "credentials_expired");
    assert!(reply.header("www-authenticate").contains("invalid_token"));

    let forged = Signer::ec("key-1").token(&claims);
    refusal(&who(&gateway, &forged).await);
    refusal(&who(&gateway, &Signer::ec("unknown").token(&claims)).await);
    // A token that is refused anyway is no reason to ask anybody.
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn a_token_in_another_place_than_the_headers_is_none() {
    let provider = IdentityProvider::start().await;
    let gateway = Gateway::builder().settings(&provider.settings("corp")).start().await;
    let token = provider.token(&provider.claims());
    for path in [format!("/v1/whoami?access_token={token}"), format!("/v1/whoami?jwt={token}")] {
        let reply = gateway.send(gateway.bare(Method::GET, &path)).await;
        reply.problem(401, "credentials_missing");
        assert!(!reply.text.contains(&token));
    }
    for name in ["authorization_", "x_api_key", "http_authorization"] {
        let request = gateway.bare(Method::GET, "/v1/whoami").header(name, &token);
        let reply = gateway.send(request).await;
        reply.problem(400, "invalid_request");
        assert!(!reply.text.contains(&token));
    }
    let forwarded = gateway.bare(Method::GET, "/v1/whoami");
    let forwarded = forwarded.header("x-forwarded-authorization", &token);
    gateway.send(forwarded).await.problem(401, "credentials_missing");
    let cookie = gateway.bare(Method::GET, "/v1/whoami").header("cookie", format!("t={token}"));
    gateway.send(cookie).await.problem(401, "credentials_missing");
    let twice = gateway
        .bare(Method::GET, "/v1/whoami")
        .bearer_auth(&token)
        .header("authorization", format!("Bearer {}", provider.token(&provider.claims())));
    gateway.send(twice).await.problem(400, "invalid_request");
}

/// What a token is called, and the token.
type Bad = Vec<(&'static str, String)>;

/// Texts that are not three parts of base64url with JSON objects in them.
fn bad_forms(corp: &IdentityProvider) -> Bad {
    let (claims, header) = (corp.claims().to_string(), corp.signer.header().to_string());
    let good = corp.token(&corp.claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (first, second) = signed.split_once('.').unwrap();
    let deep = "[".repeat(2500) + &"]".repeat(2500);
    let deep = claims.replacen('{', &format!("{{\"x\":{deep},"), 1);
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    let mut bad = vec![
        ("dots", ".".repeat(7000)),
        ("dots and letters", "a.".repeat(4000)),
        ("no signature", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("five parts", format!("{first}.{second}.{second}.{second}.{signature}")),
        ("padding", format!("{good}=")),
        ("the other alphabet", format!("{signed}.{}", signature.replace('-', "+") + "/+")),
        ("deep claims", corp.signer.sign(&header, &deep)),
        ("a claim twice", corp.signer.sign(&header, &twice(&claims, "\"azp\":\"nobody\""))),
        ("a header twice", corp.signer.sign(&twice(&header, "\"alg\":\"none\""), &claims)),
    ];
    for odd in ["[]", "null", "\"x\"", "{", "", "{}x", "\u{feff}{}"] {
        bad.push(("claims that are no object", corp.signer.sign(&header, odd)));
        bad.push(("a header that is no object", corp.signer.sign(odd, &claims)));
    }
    bad
}

/// Signatures that are none, of something else, or of a kind that nobody asked for.
fn bad_signatures(corp: &IdentityProvider, other: &IdentityProvider) -> Bad {
    let (claims, header) = (corp.claims().to_string(), corp.signer.header().to_string());
    let good = corp.token(&corp.claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let with = |bytes: &[u8]| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let foreign = corp.token(&json!({ "iss": corp.issuer() }));
    let (_, foreign) = foreign.rsplit_once('.').unwrap();
    let changed = signed_part(&header, &claims.replace("user-7", "user-8"));
    let mut bad = vec![
        ("another signature", format!("{signed}.{foreign}")),
        ("half a signature", with(&bytes[..32])),
        ("a signature of zeros", with(&[0; 64])),
        ("a signature twice", with(&[bytes.clone(), bytes.clone()].concat())),
        ("a signature in DER", with(&der(&bytes))),
        ("changed claims", format!("{changed}.{signature}")),
        ("another's key of the same id", Signer::ec("key-1").token(&corp.claims())),
        ("its key, the other's name", other.signer.token(&corp.claims())),
    ];
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": none, "typ": "JWT" }).to_string();
        let signed = signed_part(&header, &claims);
        bad.push(("none", format!("{signed}.")));
        bad.push(("none, signed", format!("{signed}.{signature}")));
    }
    let public = other.signer.jwk();
    for secret in [&public.to_string(), public["n"].as_str().unwrap(), "", "secret"] {
        for algorithm in ["HS256", "RS256"] {
            let header = json!({ "alg": algorithm, "kid": "rsa-1", "typ": "JWT" }).to_string();
            let signed = signed_part(&header, &other.claims().to_string());
            bad.push(("the public key as a secret", with_hmac(&signed, secret.as_bytes())));
        }
    }
    let now = corp.claims()["iat"].as_i64().unwrap();
    let own = json!({ "iss": "cwsgate", "aud": "cwsgate", "sub": "tests", "iat": now,
        "exp": now + 60, "key_id": "000000000000", "key_fingerprint": "x" });
    let symmetric = json!({ "alg": "HS256", "typ": "at+jwt" }).to_string();
    bad.push(("the gateway as issuer", corp.token(&own)));
    let forged = with_hmac(&signed_part(&symmetric, &own.to_string()), b"secret");
    bad.push(("the gateway as issuer, symmetric", forged));
    bad
}

/// Headers that would have another key or another rule used.
fn bad_headers(corp: &IdentityProvider) -> Bad {
    let (claims, header) = (corp.claims().to_string(), corp.signer.header());
    let signed_by = |signer: &Signer, name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        signer.sign(&header.to_string(), &claims)
    };
    let with = |name: &str, value: Value| signed_by(&corp.signer, name, value);
    let attacker = Signer::ec("key-1");
    let address = || json!("https://evil.example.test/keys");
    let mut bad = vec![
        ("a key brought along", signed_by(&attacker, "jwk", attacker.jwk())),
        ("a certificate brought along", signed_by(&attacker, "x5c", json!(["MIIB"]))),
        ("an address of keys", signed_by(&attacker, "jku", address())),
        ("an address of certificates", signed_by(&attacker, "x5u", address())),
        ("a genuine token with jwk", with("jwk", corp.signer.jwk())),
        ("crit", with("crit", json!(["exp"]))),
        ("crit, empty", with("crit", json!([]))),
        ("b64", with("b64", json!(false))),
        ("zip", with("zip", json!("DEF"))),
        ("enc", with("enc", json!("A256GCM"))),
        ("an endless kid", with("kid", json!("k".repeat(300)))),
    ];
    for algorithm in ["ES384", "ES512", "RS256", "PS256", "EdDSA", "HS256", "es256", "ES256 "] {
        bad.push(("another algorithm", with("alg", json!(algorithm))));
    }
    for value in [json!(null), json!(1), json!(["ES256"]), json!({})] {
        for name in ["alg", "kid", "typ"] {
            bad.push(("a header of another type", with(name, value.clone())));
        }
    }
    for kind in ["dpop+jwt", "logout+jwt", "JWE", ""] {
        bad.push(("another kind of token", with("typ", json!(kind))));
    }
    for id in ["../../key-1", "key-1' OR '1'='1", "/dev/null", "KEY-1", "key-1\u{0}", " key-1"] {
        bad.push(("an odd kid", with("kid", json!(id))));
    }
    bad
}

/// Claims of somebody else, or for somebody else.
fn bad_claims(corp: &IdentityProvider, other: &IdentityProvider) -> Bad {
    let with = |name: &str, value: Value| {
        let mut claims = corp.claims();
        claims[name] = value;
        corp.token(&claims)
    };
    let slashless = corp.issuer().trim_end_matches('/');
    vec![
        ("another issuer of ours", with("iss", json!(other.issuer()))),
        ("an issuer nobody knows", with("iss", json!("https://evil.example.test/"))),
        ("an issuer but for a slash", with("iss", json!(slashless))),
        ("another audience", with("aud", json!("somebody"))),
        ("an app that nobody is", with("azp", json!("stranger"))),
        ("two apps", with("groups", json!(["ops"]))),
    ]
}

fn with_hmac(signed: &str, secret: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A signature of two numbers as other protocols write it.
fn der(bytes: &[u8]) -> Vec<u8> {
    let number = |half: &[u8]| {
        let sign: &[u8] = if half[0] > 0x7f { &[0] } else { &[] };
        let length = u8::try_from(half.len() + sign.len()).unwrap();
        [&[2, length], sign, half].concat()
    };
    let (r, s) = bytes.split_at(32);
    let content = [number(r), number(s)].concat();
    [&[0x30, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
}
