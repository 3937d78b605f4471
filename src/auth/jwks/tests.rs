use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{Duration, advance, sleep};

use super::{
    fetch::FetchError,
    key_set::KeySet,
    provider::{ABSENT_FOR, ASK_EVERY, KEEP},
    *,
};
use crate::config::{Algorithm, Issuer};

/// An identity provider that takes a second for each answer.
#[derive(Clone, Debug)]
struct Idp {
    /// Ids of its keys; `None` while it is down.
    keys: Arc<Mutex<Option<Vec<String>>>>,
    fetches: Arc<AtomicUsize>,
}

impl Idp {
    fn with(ids: &[&str]) -> Self {
        let idp = Self { keys: Arc::default(), fetches: Arc::default() };
        idp.serve(ids);
        idp
    }

    fn serve(&self, ids: &[&str]) {
        *self.keys.lock().unwrap() = Some(ids.iter().map(ToString::to_string).collect());
    }

    fn stop(&self) {
        *self.keys.lock().unwrap() = None;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    fn provider(&self) -> Provider {
        let idp = self.clone();
        Provider::start_with(
            source(),
            Box::new(move || {
                let idp = idp.clone();
                Box::pin(async move {
                    idp.fetches.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_secs(1)).await;
                    let ids = idp.keys.lock().unwrap().clone();
                    ids.map(|ids| key_set(&ids)).ok_or(FetchError::Status(500))
                })
            }),
        )
    }
}

fn source() -> Source {
    Source::of(&Issuer {
        name: "corp".into(),
        issuer: "https://login.example.test/".into(),
        audience: vec!["cwsgate".into()],
        jwks_url: None,
        algorithms: vec![Algorithm::Es256],
    })
}

fn key_set(ids: &[String]) -> KeySet {
    let half = URL_SAFE_NO_PAD.encode([7; 32]);
    let key = |id| json!({ "kty": "EC", "crv": "P-256", "x": half, "y": half, "kid": id });
    let document = json!({ "keys": ids.iter().map(key).collect::<Vec<_>>() });
    KeySet::parse(document.to_string().as_bytes(), &[Algorithm::Es256]).unwrap()
}

/// Asks for a key.
async fn ask(provider: &Provider, id: &str) -> Result<u64, NoKey> {
    provider.key(Some(id), Algorithm::Es256).await.map(|found| found.version)
}

fn is_unavailable(answer: Result<u64, NoKey>) -> bool {
    matches!(answer, Err(NoKey::Unavailable { .. }))
}

