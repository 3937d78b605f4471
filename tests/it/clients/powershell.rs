//! The tutorial's calls as `Invoke-WebRequest` and `Invoke-RestMethod` of Windows PowerShell 5.1 and
//! of PowerShell 7 make them: what they send besides what they were told.

use serde_json::json;

use super::{CUSTOMER, catalog, connection::Connection, tutorial};
use crate::support::Gateway;

/// What a version adds to every request.
struct Version {
    user_agent: &'static str,
    always: &'static str,
    /// 5.1 asks before it sends a body.
    expects: bool,
}

const VERSIONS: [Version; 2] = [
    Version {
        user_agent: "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1",
        always: "Connection: Keep-Alive",
        expects: true,
    },
    Version {
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.19045; en-US) PowerShell/7.4.6",
        always: "Accept-Encoding: gzip, deflate, br",
        expects: false,
    },
];

#[tokio::test]
async fn the_tutorial_works_from_powershell() {
    for version in VERSIONS {
        let gateway = tutorial().start().await;
        let mut shell = Shell::start(&gateway, version).await;
        let form =
            format!("client_secret={}&client_id=tests&grant_type=client_credentials", gateway.key);
        let path = "/cctrustoauth2/root/tokens/clients";
        let token = shell.post(path, "application/x-www-form-urlencoded", &form).await.json(200);
        assert_eq!(token["token_type"], "bearer");
        assert!(token["expires_in"].is_string());
        shell.token = token["access_token"].as_str().unwrap().to_owned();

        let locations = shell.get(&format!("/{CUSTOMER}/resourcelocations")).await.json(200);
        assert_eq!(locations["items"][0]["name"], "My Resource Location");
        let states = shell.get(&format!("/{CUSTOMER}/serviceStates")).await.json(200);
        assert_eq!(states["items"].as_array().unwrap().len(), 7);

        let notification = json!({
            "destinationAdmin": "*", "component": "Citrix Cloud", "severity": "Information",
            "createdDate": "2021-02-09T08:20:17.1208080-08:00", "priority": "Normal",
            "eventId": "004e6570-a0d2-4496-bb91-11e731ae457b",
            "content": [{ "languageTag": "en-US", "title": "Dinner Time", "description": "Fish and Chips!" }],
        });
        // As `ConvertTo-Json` writes it on Windows.
        let body = serde_json::to_string_pretty(&notification).unwrap().replace('\n', "\r\n");
        let path = format!("/{CUSTOMER}/notifications/items");
        let sent = shell.post(&path, "application/json", &body).await.json(200);
        assert_eq!(sent["content"][0]["detailUri"], json!(null));
        let sent = shell.post(&path, "application/json; charset=utf-8", &body).await.json(200);
        assert_eq!(sent["suppressEmail"], false);

        let me = shell.get("/cvadapis/me").await.json(200);
        let site = me["Customers"][0]["Sites"][0]["Id"].as_str().unwrap().to_owned();
        let catalog = catalog(&gateway).await;
        let path = format!("/cvadapis/{site}/MachineCatalogs/{catalog}/Machines");
        let machines = shell.get(&path).await.json(200);
        let mut said = Vec::new();
        for machine in machines["Items"].as_array().unwrap() {
            let (name, id) = (machine["Name"].as_str().unwrap(), machine["Id"].as_str().unwrap());
            if machine["SessionCount"] != 0 {
                said.push(format!("{} sessions on {name} - skipping", machine["SessionCount"]));
                continue;
            }
            let path = format!("/cvadapis/{site}/Machines/{id}/$reboot");
            let answer = shell.post(&path, "application/json", "").await;
            let outcome = if answer.status < 400 {
                "success".to_owned()
            } else {
                let failure: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
                format!("failure: {}", failure["ErrorMessage"].as_str().unwrap())
            };
            said.push(format!("Requesting reboot for {name}... {outcome}"));
        }
        assert_eq!(
            said,
            [
                "2 sessions on DEMOLAB\\OSPREY - skipping",
                "Requesting reboot for DEMOLAB\\EAGLE... failure: Machine does not support specified power action.",
                "Requesting reboot for DEMOLAB\\KESTREL... success",
            ]
        );

        // `$true` in a query, and what it is answered with.
        let id = machines["Items"][2]["Id"].as_str().unwrap();
        let path = format!("/cvadapis/{site}/Machines/{id}/$start?async=True");
        let job = shell.post(&path, "application/json", "").await;
        assert_eq!(job.status, 202, "{}", job.body);
        let location = job.field("location");
        let job = location.strip_prefix(&format!("http://{}", gateway.address)).unwrap();
        assert_eq!(shell.get(job).await.json(200)["Type"], "StartMachines");

        // On errors `$_.ErrorDetails.Message | ConvertFrom-Json` finds the same in ours.
        let refused = shell.get("/nobody/serviceStates").await.json(404);
        assert_eq!(refused["ErrorMessage"], refused["detail"]);
    }
}

struct Shell {
    connection: Connection,
    host: String,
    version: Version,
    token: String,
}

impl Shell {
    async fn start(gateway: &Gateway, version: Version) -> Self {
        Self {
            connection: Connection::plain(gateway).await,
            host: gateway.address.to_string(),
            version,
            token: String::new(),
        }
    }

    fn head(&self, line: &str) -> String {
        let Version { user_agent, always, .. } = self.version;
        let signed_in = if self.token.is_empty() {
            String::new()
        } else {
            format!("Authorization: CwsAuth Bearer={}\nCitrix-CustomerId: {CUSTOMER}", self.token)
        };
        format!(
            "{line} HTTP/1.1\n{signed_in}\nUser-Agent: {user_agent}\nHost: {}\n{always}",
            self.host
        )
    }

    async fn get(&mut self, path: &str) -> super::connection::Answer {
        let head = self.head(&format!("GET {path}"));
        self.connection.call(&head, "").await
    }

    async fn post(&mut self, path: &str, kind: &str, body: &str) -> super::connection::Answer {
        let head = self.head(&format!("POST {path}"));
        let head = format!("{head}\nContent-Type: {kind}\nContent-Length: {}", body.len());
        if self.version.expects && !body.is_empty() {
            let head = format!("{head}\nExpect: 100-continue");
            return self.connection.call_expecting(&head, body).await;
        }
        self.connection.call(&head, body).await
    }
}
