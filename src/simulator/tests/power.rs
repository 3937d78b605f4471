use super::*;

const KESTREL: &str = "/Machines/DEMOLAB%7CKESTREL";

async fn counted(lab: &Lab, machine: &Value, action: &str) -> Value {
    let counters = lab.control("GET", "/_sim/counters", Value::Null).await;
    counters["powerActions"][machine["Id"].as_str().unwrap()]["actions"][action].clone()
}

#[tokio::test]
async fn a_reboot_takes_its_time_and_the_registration_with_it() {
    let lab = Lab::demo().await;
    let answer = lab.daas("POST", &format!("{KESTREL}/$reboot")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["PowerActionPending"], json!(true));
    assert_eq!(answer.json()["PowerState"], json!("On"));
    let mut seen = Vec::new();
    for _ in 0..10 {
        lab.advance("200ms").await;
        let machine = lab.machine("DEMOLAB\\KESTREL").await;
        let state = [&machine["PowerState"], &machine["RegistrationState"]]
            .map(|s| s.as_str().unwrap().to_owned());
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    let expected = [
        ["TurningOff", "Unregistered"],
        ["Off", "Unregistered"],
        ["TurningOn", "Unregistered"],
        ["On", "Initializing"],
        ["On", "Registered"],
    ];
    assert_eq!(seen, expected.map(|pair| pair.map(str::to_owned)));
    assert_eq!(
        counted(&lab, &answer.json(), "reboot").await,
        json!({ "requests": 1, "applied": 1 })
    );
}

#[tokio::test]
async fn a_power_action_needs_no_body_and_minds_none() {
    let lab = Lab::demo().await;
    for (path, request) in [
        ("/%24REBOOT", None),
        ("/$shutdown?force=true", Some(("application/json", ""))),
        ("/$start", Some(("text/plain", "hello"))),
        ("/$suspend", None),
        ("/$resume", None),
    ] {
        let mut built = lab.request("POST", &format!("/cvad/manage{KESTREL}{path}"));
        built = match request {
            None => built.header("content-length", "0"),
            Some((kind, body)) => built.header("content-type", kind).body(body),
        };
        let answer = send(built).await;
        assert_eq!(answer.status, 200, "{path} {answer:?}");
        lab.advance("5s").await;
    }
}

#[tokio::test]
async fn what_the_machine_does_not_support_is_refused_with_the_known_sentence() {
    let lab = Lab::demo().await;
    let answer = lab.daas("POST", "/Machines/DEMOLAB%7CEAGLE/$reboot").await;
    assert_eq!(answer.status, 400);
    let message = "Machine does not support specified power action.";
    assert_eq!(answer.json()["ErrorMessage"], json!(message));
    let answer = lab.daas("POST", "/Machines/DEMOLAB%7CEAGLE/$reboot?async=true").await;
    assert_eq!((answer.status, answer.header("content-length")), (202, Some("0")));
    lab.advance("1s").await;
    let path = answer.header("location").unwrap().split("/cvad/manage").nth(1).unwrap().to_owned();
    let job = lab.daas("GET", &path).await.json();
    assert_eq!(job["Status"], json!("Failed"));
    assert_eq!(job["ErrorCode"], json!("PowerActionsNotSupported"));
    assert_eq!(job["ErrorString"], json!(message));
    assert!(job["ErrorParameters"][0]["Value"].as_str().unwrap().contains("ErrorMessage : "));
    let eagle = lab.machine("DEMOLAB\\EAGLE").await;
    assert_eq!(counted(&lab, &eagle, "reboot").await, json!({ "requests": 2, "applied": 0 }));
}

#[tokio::test]
async fn an_asynchronous_reboot_is_a_job_that_only_its_owner_sees() {
    let scenario = r#"{"customers":[{"name":"acme","id":"a1","region":"us",
        "moreCredentials":[{"clientId":"second","clientSecret":"two"}],
        "catalogs":[{"name":"c","machines":[{"name":"LAB\\OSPREY"}]}]}]}"#;
    let mut lab = Lab::of(Scenario::from_json(scenario).unwrap(), "acme").await;
    let answer = lab.daas("POST", "/Machines/LAB%7COSPREY/$reboot?async=true").await;
    let location = answer.header("location").unwrap().to_owned();
    assert!(location.starts_with(&format!("{}/cvad/manage/Jobs/", lab.base)), "{location}");
    let path = format!("/Jobs/{}", location.rsplit('/').next().unwrap());
    for (after, status) in [("0s", "NotStarted"), ("200ms", "InProgress"), ("400ms", "Complete")] {
        lab.advance(after).await;
        let job = lab.daas("GET", &path).await.json();
        assert_eq!(job["Status"], json!(status));
        assert_eq!(job["Type"], json!("RebootMachines"));
        assert_eq!(job["Parameters"][1], json!({ "Name": "Name", "Value": "LAB\\OSPREY" }));
    }
    let result = lab.daas("GET", &format!("{path}/Results")).await;
    assert_eq!(result.status, 303);
    assert!(result.header("location").unwrap().contains("/cvad/manage/Machines/"));
    assert_eq!(lab.daas("GET", "/Jobs").await.json()["Items"].as_array().unwrap().len(), 1);

    let first = lab.token.clone();
    "second".clone_into(&mut lab.customer.client_id);
    lab.customer.client_secret = "two".into();
    lab.token = lab.sign_in().await;
    assert_eq!(lab.daas("GET", &path).await.status, 404);
    lab.token = first;
    assert_eq!(lab.daas("GET", &path).await.status, 200);
}

