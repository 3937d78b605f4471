use super::*;

async fn session_of(lab: &Lab, machine: &str, at: usize) -> String {
    let list = lab.daas("GET", &format!("/Machines/DEMOLAB%7C{machine}/Sessions")).await.json();
    list["Items"][at]["Id"].as_str().expect("a session").to_owned()
}

#[tokio::test]
async fn a_log_off_is_in_progress_and_then_the_session_is_gone() {
    let lab = Lab::demo().await;
    let id = session_of(&lab, "OSPREY", 0).await;
    let answer = lab.daas("POST", &format!("/Sessions/{id}/$logoff")).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(
        lab.daas("GET", &format!("/Sessions/{id}")).await.json()["LogoffInProgress"],
        json!(true)
    );
    lab.advance("1s").await;
    assert_eq!(lab.daas("GET", &format!("/Sessions/{id}")).await.status, 404);
    assert_eq!(lab.machine("DEMOLAB\\OSPREY").await["SessionCount"], json!(1));
}

#[tokio::test]
async fn a_log_off_can_be_a_job() {
    let lab = Lab::demo().await;
    let id = session_of(&lab, "OSPREY", 1).await;
    let answer = lab.daas("POST", &format!("/Sessions/{id}/$logoff?async=true")).await;
    assert_eq!(answer.status, 202);
    let path = format!("/Jobs/{}", answer.header("location").unwrap().rsplit('/').next().unwrap());
    lab.advance("2s").await;
    assert_eq!(lab.daas("GET", &path).await.json()["Type"], json!("LogoffSessions"));
    assert_eq!(lab.daas("GET", &path).await.json()["Status"], json!("Complete"));
    assert_eq!(lab.daas("GET", &format!("/Sessions/{id}")).await.status, 404);
}

#[tokio::test]
async fn disconnecting_hiding_and_messages_leave_their_mark() {
    let lab = Lab::demo().await;
    let id = session_of(&lab, "OSPREY", 0).await;
    let path = format!("/Sessions/{id}");
    let answer = lab.daas("POST", &format!("{path}/$disconnect")).await;
    assert_eq!((answer.status, answer.json()["State"].clone()), (200, json!("Disconnected")));
    assert_eq!(lab.daas("POST", &format!("{path}/$hide")).await.status, 204);
    assert_eq!(lab.daas("GET", &path).await.json()["IsHidden"], json!(true));
    assert_eq!(lab.daas("POST", &format!("{path}/$unhide")).await.status, 204);
    let message = json!({ "Style": "Information", "Title": "Lunch", "Text": "At noon" });
    let answer = lab.daas_json("POST", &format!("{path}/$sendMessage"), &message).await;
    assert_eq!((answer.status, answer.json()["Id"].clone()), (200, json!(id)));
    let machine = lab.control("GET", "/_sim/machines/acme/DEMOLAB%7COSPREY", Value::Null).await;
    assert_eq!(machine["sessions"][0]["messages"], json!(1));
    let bad = json!({ "Style": "Loud", "Title": "x", "Text": "y" });
    assert_eq!(lab.daas_json("POST", &format!("{path}/$sendMessage"), &bad).await.status, 400);
}

#[tokio::test]
async fn a_stubborn_session_goes_only_when_it_is_disconnected_first() {
    let lab = Lab::demo().await;
    let id = session_of(&lab, "FALCON", 0).await;
    let path = format!("/Sessions/{id}");
    lab.daas("POST", &format!("{path}/$logoff")).await;
    lab.advance("1m").await;
    assert_eq!(lab.daas("GET", &path).await.status, 200);
    lab.daas("POST", &format!("{path}/$disconnect")).await;
    lab.daas("POST", &format!("{path}/$logoff")).await;
    lab.advance("1s").await;
    assert_eq!(lab.daas("GET", &path).await.status, 404);
}

#[tokio::test]
async fn all_sessions_of_a_machine_are_logged_off_together() {
    let lab = Lab::demo().await;
    assert_eq!(lab.daas("POST", "/Machines/DEMOLAB%7CRAVEN/$logoff").await.status, 200);
    lab.advance("1s").await;
    assert_eq!(lab.machine("DEMOLAB\\RAVEN").await["SessionCount"], json!(0));
}

#[tokio::test]
async fn the_short_list_of_sessions_leaves_the_machine_out() {
    let lab = Lab::demo().await;
    let full = lab.daas("GET", "/Sessions?limit=1").await.json();
    assert_eq!(full["Items"][0]["Machine"]["Name"], json!("DEMOLAB\\OSPREY"));
    let short = lab.daas("GET", "/SessionsV2?limit=1").await.json();
    assert!(short["Items"][0].get("Machine").is_none());
    assert_eq!(short["Items"][0]["State"], json!("Active"));
}

#[tokio::test]
async fn a_test_adds_changes_and_ends_sessions() {
    let lab = Lab::demo().await;
    let path = "/_sim/machines/acme/DEMOLAB%7CKESTREL/sessions";
    let added = lab.control("POST", path, json!({ "user": "zoe", "state": "Disconnected" })).await;
    let id = added["id"].as_str().unwrap();
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await["SessionCount"], json!(1));
    lab.control("PATCH", &format!("/_sim/sessions/{id}"), json!({ "state": "Active" })).await;
    assert_eq!(lab.daas("GET", &format!("/Sessions/{id}")).await.json()["State"], json!("Active"));
    lab.control("DELETE", &format!("/_sim/sessions/{id}"), Value::Null).await;
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await["SessionCount"], json!(0));
}
