//! What the gateway sends to Citrix, byte by byte, with every host pointing somewhere else.

mod stub;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Gateway, Reply};
use stub::{Seen, Stub, answer};

/// Five services on five ports; a sixth that nobody may reach.
struct Citrix {
    token: Stub,
    registry: Stub,
    core: Stub,
    notifications: Stub,
    daas: Stub,
    elsewhere: Stub,
    gateway: Gateway,
}

impl Citrix {
    async fn start() -> Self {
        Self::with("oauth2", |_, _| None).await
    }

    /// `change` may replace the answer of a service, given where `elsewhere` is.
    async fn with(form: &str, change: impl Fn(&str, &str) -> Option<String>) -> Self {
        let elsewhere = Stub::start(vec![("", stub::json("{}"))]).await;
        let start = async |service: &str, answers: Vec<(&'static str, String)>| match change(
            service,
            &elsewhere.url,
        ) {
            Some(other) => Stub::start(vec![("", other)]).await,
            None => Stub::start(answers).await,
        };
        let token = start("token", vec![("POST ", stub::json(token_answer(form)))]).await;
        let registry = start("registry", vec![("GET ", stub::json(LOCATIONS))]).await;
        let core = start("core", vec![("GET ", stub::json(STATES))]).await;
        let notifications = start("notifications", vec![("POST ", stub::json(STORED))]).await;
        let daas = start("daas", daas_answers()).await;
        let settings = format!(
            "[regions.lab]\napi = {:?}\ntoken = {:?}\ntoken_form = {form:?}\nregistry = {:?}\n\
             core = {:?}\nnotifications = {:?}\ndaas = \"{}/cvad/manage\"\n\
             [customers.lab]\nid = \"{CUSTOMER}\"\nregion = \"lab\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret = \"{SECRET}\"\n",
            elsewhere.url, token.url, registry.url, core.url, notifications.url, daas.url
        );
        let gateway = Gateway::builder().settings(&settings).start().await;
        Self { token, registry, core, notifications, daas, elsewhere, gateway }
    }

    async fn get(&self, path: &str) -> Reply {
        self.gateway.get(&format!("/v1/customers/lab{path}")).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.gateway.post(&format!("/v1/customers/lab{path}"), body).await
    }

    fn all(&self) -> Vec<Seen> {
        let stubs = [&self.token, &self.registry, &self.core, &self.notifications, &self.daas];
        stubs.into_iter().flat_map(Stub::seen).collect()
    }
}

#[tokio::test]
async fn a_token_is_asked_for_with_a_form() {
    let citrix = Citrix::start().await;
    citrix.get("/me").await.ok(200);

    let [seen] = &citrix.token.seen()[..] else { panic!("one token is enough") };
    assert_eq!(seen.line, format!("POST /cctrustoauth2/{CUSTOMER}/tokens/clients HTTP/1.1"));
    assert_eq!(seen.names(), TOKEN_FIELDS);
    assert_eq!(seen.field("accept"), "application/json");
    // A `charset` would be refused.
    assert_eq!(seen.field("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(
        seen.body,
        format!(
            "grant_type=client_credentials&client_id={CLIENT_ID}\
             &client_secret=a%2Bb%2Fc%3D%3D%26d%25e+f"
        )
    );
    assert!(citrix.token.url.ends_with(seen.field("host")));
}

#[tokio::test]
async fn the_older_form_of_the_token_service_takes_json() {
    let citrix = Citrix::with("trust", |_, _| None).await;
    citrix.get("/me").await.ok(200);

    let [seen] = &citrix.token.seen()[..] else { panic!("one token is enough") };
    assert_eq!(seen.line, format!("POST /{CUSTOMER}/tokens/clients HTTP/1.1"));
    assert_eq!(seen.names(), TOKEN_FIELDS);
    assert_eq!(seen.field("accept"), "application/json");
    assert_eq!(seen.field("content-type"), "application/json");
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body, json!({ "ClientId": CLIENT_ID, "ClientSecret": SECRET }));
    let me = citrix.daas.one("GET /cvad/manage/me");
    assert_eq!(me.field("authorization"), format!("CwsAuth Bearer={TOKEN}"));
}

