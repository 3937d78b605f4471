//! Who may do what on Citrix's paths: every app against every kind of call.

use std::collections::BTreeMap;

use cwsgate::auth::ApiKey;
use reqwest::Method;
use serde_json::json;

use super::{ACME, machine, site};
use crate::support::{Gateway, Reply};

/// Calls by the action they need; `{m}` is a machine, `{s}` the site. None has an effect that the
/// next could notice: what would is refused by Citrix.
const CALLS: [(&str, &str); 30] = [
    ("read", "GET /cvad/manage/me"),
    ("read", "HEAD /cvad/manage/Machines/{m}"),
    ("read", "POST /cvad/manage/Machines/$search"),
    ("read", "GET /cvad/manage/Machines/{m}/$reboot"),
    ("read", "GET /cvadapis/{s}/Machines"),
    ("read", "GET /acme/serviceStates"),
    ("read", "GET /acme/notifications"),
    ("read", "GET /administrators"),
    ("read", "GET /systemlog/records"),
    ("power", "POST /cvad/manage/Machines/{m}/$start"),
    ("power", "POST /CVAD/manage/MACHINES/{m}/%24START"),
    ("power", "POST /cvadapis/{s}/machines/{m}/$Resume"),
    ("power", "POST /cvad/manage/MachineCatalogs/none/$RebootMachines"),
    ("power", "POST /cvad/manage/DeliveryGroups/none/$StartRebootCycle"),
    ("power", "DELETE /cvad/manage/Machines/{m}/PowerActionSchedules"),
    ("session", "POST /cvad/manage/Sessions/none/$logoff"),
    ("session", "POST /cvad/manage/Sessions/none/$sendMessage"),
    ("session", "POST /cvad/manage/Machines/none/$logoff"),
    ("session", "POST /cvadapis/{s}/Machines/none/$disconnect"),
    ("notify", "POST /acme/notifications/items"),
    ("notify", "POST /notifications"),
    ("identity", "POST /administrators/$create"),
    ("identity", "DELETE /administrators/none"),
    ("write", "PATCH /cvad/manage/Machines/none"),
    ("write", "DELETE /cvad/manage/Machines/none"),
    ("write", "POST /cvad/manage/Machines/{m}/x/$start"),
    ("write", "PUT /cvad/manage/Machines/{m}/$start"),
    ("write", "DELETE /acme/resourcelocations/none"),
    ("write", "POST /monitorodata/x"),
    ("write", "POST /catalogservice/acme/Machines/{m}/$start"),
];

const ACTIONS: [&str; 9] =
    ["read", "session", "power", "maintain", "notify", "write", "identity", "audit", "admin"];

