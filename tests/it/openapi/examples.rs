//! The examples in the document are answers that the gateway gives.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{document, operations, schema};
use crate::support::{Gateway, Reply};

#[tokio::test]
async fn the_examples_are_what_a_demo_gateway_answers() {
    let mut answers = BTreeMap::new();
    for (id, (_, reply)) in answers_of_all().await {
        assert!(reply.status.is_success(), "{id}: {} {}", reply.status, reply.text);
        if reply.status == 204 {
            continue;
        }
        let mut body = reply.json();
        settle(&mut body);
        answers.insert(id, json!({ "status": reply.status.as_u16(), "body": body }));
    }
    let answers = serde_json::to_string_pretty(&answers).unwrap() + "\n";
    #[expect(clippy::disallowed_methods, reason = "how this test is run is no configuration")]
    if std::env::var_os("CWSGATE_UPDATE_EXAMPLES").is_some() {
        std::fs::write(FILE, &answers).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(FILE).unwrap();
    let different = answers.lines().zip(committed.lines()).find(|(now, then)| now != then);
    assert!(
        answers == committed,
        "the examples are stale, first at {different:?}: run the test with \
         CWSGATE_UPDATE_EXAMPLES=1, then `just openapi`"
    );
}

#[tokio::test]
async fn every_operation_answers_as_its_schema_says() {
    let document = document();
    let answers = answers_of_all().await;
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        let (call, reply) =
            answers.get(id).unwrap_or_else(|| panic!("{id} is called by no example"));
        assert_eq!(call.method.as_str().to_lowercase(), method, "{id}");
        let template: Vec<_> = path.split('/').collect();
        let given: Vec<_> = call.path.split('?').next().unwrap().split('/').collect();
        let fits = |(part, given): (&&str, &&str)| part.starts_with('{') || part == given;
        assert!(
            template.len() == given.len() && template.iter().zip(&given).all(fits),
            "{id}: {} is not at {path}",
            call.path
        );
        let response = &operation["responses"][reply.status.as_str()];
        if reply.status == 204 {
            assert!(response.is_object() && response["content"].is_null(), "{id}: {response}");
            assert!(reply.text.is_empty(), "{id}: {}", reply.text);
            continue;
        }
        let content = &response["content"];
        let shape = &content["application/json"]["schema"];
        assert!(shape.is_object(), "{id}: {} is not documented", reply.status);
        let wrong = schema::check(&document, shape, &reply.json());
        assert!(wrong.is_empty(), "{id}: {wrong:#?}");
    }
}

#[tokio::test]
async fn problems_answer_as_their_schema_says() {
    let document = document();
    let shape = json!({ "$ref": "#/components/schemas/Problem" });
    let gateway = Gateway::demo().await;
    gateway.stop_region("eu").await;
    for path in [
        "/v1/machines?pagesize=1",
        "/v1/customers/nobody",
        "/v1/customers/acme/sites/-/machines/HERON",
        "/v1/customers/contoso/sites/-/machines",
        "/v1/machines?partial=deny",
        "/v1/nothing",
    ] {
        let reply = gateway.get(path).await;
        assert!(!reply.status.is_success(), "{path}");
        let wrong = schema::check(&document, &shape, &reply.json());
        assert!(wrong.is_empty(), "{path}: {wrong:#?}");
    }
}

/// One call of an operation.
struct Call {
    method: Method,
    /// Where `{}` stands for the id that `first` finds.
    path: String,
    body: Value,
    /// A list whose first item's id is to be used.
    first: Option<&'static str>,
    /// What to read before, so that there is something to see.
    before: Option<&'static str>,
    /// What to do before, so that there is something to see.
    done: Option<&'static str>,
    /// Signs a user in to a store first.
    user: bool,
    /// An operation that is started first and has ended: `{}` stands for its id.
    operation: Option<Value>,
    /// Sessions end at once.
    quick: bool,
}

