use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::json;

use super::warm;

#[tokio::test]
async fn customers_in_trouble_change_nothing_for_another() {
    let gateway = warm("[upstream.slots]\nin_flight = 4").await;
    gateway.get("/v1/customers/globex/me").await.ok(200);
    gateway.get("/v1/customers/contoso/me").await.ok(200);
    gateway.fault(json!({ "match": { "service": "daas", "customer": "acme" }, "hang": true }));
    gateway.fault(json!({ "match": { "service": "daas", "customer": "contoso" },
        "rateLimit": "retry-after", "seconds": 100 }));
    let mut troubled = Vec::new();
    for _ in 0..20 {
        for customer in ["acme", "contoso"] {
            let request = gateway.request(Method::GET, &format!("/v1/customers/{customer}/me"));
            troubled.push(tokio::spawn(async move {
                let _ = request.header("cwsgate-deadline-ms", "100000").send().await;
            }));
        }
    }

    let calls = stream::iter(0..100).map(|_| gateway.get("/v1/customers/globex/me"));
    let calls = calls.buffer_unordered(4).collect::<Vec<_>>();
    let replies = tokio::time::timeout(Duration::from_mins(1), calls).await.unwrap();

    for reply in replies {
        reply.ok(200);
    }
    let asked = gateway.asked("service=daas&customer=acme").await;
    let waiting = asked.iter().filter(|request| request["status"].is_null()).count();
    assert!((1..=4).contains(&waiting), "{waiting} calls under way for the customer that hangs");
    assert!(gateway.asked("service=daas&customer=contoso").await.len() <= 1 + 4 * 2);
    for call in troubled {
        call.abort();
    }
}
