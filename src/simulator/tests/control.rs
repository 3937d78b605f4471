use super::*;

#[tokio::test]
async fn the_control_api_is_on_its_own_listener_only() {
    let lab = Lab::demo().await;
    let control = lab.simulator.url().join("_sim/state").unwrap();
    let answer = send(lab.http.get(control)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cwsgate-upstream"), Some("simulator"));
    assert_eq!(send(lab.bare("GET", "/_sim/state")).await.status, 404);
    let index = send(lab.http.get(lab.simulator.url().join("_sim").unwrap())).await;
    assert!(index.text.contains("/_sim/faults"));
    let daas = lab.simulator.url().join("cvad/manage/me").unwrap();
    assert_eq!(send(lab.http.get(daas)).await.status, 404);
}

#[tokio::test]
async fn a_web_page_is_kept_out() {
    let lab = Lab::demo().await;
    let url = lab.simulator.url().join("_sim/reset").unwrap();
    let answer = send(lab.http.post(url).header("origin", "https://evil.example")).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn the_log_shows_requests_without_credentials() {
    let lab = Lab::demo().await;
    lab.daas("POST", "/Machines/DEMOLAB%7CKESTREL/$reboot?async=true").await;
    let log = lab.control("GET", "/_sim/requests?limit=5", Value::Null).await;
    let last = &log["requests"][0];
    assert_eq!(last["operation"], json!("machines.reboot"));
    assert_eq!((&last["status"], &last["customer"]), (&json!(202), &json!("acme")));
    assert_eq!((&last["region"], &last["query"]), (&json!("us"), &json!("async=true")));
    assert_eq!(log["requests"][1]["operation"], json!("token"));
    let all = log.to_string();
    assert!(!all.contains(&lab.token) && !all.contains("simulated+acme"));
    assert!(all.contains("CwsAuth Bearer=sha256:"));
}

#[tokio::test]
async fn requests_are_counted_by_service_customer_and_operation() {
    let lab = Lab::demo().await;
    lab.daas("GET", "/Machines?limit=1").await;
    lab.daas("GET", "/machines?limit=2").await;
    let counters = lab.control("GET", "/_sim/counters", Value::Null).await;
    assert_eq!(counters["requests"]["daas"]["acme"], json!({ "machines.list": 2 }));
    assert_eq!(counters["requests"]["token"]["acme"], json!({ "token": 1 }));
}

#[tokio::test]
async fn the_state_lists_what_there_is_and_no_secret() {
    let lab = Lab::demo().await;
    let state = lab.control("GET", "/_sim/state", Value::Null).await;
    let machines =
        state["customers"].as_array().unwrap().iter().map(|c| c["machines"].as_u64().unwrap());
    assert_eq!(machines.sum::<u64>(), 240);
    assert_eq!(state["regions"][0]["state"], json!("up"));
    assert_eq!(state["customers"][0]["liveTokens"], json!(1));
    assert!(!state.to_string().contains("simulated+"));
}

#[tokio::test]
async fn a_machine_is_set_as_a_test_needs_it() {
    let lab = Lab::demo().await;
    let path = "/_sim/machines/acme/DEMOLAB%5CKESTREL";
    lab.control("PATCH", path, json!({ "sessionCount": 3, "powerState": "off" })).await;
    let machine = lab.machine("DEMOLAB\\KESTREL").await;
    assert_eq!(machine["SessionCount"], json!(3));
    assert_eq!(machine["PowerState"], json!("Off"));
    assert_eq!(machine["RegistrationState"], json!("Unregistered"));
    lab.control("PATCH", path, json!({ "sessionCount": null })).await;
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await.get("SessionCount"), Some(&Value::Null));
    lab.control("PATCH", path, json!({ "sessionCount": "absent" })).await;
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await.get("SessionCount"), None);
    lab.control("PATCH", path, json!({ "tags": ["x"] })).await;
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await.get("SessionCount"), None, "left as it was");
    let (status, _) = lab.simulator.control("PATCH", path, json!({ "powerState": "Asleep" })).await;
    assert_eq!(status, 400);
    let (status, _) = lab.simulator.control("PATCH", path, json!({ "colour": "red" })).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_power_fault_fails_the_job_with_its_code() {
    let lab = Lab::demo().await;
    let answer = lab.daas("POST", "/Machines/DEMOLAB%7CSTARLING/$reboot?async=true").await;
    let path = format!("/Jobs/{}", answer.header("location").unwrap().rsplit('/').next().unwrap());
    lab.advance("1s").await;
    let job = lab.daas("GET", &path).await.json();
    assert_eq!(job["Status"], json!("Failed"));
    assert_eq!(job["ErrorCode"], json!("HypervisorNotContactable"));
}

#[tokio::test]
async fn a_reset_brings_everything_back() {
    let lab = Lab::demo().await;
    lab.control("PUT", "/_sim/settings", json!({ "rebootMs": 7 })).await;
    lab.control("POST", "/_sim/faults", json!({ "status": 503 })).await;
    lab.control("PATCH", "/_sim/machines/acme/DEMOLAB%7CKESTREL", json!({ "powerState": "Off" }))
        .await;
    lab.control("PUT", "/_sim/regions/us", json!({ "state": "down" })).await;
    lab.control("POST", "/_sim/reset", Value::Null).await;
    let state = lab.control("GET", "/_sim/state", Value::Null).await;
    assert_eq!(state["settings"]["rebootMs"], json!(2000));
    assert_eq!(state["faults"], json!([]));
    assert_eq!(state["totalRequests"], json!(0));
    assert_eq!(lab.daas("GET", "/me").await.status, 401, "tokens are forgotten too");
}

#[tokio::test]
async fn settings_are_changed_one_by_one_and_checked() {
    let lab = Lab::demo().await;
    let after = lab.control("PUT", "/_sim/settings", json!({ "strictAccept": false })).await;
    assert_eq!((&after["strictAccept"], &after["rebootMs"]), (&json!(false), &json!(2000)));
    let (status, body) =
        lab.simulator.control("PUT", "/_sim/settings", json!({ "rebotMs": 1 })).await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().contains("rebotMs"));
}

#[tokio::test]
async fn the_same_scenario_has_the_same_ids() {
    let one = Lab::demo().await;
    let two = Lab::demo().await;
    assert_eq!(one.customer.site_id, two.customer.site_id);
    let id = |machine: Value| machine["Id"].clone();
    assert_eq!(
        id(one.machine("DEMOLAB\\KESTREL").await),
        id(two.machine("DEMOLAB\\KESTREL").await)
    );
}