#[tokio::test]
async fn a_finished_job_is_gone_after_48_hours() {
    let mut lab = Lab::demo().await;
    let answer = lab.daas("POST", &format!("{KESTREL}/$reboot?async=true")).await;
    let path = format!("/Jobs/{}", answer.header("location").unwrap().rsplit('/').next().unwrap());
    for (after, status) in [("47h", 200), ("2h", 404)] {
        lab.advance(after).await;
        lab.token = lab.sign_in().await;
        assert_eq!(lab.daas("GET", &path).await.status, status, "{after}");
    }
}

#[tokio::test]
async fn a_job_can_be_cancelled_only_before_it_runs() {
    let lab = Lab::demo().await;
    let start = async || {
        let answer = lab.daas("POST", &format!("{KESTREL}/$reboot?async=true")).await;
        format!("/Jobs/{}", answer.header("location").unwrap().rsplit('/').next().unwrap())
    };
    let early = start().await;
    let answer = lab.daas("POST", &format!("{early}/$cancel")).await;
    assert_eq!((answer.status, answer.json()["Status"].clone()), (200, json!("Canceled")));
    lab.advance("5s").await;
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await["LastDeregistrationTime"], Value::Null);
    let late = start().await;
    lab.advance("200ms").await;
    assert_eq!(lab.daas("POST", &format!("{late}/$cancel")).await.status, 409);
}

#[tokio::test]
async fn sessions_die_with_their_machine_and_the_counts_agree() {
    let lab = Lab::demo().await;
    let osprey = "/Machines/DEMOLAB%7COSPREY";
    assert_eq!(
        lab.daas("GET", &format!("{osprey}/Sessions")).await.json()["Items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    lab.daas("POST", &format!("{osprey}/$shutdown")).await;
    lab.advance("5s").await;
    let machine = lab.machine("DEMOLAB\\OSPREY").await;
    assert_eq!(machine["PowerState"], json!("Off"));
    assert_eq!(machine["SessionCount"], json!(0));
    assert_eq!(machine["LastDeregistrationReason"], json!("PowerOff"));
    assert_eq!(lab.daas("GET", &format!("{osprey}/Sessions")).await.json()["Items"], json!([]));
    lab.daas("POST", &format!("{osprey}/$start")).await;
    lab.advance("5s").await;
    assert_eq!(lab.machine("DEMOLAB\\OSPREY").await["RegistrationState"], json!("Registered"));
}

#[tokio::test]
async fn a_machine_that_is_stuck_never_registers_again() {
    let lab = Lab::demo().await;
    lab.daas("POST", "/Machines/DEMOLAB%7CCRANE/$reboot").await;
    lab.advance("1h").await;
    let crane =
        lab.simulator.control("GET", "/_sim/machines/acme/DEMOLAB%7CCRANE", Value::Null).await.1;
    assert_eq!(crane["faultState"], json!("StuckOnBoot"));
    assert_eq!(crane["registrationState"], json!("Unregistered"));
}

#[tokio::test]
async fn a_second_action_while_one_is_under_way_is_taken_and_changes_nothing() {
    let lab = Lab::demo().await;
    let first = lab.daas("POST", &format!("{KESTREL}/$reboot")).await;
    lab.advance("300ms").await;
    assert_eq!(lab.daas("POST", &format!("{KESTREL}/$reboot")).await.status, 200);
    assert_eq!(
        counted(&lab, &first.json(), "reboot").await,
        json!({ "requests": 2, "applied": 1 })
    );
}

#[tokio::test]
async fn explicit_transitions_happen_one_at_a_time_when_told() {
    let lab = Lab::demo().await;
    lab.control("PUT", "/_sim/settings", json!({ "transitions": "explicit" })).await;
    lab.daas("POST", &format!("{KESTREL}/$reboot")).await;
    lab.advance("30m").await;
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await["PowerState"], json!("On"));
    let told = lab.control("POST", "/_sim/transitions", json!({ "steps": 1 })).await;
    assert_eq!(told, json!({ "done": 1, "pending": 4 }));
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await["PowerState"], json!("TurningOff"));
    lab.control("POST", "/_sim/transitions", Value::Null).await;
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await["RegistrationState"], json!("Registered"));
}

