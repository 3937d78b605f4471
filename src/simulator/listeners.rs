//! Sockets: one listener per region, which can be closed for real and come back on its port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Inner, region, storefront};

/// What answers on a listener.
#[derive(Clone)]
pub(super) enum Service {
    Region(Arc<Inner>, usize),
    Stores(Arc<Inner>),
    Control(Router),
}

/// One port and what is behind it now.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) address: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Serving(CancellationToken, JoinHandle<()>),
    /// Bound, so that nobody else takes the port, but not listening: connections are refused.
    Held(TcpSocket),
    Closed,
}

impl Port {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, state: Mutex::new(State::Closed) }
    }

    /// Begins to answer on a listener that was bound before.
    pub(super) async fn serve(
        &self,
        listener: TcpListener,
        service: Service,
        root: &CancellationToken,
    ) {
        *self.state.lock().await = serving(listener, service, root);
    }

    /// Closes the listening socket and every connection; returns once they are closed.
    pub(super) async fn refuse(&self) -> io::Result<()> {
        let mut state = self.state.lock().await;
        if let State::Serving(stop, task) = &mut *state {
            stop.cancel();
            // A task that failed has closed its sockets too.
            let _ = task.await;
            *state = State::Held(bound(self.address)?);
        }
        Ok(())
    }

    /// Listens again on the same port.
    pub(super) async fn accept(
        &self,
        service: Service,
        root: &CancellationToken,
    ) -> io::Result<()> {
        let mut state = self.state.lock().await;
        let socket = match std::mem::replace(&mut *state, State::Closed) {
            serving @ State::Serving(..) => {
                *state = serving;
                return Ok(());
            }
            State::Held(socket) => socket,
            State::Closed => bound(self.address)?,
        };
        *state = serving(socket.listen(BACKLOG)?, service, root);
        Ok(())
    }

    /// Waits until everything is closed; the root token must have been cancelled.
    pub(super) async fn closed(&self) {
        if let State::Serving(_, task) = &mut *self.state.lock().await {
            let _ = task.await;
        }
    }
}

/// Binds a listener; the error names the address.
pub(super) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

/// The address that callers on this machine use.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    SocketAddr::new(ip, address.port())
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn serving(listener: TcpListener, service: Service, root: &CancellationToken) -> State {
    let stop = root.child_token();
    let task = tokio::spawn(accept_loop(listener, service, stop.clone()));
    State::Serving(stop, task)
}

async fn accept_loop(listener: TcpListener, service: Service, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: let some be freed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let (service, stop) = (service.clone(), stop.clone());
        connections.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(stream, service) => {}
            }
            drop(slot);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, service: Service) {
    // Without it small answers wait for the next packet; failing to set it costs only time.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(stream);
    let builder = auto::Builder::new(TokioExecutor::new());
    // An error is a caller that went away, or a fault that was asked for.
    let _ = match service {
        Service::Control(router) => {
            builder.serve_connection(stream, TowerToHyperService::new(router)).await
        }
        Service::Region(inner, at) => {
            let service =
                service_fn(move |request| region::handle(Arc::clone(&inner), at, request));
            builder.serve_connection(stream, service).await
        }
        Service::Stores(inner) => {
            let service =
                service_fn(move |request| storefront::handle(Arc::clone(&inner), request));
            builder.serve_connection(stream, service).await
        }
    };
}

const MAX_CONNECTIONS: usize = 8192;
const BACKLOG: u32 = 1024;
