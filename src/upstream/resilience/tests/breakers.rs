use std::time::Duration;

use super::pass;
use crate::{
    config::BreakerSettings,
    domain::CustomerName,
    upstream::{
        BreakerState,
        resilience::{
            breaker::Breaker,
            region::{RegionBreaker, Report},
            switch::Verdict,
        },
        testing,
    },
};

fn settings() -> BreakerSettings {
    testing::resilience().breaker
}

fn breaker() -> Breaker {
    Breaker::new(&settings())
}

/// One read that ends so; the state it leads to.
fn call(breaker: &Breaker, verdict: Verdict) -> Option<BreakerState> {
    let pass = breaker.enter(true).unwrap();
    breaker.note(pass, verdict, &settings())
}

fn opened() -> Breaker {
    let breaker = breaker();
    let last = (0..5).filter_map(|_| call(&breaker, Verdict::Fails)).collect::<Vec<_>>();
    assert_eq!(last, [BreakerState::Open]);
    breaker
}

fn seconds(wait: Result<impl Sized, Duration>) -> Option<u64> {
    wait.err().map(|wait| wait.as_secs())
}

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_open_it_and_one_success_between_does_not_let_them() {
    let breaker = breaker();
    for _ in 0..4 {
        assert_eq!(call(&breaker, Verdict::Fails), None);
    }
    assert_eq!(call(&breaker, Verdict::Works), None);
    for _ in 0..4 {
        assert_eq!(call(&breaker, Verdict::Fails), None);
    }
    assert_eq!(call(&breaker, Verdict::Silent), None);
    assert_eq!(call(&breaker, Verdict::Fails), Some(BreakerState::Open));
    assert_eq!(seconds(breaker.enter(true)), Some(5));
    assert_eq!(breaker.state(), (BreakerState::Open, Some(Duration::from_secs(5))));
}

#[tokio::test(start_paused = true)]
async fn less_than_half_of_twenty_open_it_and_old_ones_do_not_count() {
    let mixed = |breaker: &Breaker, rounds| {
        let verdicts = [Verdict::Works, Verdict::Fails, Verdict::Fails];
        verdicts.into_iter().cycle().take(rounds).filter_map(|v| call(breaker, v)).count()
    };
    let quick = breaker();
    assert_eq!(mixed(&quick, 18), 0);
    assert_eq!(mixed(&quick, 2), 1, "the twentieth");

    let slow = breaker();
    assert_eq!(mixed(&slow, 18), 0);
    pass(31).await;
    assert_eq!(mixed(&slow, 18), 0);
}

