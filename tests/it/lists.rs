//! Lists over several customers, sites and regions.

use cwsgate::simulator::{CatalogSpec, CustomerSpec, MachineSpec, Scenario, SleepingSiteSpec};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Gateway;

#[tokio::test]
async fn one_request_lists_the_machines_of_every_region() {
    let gateway = Gateway::demo().await;

    let reply = gateway.get("/v1/machines?pageSize=1000&fields=name").await;

    let body = reply.ok(200);
    assert_eq!(body["completeness"]["status"], "complete");
    assert_eq!(body["completeness"]["ok"], 3);
    assert_eq!(
        reply.header("cwsgate-completeness"),
        "complete; ok=3; stale=0; failed=0; skipped=0"
    );
    assert_eq!(items(&body).len(), 240);
    let regions = reply.of_items("region");
    assert!(regions.contains(&"us".into()) && regions.contains(&"eu".into()));
    assert_eq!(reply.header("cwsgate-upstream"), "simulator");
}

#[tokio::test]
async fn the_short_path_and_the_path_of_all_customers_and_sites_give_the_same() {
    let gateway = Gateway::demo().await;
    for kind in ["machines", "sessions"] {
        let short = gateway.get(&format!("/v1/{kind}?pageSize=1000")).await;
        let long = gateway.get(&format!("/v1/customers/-/sites/-/{kind}?pageSize=1000")).await;
        assert_eq!(short.ok(200)["items"], long.ok(200)["items"]);
        assert!(!items(&short.json()).is_empty());
    }
}

#[tokio::test]
async fn items_and_sources_come_in_the_order_of_customers_however_fast_each_answers() {
    let gateway = Gateway::demo().await;
    let first = gateway.get("/v1/machines?pageSize=1000&fields=name").await.ok(200);
    gateway.fault(json!({
        "match": { "customer": "acme", "pathContains": "Machines" }, "times": 1, "latencyMs": 300,
    }));
    let second = gateway.get("/v1/machines?pageSize=1000&fields=name").await.ok(200);

    assert_eq!(first["items"], second["items"]);
    assert_eq!(sources(&second, "customer"), ["acme", "contoso", "globex"]);
    let customers: Vec<_> = items(&second).iter().map(|item| item["customer"].clone()).collect();
    assert!(customers.is_sorted_by_key(|name| name.as_str().unwrap().to_owned()));
    let own = gateway.get("/v1/customers/globex/sites/-/machines?pageSize=1000&fields=name").await;
    let globex: Vec<_> = items(&first).iter().filter(|m| m["customer"] == "globex").collect();
    assert_eq!(json!(globex), own.ok(200)["items"]);
}

#[tokio::test]
async fn regions_and_customers_narrow_a_list() {
    let gateway = Gateway::demo().await;
    for (query, expected) in [
        ("region=us", vec!["acme", "globex"]),
        ("region=eu", vec!["contoso"]),
        ("region=us&region=eu", vec!["acme", "contoso", "globex"]),
        ("customer=acme", vec!["acme"]),
        ("customer=contoso4k8r", vec!["contoso"]),
        ("customer=globex&customer=abcd1024xyz", vec!["acme", "globex"]),
        ("customer=label:region-us", vec!["acme", "globex"]),
        ("customer=label:region-us&region=eu", vec![]),
        ("customer=label:nobody", vec![]),
    ] {
        let reply = gateway.get(&format!("/v1/machines?pageSize=1&{query}")).await;
        let body = reply.ok(200);
        assert_eq!(sources(&body, "customer"), expected, "{query}");
        assert_eq!(body["completeness"]["requested"], expected.len(), "{query}");
    }
    gateway.get("/v1/machines?customer=nobody").await.problem(404, "not_found");
    let problem = gateway.get("/v1/machines?region=mars").await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/region");
    assert!(problem["detail"].as_str().unwrap().contains("eu"), "{problem}");
    let customers = gateway.get("/v1/customers?region=us").await;
    assert_eq!(customers.of_items("name"), ["acme", "globex"]);
    let regions = gateway.get("/v1/regions?customer=contoso").await;
    assert_eq!(regions.of_items("name"), ["eu"]);
}

