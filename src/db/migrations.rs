use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// Every change of the tables, oldest first. What was released is never edited: its checksum is
/// kept in the database.
pub(super) fn migrator() -> Migrator {
    let migration = |version, name: &'static str, sql: &'static str| {
        let (simple, sql) = (MigrationType::Simple, sql.into_sql_str());
        Migration::new(version, name.into(), simple, sql, false)
    };
    Migrator::with_migrations(vec![
        migration(1, "leases", include_str!("migrations/0001_leases.sql")),
        migration(2, "audit", include_str!("migrations/0002_audit.sql")),
        migration(3, "idempotency", include_str!("migrations/0003_idempotency.sql")),
        migration(10, "operations", include_str!("migrations/0010_operations.sql")),
        migration(11, "operation reads", include_str!("migrations/0011_operation_reads.sql")),
        migration(12, "operation retries", include_str!("migrations/0012_operation_retries.sql")),
    ])
}