#[tokio::test(start_paused = true)]
async fn the_first_callers_wait_for_the_first_fetch() {
    let idp = Idp::with(&["a"]);
    let provider = idp.provider();
    assert_eq!(provider.version(), None);
    let answers = join_all((0..100).map(|_| ask(&provider, "a"))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(1)), "{answers:?}");
    assert_eq!(idp.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_cause_one_fetch_in_half_a_minute() {
    let idp = Idp::with(&["a"]);
    let provider = idp.provider();
    ask(&provider, "a").await.unwrap();
    for round in 0..2 {
        for number in 0..10_000 {
            let id = format!("{round}-{number}");
            assert_eq!(ask(&provider, &id).await, Err(NoKey::Unknown));
        }
        assert_eq!(idp.fetches(), 2 + round);
        ask(&provider, "a").await.unwrap();
        advance(ASK_EVERY).await;
    }
    let flood = (0..1_000).map(|number| format!("b-{number}")).collect::<Vec<_>>();
    let answers = join_all(flood.iter().map(|id| ask(&provider, id))).await;
    assert!(answers.iter().all(|answer| *answer == Err(NoKey::Unknown)));
    assert_eq!(idp.fetches(), 4);
}

#[tokio::test(start_paused = true)]
async fn all_who_want_a_new_key_share_one_fetch() {
    let idp = Idp::with(&["a"]);
    let provider = idp.provider();
    ask(&provider, "a").await.unwrap();
    idp.serve(&["a", "b"]);
    let answers = join_all((0..1000).map(|_| ask(&provider, "b"))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(2)), "{answers:?}");
    assert_eq!(idp.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_does_not_end_the_fetch() {
    let idp = Idp::with(&["a"]);
    let provider = idp.provider();
    ask(&provider, "a").await.unwrap();
    idp.serve(&["a", "b"]);
    let left = tokio::time::timeout(Duration::from_millis(1), ask(&provider, "b")).await;
    assert!(left.is_err());
    sleep(Duration::from_secs(2)).await;
    assert!(provider.known_key(Some("b"), Algorithm::Es256).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_not_there_is_not_asked_for_again_at_once() {
    let idp = Idp::with(&["a"]);
    let provider = idp.provider();
    ask(&provider, "a").await.unwrap();
    assert_eq!(ask(&provider, "b").await, Err(NoKey::Unknown));
    assert_eq!(idp.fetches(), 2);
    advance(ASK_EVERY * 2).await;
    assert_eq!(ask(&provider, "b").await, Err(NoKey::Unknown));
    assert_eq!(idp.fetches(), 2);
    advance(ABSENT_FOR).await;
    assert_eq!(ask(&provider, "b").await, Err(NoKey::Unknown));
    assert_eq!(idp.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_known_keys_serve_and_unknown_ones_are_not_refused() {
    let idp = Idp::with(&["a"]);
    let provider = idp.provider();
    ask(&provider, "a").await.unwrap();
    idp.stop();
    assert!(is_unavailable(ask(&provider, "b").await));
    assert_eq!(ask(&provider, "a").await, Ok(1));
    assert!(is_unavailable(ask(&provider, "c").await));

    let asked = idp.fetches();
    sleep(Duration::from_mins(5)).await;
    let retries = idp.fetches() - asked;
    assert!((9..=20).contains(&retries), "asked {retries} times in five minutes");

    idp.serve(&["a", "b"]);
    sleep(Duration::from_secs(40)).await;
    assert_eq!(ask(&provider, "b").await, Ok(2));
    assert_eq!(ask(&provider, "c").await, Err(NoKey::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_provider_may_be_away_at_the_start() {
    let idp = Idp::with(&["a"]);
    idp.stop();
    let provider = idp.provider();
    assert!(is_unavailable(ask(&provider, "a").await));
    idp.serve(&["a"]);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(ask(&provider, "a").await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn keys_are_believed_for_a_day_without_their_provider() {
    let idp = Idp::with(&["a"]);
    let provider = idp.provider();
    ask(&provider, "a").await.unwrap();
    idp.stop();
    sleep(KEEP.saturating_sub(Duration::from_mins(1))).await;
    assert_eq!(ask(&provider, "a").await, Ok(1));
    assert_eq!(provider.version(), Some(1));
    sleep(Duration::from_mins(1)).await;
    assert!(is_unavailable(ask(&provider, "a").await));
    assert_eq!(provider.version(), None);
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_anew_unasked() {
    let idp = Idp::with(&["a"]);
    let provider = idp.provider();
    ask(&provider, "a").await.unwrap();
    sleep(Duration::from_hours(1)).await;
    assert!((5..=7).contains(&idp.fetches()), "{}", idp.fetches());
    assert_eq!(provider.version(), Some(1), "the same keys are no change");

    idp.serve(&["b"]);
    sleep(Duration::from_mins(12)).await;
    assert_eq!(provider.version(), Some(2));
    assert_eq!(ask(&provider, "b").await, Ok(2));
    assert_eq!(ask(&provider, "a").await, Err(NoKey::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answers_holds_nobody_for_long() {
    let pending = Box::new(|| -> futures_util::future::BoxFuture<'static, _> {
        Box::pin(std::future::pending())
    });
    let provider = Provider::start_with(source(), pending);
    let began = tokio::time::Instant::now();
    assert!(is_unavailable(ask(&provider, "a").await));
    assert_eq!(began.elapsed().as_secs(), 5);
    // Whoever comes later does not wait at all.
    sleep(Duration::from_secs(2)).await;
    let began = tokio::time::Instant::now();
    assert!(is_unavailable(ask(&provider, "a").await));
    assert!(began.elapsed().is_zero());
}
