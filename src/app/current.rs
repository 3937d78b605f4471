use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use axum::{Router, extract::Request, response::Response, routing::future::RouteFuture};
use tower::Service;

use super::generation::Generation;

/// The generation that new requests go to.
pub(super) type Current = Arc<ArcSwap<Generation>>;

/// Hands each request to the routes that are current when it comes.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    current: Current,
    listener: fn(&Generation) -> &Router,
}

impl Routes {
    pub(super) fn public(current: &Current) -> Self {
        Self { current: Arc::clone(current), listener: |generation| &generation.public }
    }

    pub(super) fn admin(current: &Current) -> Self {
        Self { current: Arc::clone(current), listener: |generation| &generation.admin }
    }
}

impl Service<Request> for Routes {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> RouteFuture<Infallible> {
        let mut routes = (self.listener)(&self.current.load()).clone();
        routes.call(request)
    }
}
