use std::{
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

/// The real program as a process of its own. Dropping it kills it.
pub(crate) struct Program {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    errors: Arc<Mutex<String>>,
    reading: JoinHandle<()>,
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

/// The program with these arguments and without any variables of ours, not started yet.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_cwsgate"));
    command.args(arguments);
    command
}

/// A bash script that stops at the first failure, with what it is given as `$1`, `$2`, …
pub(crate) fn bash(script: &str, arguments: &[&str]) -> Command {
    let mut command = command("bash");
    command.args(["-euo", "pipefail", "-c", script, "bash"]).args(arguments);
    command
}

/// A program that is found in the `PATH`.
pub(crate) fn tool(name: &str, arguments: &[&str]) -> Command {
    let mut command = command(name);
    command.args(arguments);
    command
}

#[expect(clippy::disallowed_methods, reason = "bash finds curl and jq by it")]
fn command(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_clear().kill_on_drop(true);
    if let Ok(path) = std::env::var("PATH") {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(crate) async fn run(arguments: &[&str]) -> Ended {
    run_command(program(arguments)).await
}

/// Runs a command to its end.
pub(crate) async fn run_command(mut command: Command) -> Ended {
    // Not `output`, which would replace what a test has set as standard output.
    let ended = command.spawn().unwrap().wait_with_output();
    let output = timeout(PATIENCE, ended).await.expect("it should have ended").unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_command(program(arguments))
    }

    pub(crate) fn start_command(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = child.stderr.take().unwrap();
        let errors = Arc::new(Mutex::new(String::new()));
        let reading = tokio::spawn({
            let errors = Arc::clone(&errors);
            async move {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
                    errors.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
                }
            }
        });
        Self { child, out, errors, reading }
    }

    /// The next line of standard output.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.out.next_line()).await;
        let line = line.expect("it should have said something").unwrap();
        line.unwrap_or_else(|| panic!("it ended: {}", self.errors.lock().unwrap()))
    }

    /// The next line, which must be JSON.
    pub(crate) async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Sends SIGTERM.
    pub(crate) async fn terminate(&self) {
        self.signal("TERM").await;
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Its process id.
    pub(crate) fn id(&self) -> String {
        self.child.id().expect("it should still run").to_string()
    }

    /// Sends a signal, by its name without `SIG`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.id();
        let sent = Command::new("sh").args(["-c", "kill -\"$1\" \"$0\"", &id, name]).status().await;
        assert!(sent.unwrap().success());
    }

    /// What it has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        let mut out = String::new();
        let code = timeout(PATIENCE, async {
            while let Some(line) = self.out.next_line().await.unwrap() {
                out += &line;
                out.push('\n');
            }
            self.child.wait().await.unwrap().code()
        });
        let code = code.await.expect("it should have ended");
        let _ = timeout(PATIENCE, self.reading).await;
        let errors = self.errors.lock().unwrap().clone();
        Ended { code, out, errors }
    }
}

/// Writes a file and returns its path as text, as a command line takes it.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Far more than anything here takes, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_mins(1);