#[tokio::test]
async fn a_stopped_region_leaves_a_partial_list_that_names_it() {
    let gateway = Gateway::demo().await;
    gateway.stop_region("eu").await;

    let reply = gateway.get("/v1/machines?pageSize=1000&fields=name").await;

    let body = reply.ok(200);
    assert_eq!(body["completeness"]["status"], "partial");
    assert_eq!(reply.header("cwsgate-completeness"), "partial; ok=2; stale=0; failed=1; skipped=0");
    assert_eq!(reply.header("cache-control"), "no-store");
    let failed = source(&body, "contoso");
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["region"], "eu");
    assert_eq!(failed["items"], 0);
    assert_eq!(failed["problem"]["origin"], "upstream");
    assert_eq!(failed["problem"]["retryable"], true);
}

#[tokio::test]
async fn who_denies_partial_answers_gets_a_problem_that_lists_the_sources() {
    let gateway = Gateway::demo().await;
    gateway.get("/v1/machines?pageSize=1&partial=deny").await.ok(200);
    gateway.stop_region("eu").await;

    let reply = gateway.get("/v1/machines?pageSize=1&partial=deny").await;

    let problem = reply.json();
    assert_eq!(problem["status"], 503, "{problem}");
    reply.problem(503, problem["code"].as_str().unwrap());
    assert_eq!(sources(&problem, "customer"), ["acme", "contoso", "globex"]);
    assert_eq!(problem["completeness"]["ok"], 2);
    assert_eq!(problem["completeness"]["failed"], 1);
    assert_eq!(reply.header("cwsgate-completeness"), "partial; ok=2; stale=0; failed=1; skipped=0");
    gateway.get("/v1/machines?partial=maybe").await.problem(400, "invalid_request");
}

#[tokio::test]
async fn when_every_region_is_stopped_the_problem_says_when_to_come_back_and_lists_all() {
    let gateway = Gateway::demo().await;
    for region in ["us", "eu"] {
        gateway.stop_region(region).await;
    }
    let reply = gateway.get("/v1/machines").await;
    let problem = reply.json();
    let code = problem["code"].as_str().unwrap().to_owned();
    reply.problem(503, &code);
    assert!(["upstream_unavailable", "upstream_token_unavailable"].contains(&code.as_str()));
    assert_eq!(sources(&problem, "status"), ["failed"; 3]);
    assert_eq!(problem["completeness"]["status"], "failed");
    assert_eq!(reply.header("cwsgate-completeness"), "failed; ok=0; stale=0; failed=3; skipped=0");

    let one = gateway.get("/v1/customers/acme/sites/-/machines").await;
    let problem = one.problem(503, &code);
    assert_eq!(sources(&problem, "customer"), ["acme"]);
    assert_eq!(problem["completeness"]["failed"], 1);
}

#[tokio::test]
async fn failures_of_different_kinds_are_ranked() {
    for (acme, globex, status, code) in [
        (json!({ "status": 403 }), json!({ "status": 403 }), 502, "upstream_forbidden"),
        (json!({ "status": 504 }), json!({ "status": 503 }), 504, "upstream_timeout"),
        (json!({ "status": 503 }), json!({ "status": 403 }), 503, "upstream_unavailable"),
        (json!({ "garbage": "<html>" }), json!({ "status": 403 }), 502, "upstream_error"),
    ] {
        let gateway = Gateway::demo().await;
        for (customer, mut rule) in [("acme", acme), ("globex", globex)] {
            rule["match"] = json!({ "customer": customer, "pathContains": "Machines" });
            gateway.fault(rule);
        }
        let path = "/v1/machines?region=us";
        let request = gateway.request(Method::GET, path).header("cwsgate-deadline-ms", "4000");
        let problem = gateway.send(request).await.problem(status, code);
        assert_eq!(sources(&problem, "customer"), ["acme", "globex"]);
    }
}

#[tokio::test]
async fn a_region_that_hangs_is_named_as_timed_out_within_the_callers_deadline() {
    let gateway = Gateway::demo().await;
    let down = json!({ "state": "down", "mode": "hang" });
    gateway.sim("PUT", "/_sim/regions/eu", down).await;
    assert_timed_out(&gateway).await;
}

#[tokio::test]
async fn a_hanging_call_is_named_as_timed_out_within_the_callers_deadline() {
    let gateway = Gateway::demo().await;
    gateway.get("/v1/machines?pageSize=1").await.ok(200);
    gateway.fault(json!({
        "match": { "customer": "contoso", "pathContains": "Machines" }, "hang": true,
    }));
    assert_timed_out(&gateway).await;
}

