//! `cwsgate doctor`: does each customer's credential work at Citrix?

use std::{
    io::{self, Write},
    path::Path,
};

use serde_json::{Value, json};

use super::{Exit, complain};
use crate::{
    app::{Checkup, Step, diagnose},
    config::{Config, Environment, LoadOptions, Severity},
};

/// Examines the customers of the configuration file `path`, or the one called `only`.
pub async fn run(
    path: &Path,
    environment: &Environment,
    options: LoadOptions,
    only: Option<&str>,
    json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    // Whoever examines credentials need not be ready to serve callers yet.
    let loaded = Config::load(path, environment, LoadOptions { allow_anonymous: true, ..options });
    for finding in loaded.findings.iter().filter(|finding| finding.severity > Severity::Warning) {
        // Whether or not somebody reads it, the exit code says the same.
        let _ = writeln!(io::stderr(), "{finding}");
    }
    let Some(config) = loaded.config else { return Ok(Exit::Configuration) };
    let checkups = diagnose(&config, only).await.map_err(io::Error::other)?;
    if json {
        let customers: Vec<Value> = checkups.iter().map(as_json).collect();
        writeln!(out, "{}", json!({ "customers": customers }))?;
    } else {
        checkups.iter().try_for_each(|checkup| write_text(checkup, out))?;
    }
    let unusable = config.misconfigured.len();
    let well = checkups.iter().filter(|checkup| checkup.is_well()).count();
    if let (Some(name), true) = (only, checkups.is_empty()) {
        complain(format_args!("no usable customer is called {name:?}"));
        return Ok(Exit::Configuration);
    }
    Ok(match (well, checkups.len() + unusable) {
        (well, all) if well == all => Exit::Done,
        (0, _) => Exit::Failed,
        _ => Exit::Partly,
    })
}

fn write_text(checkup: &Checkup, out: &mut impl Write) -> io::Result<()> {
    let Checkup { customer, id, region, steps } = checkup;
    writeln!(out, "{customer} ({id}, region {region})")?;
    for Step { name, outcome } in steps {
        match outcome {
            Ok(found) => writeln!(out, "  ok    {name}: {found}")?,
            Err(trouble) => {
                writeln!(out, "  FAIL  {name}: {}", trouble.detail)?;
                writeln!(out, "        {}", trouble.fix)?;
            }
        }
    }
    Ok(())
}

fn as_json(checkup: &Checkup) -> Value {
    let steps: Vec<Value> = checkup
        .steps
        .iter()
        .map(|Step { name, outcome }| match outcome {
            Ok(found) => json!({ "step": name, "ok": true, "detail": found }),
            Err(trouble) => {
                json!({ "step": name, "ok": false, "detail": trouble.detail, "fix": trouble.fix })
            }
        })
        .collect();
    json!({
        "customer": checkup.customer,
        "id": checkup.id,
        "region": checkup.region,
        "ok": checkup.is_well(),
        "steps": steps,
    })
}
