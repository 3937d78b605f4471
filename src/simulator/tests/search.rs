use super::*;

fn multi(filters: &[Value]) -> Value {
    let mut all = filters.to_vec();
    all.push(
        json!({ "Property": "SessionSupport", "Operator": "Equals", "Value": "MultiSession" }),
    );
    json!({ "SearchFilters": all })
}

async fn found(lab: &Lab, body: &Value) -> Vec<String> {
    let answer = lab.daas_json("POST", "/Machines/$search?limit=1000&fields=Name", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let list = answer.json();
    let items = list["Items"].as_array().unwrap();
    assert_eq!(list["TotalItems"], json!(items.len()));
    items.iter().map(|item| item["Name"].as_str().unwrap().to_owned()).collect()
}

fn filter(property: &str, operator: &str, value: &str) -> Value {
    json!({ "Property": property, "Operator": operator, "Value": value })
}

#[tokio::test]
async fn a_search_finds_machines_by_each_kind_of_filter() {
    let lab = Lab::demo().await;
    let one = |property, operator, value| multi(&[filter(property, operator, value)]);
    let cases = [
        (one("MachineName", "Equals", "demolab\\kestrel"), vec!["DEMOLAB\\KESTREL"]),
        (one("MachineName", "EndsWith", "\\HERON"), vec!["DEMOLAB\\HERON", "BRANCH\\HERON"]),
        (one("DnsName", "StartsWith", "heron.branch"), vec!["BRANCH\\HERON"]),
        (one("UserName", "Contains", "mira"), vec!["DEMOLAB\\OSPREY"]),
        (one("Tags", "Equals", "canary"), vec!["DEMOLAB\\KESTREL"]),
        (one("InMaintenanceMode", "Equals", "true"), vec!["DEMOLAB\\LINNET"]),
        (one("PowerState", "NotEquals", "On"), vec!["DEMOLAB\\SWIFT"]),
        (one("SessionCount", "GreaterThan", "2"), vec!["DEMOLAB\\RAVEN"]),
        (
            one("MachineName", "In", "DEMOLAB\\EAGLE,DEMOLAB\\CRANE"),
            vec!["DEMOLAB\\EAGLE", "DEMOLAB\\CRANE"],
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(found(&lab, &body).await, expected, "{body}");
    }
}

#[tokio::test]
async fn an_unknown_session_count_is_not_zero() {
    let lab = Lab::demo().await;
    let idle = found(&lab, &multi(&[filter("SessionCount", "Equals", "0")])).await;
    assert!(!idle.contains(&"DEMOLAB\\ROBIN".to_owned()));
    assert!(idle.contains(&"DEMOLAB\\KESTREL".to_owned()));
    let body = json!({ "SearchFilters": [
        filter("SessionSupport", "Equals", "SingleSession"),
        filter("SessionCount", "Equals", "0"),
    ] });
    let idle = found(&lab, &body).await;
    assert!(idle.len() > 10 && !idle.contains(&"DEMOLAB\\WREN".to_owned()));
}

#[tokio::test]
async fn groups_of_filters_nest_and_results_are_sorted() {
    let lab = Lab::demo().await;
    let body = json!({
        "SearchFilters": [filter("SessionSupport", "Equals", "MultiSession")],
        "SearchFilterGroups": [{
            "SearchFilterGroupType": "Or",
            "SearchFilters": [filter("MachineName", "Contains", "OSPREY"), filter("MachineName", "Contains", "EAGLE")],
        }],
        "SortCriteria": { "Property": "MachineName", "SortDirection": "Ascending" },
    });
    assert_eq!(found(&lab, &body).await, ["DEMOLAB\\EAGLE", "DEMOLAB\\OSPREY"]);
}

#[tokio::test]
async fn a_search_without_session_support_is_400_unless_told_otherwise() {
    let lab = Lab::demo().await;
    let body = json!({ "SearchFilters": [filter("MachineName", "Contains", "KESTREL")] });
    assert_eq!(lab.daas_json("POST", "/Machines/$search", &body).await.status, 400);
    lab.control("PUT", "/_sim/settings", json!({ "searchRequiresSessionSupport": false })).await;
    assert_eq!(lab.daas_json("POST", "/Machines/%24search", &body).await.status, 200);
}

#[tokio::test]
async fn a_property_or_operator_that_does_not_exist_is_400() {
    let lab = Lab::demo().await;
    for bad in [filter("Colour", "Equals", "red"), filter("PowerState", "Resembles", "On")] {
        assert_eq!(lab.daas_json("POST", "/Machines/$search", &multi(&[bad])).await.status, 400);
    }
    assert_eq!(lab.daas_json("POST", "/Machines/$search", &json!([1])).await.status, 400);
}

#[tokio::test]
async fn sessions_are_found_by_user_and_by_machine() {
    let lab = Lab::demo().await;
    let body = json!({ "SearchFilters": [
        filter("UserName", "EndsWith", "\\jonas"),
        filter("MachineName", "Equals", "DEMOLAB\\OSPREY"),
    ] });
    let list = lab.daas_json("POST", "/Sessions/$search", &body).await.json();
    assert_eq!(list["TotalItems"], json!(1));
    assert_eq!(list["Items"][0]["User"]["SamName"], json!("DEMOLAB\\jonas"));
    assert_eq!(list["Items"][0]["Machine"]["Name"], json!("DEMOLAB\\OSPREY"));
}