async fn assert_timed_out(gateway: &Gateway) {
    let request = gateway.request(Method::GET, "/v1/machines?pageSize=1000&fields=name");
    let reply = gateway.send(request.header("cwsgate-deadline-ms", "3000")).await;
    let body = reply.ok(200);
    assert_eq!(body["completeness"]["status"], "partial");
    assert_eq!(body["completeness"]["ok"], 2);
    let failed = source(&body, "contoso");
    assert_eq!(failed["problem"]["code"], "upstream_timeout", "{failed}");
    // Some of the caller's time is kept for the answer.
    assert!(failed["durationMs"].as_u64().unwrap() < 3000, "{failed}");
    let said = failed["problem"]["detail"].as_str().unwrap();
    assert!(!said.contains("earlier page"), "{said}");
}

#[tokio::test]
async fn no_more_sources_are_asked_at_a_time_than_configured() {
    let gateway = Gateway::builder().settings("[upstream]\nmax_fanout = 1").start().await;
    gateway.get("/v1/machines?pageSize=1").await.ok(200);
    gateway.fault(json!({ "match": { "pathContains": "Machines" }, "hang": true }));
    let before = gateway.asked("service=daas").await.len();

    let request = gateway.request(Method::GET, "/v1/machines?pageSize=1");
    let reply = gateway.send(request.header("cwsgate-deadline-ms", "1500")).await;

    assert_eq!(reply.status, 504, "{}", reply.text);
    assert_eq!(gateway.asked("service=daas").await.len(), before + 1, "one after the other");
}