#[tokio::test]
async fn each_kind_of_call_needs_its_own_action_and_no_other() {
    let mut builder = Gateway::builder();
    let mut keys = BTreeMap::new();
    for action in ACTIONS {
        let key;
        let grant = format!(r#"{{ actions = ["{action}"], customers = ["acme"] }}"#);
        (builder, key) = builder.app(&format!("only-{action}"), &grant);
        keys.insert(action, key);
    }
    let gateway = builder.start().await;
    let ids = ids(&gateway).await;
    let site = &ids.0;
    let mut expected = gateway.total_asked().await;
    for (needed, call) in CALLS {
        for action in ACTIONS {
            let reply = ask(&gateway, &keys[action], call, ACME, Some(site), &ids).await;
            if action == needed {
                expected += 1;
                assert!(is_citrix_s(&reply), "{action}: {call}: {} {}", reply.status, reply.text);
            } else if call.starts_with("HEAD") {
                assert_eq!(reply.status, 403, "{action}: {call}");
            } else {
                let problem = reply.problem(403, "policy_denied");
                let said = problem["ErrorMessage"].as_str().unwrap();
                assert!(said.contains(&format!("\"{needed}\"")), "{action}: {call}: {said}");
            }
        }
    }
    // One of them had to ask for a token first.
    assert!(gateway.total_asked().await - expected <= 1);
}

#[tokio::test]
async fn what_may_not_be_seen_answers_like_what_is_not_there() {
    let (builder, key) = Gateway::builder().app(
        "globex-only",
        r#"{ actions = ["read", "power", "write", "notify", "session", "identity"], customers = ["globex"] }"#,
    );
    let gateway = builder.start().await;
    let ids = ids(&gateway).await;
    let site = &ids.0;
    let asked = gateway.total_asked().await;
    for (_, call) in CALLS {
        let there = ask(&gateway, &key, call, ACME, Some(site), &ids).await;
        let call = call.replace("/acme", "/nobody");
        let not_there = ask(&gateway, &key, &call, "nobody", Some(site), &ids).await;
        assert_eq!(there.status, 404, "{call}");
        if !call.starts_with("HEAD") {
            let (mut there, mut not_there) =
                (there.problem(404, "not_found"), not_there.problem(404, "not_found"));
            for problem in [&mut there, &mut not_there] {
                problem["requestId"] = json!(null);
                problem["instance"] = json!(null);
            }
            assert_eq!(there, not_there);
        }
    }
    assert_eq!(gateway.total_asked().await, asked);
}

#[tokio::test]
async fn a_grant_on_single_sites_reaches_no_further() {
    // The site's id is known only once there is a simulator, and is always the same.
    let demo = Gateway::demo().await;
    let (site, _) = ids(&demo).await;
    drop(demo);
    let grants = format!(
        r#"{{ actions = ["read", "write", "power", "notify", "identity", "session"], customers = ["acme"], sites = ["{site}"] }},
           {{ actions = ["read"], customers = ["acme"], sites = ["second"] }}"#
    )
    .replace('\n', "");
    let (builder, key) = Gateway::builder().app("one-site", &grants);
    let gateway = builder.start().await;
    let ids = ids(&gateway).await;
    assert_eq!(ids.0, site);

    let allowed: &[(&str, Option<&str>)] = &[
        ("GET /cvad/manage/me", None),
        ("GET /cvad/manage/Machines", Some(&site)),
        ("POST /cvad/manage/Machines/{m}/$start", Some(&site)),
        ("GET /cvad/manage/Sites/{s}", None),
        ("GET /cvadapis/me", None),
        ("GET /cvadapis/{s}/Machines", None),
        ("GET /cvadapis/{s}/Machines", Some("elsewhere")), // the path says it; the header stays here
    ];
    for (call, header) in allowed {
        let reply = ask(&gateway, &key, call, ACME, *header, &ids).await;
        assert!(is_citrix_s(&reply) && reply.status == 200, "{call}: {}", reply.text);
    }
    let upper = site.to_uppercase();
    let reply = ask(&gateway, &key, "GET /cvad/manage/Machines", ACME, Some(&upper), &ids).await;
    assert_eq!(reply.status, 200);

    let asked = gateway.total_asked().await;
    let denied: &[(u16, &str, Option<&str>)] = &[
        (404, "GET /cvad/manage/Machines", Some("elsewhere")),
        (404, "GET /cvad/manage/Sites/elsewhere", None),
        (404, "GET /cvad/manage/Sites/elsewhere", Some(&site)),
        (404, "GET /cvadapis/elsewhere/Machines", Some(&site)),
        (404, "POST /cvad/manage/elsewhere", Some("elsewhere")),
        (403, "POST /cvad/manage/Machines/{m}/$start", Some("second")),
        (403, "GET /cvad/manage/Machines", None),
        (403, "POST /cvad/manage/Machines/{m}/$start", None),
        (403, "POST /cvad/manage/me", None),
        (403, "GET /cvad/manage/Sites", None),
        (403, "GET /cvad/manage/tokens", None),
        (403, "GET /acme/serviceStates", None),
        (403, "GET /acme/serviceStates", Some(&site)),
        (403, "POST /acme/notifications/items", Some(&site)),
        (403, "DELETE /administrators/x", Some(&site)),
        (403, "GET /monitorodata/Machines", Some(&site)),
        (403, "GET /catalogservice/acme/{s}", Some(&site)),
    ];
    for (status, call, header) in denied {
        let reply = ask(&gateway, &key, call, ACME, *header, &ids).await;
        let code = if *status == 404 { "not_found" } else { "policy_denied" };
        reply.problem(*status, code);
    }
    let elsewhere = "/Sites/elsewhere";
    batched(&gateway, &key, &site, "GET", elsewhere).await.problem(404, "not_found");
    assert_eq!(gateway.total_asked().await, asked);
}

#[tokio::test]
async fn a_path_of_another_form_of_the_api_leads_nowhere() {
    let demo = Gateway::demo().await;
    let site = site(&demo, "acme");
    drop(demo);
    let grants =
        format!(r#"{{ actions = ["read", "write"], customers = ["acme"], sites = ["{site}"] }}"#);
    let (builder, key) = Gateway::builder().app("one-site", &grants);
    let gateway = builder.start().await;
    let ids = ids(&gateway).await;
    let asked = gateway.total_asked().await;
    for start in [
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "abcd1024xyz/other",
        "ABCD1024xyz/{s}",
        "Acme/other",
        "abcd1024xyz%20/other",
        "v1/abcd1024xyz/other",
        "techpreview/abcd1024xyz/other",
        "citrix/x",
        "cvadapis/other",
        "cvad/manage",
    ] {
        for (method, end) in
            [("GET", "Machines"), ("GET", "Sites/other"), ("POST", "Machines/{m}/$reboot")]
        {
            let path = format!("{start}/{end}").replace("{s}", &site).replace("{m}", &ids.1);
            for base in ["/cvad/manage".to_owned(), format!("/cvadapis/{site}")] {
                let call = format!("{method} {base}/{path}");
                let reply = ask(&gateway, &key, &call, ACME, Some(&site), &ids).await;
                reply.problem(400, "invalid_request");
            }
            let reply = batched(&gateway, &key, &site, method, &format!("/{path}")).await;
            let problem = reply.problem(400, "invalid_request");
            assert_eq!(problem["errors"][0]["pointer"], "/Items/0/RelativeUrl");
        }
    }
    assert_eq!(gateway.total_asked().await, asked);
}

async fn batched(gateway: &Gateway, key: &ApiKey, site: &str, method: &str, url: &str) -> Reply {
    let item = json!({ "Reference": "1", "Method": method, "RelativeUrl": url });
    let request = gateway
        .request_as(key, Method::POST, "/cvad/manage/$batch")
        .header("citrix-customerid", ACME)
        .header("citrix-instanceid", site)
        .body(json!({ "Items": [item] }).to_string());
    gateway.send(request).await
}

async fn ids(gateway: &Gateway) -> (String, String) {
    (site(gateway, "acme"), machine(gateway, "acme", "DEMOLAB%5CKESTREL").await)
}

async fn ask(
    gateway: &Gateway,
    key: &ApiKey,
    call: &str,
    customer: &str,
    site: Option<&str>,
    (in_path, machine): &(String, String),
) -> Reply {
    let call = call.replace("{m}", machine).replace("{s}", in_path);
    let (method, path) = call.split_once(' ').unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = gateway
        .request_as(key, method, path)
        .header("content-type", "application/json")
        .header("citrix-customerid", customer);
    if let Some(site) = site {
        request = request.header("citrix-instanceid", site);
    }
    if path.ends_with("$search") {
        request = request.body("{}");
    }
    gateway.send(request).await
}

/// Whether Citrix has answered, and not the gateway in its place.
fn is_citrix_s(reply: &Reply) -> bool {
    reply.header("cwsgate-upstream") == "simulator"
        && !reply.header("content-type").starts_with("application/problem+json")
}
