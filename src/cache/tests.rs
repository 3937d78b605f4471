use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture, future::join_all};
use proptest::prelude::*;
use secrecy::SecretString;
use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::{
    config::{self, ClientSecret, Customer},
    domain::{
        AppName, AuthMethod, CallContext, CustomerId, CustomerName, Freshness, Principal,
        ReadSource, RegionName, RequestId, SiteId, SystemClock,
    },
    telemetry::Metrics,
};

/// Citrix, in short: says how often it was asked, after a while, as long as nothing is wrong.
#[derive(Clone, Default)]
struct Upstream {
    asked: Arc<AtomicUsize>,
    takes: Duration,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Down,
    Gone,
}

impl FetchError for Fault {
    fn is_outage(&self) -> bool {
        *self == Self::Down
    }
}

impl Upstream {
    fn slow() -> Self {
        Self { takes: SECOND, ..Self::default() }
    }

    fn with(&self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self.clone() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn fetch(
        &self,
    ) -> impl Fn(CallContext) -> BoxFuture<'static, Result<String, Fault>> + Clone + Send + 'static
    {
        let upstream = self.clone();
        move |ctx| {
            let upstream = upstream.clone();
            async move {
                let count = upstream.asked.fetch_add(1, Ordering::SeqCst) + 1;
                ctx.note_upstream_call();
                tokio::time::timeout_at(ctx.deadline, sleep(upstream.takes))
                    .await
                    .map_err(|_| Fault::Down)?;
                upstream.fault.map_or_else(|| Ok(format!("answer {count}")), Err)
            }
            .boxed()
        }
    }
}

fn cache() -> Cache<Fault> {
    sized(1 << 20)
}

fn sized(max_bytes: u64) -> Cache<Fault> {
    let ttl = BTreeMap::from([
        ("machines".to_owned(), 5 * SECOND),
        ("machine-catalogs".to_owned(), 30 * SECOND),
        ("sessions".to_owned(), Duration::ZERO),
    ]);
    let config = config::Cache {
        max_bytes,
        ttl,
        stale_while_revalidate: 30 * SECOND,
        stale_if_error: 600 * SECOND,
    };
    Cache::new(config, Arc::new(SystemClock), Metrics::new())
}

fn customer(id: &str) -> Customer {
    Customer {
        name: CustomerName::try_from("acme").unwrap(),
        id: CustomerId::try_from(id).unwrap(),
        display_name: String::new(),
        region: RegionName::try_from("us").unwrap(),
        labels: Vec::new(),
        client_id: "client".to_owned(),
        client_secrets: vec![ClientSecret::new(SecretString::from("secret"), None)],
    }
}

fn site(name: &str) -> SiteId {
    SiteId::try_from(name).unwrap()
}

fn key(class: Class) -> Key {
    Key::new(&customer("acme"), Some(&site("s-1")), class, "list", &[])
}

fn call() -> CallContext {
    call_within(30 * SECOND)
}

fn call_within(time: Duration) -> CallContext {
    let app = AppName::try_from("test").unwrap();
    let principal = Principal { app, method: AuthMethod::UnsafeAnonymous, subject: None };
    CallContext::new(Arc::new(principal), Instant::now() + time, RequestId::generate())
}

/// The value and where it came from.
async fn read(
    cache: &Cache<Fault>,
    ctx: &CallContext,
    class: Class,
    upstream: &Upstream,
) -> (String, ReadSource) {
    let found = cache.read(ctx, &key(class), upstream.fetch()).await.unwrap();
    (found.value.to_string(), found.reading.source)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_as_long_as_it_is_fresh() {
    let (cache, upstream) = (cache(), Upstream::default());
    let read = async || read(&cache, &call(), Class::Machines, &upstream).await;
    assert_eq!(read().await, ("answer 1".into(), ReadSource::Miss));
    advance(Duration::from_millis(4900)).await;
    assert_eq!(read().await, ("answer 1".into(), ReadSource::Hit));
    advance(Duration::from_millis(200)).await;
    assert_eq!(read().await, ("answer 2".into(), ReadSource::Miss));
}

#[tokio::test(start_paused = true)]
async fn a_reading_says_how_old_it_is_and_how_long_it_stays_fresh() {
    let (cache, upstream) = (cache(), Upstream::slow());
    let find = async || cache.read(&call(), &key(Class::Machines), upstream.fetch()).await.unwrap();
    assert_eq!(find().await.reading.age, SECOND);
    advance(2 * SECOND).await;
    let reading = find().await.reading;
    assert_eq!((reading.age, reading.fresh_for), (3 * SECOND, 3 * SECOND));
    assert!(!reading.is_stale());
}

#[tokio::test(start_paused = true)]
async fn what_is_a_little_too_old_is_answered_while_one_fetch_renews_it() {
    let (cache, upstream) = (cache(), Upstream::slow());
    let read = async || read(&cache, &call(), Class::MachineCatalogs, &upstream).await;
    read().await;
    advance(31 * SECOND).await;
    assert_eq!(read().await, ("answer 1".into(), ReadSource::Renewing));
    assert_eq!(read().await, ("answer 1".into(), ReadSource::Renewing));
    sleep(2 * SECOND).await;
    assert_eq!(read().await, ("answer 2".into(), ReadSource::Hit));
    assert_eq!(upstream.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn machines_are_never_answered_stale_while_they_can_be_asked_for() {
    let (cache, upstream) = (cache(), Upstream::default());
    let read = async || read(&cache, &call(), Class::Machines, &upstream).await;
    read().await;
    advance(6 * SECOND).await;
    assert_eq!(read().await, ("answer 2".into(), ReadSource::Miss));
}

#[tokio::test(start_paused = true)]
async fn an_older_answer_stands_in_for_an_outage_and_only_for_a_while() {
    let (cache, upstream) = (cache(), Upstream::default());
    read(&cache, &call(), Class::Machines, &upstream).await;
    let down = upstream.with(Fault::Down);
    advance(300 * SECOND).await;
    let (value, source) = read(&cache, &call(), Class::Machines, &down).await;
    assert_eq!((value.as_str(), source), ("answer 1", ReadSource::Fallback));
    advance(400 * SECOND).await;
    let error = cache.read(&call(), &key(Class::Machines), down.fetch()).await.unwrap_err();
    assert!(matches!(error, ReadError::Fetch(Fault::Down)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_no_ends_what_was_kept() {
    let (cache, upstream) = (cache(), Upstream::default());
    read(&cache, &call(), Class::Machines, &upstream).await;
    advance(6 * SECOND).await;
    for fault in [Fault::Gone, Fault::Down] {
        let fetch = upstream.with(fault).fetch();
        let error = cache.read(&call(), &key(Class::Machines), fetch).await.unwrap_err();
        assert!(matches!(error, ReadError::Fetch(f) if f == fault), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_not_kept() {
    let (cache, upstream) = (cache(), Upstream::default());
    let fetch = upstream.with(Fault::Down).fetch();
    cache.read(&call(), &key(Class::Machines), fetch).await.unwrap_err();
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.0, "answer 2");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_equal_reads_are_one_fetch_even_when_the_first_leaves() {
    let (cache, upstream) = (cache(), Upstream::slow());
    let mut callers: Vec<_> = (0..100)
        .map(|_| {
            let (cache, upstream) = (cache.clone(), upstream.clone());
            tokio::spawn(async move { read(&cache, &call(), Class::Machines, &upstream).await.0 })
        })
        .collect();
    advance(SECOND / 2).await;
    let first = callers.remove(0);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    for answer in join_all(callers).await {
        assert_eq!(answer.unwrap(), "answer 1");
    }
    assert_eq!(upstream.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_nobody_waits_for_ends() {
    let (cache, upstream) = (cache(), Upstream::slow());
    let caller = {
        let (cache, upstream) = (cache.clone(), upstream.clone());
        tokio::spawn(async move { read(&cache, &call(), Class::Machines, &upstream).await })
    };
    advance(SECOND / 2).await;
    caller.abort();
    sleep(5 * SECOND).await;
    // The first fetch left nothing behind.
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.0, "answer 2");
}

#[tokio::test(start_paused = true)]
async fn each_waiter_has_its_own_deadline() {
    let (cache, upstream) = (cache(), Upstream::slow());
    let patient = {
        let (cache, upstream) = (cache.clone(), upstream.clone());
        tokio::spawn(async move { read(&cache, &call(), Class::Machines, &upstream).await.0 })
    };
    tokio::task::yield_now().await;
    let ctx = call_within(SECOND / 10);
    let began = Instant::now();
    let fetch = upstream.fetch();
    let error = cache.read(&ctx, &key(Class::Machines), fetch).await.unwrap_err();
    assert!(matches!(error, ReadError::TimedOut { asked: true }), "{error:?}");
    assert_eq!(began.elapsed(), SECOND / 10);
    assert_eq!(patient.await.unwrap(), "answer 1");
    assert_eq!(upstream.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_has_time_left_asks_again_when_the_first_ones_time_was_too_short() {
    let (cache, upstream) = (cache(), Upstream::slow());
    let hasty = {
        let (cache, upstream) = (cache.clone(), upstream.clone());
        let ctx = call_within(SECOND / 10);
        tokio::spawn(async move { cache.read(&ctx, &key(Class::Machines), upstream.fetch()).await })
    };
    tokio::task::yield_now().await;
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.0, "answer 2");
    let error = hasty.await.unwrap().unwrap_err();
    assert!(matches!(error, ReadError::Fetch(Fault::Down)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_write_is_not_used_after_it() {
    let (cache, upstream) = (cache(), Upstream::slow());
    read(&cache, &call(), Class::Machines, &upstream).await;
    let writing = cache.writing(&customer("acme"), Some(&site("s-1")));
    // Read while the write lasts: whether it saw the change, nobody knows.
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.0, "answer 2");
    drop(writing);
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.0, "answer 3");
    let elsewhere = cache.writing(&customer("acme"), Some(&site("s-2")));
    let stranger = cache.writing(&customer("globex"), None);
    drop((elsewhere, stranger));
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.1, ReadSource::Hit);
    drop(cache.writing(&customer("acme"), None));
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.0, "answer 4");
}

#[tokio::test(start_paused = true)]
async fn writes_beyond_number_end_everything_that_was_read_before_them() {
    let (cache, upstream) = (cache(), Upstream::default());
    read(&cache, &call(), Class::Machines, &upstream).await;
    for number in 0..20_001 {
        drop(cache.writing(&customer(&format!("c{number}")), None));
    }
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.0, "answer 2");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_began_before_a_write_is_neither_joined_nor_kept_after_it() {
    let (cache, upstream) = (cache(), Upstream::slow());
    let early = {
        let (cache, upstream) = (cache.clone(), upstream.clone());
        tokio::spawn(async move { read(&cache, &call(), Class::Machines, &upstream).await.0 })
    };
    advance(SECOND / 2).await;
    drop(cache.writing(&customer("acme"), Some(&site("s-1"))));
    let late = read(&cache, &call(), Class::Machines, &upstream).await;
    assert_eq!(late, ("answer 2".into(), ReadSource::Miss));
    assert_eq!(early.await.unwrap(), "answer 1");
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.0, "answer 2");
}

#[tokio::test(start_paused = true)]
async fn who_wants_it_fresh_joins_nobody_and_leaves_the_answer_to_the_others() {
    let (cache, upstream) = (cache(), Upstream::slow());
    let early = {
        let (cache, upstream) = (cache.clone(), upstream.clone());
        tokio::spawn(async move { read(&cache, &call(), Class::Machines, &upstream).await.0 })
    };
    advance(SECOND / 2).await;
    let fresh = read(&cache, &call().fresh(), Class::Machines, &upstream).await;
    assert_eq!(fresh, ("answer 2".into(), ReadSource::Requested));
    assert_eq!(early.await.unwrap(), "answer 1");
    // The older answer came first and does not push the newer one out.
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.0, "answer 2");
    let again = read(&cache, &call().fresh(), Class::Machines, &upstream).await;
    assert_eq!(again.0, "answer 3");
}

#[tokio::test(start_paused = true)]
async fn a_slow_older_answer_does_not_replace_a_newer_one() {
    let (cache, upstream) = (cache(), Upstream::slow());
    let slower = Upstream { takes: 3 * SECOND, ..upstream.clone() };
    let early = {
        let cache = cache.clone();
        tokio::spawn(async move { read(&cache, &call(), Class::Machines, &slower).await.0 })
    };
    advance(SECOND / 2).await;
    assert_eq!(read(&cache, &call().fresh(), Class::Machines, &upstream).await.0, "answer 2");
    assert_eq!(early.await.unwrap(), "answer 1");
    let kept = read(&cache, &call(), Class::Machines, &upstream).await;
    assert_eq!(kept, ("answer 2".into(), ReadSource::Hit));
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_say_how_old_an_answer_may_be() {
    let (cache, upstream) = (cache(), Upstream::default());
    let wanting = |freshness| call().wanting(freshness);
    read(&cache, &call(), Class::MachineCatalogs, &upstream).await;
    advance(10 * SECOND).await;
    let young = wanting(Freshness::MaxAge(11 * SECOND));
    assert_eq!(read(&cache, &young, Class::MachineCatalogs, &upstream).await.0, "answer 1");
    let younger = wanting(Freshness::MaxAge(9 * SECOND));
    assert_eq!(read(&cache, &younger, Class::MachineCatalogs, &upstream).await.0, "answer 2");
    // Fresh is what is asked for here, so that a stale one is none.
    advance(35 * SECOND).await;
    let old = wanting(Freshness::MaxAge(60 * SECOND));
    assert_eq!(read(&cache, &old, Class::MachineCatalogs, &upstream).await.0, "answer 3");
}

#[tokio::test(start_paused = true)]
async fn only_kept_answers_are_given_to_who_wants_no_others() {
    let (cache, upstream) = (cache(), Upstream::default());
    let kept_only = |most| call().wanting(Freshness::OnlyIfCached(most));
    for class in [Class::Machines, Class::Sessions] {
        let fetch = upstream.fetch();
        let error = cache.read(&kept_only(None), &key(class), fetch).await.unwrap_err();
        assert!(matches!(error, ReadError::NotCached), "{error:?}");
    }
    assert_eq!(upstream.asked(), 0);
    read(&cache, &call(), Class::Machines, &upstream).await;
    advance(2 * SECOND).await;
    let found = read(&cache, &kept_only(None), Class::Machines, &upstream).await;
    assert_eq!(found, ("answer 1".into(), ReadSource::Hit));
    let fetch = upstream.fetch();
    let ctx = kept_only(Some(SECOND));
    cache.read(&ctx, &key(Class::Machines), fetch).await.unwrap_err();
    assert_eq!(upstream.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_kept_for_no_time_is_asked_for_each_time() {
    let (cache, upstream) = (cache(), Upstream::default());
    for count in 1..=3 {
        let found = read(&cache, &call(), Class::Sessions, &upstream).await;
        assert_eq!(found, (format!("answer {count}"), ReadSource::Bypassed));
    }
    assert_eq!(cache.bytes(), 0);
    let fetch = upstream.with(Fault::Down).fetch();
    cache.read(&call(), &key(Class::Sessions), fetch).await.unwrap_err();
}

#[tokio::test]
async fn no_more_bytes_are_kept_than_there_is_room_for() {
    let room = 64 * 1024;
    let cache = sized(room);
    let big = "x".repeat(4096);
    let fetch = move |_: CallContext| {
        let big = big.clone();
        async move { Ok::<_, Fault>(big) }.boxed()
    };
    for number in 0..200 {
        let number = number.to_string();
        let key = Key::new(&customer("acme"), None, Class::Machines, "one", &[&number]);
        cache.read(&call(), &key, fetch.clone()).await.unwrap();
        assert!(cache.bytes() <= room, "{} after {number}", cache.bytes());
    }
    assert!(cache.bytes() > room / 2, "{} of {room} used", cache.bytes());
    // An answer that is larger than everything else together leaves the others alone.
    let huge = "x".repeat(1 << 20);
    let fetch = move |_: CallContext| {
        let huge = huge.clone();
        async move { Ok::<_, Fault>(huge) }.boxed()
    };
    let key = Key::new(&customer("acme"), None, Class::Machines, "huge", &[]);
    cache.read(&call(), &key, fetch).await.unwrap();
    assert!(cache.bytes() <= room, "{}", cache.bytes());
}

#[tokio::test]
async fn a_broken_fetch_fails_all_who_wait_and_the_next_one_works() {
    let (cache, upstream) = (cache(), Upstream::default());
    let fetch = |_: CallContext| async { panic!("broken") }.boxed();
    let error = cache.read::<String, _>(&call(), &key(Class::Machines), fetch).await.unwrap_err();
    assert!(matches!(error, ReadError::Broken), "{error:?}");
    assert_eq!(read(&cache, &call(), Class::Machines, &upstream).await.0, "answer 1");
}

#[tokio::test]
async fn an_answer_of_the_simulator_stays_one_and_counts_as_asked_once() {
    let cache = cache();
    let fetch = |ctx: CallContext| {
        async move {
            ctx.note_upstream_call();
            ctx.note_simulated();
            Ok::<_, Fault>(String::new())
        }
        .boxed()
    };
    let first = call();
    cache.read(&first, &key(Class::Machines), fetch).await.unwrap();
    assert!(first.asked_upstream() && first.simulated());
    let second = call();
    cache.read(&second, &key(Class::Machines), fetch).await.unwrap();
    assert!(!second.asked_upstream() && second.simulated());
}

#[test]
fn another_secret_is_another_credential() {
    let old = customer("acme");
    let mut new = customer("acme");
    new.client_secrets = vec![ClientSecret::new(SecretString::from("changed"), None)];
    let key = |customer| Key::new(customer, None, Class::Sites, "list", &[]);
    assert_ne!(key(&old), key(&new));
}

prop_compose! {
    /// What could slide from one part of a key into the next.
    fn part()(text in "[0-9:;a]{0,6}") -> String { text }
}

prop_compose! {
    fn question()(
        (region, id, site) in ("[a-b0-9]{1,3}", "[a-b0-9]{1,3}", "[a-b0-9]{1,3}"),
        (client, resource) in (part(), part()),
        query in proptest::collection::vec(part(), 0..3),
        class in 0..Class::ALL.len(),
    ) -> (String, String, String, String, String, Vec<String>, usize) {
        (region, id, site, client, resource, query, class)
    }
}

fn key_of(question: &(String, String, String, String, String, Vec<String>, usize)) -> Key {
    let (region, id, site, client, resource, query, class) = question;
    let mut customer = customer(id);
    customer.region = RegionName::try_from(region.as_str()).unwrap();
    customer.client_id.clone_from(client);
    let site = SiteId::try_from(site.as_str()).unwrap();
    let query: Vec<_> = query.iter().map(String::as_str).collect();
    Key::new(&customer, Some(&site), Class::ALL[*class], resource, &query)
}

proptest! {
    #[test]
    fn two_questions_never_have_one_key(a in question(), b in question()) {
        prop_assert_eq!(a == b, key_of(&a).text() == key_of(&b).text());
    }

    #[test]
    fn a_change_touches_its_own_customer_and_site_alone(a in question(), b in question()) {
        let (one, other) = (key_of(&a), key_of(&b));
        let same_customer = (&a.0, &a.1) == (&b.0, &b.1);
        prop_assert_eq!(one.customer_scope() == other.customer_scope(), same_customer);
        let same_site = same_customer && a.2 == b.2;
        prop_assert_eq!(one.site_scope() == other.site_scope(), same_site);
    }
}

const SECOND: Duration = Duration::from_secs(1);