impl Call {
    /// Calls a gateway that nobody has called yet.
    async fn perform(&self) -> Reply {
        // A log-off that takes as long as on a real machine, or no time at all.
        let logoff_ms = if self.quick { 0 } else { 60_000 };
        let builder =
            Gateway::builder().simulator(|options| options.settings.logoff_ms = logoff_ms);
        let gateway = builder.start().await;
        if let Some(path) = self.before {
            gateway.get(path).await.ok(200);
        }
        if let Some(path) = self.done {
            gateway.post(path, json!({ "reason": "CHG-1234" })).await.ok(200);
        }
        let mut path = self.path.clone();
        if let Some(body) = &self.operation {
            let id = operate(&gateway, body).await.ok(202)["id"].as_str().unwrap().to_owned();
            gateway.get(&format!("/v1/operations/{id}?wait=60s")).await.ok(200);
            path = path.replace("{}", &id);
        }
        if let Some(list) = self.first {
            let ids = gateway.get(list).await.of_items("id");
            path = path.replace("{}", ids[0].as_str().unwrap());
        }
        let mut request = gateway.request(self.method.clone(), &path);
        if self.user {
            let signed_in = gateway.post(SIGN_INS, mira()).await.ok(201);
            let handle = signed_in["storeSession"].as_str().unwrap();
            request = request.header("cwsgate-store-session", handle);
        }
        if self.path == "/v1/operations" && self.method == Method::POST {
            request = request.header("idempotency-key", "tonight-1");
        }
        if !self.body.is_null() {
            request =
                request.header("content-type", "application/json").body(self.body.to_string());
        }
        gateway.send(request).await
    }
}

/// Every call and what came of it; made once for all tests.
async fn answers_of_all() -> &'static BTreeMap<&'static str, (Call, Reply)> {
    static ANSWERS: OnceCell<BTreeMap<&'static str, (Call, Reply)>> = OnceCell::const_new();
    let perform = async || {
        let mut answers = BTreeMap::new();
        for (id, call) in calls() {
            let reply = call.perform().await;
            answers.insert(id, (call, reply));
        }
        answers
    };
    ANSWERS.get_or_init(perform).await
}

