//! `cwsgate serve`: the gateway.

use std::{
    io::{self, Write},
    path::Path,
};

use serde_json::json;

use super::{Exit, complain, signals};
use crate::{
    app::{App, Options},
    config::{Config, Environment, LoadOptions, Severity},
    telemetry,
};

/// Serves the configuration file `path` until SIGTERM or Ctrl-C.
pub async fn run(
    path: &Path,
    environment: &Environment,
    options: LoadOptions,
    json: bool,
) -> io::Result<Exit> {
    let loaded = Config::load(path, environment, options);
    let Some(config) = loaded.config else {
        for finding in &loaded.findings {
            // Whether or not somebody reads it, the exit code says the same.
            let _ = writeln!(io::stderr(), "{finding}");
        }
        complain("not started: the configuration has errors");
        return Ok(Exit::Configuration);
    };
    if let Err(error) = telemetry::init(&config.log) {
        complain(error);
        return Ok(Exit::Configuration);
    }
    for finding in &loaded.findings {
        match finding.severity {
            Severity::Warning => tracing::warn!(%finding, "configuration"),
            Severity::Customer | Severity::Error => tracing::error!(%finding, "configuration"),
        }
    }
    if config.server.tls.is_some() {
        // Plain HTTP where somebody asked for TLS would put every API key on the wire.
        complain("not started: server.tls is not supported yet; remove it, let a proxy end TLS");
        return Ok(Exit::Configuration);
    }
    for part in unused(&config) {
        tracing::warn!(part, "configured, and not in use in this version");
    }
    if options.allow_anonymous {
        tracing::warn!("anybody who reaches the listener may do everything, without a credential");
    }
    let choices = Options { unsafe_allow_anonymous: options.allow_anonymous };
    let shutdown = signals::shutdown()?;
    let app = App::build(config, &choices).await.map_err(io::Error::other)?;
    let addresses = app.addresses()?;
    if json {
        let line = json!({
            "gateway": format!("http://{}", addresses.gateway),
            "admin": format!("http://{}", addresses.admin),
        });
        writeln!(io::stdout(), "{line}")?;
    }
    tracing::info!(gateway = %addresses.gateway, admin = %addresses.admin, "serving");
    app.run(shutdown).await;
    Ok(Exit::Done)
}

/// What is configured and checked, and used by nothing yet. Who wrote it should not believe that it
/// is in force.
fn unused(config: &Config) -> Vec<&'static str> {
    let mut grants = config.apps.values().flat_map(|app| &app.grants);
    let parts = [("require_reason of grants", grants.any(|grant| grant.require_reason))];
    parts.into_iter().filter(|(_, is_set)| *is_set).map(|(part, _)| part).collect()
}
