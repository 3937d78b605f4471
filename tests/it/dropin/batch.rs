//! Calls in one: each is allowed or refused by its own method and path.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    ACME, asked_on, machine, request, site,
    stub::{Lab, read_until},
};
use crate::support::{Gateway, Reply};

fn item(reference: &str, method: &str, url: &str) -> Value {
    json!({ "Reference": reference, "Method": method, "RelativeUrl": url,
        "Headers": [{ "Name": "Authorization", "Value": "Bearer canary-of-the-caller" }] })
}

async fn send(gateway: &Gateway, items: &[Value]) -> Reply {
    let request = request(gateway, "POST", "/cvad/manage/$batch");
    let request = request.header("content-type", "application/json; charset=utf-8");
    gateway.send(request.body(json!({ "Items": items }).to_string())).await
}

#[tokio::test]
async fn every_item_is_answered_with_the_gateway_s_token() {
    let gateway = Gateway::demo().await;
    let id = machine(&gateway, "acme", "DEMOLAB%5CKESTREL").await;
    let mut patch = item("3", "PATCH", &format!("/Machines/{id}"));
    patch["Body"] = json!(r#"{"InMaintenanceMode":true}"#);
    let items = [
        item("1", "GET", &format!("/Machines/{id}?fields=Id,Name")),
        item("2", "post", &format!("/Machines/{id}/%24reboot?async=true")),
        patch,
    ];
    let reply = send(&gateway, &items).await.ok(200);
    let codes: Vec<_> = reply["Items"].as_array().unwrap().iter().map(|i| &i["Code"]).collect();
    assert_eq!(codes, [200, 202, 204], "{reply}");
    assert_eq!(gateway.power_counts("DEMOLAB\\KESTREL", "reboot").await.0, 1);

    gateway.sim("PUT", "/_sim/customers/acme", json!({ "revokeTokens": true })).await;
    let reply = send(&gateway, &items[..1]).await.ok(200);
    assert_eq!(reply["Items"][0]["Code"], 200, "{reply}");
}

#[tokio::test]
async fn what_goes_up_is_written_anew() {
    let mut lab = Lab::start().await;
    let body = json!({ "items": [{
        "reference": "a", "METHOD": "post", "relativeUrl": "Machines/LAB|X/$Start?async=true",
        "Headers": [
            { "Name": "authorization", "Value": "CwsAuth Bearer=canary" },
            { "Name": "Citrix-InstanceId", "Value": "elsewhere" },
            { "Name": "Cookie", "Value": "canary" },
            { "Name": "X-AdminCredential", "Value": "Basic x" },
        ],
        "body": null,
    }] })
    .to_string();
    let fields = format!("Citrix-InstanceId: one\r\nContent-Length: {}\r\n", body.len());
    let mut caller = lab.send("POST /cvad/manage/$batch?async=true", &fields).await;
    tokio::io::AsyncWriteExt::write_all(&mut caller, body.as_bytes()).await.unwrap();
    let mut citrix = lab.call().await;
    let sent = citrix.read_until("]}").await;
    assert!(citrix.head.starts_with("POST /cvad/manage/$batch?async=true HTTP/1.1"));
    assert_eq!(citrix.field("content-type"), "application/json");
    assert_eq!(citrix.field("content-length"), sent.len().to_string());
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(
        sent,
        json!({ "Items": [{
            "Reference": "a", "Method": "POST", "RelativeUrl": "/Machines/LAB%7CX/$Start?async=true",
            "Headers": [
                { "Name": "Authorization", "Value": "Bearer lab-token-1" },
                { "Name": "X-AdminCredential", "Value": "Basic x" },
            ],
        }] })
    );
    citrix.answer("202 Accepted", "", "{}").await;
    read_until(&mut caller, "{}").await;
}

#[tokio::test]
async fn one_denial_refuses_the_batch() {
    let (builder, desk) =
        Gateway::builder().app("desk", r#"{ actions = ["read", "power"], customers = ["acme"] }"#);
    let gateway = builder.start().await;
    let id = machine(&gateway, "acme", "DEMOLAB%5CKESTREL").await;
    let site = site(&gateway, "acme");
    let before = gateway.total_asked().await;
    let send = async |items: &[Value]| {
        let request = gateway
            .request_as(&desk, Method::POST, "/cvad/manage/$batch")
            .header("citrix-customerid", ACME)
            .header("citrix-instanceid", &site)
            .body(json!({ "Items": items }).to_string());
        gateway.send(request).await
    };
    let reboot = item("1", "POST", &format!("/Machines/{id}/$reboot"));
    for (method, url, action) in [
        ("DELETE", format!("/Machines/{id}"), "write"),
        ("POST", format!("/Machines/{id}/$logoff"), "session"),
        ("POST", "/Machines/$group".to_owned(), "write"),
    ] {
        let reply = send(&[reboot.clone(), item("bad", method, &url)]).await;
        let problem = reply.problem(403, "policy_denied");
        let said = problem["ErrorMessage"].as_str().unwrap();
        assert!(said.contains(&format!("\"{action}\"")) && said.contains("\"bad\""), "{said}");
    }
    assert_eq!(gateway.total_asked().await, before, "nothing of them was asked");
    assert_eq!(send(&[reboot]).await.ok(200)["Items"][0]["Code"], 200);
}

#[tokio::test]
async fn a_batch_of_reads_is_a_read() {
    let (builder, reader) =
        Gateway::builder().app("reader", r#"{ actions = ["read"], customers = ["acme"] }"#);
    let gateway = builder.start().await;
    let site = site(&gateway, "acme");
    for path in ["/cvad/manage/$batch".to_owned(), format!("/cvadapis/{site}/$BATCH")] {
        let items = [item("1", "GET", "/me"), item("2", "POST", "/Sessions/$search")];
        let request = gateway
            .request_as(&reader, Method::POST, &path)
            .header("citrix-customerid", ACME)
            .header("citrix-instanceid", &site)
            .header("content-type", "application/json")
            .body(json!({ "Items": items }).to_string());
        let reply = gateway.send(request).await.ok(200);
        assert_eq!(reply["Items"][0]["Code"], 200, "{reply}");
    }
}

#[tokio::test]
async fn a_batch_that_is_none_is_explained_and_goes_nowhere() {
    let gateway = Gateway::demo().await;
    let asked = gateway.total_asked().await;
    for (body, pointer) in [
        ("", ""),
        ("[]", ""),
        ("{}", "/Items"),
        (
            r#"{"Items":[{"Reference":"1","Method":"GET","RelativeUrl":"/x","Url":"/y"}]}"#,
            "/Items/0",
        ),
        (
            r#"{"Items":[{"Reference":"1","Method":"GET","RelativeUrl":"http://x/"}]}"#,
            "/Items/0/RelativeUrl",
        ),
        (
            r#"{"Items":[{"Reference":"1","Method":"GET","RelativeUrl":"/a/../b"}]}"#,
            "/Items/0/RelativeUrl",
        ),
        (
            r#"{"Items":[{"Reference":"1","Method":"CONNECT","RelativeUrl":"/a"}]}"#,
            "/Items/0/Method",
        ),
        (
            r#"{"Items":[{"Reference":"1","Method":"GET","RelativeUrl":"/a","Headers":
                [{"Name":"X-TimeZone","Value":"UTC\r\nAuthorization: Bearer x"}]}]}"#,
            "/Items/0/Headers/0",
        ),
        (
            r#"{"Items":[{"Reference":"1","Method":"GET","RelativeUrl":"/a"},
                {"Reference":"1","Method":"GET","RelativeUrl":"/b"}]}"#,
            "/Items/1/Reference",
        ),
    ] {
        let request = gateway
            .request(Method::POST, "/cvad/manage/$batch")
            .header("citrix-customerid", ACME)
            .body(body);
        let problem = gateway.send(request).await.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
        assert_eq!(problem["ErrorMessage"], problem["detail"]);
    }
    let many: Vec<_> = (0..1001).map(|at| item(&at.to_string(), "GET", "/me")).collect();
    let request = gateway
        .request(Method::POST, "/cvad/manage/$batch")
        .header("citrix-customerid", ACME)
        .body(json!({ "Items": many }).to_string());
    gateway.send(request).await.problem(400, "invalid_request");
    assert_eq!(gateway.total_asked().await, asked);
    assert!(asked_on(&gateway, "batch").await.is_empty());
}
