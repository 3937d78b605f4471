//! `cwsgate reboot-idle` on a terminal: the real program under a pseudo-terminal.

use serde_json::{Value, json};
use tokio::process::Command;

use super::{flock, quick};
use crate::support::{Ended, Gateway, run_command, tool};

/// Runs `$1 …` on a terminal of its own (`pty(7)`) and prints what was shown there, and its exit
/// code. Presses Ctrl-C once the text in the variable `PRESS_AT` was shown.
const ON_A_TERMINAL: &str = r#"
import fcntl, json, os, pty, struct, sys, termios
press_at = os.environ.get("PRESS_AT")
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
shown = b""
while True:
    try:
        some = os.read(terminal, 4096)
    except OSError:
        break
    if not some:
        break
    shown += some
    if press_at and press_at.encode() in shown:
        os.write(terminal, b"\x03")
        press_at = None
_, status = os.waitpid(pid, 0)
print(json.dumps({"shown": shown.decode(), "code": os.waitstatus_to_exitcode(status)}))
"#;

fn reboot_idle(mut command: Command, gateway: &Gateway) -> Command {
    command
        .args(["reboot-idle", "--customer", "acme", "--site", "-", "--catalog", "Flock"])
        .args(["--max-concurrency", "1"])
        .env("CWSGATE_URL", format!("http://{}", gateway.address))
        .env("CWSGATE_API_KEY", &gateway.key)
        .env("TERM", "xterm");
    command
}

/// What was shown on a terminal, and the exit code; `None`, loudly, where there is no Python.
async fn on_a_terminal(gateway: &Gateway, press_at: Option<&str>) -> Option<(String, i64)> {
    let here = tool("python3", &["--version"]).output().await;
    if !here.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED on a terminal: python3 is missing");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_cwsgate");
    let mut command = reboot_idle(tool("python3", &["-c", ON_A_TERMINAL, program]), gateway);
    if let Some(text) = press_at {
        command.env("PRESS_AT", text);
    }
    let ended = run_command(command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let seen: Value = serde_json::from_str(&ended.out).unwrap();
    Some((seen["shown"].as_str().unwrap().to_owned(), seen["code"].as_i64().unwrap()))
}

/// A gateway over machines that take their time, so that there is something to watch.
async fn slow(machines: usize) -> Gateway {
    let gateway = quick().scenario(flock(machines)).start().await;
    gateway.fault(json!({ "match": { "service": "daas", "method": "POST" }, "latencyMs": 300 }));
    gateway
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_shows_a_bar_and_a_pipe_none() {
    let gateway = slow(4).await;
    let Some((shown, code)) = on_a_terminal(&gateway, None).await else { return };
    assert_eq!(code, 0, "{shown}");
    for part in ["█", " 1/4 ", "\u{1b}["] {
        assert!(shown.contains(part), "{part:?} in {shown:?}");
    }
    for n in 1..=4 {
        let line = format!("Requesting reboot for LAB\\BIRD000{n}... success");
        assert_eq!(shown.matches(&line).count(), 1, "{line} in {shown:?}");
    }
    // The bar is gone at the end, and the last word is left.
    let rest = shown.rsplit('█').next().unwrap();
    assert!(rest.contains("4 requested, 0 failed"), "{shown:?}");

    let gateway = slow(4).await;
    let program = crate::support::program(&[]);
    let Ended { code, out, errors } = run_command(reboot_idle(program, &gateway)).await;
    assert_eq!((code, out.lines().count()), (Some(0), 4));
    for part in ["█", "░", "1/4", "\u{1b}", "\r"] {
        assert!(!out.contains(part) && !errors.contains(part), "{part:?} in {out:?} {errors:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_on_a_terminal_stops_looking_and_says_how_to_stop_the_work() {
    let gateway = slow(6).await;
    let Some((shown, code)) = on_a_terminal(&gateway, Some("BIRD0001... success")).await else {
        return;
    };

    assert_eq!(code, 5, "{shown}");
    let listed = gateway.get("/v1/operations").await.ok(200);
    let path = listed["items"][0]["self"].as_str().unwrap();
    let url = format!("http://{}{path}", gateway.address);
    assert!(shown.contains("the gateway goes on with it"), "{shown:?}");
    assert!(shown.contains(&format!("GET {url}\r\n")), "{shown:?}");
    assert!(shown.contains(&format!("POST {url}/actions/cancel")), "{shown:?}");
    assert_eq!(gateway.ended(path).await["counts"]["succeeded"], 6, "it did go on");
}
