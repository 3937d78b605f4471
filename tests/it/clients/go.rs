//! The first calls of Citrix's Go client (`citrix/citrix-daas-rest-go`) and of what is built on it,
//! with the headers that it was seen to send.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore},
};

use super::{
    CUSTOMER,
    connection::{Answer, Connection},
    tutorial,
};
use crate::support::{Gateway, write};

#[tokio::test]
async fn the_go_client_signs_in_finds_its_site_and_acts() {
    let gateway = tutorial().start().await;
    let connection = Connection::plain(&gateway).await;
    calls(&gateway, connection, "http").await;
}

/// As it is in earnest: the client speaks nothing else.
#[tokio::test]
async fn the_go_client_does_the_same_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = write(folder.path(), "tls.crt", &made.cert.pem());
    let key = write(folder.path(), "tls.key", &made.signing_key.serialize_pem());
    let tls = format!("tls = {{ cert_file = {certificate:?}, key_file = {key:?} }}");
    let gateway = tutorial().server(&tls).start().await;

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let trusting = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(trusting)).connect(name, stream).await.unwrap();
    calls(&gateway, Connection::over(stream), "https").await;
}

/// Every call, over a connection of any kind.
async fn calls(gateway: &Gateway, connection: Connection, scheme: &str) {
    let mut client = Client { connection, host: gateway.address.to_string(), token: String::new() };
    // `Encode` of Go's `url.Values` sorts by name.
    let form =
        format!("client_id=tests&client_secret={}&grant_type=client_credentials", gateway.key);
    let head = format!(
        "POST /cctrustoauth2/{CUSTOMER}/tokens/clients HTTP/1.1\nHost: {}\n\
         User-Agent: Go-http-client/1.1\nContent-Length: {}\nAccept: application/json\n\
         Content-Type: application/x-www-form-urlencoded\nAccept-Encoding: gzip",
        client.host,
        form.len()
    );
    let token = client.connection.call(&head, &form).await.json(200);
    // Both are read as text; anything else cannot be decoded.
    client.token = token["access_token"].as_str().unwrap().to_owned();
    assert!(token["expires_in"].as_str().unwrap().parse::<u32>().unwrap() > 60);
    assert!(!client.token.contains('='), "the token is taken from after the last `=`");

    let me = client.get("me", None).await.json(200);
    assert_eq!(me["Customers"][0]["Id"], CUSTOMER);
    let site = me["Customers"][0]["Sites"][0]["Id"].as_str().unwrap().to_owned();
    let detail = client.get(&format!("Sites/{site}"), None).await.json(200);
    for name in ["ProductVersion", "OrchestationApiVersion", "Name", "Id"] {
        assert!(!detail[name].is_null(), "{name}: {detail}");
    }

    let path = "Machines?fields=Id%2CName&limit=2";
    let machines = client.get(path, Some(&site)).await;
    // Without a media type of JSON the client cannot even read an error.
    assert!(machines.field("content-type").starts_with("application/json"));
    let machines = machines.json(200);
    assert_eq!(machines["Items"].as_array().unwrap().len(), 2);
    assert!(machines["ContinuationToken"].is_string());

    let kestrel = gateway.simulated("tutorial", "DEMOLAB%5CKESTREL").await;
    let id = kestrel["id"].as_str().unwrap();
    let job = client.post(&format!("Machines/{id}/$reboot?async=true"), &site, "").await;
    assert_eq!(job.status, 202, "{}", job.body);
    assert!(!job.field("citrix-transactionid").is_empty());
    let start = format!("{scheme}://{}/cvad/manage/Jobs/", client.host);
    assert!(job.field("location").starts_with(&start), "{}", job.field("location"));
    // The job is the last segment of the address.
    let job = job.field("location").rsplit('/').next().unwrap().to_owned();
    let job = client.get(&format!("Jobs/{job}"), Some(&site)).await.json(200);
    assert_eq!(job["Type"], "RebootMachines");

    let search = json!({ "SearchFilters": [
        { "Property": "SessionSupport", "Operator": "Equals", "Value": "MultiSession" }] });
    let found = client.post("Machines/$search", &site, &search.to_string()).await.json(200);
    assert_eq!(found["TotalItems"], 3);

    // As the Terraform provider batches: the client's own token in every item.
    let bearer = json!([{ "Name": "Authorization", "Value": format!("Bearer {}", client.token) }]);
    let batch = json!({ "Items": [
        { "Reference": "0", "Method": "GET", "RelativeUrl": "/me", "Headers": bearer },
        { "Reference": "1", "Method": "PATCH", "RelativeUrl": format!("/Machines/{id}"),
          "Headers": bearer, "Body": "{\"InMaintenanceMode\":true}" },
    ] });
    let done = client.post("$batch", &site, &batch.to_string()).await.json(200);
    let codes: Vec<&Value> =
        done["Items"].as_array().unwrap().iter().map(|item| &item["Code"]).collect();
    assert_eq!(codes, [200, 204], "{done}");

    // The platform's lists are asked for with a slash at the end of their base.
    for path in ["/resourcelocations/", "/administrators/?maxItemCount=100"] {
        let list = client.platform(path).await.json(200);
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{path}");
    }

    // An error of ours is JSON to it as well, and has what it looks for.
    let missing = client.get("Machines", Some("nobody/s")).await.json(400);
    assert!(missing["ErrorMessage"].is_string() && missing["detail"].is_string());
}

struct Client {
    connection: Connection,
    host: String,
    token: String,
}

impl Client {
    fn head(&self, line: &str, site: Option<&str>) -> String {
        // Before it knows its site it does not know its user agent either.
        let (agent, instance) = match site {
            None => ("OpenAPI-Generator/1.0.0/go", String::new()),
            Some(site) => {
                ("citrix-terraform-provider/1.0.38", format!("Citrix-InstanceId: {site}"))
            }
        };
        format!(
            "{line} HTTP/1.1\nHost: {}\nUser-Agent: {agent}\nAccept: application/json\n\
             Authorization: CWSAuth bearer={}\nCitrix-CustomerId: {CUSTOMER}\n{instance}\n\
             Citrix-TransactionId: {}\nAccept-Encoding: gzip",
            self.host,
            self.token,
            uuid::Uuid::now_v7(),
        )
    }

    async fn get(&mut self, path: &str, site: Option<&str>) -> Answer {
        let head = self.head(&format!("GET /cvad/manage/{path}"), site);
        self.connection.call(&head, "").await
    }

    async fn platform(&mut self, path: &str) -> Answer {
        let head = self.head(&format!("GET {path}"), None);
        self.connection.call(&head, "").await
    }

    async fn post(&mut self, path: &str, site: &str, body: &str) -> Answer {
        let head = self.head(&format!("POST /cvad/manage/{path}"), Some(site));
        let kind = if body.is_empty() { "" } else { "\nContent-Type: application/json" };
        let head = format!("{head}\nContent-Length: {}{kind}", body.len());
        self.connection.call(&head, body).await
    }
}