#[tokio::test]
async fn a_catalog_reboots_at_once_and_without_a_job() {
    let lab = Lab::demo().await;
    let answer = lab.daas("POST", "/MachineCatalogs/Win11-Pool/$RebootMachines").await;
    assert_eq!(answer.status, 204);
    assert_eq!(lab.daas("GET", "/Jobs").await.json()["Items"], json!([]));
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await["PowerActionPending"], json!(true));
}

#[tokio::test]
async fn a_batch_runs_items_with_plain_bearer_tokens() {
    let lab = Lab::demo().await;
    let kestrel = lab.machine("DEMOLAB\\KESTREL").await["Id"].as_str().unwrap().to_owned();
    let bearer = json!([{ "Name": "Authorization", "Value": format!("Bearer {}", lab.token) }]);
    let body = json!({ "Items": [
        { "Reference": "reboot", "Method": "POST", "RelativeUrl": format!("/Machines/{kestrel}/$reboot?async=true"), "Headers": bearer },
        { "Reference": "patch", "Method": "PATCH", "RelativeUrl": format!("Machines/{kestrel}"), "Headers": bearer,
          "Body": "{\"InMaintenanceMode\":true}" },
        { "Reference": "nobody", "Method": "GET", "RelativeUrl": "/me", "Headers": [] },
    ] });
    let answer = lab.daas_json("POST", "/$batch", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.json()["Items"].clone();
    let code = |reference: &str| {
        let all = items.as_array().unwrap();
        all.iter().find(|item| item["Reference"] == reference).unwrap()["Code"].clone()
    };
    assert_eq!(
        (code("reboot"), code("patch"), code("nobody")),
        (json!(202), json!(204), json!(401))
    );
    assert_eq!(items[0]["Headers"][0]["Name"], json!("Location"));

    let answer = lab.daas_json("POST", "/$batch?async=true", &body).await;
    let path = format!("/Jobs/{}", answer.header("location").unwrap().rsplit('/').next().unwrap());
    lab.advance("2s").await;
    let job = lab.daas("GET", &path).await.json();
    assert_eq!(
        (job["Type"].clone(), job["SubJobs"].as_array().unwrap().len()),
        (json!("Batch"), 3)
    );
    let result = lab.daas("GET", &format!("{path}/Results")).await.json();
    assert_eq!(result["Items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_batch_with_a_bad_reference_is_refused_whole() {
    let lab = Lab::demo().await;
    let item =
        |reference: &str| json!({ "Reference": reference, "Method": "GET", "RelativeUrl": "/me" });
    for references in [["a", "a"], ["a", "b c"], ["a", ""]] {
        let body = json!({ "Items": references.map(item) });
        assert_eq!(lab.daas_json("POST", "/$batch", &body).await.status, 400);
    }
}