#[tokio::test(start_paused = true)]
async fn half_open_lets_one_read_through_and_its_success_closes() {
    let breaker = opened();
    pass(5).await;
    assert_eq!(breaker.state().0, BreakerState::HalfOpen);
    assert_eq!(seconds(breaker.enter(false)), Some(15), "a write does not find out");
    let probe = breaker.enter(true).unwrap();
    assert_eq!(seconds(breaker.enter(true)), Some(1));
    assert_eq!(breaker.note(probe, Verdict::Works, &settings()), Some(BreakerState::Closed));
    breaker.enter(false).unwrap();
    // What was counted before is forgotten.
    assert_eq!(call(&breaker, Verdict::Fails), None);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_keeps_failing_is_left_alone_for_longer_up_to_a_bound() {
    let breaker = opened();
    let mut waits = vec![seconds(breaker.enter(true)).unwrap()];
    for _ in 0..3 {
        pass(*waits.last().unwrap()).await;
        assert_eq!(call(&breaker, Verdict::Fails), Some(BreakerState::Open));
        waits.push(seconds(breaker.enter(true)).unwrap());
    }
    assert_eq!(waits, [5, 10, 15, 15]);
    pass(15).await;
    call(&breaker, Verdict::Works);
    for _ in 0..5 {
        call(&breaker, Verdict::Fails);
    }
    assert_eq!(seconds(breaker.enter(true)), Some(5), "the next trouble begins anew");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_says_nothing_or_hangs_keeps_nobody_from_the_next() {
    let breaker = opened();
    pass(5).await;
    assert_eq!(call(&breaker, Verdict::Silent), None);
    let hanging = breaker.enter(true).unwrap();
    assert_eq!(seconds(breaker.enter(true)), Some(1));
    pass(5).await;
    let second = breaker.enter(true).unwrap();
    assert_eq!(breaker.note(second, Verdict::Works, &settings()), Some(BreakerState::Closed));
    assert_eq!(breaker.note(hanging, Verdict::Fails, &settings()), None, "too late");
    assert_eq!(breaker.state().0, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_began_before_it_opened_says_nothing_after() {
    let breaker = breaker();
    let early = breaker.enter(true).unwrap();
    for _ in 0..5 {
        call(&breaker, Verdict::Fails);
    }
    assert_eq!(breaker.note(early, Verdict::Works, &settings()), None);
    assert_eq!(breaker.state().0, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_only_written_to_is_not_shut_for_ever() {
    let breaker = opened();
    pass(5).await;
    assert_eq!(seconds(breaker.enter(false)), Some(15));
    pass(15).await;
    let write = breaker.enter(false).unwrap();
    assert_eq!(breaker.note(write, Verdict::Works, &settings()), Some(BreakerState::Closed));
}

/// A region in which customers are told apart by number.
struct Region(RegionBreaker);

impl Region {
    fn new() -> Self {
        Self(RegionBreaker::new(&settings()))
    }

    fn call(&self, customer: u32, failing: bool) -> Option<BreakerState> {
        self.report(customer, failing, false)
    }

    fn report(&self, customer: u32, failing: bool, known: bool) -> Option<BreakerState> {
        let name = CustomerName::try_from(format!("c{customer}")).unwrap();
        let verdict = if failing { Verdict::Fails } else { Verdict::Works };
        let pass = self.0.enter(true).unwrap();
        self.0.note(pass, &name, Report { verdict, known, failing }, &settings())
    }
}

#[tokio::test(start_paused = true)]
async fn one_customer_in_trouble_says_nothing_of_the_region() {
    let region = Region::new();
    for _ in 0..1000 {
        assert_eq!(region.call(1, true), None);
    }
    assert_eq!(region.call(2, true), None);
    assert_eq!(region.call(3, true), Some(BreakerState::Open));
    assert_eq!(seconds(region.0.enter(true)), Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_region_opens_only_when_most_of_those_asking_fail() {
    let region = Region::new();
    for customer in 0..3 {
        assert_eq!(region.call(customer, false), None);
    }
    for customer in 3..6 {
        assert_eq!(region.call(customer, true), None, "at most half");
    }
    // Who has not asked for a while does not count.
    pass(31).await;
    assert_eq!(region.call(0, false), None);
    assert_eq!(region.call(3, true), None);
    assert_eq!(region.call(4, true), None);
    assert_eq!(region.call(5, true), Some(BreakerState::Open));
}

#[tokio::test(start_paused = true)]
async fn a_customer_known_to_fail_does_not_keep_a_region_shut() {
    let region = Region::new();
    for customer in 0..3 {
        region.call(customer, true);
    }
    pass(5).await;
    assert_eq!(region.report(0, true, true), None);
    assert_eq!(region.call(7, false), Some(BreakerState::Closed));
    // The marks of before are gone: it takes three again.
    assert_eq!(region.call(0, true), None);
    assert_eq!(region.call(1, true), None);

    let region = Region::new();
    for customer in 0..3 {
        region.call(customer, true);
    }
    pass(5).await;
    assert_eq!(region.call(7, true), Some(BreakerState::Open), "nobody knew that it fails here");
    assert_eq!(seconds(region.0.enter(true)), Some(10));
}
