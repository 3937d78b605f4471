use std::time::Duration;

use super::{Db, Error, Lock, Tx, query};

/// The right to act on something, for a time. Fenced: it is good only while its number is the
/// last that was given out, and that is looked at in the transaction that relies on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    name: String,
    fence: i64,
}

/// The lease has run out or somebody else has it, or the store could not say.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Lost {
    /// It is not ours any more: act no more.
    #[error("the lease is lost")]
    Gone,
    /// The store did not answer.
    #[error(transparent)]
    Db(#[from] Error),
}

impl Lease {
    /// Takes the lease called `name` for `ttl`; `None` while another holder has it. The same
    /// holder gets it again, with a new number: what it did under the old one is over.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn acquire(
        db: &Db,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Self>, Error> {
        let mut tx = db.begin().await?;
        let now = tx.now().await?;
        let taken = query(
            "INSERT INTO lease (name, holder, fence, expires) VALUES ($1, $2, 1, $3)
             ON CONFLICT (name) DO UPDATE
             SET holder = excluded.holder, fence = lease.fence + 1, expires = excluded.expires
             WHERE lease.expires <= $4 OR lease.holder = excluded.holder
             RETURNING fence",
        );
        let taken = taken.bind(name).bind(holder).bind(now + millis(ttl)).bind(now);
        let row = tx.fetch_one(taken).await?;
        let fence = row.map(|row| row.get("fence")).transpose()?;
        tx.commit().await?;
        Ok(fence.map(|fence| Self { name: name.to_owned(), fence }))
    }

    /// What it is a lease of.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number: higher than that of every lease of this name before.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Keeps it for another `ttl` from now. One that has run out and that nobody has taken is
    /// kept too.
    ///
    /// # Errors
    /// [`Lost::Gone`] when another has it.
    pub async fn renew(&self, db: &Db, ttl: Duration) -> Result<(), Lost> {
        let mut tx = db.begin().await?;
        let expires = tx.now().await? + millis(ttl);
        let renewed = query("UPDATE lease SET expires = $1 WHERE name = $2 AND fence = $3");
        let renewed = renewed.bind(expires).bind(self.name.as_str()).bind(self.fence);
        if tx.execute(renewed).await? == 0 {
            return Err(Lost::Gone);
        }
        tx.commit().await?;
        Ok(())
    }

    /// Makes sure, until the end of the transaction, that the lease is ours.
    ///
    /// # Errors
    /// [`Lost::Gone`] when it is not: roll back.
    pub async fn check(&self, tx: &mut Tx) -> Result<(), Lost> {
        let now = tx.now().await?;
        let held = query("SELECT fence FROM lease WHERE name = $1 AND fence = $2 AND expires > $3")
            .bind(self.name.as_str())
            .bind(self.fence)
            .bind(now)
            .lock(Lock::Share);
        tx.fetch_one(held).await?.map(drop).ok_or(Lost::Gone)
    }

    /// Gives it back, if it is still ours.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn release(self, db: &Db) -> Result<(), Error> {
        let released = query("UPDATE lease SET expires = 0 WHERE name = $1 AND fence = $2");
        db.write(vec![released.bind(self.name).bind(self.fence)]).await.map(drop)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
