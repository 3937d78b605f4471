use serde_json::json;

use crate::{
    domain::{Notification, NotificationContent},
    upstream::{
        ErrorKind,
        testing::{self, Stub, context, customer},
    },
};

fn notification() -> Notification {
    Notification {
        destination_admin: "*".to_owned(),
        component: "Citrix Cloud".to_owned(),
        created_date: "2026-11-22T12:00:00Z".to_owned(),
        event_id: "e7".to_owned(),
        severity: "Information".to_owned(),
        priority: "Normal".to_owned(),
        content: vec![NotificationContent {
            language_tag: "en-US".to_owned(),
            title: "Hello".to_owned(),
            description: "World".to_owned(),
        }],
    }
}

#[tokio::test]
async fn resource_locations_are_read_with_and_without_their_newer_fields() {
    let body = r#"{"items":[{"id":"r1","name":"Berlin","internalOnly":false,"timeZone":"GMT Standard Time","readOnly":true},{"id":"r2","name":7,"internalOnly":{"odd":[1]}}]}"#;
    let stub = Stub::start(vec![testing::json(200, body)]).await;
    let found =
        stub.upstream().cloud.resource_locations(&context(), &customer("acme")).await.unwrap();
    insta::assert_json_snapshot!(found, @r#"
    [
      {
        "id": "r1",
        "name": "Berlin",
        "internalOnly": false,
        "timeZone": "GMT Standard Time",
        "readOnly": true
      },
      {
        "id": "r2",
        "name": "7",
        "internalOnly": null,
        "timeZone": null,
        "readOnly": null
      }
    ]
    "#);
    insta::assert_snapshot!(stub.calls()[0].normalised(), @"
    GET /registry/acme1024xyz/resourcelocations HTTP/1.1
    accept-encoding: gzip
    accept: application/json
    authorization: CwsAuth Bearer=canary-token-9c41
    citrix-customerid: acme1024xyz
    citrix-transactionid: 01980000-0000-7000-8000-000000000001
    user-agent: cwsgate/0.1.0
    ");
}

#[tokio::test]
async fn service_states_keep_words_that_nobody_knows() {
    let body = r#"{"items":[{"serviceName":"xendesktop","state":"Production","type":"Production","quantity":100,"daysToExpiration":622,"futureEntitlementStartDate":null},{"serviceName":"novelty","state":"Hovering","quantity":"12"}]}"#;
    let stub = Stub::start(vec![testing::json(200, body)]).await;
    let found = stub.upstream().cloud.service_states(&context(), &customer("acme")).await.unwrap();
    assert_eq!(found[0].days_to_expiration, Some(622));
    assert_eq!(found[1].state.as_deref(), Some("Hovering"));
    assert_eq!((found[1].quantity, found[1].kind.as_deref()), (Some(12), None));
    assert_eq!(stub.calls()[0].line(), "GET /core/acme1024xyz/serviceStates HTTP/1.1");
}

#[tokio::test]
async fn a_list_that_is_none_or_a_thing_without_an_id_is_malformed() {
    for body in ["{}", "[]", r#"{"items":null}"#, r#"{"items":[{"name":"x"}]}"#, "<html>", ""] {
        let stub = Stub::start(vec![testing::json(200, body)]).await;
        let error = stub
            .upstream()
            .cloud
            .resource_locations(&context(), &customer("acme"))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{body}");
    }
}

#[tokio::test]
async fn a_notification_is_sent_as_documented_and_comes_back_as_stored() {
    let stored = json!({
        "destinationAdmin": "*", "component": "Citrix Cloud", "createdDate": "2026-11-22T12:00:00Z",
        "eventId": null, "severity": "Information", "priority": "Normal", "categories": null,
        "content": [{ "languageTag": "en-US", "title": "Hello", "description": "World", "detailUri": null }],
    });
    let stub = Stub::start(vec![testing::json(200, &stored.to_string())]).await;
    let found =
        stub.upstream().cloud.notify(&context(), &customer("acme"), &notification()).await.unwrap();
    assert_eq!(found, notification());
    insta::assert_snapshot!(stub.calls()[0].normalised(), @r#"
    POST /notifications-host/acme1024xyz/notifications/items HTTP/1.1
    accept-encoding: gzip
    accept: application/json
    authorization: CwsAuth Bearer=canary-token-9c41
    citrix-customerid: acme1024xyz
    citrix-transactionid: 01980000-0000-7000-8000-000000000001
    content-length: 222
    content-type: application/json
    user-agent: cwsgate/0.1.0

    {"component":"Citrix Cloud","content":[{"description":"World","languageTag":"en-US","title":"Hello"}],"createdDate":"2026-11-22T12:00:00Z","destinationAdmin":"*","eventId":"e7","priority":"Normal","severity":"Information"}
    "#);
}

#[tokio::test]
async fn a_notification_whose_answer_is_unreadable_may_have_been_stored() {
    for answer in [testing::json(200, "{}"), testing::json(500, "{}"), testing::Answer::Close] {
        let stub = Stub::start(vec![answer]).await;
        let error = stub
            .upstream()
            .cloud
            .notify(&context(), &customer("acme"), &notification())
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown);
    }
}
