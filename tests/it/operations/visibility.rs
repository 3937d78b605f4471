use reqwest::Method;
use serde_json::json;

use super::{POOL, over, request};
use crate::support::{Store, over_both};

over_both! {
    an_app_sees_its_own_operations_and_administrators_see_those_of_their_customers,
    operations_are_listed_newest_first_page_by_page,
    an_operation_that_reaches_nothing_is_no_business_of_other_customers_administrators,
    customers_without_the_action_are_left_out_and_said_so,
}

async fn an_app_sees_its_own_operations_and_administrators_see_those_of_their_customers(
    store: Store,
) {
    let (builder, other) =
        over(&store).app("other", r#"{ actions = ["read", "power"], customers = ["acme"] }"#);
    let (builder, admin) = builder.app("admin", r#"{ actions = ["admin"], customers = ["acme"] }"#);
    let (builder, elsewhere) =
        builder.app("elsewhere", r#"{ actions = ["admin"], customers = ["globex"] }"#);
    let gateway = builder.start().await;
    let kestrel = "customers/acme/sites/-/machines/KESTREL";
    let path = gateway.begin(request("reboot", kestrel, json!({}))).await;
    gateway.ended(&path).await;
    let get = |key, path: &str| gateway.send(gateway.request_as(key, Method::GET, path));

    let hidden = get(&other, &path).await.problem(404, "not_found")["detail"].clone();
    get(&elsewhere, &path).await.problem(404, "not_found");
    let unknown = get(&other, "/v1/operations/01981d4c-93a1-7cc5-8b4e-2f6f8a8f1f0e").await;
    assert_eq!(unknown.problem(404, "not_found")["detail"], hidden);
    for part in ["", "/items", "/events", "/result"] {
        get(&other, &format!("{path}{part}")).await.problem(404, "not_found");
        assert_eq!(get(&admin, &format!("{path}{part}")).await.status, 200);
    }
    let listed = |reply: crate::support::Reply| reply.ok(200)["items"].as_array().unwrap().len();
    assert_eq!(listed(get(&other, "/v1/operations").await), 0);
    assert_eq!(listed(get(&elsewhere, "/v1/operations").await), 0);
    assert_eq!(listed(get(&admin, "/v1/operations").await), 1);
    assert_eq!(listed(gateway.get("/v1/operations").await), 1);
    let cancel = gateway.request_as(&other, Method::POST, &format!("{path}/actions/cancel"));
    gateway.send(cancel).await.problem(404, "not_found");
}

async fn operations_are_listed_newest_first_page_by_page(store: Store) {
    let gateway = over(&store).start().await;
    let swift = "customers/acme/sites/-/machines/KESTREL";
    let mut paths = Vec::new();
    for action in ["set-maintenance", "clear-maintenance", "set-maintenance"] {
        paths.push(gateway.begin(request(action, swift, json!({}))).await);
    }
    paths.reverse();
    let first = gateway.get("/v1/operations?pageSize=2").await;
    let next = first.ok(200)["nextPageToken"].as_str().unwrap().to_owned();
    assert!(first.header("link").contains("rel=\"next\""));
    let second = gateway.get(&format!("/v1/operations?pageToken={next}")).await;
    let listed: Vec<_> =
        first.of_items("self").into_iter().chain(second.of_items("self")).collect();
    assert_eq!(listed, paths);
    gateway.get("/v1/operations?customer=acme").await.problem(400, "unknown_parameter");
}

async fn an_operation_that_reaches_nothing_is_no_business_of_other_customers_administrators(
    store: Store,
) {
    let (builder, elsewhere) =
        over(&store).app("elsewhere", r#"{ actions = ["admin"], customers = ["globex"] }"#);
    let (builder, everywhere) =
        builder.app("everywhere", r#"{ actions = ["admin"], customers = ["*"] }"#);
    let gateway = builder.start().await;
    let osprey = "customers/acme/sites/-/machines/OSPREY";
    let operation = gateway.carry_out(request("reboot", osprey, json!({}))).await;
    assert_eq!(operation["counts"]["planned"], 0, "it is in use");
    let path = operation["self"].as_str().unwrap();
    let get = |key| gateway.send(gateway.request_as(key, Method::GET, path));
    get(&elsewhere).await.problem(404, "not_found");
    assert_eq!(get(&everywhere).await.ok(200), operation);
}

async fn customers_without_the_action_are_left_out_and_said_so(store: Store) {
    let grants = r#"{ actions = ["power"], customers = ["acme"] }, { actions = ["read"], customers = ["globex"] }"#;
    let (builder, key) = over(&store).app("half", grants);
    let gateway = builder.start().await;
    let plan = |places: Vec<&str>| {
        let body = json!({ "action": "reboot", "dryRun": true, "options": { "maxTargets": 500 },
            "selector": { "in": places } });
        let post = gateway.request_as(&key, Method::POST, "/v1/operations");
        gateway.send(post.header("content-type", "application/json").body(body.to_string()))
    };
    let answer = plan(vec![POOL, "customers/globex/sites/-"]).await.ok(200);
    let targets = answer["plan"]["targets"].as_array().unwrap();
    assert!(targets.iter().all(|target| target["customer"] == "acme") && !targets.is_empty());
    let sources = answer["plan"]["sources"].as_array().unwrap();
    let left_out = sources.iter().find(|source| source["customer"] == "globex").unwrap();
    assert_eq!(
        (&left_out["status"], &left_out["problem"]["code"]),
        (&json!("skipped"), &json!("policy_denied"))
    );

    plan(vec!["customers/globex/sites/-"]).await.problem(403, "policy_denied");
    plan(vec!["customers/contoso/sites/-"]).await.problem(404, "not_found");
    let asked = gateway.asked("service=daas&customer=globex7q2m9w").await;
    assert!(asked.is_empty(), "{asked:?}");
}
