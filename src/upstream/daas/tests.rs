use std::time::Duration;

use serde_json::{Value, json};

use super::{Accepted, MachineName, MachineScope};
use crate::{
    domain::{
        MessageStyle, NameOrId, PageRequest, PowerAction, SessionAction, SessionId, SessionMessage,
    },
    upstream::{
        Error, ErrorKind,
        testing::{self, Answer, Stub, context, context_for, customer, site},
    },
};

const MACHINE: &str = "a3000000-0000-4000-8000-000000000001";

fn name(text: &str) -> NameOrId {
    NameOrId::try_from(text).unwrap()
}

fn session_id() -> SessionId {
    SessionId::try_from("5e55").unwrap()
}

fn list(items: &Value) -> Answer {
    testing::json(200, &json!({ "Items": items, "ContinuationToken": null }).to_string())
}

/// The answer to an asynchronous call.
fn job_started() -> Answer {
    let location = "Location: https://elsewhere.example.test/cvad/manage/Jobs/6f1d-77\r\n";
    testing::with_headers(202, location, "")
}

fn job(fields: &Value) -> Answer {
    let mut job = json!({ "Id": "6f1d-77", "Type": "RebootMachines" });
    job.as_object_mut().unwrap().append(&mut fields.as_object().unwrap().clone());
    testing::json(200, &job.to_string())
}

fn fault(status: u16, code: &str, message: &str) -> Answer {
    testing::json(status, &json!({ "SdkErrorId": code, "ErrorMessage": message }).to_string())
}

async fn reboot(stub: &Stub) -> Result<Accepted, Error> {
    let upstream = stub.upstream();
    upstream
        .daas
        .power(&context(), &customer("acme"), &site(), MACHINE, PowerAction::Reboot, true)
        .await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "most of it is data")]
