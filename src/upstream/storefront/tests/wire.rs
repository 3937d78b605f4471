//! What is sent, byte for byte.

use super::{link, stub::FakeStore};
use crate::{
    domain::ClientName,
    upstream::{
        storefront::{Access, PowerOffOutcome},
        testing::context,
    },
};

const USER_AGENT: &str = concat!("user-agent: cwsgate/", env!("CARGO_PKG_VERSION"));
const TOKENS: &str = "accept: application/vnd.citrix.requesttokenresponse+xml, application/vnd.citrix.requesttokenchoices+xml";
const CONVERSATION: &str = "accept: application/vnd.citrix.requesttokenresponse+xml, text/xml, application/vnd.citrix.authenticateresponse-1+xml";

fn get(path: &str, accept: &str, authorization: &str) -> String {
    let authorization = line("authorization", authorization);
    format!(
        "GET {path} HTTP/1.1\naccept-encoding: gzip\naccept-language: en\naccept: {accept}\n{authorization}{USER_AGENT}\n\n"
    )
}

fn post(path: &str, accept: &str, content_type: &str, extra: (&str, &str), body: &str) -> String {
    let (authorization, cookie) = extra;
    format!(
        "POST {path} HTTP/1.1\naccept-encoding: gzip\naccept-language: en\n{accept}\n{}content-length: {}\ncontent-type: {content_type}\n{}{USER_AGENT}\n\n{body}",
        line("authorization", authorization),
        // The port has five digits, and stands as a word of four.
        body.len() + body.matches("PORT").count(),
        line("cookie", cookie),
    )
}

fn line(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{name}: {value}\n") }
}

fn token_request(service: &str, path: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <requesttoken xmlns=\"http://citrix.com/delivery-services/1-0/auth/requesttoken\">\n\
         \x20 <for-service>{service}</for-service>\n\
         \x20 <for-service-url>http://127.0.0.1:PORT{path}</for-service-url>\n\
         \x20 <reqtokentemplate />\n\
         </requesttoken>\n"
    )
}

const LIST: &str =
    "/Citrix/Store/resources/v2/withoutautoprovision?group=core&group=vm&group=desktop";
const RESOURCES: &str = "application/vnd.citrix.resources+xml";
const TOKEN: &str = "/Citrix/StoreAuth/auth/v1/token";
const REQUEST: &str = "application/vnd.citrix.requesttoken+xml";

/// What a list costs from nothing, around the part in which the sign-in differs.
fn from_nothing(sign_in: Vec<String>) -> Vec<String> {
    let for_store = token_request("store-realm", "/Citrix/Store/resources/v2/withoutautoprovision");
    let mut all = vec![
        get("/Citrix/Store/endpoints/v1", "application/vnd.citrix.endpoints+xml", ""),
        get(LIST, RESOURCES, ""),
        post(TOKEN, TOKENS, REQUEST, ("", ""), &for_store),
        post(
            "/Citrix/StoreAuth/auth/v1/protocols",
            TOKENS,
            REQUEST,
            ("", ""),
            &token_request("auth-realm", TOKEN),
        ),
    ];
    all.extend(sign_in);
    all.push(post(TOKEN, TOKENS, REQUEST, ("CitrixAuth canary-primary-0", ""), &for_store));
    all.push(get(LIST, RESOURCES, "CitrixAuth canary-service-1"));
    all
}

#[tokio::test]
async fn http_basic_enumeration_and_power_off_send_exactly_this() {
    let fake = FakeStore::start().await;
    let store = fake.basic();
    let link = link(&fake, &store).await;
    let name = ClientName::try_from("kiosk-7").unwrap();
    let visit = fake.upstream.storefront.visit(&store, Access::Account);
    let outcome = visit.power_off(&context(), &link, &name).await.unwrap();
    assert!(matches!(outcome, PowerOffOutcome::Done));

    let credential = "Basic RVhBTVBMRVxraW9zazpjYW5hcnktcCZzc3c9cmQvNTFjNw==";
    let mut expected = from_nothing(vec![post(
        "/Citrix/StoreAuth/HttpBasic/Start",
        CONVERSATION,
        REQUEST,
        (credential, ""),
        &token_request("auth-realm", TOKEN),
    )]);
    expected.push(post(
        "/Citrix/Store/resources/v2/RmFy-/poweroff?k=8f",
        "accept: application/vnd.citrix.machinepoweroff+xml",
        "application/vnd.citrix.machinepoweroffparams+xml",
        ("CitrixAuth canary-service-1", ""),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <machinepoweroffparams xmlns=\"http://citrix.com/delivery-services/1-0/machinepoweroffparams\">\n\
         \x20 <clientName>kiosk-7</clientName>\n\
         </machinepoweroffparams>\n",
    ));
    assert_eq!(fake.sent(), expected);
}

#[tokio::test]
async fn explicit_forms_send_exactly_this() {
    let fake = FakeStore::start().await;
    link(&fake, &fake.forms()).await;
    let start = post(
        "/Citrix/StoreAuth/ExplicitForms/Start",
        CONVERSATION,
        REQUEST,
        ("", ""),
        &token_request("auth-realm", TOKEN),
    );
    let form = post(
        "/Citrix/StoreAuth/ExplicitForms",
        "accept: application/vnd.citrix.requesttokenresponse+xml, application/vnd.citrix.authenticateresponse-1+xml",
        "application/x-www-form-urlencoded",
        ("", "Citrix_AuthSvc=canary-cookie; other=1"),
        "StateContext=&username=EXAMPLE%5Ckiosk&password=canary-p%26ssw%3Drd%2F51c7&saveCredentials=false&loginBtn=Anmelden+%26+los",
    );
    assert_eq!(fake.sent(), from_nothing(vec![start, form]));
}
