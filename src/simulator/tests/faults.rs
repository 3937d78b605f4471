use std::time::Duration;

use super::*;

async fn fault(lab: &Lab, rule: Value) -> u64 {
    lab.control("POST", "/_sim/faults", rule).await["id"].as_u64().unwrap()
}

#[tokio::test]
async fn a_status_can_be_had_in_every_family() {
    let lab = Lab::demo().await;
    for (style, pointer) in [
        ("A", "/error"),
        ("B", "/Error/Type"),
        ("C", "/type"),
        ("D", "/activityId"),
        ("E", "/SdkErrorId"),
    ] {
        fault(&lab, json!({ "status": 500, "style": style, "times": 1 })).await;
        let answer = lab.daas("GET", "/me").await;
        assert_eq!(answer.status, 500);
        assert!(answer.json().pointer(pointer).is_some(), "{style}: {answer:?}");
    }
    fault(&lab, json!({ "status": 502, "times": 1 })).await;
    let edge = lab.daas("GET", "/me").await;
    assert_eq!((edge.status, edge.header("citrix-transactionid")), (502, None));
    assert_eq!(lab.daas("GET", "/me").await.status, 200, "all used up");
}

#[tokio::test]
async fn a_rule_hits_only_what_it_matches() {
    let lab = Lab::demo().await;
    let id = fault(&lab, json!({
        "match": { "region": "us", "customer": "ACME", "service": "daas", "method": "post", "pathContains": "$reboot" },
        "status": 503, "body": "{\"x\":1}", "headers": { "retry-after": "7" },
    })).await;
    assert_eq!(lab.daas("GET", "/Machines/DEMOLAB%7CKESTREL").await.status, 200);
    let answer = lab.daas("POST", "/Machines/DEMOLAB%7CKESTREL/%24reboot").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")));
    assert_eq!(answer.json(), json!({ "x": 1 }));
    lab.control("DELETE", &format!("/_sim/faults/{id}"), Value::Null).await;
    assert_eq!(lab.daas("POST", "/Machines/DEMOLAB%7CKESTREL/$reboot").await.status, 200);
}

#[tokio::test]
async fn a_token_request_is_matched_by_the_customer_of_its_client() {
    let lab = Lab::demo().await;
    let rule =
        json!({ "match": { "service": "token", "customer": "acme" }, "rateLimit": "retry-after" });
    fault(&lab, rule).await;
    assert_eq!(lab.ask_token("whatever").await.status, 429);
}

#[tokio::test]
async fn a_rate_limit_says_when_in_every_published_form() {
    let lab = Lab::demo().await;
    let limited = async |form: &str| {
        fault(&lab, json!({ "rateLimit": form, "seconds": 9, "times": 1 })).await;
        let answer = lab.daas("GET", "/me").await;
        assert_eq!(answer.status, 429);
        answer
    };
    assert_eq!(limited("retry-after").await.header("retry-after"), Some("9"));
    assert!(limited("http-date").await.header("retry-after").unwrap().ends_with(" GMT"));
    let rfc3339 = limited("rfc3339").await;
    assert!(rfc3339.header("retry-after").unwrap().parse::<Timestamp>().is_ok());
    let array = limited("retry-delay").await;
    assert_eq!(array.header("retry-after"), None);
    assert_eq!(array.json()["parameters"], json!([{ "name": "retryDelay", "value": "9" }]));
    assert_eq!(limited("retry-delay-map").await.json()["parameters"], json!({ "retryDelay": "9" }));
    let text = limited("text").await.json();
    assert!(text["detail"].as_str().unwrap().contains("try again in 9 seconds"));
    assert_eq!(text.get("parameters"), None);
    let silent = limited("none").await;
    assert_eq!(silent.json()["message"], json!("Rate limit is exceeded."));
    assert_eq!(silent.header("retry-after"), None);
}

#[tokio::test]
async fn a_connection_can_be_dropped_after_the_action() {
    let lab = Lab::demo().await;
    let rule =
        json!({ "match": { "method": "POST" }, "reset": true, "afterEffect": true, "times": 1 });
    fault(&lab, rule).await;
    let path = "/cvad/manage/Machines/DEMOLAB%7CKESTREL/$reboot";
    assert!(lab.request("POST", path).send().await.is_err());
    assert_eq!(lab.machine("DEMOLAB\\KESTREL").await["PowerActionPending"], json!(true));

    fault(&lab, json!({ "match": { "method": "POST" }, "reset": true, "times": 1 })).await;
    let path = "/cvad/manage/Machines/DEMOLAB%7CHERON/$reboot";
    assert!(lab.request("POST", path).send().await.is_err());
    assert_eq!(lab.machine("DEMOLAB\\HERON").await["PowerActionPending"], json!(false));
}

#[tokio::test]
async fn a_body_can_be_cut_off() {
    let lab = Lab::demo().await;
    fault(&lab, json!({ "cutBody": 10, "times": 1 })).await;
    let response = lab.request("GET", "/cvad/manage/me").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert!(response.content_length().unwrap() > 10);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn garbage_and_huge_bodies_look_like_success() {
    let lab = Lab::demo().await;
    fault(&lab, json!({ "garbage": "<html>", "times": 1 })).await;
    let answer = lab.daas("GET", "/Machines").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "<html>"));
    fault(&lab, json!({ "hugeBody": 1_048_576, "times": 1 })).await;
    let huge = lab.daas("GET", "/Machines").await;
    assert!(huge.text.len() >= 1_048_576);
    assert!(huge.json()["Items"].is_array());
}

#[tokio::test]
async fn latency_delays_the_right_answer_and_a_hang_has_none() {
    let lab = Lab::demo().await;
    fault(&lab, json!({ "latencyMs": 60, "times": 1 })).await;
    let before = std::time::Instant::now();
    assert_eq!(lab.daas("GET", "/me").await.status, 200);
    assert!(before.elapsed() >= Duration::from_millis(60));
    fault(&lab, json!({ "hang": true })).await;
    let request = lab.request("GET", "/cvad/manage/me").timeout(Duration::from_millis(150));
    assert!(request.send().await.expect_err("no answer").is_timeout());
}

#[tokio::test]
async fn a_rule_that_cannot_work_is_refused_with_a_reason() {
    let lab = Lab::demo().await;
    for (rule, word) in [
        (json!({}), "no effect"),
        (json!({ "status": 503, "hang": true }), "at a time"),
        (json!({ "statuss": 503 }), "statuss"),
        (json!({ "status": 99 }), "between"),
        (json!({ "status": 503, "match": { "service": "dass" } }), "dass"),
    ] {
        let (status, body) = lab.simulator.control("POST", "/_sim/faults", rule).await;
        assert_eq!(status, 400);
        assert!(body["error"].as_str().unwrap().contains(word), "{body}");
    }
}
