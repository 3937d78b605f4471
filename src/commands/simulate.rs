//! `cwsgate simulate`: the Citrix simulator alone.

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::Path,
};

use serde_json::json;

use super::{Exit, complain, signals};
use crate::simulator::{Options, Scenario, Simulator};

/// Where the simulator's control API listens unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7080";

/// Simulates until SIGTERM or Ctrl-C.
pub async fn run(listen: SocketAddr, scenario: Option<&Path>, json: bool) -> io::Result<Exit> {
    let scenario = match scenario {
        None => Scenario::demo(),
        Some(path) => match read(path) {
            Ok(scenario) => scenario,
            Err(message) => {
                complain(format_args!("{}: {message}", path.display()));
                return Ok(Exit::Configuration);
            }
        },
    };
    let shutdown = signals::shutdown()?;
    let simulator = Simulator::start(Options { listen, ..Options::new(scenario) }).await?;
    let control = super::trimmed(&simulator.url());
    let mut out = io::stdout();
    if json {
        let regions: serde_json::Map<_, _> = simulator
            .regions()
            .into_iter()
            .map(|(name, url)| (name, super::trimmed(&url).into()))
            .collect();
        writeln!(out, "{}", json!({ "simulator": control, "regions": regions }))?;
    } else {
        // Comments, so that all of it can be kept as a file.
        writeln!(out, "# Citrix simulator: {control}/_sim says what it can do")?;
        for (name, url) in simulator.regions() {
            writeln!(out, "#   region {name}: {}", super::trimmed(&url))?;
        }
        writeln!(out, "# Configuration for a gateway in front of it; add an app to it:\n")?;
        writeln!(out, "{}", super::demo::upstream_config(&simulator))?;
    }
    shutdown.cancelled().await;
    simulator.shutdown().await;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<Scenario, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    Scenario::from_json(&text).map_err(|error| error.to_string())
}
