//! Our own API as a client, for the commands that talk to a running gateway.

mod api;
mod events;

use std::{net::SocketAddr, time::Duration};

pub use api::{Api, Fault, Item, LeftOut, Operation, Plan, PlanSummary, Refusal, Skipped, Target};
pub use events::{Event, Events};

use crate::net::{self, ClientOptions};

/// Why a gateway could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no HTTP client.
    #[error(transparent)]
    Client(#[from] net::Error),
    /// Nobody answered.
    #[error("{}", net::fault(_0).as_str())]
    Unreachable(#[from] reqwest::Error),
    /// The gateway did not do it, and says why.
    #[error("{} ({})\n{}", _0.detail, _0.code, _0.fix)]
    Refused(Refusal),
    /// Something answered that speaks another language.
    #[error("the answer (HTTP {0}) is not one of a gateway; check the URL")]
    NotAGateway(u16),
    /// The answer makes no sense.
    #[error("the answer of the gateway cannot be read; is it another version?")]
    Unreadable,
}

/// Whether the gateway with this admin listener says that it is ready.
///
/// # Errors
/// When it does not answer within three seconds.
pub async fn ready(admin: SocketAddr) -> Result<bool, Error> {
    let client = net::client(&ClientOptions::default())?;
    let asked = client.get(format!("http://{admin}/readyz")).timeout(PATIENCE).send().await?;
    Ok(asked.status().is_success())
}

/// How long an answer of a healthy process can take.
const PATIENCE: Duration = Duration::from_secs(3);
