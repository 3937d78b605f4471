use std::{str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, PgPool,
    postgres::{PgArguments, PgConnectOptions, PgConnection, PgPoolOptions},
};

use super::{Error, ErrorKind, OpenError, Query, Row, Tx, Value, migrations, row, tx};

/// A pool of connections to a `PostgreSQL` server.
#[derive(Clone, Debug)]
pub(super) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    /// Connects with TLS as the URL says (`sslmode`).
    pub(super) async fn open(url: &str) -> Result<Self, OpenError> {
        let unusable =
            |place: &str, source| OpenError::Unusable { place: place.to_owned(), source };
        let options = PgConnectOptions::from_str(url).map_err(|e| unusable("database.url", e))?;
        let place = format!(
            "{} at {}:{}",
            options.get_database().unwrap_or(options.get_username()),
            options.get_host(),
            options.get_port()
        );
        let options = options
            .application_name("cwsgate")
            .options([
                ("statement_timeout", "10s"),
                ("lock_timeout", "5s"),
                // A replica that stands still must not keep its locks.
                ("idle_in_transaction_session_timeout", "15s"),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .connect_with(options)
            .await
            .map_err(|error| unusable(&place, error))?;
        let migrated = migrations::migrator().run(&pool).await;
        migrated.map_err(|error| OpenError::migrating(place, error))?;
        Ok(Self { pool })
    }

    pub(super) async fn fetch(&self, query: Query) -> Result<Vec<Row>, Error> {
        fetch(&mut *self.pool.acquire().await?, query).await
    }

    pub(super) async fn write(&self, queries: Vec<Query>) -> Result<Vec<u64>, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.write_once(&queries).await {
                Err(error) if error.kind == ErrorKind::Busy && tries < TRIES => {}
                done => return done,
            }
        }
    }

    pub(super) async fn begin(&self) -> Result<Tx, Error> {
        Ok(Tx(tx::Inner::Postgres(self.pool.begin().await?)))
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    async fn write_once(&self, queries: &[Query]) -> Result<Vec<u64>, Error> {
        let mut tx = self.pool.begin().await?;
        let mut touched = Vec::with_capacity(queries.len());
        for query in queries {
            let rows = execute(&mut tx, query.clone()).await?;
            if !query.touched_as_it_must(rows) {
                return Err(Error::new(ErrorKind::Conflict));
            }
            touched.push(rows);
        }
        tx.commit().await?;
        Ok(touched)
    }
}

pub(super) async fn fetch(connection: &mut PgConnection, query: Query) -> Result<Vec<Row>, Error> {
    let rows = bound(query).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| Row(row::Inner::Postgres(row))).collect())
}

pub(super) async fn execute(connection: &mut PgConnection, query: Query) -> Result<u64, Error> {
    Ok(bound(query).execute(connection).await?.rows_affected())
}

fn bound(query: Query) -> sqlx::query::Query<'static, sqlx::Postgres, PgArguments> {
    let (text, values) = query.into_postgres();
    values.into_iter().fold(sqlx::query(AssertSqlSafe(text)), |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Int(number) => query.bind(number),
    })
}

const MAX_CONNECTIONS: u32 = 16;

/// Longest wait for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);

/// How often a write is tried that others were in the way of.
const TRIES: u32 = 5;
