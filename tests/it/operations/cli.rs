//! `cwsgate reboot-idle`, with the real program.

use cwsgate::simulator::SleepingSiteSpec;
use serde_json::{Value, json};

use super::{POOL, flock, quick};
use crate::support::{Ended, Gateway, Program, program, run_command};

fn command(gateway: &Gateway, key: &str, arguments: &[&str]) -> tokio::process::Command {
    let url = format!("http://{}", gateway.address);
    let mut command = program(&["reboot-idle", "--customer", "acme", "--site", "-"]);
    command.args(arguments).env("CWSGATE_URL", url);
    if !key.is_empty() {
        command.env("CWSGATE_API_KEY", key);
    }
    command
}

async fn reboot_idle(gateway: &Gateway, arguments: &[&str]) -> Ended {
    run_command(command(gateway, &gateway.key, arguments)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_machine_has_its_line_and_the_exit_code_tells_the_truth() {
    let gateway = quick().start().await;
    let ended = reboot_idle(&gateway, &["--catalog", "Win11-Pool"]).await;

    assert_eq!(ended.code, Some(3), "{ended:?}");
    let lines: Vec<_> = ended.out.lines().collect();
    assert_eq!(lines.len(), 24, "{ended:?}");
    assert_eq!(lines[0], r"2 sessions on DEMOLAB\OSPREY - skipping");
    for line in [
        r"an unknown number of sessions on DEMOLAB\ROBIN - skipping",
        r"DEMOLAB\FINCH is not registered - skipping",
        r"Requesting reboot for DEMOLAB\KESTREL... success",
        r"Requesting reboot for DEMOLAB\EAGLE... failure: Machine does not support specified power action.",
    ] {
        assert!(lines.contains(&line), "{line}: {ended:?}");
    }
    assert!(ended.errors.contains("14 requested, 2 failed"), "{ended:?}");
    assert_eq!(gateway.power_counts(r"DEMOLAB\OSPREY", "reboot").await.0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_says_what_would_be_done_and_does_nothing() {
    let gateway = quick().start().await;
    let ended = reboot_idle(&gateway, &["--catalog", "Win11-Pool", "--dry-run"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("Would request reboot for DEMOLAB\\KESTREL\n"), "{ended:?}");
    assert!(gateway.writes().await.is_empty());
    let ended =
        reboot_idle(&gateway, &["--catalog", "Win11-Pool", "--dry-run", "--output", "json"]).await;
    let plan: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(plan["plan"]["targets"].as_array().unwrap().len(), 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_well_is_zero_and_a_program_gets_one_document() {
    let gateway = quick().scenario(flock(40)).start().await;
    let ended = reboot_idle(&gateway, &["--catalog", "Flock", "--max-targets", "39"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("too_many_targets") && ended.errors.contains("40"), "{ended:?}");
    let arguments = ["--catalog", "Flock", "--output", "json", "--reason", "CHG-7"];
    let ended = reboot_idle(&gateway, &arguments).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let result: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(result["operation"]["state"], "succeeded");
    assert_eq!(result["items"].as_array().unwrap().len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_or_asks_for_nothing_that_is_there_is_told() {
    let gateway = quick().start().await;
    let ended = run_command(command(&gateway, "", &["--catalog", "Win11-Pool"])).await;
    assert_eq!(ended.code, Some(4));
    assert!(ended.errors.contains("CWSGATE_API_KEY"));
    let ended = run_command(command(&gateway, "wrong", &["--catalog", "Win11-Pool"])).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let ended = reboot_idle(&gateway, &["--catalog", "Nowhere"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors.contains("not_found"), "{ended:?}");
    assert_eq!(reboot_idle(&gateway, &[]).await.code, Some(2));
    let ended = reboot_idle(&gateway, &["--catalog", "x", "--url", "http://gateway.example"]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.errors.contains("https"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stops_looking_is_told_that_the_work_goes_on() {
    let gateway = quick().start().await;
    gateway.fault(json!({ "match": { "service": "daas", "method": "POST" }, "latencyMs": 1000 }));
    let mut looking =
        Program::start_command(command(&gateway, &gateway.key, &["--catalog", "Win11-Pool"]));
    while !looking.line().await.contains("Requesting reboot") {}
    looking.terminate().await;
    let ended = looking.ended().await;
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.errors.contains("/actions/cancel"), "{ended:?}");
    let listed = gateway.get("/v1/operations").await.ok(200);
    let path = listed["items"][0]["self"].as_str().unwrap();
    assert!(ended.errors.contains(path));
    assert_eq!(listed["items"][0]["selector"]["in"][0].as_str().unwrap().replace("%2D", "-"), POOL);
    assert_eq!(gateway.ended(path).await["counts"]["succeeded"], 14);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_is_followed_to_its_end_when_nobody_reads() {
    for output in ["text", "json"] {
        // One for each: what was just restarted would be left alone.
        let gateway = quick().start().await;
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let arguments = ["--catalog", "Win11-Pool", "--output", output];
        let mut command = command(&gateway, &gateway.key, &arguments);
        command.stdout(writer);
        let ended = run_command(command).await;
        assert_eq!(ended.code, Some(3), "two of them fail: {ended:?}");
        let listed = gateway.get("/v1/operations").await;
        assert_eq!(listed.of_items("state"), ["partiallySucceeded"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_sleeps_is_no_success() {
    let mut scenario = flock(2);
    let attic = SleepingSiteSpec { name: "attic".into(), id: SLEEPING.into() };
    scenario.customers[0].sleeping_sites.push(attic);
    let gateway = quick().scenario(scenario).start().await;
    for rehearsal in [true, false] {
        let arguments = ["--catalog", "Flock", "--dry-run"];
        let arguments = &arguments[..if rehearsal { 3 } else { 2 }];
        let ended = reboot_idle(&gateway, arguments).await;
        assert_eq!((ended.code, ended.out.lines().count()), (Some(3), 2), "{ended:?}");
        let said = format!("not read: acme, site {SLEEPING}: ");
        assert!(ended.errors.contains(&said), "{ended:?}");
        assert!(ended.errors.contains("(site_hibernated)"), "{ended:?}");
    }
    let ended = reboot_idle(&gateway, &["--catalog", "Flock", "--output", "json"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let result: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(result["operation"]["state"], "succeeded");
    assert_eq!(result["leftOut"][0]["siteId"], SLEEPING);

    gateway.sim("PUT", "/_sim/customers/acme", json!({ "frozen": true })).await;
    for arguments in [&["--catalog", "Flock", "--dry-run"][..], &["--catalog", "Flock"]] {
        let ended = reboot_idle(&gateway, arguments).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.errors.contains("(site_hibernated)"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_names_what_failed_and_the_flags_of_the_program() {
    let gateway = quick().start().await;
    let ended = reboot_idle(&gateway, &["--catalog", "Win11-Pool", "--max-targets", "3"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("--max-targets is 3"), "{ended:?}");
    assert!(ended.errors.contains("raise `--max-targets`"), "{ended:?}");
    let arguments = ["--catalog", "Win11-Pool", "--max-concurrency", "65"];
    let ended = reboot_idle(&gateway, &arguments).await;
    assert!(ended.errors.contains("--max-concurrency: it must be from 1 to 64"), "{ended:?}");
    let ended = reboot_idle(&gateway, &["--catalog", "Nowhere"]).await;
    assert!(ended.errors.contains("--catalog: this names nothing"), "{ended:?}");

    gateway.stop_region("us").await;
    let ended = reboot_idle(&gateway, &["--catalog", "Win11-Pool"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for said in ["(plan_incomplete)", "\nacme: ", "(upstream_unavailable)", "`--partial-plan`"] {
        assert!(ended.errors.contains(said), "{said}: {ended:?}");
    }
    let ended = reboot_idle(&gateway, &["--catalog", "Win11-Pool", "--partial-plan"]).await;
    assert_eq!(ended.code, Some(1), "nothing at all was read: {ended:?}");
    assert!(!ended.errors.contains("plan_incomplete"), "{ended:?}");

    let nowhere = ["--catalog", "x", "--url", "http://127.0.0.1:1/secret"];
    let ended = reboot_idle(&gateway, &nowhere).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("http://127.0.0.1:1: no connection"), "{ended:?}");
    assert!(!ended.errors.contains("secret"), "{ended:?}");
}

const SLEEPING: &str = "00000000-0000-4000-8000-000000000530";
