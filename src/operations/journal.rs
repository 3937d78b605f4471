//! Where operations are kept. One SQL text for both databases.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{
    BulkAction, Counts, Error, Item, ItemState, Operation, Plan, Selector, Target,
    record::{Event, Progress},
};
use crate::db::{Db, ErrorKind, Query, query};

/// The store of operations.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    pub(super) db: Db,
}

/// What makes a request one of its kind.
#[derive(Clone, Debug)]
pub struct Key {
    /// The caller's `Idempotency-Key`.
    pub key: String,
    /// What the request says.
    pub fingerprint: String,
}

/// A plan that was kept.
pub(super) struct KeptPlan {
    pub(super) action: String,
    pub(super) selector: Selector,
    pub(super) targets: Vec<Target>,
}

/// The items of one site.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct SiteShare {
    pub(super) customer: String,
    pub(super) site: String,
    pub(super) planned: u32,
    /// Failed, or sent with an answer that says nothing.
    pub(super) failures: u32,
}

impl Journal {
    /// Stores a new operation with its items, all or nothing.
    ///
    /// Returns `false` when the key is taken, or another retries the same operation.
    pub(super) async fn create(
        &self,
        operation: &Operation,
        items: &[Item],
        key: Option<&Key>,
    ) -> Result<bool, Error> {
        let mut customers: Vec<_> = items.iter().map(|item| &item.target.customer).collect();
        customers.sort();
        customers.dedup();
        let Counts { planned, skipped, queued, .. } = operation.counts;
        let insert = query(
            "INSERT INTO operation (id, app, idempotency_key, fingerprint, created_by, action,
                state, reason, request, settings, plan, customers, retry_of, planned, skipped,
                queued, dispatched, succeeded, failed, indeterminate, cancelled, verified,
                verifying, cancel_requested, settle_tries, last_event, due, created, ended)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                0, 0, 0, 0, 0, 0, 0, 0, 0, $17, $18, $19, $20)",
        );
        let now = operation.create_time.as_millisecond();
        let due = (!operation.state.is_final()).then_some(0);
        let insert = insert
            .bind(operation.id.to_string())
            .bind(operation.created_by.app.as_str())
            .bind(key.map(|key| key.key.as_str()))
            .bind(key.map(|key| key.fingerprint.as_str()))
            .bind(to_json(&operation.created_by)?)
            .bind(operation.action.as_str())
            .bind(operation.state.as_str())
            .bind(operation.reason.as_deref())
            .bind(to_json(&operation.order)?)
            .bind(to_json(&operation.settings)?)
            .bind(to_json(&operation.plan)?)
            .bind(to_json(&customers)?)
            .bind(operation.retry_of.map(|id| id.to_string()))
            .bind(i64::from(planned))
            .bind(i64::from(skipped))
            .bind(i64::from(queued))
            .bind(operation.last_event)
            .bind(due)
            .bind(now)
            .bind(operation.end_time.map(Timestamp::as_millisecond));
        let mut writes = Vec::new();
        if let Some(Key { key, .. }) = key {
            let forget = query(
                "UPDATE operation SET idempotency_key = NULL, fingerprint = NULL
                 WHERE app = $1 AND idempotency_key = $2 AND created <= $3",
            );
            let app = operation.created_by.app.as_str();
            writes.push(forget.bind(app).bind(key.as_str()).bind(now - KEY_LIFE));
        }
        writes.push(insert);
        for some in items.chunks(ROWS_AT_ONCE) {
            writes.push(insert_items(operation.id, some));
        }
        let progress = operation.progress();
        let mut events = vec![("progress", to_json(&progress)?)];
        if operation.state.is_final() {
            events.push(("end", to_json(&progress)?));
        }
        let last = operation.last_event;
        let first = last + 1 - i64::try_from(events.len()).unwrap_or(0);
        writes.push(insert_events(operation.id, first, &events, now));
        match self.db.write(writes).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The operation of that id.
    pub(super) async fn operation(&self, id: Uuid) -> Result<Option<Operation>, Error> {
        let found = query("SELECT * FROM operation WHERE id = $1").bind(id.to_string());
        self.db.fetch_one(found).await?.as_ref().map(Operation::read).transpose()
    }

    /// The operation that the app began with that key a day ago at most, and what the key stood
    /// for.
    pub(super) async fn by_key(
        &self,
        app: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<(Operation, Option<String>)>, Error> {
        let found = query(
            "SELECT * FROM operation WHERE app = $1 AND idempotency_key = $2 AND created > $3",
        );
        let found = found.bind(app).bind(key).bind(now.as_millisecond() - KEY_LIFE);
        let row = self.db.fetch_one(found).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((Operation::read(&row)?, row.get("fingerprint")?)))
    }

    /// The operation that retries another: there is one at most.
    pub(super) async fn retry_of(&self, id: Uuid) -> Result<Option<Operation>, Error> {
        let found = query("SELECT * FROM operation WHERE retry_of = $1");
        let row = self.db.fetch_one(found.bind(id.to_string())).await?;
        row.as_ref().map(Operation::read).transpose()
    }

    /// Customers that the operation reaches.
    pub(super) async fn customers(&self, id: Uuid) -> Result<Vec<String>, Error> {
        let found = query("SELECT customers FROM operation WHERE id = $1").bind(id.to_string());
        let row = self.db.fetch_one(found).await?;
        let text: String = row.map_or(Ok("[]".to_owned()), |row| row.get("customers"))?;
        serde_json::from_str(&text).map_err(|_| Error::Unreadable)
    }

    /// Operations before `before` (creation time and id), newest first: of one app, or of all.
    pub(super) async fn list(
        &self,
        app: Option<&str>,
        before: Option<(i64, &str)>,
        limit: i64,
    ) -> Result<Vec<Operation>, Error> {
        self.db.fetch(newest(app, before, limit)).await?.iter().map(Operation::read).collect()
    }

    /// Items after the one at `after`, in order.
    pub(super) async fn items(
        &self,
        id: Uuid,
        state: Option<ItemState>,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Item>, Error> {
        self.fetch_items(items_after(id, state, after, limit)).await
    }

    /// Items of one site that are in that state, after the one at `after`.
    pub(super) async fn of_site(
        &self,
        id: Uuid,
        share: &SiteShare,
        state: ItemState,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Item>, Error> {
        self.fetch_items(items_of_site(id, share, state, after, limit)).await
    }

    /// Items of one site that succeeded and were not seen back yet.
    pub(super) async fn unseen(&self, id: Uuid, share: &SiteShare) -> Result<Vec<Item>, Error> {
        self.fetch_items(unseen_items(id, share)).await
    }

    /// Each site with its share of the items.
    pub(super) async fn shares(&self, id: Uuid) -> Result<Vec<SiteShare>, Error> {
        let found = query(
            "SELECT customer, site, COUNT(*) AS planned,
                COUNT(CASE WHEN state = 'failed'
                    OR (state = 'indeterminate' AND code <> 'interrupted') THEN 1 END) AS failures
             FROM operation_item WHERE operation_id = $1 GROUP BY customer, site
             ORDER BY customer, site",
        );
        let rows = self.db.fetch(found.bind(id.to_string())).await?;
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        rows.iter()
            .map(|row| {
                Ok(SiteShare {
                    customer: row.get("customer")?,
                    site: row.get("site")?,
                    planned: count(row.get("planned")?),
                    failures: count(row.get("failures")?),
                })
            })
            .collect()
    }

    /// An answer that was kept for an item by a worker that had lost the operation.
    pub(super) async fn late_answer(&self, id: Uuid, seq: i64) -> Result<Option<String>, Error> {
        let found = query("SELECT late FROM operation_item WHERE operation_id = $1 AND seq = $2");
        let row = self.db.fetch_one(found.bind(id.to_string()).bind(seq)).await?;
        Ok(row.map(|row| row.get("late")).transpose()?.flatten())
    }

    /// Keeps an answer for whoever has the operation now. It touches no state, so that it needs
    /// no lease; `transaction` is the call that it answers.
    pub(super) async fn keep_late_answer(
        &self,
        id: Uuid,
        seq: i64,
        transaction: &str,
        answer: String,
    ) -> Result<(), Error> {
        let keep = query(
            "UPDATE operation_item SET late = $1
             WHERE operation_id = $2 AND seq = $3 AND transaction_id = $4",
        );
        let keep = keep.bind(answer).bind(id.to_string()).bind(seq).bind(transaction);
        let wake =
            query("UPDATE operation SET due = 0 WHERE id = $1 AND due IS NOT NULL AND due > 0");
        self.db.write(vec![keep, wake.bind(id.to_string())]).await?;
        Ok(())
    }

    /// Events after the one with that id.
    pub(super) async fn events(
        &self,
        id: Uuid,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Event>, Error> {
        let rows = self.db.fetch(events_after(id, after, limit)).await?;
        rows.iter()
            .map(|row| {
                Ok(Event { id: row.get("id")?, kind: row.get("kind")?, data: row.get("data")? })
            })
            .collect()
    }

    /// Operations that a worker has something to do with now.
    pub(super) async fn due(&self, now: Timestamp, limit: i64) -> Result<Vec<Uuid>, Error> {
        let rows = self.db.fetch(due_operations(now, limit)).await?;
        rows.iter()
            .map(|row| Uuid::parse_str(&row.get::<String>("id")?).map_err(|_| Error::Unreadable))
            .collect()
    }

    /// Asks whoever runs the operation to stop. Nothing happens to one that has ended.
    pub(super) async fn request_cancel(&self, id: Uuid) -> Result<(), Error> {
        let ask = query(
            "UPDATE operation SET cancel_requested = 1, state = 'cancelling'
             WHERE id = $1 AND state = 'running'",
        );
        self.db.write(vec![ask.bind(id.to_string())]).await?;
        Ok(())
    }

    /// Whether somebody asked for the operation to be cancelled.
    pub(super) async fn is_cancel_requested(&self, id: Uuid) -> Result<bool, Error> {
        let found = query("SELECT cancel_requested FROM operation WHERE id = $1");
        let row = self.db.fetch_one(found.bind(id.to_string())).await?;
        Ok(row.map(|row| row.get("cancel_requested")).transpose()?.unwrap_or(false))
    }

    /// Keeps a plan until `expires`.
    pub(super) async fn keep_plan(
        &self,
        app: &str,
        action: BulkAction,
        selector: &Selector,
        plan: &Plan,
        expires: Timestamp,
    ) -> Result<(), Error> {
        let keep = query(
            "INSERT INTO operation_plan (app, digest, action, selector, targets, expires)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (app, digest) DO UPDATE SET expires = excluded.expires",
        );
        let keep = keep
            .bind(app)
            .bind(plan.digest.as_str())
            .bind(action.as_str())
            .bind(to_json(selector)?)
            .bind(to_json(&plan.targets)?)
            .bind(expires.as_millisecond());
        self.db.write(vec![keep]).await?;
        Ok(())
    }

    /// The plan of that digest, unless it is too old.
    pub(super) async fn plan(
        &self,
        app: &str,
        digest: &str,
        now: Timestamp,
    ) -> Result<Option<KeptPlan>, Error> {
        let found = query(
            "SELECT action, selector, targets FROM operation_plan
             WHERE app = $1 AND digest = $2 AND expires > $3",
        );
        let found = found.bind(app).bind(digest).bind(now.as_millisecond());
        let Some(row) = self.db.fetch_one(found).await? else { return Ok(None) };
        let read = |text: String| serde_json::from_str(&text).map_err(|_| Error::Unreadable);
        let targets = serde_json::from_str(&row.get::<String>("targets")?);
        Ok(Some(KeptPlan {
            action: row.get("action")?,
            selector: read(row.get("selector")?)?,
            targets: targets.map_err(|_| Error::Unreadable)?,
        }))
    }

    /// Forgets plans that are too old and operations that ended before `before`.
    pub(super) async fn sweep(&self, now: Timestamp, before: Timestamp) -> Result<u64, Error> {
        let plans = query("DELETE FROM operation_plan WHERE expires <= $1");
        self.db.write(vec![plans.bind(now.as_millisecond())]).await?;
        let rows = self.db.fetch(ended_before(before)).await?;
        for row in &rows {
            let id: String = row.get("id")?;
            let delete = |text: &'static str| query(text).bind(id.as_str());
            let writes = vec![
                delete("DELETE FROM operation_event WHERE operation_id = $1"),
                delete("DELETE FROM operation_item WHERE operation_id = $1"),
                delete("DELETE FROM operation WHERE id = $1"),
                query("DELETE FROM lease WHERE name = $1").bind(format!("operation:{id}")),
            ];
            self.db.write(writes).await?;
        }
        Ok(rows.len() as u64)
    }

    async fn fetch_items(&self, found: Query) -> Result<Vec<Item>, Error> {
        self.db.fetch(found).await?.iter().map(Item::read).collect()
    }
}

fn items_after(id: Uuid, state: Option<ItemState>, after: i64, limit: i64) -> Query {
    let mut found = query("SELECT * FROM operation_item WHERE operation_id = $1 AND seq > $2")
        .bind(id.to_string())
        .bind(after);
    if let Some(state) = state {
        found = found.push(" AND state = ").push_value(state.as_str());
    }
    found.push(" ORDER BY seq LIMIT ").push_value(limit)
}

fn items_of_site(id: Uuid, share: &SiteShare, state: ItemState, after: i64, limit: i64) -> Query {
    let found = query(
        "SELECT * FROM operation_item
         WHERE operation_id = $1 AND state = $2 AND customer = $3 AND site = $4 AND seq > $5
         ORDER BY seq LIMIT $6",
    );
    found
        .bind(id.to_string())
        .bind(state.as_str())
        .bind(share.customer.as_str())
        .bind(share.site.as_str())
        .bind(after)
        .bind(limit)
}

fn unseen_items(id: Uuid, share: &SiteShare) -> Query {
    let found = query(
        "SELECT * FROM operation_item
         WHERE operation_id = $1 AND state = 'succeeded' AND customer = $2 AND site = $3
            AND verification = 'waiting'
         ORDER BY seq LIMIT 10000",
    );
    found.bind(id.to_string()).bind(share.customer.as_str()).bind(share.site.as_str())
}

fn newest(app: Option<&str>, before: Option<(i64, &str)>, limit: i64) -> Query {
    let mut found = query("SELECT * FROM operation WHERE 1 = 1");
    if let Some(app) = app {
        found = found.push(" AND app = ").push_value(app);
    }
    if let Some((created, id)) = before {
        found = found
            .push(" AND (created < ")
            .push_value(created)
            .push(" OR (created = ")
            .push_value(created)
            .push(" AND id < ")
            .push_value(id)
            .push("))");
    }
    found.push(" ORDER BY created DESC, id DESC LIMIT ").push_value(limit)
}

fn events_after(id: Uuid, after: i64, limit: i64) -> Query {
    let found = query(
        "SELECT id, kind, data FROM operation_event
         WHERE operation_id = $1 AND id > $2 ORDER BY id LIMIT $3",
    );
    found.bind(id.to_string()).bind(after).bind(limit)
}

fn due_operations(now: Timestamp, limit: i64) -> Query {
    let found = query(
        "SELECT id FROM operation WHERE due <= $1 AND NOT EXISTS (
            SELECT 1 FROM lease WHERE name = 'operation:' || operation.id AND expires > $1)
         ORDER BY due, created LIMIT $2",
    );
    found.bind(now.as_millisecond()).bind(limit)
}

fn ended_before(before: Timestamp) -> Query {
    let found = query("SELECT id FROM operation WHERE ended < $1 ORDER BY ended LIMIT 100");
    found.bind(before.as_millisecond())
}

pub(super) fn insert_events(
    id: Uuid,
    first: i64,
    events: &[(&'static str, String)],
    now: i64,
) -> Query {
    let mut insert =
        query("INSERT INTO operation_event (operation_id, id, kind, data, at) VALUES ");
    for (at, (kind, data)) in (first..).zip(events) {
        insert = insert
            .push(if at == first { "(" } else { ", (" })
            .push_value(id.to_string())
            .push(", ")
            .push_value(at)
            .push(", ")
            .push_value(*kind)
            .push(", ")
            .push_value(data.as_str())
            .push(", ")
            .push_value(now)
            .push(")");
    }
    insert
}

fn insert_items(id: Uuid, items: &[Item]) -> Query {
    let mut insert = query(
        "INSERT INTO operation_item (operation_id, seq, customer, site, path, target_id, name,
            state, code, message, attempts, ended) VALUES ",
    );
    for (at, item) in items.iter().enumerate() {
        let Target { path, id: target, name, customer, site_id } = &item.target;
        insert = insert
            .push(if at == 0 { "(" } else { ", (" })
            .push_value(id.to_string())
            .push(", ")
            .push_value(item.index)
            .push(", ")
            .push_value(customer.as_str())
            .push(", ")
            .push_value(site_id.as_str())
            .push(", ")
            .push_value(path.as_str())
            .push(", ")
            .push_value(target.as_str())
            .push(", ")
            .push_value(name.as_deref())
            .push(", ")
            .push_value(item.state.as_str())
            .push(", ")
            .push_value(item.code.as_deref())
            .push(", ")
            .push_value(item.message.as_deref())
            .push(", 0, ")
            .push_value(item.end_time.map(Timestamp::as_millisecond))
            .push(")");
    }
    insert
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| Error::Unreadable)
}

/// What `progress` and `end` say, as it is stored.
pub(super) fn progress_json(progress: Progress) -> Result<String, Error> {
    to_json(&progress)
}

/// Milliseconds for which a key stands for its operation: a day, as for every other call.
const KEY_LIFE: i64 = 24 * 60 * 60 * 1_000;

/// Rows that one statement inserts.
const ROWS_AT_ONCE: usize = 100;

#[cfg(test)]
mod tests;
