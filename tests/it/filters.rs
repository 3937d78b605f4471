//! Filters of machines and sessions.

use serde_json::{Value, json};

use crate::support::Gateway;

/// Whether an item is expected.
type Test = Box<dyn Fn(&Value) -> bool>;

#[tokio::test]
async fn each_filter_of_machines_keeps_exactly_what_it_says() {
    let gateway = Gateway::demo().await;
    let all = gateway.get("/v1/machines?pageSize=1000").await.ok(200);
    let word = |name: &'static str, value: &'static str| {
        move |machine: &Value| machine[name].as_str().is_some_and(|v| v.eq_ignore_ascii_case(value))
    };
    let named = |part: &'static str| {
        move |machine: &Value| {
            let has = |name: &str| {
                machine[name].as_str().is_some_and(|v| v.to_lowercase().contains(part))
            };
            has("name") || has("dnsName")
        }
    };
    let tagged = |tag: &'static str| {
        move |machine: &Value| machine["tags"].as_array().unwrap().iter().any(|t| t == tag)
    };
    let used_by = |user: &'static str| {
        move |machine: &Value| {
            ["assignedUsers", "associatedUsers"].iter().any(|list| {
                let users = machine[list].as_array().unwrap();
                users.iter().any(|u| u.to_string().to_lowercase().contains(user))
            })
        }
    };
    let cases: Vec<(&str, Test)> = vec![
        ("powerState=Off", Box::new(word("powerState", "Off"))),
        ("powerState=off", Box::new(word("powerState", "Off"))),
        ("powerState=SUSPENDED", Box::new(word("powerState", "Suspended"))),
        ("registrationState=unregistered", Box::new(word("registrationState", "Unregistered"))),
        ("faultState=StuckOnBoot", Box::new(word("faultState", "StuckOnBoot"))),
        ("inMaintenanceMode=true", Box::new(|m| m["inMaintenanceMode"] == true)),
        ("inMaintenanceMode=True", Box::new(|m| m["inMaintenanceMode"] == true)),
        ("inMaintenanceMode=FALSE", Box::new(|m| m["inMaintenanceMode"] == false)),
        ("sessionCount=0", Box::new(|m| m["sessionCount"] == 0)),
        ("sessionCount=3", Box::new(|m| m["sessionCount"] == 3)),
        ("name=kest", Box::new(named("kest"))),
        ("name=DEMOLAB%5CHERON", Box::new(named("demolab\\heron"))),
        ("name=DEMOLAB|HERON", Box::new(named("demolab\\heron"))),
        ("name=branch.example", Box::new(named("branch.example"))),
        ("user=MIRA", Box::new(used_by("mira"))),
        ("tag=pilot", Box::new(tagged("pilot"))),
        ("tag=ring-1", Box::new(tagged("ring-1"))),
        (
            "powerState=On&sessionCount=0&inMaintenanceMode=false",
            Box::new(|m| {
                m["powerState"] == "On" && m["sessionCount"] == 0 && m["inMaintenanceMode"] == false
            }),
        ),
    ];
    for (query, test) in cases {
        let reply = gateway.get(&format!("/v1/machines?pageSize=1000&{query}")).await;
        let body = reply.ok(200);
        let everything = all["items"].as_array().unwrap();
        let expected: Vec<_> = everything.iter().filter(|m| test(m)).map(|m| &m["id"]).collect();
        assert!(!expected.is_empty() && expected.len() < everything.len(), "{query}");
        assert_eq!(json!(reply.of_items("id")), json!(expected), "{query}");
        assert_eq!(body["completeness"]["requested"], 3, "{query}");
    }
    let none = gateway.get("/v1/machines?powerState=Nonsense").await;
    assert_eq!(none.ok(200)["items"], json!([]));
}

#[tokio::test]
async fn a_machine_with_an_unknown_session_count_is_not_idle() {
    let gateway = Gateway::demo().await;
    let path = "/v1/customers/acme/sites/-/machines";
    for host in ["WREN", "ROBIN"] {
        let machine = gateway.get(&format!("{path}/{host}")).await.ok(200);
        assert_eq!(machine["sessionCount"], Value::Null);
    }
    let idle = gateway.get(&format!("{path}?sessionCount=0&pageSize=1000")).await;
    let names = idle.of_items("name");
    assert!(names.contains(&"DEMOLAB\\KESTREL".into()));
    for busy in ["DEMOLAB\\WREN", "DEMOLAB\\ROBIN", "DEMOLAB\\OSPREY"] {
        assert!(!names.contains(&busy.into()), "{busy}");
    }
}

#[tokio::test]
async fn filters_hold_for_the_machines_of_a_catalog_and_of_a_group() {
    let gateway = Gateway::demo().await;
    for parent in ["machine-catalogs/Win11-Pool", "delivery-groups/Win11-Pool"] {
        let path = format!("/v1/customers/acme/sites/-/{parent}/machines");
        let reply = gateway.get(&format!("{path}?inMaintenanceMode=true")).await;
        assert_eq!(reply.of_items("name"), ["DEMOLAB\\LINNET"], "{parent}");
        let busy = gateway.get(&format!("{path}?sessionCount=2")).await;
        let expected = ["DEMOLAB\\OSPREY", "DEMOLAB\\IBIS"];
        assert_eq!(busy.of_items("name"), expected, "{parent}");
    }
}

