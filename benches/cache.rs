//! What a kept answer costs: `cargo bench --bench cache`.
//!
//! First the memory that 100,000 kept answers of about 1 KB of JSON take, measured from outside and
//! by the cache's own account, then the time of a hit.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use cwsgate::{
    cache::{Cache, Class, FetchError, Key},
    config::{self, ClientSecret, Customer},
    domain::{
        AppName, AuthMethod, CallContext, CustomerId, CustomerName, Machine, Principal, Reference,
        RegionName, RequestId, SystemClock,
    },
    telemetry::Metrics,
};
use divan::{Bencher, black_box};
use futures_util::FutureExt;
use secrecy::SecretString;
use tokio::{runtime::Runtime, time::Instant};

#[derive(Clone, Debug)]
struct Never;

impl FetchError for Never {
    fn is_outage(&self) -> bool {
        false
    }
}

fn main() {
    memory();
    divan::main();
}

fn memory() {
    let (runtime, cache) = (Runtime::new().expect("a runtime can be had"), cache());
    let json = serde_json::to_vec(&machine(0)).expect("a machine can be written").len();
    let before = resident();
    runtime.block_on(async {
        for number in 0..ENTRIES {
            read(&cache, number).await;
        }
    });
    let measured = resident().saturating_sub(before) / ENTRIES;
    let accounted = usize::try_from(cache.bytes()).unwrap_or(usize::MAX) / ENTRIES;
    println!(
        "{ENTRIES} machines of {json} bytes of JSON: {measured} bytes each, accounted {accounted}"
    );
}

/// A hit, with the clone of the value that every answer makes.
#[divan::bench]
fn a_hit(bencher: Bencher<'_, '_>) {
    let (runtime, cache) = (Runtime::new().expect("a runtime can be had"), cache());
    runtime.block_on(read(&cache, 7));
    let (customer, ctx) = (customer(), context());
    bencher.bench(|| {
        let key = Key::new(black_box(&customer), None, Class::Machines, "one", &["7"]);
        let fetch = |_: CallContext| async { Err::<Machine, _>(Never) }.boxed();
        let found = cache.read(&ctx, &key, fetch).now_or_never();
        found.expect("a hit does not wait").expect("it is kept").value.as_ref().clone()
    });
}

async fn read(cache: &Cache<Never>, number: usize) {
    let key = Key::new(&customer(), None, Class::Machines, "one", &[&number.to_string()]);
    let fetch = move |_: CallContext| async move { Ok(machine(number)) }.boxed();
    cache.read(&context(), &key, fetch).await.expect("the fetch does not fail");
}

fn cache() -> Cache<Never> {
    let hour = Duration::from_hours(1);
    let config = config::Cache {
        max_bytes: 1 << 30,
        ttl: BTreeMap::from([("machines".to_owned(), hour)]),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
    };
    Cache::new(config, Arc::new(SystemClock), Metrics::new())
}

fn customer() -> Customer {
    Customer {
        name: CustomerName::try_from("acme").expect("a name"),
        id: CustomerId::try_from("abcd1024xyz").expect("an id"),
        display_name: String::new(),
        region: RegionName::try_from("us").expect("a name"),
        labels: Vec::new(),
        client_id: "6f1d2c3b-0000-4000-8000-000000000001".to_owned(),
        client_secrets: vec![ClientSecret::new(SecretString::from("secret"), None)],
    }
}

fn context() -> CallContext {
    let app = AppName::try_from("bench").expect("a name");
    let principal = Principal { app, method: AuthMethod::UnsafeAnonymous, subject: None };
    let deadline = Instant::now() + Duration::from_mins(10);
    CallContext::new(Arc::new(principal), deadline, RequestId::generate())
}

/// A machine as Citrix describes it.
fn machine(number: usize) -> Machine {
    let some = |text: &str| Some(text.to_owned());
    let reference = |name: &str| {
        Some(Reference { id: some("0b0a6c0e-8a52-4c7e-9f5b-5d1f3c1b7a44"), name: some(name) })
    };
    Machine {
        id: format!("0b0a6c0e-8a52-4c7e-9f5b-{number:012}"),
        name: Some(format!("DEMOLAB\\KESTREL{number:06}")),
        dns_name: Some(format!("kestrel{number:06}.demolab.example")),
        power_state: some("On"),
        power_action_pending: Some(false),
        supported_power_actions: Some(
            ["PowerOn", "PowerOff", "Shutdown", "Reset", "Restart", "SuspendResume"]
                .map(str::to_owned)
                .to_vec(),
        ),
        registration_state: some("Registered"),
        fault_state: some("None"),
        summary_state: some("Available"),
        in_maintenance_mode: Some(false),
        session_count: Some(0),
        session_support: some("MultiSession"),
        machine_type: some("Virtual"),
        provisioning_type: some("MCS"),
        allocation_type: some("Random"),
        machine_catalog: reference("Win11-Pool"),
        delivery_group: reference("Win11-Pool"),
        assigned_users: Vec::new(),
        associated_users: Vec::new(),
        tags: vec!["canary".to_owned()],
        agent_version: some("2402.0.100.45"),
        os_type: some("Windows 11"),
        last_connection_time: None,
        last_deregistration_time: None,
        last_deregistration_reason: None,
    }
}

/// Bytes of memory that the process has; 0 where the system does not say.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kilobytes.unwrap_or(0) * 1024
}

const ENTRIES: usize = 100_000;
