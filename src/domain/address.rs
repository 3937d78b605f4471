use std::net::{IpAddr, SocketAddr};

use url::Host;

/// Address of the other end of a connection. Behind a proxy this is the proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerAddr(pub SocketAddr);

/// Address from which a client calls: the peer's, or what a trusted proxy says of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ClientAddr(pub IpAddr);

/// Whether a URL with this host stays on this machine whatever a name server says, but for
/// `localhost`.
pub fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    }
}
