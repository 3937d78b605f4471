//! Our own database in trouble: changes are refused before anything is sent, reads go on, and
//! nothing is left over when the trouble is.

use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use tokio::join;

use super::{Bench, assert_logged};
use crate::support::{Postgres, Reply, Store, run_command, tool};

const MAINTAIN: &str = "/v1/customers/acme/sites/-/machines/KESTREL/actions/set-maintenance";

impl Bench {
    /// What happens while there is trouble.
    async fn refuses(&self) -> Value {
        let with_key = self.request("POST", MAINTAIN).header("idempotency-key", "k").send();
        let (plain, with_key) = join!(self.send("POST", MAINTAIN), with_key);
        let problem = plain.problem(503, "audit_unavailable");
        assert_eq!(problem["origin"], "gateway");
        Reply::read(with_key.unwrap()).await.problem(503, "audit_unavailable");
        self.send("GET", "/v1/machines?pageSize=1").await.ok(200);
        assert_eq!(self.changes().await, 0, "nothing is sent that cannot be recorded");
        problem
    }

    /// What happens after it.
    async fn recovers(self, problem: &Value, logged: &[&str]) {
        self.send("POST", MAINTAIN).await.ok(200);
        let again = self.request("POST", MAINTAIN).header("idempotency-key", "k").send().await;
        Reply::read(again.unwrap()).await.ok(200);
        assert_eq!(self.changes().await, 2);
        let audit = self.send("GET", "/v1/audit").await;
        assert_eq!(audit.of_items("outcome"), ["succeeded", "succeeded"]);
        assert_logged(&self.log().await, problem, logged);
    }

    async fn changes(&self) -> usize {
        self.asked("service=daas&method=PATCH", "").await
    }
}

#[tokio::test]
async fn sqlite_locked_by_somebody_else() {
    let bench = Bench::start("", &[]).await;
    let file = bench.folder.path().join("cwsgate.db");
    let url = format!("sqlite:{}", file.display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();

    let problem = bench.refuses().await;

    bench.send("GET", "/v1/audit").await.ok(200);
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    // Whichever came first has the one connection that writes, and the other waits for that, or for
    // as long as a change waits for its record at all.
    let causes = ["database is locked", "waiting for an open connection", "in time"];
    bench.recovers(&problem, &causes).await;
}

#[tokio::test]
async fn sqlite_on_a_disk_with_errors() {
    let bench = Bench::start("", &[]).await;
    // No file may grow: each write fails as on a disk that is broken.
    if !limit_files(&bench, "0").await {
        return;
    }

    let problem = bench.refuses().await;

    bench.send("GET", "/v1/audit").await.ok(200);
    assert!(limit_files(&bench, "unlimited").await);
    bench.recovers(&problem, &["disk I/O error"]).await;
}

/// Bounds the size of the gateway's files; `false`, loudly, where there is no tool for it.
async fn limit_files(bench: &Bench, soft: &str) -> bool {
    let (process, limit) = (bench.gateway.id(), format!("--fsize={soft}:unlimited"));
    let mut command = tool("prlimit", &["--pid", &process, &limit]);
    if command.status().await.is_err() {
        eprintln!("SKIPPED: there is no prlimit (Debian package util-linux)");
        return false;
    }
    let ended = run_command(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    true
}

#[tokio::test]
async fn postgres_gone() {
    let Some((mut server, bench)) = over_postgres().await else { return };
    server.stop();

    let problem = bench.refuses().await;

    bench.send("GET", "/v1/audit").await.problem(503, "audit_unavailable");
    server.resume().await;
    bench.recovers(&problem, &["database is not available"]).await;
}

#[tokio::test]
async fn postgres_standing_still() {
    let Some((server, bench)) = over_postgres().await else { return };
    server.stand_still();

    let problem = bench.refuses().await;

    server.go_on();
    bench.recovers(&problem, &["database is not available", "in time"]).await;
}

async fn over_postgres() -> Option<(Postgres, Bench)> {
    let server = Postgres::start().await?;
    let store = Store::postgres(&server, "faults").await;
    let bench = Bench::start(&store.settings(), &[]).await;
    Some((server, bench))
}
