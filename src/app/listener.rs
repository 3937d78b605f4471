use std::{io, net::SocketAddr};

use axum::response::Response;
use tokio::net::{TcpListener, TcpSocket};

use super::Error;
use crate::{
    api,
    domain::ProblemCode,
    server::{Refusal, Server},
};

/// A bound socket and how HTTP is spoken on it.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) server: Server,
}

impl Listener {
    pub(super) fn bind(address: SocketAddr, server: Server) -> Result<Self, Error> {
        let socket = bound(address).map_err(|source| Error::Bind { address, source })?;
        Ok(Self { socket, server })
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart need not wait for the connections of the one before to be forgotten.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connections that may wait for the accept loop. What comes on top is dropped by the kernel, and
/// a client that waits for the other side to speak first never learns of it: the 128 of the
/// standard library are too few for a crowd that begins its day at once. The kernel lowers this to
/// its own limit (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// What the server turned away, as a problem document.
pub(super) fn refused(refusal: Refusal) -> Response {
    let (code, detail) = match refusal {
        Refusal::BadRequest(reason) => (ProblemCode::InvalidRequest, reason),
        Refusal::MethodNotAllowed => {
            (ProblemCode::MethodNotAllowed, "no path here knows this method")
        }
        Refusal::UriTooLong => (ProblemCode::UriTooLong, "the request target is too long"),
        Refusal::HeadersTooLarge => {
            (ProblemCode::HeadersTooLarge, "the header fields are too many or too long")
        }
        Refusal::PayloadTooLarge => {
            (ProblemCode::PayloadTooLarge, "the body is longer than this gateway takes")
        }
    };
    api::refuse(code, detail)
}
