use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    extract::{MatchedPath, OriginalUri, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::{
    ApiState,
    authenticate::KnownApp,
    client_address::client_address,
    headers::{REQUEST_ID, mark},
    problem::Problem,
    trace::trace_id,
    views::millis,
};
use crate::{
    config::Network,
    domain::{ClientAddr, PeerAddr, ProblemCode, RequestId},
    telemetry::{Metrics, known_method},
};

/// What stands for the path in logs and metrics where no route was matched by the router.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteTemplate(pub(crate) &'static str);

/// A problem that the answer tells in a form of its own; it is for the access line.
#[derive(Clone, Debug)]
pub(crate) struct Told(pub(crate) Problem);

/// What the outermost layer needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    metrics: Metrics,
    trusted_proxies: Arc<[Network]>,
}

impl Edge {
    pub(crate) fn of(state: &ApiState) -> Self {
        let trusted_proxies = Arc::clone(&state.access.trusted_proxies);
        Self { metrics: state.metrics.clone(), trusted_proxies }
    }
}

/// The outermost layer: where the request comes from, request id in and out, refusals as problem
/// documents, a panic as one failed request, the access line and the numbers.
pub(crate) async fn edge(
    State(Edge { metrics, trusted_proxies }): State<Edge>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let active = metrics.request_started();
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| RequestId::from_caller(value.to_str().ok()?))
        .unwrap_or_else(RequestId::generate);
    request.extensions_mut().insert(id.clone());
    let client = request
        .extensions()
        .get::<PeerAddr>()
        .map(|peer| ClientAddr(client_address(peer.0.ip(), request.headers(), &trusted_proxies)));
    if let Some(client) = client {
        request.extensions_mut().insert(client);
    }
    let (method, trace) = (request.method().clone(), trace_id(request.headers()));
    // Without the prefix that a nested router has taken off.
    let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |uri| &uri.0);
    let path = uri.path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();

    let handled = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = handled.unwrap_or_else(|_| {
        tracing::error!(cwsgate.request_id = id.as_str(), "a handler panicked");
        Problem::new(ProblemCode::Internal, "a fault inside the gateway").into_response()
    });
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        response = rendered(problem, &id, &path, response);
    }

    let took = began.elapsed();
    mark(&mut response, &id);
    let timing = format!("total;dur={:.1}", took.as_secs_f64() * 1000.0);
    if let Ok(value) = HeaderValue::try_from(timing) {
        response.headers_mut().insert(SERVER_TIMING, value);
    }
    drop(active);
    let told = response.extensions_mut().remove::<Told>().map(|Told(problem)| problem);
    let line = AccessLine { id, trace, method, route, client, problem: problem.or(told) };
    line.write(&metrics, &response, took);
    response
}

/// The problem document in place of the empty answer, keeping the headers that were set.
fn rendered(problem: &Problem, id: &RequestId, path: &str, bare: Response) -> Response {
    let (parts, _) = bare.into_parts();
    let mut response = problem.render(id, Some(path));
    for (name, value) in &parts.headers {
        if !response.headers().contains_key(name) && name != header::CONTENT_LENGTH {
            response.headers_mut().append(name, value.clone());
        }
    }
    *response.extensions_mut() = parts.extensions;
    response
}

struct AccessLine {
    id: RequestId,
    trace: Option<String>,
    method: Method,
    route: Option<MatchedPath>,
    client: Option<ClientAddr>,
    problem: Option<Problem>,
}

impl AccessLine {
    fn write(&self, metrics: &Metrics, response: &Response, took: std::time::Duration) {
        let template = response.extensions().get::<RouteTemplate>().map(|template| template.0);
        let route = template.or_else(|| self.route.as_ref().map(MatchedPath::as_str));
        let code = self.problem.as_ref().map(|problem| problem.code().as_str());
        metrics.record_request(&self.method, route, response.status(), code, took);
        let app = response.extensions().get::<KnownApp>().map(|app| app.0.as_str());
        let cause = self.problem.as_ref().and_then(Problem::cause);
        tracing::info!(
            target: "cwsgate::access",
            duration_ms = millis(took),
            cwsgate.request_id = self.id.as_str(),
            trace_id = self.trace,
            http.request.method = known_method(&self.method),
            http.route = route,
            http.response.status_code = response.status().as_u16(),
            client.address = self.client.map(|client| client.0.to_string()),
            cwsgate.app = app,
            "error.type" = code,
            error.cause = cause,
            "request"
        );
    }
}

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn broken() -> Problem {
        panic!("the secret is 4711")
    }

    #[tokio::test]
    async fn a_panic_is_one_failed_request_and_says_nothing_of_its_cause() {
        let at_the_edge = Edge { metrics: Metrics::new(), trusted_proxies: Arc::default() };
        let routes = Router::new()
            .route("/broken", get(broken))
            .route("/whole", get(async || "fine"))
            .layer(middleware::from_fn_with_state(at_the_edge, edge));
        let ask = |path: &str| {
            let request = Request::get(path).header("x-request-id", "r-1").body(Body::empty());
            routes.clone().oneshot(request.unwrap())
        };

        let response = ask("/broken").await.unwrap();

        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["x-request-id"], "r-1");
        assert_eq!(response.headers()["content-type"], "application/problem+json; charset=utf-8");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(!text.contains("4711"), "{text}");
        let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["code"], "internal");
        assert_eq!(problem["origin"], "gateway");
        assert_eq!(problem["requestId"], "r-1");
        assert_eq!(problem["instance"], "/broken");
        assert_eq!(ask("/whole").await.unwrap().status(), 200);
    }
}
