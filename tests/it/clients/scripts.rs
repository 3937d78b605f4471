//! The scripts in `tests/clients`, which print what Citrix's tutorial shows.

use serde_json::{Value, json};
use tokio::process::Command;

use super::{CUSTOMER, catalog, tutorial};
use crate::{
    repository::root,
    support::{Ended, Gateway, run_command, tool},
};

/// How a script is started, and what it needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Language {
    Python,
    Bash,
}

const LANGUAGES: [Language; 2] = [Language::Python, Language::Bash];

#[tokio::test]
async fn the_tutorial_prints_what_its_page_shows() {
    let gateway = tutorial().start().await;
    for language in LANGUAGES {
        if !language.is_here().await {
            continue;
        }
        let step = async |name| {
            let ended =
                run_as(&gateway, language, "tutorial", &[name], "tests", &gateway.key).await;
            assert_eq!(ended.code, Some(0), "{language:?} {name}: {}", ended.errors);
            ended.out
        };
        assert_eq!(step("trial-services").await, TRIALS);
        let states = step("service-states").await;
        assert_eq!(states.matches("serviceName").count(), 7, "{states}");
        for (name, shown) in shown() {
            let printed = language.read(&step(name).await);
            assert_eq!(masked(&printed), masked(&shown), "{language:?} {name}");
        }
    }
}

#[tokio::test]
async fn idle_machines_are_restarted_and_the_rest_is_said() {
    for language in LANGUAGES {
        if !language.is_here().await {
            continue;
        }
        let gateway = tutorial().start().await;
        let ended = reboot(&gateway, language, "tests", &gateway.key).await;
        assert_eq!(ended.out, REBOOTED, "{language:?}: {}", ended.errors);
        assert_eq!(ended.code, Some(0));
        assert_eq!(gateway.power_counts("DEMOLAB\\KESTREL", "reboot").await.0, 1);
        assert_eq!(gateway.power_counts("DEMOLAB\\OSPREY", "reboot").await.0, 0);
    }
}