#[tokio::test]
async fn a_source_that_has_nothing_is_asked_well_and_not_failed() {
    let empty = CustomerSpec::new("empty", "empty1024", "us").catalog(CatalogSpec::named("None"));
    let mut some = CatalogSpec::named("Some");
    some.machines = vec![MachineSpec::named("LAB\\ONE")];
    let full = CustomerSpec::new("full", "full1024", "us").catalog(some);
    let scenario = Scenario::with_regions(["us"]).customer(empty).customer(full);
    let gateway = Gateway::builder().scenario(scenario).start().await;

    let body = gateway.get("/v1/machines").await.ok(200);

    assert_eq!(body["completeness"]["status"], "complete");
    assert_eq!(
        (&body["completeness"]["ok"], &body["completeness"]["failed"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(source(&body, "empty")["status"], "ok");
    assert_eq!(source(&body, "empty")["items"], 0);
    let alone = gateway.get("/v1/customers/empty/sites/-/machines").await.ok(200);
    assert!(items(&alone).is_empty());
}

#[tokio::test]
async fn a_hibernated_site_is_skipped_and_makes_nothing_partial() {
    let gateway = Gateway::demo().await;
    gateway.sim("PUT", "/_sim/customers/globex", json!({ "frozen": true })).await;

    let reply = gateway.get("/v1/machines?pageSize=1000&fields=name").await;

    let body = reply.ok(200);
    assert_eq!(body["completeness"]["status"], "complete");
    assert_eq!(body["completeness"]["skipped"], 1);
    assert_eq!(body["completeness"]["failed"], 0);
    let skipped = source(&body, "globex");
    assert_eq!(skipped["status"], "skipped");
    assert_eq!(skipped["problem"]["code"], "site_hibernated");
    let alone = gateway.get("/v1/customers/globex/sites/-/machines").await;
    alone.problem(503, "site_hibernated");
}

#[tokio::test]
async fn one_sleeping_site_of_a_customer_leaves_the_other_ones_items() {
    let gateway = Gateway::builder().scenario(two_sites()).start().await;

    let body = gateway.get("/v1/customers/acme/sites/-/machines").await.ok(200);

    assert_eq!(items(&body).len(), 2);
    assert_eq!(body["completeness"]["ok"], 1);
    assert_eq!(body["completeness"]["skipped"], 1);
    let mut sites = sources(&body, "siteId");
    let order = sites.clone();
    sites.sort_by_key(|site| site.as_str().unwrap().to_owned());
    assert_eq!(sites, order);
    let asleep = body["sources"].as_array().unwrap().iter().find(|s| s["siteId"] == SLEEPING);
    assert_eq!(asleep.unwrap()["status"], "skipped");
}

#[tokio::test]
async fn a_customer_that_may_be_seen_but_not_read_is_skipped() {
    let (builder, key) = Gateway::builder().app(
        "desk",
        r#"{ actions = ["read"], customers = ["acme"] }, { actions = ["power"], customers = ["globex"] }"#,
    );
    let gateway = builder.start().await;
    let get = async |path: &str| gateway.send(gateway.request_as(&key, Method::GET, path)).await;

    let body = get("/v1/machines?pageSize=1000&fields=name").await.ok(200);

    assert_eq!(sources(&body, "customer"), ["acme", "globex"]);
    assert_eq!(source(&body, "globex")["status"], "skipped");
    assert_eq!(source(&body, "globex")["problem"]["code"], "policy_denied");
    assert_eq!(source(&body, "globex")["problem"]["origin"], "policy");
    assert_eq!(body["completeness"]["status"], "complete");
    assert!(items(&body).iter().all(|item| item["customer"] == "acme"));
    let seen = get("/v1/customers/globex/sites/-/machines").await;
    seen.problem(403, "policy_denied");
    // Word for word the same: what is hidden and what is absent.
    let hidden = get("/v1/customers/contoso/sites/-/machines").await.problem(404, "not_found");
    let absent = get("/v1/customers/nobody/sites/-/machines").await.problem(404, "not_found");
    assert_eq!(anonymous(hidden), anonymous(absent));
    for rest in ["", "/me", "/sites/-", "/sites/-/machines/x", "/resource-locations/x"] {
        let hidden = get(&format!("/v1/customers/contoso{rest}")).await.problem(404, "not_found");
        let absent = get(&format!("/v1/customers/nobody{rest}")).await.problem(404, "not_found");
        assert_eq!(anonymous(hidden), anonymous(absent), "{rest}");
    }
    for name in ["contoso", "contoso4k8r", "nobody"] {
        get(&format!("/v1/machines?customer={name}")).await.problem(404, "not_found");
    }
    let customers = get("/v1/customers").await;
    assert_eq!(customers.of_items("name"), ["acme"]);
}

#[tokio::test]
async fn who_may_read_nothing_is_refused_everywhere() {
    let power = r#"{ actions = ["power"], customers = ["*"] }"#;
    let (builder, no_read) = Gateway::builder().app("power-only", power);
    let (builder, nothing) = builder.app("nothing", "");
    let gateway = builder.start().await;
    for key in [&no_read, &nothing] {
        for path in ["/v1/machines", "/v1/sessions", "/v1/customers", "/v1/regions"] {
            let reply = gateway.send(gateway.request_as(key, Method::GET, path)).await;
            reply.problem(403, "policy_denied");
        }
    }
}

#[tokio::test]
async fn a_grant_on_one_site_shows_that_site_and_nothing_of_the_whole_customer() {
    let scenario = two_sites();
    let site = scenario.customers[0].effective_site_id();
    let grant = format!(r#"{{ actions = ["read"], customers = ["acme"], sites = ["{site}"] }}"#);
    let (builder, key) = Gateway::builder().scenario(scenario).app("desk", &grant);
    let gateway = builder.start().await;
    let get = async |path: &str| gateway.send(gateway.request_as(&key, Method::GET, path)).await;

    let machines = get("/v1/machines").await.ok(200);
    assert_eq!(sources(&machines, "siteId"), [site.as_str()]);
    assert_eq!(items(&machines).len(), 2);
    let sites = get("/v1/customers/acme/sites").await;
    sites.ok(200);
    assert_eq!(sites.of_items("id"), [site.as_str()]);
    // The other site is as good as absent.
    get(&format!("/v1/customers/acme/sites/{SLEEPING}")).await.problem(404, "not_found");
    get("/v1/customers/acme/sites/-").await.ok(200);
    get("/v1/customers/acme/service-states").await.problem(403, "policy_denied");
    let all = get("/v1/customers/-/service-states").await;
    all.problem(403, "policy_denied");
}

#[tokio::test]
async fn fields_keeps_what_is_named_and_the_ids() {
    let gateway = Gateway::demo().await;
    let path = "/v1/customers/acme/sites/-/machines?pageSize=1&fields=name,powerState";
    let body = gateway.get(path).await.ok(200);
    let mut names: Vec<_> = items(&body)[0].as_object().unwrap().keys().cloned().collect();
    names.sort();
    let kept = ["customer", "customerId", "id", "name", "powerState", "region", "self", "siteId"];
    assert_eq!(names, kept);
    let problem = gateway.get("/v1/machines?fields=powerstate").await;
    let problem = problem.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/fields");
    assert!(problem["detail"].as_str().unwrap().contains("powerState"), "{problem}");
}

#[tokio::test]
async fn every_list_has_the_envelope_and_every_item_answers_at_its_self() {
    let gateway = Gateway::demo().await;
    for path in [
        "/v1/customers",
        "/v1/regions",
        "/v1/customers/-/sites",
        "/v1/customers/acme/sites",
        "/v1/customers/-/resource-locations",
        "/v1/customers/contoso/resource-locations",
        "/v1/customers/-/service-states",
        "/v1/customers/acme/service-states?state=productiontrial",
        "/v1/customers/-/sites/-/machine-catalogs",
        "/v1/customers/contoso/sites/-/machine-catalogs",
        "/v1/customers/-/sites/-/delivery-groups",
        "/v1/customers/acme/sites/-/delivery-groups",
        "/v1/machines",
        "/v1/customers/acme/sites/-/machines",
        "/v1/customers/acme/sites/-/machine-catalogs/Win11-Pool/machines",
        "/v1/customers/contoso/sites/-/machine-catalogs/B%C3%BCro-Pool/machines",
        "/v1/customers/globex/sites/main/delivery-groups/Finance/machines",
        "/v1/sessions",
        "/v1/customers/globex/sites/-/sessions",
    ] {
        let reply = gateway.get(path).await;
        let body = reply.ok(200);
        assert_eq!(reply.header("content-type"), "application/json; charset=utf-8", "{path}");
        let mut names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["completeness", "items", "nextPageToken", "sources"], "{path}");
        assert_eq!(body["completeness"]["status"], "complete", "{path}");
        assert!(!items(&body).is_empty(), "{path}");
        for item in items(&body).iter().take(3) {
            let own = item["self"].as_str().unwrap_or_else(|| panic!("{path}: {item}"));
            assert!(!own.contains(['$', ':', '\\']), "{own}");
            let found = gateway.get(own).await.ok(200);
            for name in ["self", "customer", "customerId", "region", "siteId", "id", "name"] {
                assert_eq!(found[name], item[name], "{own}");
            }
        }
    }
}

#[tokio::test]
async fn service_states_can_be_narrowed_to_one_state_in_any_case() {
    let gateway = Gateway::demo().await;
    for state in ["ProductionTrial", "productiontrial"] {
        let path = format!("/v1/customers/acme/service-states?state={state}");
        let reply = gateway.get(&path).await;
        reply.ok(200);
        let mut names = reply.of_items("serviceName");
        names.sort_by_key(|name| name.as_str().unwrap().to_owned());
        let trials = ["cas", "itsm", "microapps", "netscalergateway", "wem", "xendesktop"];
        assert_eq!(names, trials);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_under_any_list() {
    let gateway = Gateway::demo().await;
    for path in [
        "/v1/regions/mars",
        "/v1/customers/acme/resource-locations/00000000-0000-0000-0000-000000000000",
        "/v1/customers/acme/service-states/nothing",
        "/v1/customers/acme/sites/nowhere/machines",
        "/v1/customers/acme/sites/-/machine-catalogs/Nothing",
        "/v1/customers/acme/sites/-/machine-catalogs/Nothing/machines",
        "/v1/customers/acme/sites/-/delivery-groups/Nothing/machines",
        "/v1/customers/acme/sites/-/machines/00000000-0000-0000-0000-000000000000",
        "/v1/customers/acme/sites/-/sessions/00000000-0000-0000-0000-000000000000",
    ] {
        gateway.get(path).await.problem(404, "not_found");
    }
}

/// A problem without what differs from request to request.
fn anonymous(mut problem: Value) -> Value {
    let object = problem.as_object_mut().unwrap();
    object.remove("requestId").unwrap();
    object.remove("instance").unwrap();
    problem
}

fn items(body: &Value) -> &[Value] {
    body["items"].as_array().unwrap()
}

#[track_caller]
fn source<'a>(body: &'a Value, customer: &str) -> &'a Value {
    let sources = body["sources"].as_array().unwrap();
    sources.iter().find(|source| source["customer"] == customer).unwrap()
}

/// One property of every source.
#[track_caller]
fn sources(body: &Value, name: &str) -> Vec<Value> {
    let sources = body["sources"].as_array().unwrap_or_else(|| panic!("no sources: {body}"));
    sources.iter().map(|source| source[name].clone()).collect()
}

/// One customer with a site that answers and one that sleeps.
pub(crate) fn two_sites() -> Scenario {
    let pool = CatalogSpec::named("Pool")
        .machine(MachineSpec::named("LAB\\KESTREL"))
        .machine(MachineSpec::named("LAB\\OSPREY"));
    let mut acme = CustomerSpec::new("acme", "abcd1024xyz", "us").catalog(pool);
    acme.sleeping_sites =
        vec![SleepingSiteSpec { id: SLEEPING.to_owned(), name: "attic".to_owned() }];
    Scenario::with_regions(["us", "eu"]).customer(acme)
}

pub(crate) const SLEEPING: &str = "5ee9b6cf-1a43-4c0c-9d5e-2f9b6d1c7a10";
