use super::*;

fn refusal(text: &str) -> String {
    Scenario::from_json(text).expect_err("must be refused").to_string()
}

#[test]
fn the_demo_holds_together_and_has_240_machines() {
    let demo = Scenario::demo();
    demo.check().expect("the built-in scenario is valid");
    let catalogs = || demo.customers.iter().flat_map(|customer| &customer.catalogs);
    assert_eq!(catalogs().count(), 5);
    assert_eq!(catalogs().map(|catalog| catalog.machines.len()).sum::<usize>(), 240);
}

#[test]
fn an_unknown_field_is_named_with_its_place() {
    let text = r#"{"customers":[{"name":"a","id":"a1","region":"us","catalog":[]}]}"#;
    let message = refusal(text);
    assert!(message.contains("customers[0]") && message.contains("`catalog`"), "{message}");
}

#[test]
fn a_value_that_citrix_does_not_know_is_refused() {
    let text = r#"{"customers":[{"name":"a","id":"a1","region":"us","catalogs":[
        {"name":"c","machines":[{"name":"D\\H","powerState":"Asleep"}]}]}]}"#;
    assert!(refusal(text).contains("`Asleep`"));
}

#[test]
fn a_customer_in_no_region_is_refused() {
    assert!(refusal(r#"{"customers":[{"name":"a","id":"a1","region":"moon"}]}"#).contains("moon"));
}

#[test]
fn two_customers_with_one_id_are_refused() {
    let text = r#"{"customers":[{"name":"a","id":"x1","region":"us"},
                                {"name":"b","id":"x1","region":"us"}]}"#;
    assert!(refusal(text).contains("there twice"));
}

#[test]
fn the_session_count_has_four_spellings() {
    let text = r#"{"customers":[{"name":"a","id":"a1","region":"us","catalogs":[{"name":"c","machines":[
        {"name":"D\\A","sessionCount":3},{"name":"D\\B","sessionCount":null},
        {"name":"D\\C","sessionCount":"absent"},{"name":"D\\E"}]}]}]}"#;
    let scenario = Scenario::from_json(text).expect("valid");
    let counts: Vec<_> =
        scenario.customers[0].catalogs[0].machines.iter().map(|m| m.session_count).collect();
    let expected = [
        SessionCountSpec::Fixed(3),
        SessionCountSpec::Null,
        SessionCountSpec::Absent,
        SessionCountSpec::Auto,
    ];
    assert_eq!(counts, expected);
}

#[test]
fn stores_are_read_from_a_file_and_checked() {
    let file = |auth: &str, user: &str| {
        format!(
            r#"{{ "stores": [ {{ "name": "lab", "path": "Lab", "authPath": "{auth}",
                "methods": ["explicit-forms"], "domainField": "text",
                "users": [ {{ "name": "{user}", "password": "demo", "locksAfter": 3 }} ],
                "resources": [ {{ "publisherId": "Desk $S1-1", "links": "host-relative",
                    "machine": {{ "name": "DESK-1" }},
                    "powerOff": {{ "errorId": "timed-out", "shape": "nested" }} }} ] }} ] }}"#
        )
    };
    let read = Scenario::from_json(&file("LabLogon", "LAB\\\\mira")).unwrap();
    assert_eq!(read.stores[0].resources[0].id(), "Farm1.Desk $S1-1");
    let same = Scenario::from_json(&file("lab", "LAB\\\\mira")).unwrap_err();
    assert!(same.to_string().contains("path `lab` is odd or there twice"), "{same}");
    let bare = Scenario::from_json(&file("LabLogon", "mira")).unwrap_err();
    assert!(bare.to_string().contains("no DOMAIN\\user"), "{bare}");
}
