//! Proves each customer's credential against Citrix itself, step by step, changing nothing.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::{Timestamp, fmt::rfc2822};
use tokio::time::Instant;

use super::Error;
pub use crate::services::{Step, Trouble};
use crate::{
    config::{Config, Customer, Region},
    domain::{AppName, AuthMethod, CallContext, PageRequest, Principal, RequestId, SystemClock},
    net::{self, ClientOptions},
    services::sign_in,
    upstream::{NoObserver, Upstream, daas::MachineScope},
};

/// What was found out about one customer.
#[derive(Clone, Debug)]
pub struct Checkup {
    /// Our name of the customer.
    pub customer: String,
    /// Citrix's id of it.
    pub id: String,
    /// Its region.
    pub region: String,
    /// What was tried, in order.
    pub steps: Vec<Step>,
}

impl Checkup {
    /// Whether every step succeeded.
    pub fn is_well(&self) -> bool {
        self.steps.iter().all(|step| step.outcome.is_ok())
    }
}

/// Examines every usable customer of the configuration, or the one called `only`, all at once.
///
/// # Errors
/// When no HTTP client can be built.
pub async fn diagnose(config: &Config, only: Option<&str>) -> Result<Vec<Checkup>, Error> {
    let clock = Arc::new(SystemClock);
    let upstream = Upstream::new(&config.regions, &config.upstream, clock, Arc::new(NoObserver))?;
    let client = net::client(&ClientOptions::default())?;
    let chosen = config.customers.values().filter(|customer| {
        only.is_none_or(|name| name == customer.name.as_str() || name == customer.id.as_str())
    });
    let checkups = chosen.filter_map(|customer| {
        let region = config.regions.get(&customer.region)?;
        Some(examine(&upstream, &client, region, Arc::new(customer.clone())))
    });
    Ok(join_all(checkups).await)
}

async fn examine(
    upstream: &Upstream,
    client: &reqwest::Client,
    region: &Region,
    customer: Arc<Customer>,
) -> Checkup {
    let ctx = context();
    let steps = host_and_clock(client, region).await;
    let mut checkup = Checkup {
        customer: customer.name.to_string(),
        id: customer.id.to_string(),
        region: customer.region.to_string(),
        steps,
    };
    // Behind a host that does not answer, or without a token, everything else fails alike.
    if !checkup.is_well() {
        return checkup;
    }
    let steps = &mut checkup.steps;
    let (found, site) = sign_in(upstream, &ctx, &customer).await;
    let signed_in = found.iter().all(|step| step.name != "sign-in" || step.outcome.is_ok());
    steps.extend(found);
    if !signed_in {
        return checkup;
    }
    if let Some(site) = site {
        let one = PageRequest { limit: Some(1), continuation: None };
        let all = MachineScope::All;
        let machines = upstream.daas.machines(&ctx, &customer, &site, &all, &one).await;
        steps.push(Step::of("machines", machines.map(|_| "can be listed".to_owned())));
    }
    let locations = upstream.cloud.resource_locations(&ctx, &customer).await;
    steps.push(Step::of("resource locations", locations.map(|found| found.len().to_string())));
    let states = upstream.cloud.service_states(&ctx, &customer).await;
    steps.push(Step::of("service states", states.map(|found| found.len().to_string())));
    checkup
}

/// Whether the region's API host answers at all, and whether its clock agrees with ours.
async fn host_and_clock(client: &reqwest::Client, region: &Region) -> Vec<Step> {
    let began = Instant::now();
    let answer = match client.get(region.api.clone()).timeout(PATIENCE).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let trouble = Trouble {
                detail: format!("{}: {}", region.api, net::fault(&error).as_str()),
                fix: "check the network, the proxy and the firewall in between".to_owned(),
            };
            return vec![Step { name: "host", outcome: Err(trouble) }];
        }
    };
    let took = began.elapsed().as_millis();
    let host = Step { name: "host", outcome: Ok(format!("{} answers in {took} ms", region.api)) };
    let stated = answer.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
    let theirs = stated.and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    let Some(theirs) = theirs else { return vec![host] };
    let skew = Timestamp::now().duration_since(theirs).unsigned_abs();
    let outcome = if skew <= TOLERATED_SKEW {
        Ok(format!("within {} s of Citrix's", skew.as_secs().max(1)))
    } else {
        Err(Trouble {
            detail: format!("{} s away from Citrix's", skew.as_secs()),
            fix: "set this machine's clock, best with NTP".to_owned(),
        })
    };
    vec![host, Step { name: "clock", outcome }]
}

fn context() -> CallContext {
    let app = AppName::try_from("doctor").expect("the name is letters only");
    let principal = Principal { app, method: AuthMethod::CommandLine, subject: None };
    CallContext::new(Arc::new(principal), Instant::now() + PATIENCE * 3, RequestId::generate())
}

/// Longest wait for a host.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clocks that differ by more make tokens look expired or not yet valid.
const TOLERATED_SKEW: Duration = Duration::from_mins(1);
