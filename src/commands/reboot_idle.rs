//! `cwsgate reboot-idle`: restarts the idle machines of a catalog, and follows the operation.
//!
//! The work is the gateway's: whoever stops looking does not stop it.

use std::{
    collections::{HashMap, HashSet},
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{
    select,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use super::{Exit, complain, signals};
use crate::{
    client::{Api, Error, Event, Item, LeftOut, Operation, Plan, Refusal, Skipped},
    config::Environment,
};

/// Whose machines.
#[derive(Clone, Debug)]
pub struct Place {
    /// The customer.
    pub customer: String,
    /// The site.
    pub site: String,
    /// The machine catalog.
    pub catalog: String,
}

/// How to go about it.
#[derive(Clone, Debug)]
pub struct Choices {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Restart nothing when more machines are idle.
    pub max_targets: Option<u32>,
    /// Most machines under way at a time.
    pub max_concurrency: Option<u32>,
    /// Go on without the sites that cannot be read.
    pub partial_plan: bool,
    /// Why.
    pub reason: Option<String>,
    /// Whether a program reads the result.
    pub json: bool,
}

/// What has been said so far.
struct Report<'a, W> {
    out: &'a mut W,
    json: bool,
    bar: Option<ProgressBar>,
    said: HashSet<i64>,
    /// Whether nobody reads any more. The work goes on all the same, and the exit code says how.
    unread: bool,
}

/// Plans, starts and follows the operation.
pub async fn run(
    url: Url,
    place: &Place,
    choices: &Choices,
    environment: &Environment,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let Some(key) = environment.get(KEY).filter(|key| !key.is_empty()) else {
        complain(format_args!("set {KEY} to an API key of the gateway"));
        return Ok(Exit::NotAuthenticated);
    };
    let api = match Api::new(url, SecretString::from(key.to_owned())) {
        Ok(api) => api,
        Err(error) => {
            complain(format_args!("--url: {error}"));
            return Ok(Exit::Usage);
        }
    };
    let stopped = signals::shutdown()?;
    let request = request(place, choices);
    let planned = select! {
        planned = api.plan(&request) => planned,
        () = stopped.cancelled() => {
            complain("stopped; nothing was started");
            return Ok(Exit::Failed);
        }
    };
    let plan = match planned {
        Ok(plan) => plan,
        Err(error) => return Ok(failed(&error)),
    };
    let said = HashSet::new();
    let mut report = Report { out, json: choices.json, bar: None, said, unread: false };
    if choices.dry_run {
        return Ok(dry_run(&plan, &mut report));
    }
    for skipped in &plan.skipped {
        report.line(&skipped_line(skipped));
    }
    let started = start(&api, request, &plan, choices).await;
    let operation = match started {
        Ok(operation) => operation,
        Err(error) => return Ok(failed(&error)),
    };
    complain_of(&operation.plan.left_out);
    report.begin(operation.counts.get("planned").copied().unwrap_or(0));
    let operation = match follow(&api, &operation, &mut report, &stopped).await {
        Followed::Ended(operation) => operation,
        Followed::Stopped(operation) => {
            report.clear();
            let (look, stop) = (api.url(&operation.path), api.url(&operation.path));
            complain(format_args!(
                "no longer looking; the gateway goes on with it.\n\
                 To look again: GET {look}\nTo stop it:    POST {stop}/actions/cancel"
            ));
            if choices.json {
                report.say(&json!({ "operation": shown(&operation) }).to_string());
            }
            return Ok(Exit::StillRunning);
        }
        Followed::Failed(error) => {
            report.clear();
            let exit = match failed(&error) {
                Exit::Failed => Exit::StillRunning,
                other => other,
            };
            complain(format_args!("the gateway goes on with it: GET {}", api.url(&operation.path)));
            return Ok(exit);
        }
    };
    Ok(finish(&api, &operation, &plan, &mut report).await)
}

/// Where a gateway listens unless told otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";

const KEY: &str = "CWSGATE_API_KEY";

fn request(place: &Place, choices: &Choices) -> Value {
    let part = |text: &str| match text {
        "-" => "-".to_owned(),
        text => utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
    };
    let Place { customer, site, catalog } = place;
    let path = format!(
        "customers/{}/sites/{}/machine-catalogs/{}",
        part(customer),
        part(site),
        part(catalog)
    );
    let mut request = json!({ "action": "reboot", "selector": { "in": [path] }, "options": {} });
    if let Some(most) = choices.max_concurrency {
        request["options"]["maxConcurrency"] = json!(most);
    }
    if choices.partial_plan {
        request["options"]["partialPlan"] = json!(true);
    }
    if let Some(reason) = &choices.reason {
        request["reason"] = json!(reason);
    }
    request
}

async fn start(
    api: &Api,
    mut request: Value,
    plan: &Plan,
    choices: &Choices,
) -> Result<Operation, Error> {
    // A whole catalog is what was asked for, unless somebody drew a line.
    let most = choices.max_targets.map_or(plan.targets.len().max(1), |most| most as usize);
    request["options"]["maxTargets"] = json!(most);
    request["planDigest"] = json!(plan.digest);
    api.start(&request, &Uuid::new_v4().to_string()).await
}

enum Followed {
    Ended(Operation),
    Stopped(Operation),
    Failed(Error),
}

/// Follows the events of an operation, over gaps in the connection, until it has ended.
async fn follow(
    api: &Api,
    operation: &Operation,
    report: &mut Report<'_, impl Write>,
    stopped: &CancellationToken,
) -> Followed {
    let mut last = 0;
    let mut gaps = 0;
    loop {
        let streaming = async {
            let mut events = api.events(&operation.path, last).await?;
            // A connection that is silent for longer than heartbeats are apart is a dead one.
            while let Ok(next) = timeout(LONGEST_SILENCE, events.next()).await {
                let Some(event) = next? else { break };
                gaps = 0;
                last = event.id;
                let ended = event.kind == "end";
                report.event(&event);
                if ended {
                    break;
                }
            }
            Ok::<_, Error>(())
        };
        let streamed = select! {
            streamed = streaming => streamed,
            () = stopped.cancelled() => return Followed::Stopped(operation.clone()),
        };
        if let Err(error) = streamed
            && !may_pass(&error)
        {
            return Followed::Failed(error);
        }
        match api.operation(&operation.path).await {
            Ok(now) if !matches!(now.state.as_str(), "running" | "cancelling") => {
                return Followed::Ended(now);
            }
            Err(error) if !may_pass(&error) || gaps >= MOST_GAPS => {
                return Followed::Failed(error);
            }
            Ok(_) | Err(_) => {}
        }
        gaps += 1;
        select! {
            () = sleep(GAP) => {}
            () = stopped.cancelled() => return Followed::Stopped(operation.clone()),
        }
    }
}

/// Says what has not been said yet, and how it went.
async fn finish(
    api: &Api,
    operation: &Operation,
    plan: &Plan,
    report: &mut Report<'_, impl Write>,
) -> Exit {
    let items = match api.items(&operation.path).await {
        Ok(items) => items,
        Err(error) => {
            report.clear();
            return failed(&error);
        }
    };
    for item in &items {
        report.item(item);
    }
    report.clear();
    let count = |name: &str| operation.counts.get(name).copied().unwrap_or(0);
    let left_out = &operation.plan.left_out;
    if report.json {
        let items: Vec<_> = items.iter().map(shown_item).collect();
        let skipped: Vec<_> = plan.skipped.iter().map(shown_skipped).collect();
        let operation = shown(operation);
        let result = json!({ "operation": operation, "items": items, "skipped": skipped,
            "leftOut": left_out });
        report.say(&result.to_string());
    } else {
        let left_alone = plan.skipped.len() as u64 + count("skipped");
        complain(format_args!(
            "{} requested, {} failed, {} unknown, {} not attempted, {left_alone} left alone",
            count("succeeded"),
            count("failed"),
            count("indeterminate"),
            count("cancelled"),
        ));
    }
    match operation.state.as_str() {
        "succeeded" if left_out.is_empty() => Exit::Done,
        "succeeded" => Exit::Partly,
        _ if count("succeeded") > 0 => Exit::Partly,
        _ => Exit::Failed,
    }
}

fn dry_run(plan: &Plan, report: &mut Report<'_, impl Write>) -> Exit {
    complain_of(&plan.left_out);
    if report.json {
        let targets: Vec<_> =
            plan.targets.iter().map(|t| json!({ "id": t.id, "name": t.name })).collect();
        let skipped: Vec<_> = plan.skipped.iter().map(shown_skipped).collect();
        let shown = json!({ "targets": targets, "skipped": skipped, "digest": plan.digest,
            "leftOut": plan.left_out });
        report.say(&json!({ "plan": shown }).to_string());
    }
    for skipped in &plan.skipped {
        report.line(&skipped_line(skipped));
    }
    for target in &plan.targets {
        let name = label(&target.id, target.name.as_deref());
        report.line(&format!("Would request reboot for {name}"));
    }
    if plan.left_out.is_empty() { Exit::Done } else { Exit::Partly }
}

impl<W: Write> Report<'_, W> {
    /// Shows a bar, where somebody looks.
    fn begin(&mut self, items: u64) {
        if self.json || !io::stderr().is_terminal() || !io::stdout().is_terminal() {
            return;
        }
        let bar = ProgressBar::new(items);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        self.bar = Some(bar);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn event(&mut self, event: &Event) {
        if event.kind == "item" {
            // A newer gateway may say things that this program does not know.
            if let Ok(item) = serde_json::from_str::<Item>(&event.data) {
                self.item(&item);
            }
            return;
        }
        let counts = serde_json::from_str::<Value>(&event.data).unwrap_or_default();
        let counts = counts.get("counts").cloned().unwrap_or_default();
        let counts: HashMap<String, u64> = serde_json::from_value(counts).unwrap_or_default();
        let waiting = ["queued", "dispatched"].iter().filter_map(|name| counts.get(*name));
        let waiting = waiting.sum::<u64>();
        if let (Some(bar), Some(planned)) = (&self.bar, counts.get("planned")) {
            bar.set_position(planned.saturating_sub(waiting));
        }
    }

    /// Says what became of an item, once.
    fn item(&mut self, item: &Item) {
        let ended = !matches!(item.state.as_str(), "queued" | "dispatched");
        if ended && self.said.insert(item.index) {
            self.line(&item_line(item));
        }
    }

    /// Says something to people.
    fn line(&mut self, line: &str) {
        if !self.json {
            self.say(line);
        }
    }

    /// Says something, as long as it can be written.
    fn say(&mut self, line: &str) {
        if self.unread {
            return;
        }
        let mut write = || writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        let written = match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
        if let Err(error) = written {
            self.unread = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                complain(format_args!("nothing more can be written, and it goes on: {error}"));
            }
        }
    }
}

