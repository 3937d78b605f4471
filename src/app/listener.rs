use std::net::SocketAddr;

use axum::response::Response;
use tokio::net::TcpListener;

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
    pub(super) async fn bind(address: SocketAddr, server: Server) -> Result<Self, Error> {
        let socket = TcpListener::bind(address).await;
        let socket = socket.map_err(|source| Error::Bind { address, source })?;
        Ok(Self { socket, server })
    }
}

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
