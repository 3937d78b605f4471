//! Neither side sees the other's credential.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use super::{
    call, request,
    stub::{Lab, read_until},
};
use crate::support::Gateway;

#[tokio::test]
async fn the_caller_s_credential_never_reaches_citrix() {
    let mut lab = Lab::start().await;
    let key = lab.gateway.key.clone();
    for (scheme, extra) in [
        ("Bearer ", ""),
        ("CwsAuth Bearer=", ""),
        ("CWSAUTH bearer=", "X-Api-Key: {key}\r\n"),
        ("Bearer ", "Proxy-Authorization: Bearer {key}\r\nCookie: t={key}\r\n"),
    ] {
        let fields =
            format!("X-Odd: {key}\r\n{}Content-Length: 2\r\n", extra.replace("{key}", &key));
        let head = format!(
            "POST /cvad/manage/x HTTP/1.1\r\nHost: {}\r\nAuthorization: {scheme}{key}\r\n\
             Citrix-CustomerId: lab\r\n{fields}\r\n{{}}",
            lab.gateway.address
        );
        let mut caller = tokio::net::TcpStream::connect(lab.gateway.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut caller, head.as_bytes()).await.unwrap();
        let mut citrix = lab.call().await;
        let body = citrix.read_until("{}").await;
        assert!(!citrix.head.contains(&key) && !body.contains(&key), "{}", citrix.head);
        assert_eq!(citrix.field("authorization"), "CwsAuth Bearer=lab-token-1");
        citrix.answer("200 OK", "", "done").await;
        read_until(&mut caller, "done").await;
    }
}

#[tokio::test]
async fn citrix_s_token_never_reaches_the_caller() {
    let gateway = Gateway::demo().await;
    call(&gateway, "GET", "/cvad/manage/me").await.ok(200);
    let tokens = gateway.simulator.live_tokens();
    let token = tokens[0].expose_secret();
    gateway.fault(json!({ "match": { "service": "daas" }, "times": 1, "status": 307, "body": "{}",
        "headers": {
            "Location": format!("/cvad/manage/me?access_token={token}"),
            "Link": format!("</x?{token}>; rel=\"next\""),
            "ETag": format!("\"{token}\""),
            "Authorization": format!("CwsAuth Bearer={token}"),
            "WWW-Authenticate": format!("Bearer {token}"),
            "Set-Cookie": format!("t={token}"),
        } }));
    let reply = call(&gateway, "GET", "/cvad/manage/me").await;
    assert_eq!(reply.status, 307);
    for (name, value) in &reply.headers {
        assert!(!value.to_str().unwrap().contains(token), "{name}");
    }
}

#[tokio::test]
async fn another_customer_s_answer_needs_another_customer_s_token() {
    let gateway = Gateway::demo().await;
    let customers = ["acme", "globex", "contoso"];
    let ask = |customer: &'static str| {
        let gateway = &gateway;
        async move {
            let request = gateway.request(Method::GET, "/cvad/manage/me");
            let me = gateway.send(request.header("citrix-customerid", customer)).await.ok(200);
            let expected = gateway.simulator.customer(customer).unwrap().id;
            assert_eq!(me["Customers"][0]["Id"], expected);
        }
    };
    let all = (0..30).flat_map(|_| customers).map(ask);
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn a_request_for_another_host_goes_nowhere() {
    let gateway = Gateway::demo().await;
    let mut lab = Lab::start().await;
    let elsewhere = lab.url.strip_prefix("http://").unwrap().to_owned();
    for (name, value) in [
        ("host", elsewhere.as_str()),
        ("x-forwarded-host", elsewhere.as_str()),
        ("x-original-url", lab.url.as_str()),
        ("forwarded", "host=evil.example"),
    ] {
        let request = request(&gateway, "GET", "/cvad/manage/me").header(name, value);
        gateway.send(request).await.ok(200);
    }
    assert!(!lab.has_call());
}
