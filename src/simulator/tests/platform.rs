use super::*;

fn platform(lab: &Lab, method: &str, path: &str) -> RequestBuilder {
    lab.bare(method, path).header("authorization", format!("CwsAuth Bearer={}", lab.token))
}

#[tokio::test]
async fn resource_locations_are_listed_in_both_forms() {
    let lab = Lab::demo().await;
    let old = send(platform(&lab, "GET", "/abcd1024xyz/resourcelocations")).await;
    assert_eq!(old.status, 200);
    assert_eq!(old.json()["items"][0]["name"], json!("London"));
    assert_eq!(old.json()["items"][2]["readOnly"], json!(true));
    assert!(old.header("x-cws-transactionid").is_some());
    let new = send(lab.request("GET", "/resourcelocations")).await;
    assert_eq!(new.json(), old.json());
    assert!(new.header("citrix-transactionid").is_some());
}

#[tokio::test]
async fn an_unknown_resource_location_is_204() {
    let lab = Lab::demo().await;
    let answer = send(platform(&lab, "GET", "/abcd1024xyz/ResourceLocations/nothing")).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
}

#[tokio::test]
async fn a_resource_location_is_made_changed_and_deleted() {
    let lab = Lab::demo().await;
    let made = send(lab.request("POST", "/resourcelocations").body(r#"{"name":"Paris"}"#)).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/resourcelocations/{id}");
    let changed = send(lab.request("PUT", &path).body(r#"{"name":"Lyon"}"#)).await;
    assert_eq!(changed.json()["name"], json!("Lyon"));
    assert_eq!(send(lab.request("DELETE", &path)).await.status, 204);
    assert_eq!(send(lab.request("GET", &path)).await.status, 204);
    assert_eq!(
        send(lab.request("POST", "/resourcelocations").body(r#"{"name":"a/b"}"#)).await.status,
        400
    );
}

#[tokio::test]
async fn the_services_on_trial_are_those_of_the_tutorial() {
    let lab = Lab::demo().await;
    let answer = send(platform(&lab, "GET", "/abcd1024xyz/serviceStates")).await;
    let items = answer.json()["items"].as_array().unwrap().clone();
    let trials: Vec<_> = items
        .iter()
        .filter(|item| item["state"] == "ProductionTrial")
        .map(|item| item["serviceName"].as_str().unwrap())
        .collect();
    assert_eq!(trials, ["cas", "itsm", "microapps", "netscalergateway", "wem", "xendesktop"]);
    assert!(items.len() > trials.len());
}

#[tokio::test]
async fn a_notification_is_echoed_with_its_empty_properties_and_listed() {
    let lab = Lab::demo().await;
    let body = json!({
        "destinationAdmin": "*", "component": "Citrix Cloud", "severity": "Information",
        "createdDate": "2021-02-09T08:20:17.120808-08:00", "priority": "Normal",
        "EventId": "004e6570-a0d2-4496-bb91-11e731ae457b",
        "content": [{ "languageTag": "en-US", "title": "Dinner Time", "description": "Fish and Chips!" }],
    });
    let post = |body: &Value| {
        platform(&lab, "POST", "/abcd1024xyz/notifications/items")
            .header("content-type", "application/json")
            .body(body.to_string())
    };
    let answer = send(post(&body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let stored = answer.json();
    assert_eq!(stored["createdDate"], body["createdDate"]);
    assert_eq!(stored["eventId"], body["EventId"]);
    assert_eq!(stored["content"][0]["detailUri"], Value::Null);
    for name in ["categories", "data", "externalId"] {
        assert_eq!(stored.get(name), Some(&Value::Null), "{name}");
    }
    assert_eq!(stored["suppressEmail"], json!(false));
    let list = send(lab.request("GET", "/notifications")).await.json();
    assert_eq!(list["items"][0]["title"], json!("Dinner Time"));

    let mut incomplete = body.clone();
    incomplete["content"] = json!([]);
    assert_eq!(send(post(&incomplete)).await.status, 400);
    let as_form = platform(&lab, "POST", "/abcd1024xyz/notifications/items").body(body.to_string());
    assert_eq!(send(as_form).await.status, 415);
}

#[tokio::test]
async fn a_missing_token_is_told_in_the_older_words() {
    let lab = Lab::demo().await;
    let answer = send(lab.bare("GET", "/abcd1024xyz/serviceStates")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["Error"]["Type"], json!("CWSAuthException"));
    assert_eq!(send(platform(&lab, "GET", "/globex7q2m9w/serviceStates")).await.status, 403);
}

#[tokio::test]
async fn the_gateway_s_other_lists_have_their_own_shapes() {
    let lab = Lab::demo().await;
    let connectors = send(lab.request("GET", "/connectors")).await.json();
    assert_eq!(connectors.as_array().map(Vec::len), Some(4));
    let administrators = send(lab.request("GET", "/administrators")).await.json();
    assert_eq!(administrators["items"].as_array().map(Vec::len), Some(1));
    let log = send(lab.request("GET", "/systemlog/records")).await.json();
    assert_eq!(log["items"], json!([]));
}

#[tokio::test]
async fn everybody_may_ping() {
    let lab = Lab::demo().await;
    assert_eq!(send(lab.bare("GET", "/root/ping")).await.status, 200);
}
