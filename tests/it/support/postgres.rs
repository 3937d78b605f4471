use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, sleep};

/// A PostgreSQL server of the test's own, on a socket in a folder that goes with it. Dropping it
/// stops it.
pub(crate) struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    server: Option<Child>,
}

impl Postgres {
    /// Starts one; `None`, loudly, where PostgreSQL is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!(
                "SKIPPED over PostgreSQL: neither /usr/lib/postgresql/*/bin nor PATH has it \
                 (Debian package postgresql)"
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = other_user() {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut postgres = Self { folder, programs, server: None };
        let made = postgres
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8"])
            .args(["--locale=C", "--pgdata"])
            .arg(postgres.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres.resume().await;
        Some(postgres)
    }

    /// A new, empty database; what it is to be opened with.
    pub(crate) async fn database(&self, name: &str) -> String {
        let mut server = PgConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut server)
            .await
            .unwrap();
        self.url(name)
    }

    /// Stops the server at once; whoever is connected is cut off.
    pub(crate) fn stop(&mut self) {
        self.go_on();
        let Some(mut server) = self.server.take() else { return };
        // "Immediate shutdown": the main process takes its children with it.
        let sent = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
        if !sent.is_ok_and(|sent| sent.success()) {
            let _ = server.kill();
        }
        let _ = server.wait();
    }

    /// Holds the server still: connections stay open, and nothing is answered.
    pub(crate) fn stand_still(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    /// Sends a signal to the server and each of its processes.
    fn signal(&self, name: &str) {
        let Some(server) = &self.server else { return };
        let script = "kill -\"$1\" \"$0\" $(ps -o pid= --ppid \"$0\")";
        // One of them may end meanwhile, which is no failure.
        Command::new("sh").args(["-c", script, &server.id().to_string(), name]).status().unwrap();
    }

    /// Starts it again and waits until it answers.
    pub(crate) async fn resume(&mut self) {
        let server = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"])
            .args(["-c", "max_connections=100"])
            .spawn()
            .unwrap();
        self.server = Some(server);
        let until = Instant::now() + PATIENCE;
        while let Err(error) = PgConnection::connect(&self.url("postgres")).await {
            assert!(Instant::now() < until, "{error}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn url(&self, database: &str) -> String {
        let socket = self.folder.path().to_str().unwrap().replace('/', "%2F");
        format!("postgres://postgres@{socket}/{database}")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.folder.path()).env_remove("PGDATA");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if program == "postgres" {
            command.stderr(Stdio::null());
        }
        if let Some((user, group)) = other_user() {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the server's programs are; an empty path is "found by PATH".
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.push(PathBuf::new());
    folders.into_iter().rev().find(|folder| {
        let mut found = Command::new(folder.join("initdb"));
        let found = found.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    })
}

/// Whom to be: PostgreSQL refuses to run as root.
fn other_user() -> Option<(u32, u32)> {
    let own = tempfile::NamedTempFile::new().unwrap().as_file().metadata().unwrap().uid();
    if own != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    Some(found.unwrap_or((65_534, 65_534)))
}

/// Far more than a start takes.
const PATIENCE: Duration = Duration::from_mins(1);
