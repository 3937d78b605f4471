use reqwest::Method;
use serde_json::{Value, json};

use super::{FLOCK, flock, over, request};
use crate::support::{Gateway, Store, over_both};

over_both! {
    events_come_in_order_end_with_the_end_and_can_be_resumed,
    a_malformed_last_event_id_is_ignored,
    a_wait_ends_with_the_operation_or_with_the_callers_time,
}

/// The events of a stream that has ended: id, kind and data.
fn events(text: &str) -> Vec<(i64, String, Value)> {
    let blocks = text.split("\n\n").filter(|block| block.starts_with("id: "));
    blocks
        .map(|block| {
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_else(|| panic!("no {name} in {block:?}")).to_owned()
            };
            let data = serde_json::from_str(&field("data: ")).unwrap();
            (field("id: ").parse().unwrap(), field("event: "), data)
        })
        .collect()
}

async fn stream(gateway: &Gateway, path: &str, last: Option<i64>) -> crate::support::Reply {
    let get = gateway.request(Method::GET, &format!("{path}/events"));
    let get = get.header("accept", "text/event-stream");
    let get = match last {
        Some(last) => get.header("last-event-id", last.to_string()),
        None => get,
    };
    gateway.send(get).await
}

async fn events_come_in_order_end_with_the_end_and_can_be_resumed(store: Store) {
    let gateway = over(&store).scenario(flock(5)).start().await;
    let path = gateway.begin(request("reboot", FLOCK, json!({}))).await;
    let reply = stream(&gateway, &path, None).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "text/event-stream; charset=utf-8");
    let all = events(&reply.text);

    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "ids grow");
    assert_eq!(all[0].1, "progress");
    assert_eq!(all[0].2["counts"]["planned"], 5);
    assert_eq!(all.iter().filter(|(_, kind, _)| kind == "item").count(), 5);
    let (last, kind, data) = all.last().unwrap();
    assert_eq!((kind.as_str(), &data["state"]), ("end", &json!("succeeded")));

    let middle = all[all.len() / 2].0;
    let rest = events(&stream(&gateway, &path, Some(middle)).await.text);
    let expected: Vec<_> = all.iter().filter(|(id, ..)| *id > middle).cloned().collect();
    assert_eq!(rest, expected);
    assert_eq!(stream(&gateway, &path, Some(*last)).await.status, 204);

    let get = gateway.request(Method::GET, &format!("{path}/events"));
    let lines = gateway.send(get.header("accept", "application/x-ndjson")).await.lines();
    assert_eq!(lines.len(), all.len());
    assert_eq!(lines.last().unwrap()["type"], "end");
}

async fn a_malformed_last_event_id_is_ignored(store: Store) {
    let gateway = over(&store).scenario(flock(1)).start().await;
    let path = gateway.begin(request("reboot", FLOCK, json!({}))).await;
    let all = stream(&gateway, &path, None).await.text;
    for odd in [&b"abc"[..], b"1e9", b"99999999999999999999", b"\xff"] {
        let get = gateway.request(Method::GET, &format!("{path}/events"));
        let reply = gateway.send(get.header("last-event-id", odd)).await;
        assert_eq!((reply.status.as_u16(), &reply.text), (200, &all), "{odd:?}");
    }
}

async fn a_wait_ends_with_the_operation_or_with_the_callers_time(store: Store) {
    let gateway = over(&store).scenario(flock(1)).start().await;
    gateway.fault(json!({ "match": { "service": "daas", "method": "POST" }, "latencyMs": 6000 }));
    let path = gateway.begin(request("reboot", FLOCK, json!({}))).await;
    let get = gateway.request(Method::GET, &format!("{path}?wait=50s"));
    let cut = gateway.send(get.header("cwsgate-deadline-ms", "1000")).await.ok(200);
    assert_eq!(cut["state"], "running");
    let operation = gateway.get(&format!("{path}?wait=50s")).await.ok(200);
    assert_eq!(operation["state"], "succeeded");
    gateway.get(&format!("{path}?wait=soon")).await.problem(400, "invalid_request");
}
