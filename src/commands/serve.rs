//! `cwsgate serve`: the gateway.

use std::{
    io::{self, Write},
    path::Path,
};

use serde_json::json;

use super::{Exit, signals};
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
            eprintln!("{finding}");
        }
        eprintln!("cwsgate: not started: the configuration has errors");
        return Ok(Exit::Configuration);
    };
    if let Err(error) = telemetry::init(&config.log) {
        eprintln!("cwsgate: {error}");
        return Ok(Exit::Configuration);
    }
    for finding in &loaded.findings {
        match finding.severity {
            Severity::Warning => tracing::warn!(%finding, "configuration"),
            Severity::Customer | Severity::Error => tracing::error!(%finding, "configuration"),
        }
    }
    let choices = Options { unsafe_allow_anonymous: options.allow_anonymous };
    let shutdown = signals::shutdown();
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