fn item_line(item: &Item) -> String {
    let name = label(&item.target.id, item.target.name.as_deref());
    let message = item.message.as_deref().unwrap_or("no reason was given");
    match item.state.as_str() {
        "succeeded" => format!("Requesting reboot for {name}... success"),
        "failed" => format!("Requesting reboot for {name}... failure: {message}"),
        "indeterminate" => format!("Requesting reboot for {name}... unknown: {message}"),
        "skipped" => left_alone(name, message),
        _ => format!("{name} was not attempted: {message}"),
    }
}

fn skipped_line(skipped: &Skipped) -> String {
    left_alone(label(&skipped.target.id, skipped.target.name.as_deref()), &skipped.detail)
}

/// `2 sessions on DEMOLAB\OSPREY - skipping`, or why else a machine is left alone.
fn left_alone(name: &str, detail: &str) -> String {
    match detail.strip_prefix("has ").filter(|what| what.contains("session")) {
        Some(sessions) => format!("{sessions} on {name} - skipping"),
        None => format!("{name} {detail} - skipping"),
    }
}

fn label<'a>(id: &'a str, name: Option<&'a str>) -> &'a str {
    name.unwrap_or(id)
}

fn shown(operation: &Operation) -> Value {
    let Operation { id, path, state, counts, .. } = operation;
    json!({ "id": id, "self": path, "state": state, "counts": counts })
}

