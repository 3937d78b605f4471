//! `cwsgate serve`: the gateway.

use std::{
    io::{self, Write},
    path::Path,
};

use serde_json::json;

use super::{Exit, complain, signals};
use crate::{
    api::Trigger,
    app::{App, Options, report_findings},
    config::{Environment, LoadOptions, Source},
    telemetry,
};

/// Serves the configuration file `path` until SIGTERM or Ctrl-C.
pub async fn run(
    path: &Path,
    environment: &Environment,
    options: LoadOptions,
    json: bool,
) -> io::Result<Exit> {
    let mut source = Source::new(path, environment, options.allow_anonymous);
    let loaded = source.read(options.now);
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
    report_findings(&loaded.findings);
    if options.allow_anonymous {
        tracing::warn!("anybody who reaches the listener may do everything, without a credential");
    }
    let choices = Options { unsafe_allow_anonymous: options.allow_anonymous };
    let shutdown = signals::shutdown()?;
    let app = App::build(config, &choices).await.map_err(io::Error::other)?;
    let app = app.reloading(source, loaded.findings);
    signals::on_hangup({
        let control = app.control();
        move || {
            let control = control.clone();
            async move { drop(control.reload(Trigger::Signal).await) }
        }
    })?;
    let addresses = app.addresses()?;
    if json {
        let line = json!({
            "gateway": addresses.gateway_url(),
            "admin": addresses.admin_url(),
        });
        writeln!(io::stdout(), "{line}")?;
    }
    let (gateway, admin) = (addresses.gateway_url(), addresses.admin_url());
    tracing::info!(gateway, admin, "serving");
    app.run(shutdown).await;
    Ok(Exit::Done)
}
