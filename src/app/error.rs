use std::{io, net::SocketAddr, path::PathBuf};

use crate::{db, net};

/// Why a gateway could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {}", bind_hint(source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The root secret could not be read or made.
    #[error(
        "cannot read or make the gateway's secret at {}: {source}; \
         set server.secret, or let the gateway write beside its database",
        path.display()
    )]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The way to Citrix could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(#[from] net::Error),
    /// The durable store could not be opened.
    #[error(transparent)]
    Database(#[from] db::OpenError),
}

fn bind_hint(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is taken; stop what listens there, or choose another".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "this user may not use the port; choose one above 1023".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => error.to_string(),
    }
}
