//! The limits of apps hold on Citrix's paths too.

use cwsgate::auth::ApiKey;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ACME, machine, site};
use crate::support::{Gateway, Reply};

const GRANTS: &str = r#"{ actions = ["read", "power", "write", "session"], customers = ["acme"] }"#;

#[tokio::test]
async fn calls_count_with_those_under_v1_and_a_refusal_can_be_printed() {
    let settings = "[apps.limited.limits]\nrequests_per_minute = 4";
    let (builder, limited) = Gateway::builder().settings(settings).app("limited", GRANTS);
    let gateway = builder.start().await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "limited"),
        ("client_secret", limited.expose()),
    ];
    let buy = || gateway.bare(Method::POST, "/cctrustoauth2/root/tokens/clients").form(&form);

    let bought = gateway.send(buy()).await;
    bought.ok(200);
    assert!(bought.header("ratelimit").starts_with("\"requests\";r=3;"), "{:?}", bought.headers);
    let me = ask(&gateway, &limited, "GET", "/cvad/manage/me").await;
    me.ok(200);
    assert_eq!(me.header("ratelimit-policy"), "\"requests\";q=4;w=60");
    assert!(me.header("ratelimit").starts_with("\"requests\";r=2;"), "{:?}", me.headers);
    gateway.send(gateway.request_as(&limited, Method::GET, "/v1/whoami")).await.ok(200);
    let mut exceeded = ask(&gateway, &limited, "GET", "/cvad/manage/me").await;
    while exceeded.status == 200 {
        exceeded = ask(&gateway, &limited, "GET", "/cvad/manage/me").await;
    }

    let asked = gateway.total_asked().await;
    let problem = exceeded.problem(429, "quota_exceeded");
    assert_eq!(problem["ErrorMessage"], "this app may make 4 requests in 60 seconds");
    assert!(exceeded.header("ratelimit").starts_with("\"requests\";r=0;"), "{exceeded:?}");
    let mut reply = gateway.send(buy()).await;
    while reply.status == 200 {
        reply = gateway.send(buy()).await;
    }
    assert_eq!(reply.status, 429, "{}", reply.text);
    assert_eq!(reply.json()["error"], "temporarily_unavailable");
    assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
    // Nothing of that is anybody else's affair, Citrix's included.
    assert_eq!(gateway.total_asked().await, asked);
    ask_with(&gateway, &gateway.key, "GET", "/cvad/manage/me", None).await.ok(200);
}

#[tokio::test]
async fn machines_that_are_acted_on_are_counted_as_under_v1() {
    let settings = "[apps.careful.limits]\nmachines_per_hour = 3";
    let (builder, careful) = Gateway::builder().settings(settings).app("careful", GRANTS);
    let gateway = builder.start().await;
    let kestrel = machine(&gateway, "acme", "DEMOLAB%5CKESTREL").await;
    let reboot = format!("/cvad/manage/Machines/{kestrel}/$reboot");
    let item = |reference: &str, method: &str, path: &str| json!({ "Reference": reference, "Method": method, "RelativeUrl": path });
    let batch = async |items: &[Value]| {
        let body = json!({ "Items": items });
        ask_with(&gateway, careful.expose(), "POST", "/cvad/manage/$batch", Some(body)).await
    };
    let change =
        |number: usize| item(&number.to_string(), "PATCH", &format!("/Machines/{kestrel}"));

    // What acts on nobody knows how many, or on more than there may ever be, is not begun.
    let asked = gateway.total_asked().await;
    for path in ["MachineCatalogs/none/$RebootMachines", "DeliveryGroups/none/$StartRebootCycle"] {
        let reply = ask(&gateway, &careful, "POST", &format!("/cvad/manage/{path}")).await;
        let said = reply.problem(400, "invalid_request")["ErrorMessage"].to_string();
        assert!(said.contains("3 machines") && said.contains("/v1/operations"), "{said}");
        batch(&[item("1", "POST", &format!("/{path}"))]).await.problem(400, "invalid_request");
    }
    let four: Vec<_> = (0..4).map(change).collect();
    batch(&four).await.problem(400, "invalid_request");
    assert_eq!(gateway.total_asked().await, asked);

    // Each counts one, wherever it is made; reads, sessions and what is refused count nothing.
    ask(&gateway, &careful, "GET", "/cvad/manage/Machines").await.ok(200);
    ask(&gateway, &careful, "POST", "/cvad/manage/Sessions/none/$logoff").await;
    ask(&gateway, &careful, "DELETE", "/administrators/none").await.problem(403, "policy_denied");
    assert_eq!(ask(&gateway, &careful, "POST", &reboot).await.status, 200);
    batch(&[change(1), item("2", "GET", "/me")]).await.ok(200);
    // Two more are one too many: neither is sent.
    let asked = gateway.total_asked().await;
    batch(&[change(1), change(2)]).await.problem(429, "quota_exceeded");
    assert_eq!(gateway.total_asked().await, asked);
    let path = "/v1/customers/acme/sites/-/machines/DEMOLAB%7CKESTREL/actions/reboot";
    let body = json!({ "ifInUse": "proceed" }).to_string();
    let request = gateway
        .request_as(&careful, Method::POST, path)
        .header("content-type", "application/json")
        .body(body);
    gateway.send(request).await.ok(200);

    let exceeded = ask(&gateway, &careful, "POST", &reboot).await;
    let problem = exceeded.problem(429, "quota_exceeded");
    assert_eq!(problem["ErrorMessage"], "this app may act on 3 machines in 3600 seconds");
    ask(&gateway, &careful, "GET", "/cvad/manage/Machines").await.ok(200);
}

async fn ask(gateway: &Gateway, key: &ApiKey, method: &str, path: &str) -> Reply {
    ask_with(gateway, key.expose(), method, path, None).await
}

async fn ask_with(
    gateway: &Gateway,
    key: &str,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Reply {
    let request = gateway
        .bare(method.parse().unwrap(), path)
        .bearer_auth(key)
        .header("citrix-customerid", ACME)
        .header("citrix-instanceid", site(gateway, "acme"))
        .header("content-type", "application/json");
    let request = body.into_iter().fold(request, |request, body| request.body(body.to_string()));
    gateway.send(request).await
}
