//! Sessions: found, shown, ended, disconnected, hidden and written to.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Gateway;

#[tokio::test]
async fn sessions_are_listed_with_their_user_and_machine_and_shown_by_their_self() {
    let gateway = Gateway::demo().await;

    let list = gateway.get(&format!("{SESSIONS}?pageSize=1000")).await;

    let all = list.ok(200)["items"].as_array().unwrap().clone();
    let mira = all.iter().find(|session| session["machine"]["name"] == r"DEMOLAB\OSPREY");
    let mira = mira.unwrap_or_else(|| panic!("{all:#?}"));
    assert_eq!(mira["customer"], "acme");
    let shown = gateway.get(mira["self"].as_str().unwrap()).await.ok(200);
    assert_eq!(shown["id"], mira["id"]);
    assert_eq!(shown["user"], mira["user"]);
}

#[tokio::test]
async fn filters_find_users_states_machines_and_stale_sessions() {
    let gateway = Gateway::demo().await;
    let found = async |query: &str| {
        let reply = gateway.get(&format!("{SESSIONS}?pageSize=1000&{query}")).await;
        reply.ok(200)["items"].as_array().unwrap().clone()
    };

    let on_osprey = found("machine=DEMOLAB%7Cosprey").await;
    assert_eq!(on_osprey.len(), 2);
    let by_user = found("machine=OSPREY&user=MIR").await;
    assert_eq!(by_user.len(), 1);
    let gone = found("state=disconnected&machine=IBIS").await;
    assert_eq!(gone.len(), 2);
    let stale = found("disconnectedFor=24h&machine=IBIS").await;
    assert_eq!(stale.len(), 1, "{stale:#?}");
    assert_eq!(found("state=Active&disconnectedFor=1m").await.len(), 0);

    for wrong in ["disconnectedFor=soon", "disconnectedFor=-1h", "disconnectedFor="] {
        let problem =
            gateway.get(&format!("{SESSIONS}?{wrong}")).await.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/disconnectedFor", "{wrong}");
    }
}

#[tokio::test]
async fn a_log_off_is_accepted_while_the_session_goes_and_done_once_it_is_gone() {
    let gateway = Gateway::builder().simulator(|options| options.frozen_clock = true).start().await;
    let id = gateway.new_session("Active").await;

    let going = gateway.post(&on(&id, "logoff"), Value::Null).await.ok(202);
    assert_eq!(going["outcome"], "accepted");
    gateway.get(&format!("{SESSIONS}/{id}")).await.ok(200);
    gateway.simulator.advance(Duration::from_secs(10));
    gateway.get(&format!("{SESSIONS}/{id}")).await.problem(404, "not_found");

    let quick = json!({ "logoffMs": 0 });
    gateway.sim("PUT", "/_sim/settings", quick).await;
    let id = gateway.new_session("Disconnected").await;
    let gone = gateway.post(&on(&id, "logoff"), json!({ "reason": "CHG-1" })).await.ok(200);
    assert_eq!(gone["outcome"], "done");
}

#[tokio::test]
async fn disconnecting_hiding_and_showing_change_the_session_itself() {
    let gateway = Gateway::demo().await;
    let id = gateway.new_session("Active").await;

    for (action, property, value) in [
        ("disconnect", "state", json!("Disconnected")),
        ("hide", "hidden", json!(true)),
        ("unhide", "hidden", json!(false)),
    ] {
        let body = gateway.post(&on(&id, action), Value::Null).await.ok(200);
        assert_eq!(body["outcome"], "done");
        assert_eq!(gateway.session(&id).await[property], value, "{action}");
    }
    assert_eq!(gateway.writes().await.len(), 3);
}

#[tokio::test]
async fn a_message_reaches_the_session_in_every_style() {
    let gateway = Gateway::demo().await;
    let id = gateway.new_session("Active").await;
    let path = on(&id, "send-message");

    gateway.post(&path, json!({ "title": "Hello", "text": "Grüße" })).await.ok(200);
    for style in ["Information", "Exclamation", "Question", "Critical"] {
        let body = json!({ "title": "t".repeat(256), "text": "é".repeat(4096), "style": style });
        gateway.post(&path, body).await.ok(200);
    }

    assert_eq!(gateway.session(&id).await["messages"], 5);
}

