//! What people call things: names work wherever ids do.

use cwsgate::simulator::{CatalogSpec, CustomerSpec, MachineSpec, Scenario};

use crate::{
    lists::{SLEEPING, two_sites},
    support::Gateway,
};

const SITE: &str = "/v1/customers/acme/sites/-";

#[tokio::test]
async fn a_machine_answers_to_its_id_and_to_each_of_its_names_in_any_case() {
    let gateway = Gateway::demo().await;
    let kestrel = gateway.get(&format!("{SITE}/machines/DEMOLAB%5CKESTREL")).await.ok(200);
    assert_eq!(kestrel["name"], "DEMOLAB\\KESTREL");
    let id = kestrel["id"].as_str().unwrap();
    let dns = kestrel["dnsName"].as_str().unwrap();
    for name in [
        id,
        &id.to_uppercase(),
        dns,
        &dns.to_uppercase(),
        "DEMOLAB%7CKESTREL",
        "DEMOLAB|KESTREL",
        "demolab%5ckestrel",
        "demolab%7ckestrel",
        "KESTREL",
        "kestrel",
    ] {
        let found = gateway.get(&format!("{SITE}/machines/{name}")).await.ok(200);
        assert_eq!(found, kestrel, "{name}");
    }
    // Of an action as well, and of the self that was given out.
    let own = kestrel["self"].as_str().unwrap();
    assert_eq!(gateway.get(own).await.ok(200), kestrel);
}

#[tokio::test]
async fn an_ambiguous_machine_name_is_refused_with_its_candidates() {
    let gateway = Gateway::demo().await;
    for (method, path) in [
        (reqwest::Method::GET, format!("{SITE}/machines/heron")),
        (reqwest::Method::POST, format!("{SITE}/machines/HERON/actions/reboot")),
    ] {
        let reply = gateway.send(gateway.request(method, &path)).await;
        let problem = reply.problem(409, "ambiguous_name");
        let candidates = problem["candidates"].as_array().unwrap();
        let mut names: Vec<_> =
            candidates.iter().map(|candidate| candidate["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["BRANCH\\HERON", "DEMOLAB\\HERON"]);
        for candidate in candidates {
            let id = candidate["id"].as_str().unwrap();
            let found = gateway.get(&format!("{SITE}/machines/{id}")).await.ok(200);
            assert_eq!(found["name"], candidate["name"]);
        }
    }
    let found = gateway.get(&format!("{SITE}/machines/heron.branch.example")).await.ok(200);
    assert_eq!(found["name"], "BRANCH\\HERON");
    let counters = gateway.sim("GET", "/_sim/counters", serde_json::Value::Null).await;
    assert_eq!(counters["powerActions"], serde_json::json!({}));
}

#[tokio::test]
async fn catalogs_and_groups_answer_to_id_and_name() {
    let gateway = Gateway::demo().await;
    for (customer, collection, names) in [
        ("acme", "machine-catalogs", ["Win11-Pool", "win11-pool"]),
        ("contoso", "machine-catalogs", ["B%C3%BCro-Pool", "b%C3%9Cro-pool"]),
        ("globex", "delivery-groups", ["Finance", "FINANCE"]),
    ] {
        let at = |name: &str| format!("/v1/customers/{customer}/sites/-/{collection}/{name}");
        let found = gateway.get(&at(names[0])).await.ok(200);
        let id = found["id"].as_str().unwrap();
        for name in [names[1], id, &id.to_uppercase()] {
            assert_eq!(gateway.get(&at(name)).await.ok(200), found, "{name}");
        }
        let by_name = gateway.get(&format!("{}/machines?fields=name", at(names[1]))).await;
        let by_id = gateway.get(&format!("{}/machines?fields=name", at(id))).await;
        assert_eq!(by_name.of_items("name"), by_id.of_items("name"));
        assert!(!by_id.of_items("name").is_empty());
    }
}

#[tokio::test]
async fn a_catalog_with_spaces_and_percent_signs_in_its_name_is_found() {
    let name = "50% spare & more + (Köln)";
    let pool = CatalogSpec::named(name).machine(MachineSpec::named("LAB\\KESTREL"));
    let acme = CustomerSpec::new("acme", "abcd1024xyz", "us").catalog(pool);
    let scenario = Scenario::with_regions(["us"]).customer(acme);
    let gateway = Gateway::builder().scenario(scenario).start().await;
    let path = format!("{SITE}/machine-catalogs/50%25%20spare%20%26%20more%20+%20(K%C3%B6ln)");
    assert_eq!(gateway.get(&path).await.ok(200)["name"], name);
    let machines = gateway.get(&format!("{path}/machines")).await;
    assert_eq!(machines.of_items("name"), ["LAB\\KESTREL"]);
}

#[tokio::test]
async fn customers_and_sites_answer_to_id_and_name() {
    let gateway = Gateway::demo().await;
    let by_name = gateway.get("/v1/customers/globex").await.ok(200);
    let by_id = gateway.get("/v1/customers/globex7q2m9w").await.ok(200);
    assert_eq!(by_name["self"], by_id["self"]);
    assert_eq!(by_id["id"], "globex7q2m9w");
    let site = gateway.get("/v1/customers/globex/sites/-").await.ok(200);
    assert_eq!(site["name"], "main");
    let id = site["id"].as_str().unwrap();
    for name in ["main", "MAIN", id] {
        let path = format!("/v1/customers/globex7q2m9w/sites/{name}");
        assert_eq!(gateway.get(&path).await.ok(200), site, "{name}");
        let machines = gateway.get(&format!("{path}/machines?pageSize=1")).await;
        assert_eq!(machines.of_items("siteId"), [id]);
    }
}

#[tokio::test]
async fn a_dash_for_a_site_needs_a_customer_with_one() {
    let gateway = Gateway::builder().scenario(two_sites()).start().await;
    for path in ["", "/machines/KESTREL", "/machine-catalogs/Pool", "/sessions/x"] {
        let problem = gateway.get(&format!("{SITE}{path}")).await.problem(409, "ambiguous_site");
        let candidates = problem["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), 2);
        assert!(candidates.iter().any(|site| site["id"] == SLEEPING && site["name"] == "attic"));
    }
    let path = "/v1/customers/acme/sites/cloudxdsite/machines/KESTREL";
    assert_eq!(gateway.get(path).await.ok(200)["name"], "LAB\\KESTREL");
    let problem = gateway.get("/v1/customers/acme/sites/attic/machines/KESTREL").await;
    problem.problem(503, "site_hibernated");
}

#[tokio::test]
async fn a_dash_for_a_customer_is_for_lists_only() {
    let gateway = Gateway::demo().await;
    for path in [
        "/v1/customers/-",
        "/v1/customers/-/me",
        "/v1/customers/-/sites/-",
        "/v1/customers/-/sites/-/machines/KESTREL",
        "/v1/customers/-/sites/-/machine-catalogs/Win11-Pool",
        "/v1/customers/-/resource-locations/x",
    ] {
        gateway.get(path).await.problem(400, "invalid_request");
    }
}
