use serde_json::json;

use super::{Desktop, KIOSK};
use crate::support::Gateway;

#[tokio::test]
async fn a_success_that_cannot_be_read_is_neither_success_nor_failure() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    for (number, document) in (1..).zip(HOSTILE) {
        let answer = json!({ "document": document, "withEffect": true });
        desktop.answers(&gateway, answer).await;

        let problem = desktop.power_off(&gateway).await.problem(502, "upstream_malformed");

        assert_eq!(problem["outcome"], "unknown", "{document}: {problem}");
        assert_eq!(problem["retryable"], false, "{document}");
        assert_eq!(problem["origin"], "upstream", "{document}");
        assert_eq!(problem["upstream"]["status"], 200, "{document}");
        let (posts, _) = desktop.posts(&gateway).await;
        assert_eq!(posts, number, "{document}");
        assert!(!problem.to_string().contains('<'), "{document}: {problem}");
    }
    gateway.get("/v1/whoami").await.ok(200);
}

#[tokio::test]
async fn a_failure_that_cannot_be_read_is_not_a_known_failure() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    for document in ["dtd", "entities", "wrong-namespace", "truncated", "two-roots"] {
        let answer = json!({ "errorId": "no-machine", "document": document });
        desktop.answers(&gateway, answer).await;
        let problem = desktop.power_off(&gateway).await.problem(502, "upstream_malformed");
        assert_eq!(problem["outcome"], "unknown", "{document}");
    }
}

#[tokio::test]
async fn what_is_merely_unusual_is_read() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    for (number, document) in (1..).zip(HARMLESS) {
        desktop.answers(&gateway, json!({ "document": document, "withEffect": false })).await;
        let reply = desktop.power_off(&gateway).await;
        assert_eq!(reply.status, 200, "{document}: {}", reply.text);
        let body = reply.json();
        assert_eq!(body["outcome"], "done", "{document}");
        assert_eq!(desktop.posts(&gateway).await, (number, 0), "{document}");

        let answer = json!({ "errorId": "no-machine", "document": document });
        let busy = Desktop::of(&gateway, "hq", "Archive").await;
        busy.answers(&gateway, answer).await;
        busy.power_off(&gateway).await.problem(404, "no_assigned_machine");
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_malformed_and_nothing_is_sent() {
    let gateway = Gateway::demo().await;
    let desktop = Desktop::of(&gateway, "hq", KIOSK).await;
    for document in HOSTILE.into_iter().filter(|document| *document != "cut") {
        let list = json!({ "service": "storefront", "method": "GET" });
        let rule = json!({ "match": list, "times": 1, "document": document });
        gateway.fault(rule.clone());
        let problem = gateway.get(&desktop.path).await.problem(502, "upstream_malformed");
        assert!(problem.get("outcome").is_none(), "{document}: {problem}");

        gateway.fault(rule);
        let problem = desktop.power_off(&gateway).await.problem(502, "upstream_malformed");
        // Nothing was sent, so nothing is unknown.
        assert!(problem.get("outcome").is_none(), "{document}: {problem}");
    }
    assert_eq!(desktop.posts(&gateway).await, (0, 0));
    for document in HARMLESS {
        let list = json!({ "service": "storefront", "method": "GET" });
        gateway.fault(json!({ "match": list, "times": 1, "document": document }));
        let reply = gateway.get(&desktop.path).await;
        assert_eq!(reply.status, 200, "{document}: {}", reply.text);
    }
}

const HOSTILE: [&str; 14] = [
    "wrong-root",
    "wrong-namespace",
    "no-namespace",
    "dtd",
    "entities",
    "deep",
    "huge",
    "cut",
    "truncated",
    "instruction",
    "two-roots",
    "empty",
    "not-xml",
    "html",
];

const HARMLESS: [&str; 5] = ["gzip", "prefixed", "extra", "comments", "bom"];
