use reqwest::Method;
use serde_json::json;

use super::{FLOCK, POOL, demo_over, flock, names, over, request};
use crate::support::{Reply, Store, over_both};

over_both! {
    a_plan_names_every_machine_within_reach_and_starts_nothing,
    where_and_exclude_narrow_what_is_reached,
    sessions_are_reached_through_machines_catalogs_and_sites,
    what_is_not_there_or_makes_no_sense_is_refused_with_its_place,
    a_misspelled_exclusion_is_refused_whatever_else_is_left_out,
    what_is_excluded_where_nothing_may_be_done_stands_in_nobodys_way,
    a_source_that_fails_starts_nothing_unless_that_is_accepted,
    what_cannot_be_read_at_all_is_no_empty_success,
    four_hundred_machines_are_all_considered,
    plans_are_read_from_citrix_each_time,
    a_quoted_plan_acts_on_nothing_else_and_leaves_alone_what_has_drifted,
    starting_needs_a_key_and_the_same_key_starts_one_operation,
}

async fn a_plan_names_every_machine_within_reach_and_starts_nothing(store: Store) {
    let gateway = demo_over(&store).await;
    let plan = gateway.plan(request("reboot", POOL, json!({}))).await;

    let targets = names(&plan["targets"]);
    assert_eq!(targets.len(), 16, "{targets:?}");
    assert!(targets.contains(&r"DEMOLAB\KESTREL".to_owned()));
    let skipped = plan["skipped"].as_array().unwrap();
    let reasons: Vec<_> = skipped
        .iter()
        .map(|s| (s["name"].as_str().unwrap(), s["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        reasons,
        [
            (r"DEMOLAB\OSPREY", "inUse"),
            (r"DEMOLAB\ROBIN", "inUse"),
            (r"DEMOLAB\FINCH", "unregistered"),
            (r"DEMOLAB\LINNET", "maintenance"),
            (r"DEMOLAB\SWIFT", "off"),
            (r"DEMOLAB\STORK", "unregistered"),
            (r"DEMOLAB\IBIS", "inUse"),
            (r"DEMOLAB\RAVEN", "inUse"),
        ]
    );
    assert_eq!(skipped[0]["detail"], "has 2 sessions");
    assert_eq!(skipped[1]["sessionCount"], json!(null));
    assert_eq!(plan["exceedsMaxTargets"], false);
    assert!(skipped.iter().chain(plan["targets"].as_array().unwrap()).all(|thing| {
        let (path, id) = (thing["self"].as_str().unwrap(), thing["id"].as_str().unwrap());
        path.starts_with("/v1/customers/acme/sites/") && path.ends_with(id)
    }));
    assert!(gateway.writes().await.is_empty());
    assert_eq!(gateway.get("/v1/operations").await.ok(200)["items"], json!([]));
}

async fn where_and_exclude_narrow_what_is_reached(store: Store) {
    let gateway = demo_over(&store).await;
    let plan = gateway
        .plan(json!({ "action": "reboot", "selector": { "in": [POOL], "where": { "tag": "CANARY" } } }))
        .await;
    assert_eq!(names(&plan["targets"]), [r"DEMOLAB\KESTREL"]);

    let machines = "customers/acme/sites/-/machines";
    let plan = gateway
        .plan(json!({ "action": "reboot", "selector": {
            "in": [format!("{machines}/KESTREL"), format!("{machines}/DEMOLAB%7CHERON"), format!("/v1/{machines}/DEMOLAB\\ROOK")],
            "exclude": [format!("{machines}/DEMOLAB|ROOK")],
        } }))
        .await;
    assert_eq!(names(&plan["targets"]), [r"DEMOLAB\KESTREL", r"DEMOLAB\HERON"]);
    assert_eq!(names(&plan["skipped"]), [r"DEMOLAB\ROOK"]);
    assert_eq!(plan["skipped"][0]["reason"], "excluded");
}

async fn sessions_are_reached_through_machines_catalogs_and_sites(store: Store) {
    let gateway = demo_over(&store).await;
    let machine = "customers/acme/sites/-/machines/DEMOLAB|IBIS";
    let plan = gateway.plan(request("logoff-sessions", machine, json!({}))).await;
    assert_eq!(plan["targets"].as_array().unwrap().len(), 2);

    let plan = gateway
        .plan(json!({ "action": "logoff-sessions", "selector": {
            "in": [POOL], "where": { "sessionState": "disconnected", "disconnectedFor": "24h" } } }))
        .await;
    let targets = names(&plan["targets"]);
    assert_eq!(targets.len(), 2, "{targets:?}");
    assert!(targets.iter().any(|name| name.contains("farid") && name.contains("IBIS")));

    let one = plan["targets"][0]["self"].as_str().unwrap().to_owned();
    let plan = gateway.plan(request("logoff-sessions", &one, json!({}))).await;
    assert_eq!(plan["targets"][0]["self"], one);

    let plan = gateway
        .plan(json!({ "action": "logoff-sessions", "selector": {
            "in": ["customers/acme/sites/-"], "where": { "user": "MIRA", "powerState": "on" } } }))
        .await;
    let targets = names(&plan["targets"]);
    assert!(!targets.is_empty() && targets.iter().all(|name| name.contains("mira on")));
}

async fn what_is_not_there_or_makes_no_sense_is_refused_with_its_place(store: Store) {
    let gateway = demo_over(&store).await;
    let post = |body| gateway.post("/v1/operations", body);
    let missing = "customers/acme/sites/-/machine-catalogs/Nowhere";
    let mut body = request("reboot", missing, json!({}));
    body["dryRun"] = json!(true);
    let problem = post(body.clone()).await.problem(404, "not_found");
    assert_eq!(problem["errors"][0]["pointer"], "/selector/in/0");
    body["selector"]["in"] = json!(["customers/nobody/sites/-"]);
    assert_eq!(post(body.clone()).await.problem(404, "not_found")["errors"], problem["errors"]);
    body["selector"] = json!({ "in": [POOL], "exclude": [missing] });
    let problem = post(body.clone()).await.problem(404, "not_found");
    assert_eq!(problem["errors"][0]["pointer"], "/selector/exclude/0");
    body["selector"] = json!({ "in": ["customers/acme/sites/-/machines/HERON"] });
    let problem = post(body.clone()).await.problem(409, "ambiguous_name");
    assert_eq!(problem["candidates"].as_array().unwrap().len(), 2);
    body["selector"] = json!({ "in": [POOL], "where": { "tag": null } });
    post(body.clone()).await.problem(400, "invalid_request");
    body["selector"] = json!({ "in": [POOL], "where": { "tags": "x" } });
    post(body.clone()).await.problem(400, "unknown_parameter");
    body["selector"] = json!({ "in": [] });
    post(body).await.problem(400, "invalid_request");
}

/// Plans everywhere but there, as an app that may read two customers and act on one of them.
async fn everywhere_but(store: &Store, frozen: bool, excluded: &str) -> Reply {
    let grants = r#"{ actions = ["power"], customers = ["acme"] }, { actions = ["read"], customers = ["globex"] }"#;
    let both = r#"{ actions = ["power"], customers = ["acme", "globex"] }"#;
    let (builder, key) = over(store).app("half", if frozen { both } else { grants });
    let gateway = builder.start().await;
    if frozen {
        gateway.sim("PUT", "/_sim/customers/globex", json!({ "frozen": true })).await;
    }
    let body = json!({ "action": "reboot", "dryRun": true,
        "selector": { "in": ["customers/-/sites/-"], "exclude": [excluded] } });
    let post = gateway.request_as(&key, Method::POST, "/v1/operations");
    let reply = post.header("content-type", "application/json").body(body.to_string());
    let reply = gateway.send(reply).await;
    gateway.stop().await;
    reply
}

async fn a_misspelled_exclusion_is_refused_whatever_else_is_left_out(store: Store) {
    for frozen in [false, true] {
        let groups = "customers/-/sites/-/delivery-groups";
        let reply = everywhere_but(&store, frozen, &format!("{groups}/Win11-Pol")).await;
        let problem = reply.problem(404, "not_found");
        assert_eq!(problem["errors"][0]["pointer"], "/selector/exclude/0");
        let plan = everywhere_but(&store, frozen, &format!("{groups}/Win11-Pool")).await.ok(200);
        let skipped = plan["plan"]["skipped"].as_array().unwrap();
        let kestrel = skipped.iter().find(|thing| thing["name"] == r"DEMOLAB\KESTREL").unwrap();
        assert_eq!(kestrel["reason"], "excluded");
    }
}

async fn what_is_excluded_where_nothing_may_be_done_stands_in_nobodys_way(store: Store) {
    for frozen in [false, true] {
        let finance = "customers/globex/sites/-/delivery-groups/Finance";
        let plan = everywhere_but(&store, frozen, finance).await.ok(200)["plan"].clone();
        let targets = plan["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{plan}");
        assert!(targets.iter().all(|target| target["customer"] == "acme"), "{plan}");
    }
}

async fn a_source_that_fails_starts_nothing_unless_that_is_accepted(store: Store) {
    let gateway = over(&store).start().await;
    gateway.stop_region("eu").await;
    let everywhere = "customers/-/sites/-";
    let reply = gateway.operate(request("reboot", everywhere, json!({ "maxTargets": 500 }))).await;
    let problem = reply.problem(503, "plan_incomplete");
    let failed: Vec<_> =
        problem["sources"].as_array().unwrap().iter().filter(|s| s["status"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["customer"], "contoso");
    assert!(gateway.writes().await.is_empty());
    assert_eq!(gateway.get("/v1/operations").await.ok(200)["items"], json!([]));

    let options = json!({ "maxTargets": 500, "partialPlan": true });
    let plan = gateway.plan(request("set-maintenance", everywhere, options)).await;
    assert!(!plan["targets"].as_array().unwrap().is_empty());
    assert_eq!(plan["sources"].as_array().unwrap().len(), 3);
}

async fn what_cannot_be_read_at_all_is_no_empty_success(store: Store) {
    let gateway = over(&store).start().await;
    let before = gateway.plan(request("reboot", POOL, json!({}))).await;
    gateway.sim("PUT", "/_sim/customers/acme", json!({ "frozen": true })).await;
    let mut body = request("reboot", POOL, json!({}));
    for digest in [json!(null), before["digest"].clone()] {
        body["planDigest"] = digest;
        let problem = gateway.operate(body.clone()).await.problem(503, "site_hibernated");
        assert_eq!(problem["sources"][0]["customer"], "acme");
    }
    body = request("reboot", POOL, json!({}));
    body["dryRun"] = json!(true);
    gateway.post("/v1/operations", body).await.problem(503, "site_hibernated");

    gateway.stop_region("eu").await;
    let contoso = request("reboot", "customers/contoso/sites/-", json!({ "partialPlan": true }));
    gateway.operate(contoso).await.problem(503, "upstream_token_unavailable");
    assert_eq!(gateway.get("/v1/operations").await.ok(200)["items"], json!([]));
    let everywhere = request("reboot", "customers/-/sites/-", json!({ "partialPlan": true }));
    let plan = gateway.plan(everywhere).await;
    assert!(names(&plan["targets"]).len() > 1, "globex was read");
}

async fn four_hundred_machines_are_all_considered(store: Store) {
    let gateway = over(&store).scenario(flock(400)).start().await;
    let plan = gateway.plan(request("reboot", FLOCK, json!({}))).await;
    assert_eq!(plan["targets"].as_array().unwrap().len(), 400);
    assert_eq!(plan["exceedsMaxTargets"], true);

    let reply = gateway.operate(request("reboot", FLOCK, json!({ "maxTargets": 399 }))).await;
    let problem = reply.problem(409, "too_many_targets");
    assert!(problem["detail"].as_str().unwrap().contains("400"), "{problem}");
    assert!(gateway.writes().await.is_empty());
}

async fn plans_are_read_from_citrix_each_time(store: Store) {
    let gateway = demo_over(&store).await;
    let body = request("reboot", POOL, json!({}));
    gateway.plan(body.clone()).await;
    gateway
        .sim("PATCH", "/_sim/machines/acme/DEMOLAB%7CKESTREL", json!({ "sessionCount": 1 }))
        .await;
    // The list itself may be cached; the plan may not be.
    gateway.get(&format!("/v1/{POOL}/machines")).await.ok(200);
    let plan = gateway.plan(body).await;
    assert!(!names(&plan["targets"]).contains(&r"DEMOLAB\KESTREL".to_owned()));
}

async fn a_quoted_plan_acts_on_nothing_else_and_leaves_alone_what_has_drifted(store: Store) {
    let gateway = over(&store).start().await;
    let machines = "customers/acme/sites/-/machines";
    let body = json!({ "action": "reboot", "selector": {
        "in": [format!("{machines}/KESTREL"), format!("{machines}/ROOK"), format!("{machines}/SWIFT")] } });
    let plan = gateway.plan(body.clone()).await;
    assert_eq!(plan["targets"].as_array().unwrap().len(), 2);
    gateway
        .sim("PATCH", "/_sim/machines/acme/DEMOLAB%7CROOK", json!({ "inMaintenanceMode": true }))
        .await;
    gateway
        .sim(
            "PATCH",
            "/_sim/machines/acme/DEMOLAB%7CSWIFT",
            json!({ "powerState": "On", "registrationState": "Registered" }),
        )
        .await;
    let mut start = body.clone();
    start["planDigest"] = plan["digest"].clone();
    start["reason"] = json!("CHG-1");
    let operation = gateway.carry_out(start.clone()).await;

    assert_eq!(operation["state"], "succeeded");
    assert_eq!(operation["counts"]["planned"], 2);
    assert_eq!(operation["counts"]["skipped"], 1);
    assert_eq!(operation["plan"]["newcomers"], 1);
    assert_eq!(gateway.item(&operation, r"DEMOLAB\ROOK").await["code"], "drifted");
    assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await, (1, 1));
    assert_eq!(gateway.power_counts(r"DEMOLAB\SWIFT", "reboot").await, (0, 0));

    start["planDigest"] = json!("0123");
    gateway.operate(start.clone()).await.problem(409, "plan_expired");
    start["planDigest"] = plan["digest"].clone();
    start["action"] = json!("shutdown");
    let problem = gateway.operate(start).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/planDigest");
}

async fn starting_needs_a_key_and_the_same_key_starts_one_operation(store: Store) {
    let gateway = over(&store).start().await;
    let body = request("reboot", "customers/acme/sites/-/machines/KESTREL", json!({}));
    gateway.post("/v1/operations", body.clone()).await.problem(400, "idempotency_key_required");
    let send = |body: serde_json::Value| {
        let post = gateway.request(Method::POST, "/v1/operations").header("idempotency-key", "k1");
        gateway.send(post.header("content-type", "application/json").body(body.to_string()))
    };
    let first = send(body.clone()).await.ok(202);
    gateway.ended(first["self"].as_str().unwrap()).await;
    let again = send(body.clone()).await;
    assert_eq!(again.ok(202)["id"], first["id"]);
    assert_eq!(again.header("idempotent-replayed"), "true");
    let other = request("shutdown", "customers/acme/sites/-/machines/KESTREL", json!({}));
    send(other).await.problem(422, "idempotency_key_reused");
    assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await, (1, 1));
}
