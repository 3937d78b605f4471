use serde_json::{Value, json};

use super::{demo_over, names, over, request};
use crate::support::{Gateway, Store, over_both};

over_both! {
    each_guard_holds_and_is_lifted_only_by_its_name,
    physical_machines_are_left_alone_unless_they_are_named,
    a_machine_that_gets_a_session_between_plan_and_act_is_skipped,
}

const KESTREL: &str = "customers/acme/sites/-/machines/DEMOLAB|KESTREL";

async fn make(gateway: &Gateway, state: Value) {
    gateway.sim("PATCH", "/_sim/machines/acme/DEMOLAB%7CKESTREL", state).await;
}

async fn each_guard_holds_and_is_lifted_only_by_its_name(store: Store) {
    let gateway = demo_over(&store).await;
    let idle = json!({ "sessionCount": 0, "registrationState": "Registered",
        "inMaintenanceMode": false, "powerState": "On", "powerActionPending": false });
    for (state, guard) in [
        (json!({ "sessionCount": 2 }), "inUse"),
        (json!({ "sessionCount": null }), "inUse"),
        (json!({ "sessionCount": "absent" }), "inUse"),
        (json!({ "registrationState": "Unregistered" }), "unregistered"),
        (json!({ "inMaintenanceMode": true }), "maintenance"),
        (json!({ "powerState": "Off" }), "off"),
        (json!({ "powerState": "Suspended" }), "off"),
    ] {
        make(&gateway, idle.clone()).await;
        make(&gateway, state.clone()).await;
        if guard == "off" {
            // Such a machine is not registered either, which is a guard of its own.
            make(&gateway, json!({ "registrationState": "Registered" })).await;
        }
        for action in ["reboot", "shutdown", "suspend"] {
            let plan = gateway.plan(request(action, KESTREL, json!({}))).await;
            assert_eq!(plan["targets"], json!([]), "{state}");
            assert_eq!(plan["skipped"][0]["reason"], guard, "{state}");
            let others: Vec<_> = ["inUse", "unregistered", "maintenance", "off", "physical"]
                .into_iter()
                .filter(|other| *other != guard)
                .collect();
            let plan = gateway.plan(request(action, KESTREL, json!({ "include": others }))).await;
            assert_eq!(plan["skipped"][0]["reason"], guard, "{state}");
            let plan = gateway.plan(request(action, KESTREL, json!({ "include": [guard] }))).await;
            assert_eq!(names(&plan["targets"]), [r"DEMOLAB\KESTREL"], "{state}");
        }
    }
    make(&gateway, idle.clone()).await;
    make(&gateway, json!({ "powerActionPending": true })).await;
    let all = json!({ "include": ["inUse", "unregistered", "maintenance", "off", "physical"] });
    let plan = gateway.plan(request("reboot", KESTREL, all)).await;
    assert_eq!(plan["skipped"][0]["reason"], "powerActionPending");
    make(&gateway, idle).await;
    let plan = gateway.plan(request("start", KESTREL, json!({}))).await;
    assert_eq!(plan["skipped"][0]["reason"], "alreadyOn");
}

async fn physical_machines_are_left_alone_unless_they_are_named(store: Store) {
    let gateway = demo_over(&store).await;
    let site = "customers/acme/sites/-/machine-catalogs/Win11-Personal";
    let plan = gateway.plan(request("reboot", site, json!({ "maxTargets": 500 }))).await;
    let skipped = plan["skipped"].as_array().unwrap();
    let physical: Vec<_> = skipped.iter().filter(|s| s["reason"] == "physical").collect();
    assert!(!physical.is_empty(), "{skipped:?}");
    let name = physical[0]["name"].clone();
    let path = physical[0]["self"].as_str().unwrap();
    let plan = gateway.plan(request("reboot", path, json!({ "include": ["physical"] }))).await;
    assert_eq!(plan["targets"][0]["name"], name, "{plan}");
}

async fn a_machine_that_gets_a_session_between_plan_and_act_is_skipped(store: Store) {
    let gateway = over(&store).start().await;
    // The first look is the plan's; the second one, just before acting, is held up.
    let id =
        gateway.simulated("acme", "DEMOLAB%7CKESTREL").await["id"].as_str().unwrap().to_owned();
    let slow = json!({ "match": { "service": "daas", "method": "GET", "pathContains": id }, "latencyMs": 1500 });
    gateway.fault(slow);
    let catalog = "customers/acme/sites/-/machine-catalogs/Win11-Pool";
    let mut body = request("reboot", catalog, json!({}));
    body["selector"]["where"] = json!({ "tag": "canary" });
    let path = gateway.begin(body).await;
    gateway
        .sim(
            "POST",
            "/_sim/machines/acme/DEMOLAB%7CKESTREL/sessions",
            json!({ "user": "mira", "state": "Active" }),
        )
        .await;
    let operation = gateway.ended(&path).await;

    assert_eq!(operation["state"], "succeeded");
    assert_eq!(operation["counts"]["skipped"], 1);
    let item = gateway.item(&operation, r"DEMOLAB\KESTREL").await;
    assert_eq!((&item["state"], &item["code"]), (&json!("skipped"), &json!("inUse")));
    assert_eq!(item["message"], "has 1 session");
    assert_eq!(gateway.power_counts(r"DEMOLAB\KESTREL", "reboot").await, (0, 0));
}
