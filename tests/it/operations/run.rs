use serde_json::{Value, json};

use super::{FLOCK, POOL, flock, over, request};
use crate::support::{Store, over_both};

over_both! {
    a_catalog_is_rebooted_and_every_machine_accounted_for,
    a_result_is_a_success_only_when_all_is_done_and_well,
    every_action_reaches_citrix_as_its_own,
    users_are_told_and_logged_off,
    verified_items_are_seen_back_and_pace_the_wave,
    a_machine_that_is_not_seen_back_says_so,
    failed_items_are_retried_in_an_operation_of_their_own,
    what_succeeded_in_a_retry_is_not_started_by_the_next_one,
    many_retries_at_once_start_one_operation,
    a_retry_has_a_window_of_its_own,
    a_lost_answer_is_unknown_until_evidence_settles_it,
    a_call_that_reached_nobody_is_sent_again,
    waits_before_anything_is_sent_are_no_attempts,
    an_apps_hourly_limit_is_waited_for_until_the_window_closes,
}

async fn a_catalog_is_rebooted_and_every_machine_accounted_for(store: Store) {
    let gateway = over(&store).start().await;
    let mut body = request("reboot", POOL, json!({}));
    body["reason"] = json!("CHG-1234");
    let operation = gateway.carry_out(body).await;

    assert_eq!(operation["state"], "partiallySucceeded");
    let counts = &operation["counts"];
    assert_eq!(
        (&counts["planned"], &counts["succeeded"], &counts["failed"]),
        (&json!(16), &json!(14), &json!(2))
    );
    assert_eq!(operation["reason"], "CHG-1234");
    assert_eq!(operation["createdBy"]["app"], "tests");
    assert_eq!(operation["plan"]["leftAlone"]["inUse"], 4);
    let items = gateway.items(&operation).await;
    assert_eq!(items.len(), 16);
    for item in &items {
        let name = item["target"]["name"].as_str().unwrap();
        let requests = gateway.power_counts(name, "reboot").await.0;
        assert_eq!(requests, 1, "{name}");
        assert_eq!(item["attempts"], 1);
        assert!(item["upstreamTransactionId"].is_string() && item["upstreamJobId"].is_string());
    }
    let eagle = gateway.item(&operation, r"DEMOLAB\EAGLE").await;
    assert_eq!(
        (&eagle["state"], &eagle["code"]),
        (&json!("failed"), &json!("action_not_supported"))
    );
    assert_eq!(eagle["message"], "Machine does not support specified power action.");

    let path = operation["self"].as_str().unwrap();
    let problem = gateway.get(&format!("{path}/result")).await;
    problem.problem(409, "operation_not_fully_succeeded");
    let failed = gateway.get(&format!("{path}/items?state=failed&pageSize=1")).await;
    assert_eq!(failed.ok(200)["items"].as_array().unwrap().len(), 1);
    let next = failed.ok(200)["nextPageToken"].as_str().unwrap().to_owned();
    let rest = gateway.get(&format!("{path}/items?state=failed&pageToken={next}")).await.ok(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["nextPageToken"], Value::Null);
}

async fn a_result_is_a_success_only_when_all_is_done_and_well(store: Store) {
    let gateway = over(&store).start().await;
    gateway.fault(json!({ "match": { "service": "daas", "method": "POST", "pathContains": "$reboot" }, "latencyMs": 1000 }));
    let path = gateway
        .begin(request("reboot", "customers/acme/sites/-/machines/KESTREL", json!({})))
        .await;
    let result = gateway.get(&format!("{path}/result")).await;
    assert_eq!(result.problem(409, "operation_not_finished")["retryable"], true);
    let waited = gateway.get(&format!("{path}/result?wait=30s")).await.ok(200);
    assert_eq!(waited["state"], "succeeded");
}

