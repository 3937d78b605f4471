//! `cwsgate demo`: a gateway over a simulated Citrix, with a key, on loopback.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
};

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Exit, complain, signals, trimmed};
use crate::{
    app::{Addresses, App, Error, Options},
    auth::ApiKey,
    config::{Config, Environment, LoadOptions, Log, LogFormat},
    simulator::{self, Simulator, StoreMethod},
    telemetry,
};

/// Where the demo's gateway listens unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// A gateway over its own simulator, built and not yet running.
#[derive(Debug)]
pub struct Demo {
    /// The gateway.
    pub app: App,
    /// The simulated Citrix.
    pub simulator: Simulator,
    /// A key that may do everything.
    pub key: ApiKey,
}

impl Demo {
    /// Starts a simulator with these options and builds a gateway over it that listens on
    /// `listen`. Every socket is on loopback.
    ///
    /// # Errors
    /// When a socket cannot be bound.
    pub async fn build(listen: SocketAddr, options: simulator::Options) -> io::Result<Self> {
        let simulator = Simulator::start(options).await?;
        let key = ApiKey::generate().map_err(io::Error::other)?;
        let text = gateway_config(listen, &simulator, &key);
        let loaded = Config::parse(
            &text,
            Path::new("."),
            &Environment::default(),
            LoadOptions { now: Timestamp::now(), allow_anonymous: false },
        );
        let Some(config) = loaded.config else {
            let said: Vec<_> = loaded.findings.iter().map(ToString::to_string).collect();
            return Err(io::Error::other(said.join("; ")));
        };
        let app = App::build(config, &Options::default()).await.map_err(|error| match error {
            Error::Bind { ref source, .. } => io::Error::new(source.kind(), error.to_string()),
            other => io::Error::other(other),
        })?;
        Ok(Self { app, simulator, key })
    }
}

/// Demonstrates until SIGTERM or Ctrl-C.
pub async fn run(listen: SocketAddr, json: bool) -> io::Result<Exit> {
    if !listen.ip().is_loopback() {
        complain(format_args!(
            "the demo listens on loopback only, because its key may do everything; \
             use an address such as {DEFAULT_LISTEN}"
        ));
        return Ok(Exit::Usage);
    }
    // Quiet, so that what there is to paste stays in view.
    let log = Log { filter: "warn".to_owned(), format: LogFormat::Auto };
    telemetry::init(&log).map_err(io::Error::other)?;
    let shutdown = signals::shutdown()?;
    let demo = match Demo::build(listen, simulator::Options::default()).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            complain(format_args!("{error}\nTry: cwsgate demo --listen 127.0.0.1:0"));
            return Ok(Exit::Failed);
        }
        other => other?,
    };
    let addresses = demo.app.addresses()?;
    let text = if json { greeting_json(&demo, addresses) } else { greeting(&demo, addresses) };
    let serving = tokio::spawn(demo.app.run(shutdown));
    io::stdout().write_all(text.as_bytes())?;
    io::stdout().flush()?;
    serving.await.map_err(io::Error::other)?;
    demo.simulator.shutdown().await;
    Ok(Exit::Done)
}

/// The part of a configuration that points a gateway at a simulator.
pub fn upstream_config(simulator: &Simulator) -> String {
    let mut text = String::new();
    for (name, url) in simulator.regions() {
        let url = trimmed(&url);
        let _ = writeln!(
            text,
            "[regions.{name}]\napi = {url:?}\nregistry = {url:?}\ncore = {url:?}\n\
             notifications = {url:?}\n"
        );
    }
    for customer in simulator.customers() {
        let _ = writeln!(
            text,
            "[customers.{}]\nid = {:?}\ndisplay_name = {:?}\nregion = {:?}\nlabels = [{:?}]\n\
             client_id = {:?}\nclient_secret = {:?}\n",
            customer.name,
            customer.id,
            customer.display_name,
            customer.region,
            format!("region-{}", customer.region),
            customer.client_id,
            customer.client_secret.expose_secret(),
        );
    }
    for store in simulator.stores() {
        let auth = match store.methods.first() {
            _ if store.name == USERS_STORE => "{ method = \"caller\" }".to_owned(),
            method => format!(
                "{{ method = {:?}, username = {:?}, password = {:?} }}",
                match method {
                    Some(StoreMethod::ExplicitForms) => "explicit-forms",
                    Some(StoreMethod::HttpBasic) | None => "http-basic",
                },
                store.username,
                store.password.expose_secret(),
            ),
        };
        let (name, url) = (&store.name, store.url.as_str());
        let _ = writeln!(text, "[stores.{name}]\nurl = {url:?}\nauth = {auth}\n");
    }
    text
}

/// The demo's store where each caller signs its own users in.
const USERS_STORE: &str = "portal";

fn gateway_config(listen: SocketAddr, simulator: &Simulator, key: &ApiKey) -> String {
    let admin = SocketAddr::new(listen.ip(), 0);
    format!(
        "[server]\nlisten = \"{listen}\"\nsecret = {:?}\ndrain_delay = \"0s\"\n\
         [admin]\nlisten = \"{admin}\"\n\
         [database]\nurl = \"sqlite::memory:\"\n\
         [apps.demo]\nkeys = [\"{}\"]\n\
         [[apps.demo.grants]]\n\
         actions = [\"read\", \"session\", \"power\", \"maintain\", \"notify\", \"write\", \
         \"identity\", \"audit\", \"admin\"]\n\
         customers = [\"*\"]\nstores = [\"*\"]\n\n{}",
        key.expose(),
        key.hash(),
        upstream_config(simulator),
    )
}

fn greeting_json(demo: &Demo, addresses: Addresses) -> String {
    let line = json!({
        "gateway": format!("http://{}", addresses.gateway),
        "admin": format!("http://{}", addresses.admin),
        "simulator": trimmed(&demo.simulator.url()),
        "apiKey": demo.key.expose(),
    });
    format!("{line}\n")
}

fn greeting(demo: &Demo, addresses: Addresses) -> String {
    let Addresses { gateway, admin, .. } = addresses;
    let simulator = trimmed(&demo.simulator.url());
    let key = demo.key.expose();
    format!(
        "cwsgate demo: a gateway over a simulated Citrix. Nothing here is real; Ctrl-C ends it.

  API        http://{gateway}/v1
  Docs       http://{gateway}/docs
  Probes     http://{admin}/readyz, http://{admin}/metrics
  Simulator  {simulator}/_sim (stop a region, inject faults, move the clock)

Paste into another terminal (bash):

  export CWSGATE=http://{gateway} CWSGATE_KEY={key}
  curl -s -H \"Authorization: Bearer $CWSGATE_KEY\" \"$CWSGATE/v1/machines?fields=name,powerState&pageSize=3\"

or (PowerShell):

  $env:CWSGATE = 'http://{gateway}'; $env:CWSGATE_KEY = '{key}'
  Invoke-RestMethod \"$env:CWSGATE/v1/machines?fields=name,powerState&pageSize=3\" -Headers @{{ Authorization = \"Bearer $env:CWSGATE_KEY\" }}
"
    )
}
