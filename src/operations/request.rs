use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{BulkAction, Error, Selector};
use crate::domain::SessionMessage;

/// What is to be done, to what, and how carefully.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationRequest {
    /// What to do to each target.
    pub action: BulkAction,
    /// What to do it to.
    pub selector: Selector,
    /// How carefully.
    #[serde(default)]
    pub options: OperationOptions,
    /// What users are shown; for `send-message`, which needs it.
    #[serde(default)]
    pub message: Option<SessionMessage>,
    /// Only show what would be done. Nothing is started and no `Idempotency-Key` is needed.
    #[serde(default)]
    pub dry_run: bool,
    /// `digest` of an earlier plan of the same action and selector, at most one hour old: what
    /// is not in that plan is left alone.
    #[serde(default)]
    pub plan_digest: Option<String>,
    /// Why; kept with the record of each action.
    #[serde(default)]
    #[schema(max_length = 1024, example = "CHG-1234")]
    pub reason: Option<String>,
}

/// How carefully an operation goes about its work. Everything may be left out.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OperationOptions {
    /// Most items under way at a time, for each site; 8 by default.
    #[schema(minimum = 1, maximum = 64)]
    pub max_concurrency: Option<u32>,
    /// A site's items are stopped when more than this many failed: a number, or a percentage of
    /// the site's targets such as `"10%"`, rounded up. 10 % by default, and then at least 3.
    #[schema(value_type = Option<String>, example = "10%")]
    pub max_errors: Option<MaxErrors>,
    /// Start nothing when there are more targets; 25 by default.
    #[schema(minimum = 1, maximum = 10000)]
    pub max_targets: Option<u32>,
    /// Read each target again just before acting, and leave it alone when it is no longer
    /// eligible; true by default.
    pub recheck: Option<bool>,
    /// Whether an item keeps its slot until its machine is seen in the state that it is to reach;
    /// this paces the work.
    pub verify: Verify,
    /// How long to look for that; 15 minutes by default.
    #[schema(example = "15m")]
    pub verify_timeout: Option<String>,
    /// Begin no item later than this: a span of time such as `4h` (the default), or a time.
    #[schema(example = "4h")]
    pub not_after: Option<String>,
    /// Guards to lift.
    pub include: BTreeSet<Guard>,
    /// Go on without the customers or sites that cannot be read while planning.
    pub partial_plan: bool,
}

/// A reason not to touch a machine that can be lifted by naming it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Guard {
    /// It has sessions, or Citrix does not say how many.
    InUse,
    /// It is not registered.
    Unregistered,
    /// It is in maintenance mode.
    Maintenance,
    /// It is not switched on.
    Off,
    /// It is not a virtual machine.
    Physical,
}

/// What a target must be seen in after Citrix took the action.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Verify {
    /// Nothing: it is enough that Citrix took it.
    #[default]
    None,
    /// The power state that the action leads to.
    Power,
    /// Switched on and registered again.
    Registered,
}

/// How many failures stop the work on a site.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "String")]
pub enum MaxErrors {
    /// More than this many.
    Count(u32),
    /// More than this percentage of the site's targets.
    Percent(u32),
}

/// The options of one operation with every default in its place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Most items under way at a time, for each site.
    pub max_concurrency: u32,
    /// `None`: 10 %, at least 3.
    pub max_errors: Option<MaxErrors>,
    /// Most targets.
    pub max_targets: u32,
    /// Whether to read each target again just before acting.
    pub recheck: bool,
    /// What targets must be seen in.
    pub verify: Verify,
    /// How long to look for that.
    pub verify_timeout: Duration,
    /// Nothing is begun after this time.
    pub not_after: Timestamp,
    /// Guards that are lifted.
    pub include: BTreeSet<Guard>,
}

