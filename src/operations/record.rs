//! Operations and items as they are stored and shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    BulkAction, Counts, Error, ItemState, OperationOptions, OperationState, Selector, Settings,
    Target,
};
use crate::{
    db::Row,
    domain::{AppName, AuthMethod, CallContext, Principal, SessionMessage},
    services::Deed,
};

/// One bulk operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its id.
    pub id: Uuid,
    /// What it does.
    pub action: BulkAction,
    /// How it stands.
    pub state: OperationState,
    /// How its items stand.
    pub counts: Counts,
    /// Whose it is.
    pub created_by: Creator,
    /// Why, in the caller's words.
    pub reason: Option<String>,
    /// What was asked for.
    pub order: Order,
    /// The options with every default in its place.
    pub settings: Settings,
    /// What planning found.
    pub plan: PlanSummary,
    /// Why work was stopped before its end.
    pub error: Option<Stop>,
    /// The operation whose failed items these are.
    pub retry_of: Option<Uuid>,
    /// When it was accepted.
    pub create_time: Timestamp,
    /// When its first item was begun.
    pub start_time: Option<Timestamp>,
    /// When its last item ended.
    pub end_time: Option<Timestamp>,
    pub(super) verifying: u32,
    pub(super) cancel_requested: bool,
    pub(super) settle_tries: u32,
    pub(super) last_event: i64,
}

/// Who started an operation. Every item is authorized as done by them, at the time it is done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OperationCreator)]
pub struct Creator {
    /// The app.
    pub app: String,
    /// The user or service behind its credential, where the credential names one.
    pub subject: Option<String>,
    /// The API key, where it was one.
    pub key_id: Option<String>,
    /// The identity provider, where it was one.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Who the app said it acted for: asserted, never verified.
    pub on_behalf_of: Option<String>,
}

/// What was asked for.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// What it is about.
    pub selector: Selector,
    /// How carefully it was to be done.
    pub options: OperationOptions,
    /// What users are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<SessionMessage>,
}

/// What planning found, in short.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = OperationPlanSummary)]
pub struct PlanSummary {
    /// The plan that was quoted, or made at once.
    pub digest: Option<String>,
    /// How many things within reach were left alone, by reason.
    pub left_alone: BTreeMap<String, u32>,
    /// Things that fit the selector now and are not in the plan that was quoted.
    pub newcomers: u32,
    /// Customers and sites that were left out: the action is not granted there, the site sleeps,
    /// or it could not be read.
    pub left_out: Vec<LeftOut>,
}

/// A customer or site that was left out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// Our name of the customer.
    pub customer: String,
    /// The site, where it is about one.
    pub site_id: Option<String>,
    /// Code of the problem.
    pub code: String,
    /// What happened.
    pub detail: String,
}

/// Why work was stopped before its end.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OperationStop)]
pub struct Stop {
    /// `max_errors_exceeded` or `window_closed`.
    pub code: String,
    /// What happened.
    pub detail: String,
}

/// One target of an operation and what became of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OperationItem)]
pub struct Item {
    /// Its place in the operation, from 1.
    pub index: i64,
    /// What it is about.
    pub target: Target,
    /// How it stands.
    pub state: ItemState,
    /// Why it stands so: a problem code, the name of a guard, `drifted`, `window_closed`,
    /// `max_errors_exceeded`, `cancelled` or `interrupted`.
    pub code: Option<String>,
    /// What happened; Citrix's own words where it has any.
    pub message: Option<String>,
    /// How often it was sent to Citrix; more than once only where Citrix turned it away.
    pub attempts: u32,
    /// Citrix's job for it.
    pub upstream_job_id: Option<String>,
    /// The id under which Citrix knows the call.
    pub upstream_transaction_id: Option<String>,
    /// What settled it, if its answer was lost.
    pub evidence: Option<String>,
    /// Whether it was seen back, where `verify` asks for that.
    pub verification: Option<Verification>,
    /// When it was last sent.
    pub dispatch_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// The API client that acted.
    #[serde(skip)]
    pub(super) credential: Option<String>,
}

/// Whether a machine was seen back.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ItemVerification)]
pub enum Verification {
    /// Not yet.
    Waiting,
    /// It was.
    Verified,
    /// Not in time.
    TimedOut,
}

/// Something that happened to an operation.
#[derive(Clone, Debug)]
pub struct Event {
    /// Grows within the operation.
    pub id: i64,
    /// `progress`, `item` or `end`.
    pub kind: String,
    /// What happened, as JSON.
    pub data: String,
}

/// What `progress` and `end` say.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OperationProgress)]
pub struct Progress {
    /// How the operation stands.
    pub state: OperationState,
    /// How its items stand.
    pub counts: Counts,
}

