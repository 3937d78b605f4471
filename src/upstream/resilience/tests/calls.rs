//! Attempts, permits and retries together, against a server that remembers every request.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    config::{RetrySettings, TokenForm, UpstreamSettings},
    domain::{Me, PowerAction},
    upstream::{
        Error, ErrorKind, GuardEvent, GuardEventKind, ObservedCall, Observer, Upstream,
        testing::{self, Answer, FixedClock, Stub, context, context_for, customer, site},
    },
};

const ME: &str = r#"{"UserId":"u","Customers":[]}"#;

/// As the manual has it, in a hurry.
fn settings() -> UpstreamSettings {
    let mut settings = testing::settings();
    settings.resilience = testing::resilience();
    let retry = &mut settings.resilience.retry;
    (retry.backoff_min, retry.backoff_max) = (Duration::from_millis(1), Duration::from_millis(4));
    settings
}

fn upstream(stub: &Stub) -> Upstream {
    stub.upstream_with(TokenForm::OAuth2, &settings())
}

async fn me(upstream: &Upstream) -> Result<Me, Error> {
    upstream.daas.me(&context(), &customer("acme")).await
}

async fn reboot(upstream: &Upstream) -> Result<(), Error> {
    let action = PowerAction::Reboot;
    let acme = customer("acme");
    upstream.daas.power(&context(), &acme, &site(), "m1", action, false).await.map(|_| ())
}

fn status(status: u16) -> Answer {
    testing::json(status, "")
}

fn half() -> Answer {
    Answer::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"UserId\"".to_vec())
}

#[tokio::test]
async fn a_read_that_failed_in_passing_is_made_again_and_nobody_notices() {
    for passing in [status(502), status(503), status(504), Answer::Close, half()] {
        let answers = vec![passing.clone(), passing.clone(), testing::json(200, ME)];
        let stub = Stub::start(answers).await;
        me(&upstream(&stub)).await.unwrap();
        assert_eq!(stub.calls().len(), 3, "{passing:?}");
    }
}

#[tokio::test]
async fn attempts_are_counted_exactly_and_the_last_answer_is_told() {
    for (answer, kind, attempts) in [
        (status(502), ErrorKind::Failed, 4),
        (status(504), ErrorKind::TimedOut, 4),
        (status(503), ErrorKind::Unavailable { retry_after: None }, 4),
        (Answer::Close, ErrorKind::Unavailable { retry_after: None }, 4),
        (half(), ErrorKind::Malformed, 4),
        (status(500), ErrorKind::Failed, 1),
        (status(501), ErrorKind::Failed, 1),
        (status(400), ErrorKind::Failed, 1),
        (status(403), ErrorKind::Forbidden, 1),
        (status(404), ErrorKind::Failed, 1),
        (status(406), ErrorKind::Failed, 1),
        (status(409), ErrorKind::Failed, 1),
        (status(415), ErrorKind::Failed, 1),
        (status(530), ErrorKind::Hibernated, 1),
        (testing::json(200, "<html>"), ErrorKind::Malformed, 1),
    ] {
        let stub = Stub::start(vec![answer.clone()]).await;
        assert_eq!(me(&upstream(&stub)).await.unwrap_err().kind, kind, "{answer:?}");
        assert_eq!(stub.calls().len(), attempts, "{answer:?}");
    }
}

#[tokio::test]
async fn a_write_is_sent_once_whatever_becomes_of_it() {
    for answer in [status(500), status(502), status(503), status(504), Answer::Close, half()] {
        let stub = Stub::start(vec![answer.clone()]).await;
        let error = reboot(&upstream(&stub)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown, "{answer:?}");
        assert_eq!(stub.calls().len(), 1, "{answer:?}");
    }
    let stub = Stub::start(vec![status(429)]).await;
    let error = reboot(&upstream(&stub)).await.unwrap_err();
    let thirty = Some(Duration::from_secs(30));
    assert_eq!(error.kind, ErrorKind::RateLimited { retry_after: thirty });
    assert_eq!(stub.calls().len(), 1);
}

#[tokio::test]
async fn what_never_reached_the_host_is_tried_again_also_if_it_writes() {
    let stub = Stub::start(vec![]).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}/cvad/manage", closed.local_addr().unwrap());
    drop(closed);
    let mut regions = testing::regions(&stub.base, TokenForm::OAuth2);
    for region in regions.values_mut() {
        region.daas = Some(nowhere.clone());
    }
    let log = Arc::<Log>::default();
    let observer: Arc<dyn Observer> = Arc::<Log>::clone(&log);
    let upstream = Upstream::new(&regions, &settings(), Arc::new(FixedClock), observer).unwrap();

    let error = reboot(&upstream).await.unwrap_err();

    assert_eq!(error.kind, ErrorKind::Unavailable { retry_after: None });
    let retries = log.0.lock().unwrap();
    assert_eq!(retries.iter().filter(|kind| **kind == GuardEventKind::Retried).count(), 3);
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<GuardEventKind>>);