fn shown_item(item: &Item) -> Value {
    let Item { target, state, message, .. } = item;
    json!({ "id": target.id, "name": target.name, "state": state, "message": message })
}

fn shown_skipped(skipped: &Skipped) -> Value {
    let Skipped { target, detail } = skipped;
    json!({ "id": target.id, "name": target.name, "detail": detail })
}

/// Whether it is worth asking again: the gateway may be restarting.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Unreachable(_) => true,
        Error::Refused(refusal) => matches!(refusal.status, 429 | 500..),
        Error::NotAGateway(status) => *status >= 500,
        Error::Client(_) | Error::Unreadable => false,
    }
}

fn failed(error: &Error) -> Exit {
    match error {
        Error::Refused(refusal) => {
            complain(in_flags(&refused(refusal)));
            if refusal.status == 401 {
                return Exit::NotAuthenticated;
            }
        }
        Error::Unreachable(cause) => {
            // The host alone: a URL may hold more than everybody should see.
            let host = cause.url().map(|url| url.origin().ascii_serialization());
            let host = host.as_deref().unwrap_or("the gateway");
            complain(format_args!("{host}: {error}; is --url (or CWSGATE_URL) right?"));
        }
        Error::Client(_) | Error::NotAGateway(_) | Error::Unreadable => complain(error),
    }
    Exit::Failed
}