/// Each operation, called for an answer that is small and says something.
#[expect(clippy::too_many_lines, reason = "a table, one row per operation")]
fn calls() -> Vec<(&'static str, Call)> {
    let get = |path: &str| Call {
        method: Method::GET,
        path: path.to_owned(),
        body: Value::Null,
        first: None,
        before: None,
        done: None,
        user: false,
        operation: None,
        quick: false,
    };
    let post = |path: &str, body| Call { method: Method::POST, body, ..get(path) };
    let site = |rest: &str| get(&format!("/v1/customers/acme/sites/-/{rest}"));
    let act = |host: &str, action: &str, body| {
        post(&format!("/v1/customers/acme/sites/-/machines/{host}/actions/{action}"), body)
    };
    let session = |rest: &str| Call {
        first: Some("/v1/customers/acme/sites/-/sessions?user=mira&state=Active"),
        ..site(&format!("sessions/{{}}{rest}"))
    };
    let session_act = |action: &str, body| Call {
        method: Method::POST,
        body,
        ..session(&format!("/actions/{action}"))
    };
    let offered = |path: &str| Call {
        first: Some("/v1/stores/hq/resources"),
        ..get(&format!("/v1/stores/hq/resources/{{}}{path}"))
    };
    let after =
        |path: &str| Call { operation: Some(reboot()), ..get(&format!("/v1/operations{path}")) };
    let warm = Some("/v1/customers/acme/me");
    vec![
        ("show_whoami", get("/v1/whoami")),
        ("list_regions", Call { before: warm, ..get("/v1/regions?region=us") }),
        ("show_region", Call { before: warm, ..get("/v1/regions/us") }),
        ("list_customers", Call { before: warm, ..get("/v1/customers?pageSize=1") }),
        ("show_customer", Call { before: warm, ..get("/v1/customers/acme") }),
        ("show_me", get("/v1/customers/acme/me")),
        ("list_resource_locations", get("/v1/customers/acme/resource-locations?pageSize=2")),
        (
            "show_resource_location",
            Call {
                first: Some("/v1/customers/acme/resource-locations"),
                ..get("/v1/customers/acme/resource-locations/{}")
            },
        ),
        (
            "list_service_states",
            get("/v1/customers/acme/service-states?state=ProductionTrial&pageSize=2"),
        ),
        ("show_service_state", get("/v1/customers/acme/service-states/xendesktop")),
        (
            "create_notification",
            post(
                "/v1/customers/acme/notifications",
                json!({
                    "title": "Maintenance tonight",
                    "description": "Desktops restart at 22:00 UTC.",
                }),
            ),
        ),
        ("list_sites", get("/v1/customers/-/sites?pageSize=1")),
        ("show_site", get("/v1/customers/acme/sites/-")),
        ("list_machine_catalogs", site("machine-catalogs?pageSize=1")),
        ("show_machine_catalog", site("machine-catalogs/Win11-Pool")),
        ("list_delivery_groups", site("delivery-groups?pageSize=1")),
        ("show_delivery_group", site("delivery-groups/Win11-Pool")),
        ("list_all_machines", get("/v1/machines?pageSize=1")),
        ("list_machines", site("machines?sessionCount=0&pageSize=1")),
        (
            "list_catalog_machines",
            site("machine-catalogs/Win11-Pool/machines?fields=name,powerState&pageSize=2"),
        ),
        (
            "list_group_machines",
            site("delivery-groups/Win11-Pool/machines?fields=name,sessionCount&pageSize=2"),
        ),
        ("show_machine", site("machines/DEMOLAB%7CKESTREL")),
        ("start_machine", act("SWIFT", "start", Value::Null)),
        ("shutdown_machine", act("MAGPIE", "shutdown", Value::Null)),
        ("reboot_machine", act("KESTREL", "reboot", json!({ "reason": "CHG-1234" }))),
        ("suspend_machine", act("ROOK", "suspend", Value::Null)),
        (
            "resume_machine",
            Call {
                first: Some("/v1/customers/acme/sites/-/machines?powerState=Suspended"),
                ..act("{}", "resume", Value::Null)
            },
        ),
        ("set_machine_maintenance", act("KESTREL", "set-maintenance", Value::Null)),
        ("clear_machine_maintenance", act("LINNET", "clear-maintenance", Value::Null)),
        ("list_attention", get("/v1/attention?kind=stale-session&pageSize=1")),
        ("list_all_sessions", get("/v1/sessions?state=Disconnected&pageSize=1")),
        ("list_sessions", site("sessions?disconnectedFor=24h&pageSize=1")),
        ("show_session", session("")),
        ("logoff_session", session_act("logoff", Value::Null)),
        ("disconnect_session", session_act("disconnect", Value::Null)),
        ("hide_session", session_act("hide", Value::Null)),
        ("unhide_session", session_act("unhide", Value::Null)),
        (
            "send_session_message",
            session_act(
                "send-message",
                json!({
                    "title": "Please save your work",
                    "text": "This desktop restarts in 15 minutes.",
                }),
            ),
        ),
        ("start_operation", post("/v1/operations", reboot())),
        ("list_operations", after("?pageSize=1")),
        ("show_operation", after("/{}?wait=50s")),
        ("list_operation_items", after("/{}/items?pageSize=1")),
        ("stream_operation_events", after("/{}/events?after=1000")),
        ("show_operation_result", after("/{}/result")),
        ("cancel_operation", Call { method: Method::POST, ..after("/{}/actions/cancel") }),
        ("retry_failed_items", Call { method: Method::POST, ..after("/{}/actions/retry-failed") }),
        (
            "recover_session",
            Call { quick: true, ..session_act("recover", json!({ "allowRestart": true })) },
        ),
        (
            "list_audit_entries",
            Call {
                done: Some("/v1/customers/acme/sites/-/machines/KESTREL/actions/reboot"),
                ..get("/v1/audit?machine=KESTREL")
            },
        ),
        ("list_stores", get("/v1/stores")),
        ("list_store_resources", Call { user: true, ..get("/v1/stores/portal/resources") }),
        ("show_store_resource", offered("")),
        ("create_store_sign_in", post(SIGN_INS, mira())),
        (
            "delete_store_sign_in",
            Call {
                method: Method::DELETE,
                user: true,
                ..get("/v1/stores/portal/sign-ins/current")
            },
        ),
        (
            "power_off_store_resource",
            Call {
                method: Method::POST,
                body: json!({ "clientName": "kiosk-7" }),
                ..offered("/actions/power-off")
            },
        ),
    ]
}