impl OperationRequest {
    /// Checks what the types cannot, and fills in the defaults.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the place that is wrong.
    pub fn settings(&self, now: Timestamp) -> Result<Settings, Error> {
        self.check_message()?;
        let options = &self.options;
        if options.verify != Verify::None && self.action.power().is_none() {
            let detail = "only power actions can be verified; leave `verify` out";
            return Err(Error::invalid("/options/verify", detail));
        }
        if options.verify == Verify::Registered
            && matches!(self.action, BulkAction::Shutdown | BulkAction::Suspend)
        {
            let detail = "a machine that is switched off does not register; write \"power\"";
            return Err(Error::invalid("/options/verify", detail));
        }
        Ok(Settings {
            max_concurrency: within(
                "/options/maxConcurrency",
                options.max_concurrency,
                DEFAULT_CONCURRENCY,
                MOST_CONCURRENCY,
            )?,
            max_errors: options.max_errors,
            max_targets: within(
                "/options/maxTargets",
                options.max_targets,
                DEFAULT_TARGETS,
                MOST_TARGETS,
            )?,
            recheck: options.recheck.unwrap_or(true),
            verify: options.verify,
            verify_timeout: match &options.verify_timeout {
                Some(text) => {
                    span(text).filter(|span| *span <= LONGEST_VERIFY).ok_or_else(|| {
                        Error::invalid(
                            "/options/verifyTimeout",
                            "write a span of time such as \"15m\", at most \"12h\"",
                        )
                    })?
                }
                None => DEFAULT_VERIFY,
            },
            not_after: not_after(options.not_after.as_deref(), now)?,
            include: options.include.clone(),
        })
    }

    fn check_message(&self) -> Result<(), Error> {
        match (&self.message, self.action) {
            (None, BulkAction::SendMessage) => {
                Err(Error::invalid("/message", "`send-message` needs `message` {title, text}"))
            }
            (Some(_), action) if action != BulkAction::SendMessage => {
                Err(Error::invalid("/message", "only `send-message` takes a message"))
            }
            (Some(message), _) => {
                let fits = |text: &str, most| !text.trim().is_empty() && text.len() <= most;
                if !fits(&message.title, LONGEST_TITLE) {
                    let detail = format!("give it 1 to {LONGEST_TITLE} bytes");
                    return Err(Error::invalid("/message/title", detail));
                }
                if !fits(&message.text, LONGEST_TEXT) {
                    let detail = format!("give it 1 to {LONGEST_TEXT} bytes");
                    return Err(Error::invalid("/message/text", detail));
                }
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }
}

impl Guard {
    /// The name by which it is lifted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "inUse",
            Self::Unregistered => "unregistered",
            Self::Maintenance => "maintenance",
            Self::Off => "off",
            Self::Physical => "physical",
        }
    }
}

impl Settings {
    /// How many failures are accepted on a site with this many targets.
    pub fn error_limit(&self, targets: u32) -> u32 {
        let share = |percent: u32| {
            let of = u64::from(targets) * u64::from(percent);
            u32::try_from(of.div_ceil(100)).unwrap_or(u32::MAX)
        };
        match self.max_errors {
            Some(MaxErrors::Count(count)) => count,
            Some(MaxErrors::Percent(percent)) => share(percent),
            None => share(DEFAULT_ERROR_PERCENT).max(LEAST_ERRORS),
        }
    }
}

impl From<MaxErrors> for String {
    fn from(limit: MaxErrors) -> Self {
        match limit {
            MaxErrors::Count(count) => count.to_string(),
            MaxErrors::Percent(percent) => format!("{percent}%"),
        }
    }
}

impl<'de> Deserialize<'de> for MaxErrors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Text(String),
        }
        let wrong = || serde::de::Error::custom("write a number, or a percentage such as \"10%\"");
        match Written::deserialize(deserializer).map_err(|_| wrong())? {
            Written::Number(count) => Ok(Self::Count(count)),
            Written::Text(text) => match text.trim().strip_suffix('%') {
                Some(percent) => {
                    let percent = percent.trim_end().parse().map_err(|_| wrong())?;
                    if percent > 100 { Err(wrong()) } else { Ok(Self::Percent(percent)) }
                }
                None => text.trim().parse().map(Self::Count).map_err(|_| wrong()),
            },
        }
    }
}

/// A span of time such as `4h` or `90s`.
pub(super) fn span(text: &str) -> Option<Duration> {
    let span = text.trim().parse::<SignedDuration>().ok()?;
    Duration::try_from(span).ok().filter(|span| !span.is_zero())
}

fn within(pointer: &str, value: Option<u32>, default: u32, most: u32) -> Result<u32, Error> {
    match value {
        None => Ok(default),
        Some(value) if (1..=most).contains(&value) => Ok(value),
        Some(_) => Err(Error::invalid(pointer, format!("it must be from 1 to {most}"))),
    }
}

