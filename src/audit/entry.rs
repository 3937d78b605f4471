use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    db::{Error, Query, Row, query},
    domain::{AuthMethod, CallContext, CustomerName, ProblemCode, StoreName},
};

/// A change that is about to be made.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// What is done, such as `reboot`.
    pub action: Cow<'static, str>,
    /// To a thing of this customer.
    pub customer: Option<CustomerName>,
    /// To a thing of this store.
    pub store: Option<StoreName>,
    /// In this site.
    pub site: Option<String>,
    /// The thing itself.
    pub target: Option<Target>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Citrix did it, or took it.
    Succeeded,
    /// It was not done.
    Failed(ProblemCode),
    /// It may have been done.
    Unknown(ProblemCode),
}

/// One change: who, what, why, and what became of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub struct Entry {
    /// Its id; later entries have greater ones.
    pub id: String,
    /// When it was recorded, just before Citrix was asked.
    pub time: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What, such as `reboot`, `logoff`, `power-off` or `cancel` (of an operation).
    #[schema(example = "reboot")]
    pub action: String,
    /// By which way the call came: `api`, `drop-in` or `operation`.
    #[schema(example = "api")]
    pub via: String,
    /// Our name of the customer; none where it was about several.
    pub customer: Option<String>,
    /// The `StoreFront` store, where it was one.
    pub store: Option<String>,
    /// Citrix's id of the site.
    pub site_id: Option<String>,
    /// The thing that was changed.
    pub target: Option<Target>,
    /// Why, in the caller's words.
    pub reason: Option<String>,
    /// `succeeded` (Citrix did it or took it), `failed`, `unknown` (it may have happened), or
    /// `pending` while it is being done.
    #[schema(example = "succeeded")]
    pub outcome: String,
    /// The problem code of a change that did not succeed.
    pub code: Option<String>,
    /// When the outcome was known.
    pub end_time: Option<Timestamp>,
    /// The id of the request.
    pub request_id: String,
    /// The id under which Citrix knows the call.
    pub citrix_transaction_id: Option<String>,
    /// The bulk operation that it was part of.
    pub operation_id: Option<String>,
}

/// Who made a change.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditActor)]
pub struct Actor {
    /// The app.
    pub app: String,
    /// The user or service that its token named.
    pub subject: Option<String>,
    /// Public part of its API key.
    pub key_id: Option<String>,
    /// Whom it said it acted for (`Cwsgate-On-Behalf-Of`): asserted, never verified.
    pub on_behalf_of: Option<String>,
}

/// A thing that is changed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = AuditTarget)]
pub struct Target {
    /// What it is, such as `machine`, `session` or `operation`.
    #[serde(rename = "type")]
    #[schema(example = "machine")]
    pub kind: Cow<'static, str>,
    /// Its id.
    pub id: String,
    /// Its name, where it has one.
    pub name: Option<String>,
}

impl Entry {
    /// An entry whose id, of version 7, tells its time.
    pub(super) fn new(id: Uuid, ctx: &CallContext, event: Event) -> Self {
        let principal = &ctx.principal;
        Self {
            time: time_of(id),
            id: id.to_string(),
            actor: Actor {
                app: principal.app.to_string(),
                subject: principal.subject.clone(),
                key_id: match &principal.method {
                    AuthMethod::ApiKey { key_id } | AuthMethod::GatewayToken { key_id } => {
                        Some(key_id.clone())
                    }
                    AuthMethod::Jwt { .. }
                    | AuthMethod::CommandLine
                    | AuthMethod::UnsafeAnonymous => None,
                },
                on_behalf_of: ctx.on_behalf_of.clone(),
            },
            action: event.action.into_owned(),
            via: ctx.via.as_str().to_owned(),
            customer: event.customer.map(|customer| customer.to_string()),
            store: event.store.map(|store| store.to_string()),
            site_id: event.site,
            target: event.target,
            reason: ctx.reason.as_deref().map(ToOwned::to_owned),
            outcome: PENDING.to_owned(),
            code: None,
            end_time: None,
            request_id: ctx.request_id.as_str().to_owned(),
            citrix_transaction_id: Some(ctx.transaction_id.to_string()),
            operation_id: ctx.operation_id.map(|id| id.to_string()),
        }
    }

    pub(super) fn ended(&mut self, outcome: Outcome, now: Timestamp) {
        outcome.as_str().clone_into(&mut self.outcome);
        self.code = outcome.code().map(|code| code.as_str().to_owned());
        self.end_time = Some(now);
    }

