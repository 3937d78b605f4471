use sqlx::{Row as _, postgres::PgRow, sqlite::SqliteRow};

use super::Error;

/// One row of an answer.
pub struct Row(pub(super) Inner);

pub(super) enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column can be read as.
pub trait Column: Sized {
    /// Reads the column called `name`.
    ///
    /// # Errors
    /// When there is none, or it holds something else: a mistake in the program or a foreign hand.
    fn read(row: &Row, name: &str) -> Result<Self, Error>;
}

impl Row {
    /// The column called `name`.
    ///
    /// # Errors
    /// See [`Column::read`].
    pub fn get<T: Column>(&self, name: &str) -> Result<T, Error> {
        T::read(self, name)
    }
}

/// Values are nobody's business in a log.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row")
    }
}

macro_rules! columns {
    ($($type:ty),+) => {$(
        impl Column for $type {
            fn read(row: &Row, name: &str) -> Result<Self, Error> {
                Ok(match &row.0 {
                    Inner::Sqlite(row) => row.try_get(name)?,
                    Inner::Postgres(row) => row.try_get(name)?,
                })
            }
        }
    )+};
}

columns!(String, Option<String>, i64, Option<i64>);

impl Column for bool {
    fn read(row: &Row, name: &str) -> Result<Self, Error> {
        Ok(i64::read(row, name)? != 0)
    }
}
