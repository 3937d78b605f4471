use super::*;

use crate::simulator::{CatalogSpec, CustomerSpec};

/// Percent-encodes everything that is not a letter or digit.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn pages_have_250_entries_and_lead_to_all() {
    let lab = Lab::of(Scenario::big_catalog(600), "acme").await;
    let mut names = Vec::new();
    let mut query = String::new();
    loop {
        let page = lab.daas("GET", &format!("/Machines?fields=Id,Name{query}")).await.json();
        let items = page["Items"].as_array().unwrap().clone();
        assert!(items.len() <= 250);
        assert_eq!(items[0].as_object().unwrap().len(), 2);
        names.extend(items.iter().map(|item| item["Name"].as_str().unwrap().to_owned()));
        let Some(token) = page["ContinuationToken"].as_str() else { break };
        query = format!("&continuationToken={}", encoded(token));
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 600);
}

#[tokio::test]
async fn a_token_that_was_not_encoded_or_is_of_another_list_is_400() {
    let lab = Lab::of(Scenario::big_catalog(300), "acme").await;
    let page = lab.daas("GET", "/Machines").await.json();
    let token = page["ContinuationToken"].as_str().unwrap();
    let raw = lab
        .daas("GET", &format!("/Machines?continuationToken={}", token.replace('#', "%23")))
        .await;
    assert_eq!(raw.status, 400);
    let good = encoded(token);
    assert_eq!(lab.daas("GET", &format!("/Sessions?continuationToken={good}")).await.status, 400);
    let second = lab.daas("GET", &format!("/Machines?continuationToken={good}")).await.json();
    assert_eq!(second["Items"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn a_limit_above_1000_is_400() {
    let lab = Lab::of(Scenario::big_catalog(1001), "acme").await;
    assert_eq!(lab.daas("GET", "/Machines?limit=1001").await.status, 400);
    assert_eq!(lab.daas("GET", "/Machines?limit=0").await.status, 400);
    assert_eq!(lab.daas("GET", "/Machines?limit=many").await.status, 400);
    let page = lab.daas("GET", "/Machines?limit=1000").await.json();
    assert_eq!(page["Items"].as_array().unwrap().len(), 1000);
    assert_eq!(page["TotalItems"], Value::Null);
    assert!(page["ContinuationToken"].is_string());
}

#[tokio::test]
async fn the_short_list_has_no_session_count_unless_it_is_asked_for() {
    let lab = Lab::demo().await;
    let short = lab.daas("GET", "/MachinesV2?limit=1").await.json();
    assert!(short["Items"][0].get("SessionCount").is_none());
    assert!(short["Items"][0].get("Hosting").is_none());
    assert!(short["Items"][0].get("PowerState").is_some());
    let asked = lab.daas("GET", "/MachinesV2?limit=1&fields=name,SESSIONCOUNT").await.json();
    assert_eq!(asked["Items"][0], json!({ "Name": "DEMOLAB\\OSPREY", "SessionCount": 2 }));
    let full = lab.daas("GET", "/Machines?limit=1").await.json();
    assert_eq!(full["Items"][0]["SessionCount"], json!(2));
}

#[tokio::test]
async fn a_list_can_be_a_job() {
    let lab = Lab::demo().await;
    let answer = lab.daas("GET", "/Machines?async=true&fields=Id&limit=3").await;
    assert_eq!((answer.status, answer.header("content-length")), (202, Some("0")));
    let job = answer.header("location").unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(
        lab.daas("GET", &format!("/Jobs/{job}")).await.json()["Status"],
        json!("NotStarted")
    );
    assert_eq!(lab.daas("GET", &format!("/Jobs/{job}/Results")).await.status, 409);
    lab.advance("1s").await;
    let result = lab.daas("GET", &format!("/Jobs/{job}/Results")).await.json();
    assert_eq!(result["Items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn every_customer_sees_its_own_site_only() {
    let scenario = Scenario::with_regions(["us"])
        .customer(CustomerSpec::new("one", "one1", "us").catalog(CatalogSpec::generated("P", 3)))
        .customer(CustomerSpec::new("two", "two2", "us").catalog(CatalogSpec::generated("P", 5)));
    let lab = Lab::of(scenario, "two").await;
    assert_eq!(lab.daas("GET", "/Machines").await.json()["Items"].as_array().unwrap().len(), 5);
}
