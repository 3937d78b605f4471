use cwsgate::db::query;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{eventually, over, request};
use crate::support::{Gateway, Store, over_both};

over_both!(a_customer_that_hangs_holds_up_no_other_and_no_cancel_after_a_crash);

/// Leaves an operation as a process does that is killed: one item under way, the others waiting.
/// It is taken over in a few seconds.
async fn kill_midway(store: &Store, id: &str) {
    let db = store.open().await;
    let under_way = "UPDATE operation_item SET ended = NULL,
            state = CASE WHEN customer = 'acme' THEN 'dispatched' ELSE 'queued' END
         WHERE operation_id = $1";
    let running = "UPDATE operation SET state = 'running', ended = NULL, succeeded = 0,
            dispatched = 1, queued = planned - 1, due = $1
         WHERE id = $2";
    let due = Timestamp::now().as_millisecond() + 6_000;
    let writes = vec![query(under_way).bind(id), query(running).bind(due).bind(id)];
    db.write(writes).await.unwrap();
    db.close().await;
}

async fn a_customer_that_hangs_holds_up_no_other_and_no_cancel_after_a_crash(store: Store) {
    let gateway = over(&store).start().await;
    let mut body = request("set-maintenance", "customers/acme/sites/-/machines/KESTREL", json!({}));
    let finance = "customers/globex/sites/-/delivery-groups/Finance";
    body["selector"]["in"].as_array_mut().unwrap().push(json!(finance));
    body["selector"]["where"] = json!({ "inMaintenanceMode": false });
    body["options"] = json!({ "maxTargets": 100, "maxConcurrency": 1 });
    let operation = gateway.carry_out(body).await;
    assert_eq!(operation["state"], "succeeded", "{operation}");
    gateway.stop().await;
    kill_midway(&store, operation["id"].as_str().unwrap()).await;

    let settings = format!("{}\n[upstream]\nread_timeout = \"80s\"", store.settings());
    let gateway = Gateway::builder().settings(&settings).start().await;
    gateway.fault(json!({ "match": { "service": "daas", "customer": "acme" }, "hang": true }));
    let slow = json!({ "match": { "service": "daas", "customer": "globex", "method": "PATCH" },
        "latencyMs": 500 });
    gateway.fault(slow);
    let path = operation["self"].as_str().unwrap();
    eventually(|| async {
        let operation = gateway.get(path).await.ok(200);
        (operation["counts"]["succeeded"].as_u64().unwrap() > 0).then_some(())
    })
    .await;
    gateway.post(&format!("{path}/actions/cancel"), Value::Null).await.ok(200);
    let operation = eventually(|| async {
        let operation = gateway.get(path).await.ok(200);
        (operation["state"] == "cancelled").then_some(operation)
    })
    .await;
    assert_eq!(operation["counts"]["indeterminate"], 1, "{operation}");
    assert!(operation["counts"]["cancelled"].as_u64().unwrap() > 0, "{operation}");
}
