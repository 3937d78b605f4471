use cwsgate::{config::Database, db::Db};

use super::Postgres;

/// An empty store, and what keeps it.
pub(crate) struct Store {
    /// As `database.url` has it.
    pub(crate) url: String,
    sqlite: Option<tempfile::TempDir>,
}

impl Store {
    /// A SQLite file.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self { url, sqlite: Some(folder) }
    }

    /// A new database of the server.
    pub(crate) async fn postgres(server: &Postgres, name: &str) -> Self {
        Self { url: server.database(name).await, sqlite: None }
    }

    /// The SQLite file, where it is one.
    pub(crate) fn file(&self) -> Option<std::path::PathBuf> {
        Some(self.sqlite.as_ref()?.path().join("test.db"))
    }

    /// Lines of configuration that name it.
    pub(crate) fn settings(&self) -> String {
        format!("[database]\nurl = \"{}\"\n", self.url)
    }

    pub(crate) async fn open(&self) -> Db {
        Db::open(&self.config()).await.unwrap()
    }

    pub(crate) fn config(&self) -> Database {
        Database { url: self.url.clone().into(), sqlite_path: self.file() }
    }
}

/// The same tests over SQLite and, where it is installed, over PostgreSQL. Each is an
/// `async fn(Store)`; over PostgreSQL they share one server, each with a database of its own.
macro_rules! over_both {
    ($($name:ident),+ $(,)?) => {
        mod over_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::support::Store::sqlite()).await;
                }
            )+
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn all_of_it_over_postgres() {
            let Some(server) = crate::support::Postgres::start().await else { return };
            $(
                eprintln!("over PostgreSQL: {}", stringify!($name));
                $name(crate::support::Store::postgres(&server, stringify!($name)).await).await;
            )+
        }
    };
}
pub(crate) use over_both;
