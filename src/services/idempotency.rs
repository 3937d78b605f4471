use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Error;
use crate::{
    db::{self, Db, Lock, Query, Row, Tx, query},
    domain::{AppName, CallContext},
};

/// Requests that must not be carried out twice. Cheap to clone.
///
/// A key is reserved before the request is looked at, marked in the transaction that records what
/// is about to be done, and keeps the answer for a day. What its process left half done is never
/// done again: the answer to the same request is then that nobody knows.
#[derive(Clone, Debug)]
pub struct Idempotency {
    db: Db,
    /// This process.
    owner: Arc<str>,
}

/// What became of an attempt to reserve a key.
#[derive(Clone, Debug)]
pub enum Reservation {
    /// The key is ours: carry the request out under this id.
    New(Uuid),
    /// The same request was answered.
    Answered(KeptAnswer),
    /// The same request is being worked on.
    InProgress,
    /// The key belongs to another request.
    Reused,
    /// The same request may have been carried out, and its answer is lost.
    Lost,
}

/// An answer that is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers, names and values.
    pub headers: Vec<KeptHeader>,
    /// Its body.
    pub body: String,
}

/// A header of an answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeptHeader(pub String, pub String);

impl Idempotency {
    /// Keys in `db`.
    pub fn new(db: Db) -> Self {
        Self { db, owner: Uuid::now_v7().to_string().into() }
    }

    /// Reserves `key` of `app` for the request with this fingerprint, which is worked on for
    /// `busy` at the most.
    ///
    /// # Errors
    /// [`Error::KeysUnavailable`] when the store does not do it: nothing must be done then.
    pub async fn reserve(
        &self,
        app: &AppName,
        key: &str,
        fingerprint: &str,
        busy: Duration,
    ) -> Result<Reservation, Error> {
        let mut tx = self.db.begin().await?;
        let id = Uuid::now_v7();
        let now = tx.now().await?;
        let new = NewKey { app, key, fingerprint, id, now, busy };
        if self.insert(&mut tx, &new).await? {
            tx.commit().await?;
            return Ok(Reservation::New(id));
        }
        let found = query("SELECT * FROM idempotency WHERE app = $1 AND name = $2");
        let found = found.bind(app.as_str()).bind(key).lock(Lock::Update);
        let Some(row) = tx.fetch_one(found).await? else {
            // Deleted since, by another replica: its request was refused just now.
            return Ok(Reservation::InProgress);
        };
        let reservation = self.judge(&row, fingerprint, now)?;
        let Some(reservation) = reservation else {
            let delete = query("DELETE FROM idempotency WHERE app = $1 AND name = $2");
            tx.execute(delete.bind(app.as_str()).bind(key)).await?;
            self.insert(&mut tx, &new).await?;
            tx.commit().await?;
            return Ok(Reservation::New(id));
        };
        Ok(reservation)
    }

    /// Keeps the answer.
    ///
    /// # Errors
    /// When the store does not do it: the same request will be told that nobody knows.
    pub async fn keep(&self, id: Uuid, answer: &KeptAnswer) -> Result<(), Error> {
        self.db.write(vec![Self::kept(id, answer)]).await?;
        Ok(())
    }

    /// Gives the key free: nothing was done.
    ///
    /// # Errors
    /// When the store does not do it: the key is free again when its time is over.
    pub async fn release(&self, id: Uuid) -> Result<(), Error> {
        let release = query("DELETE FROM idempotency WHERE id = $1 AND state <> 'done'");
        self.db.write(vec![release.bind(id.to_string())]).await?;
        Ok(())
    }

    /// Deletes the keys whose time is over.
    ///
    /// # Errors
    /// When the store does not do it.
    pub async fn sweep(&self) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        let now = tx.now().await?;
        tx.execute(query("DELETE FROM idempotency WHERE expires < $1").bind(now)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// To be carried out in the transaction that records what the call is about to do: from then
    /// on its key is never given free by a crash. It must find the key still reserved.
    pub fn acting(ctx: &CallContext) -> Option<Query> {
        let id = ctx.reservation?;
        let acting =
            query("UPDATE idempotency SET state = 'acting' WHERE id = $1 AND state <> 'done'");
        Some(acting.bind(id.to_string()).must_touch(1))
    }

    fn kept(id: Uuid, answer: &KeptAnswer) -> Query {
        let headers = serde_json::to_string(&answer.headers).unwrap_or_default();
        let kept = query(
            "UPDATE idempotency SET state = 'done', status = $1, headers = $2, body = $3
             WHERE id = $4 AND state <> 'done'",
        );
        kept.bind(i64::from(answer.status))
            .bind(headers)
            .bind(answer.body.as_str())
            .bind(id.to_string())
    }

    async fn insert(&self, tx: &mut Tx, new: &NewKey<'_>) -> Result<bool, Error> {
        let insert = query(
            "INSERT INTO idempotency
             (app, name, id, fingerprint, state, owner, busy_until, expires)
             VALUES ($1, $2, $3, $4, 'reserved', $5, $6, $7)
             ON CONFLICT (app, name) DO NOTHING",
        );
        let insert = insert
            .bind(new.app.as_str())
            .bind(new.key)
            .bind(new.id.to_string())
            .bind(new.fingerprint)
            .bind(self.owner.as_ref())
            .bind(new.now + millis(new.busy))
            .bind(new.now + millis(KEPT));
        Ok(tx.execute(insert).await? == 1)
    }

    /// What a key that is there means to a request; `None` is free.
    fn judge(&self, row: &Row, fingerprint: &str, now: i64) -> Result<Option<Reservation>, Error> {
        let state: String = row.get("state")?;
        let (busy_until, expires): (i64, i64) = (row.get("busy_until")?, row.get("expires")?);
        let owner: String = row.get("owner")?;
        // Without other replicas, a process that is not this one has died.
        let died = !self.db.is_shared() && owner != self.owner.as_ref();
        let busy = state != "done" && now < busy_until && !died;
        if now >= expires && !busy {
            return Ok(None);
        }
        if row.get::<String>("fingerprint")? != fingerprint {
            return Ok(Some(Reservation::Reused));
        }
        Ok(match state.as_str() {
            "done" => Some(Reservation::Answered(KeptAnswer {
                status: u16::try_from(row.get::<i64>("status")?).map_err(|_| Error::Internal)?,
                headers: serde_json::from_str(&row.get::<String>("headers")?)
                    .map_err(|_| Error::Internal)?,
                body: row.get("body")?,
            })),
            _ if busy => Some(Reservation::InProgress),
            "reserved" => None,
            _ => Some(Reservation::Lost),
        })
    }
}

struct NewKey<'a> {
    app: &'a AppName,
    key: &'a str,
    fingerprint: &'a str,
    id: Uuid,
    now: i64,
    busy: Duration,
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        Self::KeysUnavailable(error)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// How long an answer is kept.
const KEPT: Duration = Duration::from_hours(24);
