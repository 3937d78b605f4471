use std::{
    convert::Infallible,
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderValue, Response, Version, header},
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tower::ServiceExt;

use super::{
    Limits, Refusal, RenderRefusal,
    body::{RequestBody, ResponseBody},
    check::check,
    watch::{InFlight, Watch},
};
use crate::{domain::PeerAddr, telemetry::Metrics};

/// What every connection of a listener needs to know.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) limits: Limits,
    pub(super) refuse: RenderRefusal,
    pub(super) may_end_in_slash: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    pub(super) metrics: Metrics,
    /// The listener is about to close: clients should not rely on their connections any more.
    pub(super) leaving: Arc<AtomicBool>,
}

/// The service of one connection: turns away what must not be routed, hands on the rest.
#[derive(Clone, Debug)]
pub(super) struct Edge<S> {
    pub(super) service: S,
    pub(super) rules: Arc<Rules>,
    pub(super) watch: Arc<Watch>,
    pub(super) peer: SocketAddr,
    /// Why every request of this connection is turned away, where it is.
    pub(super) closed_to: Option<Refusal>,
}

impl<S> Edge<S> {
    fn refuse(&self, refusal: Refusal, http2: bool, in_flight: InFlight) -> Response<ResponseBody> {
        tracing::debug!(
            error.type = refusal.label(),
            network.peer.address = %self.peer.ip(),
            "request refused"
        );
        self.rules.metrics.request_refused(refusal.label());
        let mut response = (self.rules.refuse)(refusal);
        if !http2 {
            // What follows on this connection may not be a request.
            self.watch.left_unread();
            response.headers_mut().insert(header::CONNECTION, CLOSE);
        }
        response.map(|body| ResponseBody::new(body, in_flight))
    }
}

impl<S> hyper::service::Service<Request<Incoming>> for Edge<S>
where
    S: tower::Service<Request, Response = axum::response::Response, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let http2 = head.version == Version::HTTP_2;
        let in_flight = self.watch.begin(http2);
        let violation = if http2 { None } else { self.watch.next_head_violation() };
        let limits = &self.rules.limits;
        let verdict = match (self.closed_to, violation) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(reason)) => Err(Refusal::BadRequest(reason)),
            (None, None) => {
                check(&head, body.size_hint().lower(), limits, &*self.rules.may_end_in_slash)
            }
        };
        if let Err(refusal) = verdict {
            let response = self.refuse(refusal, http2, in_flight);
            return Box::pin(async { Ok(response) });
        }

        // No protocol switch is ever made (RFC 9110 section 7.8 lets a server ignore the wish).
        head.headers.remove(header::UPGRADE);
        head.extensions.remove::<OnUpgrade>();
        head.extensions.insert(PeerAddr(self.peer));
        let (body, progress) = if body.is_end_stream() {
            (Body::empty(), None)
        } else {
            let watch = Arc::clone(&self.watch);
            let body = RequestBody::new(body, limits.max_body_bytes, limits.body_timeout, watch);
            let progress = body.progress();
            (Body::new(body), Some(progress))
        };
        let answer = self.service.clone().oneshot(Request::from_parts(head, body));
        let leaving = Arc::clone(&self.rules.leaving);
        Box::pin(async move {
            let mut response = answer.await?;
            // hyper closes the connection when the rest of the body does not come at once; a client
            // that keeps connections must know. HTTP/2 has GOAWAY, which comes with the close.
            let unread = progress.is_some_and(|progress| !progress.is_complete());
            if !http2 && (unread || leaving.load(Ordering::Relaxed)) {
                response.headers_mut().insert(header::CONNECTION, CLOSE);
            }
            Ok(response.map(|body| ResponseBody::new(body, in_flight)))
        })
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("limits", &self.limits).finish_non_exhaustive()
    }
}

const CLOSE: HeaderValue = HeaderValue::from_static("close");
