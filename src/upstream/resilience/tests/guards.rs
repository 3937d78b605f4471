use std::{sync::Arc, time::Duration};

use super::pass;
use crate::{
    domain::{CallContext, Via},
    upstream::{
        BreakerScope, BreakerState, Error, ErrorKind, Guard, NoObserver, Outcome, Permit, Service,
        testing::{self, context, context_for, customer},
    },
};

fn guard() -> Guard {
    Guard::new(testing::resilience(), Arc::new(NoObserver))
}

async fn enter(guard: &Guard, name: &str) -> Result<Permit, Error> {
    enter_as(guard, name, &context(), true).await
}

async fn enter_as(
    guard: &Guard,
    name: &str,
    ctx: &CallContext,
    reads: bool,
) -> Result<Permit, Error> {
    guard.enter(ctx, &customer(name), Service::Daas, "test", reads).await
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after: None }
}

async fn calls(guard: &Guard, name: &str, outcome: Outcome, times: usize) {
    for _ in 0..times {
        enter(guard, name).await.unwrap().done(outcome);
    }
}

async fn refusal(guard: &Guard, name: &str) -> ErrorKind {
    enter(guard, name).await.unwrap_err().kind
}

fn limited(seconds: u64) -> ErrorKind {
    ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(seconds)) }
}

fn open(seconds: u64) -> ErrorKind {
    ErrorKind::Unavailable { retry_after: Some(Duration::from_secs(seconds)) }
}

#[tokio::test(start_paused = true)]
async fn a_429_cools_one_customer_down_for_everybody_and_nobody_else() {
    let guard = guard();
    enter(&guard, "acme").await.unwrap().done(answered(429));
    assert_eq!(refusal(&guard, "acme").await, limited(30));
    drop(enter(&guard, "globex").await.unwrap());
    let other = guard.enter(&context(), &customer("acme"), Service::Core, "test", true).await;
    drop(other.unwrap());
    let cooling: Vec<_> = guard.cooldowns();
    assert_eq!(cooling.len(), 1);
    assert_eq!(cooling[0].customer.as_ref().unwrap().as_str(), "acme");
    assert_eq!(cooling[0].service, Service::Daas);

    pass(30).await;
    let hint = Outcome::Answered { status: 429, retry_after: Some(Duration::from_secs(7)) };
    enter(&guard, "acme").await.unwrap().done(hint);
    assert_eq!(refusal(&guard, "acme").await, limited(7));
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_service_open_the_breaker_and_nothing_else_does() {
    for outcome in
        [answered(500), answered(502), answered(503), Outcome::Lost, Outcome::Unreachable]
    {
        let guard = guard();
        calls(&guard, "acme", outcome, 5).await;
        assert_eq!(refusal(&guard, "acme").await, open(5), "{outcome:?}");
        drop(enter(&guard, "globex").await.unwrap());
    }
    for outcome in [200, 400, 401, 403, 404, 409, 501, 530].map(answered) {
        let guard = guard();
        calls(&guard, "acme", outcome, 50).await;
    }
    // For want of a token, or because the caller went away.
    let guard = guard();
    calls(&guard, "acme", Outcome::NotAsked, 50).await;
    for _ in 0..50 {
        drop(enter(&guard, "acme").await.unwrap());
    }
    assert!(guard.breakers().iter().all(|breaker| breaker.state == BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn silence_counts_only_when_the_service_had_time_to_speak() {
    let guard = guard();
    calls(&guard, "acme", Outcome::TimedOut, 50).await;
    for _ in 0..5 {
        let permit = enter(&guard, "acme").await.unwrap();
        pass(6).await;
        permit.done(Outcome::TimedOut);
    }
    assert_eq!(refusal(&guard, "acme").await, open(5));
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_given_back_when_the_caller_goes_away() {
    let guard = guard();
    calls(&guard, "acme", answered(502), 5).await;
    pass(5).await;
    drop(enter(&guard, "acme").await.unwrap());
    let probe = enter(&guard, "acme").await.unwrap();
    assert_eq!(refusal(&guard, "acme").await, open(1));
    probe.done(answered(200));
    drop(enter(&guard, "acme").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn three_failing_customers_shut_the_region_for_the_others_too() {
    let guard = guard();
    for name in ["a", "b", "c"] {
        enter(&guard, "healthy").await.unwrap().done(answered(200));
        calls(&guard, name, answered(502), 5).await;
    }
    assert_eq!(refusal(&guard, "healthy").await, open(5));
    let regional = |guard: &Guard| {
        let all = guard.breakers();
        all.into_iter().find(|breaker| breaker.scope == BreakerScope::Region).unwrap().state
    };
    assert_eq!(regional(&guard), BreakerState::Open);

    pass(5).await;
    enter(&guard, "healthy").await.unwrap().done(answered(200));
    assert_eq!(regional(&guard), BreakerState::Closed);
    calls(&guard, "healthy", answered(200), 5).await;
}

#[tokio::test(start_paused = true)]
async fn the_queue_counts_against_the_deadline_and_is_counted() {
    let guard = guard();
    let mut permits = Vec::new();
    for _ in 0..64 {
        permits.push(enter(&guard, "acme").await.unwrap());
    }
    let ctx = context_for(Duration::from_secs(3));
    let late = enter_as(&guard, "acme", &ctx, true).await.unwrap_err();
    assert_eq!(late.kind, ErrorKind::DeadlineExceeded);
    assert!(ctx.remaining().is_zero());
    let busy = guard.slots();
    assert_eq!((busy[0].in_flight, busy[0].waiting), (64, 0));
    // One customer that hangs does not use up another's room.
    drop(enter(&guard, "globex").await.unwrap());

    let kind = enter(&guard, "acme").await.unwrap_err().kind;
    assert!(matches!(kind, ErrorKind::Overloaded { .. }), "{kind:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_that_begins_while_a_call_waits_is_not_run_into() {
    let guard = guard();
    let mut permits = Vec::new();
    for _ in 0..64 {
        permits.push(enter(&guard, "acme").await.unwrap());
    }
    let waiting = tokio::spawn({
        let guard = guard.clone();
        async move { refusal(&guard, "acme").await }
    });
    pass(1).await;
    permits.pop().unwrap().done(answered(429));
    let kind = waiting.await.unwrap();
    assert_eq!(kind, limited(30));
}

#[tokio::test(start_paused = true)]
async fn bulk_operations_leave_room_and_serial_services_take_one_call() {
    let guard = guard();
    let mut bulk = context();
    bulk.via = Via::Operation;
    let mut permits = Vec::new();
    for _ in 0..32 {
        permits.push(enter_as(&guard, "acme", &bulk, false).await.unwrap());
    }
    let kind = enter_as(&guard, "acme", &bulk, false).await.unwrap_err().kind;
    assert!(matches!(kind, ErrorKind::Overloaded { .. }), "{kind:?}");
    drop(enter(&guard, "acme").await.unwrap());

    let (ctx, acme) = (context_for(Duration::from_secs(1)), customer("acme"));
    let monitor = || guard.enter(&ctx, &acme, Service::Monitor, "test", true);
    let only = monitor().await.unwrap();
    assert_eq!(monitor().await.unwrap_err().kind, ErrorKind::DeadlineExceeded);
    drop(only);
}
