use std::panic::AssertUnwindSafe;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::{
    ApiState,
    authenticate::KnownApp,
    problem::{Problem, REQUEST_ID},
    views::millis,
};
use crate::domain::{ProblemCode, RequestId};

/// The outermost layer: request id in and out, refusals as problem documents, a panic as one
/// failed request, the access line and the numbers.
pub(crate) async fn edge(
    State(api): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let active = api.metrics.request_started();
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| RequestId::from_caller(value.to_str().ok()?))
        .unwrap_or_else(RequestId::generate);
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
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
    let line = AccessLine { id, method, route, problem };
    line.write(&api, &response, took);
    response
}

/// Writes what every answer carries.
pub(super) fn mark(response: &mut Response, id: &RequestId) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
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
    method: Method,
    route: Option<MatchedPath>,
    problem: Option<Problem>,
}

impl AccessLine {
    fn write(&self, api: &ApiState, response: &Response, took: std::time::Duration) {
        let route = self.route.as_ref().map(MatchedPath::as_str);
        api.metrics.record_request(&self.method, route, response.status(), took);
        let app = response.extensions().get::<KnownApp>().map(|app| app.0.as_str());
        let code = self.problem.as_ref().map(|problem| problem.code().as_str());
        let cause = self.problem.as_ref().and_then(Problem::cause);
        tracing::info!(
            target: "cwsgate::access",
            duration_ms = millis(took),
            cwsgate.request_id = self.id.as_str(),
            http.request.method = self.method.as_str(),
            http.route = route,
            http.response.status_code = response.status().as_u16(),
            cwsgate.app = app,
            "error.type" = code,
            error.cause = cause,
            "request"
        );
    }
}

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
