//! The durable store: the same over SQLite and PostgreSQL.

use std::time::Duration;

use cwsgate::{
    config::Database,
    db::{Db, ErrorKind, Lease, Lost, OpenError, query},
};
use futures_util::future::join_all;
use tokio::time::sleep;

use crate::support::{Store, over_both};

over_both! {
    what_was_written_is_there_after_opening_again,
    a_write_is_done_whole_or_not_at_all,
    writes_at_the_same_time_do_not_disturb_each_other,
    a_transaction_that_is_dropped_has_not_happened,
    one_of_many_holders_gets_a_lease,
    a_lease_that_has_run_out_is_fenced_off,
    the_same_holder_gets_its_lease_again_with_a_new_number,
}

fn put(name: &str) -> cwsgate::db::Query {
    let put = query("INSERT INTO lease (name, holder, fence, expires) VALUES ($1, 'x', 7, 0)");
    put.bind(name)
}

async fn names(db: &Db) -> Vec<String> {
    let rows = db.fetch(query("SELECT name FROM lease ORDER BY name LIMIT 1000")).await.unwrap();
    rows.iter().map(|row| row.get("name").unwrap()).collect()
}

async fn what_was_written_is_there_after_opening_again(store: Store) {
    let db = store.open().await;
    assert_eq!(db.write(vec![put("a"), put("b")]).await.unwrap(), [1, 1]);
    db.close().await;
    drop(db);

    let db = store.open().await;

    assert_eq!(names(&db).await, ["a", "b"]);
    let row = db.fetch_one(query("SELECT fence, holder FROM lease WHERE name = $1").bind("a"));
    let row = row.await.unwrap().unwrap();
    assert_eq!(row.get::<i64>("fence").unwrap(), 7);
    assert_eq!(row.get::<Option<String>>("holder").unwrap().as_deref(), Some("x"));
    assert_eq!(row.get::<i64>("nothing").unwrap_err().kind, ErrorKind::Broken);
}

async fn a_write_is_done_whole_or_not_at_all(store: Store) {
    let db = store.open().await;
    db.write(vec![put("a")]).await.unwrap();

    let twice = db.write(vec![put("b"), put("a")]).await.unwrap_err();
    let missing = query("UPDATE lease SET holder = 'y' WHERE name = 'none'").must_touch(1);
    let missed = db.write(vec![put("c"), missing]).await.unwrap_err();

    assert_eq!((twice.kind, missed.kind), (ErrorKind::Conflict, ErrorKind::Conflict));
    assert_eq!(names(&db).await, ["a"]);
}

async fn writes_at_the_same_time_do_not_disturb_each_other(store: Store) {
    let db = store.open().await;
    db.write(vec![put("taken")]).await.unwrap();

    // Every fifth one fails, in the midst of the others.
    let all = (0..100).map(|n| {
        let db = db.clone();
        async move {
            let name = if n % 5 == 0 { "taken".to_owned() } else { format!("n{n:03}") };
            db.write(vec![put(&format!("{name}-a-{n}")), put(&name)]).await.is_ok()
        }
    });
    let done = join_all(all).await;

    assert_eq!(done.iter().filter(|done| **done).count(), 80);
    assert_eq!(names(&db).await.len(), 161, "80 pairs and the one that was there");
}

async fn a_transaction_that_is_dropped_has_not_happened(store: Store) {
    let db = store.open().await;
    let mut tx = db.begin().await.unwrap();
    assert_eq!(tx.execute(put("a")).await.unwrap(), 1);
    drop(tx);

    let mut tx = db.begin().await.unwrap();
    assert!(tx.fetch_one(query("SELECT name FROM lease")).await.unwrap().is_none());
    tx.execute(put("b")).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(names(&db).await, ["b"]);
}

async fn one_of_many_holders_gets_a_lease(store: Store) {
    let db = store.open().await;
    let taken = (0..20).map(|n| {
        let db = db.clone();
        async move { Lease::acquire(&db, "op", &format!("holder-{n}"), LONG).await.unwrap() }
    });
    assert_eq!(join_all(taken).await.iter().flatten().count(), 1);
}

async fn a_lease_that_has_run_out_is_fenced_off(store: Store) {
    let db = store.open().await;
    let old = Lease::acquire(&db, "op", "one", SHORT).await.unwrap().unwrap();
    assert!(Lease::acquire(&db, "op", "two", LONG).await.unwrap().is_none());
    let new = loop {
        sleep(SHORT).await;
        if let Some(new) = Lease::acquire(&db, "op", "two", LONG).await.unwrap() {
            break new;
        }
    };

    assert!(new.fence() > old.fence());
    assert!(matches!(old.renew(&db, LONG).await, Err(Lost::Gone)));
    let mut tx = db.begin().await.unwrap();
    assert!(matches!(old.check(&mut tx).await, Err(Lost::Gone)));
    new.check(&mut tx).await.unwrap();
    drop(tx);
    old.release(&db).await.unwrap();
    assert!(Lease::acquire(&db, "op", "three", LONG).await.unwrap().is_none(), "not the old one's");
    new.release(&db).await.unwrap();
    assert!(Lease::acquire(&db, "op", "three", LONG).await.unwrap().is_some());
}

async fn the_same_holder_gets_its_lease_again_with_a_new_number(store: Store) {
    let db = store.open().await;
    let first = Lease::acquire(&db, "op", "one", LONG).await.unwrap().unwrap();
    first.renew(&db, LONG).await.unwrap();
    let again = Lease::acquire(&db, "op", "one", LONG).await.unwrap().unwrap();
    assert!(again.fence() > first.fence());
    assert!(matches!(first.renew(&db, LONG).await, Err(Lost::Gone)));
}

#[tokio::test]
async fn a_file_serves_one_gateway_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let store = Store::sqlite();
    let db = store.open().await;
    db.write(vec![put("a")]).await.unwrap();

    let second = Db::open(&store.config()).await.unwrap_err();

    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
    assert!(second.to_string().contains("PostgreSQL"), "{second}");
    let folder = std::fs::read_dir(store.file().unwrap().parent().unwrap()).unwrap();
    for file in folder {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    assert_eq!(names(&db).await, ["a"]);
}

#[tokio::test]
async fn what_is_no_database_is_explained() {
    let store = Store::sqlite();
    let file = store.file().unwrap();
    std::fs::write(&file, "this is a letter, and no database at all; ".repeat(100)).unwrap();
    let said = Db::open(&store.config()).await.unwrap_err().to_string();
    assert!(said.contains("test.db") && said.contains("not a database"), "{said}");

    let nowhere = file.with_file_name("missing").join("test.db");
    let url = format!("sqlite:{}", nowhere.display()).into();
    let said = Db::open(&Database { url, sqlite_path: Some(nowhere) }).await.unwrap_err();
    assert!(matches!(said, OpenError::File { .. }), "{said}");

    let url = "postgres://nobody:hunter2@127.0.0.1:9/none".to_owned().into();
    let said = Db::open(&Database { url, sqlite_path: None }).await.unwrap_err().to_string();
    assert!(said.contains("none at 127.0.0.1:9") && !said.contains("hunter2"), "{said}");
}

/// Longer than any of these tests.
const LONG: Duration = Duration::from_mins(10);

const SHORT: Duration = Duration::from_millis(200);