#[tokio::test]
async fn each_filter_of_sessions_keeps_exactly_what_it_says() {
    let gateway = Gateway::demo().await;
    let all = gateway.get("/v1/sessions?pageSize=1000").await.ok(200);
    let path = "/v1/customers/acme/sites/-/sessions";
    let osprey = gateway.get("/v1/customers/acme/sites/-/machines/OSPREY").await.ok(200);
    let by_id = format!("machine={}", osprey["id"].as_str().unwrap());
    let has = |name: &'static str, part: &'static str| -> Test {
        Box::new(move |s| s[name].to_string().to_lowercase().contains(part))
    };
    let cases: Vec<(&str, Test)> = vec![
        ("user=mira", has("user", "mira")),
        ("user=MIRA", has("user", "mira")),
        ("user=tom%C3%A1s", has("user", "tomás")),
        ("state=Disconnected", has("state", "disconnected")),
        ("state=active", has("state", "\"active\"")),
        ("machine=osprey", has("machine", "osprey")),
        ("machine=DEMOLAB|OSPREY", has("machine", "demolab\\\\osprey")),
        (&by_id, has("machine", "demolab\\\\osprey")),
    ];
    for (query, test) in cases {
        let reply = gateway.get(&format!("/v1/sessions?pageSize=1000&{query}")).await;
        reply.ok(200);
        let everything = all["items"].as_array().unwrap();
        let expected: Vec<_> = everything.iter().filter(|s| test(s)).map(|s| &s["id"]).collect();
        assert!(!expected.is_empty() && expected.len() < everything.len(), "{query}");
        assert_eq!(json!(reply.of_items("id")), json!(expected), "{query}");
    }
    let users = async |query: &str| {
        let reply = gateway.get(&format!("{path}?machine=IBIS&{query}")).await;
        reply.ok(200);
        reply.of_items("user").iter().map(Value::to_string).collect::<Vec<_>>()
    };
    // On this machine farid has been away for 61 hours and lena for 3.
    assert_eq!(users("disconnectedFor=1h").await.len(), 2);
    let long = users("disconnectedFor=24h").await;
    assert!(long.len() == 1 && long[0].contains("farid"), "{long:?}");
    assert_eq!(users("disconnectedFor=72h").await.len(), 0);
    assert_eq!(users("disconnectedFor=1h&user=lena").await.len(), 1);
    assert_eq!(users("disconnectedFor=24h&state=Active").await.len(), 0);
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_with_the_nearest_known_one() {
    let gateway = Gateway::demo().await;
    for (path, given, meant) in [
        ("/v1/machines", "powerstate=On", "powerState"),
        ("/v1/machines", "page_size=5", "pageSize"),
        ("/v1/machines", "regions=us", "region"),
        ("/v1/sessions", "disconectedFor=24h", "disconnectedFor"),
        ("/v1/customers", "pagesize=1", "pageSize"),
        ("/v1/customers/acme/service-states", "status=x", "state"),
    ] {
        let reply = gateway.get(&format!("{path}?{given}")).await;
        let problem = reply.problem(400, "unknown_parameter");
        let name = given.split('=').next().unwrap();
        assert_eq!(problem["errors"][0]["pointer"], format!("/{name}"));
        let said = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(said.contains(&format!("did you mean {meant:?}")), "{said}");
    }
    let both = gateway.get("/v1/machines?nonsense=1&more=2").await;
    assert_eq!(both.problem(400, "unknown_parameter")["errors"].as_array().unwrap().len(), 2);
    for path in
        ["/v1/whoami?x=1", "/v1/customers/acme?fields=name", "/v1/machines?disconnectedFor=1h"]
    {
        gateway.get(path).await.problem(400, "unknown_parameter");
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_is_refused_at_its_place() {
    let gateway = Gateway::demo().await;
    for (path, name, value) in [
        ("/v1/machines", "inMaintenanceMode", "maybe"),
        ("/v1/machines", "inMaintenanceMode", ""),
        ("/v1/machines", "sessionCount", "none"),
        ("/v1/machines", "sessionCount", "-1"),
        ("/v1/machines", "sessionCount", ""),
        ("/v1/machines", "powerState", ""),
        ("/v1/machines", "customer", ""),
        ("/v1/machines", "pageToken", ""),
        ("/v1/sessions", "disconnectedFor", "soon"),
        ("/v1/sessions", "disconnectedFor", "-1h"),
        ("/v1/sessions", "disconnectedFor", "24"),
    ] {
        let reply = gateway.get(&format!("{path}?{name}={value}")).await;
        let problem = reply.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{name}"), "{value}");
    }
    // Said twice: which is meant?
    let twice = gateway.get("/v1/machines?powerState=On&powerState=Off").await;
    twice.problem(400, "invalid_request");
}
