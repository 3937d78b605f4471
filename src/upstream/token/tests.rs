//! The life of tokens in paused time, with a token service in memory.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, advance, sleep};

use super::{
    FailureClass, Jitter, Lease, MintFailure, Refusal, TokenState, Tokens,
    credential::Credential,
    mint::{Authorization, Mint, MintRequest, Minted},
};
use crate::{
    config::{TokenForm, TokenSettings},
    domain::RegionName,
    upstream::{hosts::Hosts, testing},
};

/// A token service that names the customer in the token, each time with another number.
#[derive(Debug, Default)]
struct Naming(AtomicU64);

impl Mint for Naming {
    fn mint<'a>(&'a self, request: &'a MintRequest) -> BoxFuture<'a, Result<Minted, MintFailure>> {
        async move {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(number % 7)).await;
            let token = format!("{}.{}.{number}", request.region, request.customer);
            let authorization = Authorization::new(&token).unwrap();
            Ok(Minted { authorization, life: Some(Duration::from_secs(60 + number % 100)) })
        }
        .boxed()
    }
}

/// A token service in memory: answers from a script, then with good tokens of one hour.
#[derive(Debug, Default)]
struct Service {
    script: Mutex<VecDeque<Answer>>,
    /// When it was asked, and with which secret.
    asked: Mutex<Vec<(Instant, String)>>,
    takes: Duration,
}

#[derive(Clone, Debug)]
enum Answer {
    Life(u64),
    NoLife,
    Fails(FailureClass),
    FailsFor(FailureClass, u64),
    Panics,
}

impl Service {
    fn new(script: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Self::slow(script, Duration::from_millis(100))
    }

    fn slow(script: impl IntoIterator<Item = Answer>, takes: Duration) -> Arc<Self> {
        let script = Mutex::new(script.into_iter().collect());
        Arc::new(Self { script, asked: Mutex::default(), takes })
    }

    fn times(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn secrets(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, secret)| secret.clone()).collect()
    }

    fn answer(&self, secret: &str) -> Result<Minted, MintFailure> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((Instant::now(), secret.to_owned()));
            asked.len()
        };
        let answer = self.script.lock().unwrap().pop_front().unwrap_or(Answer::Life(3600));
        let minted = |life| {
            let authorization = Authorization::new(&format!("token-{number}")).unwrap();
            Ok(Minted { authorization, life })
        };
        match answer {
            Answer::Life(seconds) => minted(Some(Duration::from_secs(seconds))),
            Answer::NoLife => minted(None),
            Answer::Fails(class) => Err(MintFailure::new(class, "scripted")),
            Answer::FailsFor(class, seconds) => Err(MintFailure {
                retry_after: Some(Duration::from_secs(seconds)),
                ..MintFailure::new(class, "scripted")
            }),
            Answer::Panics => panic!("scripted"),
        }
    }
}

impl Mint for Service {
    fn mint<'a>(&'a self, request: &'a MintRequest) -> BoxFuture<'a, Result<Minted, MintFailure>> {
        async move {
            let answer = self.answer(request.secret.expose_secret());
            sleep(self.takes).await;
            answer
        }
        .boxed()
    }
}

fn settings() -> TokenSettings {
    testing::settings().token
}

fn credential(service: &Arc<Service>, secrets: &[&str]) -> Arc<Credential> {
    let customer = testing::customer("acme");
    let request = MintRequest {
        endpoint: "https://token.example.test/tokens/clients".to_owned(),
        form: TokenForm::OAuth2,
        client_id: customer.client_id.clone(),
        secret: SecretString::default(),
        region: customer.region.clone(),
        customer: customer.name.clone(),
    };
    Credential::start(
        Arc::<Service>::clone(service),
        request,
        secrets.iter().map(|secret| SecretString::from(*secret)).collect(),
        settings(),
        Arc::new(testing::FixedClock),
        Jitter::fixed(0.5),
    )
}

fn one(service: &Arc<Service>) -> Arc<Credential> {
    credential(service, &["s1"])
}

async fn acquire(credential: &Arc<Credential>) -> Result<Lease, Refusal> {
    credential.acquire(Instant::now() + Duration::from_secs(30)).await
}

