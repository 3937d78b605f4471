use secrecy::ExposeSecret;

use super::{Db, Engine, OpenError, postgres::Postgres, sqlite::Sqlite};
use crate::config::Database;

impl Db {
    /// Opens the store that the configuration names, makes it when it is missing, and brings its
    /// tables up to date.
    ///
    /// # Errors
    /// See [`OpenError`]. A gateway that cannot open its store does not start: it could neither
    /// record nor resume anything. One that loses it later goes on reading.
    pub async fn open(config: &Database) -> Result<Self, OpenError> {
        if let Some(path) = &config.sqlite_path {
            return Ok(Self(Engine::Sqlite(Sqlite::open(path).await?)));
        }
        let url = config.url.expose_secret();
        if url.starts_with("sqlite:") {
            return Self::in_memory().await;
        }
        Ok(Self(Engine::Postgres(Postgres::open(url).await?)))
    }

    /// A store that ends with the process.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub async fn in_memory() -> Result<Self, OpenError> {
        Ok(Self(Engine::Sqlite(Sqlite::in_memory().await?)))
    }
}
