//! Power actions: sent once, never without need, and never called done or failed by guesswork.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Builder, Gateway};

#[tokio::test]
async fn each_action_is_sent_once_and_the_machine_goes_through_its_states() {
    let cases: [(&str, &str, States); 5] = [
        ("start", "Off", &[(500, "TurningOn"), (400, "On")]),
        ("shutdown", "On", &[(500, "TurningOff"), (600, "Off")]),
        ("reboot", "On", &[(300, "TurningOff"), (700, "Off"), (200, "TurningOn"), (900, "On")]),
        ("suspend", "On", &[(500, "Suspending"), (600, "Suspended")]),
        ("resume", "Suspended", &[(500, "Resuming"), (400, "On")]),
    ];
    for (action, before, states) in cases {
        let gateway = quick().simulator(|options| options.frozen_clock = true).start().await;
        let change = json!({ "powerState": before });
        gateway.sim("PATCH", "/_sim/machines/acme/DEMOLAB%7CKESTREL", change).await;
        let id = gateway.simulated("acme", "DEMOLAB%7CKESTREL").await["id"].clone();

        let reply = gateway.post(&on(KESTREL, action), Value::Null).await;

        let body = reply.ok(200);
        assert_eq!(body["outcome"], "accepted", "{action}");
        assert_eq!(body["machine"]["id"], id);
        assert_eq!(body["machine"]["name"], r"DEMOLAB\KESTREL");
        assert_eq!(body["machine"]["powerState"], before);
        assert!(body["upstreamJobId"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
        assert_eq!(reply.header("cwsgate-upstream"), "simulator");
        let writes = gateway.writes().await;
        assert_eq!(writes.len(), 1, "{action}: {writes:#?}");
        assert_eq!(writes[0]["method"], "POST");
        let path = format!("/cvad/manage/Machines/{}/${action}", id.as_str().unwrap());
        assert_eq!(writes[0]["path"], path);
        assert_eq!(writes[0]["query"], "async=true");
        assert_eq!(writes[0]["bodyBytes"], 0);
        assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", action).await, (1, 1));
        for (millis, state) in states {
            gateway.simulator.advance(Duration::from_millis(*millis));
            let seen = gateway.get(&machine(KESTREL)).await.ok(200);
            assert_eq!(seen["powerState"], *state, "{action}");
        }
    }
}

#[tokio::test]
async fn what_lifts_a_guard_is_read_by_its_name_and_never_by_its_place() {
    let gateway = quick().start().await;
    for body in [json!([]), json!([false, "proceed"]), json!([true, "proceed", "INC-1"])] {
        let refused = gateway.post(&on(KESTREL, "reboot"), body).await;
        refused.problem(400, "invalid_request");
    }
    let place = "customers/acme/sites/-/machines/KESTREL";
    for (options, pointer) in
        [(json!([]), "/options"), (json!({ "include": [7] }), "/options/include/0")]
    {
        let operation = json!({ "action": "reboot", "dryRun": true, "options": options,
            "selector": { "in": [place] } });
        let refused = gateway.post("/v1/operations", operation).await;
        let refused = refused.problem(400, "invalid_request");
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    assert_eq!(gateway.writes().await, Vec::<Value>::new());
}

#[tokio::test]
async fn force_is_passed_on_where_there_is_a_forced_form_and_refused_elsewhere() {
    let gateway = quick().start().await;

    gateway.post(&on(KESTREL, "reboot"), json!({ "force": true })).await.ok(200);
    gateway.post(&on(HERON, "shutdown"), json!({ "force": true })).await.ok(200);
    let queries: Vec<_> =
        gateway.writes().await.iter().map(|request| request["query"].clone()).collect();
    assert_eq!(queries, ["async=true&force=true", "async=true&force=true"]);

    for action in ["start", "suspend", "resume"] {
        let reply = gateway.post(&on(MAGPIE, action), json!({ "force": true })).await;
        let problem = reply.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/force");
    }
    assert_eq!(gateway.writes().await.len(), 2);
}

#[tokio::test]
async fn a_machine_in_use_or_with_an_unknown_count_is_left_alone_unless_told_otherwise() {
    let gateway = quick().start().await;
    let machines =
        [(OSPREY, r"DEMOLAB\OSPREY"), (WREN, r"DEMOLAB\WREN"), (ROBIN, r"DEMOLAB\ROBIN")];
    for (machine, name) in machines {
        for action in ["shutdown", "reboot", "suspend"] {
            for body in [Value::Null, json!({}), json!({ "ifInUse": "refuse", "force": false })] {
                let problem =
                    gateway.post(&on(machine, action), body).await.problem(409, "machine_in_use");
                assert_eq!(problem["origin"], "caller");
                assert_eq!(problem["retryable"], false);
                assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
            }
            assert_eq!(gateway.power_counts(name, action).await, (0, 0));
        }
    }
    assert!(gateway.writes().await.is_empty());

    for (machine, name) in machines {
        let body = json!({ "ifInUse": "proceed" });
        gateway.post(&on(machine, "reboot"), body).await.ok(200);
        assert_eq!(gateway.power_counts(name, "reboot").await, (1, 1), "{name}");
    }
}

#[tokio::test]
async fn a_user_who_has_just_come_is_seen() {
    let gateway = quick().start().await;
    gateway.get(&machine(KESTREL)).await.ok(200);
    gateway.get("/v1/machines?pageSize=1000").await.ok(200);
    let user = json!({ "user": "mira" });
    gateway.sim("POST", "/_sim/machines/acme/DEMOLAB%7CKESTREL/sessions", user).await;

    gateway.post(&on(KESTREL, "reboot"), Value::Null).await.problem(409, "machine_in_use");

    assert!(gateway.writes().await.is_empty());
}

#[tokio::test]
async fn what_the_job_says_of_its_failure_becomes_the_problem() {
    let gateway = quick().start().await;

    let problem =
        gateway.post(&on(EAGLE, "reboot"), Value::Null).await.problem(422, "action_not_supported");
    assert_eq!(problem["origin"], "upstream");
    assert_eq!(problem["retryable"], false);
    assert_eq!(problem["upstream"]["message"], "Machine does not support specified power action.");
    assert_eq!(problem["upstream"]["code"], "PowerActionsNotSupported");
    assert_eq!(problem["upstream"]["service"], "daas");
    assert_eq!(problem["upstream"]["region"], "us");

    for (fault, status, code, retryable) in [
        ("InMaintenanceMode", 409, "machine_in_maintenance_mode", false),
        ("PowerActionInProgress", 409, "operation_in_progress", true),
        ("HypervisorNotContactable", 502, "upstream_error", true),
        ("SomethingNobodyHasSeenYet", 502, "upstream_error", true),
    ] {
        let change = json!({ "powerFault": fault });
        gateway.sim("PATCH", "/_sim/machines/acme/DEMOLAB%7CKESTREL", change).await;
        let problem = gateway.post(&on(KESTREL, "reboot"), Value::Null).await.problem(status, code);
        assert_eq!(problem["origin"], "upstream", "{fault}");
        assert_eq!(problem["retryable"], retryable, "{fault}");
        assert_eq!(problem["upstream"]["code"], fault);
        let said = format!("The power action failed: {fault}.");
        assert_eq!(problem["upstream"]["message"], said.as_str());
    }
    assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await, (4, 0));
}

#[tokio::test]
async fn a_refusal_at_once_is_told_like_one_of_a_job() {
    let gateway = quick().start().await;
    let body =
        json!({ "ErrorMessage": "Not this machine.", "SdkErrorId": "PowerActionsNotSupported" });
    gateway.fault(json!({ "match": { "pathContains": "$reboot" }, "status": 400,
        "body": body.to_string() }));

    let problem = gateway
        .post(&on(KESTREL, "reboot"), Value::Null)
        .await
        .problem(422, "action_not_supported");

    assert_eq!(problem["upstream"]["message"], "Not this machine.");
    assert_eq!(problem["upstream"]["status"], 400);
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_write_leaves_the_outcome_unknown() {
    let lost = [
        json!({ "reset": true, "afterEffect": true }),
        json!({ "reset": true }),
        json!({ "status": 500, "style": "E", "afterEffect": true }),
        json!({ "status": 500, "style": "edge" }),
        json!({ "status": 502, "style": "edge" }),
        json!({ "status": 503, "style": "edge", "headers": { "retry-after": "1" } }),
        json!({ "status": 504, "style": "edge" }),
        json!({ "cutBody": 5, "status": 200, "body": r#"{"Id":"1","Name":"a long one"}"# }),
        json!({ "garbage": "<html>all is well</html>" }),
        json!({ "garbage": "" }),
        json!({ "garbage": "[]" }),
        json!({ "status": 202 }),
    ];
    for fault in lost {
        let gateway = quick().start().await;
        let mut rule = fault.clone();
        rule["match"] = json!({ "service": "daas", "method": "POST", "pathContains": "$reboot" });
        gateway.fault(rule);

        let problem =
            gateway.post(&on(KESTREL, "reboot"), Value::Null).await.problem(504, "outcome_unknown");

        assert_eq!(problem["outcome"], "unknown", "{fault}");
        assert_eq!(problem["retryable"], false, "{fault}");
        assert_eq!(problem["origin"], "upstream", "{fault}");
        assert_eq!(problem["upstream"]["service"], "daas", "{fault}");
        assert!(problem["upstream"]["transactionId"].is_string(), "{fault}: {problem}");
        assert_eq!(gateway.writes().await.len(), 1, "{fault}");
        let applied = u64::from(fault["afterEffect"] == true);
        let (requests, begun) = gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await;
        assert_eq!((requests, begun), (applied, applied), "{fault}");
    }
}

#[tokio::test]
async fn a_deadline_that_passes_after_the_write_leaves_the_outcome_unknown() {
    let gateway = quick().start().await;
    gateway.get(&machine(KESTREL)).await.ok(200);
    gateway.fault(json!({ "match": { "pathContains": "$reboot" }, "hang": true }));

    let began = Instant::now();
    let request = gateway.request(Method::POST, &on(KESTREL, "reboot"));
    let reply = gateway.send(request.header("cwsgate-deadline-ms", "3000")).await;

    let problem = reply.problem(504, "outcome_unknown");
    assert_eq!(problem["outcome"], "unknown");
    assert!(began.elapsed() < Duration::from_secs(30), "the deadline was not kept");
    assert_eq!(gateway.writes().await.len(), 1);
}

#[tokio::test]
async fn a_job_that_cannot_be_followed_leaves_the_outcome_unknown() {
    let gateway = quick().start().await;
    gateway.get(&machine(KESTREL)).await.ok(200);
    gateway.fault(json!({ "match": { "pathContains": "/Jobs/" }, "status": 404, "style": "E" }));

    let reply = gateway.post(&on(KESTREL, "reboot"), Value::Null).await;

    reply.problem(504, "outcome_unknown");
    assert_eq!(gateway.writes().await.len(), 1);
}

#[tokio::test]
async fn a_limit_on_a_write_is_told_with_its_wait_and_nothing_is_done() {
    let gateway = quick().start().await;
    gateway.get(&machine(KESTREL)).await.ok(200);
    gateway.fault(json!({ "match": { "pathContains": "$reboot" },
        "rateLimit": "retry-after", "seconds": 200 }));

    let reply = gateway.post(&on(KESTREL, "reboot"), Value::Null).await;

    let problem = reply.problem(503, "upstream_rate_limited");
    assert_eq!(problem["origin"], "upstream");
    assert_eq!(problem["retryable"], true);
    assert_eq!(problem["upstream"]["status"], 429);
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((150..=200).contains(&wait), "{wait}");
    assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await, (0, 0));
}

#[tokio::test]
async fn an_action_that_was_begun_is_answered_although_the_gateway_stops() {
    let gateway = quick().start().await;
    gateway.get(&machine(KESTREL)).await.ok(200);
    gateway.fault(json!({ "match": { "pathContains": "$reboot" }, "latencyMs": 1500 }));
    let path = on(KESTREL, "reboot");

    let stop = async {
        while gateway.writes().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        gateway.shutdown.cancel();
    };
    let (reply, ()) = tokio::join!(gateway.post(&path, Value::Null), stop);

    assert_eq!(reply.ok(200)["outcome"], "accepted");
    assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await, (1, 1));
}

#[tokio::test]
async fn a_region_that_is_out_of_reach_is_sent_nothing() {
    let gateway = quick().start().await;
    gateway.get(&machine(KESTREL)).await.ok(200);
    gateway.stop_region("us").await;

    let problem = gateway
        .post(&on(KESTREL, "reboot"), Value::Null)
        .await
        .problem(503, "upstream_unavailable");

    assert_eq!(problem["origin"], "upstream");
    assert_eq!(problem["upstream"]["region"], "us");
    assert_eq!(problem["upstream"]["status"], Value::Null);
    assert!(gateway.writes().await.is_empty());
}

#[tokio::test]
async fn a_body_is_taken_with_a_mark_in_front_and_an_empty_one_with_any_type() {
    let gateway = quick().start().await;
    let send = |content_type: &'static str, body: Vec<u8>| {
        let request = gateway.request(Method::POST, &on(OSPREY, "reboot"));
        gateway.send(request.header("content-type", content_type).body(body))
    };

    // PowerShell announces a form when it posts nothing.
    send("application/x-www-form-urlencoded", Vec::new()).await.problem(409, "machine_in_use");
    send("text/plain", b" \r\n".to_vec()).await.problem(409, "machine_in_use");

    let body = br#"{"ifInUse":"proceed"}"#.to_vec();
    for other in
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"]
    {
        let problem = send(other, body.clone()).await.problem(415, "unsupported_media_type");
        assert_eq!(problem["origin"], "caller");
    }
    assert!(gateway.writes().await.is_empty());

    let marked = b"\xEF\xBB\xBF{\"ifInUse\":\"proceed\"}".to_vec();
    send("application/json", marked).await.ok(200);
    assert_eq!(gateway.writes().await.len(), 1);
}

#[tokio::test]
async fn a_body_that_says_something_else_is_refused_before_anything_is_asked() {
    let gateway = quick().start().await;
    let cases = [
        (json!({ "ifInuse": "proceed" }), "unknown_parameter", "/ifInuse"),
        (json!({ "Force": true }), "unknown_parameter", "/Force"),
        (json!({ "ifInUse": "perhaps" }), "invalid_request", "/ifInUse"),
        (json!({ "force": "yes" }), "invalid_request", "/force"),
        (json!({ "reason": "x".repeat(1025) }), "invalid_request", "/reason"),
        (json!({ "reason": "two\nlines" }), "invalid_request", "/reason"),
        (json!({ "reason": 7 }), "invalid_request", "/reason"),
    ];
    for (body, code, pointer) in cases {
        let problem = gateway.post(&on(OSPREY, "reboot"), body.clone()).await.problem(400, code);
        assert_eq!(problem["origin"], "caller");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    let misspelt = json!({ "ifInuse": "proceed" });
    let reply = gateway.post(&on(OSPREY, "reboot"), misspelt).await;
    let detail = reply.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("\"ifInUse\""), "no suggestion: {detail}");
    let unknown = format!("{}?force=true", on(OSPREY, "reboot"));
    gateway.post(&unknown, Value::Null).await.problem(400, "unknown_parameter");
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn a_machine_where_the_caller_sees_nothing_is_not_there() {
    let builder = quick();
    let (builder, desk) =
        builder.app("desk", r#"{ actions = ["read", "power"], customers = ["acme"] }"#);
    let elsewhere = r#"{ actions = ["power"], customers = ["acme"], sites = ["another-site"] }"#;
    let (builder, far) = builder.app("far", elsewhere);
    let gateway = builder.start().await;
    let post = |key, path: &str| gateway.send(gateway.request_as(key, Method::POST, path));

    let hidden = "/v1/customers/contoso/sites/-/machines/x/actions/reboot";
    let hidden = post(&desk, hidden).await.problem(404, "not_found");
    let absent = "/v1/customers/nobody/sites/-/machines/x/actions/reboot";
    let absent = post(&desk, absent).await.problem(404, "not_found");
    assert_eq!(hidden["detail"], absent["detail"]);

    let site = gateway.simulator.customer("acme").unwrap().site_id;
    for site in ["-", &site, "cloudxdsite"] {
        let path =
            format!("/v1/customers/acme/sites/{site}/machines/DEMOLAB%7CKESTREL/actions/reboot");
        let problem = post(&far, &path).await.problem(404, "not_found");
        assert_eq!(problem["detail"], absent["detail"]);
    }
    assert!(gateway.writes().await.is_empty());

    post(&desk, &on(KESTREL, "reboot")).await.ok(200);
}

#[tokio::test]
async fn reading_does_not_allow_switching() {
    let (builder, reader) = quick().app(
        "reader",
        r#"{ actions = ["read", "maintain", "session", "write"], customers = ["acme"] }"#,
    );
    let gateway = builder.start().await;

    let request = gateway.request_as(&reader, Method::POST, &on(KESTREL, "reboot"));
    let problem = gateway.send(request).await.problem(403, "policy_denied");

    assert_eq!(problem["origin"], "policy");
    let detail = problem["detail"].as_str().unwrap();
    for word in ["reader", "power", "acme"] {
        assert!(detail.contains(word), "{detail}");
    }
    assert_eq!(gateway.total_asked().await, 0);
}

#[tokio::test]
async fn a_name_that_fits_two_machines_switches_neither() {
    let gateway = quick().start().await;

    let path = "/v1/customers/acme/sites/-/machines/HERON/actions/reboot";
    let problem = gateway.post(path, Value::Null).await.problem(409, "ambiguous_name");

    let names: Vec<_> =
        problem["candidates"].as_array().unwrap().iter().map(|c| c["name"].clone()).collect();
    assert!(names.contains(&json!(r"DEMOLAB\HERON")) && names.contains(&json!(r"BRANCH\HERON")));
    assert!(gateway.writes().await.is_empty());
}

/// After how many more milliseconds a machine is in which power state.
type States = &'static [(u64, &'static str)];

/// Jobs end as soon as they are looked at.
fn quick() -> Builder {
    Gateway::builder().simulator(|options| {
        options.settings.job_start_ms = 0;
        options.settings.job_ms = 0;
    })
}

fn machine(name: &str) -> String {
    format!("/v1/customers/acme/sites/-/machines/{name}")
}

fn on(name: &str, action: &str) -> String {
    format!("{}/actions/{action}", machine(name))
}

const KESTREL: &str = "DEMOLAB%5CKESTREL";
const HERON: &str = "DEMOLAB%7CHERON";
const MAGPIE: &str = "DEMOLAB%7CMAGPIE";
/// Two sessions.
const OSPREY: &str = "DEMOLAB%7COSPREY";
/// No session count.
const WREN: &str = "DEMOLAB%7CWREN";
/// A session count of `null`.
const ROBIN: &str = "DEMOLAB%7CROBIN";
/// No power management.
const EAGLE: &str = "DEMOLAB%7CEAGLE";
