//! `cwsgate healthcheck`: is a gateway on this machine ready?

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{Exit, complain};
use crate::{client, config::Environment};

/// Asks the readiness probe. The address is `admin`, else `CWSGATE_ADMIN__LISTEN`, else the
/// default of the configuration.
pub async fn run(admin: Option<SocketAddr>, environment: &Environment) -> io::Result<Exit> {
    let configured = environment.get(VARIABLE).map(str::parse).transpose();
    let address = match (admin, configured) {
        (Some(address), _) | (None, Ok(Some(address))) => address,
        (None, Ok(None)) => DEFAULT_ADMIN,
        (None, Err(_)) => {
            complain(format_args!("{VARIABLE} is not an address such as {DEFAULT_ADMIN}"));
            return Ok(Exit::Failed);
        }
    };
    let address = reachable(address);
    match client::ready(address).await {
        Ok(true) => Ok(Exit::Done),
        Ok(false) => {
            complain(format_args!("the gateway at {address} is not ready"));
            Ok(Exit::Failed)
        }
        Err(error) => {
            complain(format_args!("no gateway answers at {address}: {error}"));
            Ok(Exit::Failed)
        }
    }
}

/// Where a listener on every address can be reached from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

const VARIABLE: &str = "CWSGATE_ADMIN__LISTEN";
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
