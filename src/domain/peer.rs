use std::net::SocketAddr;

/// Address of the other end of the connection, as a request extension. Behind a proxy this is
/// the proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerAddr(pub SocketAddr);
