use std::{
    fs,
    sync::{Arc, Weak},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use super::*;
use crate::config::{Environment, LogFormat};

/// A gateway whose configuration is a file.
struct Running {
    folder: TempDir,
    current: Current,
    control: Control,
    addresses: Addresses,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Running {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("gateway.toml"), config("")).unwrap();
        let path = folder.path().join("gateway.toml");
        let mut source = Source::new(&path, &Environment::default(), false);
        let loaded = source.read(jiff::Timestamp::now());
        let findings = loaded.findings;
        let config = loaded.config.unwrap_or_else(|| panic!("{findings:#?}"));
        let app = App::build(config, &Options::default()).await.unwrap();
        let app = app.reloading(source, findings);
        let shutdown = CancellationToken::new();
        Self {
            folder,
            current: Arc::clone(&app.current),
            control: app.control(),
            addresses: app.addresses().unwrap(),
            serving: tokio::spawn(app.run(shutdown.clone())),
            shutdown,
        }
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("gateway.toml"), text).unwrap();
    }

    /// Reloads and says how it went.
    async fn reload(&self) -> Arc<ReloadState> {
        self.control.reload(Trigger::Signal).await.unwrap()
    }

    fn generation(&self) -> Weak<Generation> {
        Arc::downgrade(&self.current.load_full())
    }
}

fn config(more: &str) -> String {
    format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[apps.tester]\nkeys = [\"cwsgate_hash_Tester000001_\
         00000000000000000000000000000000000000000000000000000000000000ff\"]\n\
         grants = [{{ actions = [\"read\"], customers = [\"*\"] }}]\n\
         [server]\nlisten = \"127.0.0.1:0\"\ndrain_delay = \"0s\"\n{more}"
    )
}

async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn old_generations_go_when_nobody_needs_them() {
    let gateway = Running::start().await;
    // A connection outlives generations and holds none.
    let mut stream = TcpStream::connect(gateway.addresses.admin).await.unwrap();
    assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200 "));

    for expected in 2..6 {
        let old = gateway.generation();
        let witness = Arc::downgrade(&gateway.current.load().authenticator);
        assert!(witness.upgrade().is_some());
        assert_eq!(gateway.reload().await.generation, expected);
        assert!(old.upgrade().is_none(), "generation {} is still about", expected - 1);
        assert!(witness.upgrade().is_none(), "a part of it is still about");
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn what_a_request_began_with_stays_until_its_end() {
    let gateway = Running::start().await;
    let routes = gateway.current.load().public.clone();
    let witness = Arc::downgrade(&gateway.current.load().authenticator);
    gateway.reload().await;
    assert!(witness.upgrade().is_some());
    drop(routes);
    assert!(witness.upgrade().is_none());
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_loud() {
    let gateway = Running::start().await;
    let before = gateway.generation();
    gateway.write("[server]\nlistne = 1\n");

    let state = gateway.reload().await;

    assert_eq!(state.generation, 1);
    assert_eq!(state.last.failure.as_deref(), Some("the configuration has errors"));
    assert!(state.last.findings.iter().any(|finding| finding.key == "server.listne"));
    assert!(before.upgrade().is_some());
    gateway.write(&config(""));
    let state = gateway.reload().await;
    assert_eq!((state.generation, &state.last.failure), (2, &None));
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_the_rest_applies() {
    let gateway = Running::start().await;
    gateway.write(&(config("max_headers = 7\n") + "[log]\nformat = \"text\"\n"));
    let state = gateway.reload().await;
    assert_eq!(state.needs_restart, ["log"]);
    let generation = gateway.current.load_full();
    assert_eq!(generation.config.server.max_headers, 7);
    assert_eq!(generation.config.log.format, LogFormat::Text);

    // Compared with what the process was started with.
    let state = gateway.reload().await;
    assert_eq!(state.needs_restart, ["log"]);
    gateway.write(&config(""));
    assert_eq!(gateway.reload().await.needs_restart, [""; 0]);
}

#[tokio::test]
async fn the_way_to_citrix_is_kept_while_regions_and_its_settings_are() {
    let gateway = Running::start().await;
    let alike = async |more: &str| {
        gateway.write(&config(more));
        let before = gateway.current.load_full();
        gateway.reload().await;
        before.asks_alike(&gateway.current.load().config)
    };
    assert!(alike("max_headers = 7\n").await);
    assert!(!alike("[upstream]\nread_timeout = \"9s\"\n").await);
    assert!(!alike("[regions.eu]\ncore = \"http://127.0.0.1:1\"\n").await);
    assert!(!alike("").await, "back to the first region");
    assert!(alike("").await);
}

#[tokio::test]
async fn a_drain_can_be_asked_for() {
    let gateway = Running::start().await;
    gateway.control.drain().cancel();
    gateway.serving.await.unwrap();
    assert!(!gateway.shutdown.is_cancelled());
}
