use std::time::Duration;

use serde_json::{Value, json};

use super::{FLOCK, flock, over, request};
use crate::support::{Store, over_both};

over_both! {
    too_many_failures_stop_the_rest_of_the_site,
    no_more_items_are_under_way_at_a_time_than_asked_for,
    nothing_is_begun_after_the_window_has_closed,
    a_cancelled_operation_lets_what_is_under_way_finish,
    a_cancel_is_heeded_at_once_while_machines_are_waited_for,
    nothing_is_sent_once_a_cancel_was_answered,
}

async fn too_many_failures_stop_the_rest_of_the_site(store: Store) {
    let gateway = over(&store).scenario(flock(40)).start().await;
    for n in 1..=40 {
        let path = format!("/_sim/machines/acme/LAB%7CBIRD{n:04}");
        gateway.sim("PATCH", &path, json!({ "powerFault": "HypervisorNotContactable" })).await;
    }
    let options = json!({ "maxTargets": 40, "maxConcurrency": 2, "maxErrors": 3 });
    let operation = gateway.carry_out(request("reboot", FLOCK, options)).await;
    let counts = &operation["counts"];
    assert_eq!(operation["state"], "failed");
    let failed = counts["failed"].as_u64().unwrap();
    // One more than allowed stops it; what was under way finishes.
    assert!((4..=6).contains(&failed), "{counts}");
    assert_eq!(counts["cancelled"].as_u64().unwrap(), 40 - failed);
    assert_eq!(operation["error"]["code"], "max_errors_exceeded");
    let items = gateway.items(&operation).await;
    let cancelled: Vec<_> = items.iter().filter(|item| item["state"] == "cancelled").collect();
    assert!(cancelled.iter().all(|item| item["code"] == "max_errors_exceeded"));
}

async fn no_more_items_are_under_way_at_a_time_than_asked_for(store: Store) {
    let gateway = over(&store).scenario(flock(12)).start().await;
    gateway.fault(json!({ "match": { "service": "daas", "method": "POST" }, "latencyMs": 200 }));
    let options = json!({ "maxConcurrency": 3 });
    let path = gateway.begin(request("reboot", FLOCK, options)).await;
    let mut most = 0;
    loop {
        let operation = gateway.get(&path).await.ok(200);
        most = most.max(operation["counts"]["dispatched"].as_u64().unwrap());
        if operation["state"] != "running" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!((2..=3).contains(&most), "{most}");
}

async fn nothing_is_begun_after_the_window_has_closed(store: Store) {
    let gateway = over(&store).scenario(flock(6)).start().await;
    gateway.fault(json!({ "match": { "service": "daas", "method": "POST" }, "latencyMs": 4000 }));
    // Long enough for the first item to be begun on a busy machine, too short for it to end.
    let options = json!({ "maxConcurrency": 1, "notAfter": "4s" });
    let operation = gateway.carry_out(request("reboot", FLOCK, options)).await;
    let counts = &operation["counts"];
    assert_eq!(operation["state"], "partiallySucceeded", "{counts}");
    assert_eq!(counts["succeeded"], 1);
    assert_eq!(counts["cancelled"], 5);
    assert_eq!(operation["error"]["code"], "window_closed");
    let items = gateway.items(&operation).await;
    assert_eq!(items[5]["code"], "window_closed");
}

async fn a_cancelled_operation_lets_what_is_under_way_finish(store: Store) {
    let gateway = over(&store).scenario(flock(10)).start().await;
    gateway.fault(json!({ "match": { "service": "daas", "method": "POST" }, "latencyMs": 1000 }));
    let options = json!({ "maxConcurrency": 2 });
    let path = gateway.begin(request("reboot", FLOCK, options)).await;
    super::eventually(|| async {
        let operation = gateway.get(&path).await.ok(200);
        (operation["counts"]["dispatched"] == 2).then_some(())
    })
    .await;
    let cancelling = gateway.post(&format!("{path}/actions/cancel"), Value::Null).await.ok(200);
    assert_eq!(cancelling["state"], "cancelling");
    let operation = gateway.ended(&path).await;
    assert_eq!(operation["state"], "cancelled");
    assert_eq!(operation["counts"]["succeeded"], 2);
    assert_eq!(operation["counts"]["cancelled"], 8);
    // Once more changes nothing.
    let again = gateway.post(&format!("{path}/actions/cancel"), Value::Null).await.ok(200);
    assert_eq!(again["state"], "cancelled");
    gateway.get(&format!("{path}/result")).await.problem(409, "operation_not_fully_succeeded");
}

async fn a_cancel_is_heeded_at_once_while_machines_are_waited_for(store: Store) {
    let slow = |options: &mut cwsgate::simulator::Options| options.settings.reboot_ms = 120_000;
    let gateway = over(&store).scenario(flock(6)).simulator(slow).start().await;
    let options = json!({ "maxConcurrency": 2, "verify": "registered", "verifyTimeout": "20s" });
    let path = gateway.begin(request("reboot", FLOCK, options)).await;
    super::eventually(|| async {
        let operation = gateway.get(&path).await.ok(200);
        (operation["counts"]["succeeded"] == 2).then_some(())
    })
    .await;
    gateway.post(&format!("{path}/actions/cancel"), Value::Null).await.ok(200);
    let operation = super::eventually(|| async {
        let operation = gateway.get(&path).await.ok(200);
        (operation["counts"]["queued"] == 0).then_some(operation)
    })
    .await;
    // Nothing has been written of the two machines: they are still on their way.
    assert_eq!(operation["state"], "cancelling", "{operation}");
    assert_eq!(operation["counts"]["cancelled"], 4, "{operation}");
    let verified: Vec<_> = gateway.items(&operation).await;
    assert_eq!(verified.iter().filter(|item| item["verification"] == "waiting").count(), 2);
}

async fn nothing_is_sent_once_a_cancel_was_answered(store: Store) {
    const MACHINES: usize = 200;
    let gateway = over(&store).scenario(flock(MACHINES)).start().await;
    let options = json!({ "maxTargets": MACHINES, "maxConcurrency": 1 });
    let path = gateway.begin(request("reboot", FLOCK, options)).await;
    super::eventually(|| async {
        let operation = gateway.get(&path).await.ok(200);
        (operation["counts"]["succeeded"].as_u64().unwrap() >= 3).then_some(())
    })
    .await;
    let answer = gateway.post(&format!("{path}/actions/cancel"), Value::Null).await.ok(200);
    let count = |name: &str| answer["counts"][name].as_u64().unwrap();
    let begun = count("succeeded") + count("dispatched");
    let operation = gateway.ended(&path).await;
    assert_eq!(operation["state"], "cancelled", "{operation}");
    assert_eq!(operation["counts"]["succeeded"], begun, "{answer}");
}
