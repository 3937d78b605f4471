use jiff::Timestamp;
use sqlx::{Postgres, Sqlite, Transaction};

use super::{Error, Query, Row, postgres, query, sqlite};

/// A transaction. Dropped without [`commit`](Self::commit), nothing of it has happened.
pub struct Tx(pub(super) Inner);

pub(super) enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// The time by the database's clock, in milliseconds, which all replicas share.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn now(&mut self) -> Result<i64, Error> {
        match &mut self.0 {
            // It runs in this process: its clock is ours.
            Inner::Sqlite(_) => Ok(Timestamp::now().as_millisecond()),
            Inner::Postgres(_) => {
                let now =
                    "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now";
                self.fetch_one(query(now)).await?.map_or(Ok(0), |row| row.get("now"))
            }
        }
    }

    /// Every row that `query` finds or returns.
    ///
    /// # Errors
    /// See [`ErrorKind`](super::ErrorKind).
    pub async fn fetch(&mut self, query: Query) -> Result<Vec<Row>, Error> {
        match &mut self.0 {
            Inner::Sqlite(tx) => sqlite::fetch(tx, query).await,
            Inner::Postgres(tx) => postgres::fetch(tx, query).await,
        }
    }

    /// The first row that `query` finds or returns.
    ///
    /// # Errors
    /// See [`ErrorKind`](super::ErrorKind).
    pub async fn fetch_one(&mut self, query: Query) -> Result<Option<Row>, Error> {
        Ok(self.fetch(query).await?.into_iter().next())
    }

    /// Carries out a statement and returns the number of rows that it touched.
    ///
    /// # Errors
    /// See [`ErrorKind`](super::ErrorKind).
    pub async fn execute(&mut self, query: Query) -> Result<u64, Error> {
        match &mut self.0 {
            Inner::Sqlite(tx) => sqlite::execute(tx, query).await,
            Inner::Postgres(tx) => postgres::execute(tx, query).await,
        }
    }

    /// Makes it lasting.
    ///
    /// # Errors
    /// See [`ErrorKind`](super::ErrorKind). With `PostgreSQL` a connection that breaks off here
    /// may leave it done or not.
    pub async fn commit(self) -> Result<(), Error> {
        match self.0 {
            Inner::Sqlite(tx) => Ok(tx.commit().await?),
            Inner::Postgres(tx) => Ok(tx.commit().await?),
        }
    }
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tx")
    }
}
