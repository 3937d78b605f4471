//! Every claim that counts, with every value that it should not have.

use serde_json::{Value, json};

use super::{start, who};

#[tokio::test]
async fn a_claim_with_another_value_than_it_should_have_is_refused() {
    let (gateway, provider) = start().await;
    let mut tried = 0;
    for claim in ["iss", "aud", "exp", "nbf", "iat", "sub", "azp"] {
        for value in odd_values() {
            let mut claims = provider.claims();
            match &value {
                Some(value) => claims[claim] = value.clone(),
                None => drop(claims.as_object_mut().unwrap().remove(claim)),
            }
            let reply = who(&gateway, &provider.token(&claims)).await;

            let text = value.as_ref().is_some_and(|v| v.as_str().is_some_and(|t| !t.is_empty()));
            let fine = match claim {
                // Need not be there, and may say anything that is of its kind.
                "sub" => value.is_none() || text,
                "nbf" | "iat" => value.is_none() || value == Some(json!(1)),
                _ => false,
            };
            // The first second of 1970 is over, and the token was genuine.
            let expired = claim == "exp" && value == Some(json!(1));
            match (fine, expired) {
                (true, _) => drop(reply.ok(200)),
                (_, true) => drop(reply.problem(401, "credentials_expired")),
                _ => {
                    assert_eq!(reply.status, 401, "{claim} = {value:?}: {}", reply.text);
                    reply.problem(401, "credentials_invalid");
                }
            }
            tried += 1;
        }
    }
    assert!(tried >= 100, "{tried}");
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn clocks_may_differ_by_some_seconds_and_not_by_minutes() {
    let (gateway, provider) = start().await;
    let with = |claim: &str, seconds: i64| {
        let mut claims = provider.claims();
        claims[claim] = json!(jiff::Timestamp::now().as_second() + seconds);
        provider.token(&claims)
    };
    who(&gateway, &with("nbf", 15)).await.ok(200);
    who(&gateway, &with("iat", 15)).await.ok(200);
    who(&gateway, &with("exp", -10)).await.ok(200);
    who(&gateway, &with("nbf", 120)).await.problem(401, "credentials_invalid");
    who(&gateway, &with("iat", 120)).await.problem(401, "credentials_invalid");
    who(&gateway, &with("exp", -61)).await.problem(401, "credentials_expired");
}

fn odd_values() -> Vec<Option<Value>> {
    let values = [
        json!(null),
        json!(true),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(253_402_300_800_i64),
        json!(""),
        json!("x"),
        json!("1900000000"),
        json!([]),
        json!([1]),
        json!({}),
        json!({ "a": "cwsgate" }),
    ];
    values.into_iter().map(Some).chain([None]).collect()
}