#[tokio::test]
async fn each_platform_service_is_asked_on_its_own_host() {
    let citrix = Citrix::start().await;
    citrix.get("/resource-locations").await.ok(200);
    citrix.get("/service-states?state=Production").await.ok(200);

    for (stub, line) in [
        (&citrix.registry, format!("GET /{CUSTOMER}/resourcelocations HTTP/1.1")),
        (&citrix.core, format!("GET /{CUSTOMER}/serviceStates HTTP/1.1")),
    ] {
        let [seen] = &stub.seen()[..] else { panic!("one request is enough") };
        assert_eq!(seen.line, line);
        assert_eq!(seen.names(), FIELDS);
        check_fields(seen);
        assert_eq!(seen.body, "");
    }
    assert_eq!(citrix.token.seen().len(), 1, "one token is for both");
    assert_eq!(citrix.notifications.connections() + citrix.elsewhere.connections(), 0);
    assert_eq!(citrix.daas.connections(), 0);
}

#[tokio::test]
async fn a_notification_is_sent_with_what_was_left_out_filled_in() {
    let citrix = Citrix::start().await;
    let new = json!({ "title": "Übung", "description": "a \"test\"" });
    citrix.post("/notifications", new).await.ok(200);

    let [seen] = &citrix.notifications.seen()[..] else { panic!("one request is enough") };
    assert_eq!(seen.line, format!("POST /{CUSTOMER}/notifications/items HTTP/1.1"));
    assert_eq!(seen.names(), FIELDS_OF_JSON);
    check_fields(seen);
    assert_eq!(seen.field("content-type"), "application/json");
    let mut body: Value = serde_json::from_str(&seen.body).unwrap();
    let created = body["createdDate"].take();
    assert!(created.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{created}");
    assert!(is_guid(body["eventId"].take().as_str().unwrap()));
    let content = json!([
        { "languageTag": "en-US", "title": "Übung", "description": "a \"test\"" }
    ]);
    assert_eq!(
        body,
        json!({
            "destinationAdmin": "*", "component": "Citrix Cloud", "createdDate": null,
            "eventId": null, "severity": "Information", "priority": "Normal", "content": content,
        })
    );
}

#[tokio::test]
async fn the_site_is_named_in_a_header_except_where_sites_are_looked_up() {
    let citrix = Citrix::start().await;
    citrix.get("/me").await.ok(200);
    citrix.get("/sites").await.ok(200);
    let sites = citrix.daas.seen();
    assert!(!sites.is_empty());
    for seen in &sites {
        assert!(seen.line == "GET /cvad/manage/me HTTP/1.1" || seen.line.contains("/Sites"));
        assert_eq!(seen.names(), FIELDS, "{}", seen.line);
        check_fields(seen);
    }

    for path in [
        "/machines",
        "/machine-catalogs",
        "/delivery-groups",
        "/sessions",
        "/machine-catalogs/Pool/machines",
        "/delivery-groups/Staff/machines",
    ] {
        citrix.get(&format!("/sites/-{path}")).await.ok(200);
    }
    let about_a_site = &citrix.daas.seen()[sites.len()..];
    for seen in about_a_site.iter().filter(|seen| !seen.line.ends_with("/me HTTP/1.1")) {
        assert_eq!(seen.names(), FIELDS_OF_SITE, "{}", seen.line);
        check_fields(seen);
        assert_eq!(seen.field("citrix-instanceid"), SITE);
    }
    let machines = citrix.daas.one("GET /cvad/manage/Machines?").line;
    // Without it the session count could be left out.
    assert!(machines.contains("fields=Id%2CName") && machines.contains("SessionCount"));
    citrix.daas.one("GET /cvad/manage/MachineCatalogs/cat-1/Machines?");
    let of_group = citrix.daas.one("GET /cvad/manage/DeliveryGroups/grp-1/Machines?").line;
    assert!(!of_group.contains("fields="), "this call knows no fields: {of_group}");
}

#[tokio::test]
async fn a_backslash_in_a_name_becomes_a_bar() {
    let citrix = Citrix::start().await;
    for name in ["LAB%5CKESTREL", "LAB%7CKESTREL", "LAB|KESTREL"] {
        let machine = citrix.get(&format!("/sites/-/machines/{name}")).await.ok(200);
        assert_eq!(machine["id"], MACHINE);
    }
    let seen = citrix.daas.seen();
    let of_machine = seen.iter().filter(|seen| seen.line.contains("/Machines/"));
    let lines: Vec<_> = of_machine.map(|seen| seen.line.split('?').next().unwrap()).collect();
    assert_eq!(lines, ["GET /cvad/manage/Machines/LAB%7CKESTREL"; 3]);
}

#[tokio::test]
async fn a_bare_name_is_searched_for_among_both_kinds_of_machines() {
    let citrix = Citrix::start().await;
    let machine = citrix.get("/sites/-/machines/kestrel").await.ok(200);
    assert_eq!(machine["id"], MACHINE);

    let seen = citrix.daas.seen();
    let mut supports = Vec::new();
    for seen in seen.iter().filter(|seen| seen.line.starts_with("POST ")) {
        assert!(seen.line.starts_with("POST /cvad/manage/Machines/$search?fields=Id%2CName"));
        assert_eq!(seen.names(), FIELDS_OF_SITE_JSON);
        check_fields(seen);
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        let [support, name] = &body["SearchFilters"].as_array().unwrap()[..] else {
            panic!("two filters: {body}")
        };
        assert_eq!(
            *name,
            json!({ "Property": "MachineName", "Operator": "EndsWith", "Value": r"\kestrel" })
        );
        assert_eq!(
            (&support["Property"], &support["Operator"]),
            (&json!("SessionSupport"), &json!("Equals"))
        );
        supports.push(support["Value"].as_str().unwrap().to_owned());
    }
    supports.sort();
    assert_eq!(supports, ["MultiSession", "SingleSession"]);
}

#[tokio::test]
async fn a_power_action_is_a_post_of_nothing_that_is_sent_once() {
    let citrix = Citrix::start().await;
    let path = format!("/sites/-/machines/{MACHINE}/actions/reboot");
    let done = citrix.post(&path, json!({ "force": true, "reason": "CHG-1" })).await.ok(200);
    assert_eq!(done["outcome"], "accepted");
    assert_eq!(done["upstreamJobId"], "job-1");

    let seen = citrix.daas.one("POST ");
    let action = format!("/cvad/manage/Machines/{MACHINE}/$reboot?async=true&force=true");
    assert_eq!(seen.line, format!("POST {action} HTTP/1.1"));
    assert_eq!(seen.names(), FIELDS_OF_POST);
    check_fields(&seen);
    assert_eq!(seen.field("citrix-instanceid"), SITE);
    assert_eq!((seen.field("content-length"), seen.body.as_str()), ("0", ""));
    let job = citrix.daas.one("GET /cvad/manage/Jobs/job-1 HTTP/1.1");
    assert_eq!(job.names(), FIELDS_OF_SITE);
    assert_eq!(job.field("authorization"), seen.field("authorization"));
}

#[tokio::test]
async fn other_writes_hold_exactly_what_they_change() {
    let citrix = Citrix::start().await;
    let maintenance = format!("/sites/-/machines/{MACHINE}/actions/set-maintenance");
    citrix.post(&maintenance, Value::Null).await.ok(200);
    let seen = citrix.daas.one("PATCH ");
    assert_eq!(seen.line, format!("PATCH /cvad/manage/Machines/{MACHINE} HTTP/1.1"));
    assert_eq!(seen.names(), FIELDS_OF_SITE_JSON);
    assert_eq!(seen.body, r#"{"InMaintenanceMode":true}"#);
    check_fields(&seen);

    let message = json!({ "title": "Soon", "text": "Save your work", "style": "Exclamation" });
    citrix.post("/sites/-/sessions/s-1/actions/send-message", message).await.ok(200);
    let seen = citrix.daas.one("POST /cvad/manage/Sessions/s-1/$sendMessage HTTP/1.1");
    assert_eq!(seen.names(), FIELDS_OF_SITE_JSON);
    assert_eq!(seen.field("content-type"), "application/json");
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let sent = json!({ "Style": "Exclamation", "Title": "Soon", "Text": "Save your work" });
    assert_eq!(body, sent);

    citrix.post("/sites/-/sessions/s-1/actions/disconnect", Value::Null).await.ok(200);
    let seen = citrix.daas.one("POST /cvad/manage/Sessions/s-1/$disconnect HTTP/1.1");
    assert_eq!(seen.names(), FIELDS_OF_POST);
    assert_eq!((seen.field("content-length"), seen.body.as_str()), ("0", ""));
}

#[tokio::test]
async fn nothing_of_the_caller_s_headers_reaches_citrix() {
    let citrix = Citrix::start().await;
    let request = |method, path: &str| {
        let request = citrix.gateway.request(method, &format!("/v1/customers/lab{path}"));
        [
            ("cookie", "planted-1"),
            ("x-forwarded-for", "planted-2"),
            ("forwarded", "for=planted-3"),
            ("x-request-id", "planted-4"),
            ("citrix-transactionid", "planted-5"),
            ("citrix-customerid", "planted-6"),
            ("citrix-instanceid", "planted-7"),
            ("cwsgate-on-behalf-of", "planted-8"),
            ("cwsgate-store-token", "planted-9"),
            ("x-admincredential", "planted-10"),
            ("x-accesstoken", "planted-11"),
            ("user-agent", "planted-12"),
            ("accept-language", "planted-13"),
            ("referer", "planted-14"),
            ("x-anything", "planted-15"),
            ("if-none-match", "\"planted-16\""),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ]
        .into_iter()
        .fold(request, |request, (name, value)| request.header(name, value))
    };
    citrix.gateway.send(request(Method::GET, "/resource-locations")).await.ok(200);
    citrix.gateway.send(request(Method::GET, "/service-states")).await.ok(200);
    let path = format!("/sites/-/machines/{MACHINE}/actions/reboot");
    citrix.gateway.send(request(Method::POST, &path)).await.ok(200);
    let new = request(Method::POST, "/notifications").header("content-type", "application/json");
    let new = new.body(json!({ "title": "t", "description": "d" }).to_string());
    citrix.gateway.send(new).await.ok(200);

    let all = citrix.all();
    assert!(all.len() >= 7, "{all:#?}");
    let text = format!("{all:?}").to_lowercase();
    for word in ["planted", "cwsgate_", "0af7651916cd43dd8448eb211c80319c", "x-api-key"] {
        assert!(!text.contains(word), "{word}: {all:#?}");
    }
    for seen in &all {
        assert_eq!(seen.field("user-agent"), concat!("cwsgate/", env!("CARGO_PKG_VERSION")));
    }
}

#[tokio::test]
async fn the_transaction_id_that_citrix_sees_is_the_one_that_the_caller_gets() {
    let citrix = Citrix::start().await;
    for id in ["", "a-caller-s-own"] {
        let request = citrix.gateway.request(Method::GET, "/v1/customers/lab/resource-locations");
        let request = if id.is_empty() { request } else { request.header("x-request-id", id) };
        let reply = citrix.gateway.send(request).await;

        let seen = citrix.registry.seen();
        let sent = seen.last().unwrap().field("citrix-transactionid").to_owned();
        assert!(is_guid(&sent), "{sent}");
        assert_eq!(reply.header("citrix-transactionid"), sent);
        if !id.is_empty() {
            assert_eq!(reply.header("x-request-id"), id);
        }
    }
    let seen = citrix.registry.seen();
    assert_ne!(seen[0].field("citrix-transactionid"), seen[1].field("citrix-transactionid"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for service in ["token", "registry", "daas"] {
        for status in ["307 Temporary Redirect", "302 Found", "308 Permanent Redirect"] {
            let citrix = Citrix::with("oauth2", |asked, elsewhere| {
                let location = format!("Location: {elsewhere}/{CUSTOMER}/resourcelocations\r\n");
                (asked == service).then(|| answer(status, &location, "{}"))
            })
            .await;
            let path = if service == "daas" { "/me" } else { "/resource-locations" };

            let reply = citrix.get(path).await;

            assert!(reply.status.is_server_error(), "{service} {status}: {}", reply.text);
            assert_eq!(reply.json()["upstream"]["service"], service);
            assert_eq!(citrix.elsewhere.connections(), 0, "{service} {status}");
        }
    }
}

/// What every call with a token holds.
#[track_caller]
fn check_fields(seen: &Seen) {
    assert_eq!(seen.field("authorization"), format!("CwsAuth Bearer={TOKEN}"));
    assert_eq!(seen.field("citrix-customerid"), CUSTOMER);
    assert_eq!(seen.field("accept"), "application/json");
    assert!(is_guid(seen.field("citrix-transactionid")));
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::parse_str(text).is_ok()
}

fn token_answer(form: &str) -> &'static str {
    match form {
        // With white space around and the life as text, as the service answers.
        "oauth2" => {
            "\n  { \"token_type\": \"bearer\", \"access_token\": \"head.body.sign\", \
             \"expires_in\": \"3600\" }\n"
        }
        _ => {
            "{\"principal\":\"p\",\"subject\":\"s\",\"token\":\"head.body.sign\",\"expiresIn\":3600}"
        }
    }
}

fn daas_answers() -> Vec<(&'static str, String)> {
    let machine =
        format!(r#"{{"Id":"{MACHINE}","Name":"LAB\\KESTREL","SessionCount":0,"PowerState":"On"}}"#);
    let machine = machine.as_str();
    let session = r#"{"Id":"s-1","State":"Active"}"#;
    let list = |items: &str| stub::json(&format!("{{\"Items\":[{items}]}}"));
    let me = format!(
        r#"{{"UserId":"u","Customers":[{{"Id":"{CUSTOMER}","Sites":[{{"Id":"{SITE}","Name":"cloudxdsite"}}]}}]}}"#
    );
    let job = "Location: https://api.cloud.com/cvad/manage/Jobs/job-1\r\n";
    vec![
        ("GET /cvad/manage/me ", stub::json(&me)),
        ("GET /cvad/manage/Sites", list(&format!(r#"{{"Id":"{SITE}","Name":"cloudxdsite"}}"#))),
        ("GET /cvad/manage/Machines?", list(machine)),
        ("GET /cvad/manage/Machines/", stub::json(machine)),
        ("GET /cvad/manage/Sessions?", list(session)),
        ("GET /cvad/manage/Sessions/", stub::json(session)),
        ("GET /cvad/manage/MachineCatalogs/cat-1/Machines", list(machine)),
        ("GET /cvad/manage/DeliveryGroups/grp-1/Machines", list(machine)),
        ("GET /cvad/manage/MachineCatalogs/", stub::json(r#"{"Id":"cat-1","Name":"Pool"}"#)),
        ("GET /cvad/manage/DeliveryGroups/", stub::json(r#"{"Id":"grp-1","Name":"Staff"}"#)),
        ("GET /cvad/manage/MachineCatalogs?", list(r#"{"Id":"cat-1","Name":"Pool"}"#)),
        ("GET /cvad/manage/DeliveryGroups", list(r#"{"Id":"grp-1","Name":"Staff"}"#)),
        ("GET /cvad/manage/Jobs/job-1", stub::json(r#"{"Id":"job-1","Status":"Complete"}"#)),
        ("POST /cvad/manage/Machines/$search", list(machine)),
        ("POST /cvad/manage/Machines/", answer("202 Accepted", job, "")),
        ("PATCH /cvad/manage/Machines/", "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        ("POST /cvad/manage/Sessions/s-1/", stub::json(session)),
    ]
}

const CUSTOMER: &str = "k7m2q9xw4tza";
const CLIENT_ID: &str = "0d5c1111-0000-4000-8000-000000000001";
const SECRET: &str = "a+b/c==&d%e f";
const TOKEN: &str = "head.body.sign";
const SITE: &str = "3e4f29be-d670-456e-82a7-58d43603204b";
const MACHINE: &str = "de305d54-75b4-431b-adb2-eb6b9e546014";

const LOCATIONS: &str = r#"{"items":[{"id":"rl-1","name":"London"}]}"#;
const STATES: &str =
    r#"{"items":[{"serviceName":"xendesktop","state":"Production","type":"Production"}]}"#;
const STORED: &str =
    r#"{"destinationAdmin":"*","component":"Citrix Cloud","severity":"Information","content":[]}"#;

const TOKEN_FIELDS: [&str; 6] =
    ["accept", "accept-encoding", "content-length", "content-type", "host", "user-agent"];
const FIELDS: [&str; 7] = [
    "accept",
    "accept-encoding",
    "authorization",
    "citrix-customerid",
    "citrix-transactionid",
    "host",
    "user-agent",
];
const FIELDS_OF_SITE: [&str; 8] = [
    "accept",
    "accept-encoding",
    "authorization",
    "citrix-customerid",
    "citrix-instanceid",
    "citrix-transactionid",
    "host",
    "user-agent",
];
const FIELDS_OF_POST: [&str; 9] = [
    "accept",
    "accept-encoding",
    "authorization",
    "citrix-customerid",
    "citrix-instanceid",
    "citrix-transactionid",
    "content-length",
    "host",
    "user-agent",
];
const FIELDS_OF_JSON: [&str; 9] = [
    "accept",
    "accept-encoding",
    "authorization",
    "citrix-customerid",
    "citrix-transactionid",
    "content-length",
    "content-type",
    "host",
    "user-agent",
];
const FIELDS_OF_SITE_JSON: [&str; 10] = [
    "accept",
    "accept-encoding",
    "authorization",
    "citrix-customerid",
    "citrix-instanceid",
    "citrix-transactionid",
    "content-length",
    "content-type",
    "host",
    "user-agent",
];