async fn every_action_reaches_citrix_as_its_own(store: Store) {
    let gateway = over(&store).start().await;
    let kestrel = "customers/acme/sites/-/machines/KESTREL";
    let swift = "customers/acme/sites/-/machines/SWIFT";
    let ok = |operation: Value| {
        assert_eq!(operation["state"], "succeeded", "{operation}");
        assert_eq!(operation["counts"]["succeeded"], 1, "{operation}");
    };
    ok(gateway.carry_out(request("set-maintenance", kestrel, json!({}))).await);
    assert_eq!(gateway.simulated("acme", "DEMOLAB%7CKESTREL").await["inMaintenanceMode"], true);
    ok(gateway.carry_out(request("clear-maintenance", kestrel, json!({}))).await);
    assert_eq!(gateway.simulated("acme", "DEMOLAB%7CKESTREL").await["inMaintenanceMode"], false);
    ok(gateway.carry_out(request("start", swift, json!({ "verify": "registered" }))).await);
    ok(gateway.carry_out(request("suspend", swift, json!({ "verify": "power" }))).await);
    // Before that Citrix is still at work on it.
    ok(gateway.carry_out(request("resume", swift, json!({ "verify": "registered" }))).await);
    ok(gateway.carry_out(request("shutdown", swift, json!({ "verify": "power" }))).await);
    assert_eq!(gateway.simulated("acme", "DEMOLAB%7CSWIFT").await["powerState"], "Off");
}

async fn users_are_told_and_logged_off(store: Store) {
    let gateway = over(&store).start().await;
    let osprey = "customers/acme/sites/-/machines/OSPREY";
    let mut body = request("send-message", osprey, json!({}));
    body["message"] = json!({ "title": "Hello", "text": "This desktop restarts soon." });
    let operation = gateway.carry_out(body).await;
    assert_eq!(operation["counts"]["succeeded"], 2, "{operation}");
    let operation = gateway.carry_out(request("logoff-sessions", osprey, json!({}))).await;
    assert_eq!(operation["counts"]["succeeded"], 2, "{operation}");
    assert_eq!(
        gateway
            .asked("service=daas&method=POST")
            .await
            .iter()
            .filter(|r| {
                let path = r["path"].as_str().unwrap().to_lowercase();
                path.contains("$sendmessage") || path.contains("$logoff")
            })
            .count(),
        4
    );
}

async fn verified_items_are_seen_back_and_pace_the_wave(store: Store) {
    let gateway = over(&store).scenario(flock(4)).start().await;
    let options = json!({ "verify": "registered", "maxConcurrency": 1, "maxTargets": 10 });
    let path = gateway.begin(request("reboot", FLOCK, options)).await;
    let operation = gateway.ended(&path).await;
    assert_eq!(operation["state"], "succeeded");
    assert_eq!(operation["counts"]["verified"], 4);
    assert!(gateway.items(&operation).await.iter().all(|item| item["verification"] == "verified"));
}

async fn a_machine_that_is_not_seen_back_says_so(store: Store) {
    let gateway = over(&store).start().await;
    let crane = "customers/acme/sites/-/machines/CRANE";
    let options = json!({ "verify": "registered", "verifyTimeout": "1s" });
    let operation = gateway.carry_out(request("reboot", crane, options)).await;
    assert_eq!(operation["counts"]["verified"], 0);
    let item = gateway.item(&operation, r"DEMOLAB\CRANE").await;
    assert_eq!((&item["state"], &item["code"]), (&json!("succeeded"), &json!("verify_timeout")));
}

