//! Files that are broken, over and over, while callers come and go.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cwsgate::{
    auth::ApiKey,
    config::{Config, Environment, LoadOptions},
};
use fastrand::Rng;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::{task::JoinSet, time::sleep};

use super::serving::{Serving, until};

/// Callers that get what they should, and one who gets nothing, whatever happens to the files.
struct Callers {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    all: JoinSet<()>,
}

impl Callers {
    fn of(gateway: &Serving) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (ours, stranger) = (gateway.key.expose(), ApiKey::generate().unwrap());
        let mut all = JoinSet::new();
        for (key, path, status) in [
            (ours, "/v1/customers/acme/sites", 200),
            (ours, "/v1/whoami", 200),
            (ours, "/v1/stores", 200),
            (stranger.expose(), "/v1/whoami", 401),
        ] {
            let (client, url) = (gateway.client.clone(), format!("{}{path}", gateway.url));
            let (key, stop, answered) = (key.to_owned(), Arc::clone(&stop), Arc::clone(&answered));
            all.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.get(&url).bearer_auth(&key).send().await.unwrap();
                    assert_eq!(answer.status(), status, "{url}");
                    answer.text().await.unwrap();
                    answered.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(5)).await;
                }
            });
        }
        Self { stop, answered, all }
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(caller) = self.all.join_next().await {
            caller.unwrap();
        }
        assert!(self.answered.load(Ordering::Relaxed) > 100);
    }
}

/// A copy of a file in which something is wrong, or may be.
fn mutated(good: &str, random: &mut Rng) -> Vec<u8> {
    let mut lines: Vec<&str> = good.lines().collect();
    let line = random.usize(..lines.len());
    match random.u8(..7) {
        0 => good.as_bytes()[..random.usize(..good.len())].to_vec(),
        1 => {
            let mut bytes = good.as_bytes().to_vec();
            for _ in 0..random.usize(1..20) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes
        }
        2 => {
            let key = lines[line].split(" = ").next().unwrap_or_default();
            let value = ["7", "true", "[[]]", "{ a = 1 }", "\"\"", "1e9", "-1"];
            let wrong = format!("{key} = {}", value[random.usize(..value.len())]);
            lines[line] = &wrong;
            lines.join("\n").into_bytes()
        }
        3 => {
            lines.remove(line);
            lines.join("\n").into_bytes()
        }
        4 => {
            lines.insert(line, lines[line]);
            lines.join("\n").into_bytes()
        }
        5 => format!("include = [\"not-there.toml\"]\n{good}").into_bytes(),
        _ => (0..random.usize(..4000)).map(|_| random.u8(..)).collect(),
    }
}

/// Ways in which a file gets its content.
fn put(gateway: &Serving, name: &str, content: &[u8], random: &mut Rng) {
    let path = gateway.path(name);
    match random.u8(..3) {
        // As an editor does that takes its time.
        0 => {
            let half = random.usize(..=content.len());
            let mut file = fs::File::create(&path).unwrap();
            file.write_all(&content[..half]).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            file.write_all(&content[half..]).unwrap();
        }
        // As a careful one does.
        1 => {
            fs::write(gateway.path("next"), content).unwrap();
            fs::rename(gateway.path("next"), path).unwrap();
        }
        // As Kubernetes does with what it mounts.
        _ => {
            let version = format!("version-{}", random.u64(..));
            fs::create_dir(gateway.path(&version)).unwrap();
            fs::write(gateway.path(&version).join("file"), content).unwrap();
            let link = gateway.path("next-link");
            symlink(gateway.path(&version).join("file"), &link).unwrap();
            fs::rename(link, path).unwrap();
        }
    }
}

/// Whether this would be a configuration in the place of the main file.
fn is_usable(gateway: &Serving, content: &[u8]) -> bool {
    let candidate = gateway.path("candidate.toml");
    fs::write(&candidate, content).unwrap();
    let options = LoadOptions { now: jiff::Timestamp::now(), allow_anonymous: false };
    Config::load(&candidate, &Environment::default(), options).config.is_some()
}

async fn generation(gateway: &Serving) -> Value {
    gateway.reload_state().await["generation"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_broken_configuration_is_noticed_by_any_caller() {
    let gateway = Serving::start("").await;
    let good = fs::read_to_string(gateway.path("gateway.toml")).unwrap();
    assert!(is_usable(&gateway, good.as_bytes()));
    gateway.get("/v1/customers/acme/sites").await.ok(200);
    let callers = Callers::of(&gateway);
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = Rng::with_seed(seed);

    let mut rounds = 0;
    while rounds < ROUNDS {
        let content = mutated(&good, &mut random);
        // What is still a configuration may well be taken over.
        if is_usable(&gateway, &content) {
            continue;
        }
        put(&gateway, "gateway.toml", &content, &mut random);
        match rounds % 4 {
            0 => {
                let state = gateway.admin(Method::POST, "/actions/reload").await.ok(200);
                assert_eq!(state["last"]["outcome"], "failed", "{state}");
            }
            1 => gateway.program.signal("HUP").await,
            _ => {}
        }
        sleep(Duration::from_millis(50)).await;
        assert_eq!(generation(&gateway).await, 1, "{:?}", String::from_utf8_lossy(&content));
        rounds += 1;
    }

    callers.end().await;
    gateway.write("gateway.toml", &good);
    until(async || (gateway.reload_state().await["last"]["outcome"] == "applied").then_some(()))
        .await;
    gateway.get("/v1/customers/acme/sites").await.ok(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_broken_file_of_a_customer_is_noticed_by_the_others() {
    let gateway = Serving::start("").await;
    let known = gateway.simulator.customer("acme").unwrap();
    gateway.write("northwind.secret", known.client_secret.expose_secret());
    let good = format!(
        "# The newest one.\n[customers.northwind]\nid = \"northwind-x\"\nregion = {:?}\nlabels = [\"new\"]\n\
         client_id = {:?}\nclient_secret = {{ file = \"../northwind.secret\" }}\n",
        known.region, known.client_id
    );
    gateway.write("customers.d/northwind.toml", &good);
    gateway.admin(Method::POST, "/actions/reload").await.ok(200);
    let callers = Callers::of(&gateway);
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = Rng::with_seed(seed);

    for round in 0..ROUNDS {
        let content = mutated(&good, &mut random);
        put(&gateway, "customers.d/northwind.toml", &content, &mut random);
        if round % 2 == 0 {
            gateway.admin(Method::POST, "/actions/reload").await.ok(200);
        }
        sleep(Duration::from_millis(50)).await;
    }

    callers.end().await;
    gateway.write("customers.d/northwind.toml", &good);
    gateway.admin(Method::POST, "/actions/reload").await.ok(200);
    let customer = gateway.get("/v1/customers/northwind").await.ok(200);
    assert_eq!(customer["credential"]["state"], "empty", "{customer}");
}

/// A few seconds' worth.
const ROUNDS: usize = 40;
