//! A disk that is truly full, and has room again.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use super::Setup;
use crate::support::{Program, bash, run_command, tool};

const CATALOG: &str = "customers/acme/sites/-/machine-catalogs/Win11-Pool";

/// A small file system of the test's own, in a user and mount namespace that needs no rights
/// outside of it (`user_namespaces(7)`). It goes with this.
struct Disk {
    holder: Program,
    folder: String,
}

impl Disk {
    /// Mounts one on `folder`; `None`, loudly, where that cannot be done.
    async fn mount(folder: &Path) -> Option<Self> {
        std::fs::create_dir(folder).unwrap();
        let folder = folder.to_str().unwrap().to_owned();
        let probe = bash(
            "command -v nsenter && unshare --user --map-root-user --mount \
             mount -t tmpfs -o size=1m none \"$1\"",
            &[&folder],
        );
        let probed = run_command(probe).await;
        if probed.code != Some(0) {
            eprintln!(
                "SKIPPED on a full disk: no file system can be mounted here (Debian package \
                 util-linux, and user namespaces): {}",
                probed.errors
            );
            return None;
        }
        let script = "mount -t tmpfs -o size=8m,mode=700 none \"$0\"; echo mounted; exec sleep 600";
        let mut command = tool("unshare", &["--user", "--map-root-user", "--mount"]);
        command.args(["sh", "-euc", script, &folder]);
        let mut holder = Program::start_command(command);
        assert_eq!(holder.line().await, "mounted");
        Some(Self { holder, folder })
    }

    /// A command that sees the disk.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tool("nsenter", &["--user", "--preserve-credentials", "--mount"]);
        command.args(["--target", &self.holder.id(), "--"]).args(arguments);
        command
    }

    /// Leaves not a byte.
    async fn fill(&self) {
        let ballast = format!("{}/ballast", self.folder);
        let script = "cat /dev/zero > \"$0\" || test -s \"$0\"";
        let filled = run_command(self.command(&["sh", "-c", script, &ballast])).await;
        assert_eq!(filled.code, Some(0), "{filled:?}");
    }

    /// Makes room again.
    async fn free(&self) {
        let ballast = format!("{}/ballast", self.folder);
        let freed = run_command(self.command(&["rm", &ballast])).await;
        assert_eq!(freed.code, Some(0), "{freed:?}");
    }
}

/// Changes something again and again, until that is refused; how often it was done by then.
async fn change_until_refused(setup: &Setup, url: &str, mut done: usize) -> usize {
    loop {
        let reply =
            setup.post(url, &format!("k{done}"), json!({ "reason": "x".repeat(900) })).await;
        if reply.status != 200 {
            reply.problem(503, "audit_unavailable");
            return done;
        }
        done += 1;
        assert!(done < 2_000, "the disk is not full");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_changes_until_there_is_room_again_and_loses_nothing() {
    let setup = Setup::new("disk/state.db").await;
    let Some(disk) = Disk::mount(&setup.folder.path().join("disk")).await else { return };
    let serve = || {
        let program = env!("CARGO_BIN_EXE_cwsgate");
        disk.command(&[program, "serve", "--config", &setup.config, "--output", "json"])
    };
    let (program, url) = Setup::serve(serve()).await;
    setup.post(&url, "k0", json!({ "reason": "x".repeat(900) })).await.ok(200);
    let body = json!({ "action": "reboot", "selector": { "in": [CATALOG] },
        "options": { "maxConcurrency": 1 } });
    let operations = format!("{url}/v1/operations");
    let begun = setup.post_to(&operations, "begun", body.clone()).await.ok(202);
    let path = begun["self"].as_str().unwrap();

    disk.fill().await;
    let done = change_until_refused(&setup, &url, 1).await;
    setup.post_to(&operations, "refused", body).await.problem(503, "audit_unavailable");
    setup.get(&url, "/v1/machines?pageSize=1").await.ok(200);
    setup.get(&url, path).await.ok(200);
    let listed = setup.get(&url, "/v1/operations").await.of_items("self");
    assert_eq!(listed, [path], "what was refused is not there");
    let recorded = setup.get(&url, "/v1/audit?action=set-maintenance&pageSize=1000").await;
    assert_eq!(recorded.of_items("action").len(), done);
    assert_eq!(setup.sent().await, done, "what could not be recorded was not sent");

    disk.free().await;
    let again = setup.post(&url, &format!("k{done}"), json!({ "reason": "x".repeat(900) })).await;
    again.ok(200);
    assert_eq!(again.header("idempotent-replayed"), "", "it had not been done");
    let ended = setup.get(&url, &format!("{path}?wait=100s")).await.ok(200);
    let counts = &ended["counts"];
    assert_eq!((&counts["queued"], &counts["dispatched"]), (&json!(0), &json!(0)), "{ended}");
    assert_eq!(counts["indeterminate"], 0, "nothing was lost on the way: {ended}");
    once_each(&setup).await;

    // Killed while it is full: what was acknowledged is there afterwards.
    disk.fill().await;
    let done = change_until_refused(&setup, &url, done + 1).await;
    program.kill().await;
    disk.free().await;
    let (program, url) = Setup::serve(serve()).await;
    for n in 0..done {
        let body = json!({ "reason": "x".repeat(900) });
        let replayed = setup.post(&url, &format!("k{n}"), body).await;
        replayed.ok(200);
        assert_eq!(replayed.header("idempotent-replayed"), "true", "k{n}");
    }
    assert_eq!(setup.sent().await, done);
    assert_eq!(setup.get(&url, path).await.ok(200)["counts"], ended["counts"]);
    program.terminate().await;
    assert_eq!(program.ended().await.code, Some(0));
}

/// No machine was asked twice to reboot.
async fn once_each(setup: &Setup) {
    let (_, counters) = setup.simulator.control("GET", "/_sim/counters", Value::Null).await;
    let machines = counters["powerActions"].as_object().unwrap();
    assert!(!machines.is_empty());
    for machine in machines.values() {
        assert_eq!(machine["actions"]["reboot"]["requests"], 1, "{machine}");
    }
}
