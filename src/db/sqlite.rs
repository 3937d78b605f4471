use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::Path,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, SqlitePool,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode,
        SqlitePoolOptions, SqliteSynchronous,
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{Error, ErrorKind, OpenError, Query, Row, Tx, Value, migrations, query, row, tx};

/// One connection that writes and some that read: in WAL mode they do not wait for each other.
#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    writer: SqlitePool,
    reader: SqlitePool,
    /// Writes that are waiting for their turn.
    queue: mpsc::Sender<Write>,
    /// Kept as long as the database is open.
    _lock: Option<Arc<File>>,
}

#[derive(Debug)]
struct Write {
    queries: Vec<Query>,
    done: oneshot::Sender<Result<Vec<u64>, Error>>,
}

impl Sqlite {
    /// Opens the file, for this process alone.
    pub(super) async fn open(path: &Path) -> Result<Self, OpenError> {
        let file = |source| OpenError::File { path: path.to_owned(), source };
        let lock = lock(path).await?;
        make(path).map_err(file)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL can lose what was acknowledged when the power goes.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("journal_size_limit", MAX_WAL)
            .disable_statement_logging();
        let place = path.display().to_string();
        let writer = connect(one_writer(), options.clone(), &place).await?;
        prepare(&writer, &place).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS);
        let reader = connect(readers, options.pragma("query_only", "ON"), &place).await?;
        Ok(Self::start(writer, reader, Some(Arc::new(lock))))
    }

    pub(super) async fn in_memory() -> Result<Self, OpenError> {
        let place = "in memory";
        let options = SqliteConnectOptions::from_str("sqlite::memory:")
            .map_err(|source| OpenError::Unusable { place: place.to_owned(), source })?
            .foreign_keys(true)
            .disable_statement_logging();
        // Never replaced: what is in memory would be gone with it.
        let only = connect(SqlitePoolOptions::new().max_connections(1), options, place).await?;
        prepare(&only, place).await?;
        Ok(Self::start(only.clone(), only, None))
    }

    fn start(writer: SqlitePool, reader: SqlitePool, lock: Option<Arc<File>>) -> Self {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(write_together(writer.clone(), waiting));
        Self { writer, reader, queue, _lock: lock }
    }

    pub(super) async fn fetch(&self, query: Query) -> Result<Vec<Row>, Error> {
        fetch(&mut *self.reader.acquire().await?, query).await
    }

    pub(super) async fn write(&self, queries: Vec<Query>) -> Result<Vec<u64>, Error> {
        let (done, answer) = oneshot::channel();
        let gone = || Error::new(ErrorKind::Unavailable);
        self.queue.send(Write { queries, done }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    pub(super) async fn begin(&self) -> Result<Tx, Error> {
        // Else a transaction that has read cannot begin to write while another does.
        Ok(Tx(tx::Inner::Sqlite(self.writer.begin_with("BEGIN IMMEDIATE").await?)))
    }

    pub(super) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Carries out the writes that wait, as many as there are, in one transaction: they share the
/// wait for the disk. One that fails takes none of the others with it.
async fn write_together(pool: SqlitePool, mut waiting: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let (writes, answers): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|write| (write.queries, write.done)).unzip();
        let results = match commit(&pool, &writes).await {
            Ok(results) => results,
            Err(error) => vec![Err(error); writes.len()],
        };
        for (answer, result) in answers.into_iter().zip(results) {
            // Whoever asked may have gone; what was written stays.
            let _ = answer.send(result);
        }
    }
}

async fn commit(
    pool: &SqlitePool,
    writes: &[Vec<Query>],
) -> Result<Vec<Result<Vec<u64>, Error>>, Error> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut results = Vec::with_capacity(writes.len());
    for write in writes {
        let mut part = tx.begin().await?;
        match all(&mut part, write).await {
            Ok(touched) => {
                part.commit().await?;
                results.push(Ok(touched));
            }
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::Broken) => {
                part.rollback().await?;
                results.push(Err(error));
            }
            // The disk or the file: SQLite may have ended the whole transaction.
            Err(error) => return Err(error),
        }
    }
    tx.commit().await?;
    Ok(results)
}