async fn failed_items_are_retried_in_an_operation_of_their_own(store: Store) {
    let gateway = over(&store).start().await;
    let first = gateway.carry_out(request("reboot", POOL, json!({}))).await;
    gateway
        .sim("PATCH", "/_sim/machines/acme/DEMOLAB%7CSTARLING", json!({ "powerFault": null }))
        .await;
    let path = format!("{}/actions/retry-failed", first["self"].as_str().unwrap());
    let reply = gateway.post(&path, Value::Null).await;
    let second = reply.ok(202);
    assert_eq!(second["retryOf"], first["id"]);
    let second = gateway.ended(reply.header("location")).await;
    assert_eq!(
        (&second["counts"]["planned"], &second["counts"]["succeeded"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await.0, 1);
    assert_eq!(gateway.power_counts(r"DEMOLAB\STARLING", "reboot").await.0, 2);
}

async fn what_succeeded_in_a_retry_is_not_started_by_the_next_one(store: Store) {
    let gateway = over(&store).start().await;
    let first = gateway.carry_out(request("reboot", POOL, json!({}))).await;
    let mend = |machine: &str| {
        let path = format!("/_sim/machines/acme/DEMOLAB%7C{machine}");
        let supported = json!({ "powerFault": null, "supportedPowerActions": ["Restart"] });
        let gateway = &gateway;
        async move { gateway.sim("PATCH", &path, supported).await }
    };
    let retry = || async {
        let path = format!("{}/actions/retry-failed", first["self"].as_str().unwrap());
        let reply = gateway.post(&path, Value::Null).await;
        let operation = reply.ok(202);
        (gateway.ended(reply.header("location")).await, operation)
    };
    mend("STARLING").await;
    let (second, _) = retry().await;
    assert_eq!(
        (&second["counts"]["succeeded"], &second["counts"]["failed"]),
        (&json!(1), &json!(1))
    );
    let (third, _) = retry().await;
    assert_eq!((&third["counts"]["planned"], &third["counts"]["failed"]), (&json!(1), &json!(1)));
    assert_eq!(third["retryOf"], second["id"]);
    mend("EAGLE").await;
    let (fourth, _) = retry().await;
    assert_eq!(fourth["state"], "succeeded", "{fourth}");
    let (nothing_left, at_once) = retry().await;
    assert_eq!((&at_once, &nothing_left), (&fourth, &fourth));
    assert_eq!(gateway.power_counts(r"DEMOLAB\STARLING", "reboot").await, (2, 1));
    assert_eq!(gateway.power_counts(r"DEMOLAB\EAGLE", "reboot").await.1, 1);
}

async fn many_retries_at_once_start_one_operation(store: Store) {
    let gateway = over(&store).start().await;
    let first = gateway.carry_out(request("reboot", POOL, json!({}))).await;
    for machine in ["STARLING", "EAGLE"] {
        let path = format!("/_sim/machines/acme/DEMOLAB%7C{machine}");
        gateway.sim("PATCH", &path, json!({ "powerFault": null })).await;
    }
    let path = format!("{}/actions/retry-failed", first["self"].as_str().unwrap());
    let retries = (0..8).map(|n| {
        let post = gateway.request(reqwest::Method::POST, &path);
        // With keys and without.
        gateway.send(if n % 2 == 0 {
            post.header("idempotency-key", format!("k{n}"))
        } else {
            post
        })
    });
    let replies = futures_util::future::join_all(retries).await;
    let ids: std::collections::HashSet<_> =
        replies.iter().map(|reply| reply.ok(202)["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    gateway.ended(replies[0].header("location")).await;
    assert_eq!(gateway.get("/v1/operations").await.ok(200)["items"].as_array().unwrap().len(), 2);
    assert_eq!(gateway.power_counts(r"DEMOLAB\STARLING", "reboot").await, (2, 1));
}

async fn a_retry_has_a_window_of_its_own(store: Store) {
    let gateway = over(&store).start().await;
    let starling = "customers/acme/sites/-/machines/STARLING";
    let closes = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(8);
    let options = json!({ "notAfter": closes.to_string() });
    let first = gateway.carry_out(request("reboot", starling, options)).await;
    assert_eq!(first["counts"]["failed"], 1, "{first}");
    super::eventually(|| async { (jiff::Timestamp::now() > closes).then_some(()) }).await;
    let path = format!("{}/actions/retry-failed", first["self"].as_str().unwrap());
    let retry = gateway.post(&path, Value::Null).await.ok(202);
    let time =
        |of: &Value, name: &str| of[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let window = |of: &Value| time(of, "createTime").duration_until(time(of, "notAfter"));
    assert!((window(&retry) - window(&first)).abs().as_secs() < 1, "{retry}");
    assert_eq!(retry["options"]["notAfter"], retry["notAfter"]);
    let retry = gateway.ended(retry["self"].as_str().unwrap()).await;
    assert_eq!(retry["counts"]["failed"], 1, "{retry}");
}

async fn a_lost_answer_is_unknown_until_evidence_settles_it(store: Store) {
    let gateway = over(&store).start().await;
    let lost = json!({ "match": { "service": "daas", "method": "POST", "pathContains": "$reboot" },
        "times": 1, "afterEffect": true, "reset": true });
    gateway.fault(lost);
    let kestrel = "customers/acme/sites/-/machines/KESTREL";
    let path = gateway.begin(request("reboot", kestrel, json!({}))).await;
    let operation = super::eventually(|| async {
        let operation = gateway.get(&path).await.ok(200);
        super::check_counts(&operation);
        (operation["state"] == "succeeded").then_some(operation)
    })
    .await;
    let item = gateway.item(&operation, r"DEMOLAB\KESTREL").await;
    assert!(item["evidence"].as_str().unwrap().starts_with("job "), "{item}");
    assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await.0, 1);
}

async fn a_call_that_reached_nobody_is_sent_again(store: Store) {
    let gateway = over(&store).start().await;
    gateway.fault(
        json!({ "match": { "service": "daas", "method": "POST", "pathContains": "$reboot" },
        "times": 1, "rateLimit": "retry-after", "seconds": 1 }),
    );
    let kestrel = "customers/acme/sites/-/machines/KESTREL";
    let operation = gateway.carry_out(request("reboot", kestrel, json!({}))).await;
    assert_eq!(operation["state"], "succeeded");
    assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await.1, 1);
}

async fn waits_before_anything_is_sent_are_no_attempts(store: Store) {
    let once = "[upstream.retry]\nmax_attempts = 1";
    let gateway = over(&store).settings(once).start().await;
    let id = gateway.simulated("acme", "DEMOLAB%7CKESTREL").await["id"].clone();
    let mut body = request("reboot", POOL, json!({}));
    // The plan reads the catalog; each look just before acting reads the machine.
    body["selector"]["where"] = json!({ "tag": "canary" });
    gateway.fault(json!({ "match": { "service": "daas", "method": "GET", "pathContains": id },
        "times": 2, "status": 503 }));
    let operation = gateway.carry_out(body).await;
    let item = gateway.item(&operation, r"DEMOLAB\KESTREL").await;
    assert_eq!((&item["state"], &item["attempts"]), (&json!("succeeded"), &json!(1)), "{item}");
}

async fn an_apps_hourly_limit_is_waited_for_until_the_window_closes(store: Store) {
    let limit = "[apps.slow.limits]\nmachines_per_hour = 2";
    let power = r#"{ actions = ["power"], customers = ["acme"] }"#;
    let (builder, key) = over(&store).scenario(flock(6)).settings(limit).app("slow", power);
    let gateway = builder.start().await;
    let options = json!({ "maxConcurrency": 3, "maxErrors": 0, "notAfter": "4s" });
    let post = gateway.request_as(&key, reqwest::Method::POST, "/v1/operations");
    let post = post.header("idempotency-key", "k").header("content-type", "application/json");
    let post = post.body(request("reboot", FLOCK, options).to_string());
    let path = gateway.send(post).await.ok(202)["self"].as_str().unwrap().to_owned();
    let operation = gateway.ended(&path).await;
    let counts = &operation["counts"];
    assert_eq!((&counts["succeeded"], &counts["cancelled"]), (&json!(2), &json!(4)), "{operation}");
    assert_eq!(operation["error"]["code"], "window_closed");
    for item in gateway.items(&operation).await {
        let sent = item["state"] == "succeeded";
        assert_eq!(item["attempts"], u64::from(sent), "{item}");
        assert!(sent || item["code"] == "window_closed", "{item}");
    }
}