/// Restarts the idle machines of a catalog with a tag.
fn reboot() -> Value {
    json!({
        "action": "reboot",
        "selector": {
            "in": ["customers/acme/sites/-/machine-catalogs/Win11-Pool"],
            "where": { "tag": "canary" },
        },
        "options": { "maxErrors": "10%", "notAfter": "4h" },
        "reason": "CHG-1234",
    })
}

async fn operate(gateway: &Gateway, body: &Value) -> Reply {
    let post = gateway.request(Method::POST, "/v1/operations").header("idempotency-key", "k");
    let post = post.header("content-type", "application/json").body(body.to_string());
    gateway.send(post).await
}

/// A user of the demo's stores.
fn mira() -> Value {
    json!({ "username": "DEMOLAB\\mira", "password": "mira-Demo-1" })
}

/// Puts a fixed value wherever two runs differ.
fn settle(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let fixed = match name.as_str() {
                    "durationMs" => Some(json!(84)),
                    "nextPageToken" => Some(json!("zxWv-bLU5-1BGYpLupsDpXsicCHcX7dSMpaF24uakwI")),
                    "eventId" => Some(json!("0b0a6c0e-8a52-4c7e-9f5b-5d1f3c1b7a44")),
                    "upstreamTransactionId" => Some(json!("2b7f3c1e-91d4-4f0e-b7b3-0d9a5c3e8f21")),
                    "id" | "self" | "retryOf" if is_operation(value) => {
                        let text = value.as_str().unwrap_or_default();
                        let start = text.len().saturating_sub(36);
                        Some(json!(format!(
                            "{}01981d4c-93a1-7cc5-8b4e-2f6f8a8f1f0e",
                            &text[..start]
                        )))
                    }
                    "upstreamJobId" => Some(json!("6f2f0d1c-3f0a-4b6e-8a57-21b0f6c9d1e3")),
                    "storeSession" => Some(json!("4pPGBq3nYtM0hT2vLxwR8sKdJcE6uZaf")),
                    "keyId" => Some(json!("k7Qm2xVb")),
                    _ => None,
                };
                match fixed {
                    Some(fixed) if !value.is_null() => *value = fixed,
                    _ => settle(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(settle),
        Value::String(text) => {
            let id = text.parse::<uuid::Uuid>();
            if id.is_ok_and(|id| id.get_version_num() == 7) {
                // Made here, just now; Citrix's are the same every time.
                "019ceb4a-7c48-7c1e-9a54-2f6d3b8e1c07".clone_into(text);
            } else if text.parse::<jiff::Timestamp>().is_ok() {
                "2026-03-14T09:26:53Z".clone_into(text);
            } else if let Ok(mut url) = text.parse::<url::Url>()
                && url.port().is_some()
            {
                url.set_port(Some(8081)).unwrap();
                let slash = if text.ends_with('/') { "/" } else { "" };
                *text = url.as_str().trim_end_matches('/').to_owned() + slash;
            }
        }
        _ => {}
    }
}

/// Whether this names an operation: by its path, or by an id that tells the time (UUID version
/// 7), as nothing of the simulator's does.
fn is_operation(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    match text.strip_prefix("/v1/operations/") {
        Some(id) => id.len() == 36,
        None => uuid::Uuid::parse_str(text).is_ok_and(|id| id.get_version_num() == 7),
    }
}

const SIGN_INS: &str = "/v1/stores/portal/sign-ins";
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/examples.json");
