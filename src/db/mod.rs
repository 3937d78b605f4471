//! The durable store: `SQLite` inside of the process, or `PostgreSQL` shared by several replicas.
//!
//! One SQL text serves both: `$1` for values, TEXT, BIGINT (milliseconds since 1970, UTC, for
//! times; 0 and 1 for truth), JSON as TEXT. What differs lies in here: where the time comes from
//! ([`Tx::now`]), row locks ([`Lock`], which `SQLite` needs not, as it has one writer) and how
//! many writes share a sync of the disk. What [`Db::write`] or [`Tx::commit`] has acknowledged
//! survives a loss of power.
//!
//! Inside of a [`Tx`] read with the [`Tx`]: a database in memory has one connection alone.

mod error;
mod lease;
mod migrations;
mod open;
mod postgres;
mod query;
mod row;
mod sqlite;
mod tx;

pub use error::{Error, ErrorKind, OpenError};
pub use lease::{Lease, Lost};
pub use query::{Lock, Query, Value, query};
pub use row::{Column, Row};
pub use tx::Tx;

use self::{postgres::Postgres, sqlite::Sqlite};

/// A handle to the store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db(Engine);

#[derive(Clone, Debug)]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Db {
    /// Whether other processes may use the same database: leases of a process that has died run
    /// out there, and are free at once where there is only one process.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Engine::Postgres(_))
    }

    /// Every row that `query` finds. Keep it bounded with LIMIT.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn fetch(&self, query: Query) -> Result<Vec<Row>, Error> {
        match &self.0 {
            Engine::Sqlite(db) => db.fetch(query).await,
            Engine::Postgres(db) => db.fetch(query).await,
        }
    }

    /// The first row that `query` finds.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn fetch_one(&self, query: Query) -> Result<Option<Row>, Error> {
        Ok(self.fetch(query).await?.into_iter().next())
    }

    /// Carries out these statements as one transaction: all, or none. Returns the number of rows
    /// that each touched, once that is on disk. Writes at the same time share the wait for it.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when a statement touched another number of rows than it
    /// [must](Query::must_touch); see [`ErrorKind`] for the rest.
    pub async fn write(&self, queries: Vec<Query>) -> Result<Vec<u64>, Error> {
        match &self.0 {
            Engine::Sqlite(db) => db.write(queries).await,
            Engine::Postgres(db) => db.write(queries).await,
        }
    }

    /// Begins a transaction that reads and then writes. `SQLite` has one at a time: keep it
    /// short, and await nothing else in it.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn begin(&self) -> Result<Tx, Error> {
        match &self.0 {
            Engine::Sqlite(db) => db.begin().await,
            Engine::Postgres(db) => db.begin().await,
        }
    }

    /// Waits for what is under way and closes the store.
    pub async fn close(&self) {
        match &self.0 {
            Engine::Sqlite(db) => db.close().await,
            Engine::Postgres(db) => db.close().await,
        }
    }
}
