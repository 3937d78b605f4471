//! What can be read without a credential: the OpenAPI document, its browser, problem pages.

use std::sync::LazyLock;

use axum::{
    Json, Router,
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{ApiState, list::json_utf8, problem::Problem};
use crate::domain::ProblemCode;

/// The routes outside of `/v1`.
pub(super) fn router() -> Router<ApiState> {
    // The page loads nothing from anywhere else, and asks no validator outside.
    let browser = SwaggerUi::new("/docs")
        .config(Config::from("/openapi.json").validator_url("none").try_it_out_enabled(true));
    Router::new()
        .route("/", get(index))
        .route("/openapi.json", get(openapi_json))
        .route("/openapi.yaml", get(openapi_yaml))
        .route("/problems", get(problems))
        .route("/problems/{code}", get(problem))
        .merge(Router::from(browser))
}

struct Texts {
    json: String,
    yaml: String,
}

/// Made once, when somebody asks: the routes are the same in every configuration.
static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    let document = super::document();
    Texts { json: document.to_json(), yaml: document.to_yaml() }
});

async fn index() -> Response {
    let body = json!({
        "service": "cwsgate",
        "version": env!("CARGO_PKG_VERSION"),
        "api": "/v1",
        "docs": "/docs",
        "openapi": ["/openapi.json", "/openapi.yaml"],
        "problems": "/problems",
    });
    json_utf8(Json(body).into_response())
}

async fn openapi_json() -> Response {
    json_utf8(TEXTS.json.as_str().into_response())
}

async fn openapi_yaml() -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/yaml; charset=utf-8")];
    (content_type, TEXTS.yaml.as_str()).into_response()
}

async fn problems() -> Response {
    let items: Vec<Value> = ProblemCode::ALL
        .iter()
        .map(|code| {
            json!({
                "self": format!("/problems/{code}"),
                "code": code.as_str(),
                "status": code.status(),
                "title": code.title(),
            })
        })
        .collect();
    json_utf8(Json(json!({ "items": items })).into_response())
}

async fn problem(Path(code): Path<String>) -> Result<Response, Problem> {
    let Ok(code) = code.parse::<ProblemCode>() else {
        let detail = "there is no such problem code; GET /problems lists them all";
        return Err(Problem::new(ProblemCode::NotFound, detail));
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], code.page()).into_response())
}