async fn all(connection: &mut SqliteConnection, queries: &[Query]) -> Result<Vec<u64>, Error> {
    let mut touched = Vec::with_capacity(queries.len());
    for query in queries {
        let rows = execute(connection, query.clone()).await?;
        if !query.touched_as_it_must(rows) {
            return Err(Error::new(ErrorKind::Conflict));
        }
        touched.push(rows);
    }
    Ok(touched)
}

pub(super) async fn fetch(
    connection: &mut SqliteConnection,
    query: Query,
) -> Result<Vec<Row>, Error> {
    let rows = bound(query).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| Row(row::Inner::Sqlite(row))).collect())
}

pub(super) async fn execute(connection: &mut SqliteConnection, query: Query) -> Result<u64, Error> {
    Ok(bound(query).execute(connection).await?.rows_affected())
}

fn bound(query: Query) -> sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments> {
    let (text, values) = query.into_sqlite();
    values.into_iter().fold(sqlx::query(AssertSqlSafe(text)), |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Int(number) => query.bind(number),
    })
}

/// One connection, which is replaced when it cannot begin anything any more: SQLite may end a
/// transaction by itself, when the disk is full for one, and sqlx goes on counting it as begun.
fn one_writer() -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(1).after_release(|connection, _| {
        Box::pin(async move {
            // What was dropped is rolled back by the time that this is answered.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}

async fn connect(
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
    place: &str,
) -> Result<SqlitePool, OpenError> {
    pool.acquire_timeout(ACQUIRE)
        // A database in memory ends with its only connection.
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(|source| OpenError::Unusable { place: place.to_owned(), source })
}

/// Checks the library and brings the tables up to date.
async fn prepare(writer: &SqlitePool, place: &str) -> Result<(), OpenError> {
    let unusable = |source| OpenError::Unusable { place: place.to_owned(), source };
    let mut connection = writer.acquire().await.map_err(unusable)?;
    let version = query("SELECT sqlite_version() AS version");
    let version = bound(version).fetch_one(&mut *connection).await.map_err(unusable)?;
    let found: String = sqlx::Row::try_get(&version, "version").map_err(unusable)?;
    if !is_sound(&found) {
        return Err(OpenError::Library { found });
    }
    drop(connection);
    let migrated = migrations::migrator().run(writer).await;
    migrated.map_err(|error| OpenError::migrating(place.to_owned(), error))
}

/// Whether this version cannot lose writes of two connections in WAL mode
/// (<https://www.sqlite.org/wal.html>, "the WAL-reset bug").
fn is_sound(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) >= (3, 51, 3)
}

/// Takes the lock file beside the database. A gateway that is about to end gets a moment.
async fn lock(path: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    private(&mut options);
    let file = options.open(name).map_err(failed)?;
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

/// Makes the file, readable by its owner alone; SQLite gives the files beside it the same mode.
fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    private(&mut options);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

const READERS: u32 = 4;

/// Longest wait for a connection; only the writer is ever waited for.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Longest wait for another program that has the file open, such as a backup.
const BUSY: Duration = Duration::from_secs(5);

/// Longest wait for a gateway that is about to end.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Bytes that the write-ahead log keeps on disk once it was copied.
const MAX_WAL: &str = "67108864";

/// Writes that share one wait for the disk.
const MAX_BATCH: usize = 64;

/// Writes that may wait for their turn.
const MAX_WAITING: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_may_lose_writes_is_refused() {
        for sound in ["3.51.3", "3.52.0", "4.0.0"] {
            assert!(is_sound(sound), "{sound}");
        }
        for old in ["3.51.2", "3.40.1", "2.99.99", "", "nonsense"] {
            assert!(!is_sound(old), "{old}");
        }
    }
}
