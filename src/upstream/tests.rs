//! What becomes of one call on the wire: tokens, deadlines, sizes, statuses, secrets.

use std::{
    io::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    Error, ErrorKind, HealthStatus, ObservedCall, Observer, Service, TokenState, Upstream,
    testing::{
        self, Answer, FixedClock, SECRET, Stub, TOKEN, context, context_for, customer, site,
    },
};
use crate::{
    config::TokenForm,
    domain::{Me, PowerAction},
    net,
};

const ME: &str = r#"{"UserId":"u","Customers":[]}"#;

async fn me(upstream: &Upstream) -> Result<Me, Error> {
    upstream.daas.me(&context(), &customer("acme")).await
}

async fn reboot(upstream: &Upstream) -> Result<(), Error> {
    let acme = customer("acme");
    let action = PowerAction::Reboot;
    upstream.daas.power(&context(), &acme, &site(), "m1", action, false).await.map(|_| ())
}

fn token_fault(status: u16, error: &str) -> Answer {
    testing::json(
        status,
        &format!(r#"{{"error":"{error}","error_description":"{SECRET} {TOKEN}"}}"#),
    )
}

fn tokens(names: &[&str]) -> Vec<Answer> {
    let token = |name: &&str| {
        testing::json(200, &format!(r#"{{"access_token":"{name}","expires_in":3600}}"#))
    };
    names.iter().map(token).collect()
}

#[tokio::test]
async fn a_token_is_asked_for_with_a_form_exactly_so() {
    let stub = Stub::start(vec![testing::json(200, ME)]).await;
    me(&stub.upstream()).await.unwrap();
    insta::assert_snapshot!(stub.token_requests()[0].normalised(), @"
    POST /cctrustoauth2/acme1024xyz/tokens/clients HTTP/1.1
    accept-encoding: gzip
    accept: application/json
    content-length: 97
    content-type: application/x-www-form-urlencoded
    user-agent: cwsgate/0.1.0

    grant_type=client_credentials&client_id=client-of-acme&client_secret=canary%2Bsecret%2F7f3a%3D%3D
    ");
}

#[tokio::test]
async fn a_token_is_asked_for_with_json_where_the_region_wants_that() {
    let token = testing::json(
        200,
        &format!(r#"{{"principal":"p","token":"{TOKEN}","openIdToken":"x","expiresIn":3600}}"#),
    );
    let stub = Stub::with_tokens(vec![token], vec![testing::json(200, ME)]).await;
    let upstream = stub.upstream_with(TokenForm::Trust, &testing::settings());
    me(&upstream).await.unwrap();
    insta::assert_snapshot!(stub.token_requests()[0].normalised(), @r#"
    POST /acme1024xyz/tokens/clients HTTP/1.1
    accept-encoding: gzip
    accept: application/json
    content-length: 67
    content-type: application/json
    user-agent: cwsgate/0.1.0

    {"ClientId":"client-of-acme","ClientSecret":"canary+secret/7f3a=="}
    "#);
    let authorization = format!("CwsAuth Bearer={TOKEN}");
    assert_eq!(stub.calls()[0].header("authorization"), Some(authorization.as_str()));
}

#[tokio::test]
async fn callers_and_services_share_one_token_and_other_customers_have_their_own() {
    let stub = Stub::start(vec![testing::json(200, ME)]).await;
    let upstream = stub.upstream();
    let (acme, globex) = (customer("acme"), customer("globex"));
    let ctx = context();
    let calls = (0..50).map(|n| upstream.daas.me(&ctx, if n % 2 == 0 { &acme } else { &globex }));
    for result in futures_util::future::join_all(calls).await {
        result.unwrap();
    }
    let mut lines: Vec<_> =
        stub.token_requests().iter().map(|seen| seen.line().to_owned()).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "POST /cctrustoauth2/acme1024xyz/tokens/clients HTTP/1.1",
            "POST /cctrustoauth2/globex1024xyz/tokens/clients HTTP/1.1",
        ]
    );
    assert_eq!(upstream.token_status(&acme).state, TokenState::Fresh);
    assert_eq!(upstream.token_status(&customer("other")).state, TokenState::Empty);
}

#[tokio::test]
async fn a_401_is_cured_by_a_newer_token_for_writes_too() {
    let refused = testing::json(
        401,
        r#"{"type":"https://errors-api.cloud.com/common/authentication","detail":"x"}"#,
    );
    let machine = testing::json(200, r#"{"Id":"m1"}"#);
    let stub = Stub::with_tokens(tokens(&["one", "two"]), vec![refused, machine]).await;
    reboot(&stub.upstream()).await.unwrap();
    let used: Vec<_> = stub
        .calls()
        .iter()
        .map(|seen| seen.header("authorization").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(used, ["CwsAuth Bearer=one", "CwsAuth Bearer=two"]);
}

#[tokio::test]
async fn a_second_401_is_final_and_the_next_call_mints_nothing() {
    let refused = testing::json(401, r#"{"Error":{"Type":"CWSAuthException","Message":"No."}}"#);
    let stub = Stub::start(vec![refused]).await;
    let upstream = stub.upstream();
    let error = me(&upstream).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RejectedCredentials);
    assert_eq!(error.code.as_deref(), Some("CWSAuthException"));
    assert_eq!((stub.token_requests().len(), stub.calls().len()), (2, 2));

    assert_eq!(me(&upstream).await.unwrap_err().kind, ErrorKind::RejectedCredentials);
    assert_eq!((stub.token_requests().len(), stub.calls().len()), (2, 3));
    let status = upstream.token_status(&customer("acme"));
    assert_eq!(status.state, TokenState::Backoff);
    assert!(status.last_error_reason.is_some());
}

#[tokio::test]
async fn statuses_mean_what_the_contract_says() {
    let busy = testing::with_headers(503, "Retry-After: 9\r\n", "");
    let nine = Some(Duration::from_secs(9));
    let limited = testing::json(429, r#"{"statusCode":429,"message":"Try again in 9 seconds."}"#);
    let redirect = testing::with_headers(
        307,
        "Location: https://api-eu.example.test/\r\n",
        r#"{"type":"https://errors-api.cloud.com/common/Redirect","detail":"Regional customer must use their designated regional endpoint","parameters":[]}"#,
    );
    let cases = [
        (busy, ErrorKind::Unavailable { retry_after: nine }),
        (limited, ErrorKind::RateLimited { retry_after: nine }),
        (redirect, ErrorKind::Failed),
        (testing::json(400, ""), ErrorKind::Failed),
        (testing::json(403, ""), ErrorKind::Forbidden),
        (testing::json(404, ""), ErrorKind::Failed),
        (testing::json(406, ""), ErrorKind::Failed),
        (testing::json(500, ""), ErrorKind::Failed),
        (testing::json(502, "<html>secret path</html>"), ErrorKind::Failed),
        (testing::json(504, ""), ErrorKind::TimedOut),
        (testing::json(530, ""), ErrorKind::Hibernated),
        (testing::json(200, "<html>"), ErrorKind::Malformed),
        (testing::json(204, ""), ErrorKind::Malformed),
        (Answer::Close, ErrorKind::Unavailable { retry_after: None }),
    ];
    for (answer, kind) in cases {
        let stub = Stub::start(vec![answer.clone()]).await;
        let error = me(&stub.upstream()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{answer:?}");
        assert_eq!(stub.calls().len(), 1);
        if error.status == Some(307) {
            assert_eq!(error.code.as_deref(), Some("common/Redirect"));
            assert!(error.message.unwrap().starts_with("Regional customer"));
        }
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_unavailable_for_writes_too() {
    // The token comes from a stub; the service's port is closed.
    let stub = Stub::start(vec![]).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}/cvad/manage", closed.local_addr().unwrap());
    drop(closed);
    let mut regions = testing::regions(&stub.base, TokenForm::OAuth2);
    for region in regions.values_mut() {
        region.daas = Some(nowhere.clone());
    }
    let observer = Arc::new(super::NoObserver);
    let upstream =
        Upstream::new(&regions, &testing::settings(), Arc::new(FixedClock), observer).unwrap();
    let error = reboot(&upstream).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable { retry_after: None });

    for region in regions.values_mut() {
        region.daas = None;
    }
    let observer = Arc::new(super::NoObserver);
    let upstream =
        Upstream::new(&regions, &testing::settings(), Arc::new(FixedClock), observer).unwrap();
    assert_eq!(me(&upstream).await.unwrap_err().kind, ErrorKind::NotConfigured);
}

#[tokio::test]
async fn silence_is_a_timeout_for_a_read_and_an_unknown_outcome_for_a_write() {
    let stub = Stub::start(vec![testing::json(200, ME), Answer::Silence]).await;
    let upstream = stub.upstream();
    // So that the token is there.
    me(&upstream).await.unwrap();
    let acme = customer("acme");
    let ctx = context_for(Duration::from_millis(300));
    assert_eq!(upstream.daas.me(&ctx, &acme).await.unwrap_err().kind, ErrorKind::TimedOut);
    let ctx = context_for(Duration::from_millis(300));
    let error = upstream
        .daas
        .power(&ctx, &acme, &site(), "m1", PowerAction::Reboot, false)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::OutcomeUnknown);
    assert!(ctx.asked_upstream());
}

#[tokio::test]
async fn a_body_that_stops_in_the_middle_is_given_up_before_the_deadline() {
    let half = Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"UserId\"".to_vec());
    let stub = Stub::start(vec![half]).await;
    let mut settings = testing::settings();
    settings.read_timeout = Duration::from_millis(200);
    let upstream = stub.upstream_with(TokenForm::OAuth2, &settings);
    assert_eq!(me(&upstream).await.unwrap_err().kind, ErrorKind::TimedOut);
}

#[tokio::test]
async fn nothing_is_sent_once_the_deadline_has_passed() {
    let stub = Stub::start(vec![testing::json(200, ME)]).await;
    let upstream = stub.upstream();
    let ctx = context_for(Duration::ZERO);
    let error = upstream.daas.me(&ctx, &customer("acme")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    assert!(!ctx.asked_upstream());

    let slow = Stub::with_tokens(vec![Answer::Silence], vec![]).await;
    let ctx = context_for(Duration::from_millis(100));
    let error = slow.upstream().daas.me(&ctx, &customer("acme")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    assert!(stub.calls().is_empty() && slow.calls().is_empty());
}

#[tokio::test]
async fn an_answer_larger_than_allowed_is_malformed_also_when_it_is_compressed() {
    let plain = format!("{ME}{}", " ".repeat(128 * 1024));
    let mut streamed = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    write!(streamed, "{:x}\r\n{plain}\r\n0\r\n\r\n", plain.len()).unwrap();
    for answer in [testing::json(200, &plain), Answer::Bytes(streamed), compressed(BOMB)] {
        let stub = Stub::start(vec![answer]).await;
        assert_eq!(me(&stub.upstream()).await.unwrap_err().kind, ErrorKind::Malformed);
    }

    let stub = Stub::start(vec![compressed(SMALL)]).await;
    assert_eq!(me(&stub.upstream()).await.unwrap().user_id.as_deref(), Some("u"));
}

fn compressed(base64: &str) -> Answer {
    let body = BASE64_STANDARD.decode(base64).unwrap();
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n".to_vec();
    write!(answer, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
    answer.extend_from_slice(&body);
    Answer::Bytes(answer)
}

#[tokio::test]
async fn token_services_fail_in_many_ways_and_all_are_told_apart() {
    let transient = "upstream_token_unavailable";
    let cases = [
        (testing::json(200, ""), transient),
        (testing::json(200, "<html>"), transient),
        (testing::json(200, "{}"), transient),
        (testing::json(200, r#"{"access_token":""}"#), transient),
        (testing::json(200, r#"{"access_token":"two words"}"#), transient),
        (testing::json(500, ""), transient),
        (testing::json(503, "<html>"), transient),
        (testing::json(429, ""), transient),
        (Answer::Close, transient),
        (token_fault(200, "invalid_client"), "strike"),
        (token_fault(400, "invalid_client"), "strike"),
        (testing::json(401, ""), "strike"),
        (testing::json(403, ""), "strike"),
        (testing::json(404, ""), "strike"),
        (testing::json(302, ""), "strike"),
    ];
    for (answer, kind) in cases {
        let stub = Stub::with_tokens(vec![answer.clone()], vec![]).await;
        let upstream = stub.upstream();
        let acme = customer("acme");
        let error = me(&upstream).await.unwrap_err();
        assert_eq!(error.kind.code(), transient, "{answer:?}");
        assert_eq!(error.service, Service::Token);
        assert_eq!(stub.token_requests().len(), 1);
        // The pause is on: nothing is asked.
        assert_eq!(me(&upstream).await.unwrap_err().kind.code(), transient);
        assert_eq!(stub.token_requests().len(), 1);
        upstream.release(&acme);
        upstream.daas.me(&context(), &acme).await.unwrap_err();
        assert_eq!(stub.token_requests().len(), 2, "released: asked again");
        let status = upstream.token_status(&acme);
        assert_eq!(status.state, TokenState::Backoff, "{kind}: release forgets strikes");
    }
}

#[tokio::test]
async fn health_tells_the_token_service_from_the_others() {
    let stub = Stub::start(vec![testing::json(200, ME), testing::json(502, "")]).await;
    let upstream = stub.upstream();
    let acme = customer("acme");
    let health = |service| {
        let all = upstream.health(&acme.name);
        all.into_iter().find(|health| health.service == service).unwrap()
    };
    assert_eq!(health(Service::Daas).status, HealthStatus::Unknown);
    me(&upstream).await.unwrap();
    assert_eq!(health(Service::Daas).status, HealthStatus::Ok);
    me(&upstream).await.unwrap_err();
    assert_eq!(health(Service::Daas).status, HealthStatus::Failing);
    assert_eq!(health(Service::Daas).last_error_code, Some("upstream_error"));
    assert_eq!(health(Service::Token).status, HealthStatus::Ok);
    assert_eq!(health(Service::Core).status, HealthStatus::Unknown);
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn call_ended(&self, call: &ObservedCall<'_>) {
        let ObservedCall { operation, service, place, customer, outcome, status, .. } = call;
        let (region, customer) = (place.name(), customer.unwrap());
        let service = service.as_str();
        let line = format!("{operation} {service} {region} {customer} {outcome} {status:?}");
        self.0.lock().unwrap().push(line);
    }
}

#[tokio::test]
async fn every_exchange_is_observed() {
    let stub = Stub::start(vec![testing::json(200, ME), testing::json(429, "")]).await;
    let log = Arc::new(Log::default());
    let observer: Arc<dyn Observer> = Arc::<Log>::clone(&log);
    let regions = testing::regions(&stub.base, TokenForm::OAuth2);
    let upstream =
        Upstream::new(&regions, &testing::settings(), Arc::new(FixedClock), observer).unwrap();
    me(&upstream).await.unwrap();
    me(&upstream).await.unwrap_err();
    assert_eq!(
        *log.0.lock().unwrap(),
        [
            "token.mint token us acme ok Some(200)",
            "daas.me.get daas us acme ok Some(200)",
            "daas.me.get daas us acme upstream_rate_limited Some(429)",
        ]
    );
}

#[tokio::test]
async fn secrets_and_tokens_are_in_no_error_status_or_debug_text() {
    // Everything that can echo them does.
    let echo = format!(r#"{{"x":"{SECRET} {TOKEN}"}}"#);
    let answers = [testing::json(200, &echo), testing::json(502, &echo), Answer::Close];
    let acme = customer("acme");
    let mut texts = vec![format!("{acme:?}"), format!("{:?}", testing::settings())];
    for answer in answers {
        let stub = Stub::start(vec![answer]).await;
        let upstream = stub.upstream();
        texts.push(described(&me(&upstream).await.unwrap_err()));
        texts.push(format!("{upstream:?} {:?}", upstream.transport));
        texts.push(format!("{:?}", upstream.token_status(&acme)));
        texts.push(format!("{:?}", upstream.health(&acme.name)));
    }
    for token in [token_fault(400, SECRET), token_fault(200, "invalid_client"), Answer::Close] {
        let stub = Stub::with_tokens(vec![token], vec![]).await;
        let upstream = stub.upstream();
        texts.push(described(&me(&upstream).await.unwrap_err()));
        texts.push(format!("{:?} {:?}", upstream.transport, upstream.token_status(&acme)));
    }
    for text in texts {
        assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
    }
}

/// An error in every form it can be shown, with all its causes.
fn described(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text} {error} {error:?}");
        cause = error.source();
    }
    text
}

#[test]
fn plain_http_to_another_machine_is_refused() {
    net::install_crypto();
    for base in ["http://api.example.test", "ftp://127.0.0.1", "http://127.0.0.1.example.test"] {
        let regions = testing::regions(base, TokenForm::OAuth2);
        let result = Upstream::new(
            &regions,
            &testing::settings(),
            Arc::new(FixedClock),
            Arc::new(super::NoObserver),
        );
        assert!(matches!(result, Err(net::Error::PlainHttp(_))), "{base}");
    }
}

/// [`ME`] with 128 KiB of blanks behind it, in gzip and Base64.
const BOMB: &str = "H4sIAAAAAAACA+3BoQ2AMBAAwFXIayaoRTEAiuCoJCT9VhF2xzDG3T2xZW3rGSVGzLGM7PdVW0bZj3cCAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+H1mmGTZHQACAA==";

/// [`ME`] in gzip and Base64.
const SMALL: &str = "H4sIAAAAAAACA6tWCi1OLfJMUbJSKlXSUXIuLS7Jz00tKlayio6tBQAyFPuSHQAAAA==";