fn not_after(text: Option<&str>, now: Timestamp) -> Result<Timestamp, Error> {
    let wrong = |detail: &str| Error::invalid("/options/notAfter", detail);
    let after = |wait: Duration| {
        let wait = SignedDuration::try_from(wait).ok()?;
        now.checked_add(wait).ok()
    };
    let end = match text {
        None => after(DEFAULT_WINDOW),
        Some(text) => match span(text) {
            Some(wait) => after(wait),
            None => text.trim().parse::<Timestamp>().ok(),
        },
    };
    let end = end.ok_or_else(|| {
        wrong("write a span of time such as \"4h\", or a time such as \"2030-01-31T05:00:00Z\"")
    })?;
    if end <= now {
        return Err(wrong("this time is over"));
    }
    if after(LONGEST_WINDOW).is_some_and(|last| end > last) {
        return Err(wrong("at most 30 days from now"));
    }
    Ok(end)
}

const DEFAULT_CONCURRENCY: u32 = 8;
const MOST_CONCURRENCY: u32 = 64;
const DEFAULT_TARGETS: u32 = 25;
/// Most targets of one operation.
const MOST_TARGETS: u32 = 10_000;
const DEFAULT_ERROR_PERCENT: u32 = 10;
const LEAST_ERRORS: u32 = 3;
const DEFAULT_VERIFY: Duration = Duration::from_mins(15);
const LONGEST_VERIFY: Duration = Duration::from_hours(12);
pub(super) const DEFAULT_WINDOW: Duration = Duration::from_hours(4);
const LONGEST_WINDOW: Duration = Duration::from_hours(30 * 24);
/// Citrix's message boxes take no more, in bytes.
const LONGEST_TITLE: usize = 256;
const LONGEST_TEXT: usize = 4096;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(options: &Value) -> Result<Settings, Error> {
        of("reboot", options)
    }

    fn of(action: &str, options: &Value) -> Result<Settings, Error> {
        let request: OperationRequest = serde_json::from_value(json!({
            "action": action,
            "selector": { "in": ["customers/acme/sites/-"] },
            "options": options,
        }))
        .unwrap();
        request.settings("2030-01-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn defaults_are_careful() {
        let settings = settings(&json!({})).unwrap();
        assert_eq!((settings.max_concurrency, settings.max_targets), (8, 25));
        assert!(settings.recheck && settings.include.is_empty());
        assert_eq!(settings.not_after.to_string(), "2030-01-01T04:00:00Z");
    }

    #[test]
    fn percentages_of_failures_are_rounded_up_and_the_default_is_at_least_three() {
        let limit = |options: &Value, targets| settings(options).unwrap().error_limit(targets);
        assert_eq!(limit(&json!({}), 5), 3);
        assert_eq!(limit(&json!({}), 41), 5);
        assert_eq!(limit(&json!({ "maxErrors": "10%" }), 5), 1);
        assert_eq!(limit(&json!({ "maxErrors": "0%" }), 500), 0);
        assert_eq!(limit(&json!({ "maxErrors": 7 }), 5), 7);
        assert_eq!(limit(&json!({ "maxErrors": "7" }), 5), 7);
    }

    #[test]
    fn stored_options_are_read_back() {
        for options in [json!({ "maxErrors": "10%" }), json!({ "maxErrors": 3 }), json!({})] {
            let before = settings(&options).unwrap();
            let text = serde_json::to_string(&before).unwrap();
            assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), before);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        let place = |result: Result<Settings, Error>| match result.unwrap_err() {
            Error::Invalid { pointer, .. } => pointer,
            other => panic!("{other}"),
        };
        assert_eq!(place(settings(&json!({ "maxConcurrency": 0 }))), "/options/maxConcurrency");
        assert_eq!(place(settings(&json!({ "maxTargets": 10_001 }))), "/options/maxTargets");
        for end in ["2029-12-31T00:00:00Z", "0s", "-1h", "soon", "31d"] {
            assert_eq!(place(settings(&json!({ "notAfter": end }))), "/options/notAfter", "{end}");
        }
        assert_eq!(place(of("shutdown", &json!({ "verify": "registered" }))), "/options/verify");
        assert_eq!(place(of("logoff-sessions", &json!({ "verify": "power" }))), "/options/verify");
        assert_eq!(place(of("send-message", &json!({}))), "/message");
    }

    #[test]
    fn unknown_guards_and_odd_limits_are_refused() {
        let parse = serde_json::from_value::<OperationOptions>;
        assert!(parse(json!({ "include": ["everything"] })).is_err());
        assert!(parse(json!({ "maxErrors": "many" })).is_err());
        assert!(parse(json!({ "maxErrors": "101%" })).is_err());
        assert!(parse(json!({ "maxErrors": -1 })).is_err());
    }
}
