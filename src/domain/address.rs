use std::net::{IpAddr, SocketAddr};

/// Address of the other end of a connection. Behind a proxy this is the proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerAddr(pub SocketAddr);

/// Address from which a client calls: the peer's, or what a trusted proxy says of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ClientAddr(pub IpAddr);