impl Observer for Log {
    fn call_ended(&self, _call: &ObservedCall<'_>) {}

    fn guarded(&self, event: &GuardEvent<'_>) {
        self.0.lock().unwrap().push(event.kind);
    }
}

#[tokio::test]
async fn a_wait_that_outlasts_the_deadline_is_not_begun() {
    let busy = testing::with_headers(503, "Retry-After: 40\r\n", "");
    let limited = testing::with_headers(429, "Retry-After: 40\r\n", "");
    for answer in [busy, limited] {
        let stub = Stub::start(vec![answer]).await;
        let began = std::time::Instant::now();
        let error = me(&upstream(&stub)).await.unwrap_err();
        assert_eq!(error.kind.retry_after(), Some(Duration::from_secs(40)));
        assert_eq!(stub.calls().len(), 1);
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn a_hint_counts_with_each_status_that_may_pass() {
    for status in [429, 502, 503, 504] {
        let later = testing::with_headers(status, "Retry-After: 40\r\n", "");
        let stub = Stub::start(vec![later]).await;
        me(&upstream(&stub)).await.unwrap_err();
        assert_eq!(stub.calls().len(), 1, "{status}: it said when, and that is too late");
    }
}

#[tokio::test]
async fn a_short_429_is_waited_out() {
    let limited = testing::with_headers(429, "Retry-After: 1\r\n", "");
    let stub = Stub::start(vec![limited, testing::json(200, ME)]).await;
    let began = std::time::Instant::now();
    me(&upstream(&stub)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(stub.calls().len(), 2);
}

#[tokio::test]
async fn retries_stay_within_their_budget() {
    let mut settings = settings();
    settings.resilience.retry = RetrySettings { budget_floor: 0, ..settings.resilience.retry };
    settings.resilience.breaker.consecutive_failures = 1000;
    settings.resilience.breaker.min_samples = 1000;
    let stub = Stub::start(vec![status(502)]).await;
    let upstream = stub.upstream_with(TokenForm::OAuth2, &settings);
    for _ in 0..50 {
        me(&upstream).await.unwrap_err();
    }
    let retries = stub.calls().len() - 50;
    assert!((5..=10).contains(&retries), "{retries}");
}

#[tokio::test]
async fn an_open_breaker_sends_nothing_and_a_retry_it_stops_tells_the_answer_before() {
    let stub = Stub::start(vec![status(502)]).await;
    let upstream = upstream(&stub);
    assert_eq!(me(&upstream).await.unwrap_err().status, Some(502));
    let second = me(&upstream).await.unwrap_err();
    assert_eq!((second.kind, second.status), (ErrorKind::Failed, Some(502)));
    assert_eq!(stub.calls().len(), 5, "the fifth failure opened it");
    let third = me(&upstream).await.unwrap_err();
    assert!(matches!(third.kind, ErrorKind::Unavailable { retry_after: Some(_) }));
    assert_eq!(stub.calls().len(), 5);
    let core = upstream.cloud.service_states(&context(), &customer("acme")).await;
    assert_eq!(core.unwrap_err().status, Some(502), "another service is asked");
}

#[tokio::test]
async fn a_token_that_cannot_be_had_never_opens_a_breaker() {
    let stub = Stub::with_tokens(vec![status(500)], vec![testing::json(200, ME)]).await;
    let upstream = upstream(&stub);
    for _ in 0..20 {
        let error = me(&upstream).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::TokenUnavailable { .. }));
    }
    assert!(upstream.breakers().iter().all(|b| b.state == crate::upstream::BreakerState::Closed));
}

#[tokio::test]
async fn a_caller_that_goes_away_gives_its_slot_back() {
    let stub = Stub::start(vec![Answer::Silence]).await;
    let upstream = upstream(&stub);
    let waiting = tokio::spawn({
        let upstream = upstream.clone();
        async move { upstream.daas.me(&context_for(Duration::from_mins(1)), &customer("acme")).await }
    });
    while stub.calls().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(upstream.slots()[0].in_flight, 1);
    waiting.abort();
    waiting.await.unwrap_err();
    assert!(upstream.slots().is_empty());
}
