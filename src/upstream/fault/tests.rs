use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};
use jiff::Timestamp;
use proptest::prelude::*;

use super::{Said, clean, retry_after, said, text::MAX_LEN, transaction_id};

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn heard(body: &str) -> Said {
    said(&HeaderMap::new(), body.as_bytes(), now())
}

fn code_and_message(body: &str) -> (Option<String>, Option<String>) {
    let said = heard(body);
    (said.code, said.message)
}

fn known(code: &str, message: &str) -> (Option<String>, Option<String>) {
    (Some(code.to_owned()), Some(message.to_owned()))
}

#[test]
fn the_token_service_is_understood() {
    let body =
        r#"{"error":"invalid_client","error_description":"Invalid client id or client secret."}"#;
    assert_eq!(
        code_and_message(body),
        known("invalid_client", "Invalid client id or client secret.")
    );
}

#[test]
fn the_older_platform_services_are_understood() {
    let body =
        r#"{"Error":{"Type":"CWSAuthException","Message":"Missing or invalid CWSAuth header."}}"#;
    assert_eq!(
        code_and_message(body),
        known("CWSAuthException", "Missing or invalid CWSAuth header.")
    );
}

#[test]
fn the_guideline_is_understood_in_each_of_its_shapes() {
    let shapes = [
        r#"[{"name":"retryDelay","value":"7"}]"#,
        r#"[{"name":"other","value":"1"},{"key":"retryDelay","value":7}]"#,
        r#"{"reason":"invalid","retryDelay":"7"}"#,
    ];
    for parameters in shapes {
        let body = format!(
            r#"{{"type":"https://errors-api.cloud.com/common/rateLimitExceeded","detail":"Rate limit exceeded","parameters":{parameters}}}"#
        );
        let said = heard(&body);
        assert_eq!(said.code.as_deref(), Some("common/rateLimitExceeded"));
        assert_eq!(said.retry_after, Some(Duration::from_secs(7)), "{parameters}");
    }
    let said = heard(r#"{"type":"404","detail":"customer not found"}"#);
    assert_eq!(said.code.as_deref(), Some("404"));
}

#[test]
fn the_gateway_in_front_is_understood() {
    let body = r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 5 seconds."}"#;
    let said = heard(body);
    assert_eq!(said.message.as_deref(), Some("Rate limit is exceeded. Try again in 5 seconds."));
    assert_eq!(said.retry_after, Some(Duration::from_secs(5)));
}

#[test]
fn daas_is_understood_whatever_the_case_of_its_keys() {
    let body = r#"{"ErrorMessage":"Machine does not support specified power action.","SdkErrorId":"PowerActionsNotSupported","ErrorType":"X","ErrorDetails":null,"ErrorReport":{"ErrorData":{}}}"#;
    let expected =
        known("PowerActionsNotSupported", "Machine does not support specified power action.");
    assert_eq!(code_and_message(body), expected);
    assert_eq!(
        code_and_message(&body.replace("ErrorMessage", "errorMessage").replace("Sdk", "sdk")),
        expected
    );
}

#[test]
fn problems_and_licensing_are_understood() {
    let body = r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"No such administrator."}"#;
    assert_eq!(code_and_message(body), known("about:blank", "No such administrator."));
    let body =
        r#"{"error_description":"{\"Code\":400,\"Message\":\"Bad month\",\"Details\":\"\"}"}"#;
    assert_eq!(code_and_message(body), (None, Some("Bad month".to_owned())));
}

#[test]
fn pages_and_text_of_edge_servers_are_not_passed_on() {
    let bodies = [
        "<html><body>502 Bad Gateway</body></html>",
        "Access denied to query Monitor objects : Invalid Customer.",
        r#""just a string""#,
        r#"["ErrorMessage"]"#,
        r#"{"ErrorMessage":"<!DOCTYPE html><html>oops</html>"}"#,
        "{\"unknown\":1}",
        "",
    ];
    for body in bodies {
        assert_eq!(code_and_message(body), (None, None), "{body}");
    }
}

#[test]
fn messages_are_one_short_line() {
    let message = clean("a\r\n\u{1b}[31mb\u{0}\u{202e}c\u{2028}  d").unwrap();
    assert_eq!(message, "a [31mbc d");
    let long = clean(&"ä".repeat(5000)).unwrap();
    assert_eq!(long.len(), MAX_LEN);
}

#[test]
fn the_header_wins_over_the_body() {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("3"));
    let said = said(&headers, br#"{"message":"Try again in 5 seconds."}"#, now());
    assert_eq!(said.retry_after, Some(Duration::from_secs(3)));
}

#[test]
fn hints_come_in_seconds_and_in_four_kinds_of_date() {
    let cases = [
        ("0", Some(0)),
        (" 17 ", Some(17)),
        ("86400", Some(300)),
        ("Sun, 22 Nov 2026 12:00:09 GMT", Some(9)),
        ("Sunday, 22-Nov-26 12:00:08 GMT", Some(8)),
        ("Sun Nov 22 12:00:07 2026", Some(7)),
        ("2026-11-22T12:00:06Z", Some(6)),
        ("2026-11-22T13:00:05+01:00", Some(5)),
        ("2020-01-01T00:00:00Z", Some(0)),
        ("-1", None),
        ("NaN", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ];
    for (hint, expected) in cases {
        assert_eq!(retry_after::parse(hint, now()), expected.map(Duration::from_secs), "{hint}");
    }
    assert_eq!(retry_after::in_text("try again in 12 seconds"), Some(Duration::from_secs(12)));
    assert_eq!(retry_after::in_text("try again in a while"), None);
    assert_eq!(retry_after::in_text("try again in 2 hours"), None);
}

#[test]
fn a_transaction_id_is_taken_from_any_of_its_headers_if_it_looks_like_one() {
    for name in ["citrix-transactionid", "x-cws-transactionid", "cc-transactionid"] {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static("6f1d-7"));
        assert_eq!(transaction_id(&headers).as_deref(), Some("6f1d-7"));
        headers.insert(name, HeaderValue::from_static("<script>"));
        assert_eq!(transaction_id(&headers), None);
    }
}

/// Texts that look a little like fault bodies.
fn body() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "ErrorMessage",
        "SdkErrorId",
        "error",
        "error_description",
        "Error",
        "Type",
        "Message",
        "type",
        "detail",
        "parameters",
        "name",
        "value",
        "retryDelay",
        "message",
        "statusCode",
    ]);
    let leaf = prop_oneof![
        any::<String>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    let value = leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec((key.clone(), inner.clone()), 0..6).prop_map(|fields| {
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }),
            prop::collection::vec(inner, 0..4).prop_map(serde_json::Value::Array),
        ]
    });
    prop_oneof![value.prop_map(|value| value.to_string()), any::<String>()]
}

proptest! {
    #[test]
    fn no_body_makes_the_decoder_panic_or_let_control_characters_through(body in body()) {
        let said = heard(&body);
        for text in [said.code, said.message].into_iter().flatten() {
            prop_assert!(!text.is_empty() && text.len() <= MAX_LEN);
            prop_assert!(!text.chars().any(char::is_control));
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(body in prop::collection::vec(any::<u8>(), 0..256)) {
        said(&HeaderMap::new(), &body, now());
    }

    #[test]
    fn no_hint_is_longer_than_five_minutes(hint in "\\PC{0,40}|-?[0-9.eE+]{1,30}") {
        let parsed = retry_after::parse(&hint, now());
        prop_assert!(parsed.is_none_or(|wait| wait <= retry_after::LONGEST));
    }
}