async fn a_full_machine_and_a_sparse_one_and_an_odd_one_are_read() {
    let full = json!({
        "Id": MACHINE, "Uid": 7, "Name": "DEMOLAB\\KESTREL", "DnsName": "kestrel.demolab.test",
        "PowerState": "On", "PowerActionPending": false,
        "SupportedPowerActions": ["PowerOn", "Restart"], "RegistrationState": "Registered",
        "FaultState": "None", "SummaryState": "InUse", "InMaintenanceMode": false,
        "SessionCount": 2, "SessionSupport": "MultiSession", "MachineType": "Virtual",
        "ProvisioningType": "MCS", "AllocationType": "Random",
        "MachineCatalog": { "Id": "c1", "Uid": 1, "Name": "Win11-Pool" },
        "DeliveryGroup": { "Id": "g1", "Name": "Finance" },
        "AssignedUsers": [{ "DisplayName": "Ada", "SamName": "DEMOLAB\\ada", "PrincipalName": "ada@demolab.test" }],
        "AssociatedUsers": [], "Tags": ["pilot"], "AgentVersion": "2402.0", "OSType": "Windows 11",
        "LastConnectionTime": "11/22/2026 9:00:00 AM",
        "FormattedLastConnectionTime": "2026-11-22T09:00:00Z",
        "LastDeregistrationReason": "PowerOff",
    });
    let odd = json!({
        "Id": 42, "Name": null, "PowerState": "Levitating", "SessionCount": -1,
        "InMaintenanceMode": "True", "MachineCatalog": "c1", "AssignedUsers": "nobody",
        "SupportedPowerActions": null, "Tags": [1, null, "x"], "DeliveryGroup": {},
        "FormattedLastConnectionTime": "yesterday",
    });
    let stub = Stub::start(vec![list(&json!([full, { "Id": "m2" }, odd]))]).await;

    let page = stub
        .upstream()
        .daas
        .machines(
            &context(),
            &customer("acme"),
            &site(),
            &MachineScope::All,
            &PageRequest::default(),
        )
        .await
        .unwrap();

    assert_eq!(page.continuation, None);
    insta::assert_json_snapshot!(page.items, @r#"
    [
      {
        "id": "a3000000-0000-4000-8000-000000000001",
        "name": "DEMOLAB\\KESTREL",
        "dnsName": "kestrel.demolab.test",
        "powerState": "On",
        "powerActionPending": false,
        "supportedPowerActions": [
          "PowerOn",
          "Restart"
        ],
        "registrationState": "Registered",
        "faultState": "None",
        "summaryState": "InUse",
        "inMaintenanceMode": false,
        "sessionCount": 2,
        "sessionSupport": "MultiSession",
        "machineType": "Virtual",
        "provisioningType": "MCS",
        "allocationType": "Random",
        "machineCatalog": {
          "id": "c1",
          "name": "Win11-Pool"
        },
        "deliveryGroup": {
          "id": "g1",
          "name": "Finance"
        },
        "assignedUsers": [
          {
            "name": "DEMOLAB\\ada",
            "principalName": "ada@demolab.test",
            "displayName": "Ada"
          }
        ],
        "associatedUsers": [],
        "tags": [
          "pilot"
        ],
        "agentVersion": "2402.0",
        "osType": "Windows 11",
        "lastConnectionTime": "2026-11-22T09:00:00Z",
        "lastDeregistrationTime": null,
        "lastDeregistrationReason": "PowerOff"
      },
      {
        "id": "m2",
        "name": null,
        "dnsName": null,
        "powerState": null,
        "powerActionPending": null,
        "supportedPowerActions": null,
        "registrationState": null,
        "faultState": null,
        "summaryState": null,
        "inMaintenanceMode": null,
        "sessionCount": null,
        "sessionSupport": null,
        "machineType": null,
        "provisioningType": null,
        "allocationType": null,
        "machineCatalog": null,
        "deliveryGroup": null,
        "assignedUsers": [],
        "associatedUsers": [],
        "tags": [],
        "agentVersion": null,
        "osType": null,
        "lastConnectionTime": null,
        "lastDeregistrationTime": null,
        "lastDeregistrationReason": null
      },
      {
        "id": "42",
        "name": null,
        "dnsName": null,
        "powerState": "Levitating",
        "powerActionPending": null,
        "supportedPowerActions": null,
        "registrationState": null,
        "faultState": null,
        "summaryState": null,
        "inMaintenanceMode": true,
        "sessionCount": null,
        "sessionSupport": null,
        "machineType": null,
        "provisioningType": null,
        "allocationType": null,
        "machineCatalog": null,
        "deliveryGroup": null,
        "assignedUsers": [],
        "associatedUsers": [],
        "tags": [
          "1",
          "x"
        ],
        "agentVersion": null,
        "osType": null,
        "lastConnectionTime": null,
        "lastDeregistrationTime": null,
        "lastDeregistrationReason": null
      }
    ]
    "#);
}

#[tokio::test]
async fn a_list_of_machines_is_asked_for_exactly_so() {
    let stub = Stub::start(vec![list(&json!([]))]).await;
    let page = PageRequest { limit: Some(5000), continuation: Some("a+b/c=".to_owned()) };
    let scope = MachineScope::Catalog(name(r"DEMOLAB\pool 1"));
    let acme = customer("acme");
    stub.upstream().daas.machines(&context(), &acme, &site(), &scope, &page).await.unwrap();

    insta::assert_snapshot!(stub.calls()[0].normalised(), @"
    GET /cvad/manage/MachineCatalogs/DEMOLAB%7Cpool%201/Machines?fields=Id%2CName%2CDnsName%2CPowerState%2CPowerActionPending%2CSupportedPowerActions%2CRegistrationState%2CFaultState%2CSummaryState%2CInMaintenanceMode%2CSessionCount%2CSessionSupport%2CMachineType%2CProvisioningType%2CAllocationType%2CMachineCatalog%2CDeliveryGroup%2CAssignedUsers%2CAssociatedUsers%2CTags%2CAgentVersion%2COSType%2CFormattedLastConnectionTime%2CFormattedLastDeregistrationTime%2CLastDeregistrationReason&limit=1000&continuationToken=a%2Bb%2Fc%3D HTTP/1.1
    accept-encoding: gzip
    accept: application/json
    authorization: CwsAuth Bearer=canary-token-9c41
    citrix-customerid: acme1024xyz
    citrix-instanceid: 5d1e0000-0000-4000-8000-00000000517e
    citrix-transactionid: 01980000-0000-7000-8000-000000000001
    user-agent: cwsgate/0.1.0
    ");
}

#[tokio::test]
async fn lists_go_on_where_citrix_says_and_never_in_a_circle() {
    let body = r#"{"Items":[{"Id":"s1"}],"ContinuationToken":"next"}"#;
    let stub = Stub::start(vec![testing::json(200, body)]).await;
    let upstream = stub.upstream();
    let acme = customer("acme");
    let first = PageRequest::default();
    let page = upstream.daas.sessions(&context(), &acme, &site(), &first).await.unwrap();
    assert_eq!(page.continuation.as_deref(), Some("next"));

    let second = PageRequest { limit: None, continuation: page.continuation };
    let error = upstream.daas.sessions(&context(), &acme, &site(), &second).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn catalogs_groups_and_me_are_read() {
    let catalog = json!({ "Id": "c1", "Name": "Pool", "TotalCount": 3, "IsPowerManaged": true });
    let group = json!({ "Id": "g1", "Name": "Finance", "SessionCount": "4", "Enabled": true });
    let me = json!({ "UserId": "u", "ExpiryTime": "6:50:19 PM", "Customers": [
        { "Id": "acme1024xyz", "Name": null, "Sites": [{ "Id": "s", "Name": "cloudxdsite" }] } ] });
    let stub = Stub::start(vec![
        list(&json!([catalog])),
        testing::json(200, &catalog.to_string()),
        list(&json!([group])),
        testing::json(200, &group.to_string()),
        testing::json(200, &me.to_string()),
    ])
    .await;
    let daas = stub.upstream().daas;
    let (ctx, acme, site) = (context(), customer("acme"), site());
    let all = PageRequest::default();

    let catalogs = daas.machine_catalogs(&ctx, &acme, &site, &all).await.unwrap().items;
    let one = daas.machine_catalog(&ctx, &acme, &site, &name("Pool")).await.unwrap();
    assert_eq!((catalogs[0].total_count, &catalogs[0]), (Some(3), &one));
    let groups = daas.delivery_groups(&ctx, &acme, &site, &all).await.unwrap().items;
    let one = daas.delivery_group(&ctx, &acme, &site, &name("Finance")).await.unwrap();
    assert_eq!((groups[0].session_count, &groups[0]), (Some(4), &one));
    let me = daas.me(&ctx, &acme).await.unwrap();
    assert_eq!(me.customers[0].sites[0].name.as_deref(), Some("cloudxdsite"));

    let lines: Vec<_> = stub.calls().iter().map(|call| call.line().to_owned()).collect();
    insta::assert_json_snapshot!(lines, @r#"
    [
      "GET /cvad/manage/MachineCatalogs?fields=Id%2CName%2CFullName%2CDescription%2CSessionSupport%2CAllocationType%2CMachineType%2CProvisioningType%2CIsPowerManaged%2CTotalCount%2CUsedCount%2CAvailableCount%2CUnassignedCount HTTP/1.1",
      "GET /cvad/manage/MachineCatalogs/Pool HTTP/1.1",
      "GET /cvad/manage/DeliveryGroups HTTP/1.1",
      "GET /cvad/manage/DeliveryGroups/Finance HTTP/1.1",
      "GET /cvad/manage/me HTTP/1.1"
    ]
    "#);
    // The site goes with everything but the question who one is.
    let sites: Vec<_> =
        stub.calls().iter().map(|call| call.header("citrix-instanceid").is_some()).collect();
    assert_eq!(sites, [true, true, true, true, false]);
}

#[tokio::test]
async fn sessions_are_read() {
    let full = json!({
        "Id": "5e55", "State": "Disconnected", "SessionType": "Desktop", "AppState": "Desktop",
        "User": { "DisplayName": "Ada", "SamName": "DEMOLAB\\ada", "PropertiesFetched": 1 },
        "Machine": { "Id": MACHINE, "Name": "DEMOLAB\\KESTREL", "SessionSupport": "SingleSession", "PowerState": "On" },
        "FormattedStartTime": "2026-11-22T08:00:00Z", "FormattedStateChangeTime": "2026-11-22T09:00:00Z",
        "IsHidden": false, "LogonInProgress": false, "LogoffInProgress": true,
        "Client": { "Name": "kiosk-7", "IPAddress": "192.0.2.7", "Platform": "Windows", "Version": "24.2", "ProductId": 1 },
        "Connection": { "Protocol": "Hdx" },
        "ApplicationsInUse": [{ "Id": "x", "Name": "Notepad" }, { "Id": "y" }],
    });
    let sparse = json!({ "Id": "5e56", "User": null, "UntrustedUserName": "DEMOLAB\\bob" });
    let stub = Stub::start(vec![list(&json!([full, sparse]))]).await;
    let page = stub
        .upstream()
        .daas
        .sessions(&context(), &customer("acme"), &site(), &PageRequest::default())
        .await
        .unwrap();
    insta::assert_json_snapshot!(page.items, @r#"
    [
      {
        "id": "5e55",
        "state": "Disconnected",
        "sessionType": "Desktop",
        "appState": "Desktop",
        "user": {
          "name": "DEMOLAB\\ada",
          "principalName": null,
          "displayName": "Ada"
        },
        "machine": {
          "id": "a3000000-0000-4000-8000-000000000001",
          "name": "DEMOLAB\\KESTREL"
        },
        "sessionSupport": "SingleSession",
        "startTime": "2026-11-22T08:00:00Z",
        "stateChangeTime": "2026-11-22T09:00:00Z",
        "isHidden": false,
        "logonInProgress": false,
        "logoffInProgress": true,
        "client": {
          "name": "kiosk-7",
          "ipAddress": "192.0.2.7",
          "platform": "Windows",
          "version": "24.2"
        },
        "protocol": "Hdx",
        "applicationsInUse": [
          "Notepad",
          "y"
        ]
      },
      {
        "id": "5e56",
        "state": null,
        "sessionType": null,
        "appState": null,
        "user": {
          "name": "DEMOLAB\\bob",
          "principalName": null,
          "displayName": null
        },
        "machine": null,
        "sessionSupport": null,
        "startTime": null,
        "stateChangeTime": null,
        "isHidden": null,
        "logonInProgress": null,
        "logoffInProgress": null,
        "client": null,
        "protocol": null,
        "applicationsInUse": []
      }
    ]
    "#);
}

#[tokio::test]
async fn a_machine_is_found_by_name_whatever_its_kind_and_case() {
    let found = json!([
        { "Id": "m1", "Name": "DEMOLAB\\KESTREL", "DnsName": "Kestrel.demolab.test" },
        { "Id": "m2", "Name": "DEMOLAB\\OLDKESTREL" },
        { "Id": "m3", "Name": "OTHER\\kestrel" },
    ]);
    let stub = Stub::start(vec![list(&found)]).await;
    let daas = stub.upstream().daas;
    let (ctx, acme, site) = (context(), customer("acme"), site());

    let short = MachineName::Short("Kestrel".to_owned());
    let machines = daas.find_machines(&ctx, &acme, &site, &short).await.unwrap();
    let ids: Vec<_> = machines.iter().map(|machine| machine.id.as_str()).collect();
    assert_eq!(ids, ["m1", "m3"]);

    let dns = MachineName::Dns("KESTREL.demolab.test".to_owned());
    let machines = daas.find_machines(&ctx, &acme, &site, &dns).await.unwrap();
    assert_eq!(machines.len(), 1);

    let calls = stub.calls();
    assert!(
        calls.iter().all(|call| call.line().starts_with("POST /cvad/manage/Machines/$search?"))
    );
    let mut bodies: Vec<_> = calls.iter().map(|call| call.body.as_str()).collect();
    bodies.sort_unstable();
    insta::assert_json_snapshot!(bodies, @r#"
    [
      "{\"SearchFilters\":[{\"Operator\":\"Equals\",\"Property\":\"SessionSupport\",\"Value\":\"MultiSession\"},{\"Operator\":\"EndsWith\",\"Property\":\"MachineName\",\"Value\":\"\\\\Kestrel\"}]}",
      "{\"SearchFilters\":[{\"Operator\":\"Equals\",\"Property\":\"SessionSupport\",\"Value\":\"MultiSession\"},{\"Operator\":\"Equals\",\"Property\":\"DnsName\",\"Value\":\"KESTREL.demolab.test\"}]}",
      "{\"SearchFilters\":[{\"Operator\":\"Equals\",\"Property\":\"SessionSupport\",\"Value\":\"SingleSession\"},{\"Operator\":\"EndsWith\",\"Property\":\"MachineName\",\"Value\":\"\\\\Kestrel\"}]}",
      "{\"SearchFilters\":[{\"Operator\":\"Equals\",\"Property\":\"SessionSupport\",\"Value\":\"SingleSession\"},{\"Operator\":\"Equals\",\"Property\":\"DnsName\",\"Value\":\"KESTREL.demolab.test\"}]}"
    ]
    "#);
}

#[tokio::test]
async fn a_power_action_is_a_post_without_a_body_whose_job_is_followed() {
    let stub = Stub::start(vec![
        job_started(),
        job(&json!({ "Status": "NotStarted" })),
        job(&json!({ "Status": "SomethingNew" })),
        testing::json(503, ""),
        job(&json!({ "Status": "InProgress" })),
        job(&json!({ "Status": "CompleteWithWarning" })),
    ])
    .await;

    let accepted = reboot(&stub).await.unwrap();

    assert_eq!(accepted.job_id.as_deref(), Some("6f1d-77"));
    let calls = stub.calls();
    insta::assert_snapshot!(calls[0].normalised(), @"
    POST /cvad/manage/Machines/a3000000-0000-4000-8000-000000000001/$reboot?async=true&force=true HTTP/1.1
    accept-encoding: gzip
    accept: application/json
    authorization: CwsAuth Bearer=canary-token-9c41
    citrix-customerid: acme1024xyz
    citrix-instanceid: 5d1e0000-0000-4000-8000-00000000517e
    citrix-transactionid: 01980000-0000-7000-8000-000000000001
    content-length: 0
    user-agent: cwsgate/0.1.0
    ");
    assert_eq!(calls.len(), 6);
    for look in &calls[1..] {
        // Where the call was sent, whatever host Location names.
        assert_eq!(look.line(), "GET /cvad/manage/Jobs/6f1d-77 HTTP/1.1");
        assert_eq!(look.header("citrix-instanceid"), Some(site().as_str()));
    }
}

#[tokio::test]
async fn a_machine_in_the_answer_is_proof_enough_and_anything_else_is_none() {
    let machine = json!({ "Id": MACHINE, "PowerState": "TurningOff" });
    let stub = Stub::start(vec![testing::json(200, &machine.to_string())]).await;
    assert_eq!(reboot(&stub).await.unwrap(), Accepted { job_id: None });

    let location = "Location: /cvad/manage/Jobs/..\r\n";
    let unproven = [
        testing::json(200, "{}"),
        testing::json(200, "<html>sign in</html>"),
        testing::json(202, ""),
        testing::with_headers(202, location, ""),
        testing::json(500, ""),
        testing::json(502, "<html>"),
        fault(503, "x", "y"),
        Answer::Close,
        Answer::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"Id\"".to_vec()),
        Answer::Bytes(b"ICY 200 OK\r\n\r\n".to_vec()),
    ];
    for answer in unproven {
        let stub = Stub::start(vec![answer.clone()]).await;
        let error = reboot(&stub).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown, "{answer:?}");
        assert_eq!(stub.calls().len(), 1, "a write is never repeated");
        assert_eq!(error.transaction_id.as_deref(), Some(testing::TRANSACTION));
    }
}

#[tokio::test]
async fn a_refusal_says_why_in_citrix_s_words() {
    let says = "Machine does not support specified power action.";
    let guideline = r#"{"type":"https://errors-api.cloud.com/common/missing","detail":"x"}"#;
    let cases = [
        (fault(400, "PowerActionsNotSupported", says), ErrorKind::ActionNotSupported),
        (fault(400, "SomethingElse", says), ErrorKind::ActionNotSupported),
        (fault(400, "InMaintenanceMode", says), ErrorKind::InMaintenanceMode),
        (fault(409, "PowerActionInProgress", says), ErrorKind::ActionInProgress),
        (fault(409, "Whatever", says), ErrorKind::Failed),
        (fault(403, "AccessDenied", says), ErrorKind::Forbidden),
        (fault(404, "ObjectNotFound", says), ErrorKind::NotFound),
        (testing::json(400, guideline), ErrorKind::Failed),
        (testing::json(400, "<html>"), ErrorKind::Failed),
        (
            testing::json(429, "{}"),
            ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(30)) },
        ),
        (testing::json(530, ""), ErrorKind::Hibernated),
    ];
    for (answer, kind) in cases {
        let stub = Stub::start(vec![answer.clone()]).await;
        let error = reboot(&stub).await.unwrap_err();
        assert_eq!(error.kind, kind, "{answer:?}");
        if kind == ErrorKind::ActionNotSupported {
            assert_eq!(error.message.as_deref(), Some(says));
        }
        assert_eq!(stub.calls().len(), 1, "a write is never repeated");
    }
}

#[tokio::test]
async fn a_job_that_failed_says_why() {
    let details =
        json!([{ "Name": "ErrorDetails", "Value": "ErrorId : 7\r\nErrorMessage : No power.\r\n" }]);
    let cases = [
        (
            json!({ "ErrorCode": "PowerActionsNotSupported", "ErrorString": "No power." }),
            ErrorKind::ActionNotSupported,
        ),
        (
            json!({ "ErrorCode": "InMaintenanceMode", "SubJobs": [{ "ErrorString": "No power." }] }),
            ErrorKind::InMaintenanceMode,
        ),
        (
            json!({ "SubJobs": [{ "ErrorCode": "PowerActionInProgress", "ErrorString": "No power." }] }),
            ErrorKind::ActionInProgress,
        ),
        (json!({ "ErrorCode": "UnknownMachine", "ErrorParameters": details }), ErrorKind::NotFound),
        (
            json!({ "ErrorCode": "CommunicationError", "ErrorString": "No power." }),
            ErrorKind::Failed,
        ),
        (json!({ "ErrorString": "No power." }), ErrorKind::Failed),
    ];
    for (mut fields, kind) in cases {
        fields["Status"] = "Failed".into();
        let stub = Stub::start(vec![job_started(), job(&fields)]).await;
        let error = reboot(&stub).await.unwrap_err();
        assert_eq!(error.kind, kind, "{fields}");
        assert_eq!(error.message.as_deref(), Some("No power."), "{fields}");
        assert_eq!(error.job_id.as_deref(), Some("6f1d-77"));
        assert_eq!(error.operation, "daas.machines.reboot");
    }
}

#[tokio::test]
async fn a_job_whose_end_is_never_seen_has_an_unknown_outcome() {
    let lost = [
        vec![testing::json(404, "{}")],
        vec![testing::json(503, "{}")],
        vec![testing::json(200, "{}")],
        vec![job(&json!({ "Status": "NonTerminatingError" }))],
    ];
    for looks in lost {
        let stub = Stub::start([vec![job_started()], looks.clone()].concat()).await;
        let error = reboot(&stub).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown, "{looks:?}");
        assert_eq!(error.job_id.as_deref(), Some("6f1d-77"));
    }
}

#[tokio::test]
async fn a_job_that_outlasts_the_deadline_has_an_unknown_outcome() {
    let me = testing::json(200, r#"{"Customers":[]}"#);
    let stub = Stub::start(vec![me, job_started(), job(&json!({ "Status": "InProgress" }))]).await;
    let daas = stub.upstream().daas;
    // So that the token is there.
    daas.me(&context(), &customer("acme")).await.unwrap();
    let ctx = context_for(Duration::from_millis(500));
    let error = daas
        .power(&ctx, &customer("acme"), &site(), MACHINE, PowerAction::Start, true)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::OutcomeUnknown);
    // There is no forced start.
    let line = format!("POST /cvad/manage/Machines/{MACHINE}/$start?async=true HTTP/1.1");
    assert_eq!(stub.calls()[1].line(), line);
}

#[tokio::test]
async fn maintenance_mode_is_set_with_204_or_a_job() {
    let done = job(&json!({ "Status": "Complete" }));
    let stub = Stub::start(vec![testing::no_content(), job_started(), done]).await;
    let daas = stub.upstream().daas;
    let (ctx, acme, site) = (context(), customer("acme"), site());
    daas.set_maintenance(&ctx, &acme, &site, MACHINE, true).await.unwrap();
    daas.set_maintenance(&ctx, &acme, &site, MACHINE, false).await.unwrap();
    insta::assert_snapshot!(stub.calls()[0].normalised(), @r#"
    PATCH /cvad/manage/Machines/a3000000-0000-4000-8000-000000000001 HTTP/1.1
    accept-encoding: gzip
    accept: application/json
    authorization: CwsAuth Bearer=canary-token-9c41
    citrix-customerid: acme1024xyz
    citrix-instanceid: 5d1e0000-0000-4000-8000-00000000517e
    citrix-transactionid: 01980000-0000-7000-8000-000000000001
    content-length: 26
    content-type: application/json
    user-agent: cwsgate/0.1.0

    {"InMaintenanceMode":true}
    "#);
    assert_eq!(stub.calls()[1].body, r#"{"InMaintenanceMode":false}"#);
}

#[tokio::test]
async fn sessions_are_acted_on() {
    let session = testing::json(200, r#"{"Id":"5e55"}"#);
    let stub = Stub::start(vec![
        testing::no_content(),
        session.clone(),
        testing::no_content(),
        testing::no_content(),
        session,
    ])
    .await;
    let daas = stub.upstream().daas;
    let (ctx, acme, site) = (context(), customer("acme"), site());
    let actions = [
        SessionAction::Logoff,
        SessionAction::Disconnect,
        SessionAction::Hide,
        SessionAction::Unhide,
    ];
    for action in actions {
        daas.session_action(&ctx, &acme, &site, &session_id(), action).await.unwrap();
    }
    let message = SessionMessage {
        title: "Soon".to_owned(),
        text: "Please save".to_owned(),
        style: MessageStyle::Exclamation,
    };
    daas.send_message(&ctx, &acme, &site, &session_id(), &message).await.unwrap();

    let lines: Vec<_> = stub.calls().iter().map(|call| call.line().to_owned()).collect();
    insta::assert_json_snapshot!(lines, @r#"
    [
      "POST /cvad/manage/Sessions/5e55/$logoff HTTP/1.1",
      "POST /cvad/manage/Sessions/5e55/$disconnect HTTP/1.1",
      "POST /cvad/manage/Sessions/5e55/$hide HTTP/1.1",
      "POST /cvad/manage/Sessions/5e55/$unhide HTTP/1.1",
      "POST /cvad/manage/Sessions/5e55/$sendMessage HTTP/1.1"
    ]
    "#);
    assert_eq!(
        stub.calls()[4].body,
        r#"{"Style":"Exclamation","Text":"Please save","Title":"Soon"}"#
    );
    assert_eq!(stub.calls()[0].header("content-length"), Some("0"));
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_and_a_missing_list_is_a_failure() {
    let missing = fault(404, "ObjectNotFound", "No such thing.");
    let stub = Stub::start(vec![missing.clone(), testing::no_content(), missing]).await;
    let daas = stub.upstream().daas;
    let (ctx, acme, site) = (context(), customer("acme"), site());

    let error = daas.machine(&ctx, &acme, &site, &name(r"LAB\X")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(error.message.as_deref(), Some("No such thing."));
    let error = daas.session(&ctx, &acme, &site, &session_id()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let all = PageRequest::default();
    let error = daas.machine_catalogs(&ctx, &acme, &site, &all).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);

    assert!(stub.calls()[0].line().starts_with("GET /cvad/manage/Machines/LAB%7CX?fields=Id%2C"));
}