    pub(super) fn insert(&self) -> Query {
        let target = self.target.as_ref();
        let insert = query(
            "INSERT INTO audit (id, time, app, subject, key_id, on_behalf_of, action, via, customer,
             store, site, target_type, target_id, target_name, reason, request_id, transaction_id,
             operation_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        );
        insert
            .bind(self.id.as_str())
            .bind(self.time.as_millisecond())
            .bind(self.actor.app.as_str())
            .bind(self.actor.subject.as_deref())
            .bind(self.actor.key_id.as_deref())
            .bind(self.actor.on_behalf_of.as_deref())
            .bind(self.action.as_str())
            .bind(self.via.as_str())
            .bind(self.customer.as_deref())
            .bind(self.store.as_deref())
            .bind(self.site_id.as_deref())
            .bind(target.map(|target| target.kind.as_ref()))
            .bind(target.map(|target| target.id.as_str()))
            .bind(target.and_then(|target| target.name.as_deref()))
            .bind(self.reason.as_deref())
            .bind(self.request_id.as_str())
            .bind(self.citrix_transaction_id.as_deref())
            .bind(self.operation_id.as_deref())
    }

    pub(super) fn update(&self) -> Query {
        let update = query("UPDATE audit SET outcome = $1, code = $2, ended = $3 WHERE id = $4");
        update
            .bind(self.outcome.as_str())
            .bind(self.code.as_deref())
            .bind(self.end_time.map(Timestamp::as_millisecond))
            .bind(self.id.as_str())
    }

    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let kind: Option<String> = row.get("target_type")?;
        let id: Option<String> = row.get("target_id")?;
        let name = row.get("target_name")?;
        let outcome: Option<String> = row.get("outcome")?;
        let ended: Option<i64> = row.get("ended")?;
        Ok(Self {
            id: row.get("id")?,
            time: from_millis(row.get("time")?),
            actor: Actor {
                app: row.get("app")?,
                subject: row.get("subject")?,
                key_id: row.get("key_id")?,
                on_behalf_of: row.get("on_behalf_of")?,
            },
            action: row.get("action")?,
            via: row.get("via")?,
            customer: row.get("customer")?,
            store: row.get("store")?,
            site_id: row.get("site")?,
            target: kind.zip(id).map(|(kind, id)| Target { kind: kind.into(), id, name }),
            reason: row.get("reason")?,
            outcome: outcome.unwrap_or_else(|| PENDING.to_owned()),
            code: row.get("code")?,
            end_time: ended.map(from_millis),
            request_id: row.get("request_id")?,
            citrix_transaction_id: row.get("transaction_id")?,
            operation_id: row.get("operation_id")?,
        })
    }
}

impl Outcome {
    /// The word in entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => SUCCEEDED,
            Self::Failed(_) => FAILED,
            Self::Unknown(_) => UNKNOWN,
        }
    }

    fn code(self) -> Option<ProblemCode> {
        match self {
            Self::Succeeded => None,
            Self::Failed(code) | Self::Unknown(code) => Some(code),
        }
    }
}

/// The beginning of the ids that are made at a time: ids are of version 7 (RFC 9562), whose first
/// 48 bits are milliseconds.
pub(super) fn first_id(time: Timestamp) -> String {
    let millis = time.as_millisecond().max(0);
    format!("{:08x}-{:04x}", millis >> 16, millis & 0xffff)
}

fn time_of(id: Uuid) -> Timestamp {
    let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |time| time.to_unix());
    let millis = seconds.saturating_mul(1_000).saturating_add(u64::from(nanos / 1_000_000));
    from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// Every outcome that an entry can show.
pub const OUTCOMES: [&str; 4] = [SUCCEEDED, FAILED, UNKNOWN, PENDING];

const SUCCEEDED: &str = "succeeded";
const FAILED: &str = "failed";

/// The outcome of a change that is being made.
pub(super) const PENDING: &str = "pending";

/// The outcome of a change that nobody can vouch for.
pub(super) const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_begin_with_their_time_and_rise() {
        let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
        assert!(first.to_string() < second.to_string());
        let time = time_of(first);
        assert!(first.to_string().starts_with(&first_id(time)));
        assert!(first.to_string() < first_id(time + jiff::SignedDuration::from_millis(1)));
    }
}