#[tokio::test]
async fn the_gateway_s_own_refusal_is_printed_like_citrix_s() {
    let (builder, key) =
        tutorial().app("reader", r#"{ actions = ["read"], customers = ["tutorial"] }"#);
    let gateway = builder.start().await;
    for language in LANGUAGES {
        if !language.is_here().await {
            continue;
        }
        let ended = reboot(&gateway, language, "reader", key.expose()).await;
        let refused = "failure: the app \"reader\" has no grant of the action \"power\" on customer \"tutorial\"";
        assert_eq!(
            ended.out,
            format!(
                "2 sessions on DEMOLAB\\OSPREY - skipping\n\
                 Requesting reboot for DEMOLAB\\EAGLE... {refused}\n\
                 Requesting reboot for DEMOLAB\\KESTREL... {refused}\n"
            )
        );
    }
    assert!(gateway.writes().await.is_empty());
}

#[tokio::test]
async fn a_wrong_secret_stops_the_script() {
    let gateway = tutorial().start().await;
    for language in LANGUAGES {
        if !language.is_here().await {
            continue;
        }
        let ended = reboot(&gateway, language, "tests", "GarbageValue").await;
        assert_eq!(ended.code, Some(1));
        let said = match language {
            Language::Python => {
                assert!(ended.errors.contains("raise_for_status"), "{}", ended.errors);
                assert!(ended.errors.contains("400 Client Error"), "{}", ended.errors);
                ended.errors
            }
            Language::Bash => {
                assert!(ended.out.starts_with("Authorization failed: {"), "{}", ended.out);
                ended.out
            }
        };
        assert!(!said.contains("GarbageValue"));
    }
    assert!(gateway.writes().await.is_empty());
}

async fn reboot(gateway: &Gateway, language: Language, app: &str, key: &str) -> Ended {
    let (site, catalog) =
        (gateway.simulator.customer("tutorial").unwrap().site_id, catalog(gateway).await);
    let names = match language {
        Language::Python => ["--customerId", "--siteId", "--catalogId"],
        Language::Bash => ["-u", "-s", "-a"],
    };
    let arguments = [names[0], CUSTOMER, names[1], &site, names[2], &catalog];
    run_as(gateway, language, "reboot_idle", &arguments, app, key).await
}

/// Runs a script with the gateway as its host.
async fn run_as(
    gateway: &Gateway,
    language: Language,
    name: &str,
    arguments: &[&str],
    app: &str,
    key: &str,
) -> Ended {
    let mut command = language.command(name);
    command
        .args(arguments)
        .env("CITRIX_HOST", format!("http://{}", gateway.address))
        .env("CUSTOMER_ID", CUSTOMER)
        .env("CLIENT_ID", app)
        .env("CLIENT_SECRET", key);
    run_command(command).await
}

impl Language {
    fn command(self, name: &str) -> Command {
        let (program, ending) = match self {
            Self::Python => ("python3", "py"),
            Self::Bash => ("bash", "sh"),
        };
        let file = root().join(format!("tests/clients/{name}.{ending}"));
        tool(program, &[file.to_str().unwrap()])
    }

    /// Whether this machine has what the scripts need. CI does.
    async fn is_here(self) -> bool {
        let check = match self {
            Self::Python => tool("python3", &["-c", "import requests"]),
            Self::Bash => tool("bash", &["-c", "command -v curl && command -v jq"]),
        };
        let here = tokio::process::Command::output(&mut { check }).await;
        let here = here.is_ok_and(|output| output.status.success());
        if !here {
            eprintln!(
                "SKIPPED: the {self:?} scripts, for want of python3 with requests, or curl and jq"
            );
        }
        here
    }

    /// What was printed, as JSON.
    fn read(self, printed: &str) -> Value {
        let text = match self {
            Self::Bash => printed.to_owned(),
            // As Python writes it; no text in it holds a quote.
            Self::Python => printed
                .replace('\'', "\"")
                .replace("None", "null")
                .replace("True", "true")
                .replace("False", "false"),
        };
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }
}

/// The same with what differs from account to account and from day to day replaced.
fn masked(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(masked).collect(),
        Value::Object(object) => object
            .iter()
            // Newer than the page.
            .filter(|(name, _)| *name != "IsCspCustomer")
            .map(|(name, value)| {
                let personal = ["DisplayName", "VerifiedEmail"].contains(&name.as_str());
                (name.clone(), if personal { json!("someone") } else { masked(value) })
            })
            .collect(),
        Value::String(text) if uuid::Uuid::parse_str(text).is_ok() => json!("an id"),
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => json!("a time"),
        Value::String(text) if text.ends_with(" AM") || text.ends_with(" PM") => json!("a time"),
        Value::String(text) if [CUSTOMER, "dvinta7755b1"].contains(&text.as_str()) => {
            json!("customer")
        }
        other => other.clone(),
    }
}

/// What the page shows for each step.
fn shown() -> [(&'static str, Value); 3] {
    let locations = json!({ "items": [{
        "id": "9e2fda49-c878-4c23-aae1-8ffcbdc2dab2",
        "name": "My Resource Location",
        "internalOnly": false,
        "timeZone": "GMT Standard Time",
        "readOnly": false,
    }] });
    let notification = json!({
        "destinationAdmin": "*",
        "component": "Citrix Cloud",
        "createdDate": "2021-02-09T17:52:40Z",
        "categories": null,
        "severity": "Information",
        "eventId": "392768A6-C531-474D-ABA9-BCC550A5E1AC",
        "priority": "Normal",
        "content": [{
            "languageTag": "en-US",
            "title": "Dinner Time",
            "description": "Fish and Chips!",
            "detailUri": null,
        }],
        "data": null,
        "externalId": null,
        "suppressEmail": false,
    });
    let me = json!({
        "UserId": "f9f39ab2-7adf-44b5-b9c7-d1e1ad0079bc",
        "DisplayName": "<Name of the user>",
        "ExpiryTime": "6:50:19 PM",
        "RefreshExpirationTime": "5:50:19 AM",
        "VerifiedEmail": "<Email ID of the user>",
        "Customers": [{
            "Id": "dvinta7755b1",
            "Name": null,
            "Sites": [{ "Id": "70360961-e0f1-4ce9-9371-d590efb5c04f", "Name": "cloudxdsite" }],
        }],
    });
    [("locations", locations), ("notification", notification), ("me", me)]
}

const TRIALS: &str = "cas\nitsm\nmicroapps\nnetscalergateway\nwem\nxendesktop\n";

const REBOOTED: &str = "2 sessions on DEMOLAB\\OSPREY - skipping
Requesting reboot for DEMOLAB\\EAGLE... failure: Machine does not support specified power action.
Requesting reboot for DEMOLAB\\KESTREL... success
";