impl Operation {
    /// What is done to each target.
    pub(super) fn deed(&self) -> Result<Deed, Error> {
        Ok(match (self.action, &self.order.message) {
            (BulkAction::SetMaintenance, _) => Deed::Maintenance(true),
            (BulkAction::ClearMaintenance, _) => Deed::Maintenance(false),
            (BulkAction::LogoffSessions, _) => Deed::Logoff,
            (BulkAction::SendMessage, Some(message)) => Deed::Message(message.clone()),
            (BulkAction::SendMessage, None) => return Err(Error::Unreadable),
            (action, _) => Deed::Power(action.power().ok_or(Error::Unreadable)?),
        })
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { state: self.state, counts: self.counts }
    }

    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let count = |name: &str| -> Result<u32, Error> {
            Ok(u32::try_from(row.get::<i64>(name)?).unwrap_or(u32::MAX))
        };
        Ok(Self {
            id: uuid(row.get("id")?)?,
            action: json_word(row.get("action")?)?,
            state: OperationState::parse(&row.get::<String>("state")?).ok_or(Error::Unreadable)?,
            counts: Counts {
                planned: count("planned")?,
                skipped: count("skipped")?,
                queued: count("queued")?,
                dispatched: count("dispatched")?,
                succeeded: count("succeeded")?,
                failed: count("failed")?,
                indeterminate: count("indeterminate")?,
                cancelled: count("cancelled")?,
                verified: count("verified")?,
            },
            created_by: json(row.get("created_by")?)?,
            reason: row.get("reason")?,
            order: json(row.get("request")?)?,
            settings: json(row.get("settings")?)?,
            plan: json(row.get("plan")?)?,
            error: row.get::<Option<String>>("error")?.map(json).transpose()?,
            retry_of: row.get::<Option<String>>("retry_of")?.map(uuid).transpose()?,
            create_time: time(row.get("created")?)?,
            start_time: row.get::<Option<i64>>("started")?.map(time).transpose()?,
            end_time: row.get::<Option<i64>>("ended")?.map(time).transpose()?,
            verifying: count("verifying")?,
            cancel_requested: row.get("cancel_requested")?,
            settle_tries: count("settle_tries")?,
            last_event: row.get("last_event")?,
        })
    }
}

impl Creator {
    /// Whoever calls now.
    pub(super) fn of(ctx: &CallContext) -> Self {
        let Principal { app, method, subject } = ctx.principal.as_ref();
        let (key_id, issuer) = match method {
            AuthMethod::ApiKey { key_id } | AuthMethod::GatewayToken { key_id } => {
                (Some(key_id.clone()), None)
            }
            AuthMethod::Jwt { issuer } => (None, Some(issuer.clone())),
            AuthMethod::CommandLine | AuthMethod::UnsafeAnonymous => (None, None),
        };
        Self {
            app: app.to_string(),
            subject: subject.clone(),
            key_id,
            issuer,
            on_behalf_of: ctx.on_behalf_of.clone(),
        }
    }
}

impl Creator {
    /// The same caller again, for a call that is made on their behalf later.
    pub(super) fn principal(&self) -> Result<Principal, Error> {
        let method = match (&self.key_id, &self.issuer) {
            (Some(key_id), _) => AuthMethod::ApiKey { key_id: key_id.clone() },
            (None, Some(issuer)) => AuthMethod::Jwt { issuer: issuer.clone() },
            (None, None) => AuthMethod::UnsafeAnonymous,
        };
        let app = AppName::try_from(self.app.as_str()).map_err(|_| Error::Unreadable)?;
        Ok(Principal { app, method, subject: self.subject.clone() })
    }
}

impl Item {
    /// A target that waits for its turn.
    pub(super) fn queued(index: i64, target: Target) -> Self {
        Self {
            index,
            target,
            state: ItemState::Queued,
            code: None,
            message: None,
            attempts: 0,
            upstream_job_id: None,
            upstream_transaction_id: None,
            evidence: None,
            verification: None,
            dispatch_time: None,
            end_time: None,
            credential: None,
        }
    }

    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            index: row.get("seq")?,
            target: Target {
                path: row.get("path")?,
                id: row.get("target_id")?,
                name: row.get("name")?,
                customer: row.get("customer")?,
                site_id: row.get("site")?,
            },
            state: ItemState::parse(&row.get::<String>("state")?).ok_or(Error::Unreadable)?,
            code: row.get("code")?,
            message: row.get("message")?,
            attempts: u32::try_from(row.get::<i64>("attempts")?).unwrap_or(0),
            upstream_job_id: row.get("job_id")?,
            upstream_transaction_id: row.get("transaction_id")?,
            evidence: row.get("evidence")?,
            verification: row.get::<Option<String>>("verification")?.map(json_word).transpose()?,
            dispatch_time: row.get::<Option<i64>>("dispatched")?.map(time).transpose()?,
            end_time: row.get::<Option<i64>>("ended")?.map(time).transpose()?,
            credential: row.get("credential")?,
        })
    }

    /// What it goes by in sentences.
    pub fn label(&self) -> &str {
        self.target.name.as_deref().unwrap_or(&self.target.id)
    }
}

impl Verification {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Verified => "verified",
            Self::TimedOut => "timedOut",
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it comes out of a row, and goes nowhere else")]
fn json<T: for<'a> Deserialize<'a>>(text: String) -> Result<T, Error> {
    serde_json::from_str(&text).map_err(|_| Error::Unreadable)
}

/// A word that a plain enum is written as.
fn json_word<T: for<'a> Deserialize<'a>>(word: String) -> Result<T, Error> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(|_| Error::Unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "it comes out of a row, and goes nowhere else")]
fn uuid(text: String) -> Result<Uuid, Error> {
    Uuid::parse_str(&text).map_err(|_| Error::Unreadable)
}

pub(super) fn time(millis: i64) -> Result<Timestamp, Error> {
    Timestamp::from_millisecond(millis).map_err(|_| Error::Unreadable)
}