async fn token(credential: &Arc<Credential>) -> String {
    text(&acquire(credential).await.unwrap())
}

fn text(lease: &Lease) -> String {
    let header = lease.token().authorization().header();
    assert!(header.is_sensitive());
    header.to_str().unwrap().strip_prefix("CwsAuth Bearer=").unwrap().to_owned()
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// Moves time in steps, so that the credential's task runs at each of them.
async fn pass(time: Duration) {
    let step = Duration::from_millis(500);
    let end = Instant::now() + time;
    while Instant::now() < end {
        advance(step.min(end - Instant::now())).await;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_first_calls_make_one_token_request() {
    let service = Service::new([]);
    let credential = one(&service);
    assert_eq!(credential.status().state, TokenState::Empty);

    let calls = (0..1000).map(|_| token(&credential));
    let tokens = futures_util::future::join_all(calls).await;

    assert_eq!(service.asked(), 1);
    assert!(tokens.iter().all(|token| token == "token-1"));
    assert_eq!(credential.status().state, TokenState::Fresh);
    assert!(credential.status().expires.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failure_reaches_all_who_wait_at_once_and_the_same() {
    let service = Service::new([Answer::Fails(FailureClass::Transient)]);
    let credential = one(&service);

    let calls = (0..100).map(|_| acquire(&credential));
    let results = futures_util::future::join_all(calls).await;

    assert_eq!(service.asked(), 1);
    for result in results {
        let Err(Refusal::Unavailable { retry_after, source }) = result else {
            panic!("{result:?}")
        };
        assert!(retry_after >= seconds(1) && retry_after <= seconds(2), "{retry_after:?}");
        assert_eq!(source.unwrap().reason, "scripted");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_who_leaves_cancels_nothing_for_the_others() {
    let service = Service::slow([], seconds(5));
    let credential = one(&service);

    let hasty = tokio::spawn({
        let credential = Arc::clone(&credential);
        async move { credential.acquire(Instant::now() + seconds(1)).await }
    });
    sleep(Duration::from_millis(10)).await;
    let patient = token(&credential).await;

    assert!(matches!(hasty.await.unwrap(), Err(Refusal::DeadlinePassed)));
    assert_eq!(patient, "token-1");
    assert_eq!(service.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_in_use_is_renewed_ahead_and_nobody_waits() {
    let service = Service::new([]);
    let credential = one(&service);
    let start = Instant::now();
    token(&credential).await;
    assert_eq!(token(&credential).await, "token-1");

    pass(start + seconds(3600) - Instant::now()).await;

    let times = service.times();
    assert_eq!(times.len(), 2);
    // 80 % of the life, counted from before the request.
    assert_eq!(times[1].duration_since(times[0]).as_secs(), 2880);
    assert_eq!(token(&credential).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn the_old_token_is_served_while_its_successor_is_asked_for() {
    let service = Service::slow([], seconds(9));
    let credential = one(&service);
    token(&credential).await;
    token(&credential).await;

    pass(seconds(2880 - 9 + 3)).await;

    assert_eq!(service.asked(), 2);
    assert_eq!(credential.status().state, TokenState::Refreshing);
    assert_eq!(token(&credential).await, "token-1");
    pass(seconds(10)).await;
    assert_eq!(token(&credential).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn an_idle_credential_is_not_renewed() {
    let service = Service::new([]);
    let credential = one(&service);
    token(&credential).await;

    pass(seconds(3 * 3600)).await;
    // The one who waited for the first token counts as its use; nobody used the second.
    assert_eq!(service.asked(), 2);
    assert_eq!(credential.status().state, TokenState::Expired);
    assert_eq!(credential.status().expires, None);

    assert_eq!(token(&credential).await, "token-3");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_not_used_in_the_last_part_of_its_life() {
    // Renewal fails all the time, so the first token is used as long as it may be.
    let service = Service::new(
        [Answer::Life(1000)]
            .into_iter()
            .chain((0..100).map(|_| Answer::Fails(FailureClass::Transient))),
    );
    let credential = one(&service);
    let start = Instant::now();
    token(&credential).await;

    pass(start + seconds(939) - Instant::now()).await;
    assert_eq!(token(&credential).await, "token-1");
    pass(seconds(2)).await;
    assert!(acquire(&credential).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_short_lived_token_goes_to_all_who_wait_and_is_then_forgotten() {
    let service = Service::new([Answer::Life(20), Answer::Life(20)]);
    let credential = one(&service);

    let tokens = futures_util::future::join_all((0..10).map(|_| token(&credential))).await;
    assert!(tokens.iter().all(|token| token == "token-1"));
    assert_eq!(service.asked(), 1);

    assert_eq!(token(&credential).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_before_it_arrives_is_never_handed_out() {
    let service = Service::slow([Answer::Life(3)], seconds(5));
    let credential = one(&service);
    assert!(matches!(acquire(&credential).await, Err(Refusal::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_token_of_unknown_life_lives_for_the_default() {
    let service = Service::new([Answer::NoLife]);
    let credential = one(&service);
    let start = Instant::now();
    token(&credential).await;
    pass(start + seconds(241) - Instant::now()).await;
    // 300 s less the margin, and renewed before that.
    assert_eq!(service.asked(), 2);
    let renewed = service.times()[1] - start;
    assert!(renewed >= seconds(220) && renewed <= seconds(240), "{renewed:?}");
}

#[tokio::test(start_paused = true)]
async fn while_it_is_down_the_service_is_asked_at_most_once_a_second_and_found_back_in_time() {
    let down_for = seconds(300);
    let service = Service::new((0..1000).map(|_| Answer::Fails(FailureClass::Transient)));
    let credential = one(&service);
    let start = Instant::now();

    while start.elapsed() < down_for {
        let asked = service.asked();
        let before = Instant::now();
        let refused = acquire(&credential).await.unwrap_err();
        if service.asked() == asked {
            assert_eq!(before.elapsed(), Duration::ZERO, "during the pause the answer is at once");
        }
        assert!(matches!(refused, Refusal::Unavailable { .. }));
        pass(Duration::from_millis(250)).await;
    }
    let times = service.times();
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= seconds(1));
    }

    service.script.lock().unwrap().clear();
    let recovered = Instant::now();
    while acquire(&credential).await.is_err() {
        pass(Duration::from_millis(250)).await;
    }
    assert!(recovered.elapsed() <= seconds(20), "{:?}", recovered.elapsed());
    assert_eq!(credential.status().last_error_reason, None);
}

#[tokio::test(start_paused = true)]
async fn even_a_service_that_hangs_is_found_back_in_time() {
    let service =
        Service::slow((0..1000).map(|_| Answer::Fails(FailureClass::Transient)), seconds(10));
    let credential = one(&service);
    let start = Instant::now();
    while start.elapsed() < seconds(300) {
        assert!(acquire(&credential).await.is_err());
        pass(Duration::from_millis(250)).await;
    }
    let times = service.times();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest <= seconds(16), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hint_to_wait_is_honoured() {
    let service = Service::new([Answer::FailsFor(FailureClass::Throttled, 45)]);
    let credential = one(&service);
    assert!(acquire(&credential).await.is_err());
    pass(seconds(44)).await;
    let Err(Refusal::Unavailable { retry_after, .. }) = acquire(&credential).await else {
        panic!("it must still be paused")
    };
    assert!(retry_after <= seconds(1));
    assert_eq!(credential.status().state, TokenState::Backoff);
    pass(seconds(1)).await;
    assert_eq!(token(&credential).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn two_strikes_quarantine_and_a_probe_comes_every_15_minutes() {
    let service = Service::new((0..1000).map(|_| Answer::Fails(FailureClass::Credential)));
    let credential = one(&service);

    assert!(matches!(acquire(&credential).await, Err(Refusal::Unavailable { .. })));
    assert_eq!(credential.status().state, TokenState::Backoff);
    pass(seconds(3)).await;
    assert!(matches!(acquire(&credential).await, Err(Refusal::Quarantined { .. })));
    assert_eq!(credential.status().state, TokenState::Quarantined);
    let since = credential.status().quarantined_since;
    assert!(since.is_some());
    assert_eq!(credential.status().last_error_reason.as_deref(), Some("scripted"));

    let start = Instant::now();
    while start.elapsed() < seconds(3600) {
        assert!(matches!(acquire(&credential).await, Err(Refusal::Quarantined { .. })));
        pass(seconds(10)).await;
    }
    assert_eq!(service.asked(), 2 + 3);
    assert_eq!(credential.status().quarantined_since, since);

    credential.release();
    service.script.lock().unwrap().clear();
    assert_eq!(token(&credential).await, "token-6");
    assert_eq!(credential.status().state, TokenState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_good_probe_ends_the_quarantine() {
    let service = Service::new([FailureClass::Configuration; 2].map(Answer::Fails));
    let credential = one(&service);
    assert!(acquire(&credential).await.is_err());
    pass(seconds(3)).await;
    assert!(acquire(&credential).await.is_err());
    pass(seconds(900)).await;
    assert_eq!(token(&credential).await, "token-3");
    assert_eq!(credential.status().quarantined_since, None);
}

#[tokio::test(start_paused = true)]
async fn transient_failures_never_quarantine_but_do_not_forgive_a_strike() {
    let service = Service::new([
        Answer::Fails(FailureClass::Credential),
        Answer::Fails(FailureClass::Transient),
        Answer::Fails(FailureClass::Transient),
        Answer::Fails(FailureClass::Credential),
    ]);
    let credential = one(&service);
    for _ in 0..3 {
        assert!(matches!(acquire(&credential).await, Err(Refusal::Unavailable { .. })));
        pass(seconds(16)).await;
    }
    assert!(matches!(acquire(&credential).await, Err(Refusal::Quarantined { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_valid_token_is_served_while_its_credential_is_quarantined() {
    let service = Service::new(
        [Answer::Life(3600)]
            .into_iter()
            .chain((0..10).map(|_| Answer::Fails(FailureClass::Credential))),
    );
    let credential = one(&service);
    token(&credential).await;
    pass(seconds(2900)).await;
    assert_eq!(service.asked(), 3);
    assert_eq!(credential.status().state, TokenState::Quarantined);
    assert_eq!(token(&credential).await, "token-1");
}

#[tokio::test(start_paused = true)]
async fn the_next_secret_is_tried_before_a_strike_counts() {
    let service = Service::new([Answer::Fails(FailureClass::Credential)]);
    let credential = credential(&service, &["new", "old"]);
    assert_eq!(token(&credential).await, "token-2");
    assert_eq!(service.secrets(), ["new", "old"]);
    assert_eq!(credential.status().state, TokenState::Fresh);

    // The one that worked is asked with from then on.
    acquire(&credential).await.unwrap().replace(Instant::now() + seconds(30)).await.unwrap();
    assert_eq!(service.secrets(), ["new", "old", "old"]);
}

#[tokio::test(start_paused = true)]
async fn each_round_of_refusals_tries_two_secrets_at_most() {
    let service = Service::new((0..100).map(|_| Answer::Fails(FailureClass::Credential)));
    let credential = credential(&service, &["a", "b", "c"]);
    assert!(matches!(acquire(&credential).await, Err(Refusal::Unavailable { .. })));
    assert_eq!(service.asked(), 2);
    pass(seconds(3)).await;
    assert!(matches!(acquire(&credential).await, Err(Refusal::Quarantined { .. })));
    assert_eq!(service.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_refused_generation_is_replaced_once_however_many_were_refused() {
    let service = Service::new([]);
    let credential = one(&service);
    let leases = futures_util::future::join_all((0..50).map(|_| acquire(&credential))).await;

    let deadline = Instant::now() + seconds(30);
    let replaced = leases.iter().map(|lease| lease.as_ref().unwrap().replace(deadline));
    let replaced = futures_util::future::join_all(replaced).await;

    assert_eq!(service.asked(), 2);
    assert!(replaced.iter().all(|lease| text(lease.as_ref().unwrap()) == "token-2"));
    // A late 401 about the old generation leaves the new one alone.
    let late = leases[0].as_ref().unwrap().replace(deadline).await.unwrap();
    assert_eq!(text(&late), "token-2");
    assert_eq!(service.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_second_401_nothing_is_minted_for_a_while() {
    let service = Service::new([]);
    let credential = one(&service);
    let deadline = Instant::now() + seconds(300);
    let first = acquire(&credential).await.unwrap();
    let second = first.replace(deadline).await.unwrap();
    second.rejected();

    // Other services may accept the token, so it stays; one that does not gets no newer one.
    let third = acquire(&credential).await.unwrap();
    assert_eq!(text(&third), "token-2");
    assert!(matches!(third.replace(deadline).await, Err(Refusal::Rejected)));
    assert_eq!(credential.status().state, TokenState::Backoff);
    pass(seconds(29)).await;
    assert!(matches!(third.replace(deadline).await, Err(Refusal::Rejected)));
    assert_eq!(service.asked(), 2);

    pass(seconds(2)).await;
    assert_eq!(text(&third.replace(deadline).await.unwrap()), "token-3");
}

#[tokio::test(start_paused = true)]
async fn no_token_ever_reaches_another_customer_or_region() {
    // Ids and secrets are the same everywhere: nothing but the whole key keeps them apart.
    let regions = ["us", "eu"].map(|region| {
        let name = RegionName::try_from(region).unwrap();
        let mut regions = testing::regions("http://127.0.0.1:1", TokenForm::OAuth2);
        let mut hosts = regions.pop_first().unwrap().1;
        hosts.name = name.clone();
        (name, hosts)
    });
    let tokens = Tokens::new(
        Arc::new(Hosts::new(&regions.into_iter().collect()).unwrap()),
        Arc::new(Naming::default()),
        settings(),
        Arc::new(testing::FixedClock),
        Jitter::random(),
    );
    let customers: Vec<_> = (0..100)
        .map(|number| {
            let mut customer = (*testing::customer(&format!("c{}", number / 2))).clone();
            customer.client_id = "the same".to_owned();
            customer.region =
                RegionName::try_from(if number % 2 == 0 { "us" } else { "eu" }).unwrap();
            customer
        })
        .collect();
    for round in 0..10 {
        let calls = (0..1000).map(|_| {
            let (tokens, customer) = (&tokens, fastrand::choice(&customers).unwrap());
            async move {
                let deadline = Instant::now() + seconds(30);
                let mut lease = tokens.acquire(customer, deadline).await.unwrap();
                if fastrand::u8(..) < 8 {
                    lease = lease.replace(deadline).await.unwrap();
                }
                let owner = format!("{}.{}.", customer.region, customer.name);
                assert!(text(&lease).starts_with(&owner), "{} got {}", owner, text(&lease));
            }
        });
        futures_util::future::join_all(calls).await;
        pass(seconds(10 * round)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn late_news_of_an_older_token_does_not_pause_the_newer_one() {
    let service = Service::new([]);
    let credential = one(&service);
    let deadline = Instant::now() + seconds(300);
    let first = acquire(&credential).await.unwrap();
    let second = first.replace(deadline).await.unwrap();
    let third = second.replace(deadline).await.unwrap();
    second.rejected();
    assert_eq!(credential.status().state, TokenState::Fresh);
    assert_eq!(text(&third.replace(deadline).await.unwrap()), "token-4");
}

#[tokio::test(start_paused = true)]
async fn a_token_request_that_breaks_off_is_a_failure_like_others() {
    let service = Service::new([Answer::Panics]);
    let credential = one(&service);
    assert!(matches!(acquire(&credential).await, Err(Refusal::Unavailable { .. })));
    pass(seconds(3)).await;
    assert_eq!(token(&credential).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_customer_without_a_valid_secret_asks_nobody() {
    let service = Service::new([]);
    let credential = credential(&service, &[]);
    assert!(acquire(&credential).await.is_err());
    assert_eq!(service.asked(), 0);
    let reason = credential.status().last_error_reason.unwrap();
    assert!(reason.contains("no client secret"), "{reason}");
}
