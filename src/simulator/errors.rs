//! The bodies in which the services say no. Each service family has its own.
//!
//! Sources: the developer portal's pages on common error codes and on troubleshooting, and the
//! models of the official Go SDK (`citrix/citrix-daas-rest-go`).

use serde_json::{Map, Value, json};

use super::http::{Reply, Transaction};
use super::ids;

/// How the `parameters` of a guideline error are written; both are published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Parameters {
    /// `[{"name":…,"value":…}]`
    Array,
    /// `{name: value}`
    Map,
}

/// OAuth2 (RFC 6749 section 5.2), from the token service.
pub(super) fn oauth(status: u16, error: &str, description: &str) -> Reply {
    let body = json!({ "error": error, "error_description": description });
    Reply::json(status, &body).platform().header("cache-control", "no-store")
}

/// A missing or unusable `Authorization` on the older platform hosts.
pub(super) fn cws_auth() -> Reply {
    let body = json!({
        "Error": { "Type": "CWSAuthException", "Message": "Missing or invalid CWSAuth header." }
    });
    Reply::json(401, &body).platform()
}

/// The guideline error of the API gateway's services.
pub(super) fn guideline(
    status: u16,
    kind: &str,
    detail: &str,
    parameters: &[(&str, &str)],
    style: Parameters,
) -> Reply {
    let mut body = Map::new();
    body.insert("type".into(), json!(format!("https://errors-api.cloud.com/{kind}")));
    body.insert("detail".into(), json!(detail));
    if !parameters.is_empty() {
        let written: Value = match style {
            Parameters::Array => parameters
                .iter()
                .map(|(name, value)| json!({ "name": name, "value": value }))
                .collect(),
            Parameters::Map => Value::Object(
                parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect(),
            ),
        };
        body.insert("parameters".into(), written);
    }
    Reply::json(status, &body)
}

/// The API management product in front of the services.
pub(super) fn management(status: u16, message: &str) -> Reply {
    let body = json!({ "statusCode": status, "message": message, "activityId": ids::fresh() });
    Reply::json(status, &body)
}

/// DaaS orchestration's `ErrorData`.
pub(super) fn daas(status: u16, id: &str, message: &str) -> Reply {
    Reply::json(status, &daas_body(id, message))
}

/// The body of [`daas`].
pub(super) fn daas_body(id: &str, message: &str) -> Value {
    json!({
        "ErrorMessage": message,
        "SdkErrorId": id,
        "ErrorType": "Citrix.Orchestration.Common.OrchestrationException",
        "ErrorDetails": null,
        "SupportLink": null,
        "ErrorReportXml": null,
        "ErrorReport": {
            "CitrixErrorId": format!("XDDS:{}", &ids::stable(&["error", id])[..8].to_uppercase()),
            "ComponentName": "Orchestration",
            "ComponentVersion": "125.0.0.0",
            "ErrorData": {}
        }
    })
}

/// A thing that DaaS does not have.
pub(super) fn daas_not_found(what: &str, name: &str) -> Reply {
    daas(404, "ObjectNotFound", &format!("{what} '{name}' does not exist."))
}

/// The edge in front of everything: HTML, and no transaction id.
pub(super) fn edge(status: u16) -> Reply {
    let title = match status {
        502 => "502 Bad Gateway",
        503 => "503 Service Temporarily Unavailable",
        504 => "504 Gateway Time-out",
        _ => "Error",
    };
    let html = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    let mut reply = Reply::empty(status).typed("text/html", html);
    reply.transaction = Transaction::Absent;
    reply
}

/// A path that no service answers.
pub(super) fn no_such_path() -> Reply {
    management(404, "Resource not found")
}
