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
    for (what, token) in bad_tokens(&corp, &other) {
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
    for name in ["authorization_", "x_api_key", "http_authorization", "x-forwarded-authorization"] {
        let request = gateway.bare(Method::GET, "/v1/whoami").header(name, &token);
        gateway.send(request).await.problem(401, "credentials_missing");
    }
    let cookie = gateway.bare(Method::GET, "/v1/whoami").header("cookie", format!("t={token}"));
    gateway.send(cookie).await.problem(401, "credentials_missing");
    let twice = gateway
        .bare(Method::GET, "/v1/whoami")
        .bearer_auth(&token)
        .header("authorization", format!("Bearer {}", provider.token(&provider.claims())));
    gateway.send(twice).await.problem(400, "invalid_request");
}

fn bad_tokens(corp: &IdentityProvider, other: &IdentityProvider) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, token: String| all.push((what.to_owned(), token));
    let (claims, header) = (corp.claims(), corp.signer.header());
    let (text, good) = (claims.to_string(), corp.token(&claims));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (first, second) = signed.split_once('.').unwrap();
    let with_header = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        corp.signer.sign(&header.to_string(), &text)
    };
    let with_claim = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        corp.token(&claims)
    };

    add("dots", ".".repeat(7000));
    add("dots and letters", "a.".repeat(4000));
    add("no signature", format!("{signed}."));
    add("two parts", signed.to_owned());
    add("four parts", format!("{good}.{signature}"));
    add("five parts", format!("{first}.{second}.{second}.{second}.{signature}"));
    add("padding", format!("{good}="));
    add("base64 of the other alphabet", format!("{signed}.{}", signature.replace('-', "+") + "/+"));
    add("another signature", {
        let foreign = corp.token(&json!({ "iss": corp.issuer() }));
        format!("{signed}.{}", foreign.rsplit_once('.').unwrap().1)
    });
    add("half a signature", format!("{signed}.{}", &signature[..signature.len() / 2]));
    add("a signature of zeros", format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])));
    add("a signature twice", {
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([bytes.clone(), bytes].concat()))
    });
    add("a signature in DER", format!("{signed}.{}", URL_SAFE_NO_PAD.encode(der(signature))));
    add("changed claims", {
        let changed = text.replace("user-7", "user-8");
        let changed = signed_part(&header.to_string(), &changed);
        format!("{changed}.{signature}")
    });
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": none, "typ": "JWT" }).to_string();
        let signed = signed_part(&header, &text);
        add("none", format!("{signed}."));
        add("none, signed", format!("{signed}.{signature}"));
    }
    let publics = [
        other.signer.jwk().to_string(),
        other.signer.jwk()["n"].as_str().unwrap().to_owned(),
        String::new(),
        "secret".to_owned(),
    ];
    for secret in publics {
        for algorithm in ["HS256", "RS256"] {
            let header = json!({ "alg": algorithm, "kid": "rsa-1", "typ": "JWT" }).to_string();
            let signed = signed_part(&header, &other.claims().to_string());
            add("the public key as a secret", with_hmac(&signed, secret.as_bytes()));
        }
    }
    for algorithm in ["ES384", "ES512", "RS256", "PS256", "EdDSA", "HS256", "es256", "ES256 "] {
        add("another algorithm", with_header("alg", json!(algorithm)));
    }
    for value in [json!(null), json!(1), json!(["ES256"]), json!({})] {
        add("alg of another type", with_header("alg", value.clone()));
        add("kid of another type", with_header("kid", value.clone()));
        add("typ of another type", with_header("typ", value));
    }
    let attacker = Signer::ec("key-1");
    add("another's key of the same id", attacker.token(&claims));
    for name in ["jwk", "jku", "x5u", "x5c"] {
        let mut header = header.clone();
        header[name] = match name {
            "jwk" => attacker.jwk(),
            "x5c" => json!(["MIIB"]),
            _ => json!("https://evil.example.test/keys"),
        };
        add("a key brought along", attacker.sign(&header.to_string(), &text));
    }
    add("a genuine token with jwk", with_header("jwk", corp.signer.jwk()));
    add("crit", with_header("crit", json!(["exp"])));
    add("crit, empty", with_header("crit", json!([])));
    add("b64", with_header("b64", json!(false)));
    add("zip", with_header("zip", json!("DEF")));
    add("enc", with_header("enc", json!("A256GCM")));
    for kind in ["dpop+jwt", "logout+jwt", "JWE", ""] {
        add("another kind of token", with_header("typ", json!(kind)));
    }
    for id in ["../../key-1", "key-1' OR '1'='1", "/dev/null", "KEY-1", "key-1\u{0}", " key-1"] {
        add("an odd kid", with_header("kid", json!(id)));
    }
    add("an endless kid", with_header("kid", json!("k".repeat(300))));
    add("a claim twice", {
        let twice = text.replacen('{', "{\"azp\":\"nobody\",", 1);
        corp.signer.sign(&header.to_string(), &twice)
    });
    add("a header twice", {
        let twice = header.to_string().replacen('{', "{\"alg\":\"none\",", 1);
        corp.signer.sign(&twice, &text)
    });
    for odd in ["[]", "null", "\"x\"", "{", "", "{}x", "\u{feff}{}"] {
        add("claims that are no object", corp.signer.sign(&header.to_string(), odd));
        add("a header that is no object", corp.signer.sign(odd, &text));
    }
    add("deep claims", {
        let deep = "[".repeat(2500) + &"]".repeat(2500);
        let claims = text.replacen('{', &format!("{{\"x\":{deep},"), 1);
        corp.signer.sign(&header.to_string(), &claims)
    });
    add("another issuer of ours", with_claim("iss", json!(other.issuer())));
    add("its key, the other's name", other.signer.token(&claims));
    add("an issuer nobody knows", with_claim("iss", json!("https://evil.example.test/")));
    let slashless = corp.issuer().trim_end_matches('/');
    add("an issuer but for a slash", with_claim("iss", json!(slashless)));
    add("the gateway as issuer", {
        let mut claims = claims.clone();
        claims["iss"] = json!("cwsgate");
        claims["key_id"] = json!("000000000000");
        claims["key_fingerprint"] = json!("x");
        corp.token(&claims)
    });
    add("the gateway as issuer, symmetric", {
        let now = claims["iat"].as_i64().unwrap();
        let claims = json!({ "iss": "cwsgate", "aud": "cwsgate", "sub": "tests", "iat": now,
            "exp": now + 60, "key_id": "000000000000", "key_fingerprint": "x" });
        let header = json!({ "alg": "HS256", "typ": "at+jwt" }).to_string();
        with_hmac(&signed_part(&header, &claims.to_string()), b"secret")
    });
    add("another audience", with_claim("aud", json!("somebody")));
    add("an app that nobody is", with_claim("azp", json!("stranger")));
    add("two apps", with_claim("groups", json!(["ops"])));
    all
}

fn with_hmac(signed: &str, secret: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A signature of two numbers as other protocols write it.
fn der(signature: &str) -> Vec<u8> {
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let number = |half: &[u8]| {
        let sign: &[u8] = if half[0] > 0x7f { &[0] } else { &[] };
        let length = u8::try_from(half.len() + sign.len()).unwrap();
        [&[2, length], sign, half].concat()
    };
    let (r, s) = bytes.split_at(32);
    let content = [number(r), number(s)].concat();
    [&[0x30, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
}