/// Why, where, and what to do now.
fn refused(refusal: &Refusal) -> String {
    let Refusal { code, detail, fix, errors, left_out, .. } = refusal;
    let mut lines = vec![format!("{detail} ({code})")];
    lines.extend(errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)));
    lines.extend(left_out.iter().map(left_out_line));
    lines.push(fix.clone());
    lines.join("\n")
}

/// The same with the flags of this command in place of the fields of the request.
fn in_flags(text: &str) -> String {
    FLAGS.iter().fold(text.to_owned(), |text, (field, flag)| text.replace(field, flag))
}

/// Says what was not read.
fn complain_of(left_out: &[LeftOut]) {
    for left_out in left_out {
        complain(format_args!("not read: {}", left_out_line(left_out)));
    }
}

fn left_out_line(left_out: &LeftOut) -> String {
    let LeftOut { customer, site_id, code, detail } = left_out;
    match site_id {
        Some(site) => format!("{customer}, site {site}: {detail} ({code})"),
        None => format!("{customer}: {detail} ({code})"),
    }
}

/// Fields of the request by whatever name answers call them, longer names first, and the flags
/// that set them.
const FLAGS: [(&str, &str); 8] = [
    ("/selector/in/0", "--customer, --site, --catalog"),
    ("/options/maxTargets", "--max-targets"),
    ("options.maxTargets", "--max-targets"),
    ("maxTargets", "--max-targets"),
    ("/options/maxConcurrency", "--max-concurrency"),
    ("options.partialPlan", "--partial-plan"),
    ("/reason", "--reason"),
    ("{\"reason\":\"…\"}", "--reason"),
];

/// Pause before the gateway is asked again after a gap.
const GAP: Duration = Duration::from_secs(1);
/// Heartbeats come every 15 seconds.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);
/// Gaps in a row after which nobody looks any more.
const MOST_GAPS: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Target;

    #[test]
    fn every_machine_has_its_line() {
        let target = Target { id: "m1".into(), name: Some(r"DEMOLAB\KESTREL".into()) };
        let item = |state: &str, message: Option<&str>| Item {
            index: 1,
            target: target.clone(),
            state: state.into(),
            message: message.map(Into::into),
        };
        let line = |state, message| item_line(&item(state, message));
        assert_eq!(line("succeeded", None), r"Requesting reboot for DEMOLAB\KESTREL... success");
        assert_eq!(
            line("failed", Some("Not supported.")),
            r"Requesting reboot for DEMOLAB\KESTREL... failure: Not supported."
        );
        assert_eq!(
            line("skipped", Some("has 2 sessions")),
            r"2 sessions on DEMOLAB\KESTREL - skipping"
        );
        assert_eq!(
            line("skipped", Some("is not registered")),
            r"DEMOLAB\KESTREL is not registered - skipping"
        );
    }
}