#[tokio::test]
async fn a_message_that_cannot_be_shown_is_refused_and_each_wrong_field_named() {
    let gateway = Gateway::demo().await;
    let id = gateway.new_session("Active").await;
    let path = on(&id, "send-message");
    let before = gateway.total_asked().await;

    for (body, pointers) in [
        (json!({ "title": "", "text": "x" }), vec!["/title"]),
        (json!({ "title": "x", "text": " \n" }), vec!["/text"]),
        (json!({ "title": "x".repeat(257), "text": "x" }), vec!["/title"]),
        (json!({ "title": "x", "text": "x".repeat(4097) }), vec!["/text"]),
        (json!({ "title": "", "text": "" }), vec!["/title", "/text"]),
        (json!({ "title": "x", "text": "x", "style": "Loud" }), vec!["/style"]),
        (json!({ "title": "x", "text": "x", "reason": "two\nlines" }), vec!["/reason"]),
    ] {
        let problem = gateway.post(&path, body).await.problem(400, "invalid_request");
        let errors = problem["errors"].as_array().unwrap();
        let named: Vec<_> = errors.iter().map(|error| error["pointer"].clone()).collect();
        assert_eq!(named, pointers, "{problem}");
    }
    for missing in [json!({ "title": "x" }), json!({ "text": "x" }), Value::Null] {
        gateway.post(&path, missing).await.problem(400, "invalid_request");
    }
    let extra = json!({ "title": "x", "text": "x", "titel": "x" });
    gateway.post(&path, extra).await.problem(400, "unknown_parameter");
    assert_eq!(gateway.total_asked().await, before);
}

#[tokio::test]
async fn a_session_that_is_not_there_is_not_found() {
    let gateway = Gateway::demo().await;
    let message = json!({ "title": "x", "text": "x" });
    for (action, body) in
        [("logoff", Value::Null), ("disconnect", Value::Null), ("send-message", message)]
    {
        let path = on("00000000-0000-0000-0000-000000000000", action);
        gateway.post(&path, body).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_lost_answer_is_called_unknown_and_nothing_is_sent_twice() {
    for action in ["logoff", "disconnect", "hide", "unhide"] {
        let gateway = Gateway::demo().await;
        let id = gateway.new_session("Active").await;
        gateway.fault(json!({ "match": { "method": "POST", "pathContains": "/Sessions/" },
            "reset": true, "afterEffect": true }));

        let reply = gateway.post(&on(&id, action), Value::Null).await;

        let problem = reply.problem(504, "outcome_unknown");
        assert_eq!(problem["outcome"], "unknown", "{action}");
        assert_eq!(gateway.writes().await.len(), 1, "{action}");
    }
}

#[tokio::test]
async fn acting_on_sessions_takes_the_action_session() {
    let others = r#"{ actions = ["read", "power", "maintain", "write"], customers = ["acme"] }"#;
    let (builder, other) = Gateway::builder().app("other", others);
    let gateway = builder.start().await;
    for action in ["logoff", "disconnect", "hide", "unhide"] {
        let request = gateway.request_as(&other, Method::POST, &on("some-session", action));
        let problem = gateway.send(request).await.problem(403, "policy_denied");
        assert!(problem["detail"].as_str().unwrap().contains("session"), "{problem}");
    }
    assert_eq!(gateway.total_asked().await, 0);
}

impl Gateway {
    /// Signs somebody in on a machine of acme.
    async fn new_session(&self, state: &str) -> String {
        let spec = json!({ "user": "visitor", "state": state });
        let path = "/_sim/machines/acme/DEMOLAB%7CKESTREL/sessions";
        self.sim("POST", path, spec).await["id"].as_str().unwrap().to_owned()
    }

    /// The session as the simulator has it.
    async fn session(&self, id: &str) -> Value {
        let machine = self.simulated("acme", "DEMOLAB%7CKESTREL").await;
        let sessions = machine["sessions"].as_array().unwrap();
        sessions.iter().find(|session| session["id"] == id).unwrap().clone()
    }
}

fn on(session: &str, action: &str) -> String {
    format!("{SESSIONS}/{session}/actions/{action}")
}

const SESSIONS: &str = "/v1/customers/acme/sites/-/sessions";
