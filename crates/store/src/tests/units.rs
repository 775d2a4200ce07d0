//! Units of work that misbehave in ways that the public functions do not allow.

use countersign_testkit::TestDatabase;
use tokio::sync::oneshot;

use super::settings::sql;
use crate::statement::Statement;
use crate::{BoxFuture, Conn, Db, Options, StoreError};

const WRITE: Statement = sql("UPDATE log_clock SET keys_version = keys_version + 1");
const FAIL: Statement = sql("INSERT INTO log_clock SELECT * FROM log_clock");
const READ: Statement = sql("SELECT keys_version FROM log_clock");

async fn open(database: &TestDatabase) -> Db {
    Db::open(&Options {
        durable: false,
        ..Options::new(database.url())
    })
    .await
    .unwrap()
}

async fn written(db: &Db) -> i64 {
    let mut reader = db.read().await.unwrap();
    reader
        .conn()
        .one(READ, Vec::new())
        .await
        .unwrap()
        .get("keys_version")
        .unwrap()
}

async fn write(db: &Db) -> Result<u64, StoreError> {
    db.write(|conn| Box::pin(conn.execute(WRITE, Vec::new())))
        .await
}

/// Keeps the writer busy, so that whatever is sent meanwhile makes up one group.
async fn hold(db: &Db) -> oneshot::Sender<()> {
    let (release, held) = oneshot::channel::<()>();
    let (began, begun) = oneshot::channel();
    let slots = std::sync::Arc::new(std::sync::Mutex::new(Some((held, began))));
    let db = db.clone();
    tokio::spawn(async move {
        db.write(move |_| {
            Box::pin(async move {
                let (held, began) = slots.lock().unwrap().take().unwrap();
                began.send(()).unwrap();
                held.await.unwrap();
                Ok::<_, StoreError>(())
            })
        })
        .await
    });
    begun.await.unwrap();
    release
}

#[tokio::test]
async fn a_write_outside_a_unit_is_refused() {
    for database in TestDatabase::each().await {
        let db = open(&database).await;
        let mut reader = db.read().await.unwrap();
        let refused = reader.conn().execute(WRITE, Vec::new()).await;
        assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
        assert_eq!(written(&db).await, 0);
    }
}

#[tokio::test]
async fn a_unit_that_hides_a_failed_statement_is_rolled_back_and_not_answered_well() {
    for database in TestDatabase::each().await {
        let db = open(&database).await;
        let answer: Result<(), StoreError> = db
            .write(|conn| {
                Box::pin(async move {
                    conn.execute(WRITE, Vec::new()).await?;
                    conn.execute(FAIL, Vec::new()).await.unwrap_err();
                    Ok(())
                })
            })
            .await;
        assert!(matches!(answer, Err(StoreError::Failed(_))), "{answer:?}");
        assert_eq!(written(&db).await, 0);
        write(&db).await.unwrap();
        assert_eq!(written(&db).await, 1);
    }
}

#[tokio::test]
async fn a_panic_ends_its_own_unit_only() {
    fn panics<'a>(conn: &'a mut Conn<'_>) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            conn.execute(WRITE, Vec::new()).await?;
            panic!("a defect of a unit");
        })
    }
    for database in TestDatabase::each().await {
        let db = open(&database).await;
        let before_it_awaits = db
            .write(|_| -> BoxFuture<'_, Result<(), StoreError>> { panic!("a defect of a unit") })
            .await;
        assert!(matches!(before_it_awaits, Err(StoreError::Failed(_))));
        let (one, two, three) = tokio::join!(write(&db), db.write(|conn| panics(conn)), write(&db));
        assert!(one.is_ok() && three.is_ok());
        assert!(matches!(two, Err(StoreError::Failed(_))), "{two:?}");
        assert_eq!(written(&db).await, 2);
    }
}

#[tokio::test]
async fn a_commit_that_fails_fails_every_unit_of_its_group_and_no_later_one() {
    let database = TestDatabase::sqlite();
    let db = open(&database).await;
    let release = hold(&db).await;
    let deferred = || {
        db.write(|conn| {
            Box::pin(async move {
                // Checked at COMMIT, so that this unit and its neighbours have done well so far.
                conn.execute(sql("PRAGMA defer_foreign_keys = ON"), Vec::new())
                    .await?;
                let orphan = "INSERT INTO roles (user_id, role) VALUES (x'00', 'x')";
                conn.execute(sql(orphan), Vec::new()).await
            })
        })
    };
    let all = async { tokio::join!(write(&db), deferred(), write(&db)) };
    let (answers, ()) = tokio::join!(all, async { release.send(()).unwrap() });
    for answer in [answers.0, answers.1, answers.2] {
        assert!(
            matches!(&answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
    }
    assert_eq!(written(&db).await, 0);
    write(&db).await.unwrap();
    assert_eq!(written(&db).await, 1);
}

#[tokio::test]
async fn a_group_that_cannot_begin_is_told_why() {
    let database = TestDatabase::sqlite();
    let (db, other) = (open(&database).await, open(&database).await);
    // The lock outlasts the patience of the first.
    let release = hold(&other).await;
    let (one, two) = tokio::join!(write(&db), write(&db));
    for answer in [one, two] {
        let Err(StoreError::Unavailable(why)) = answer else {
            panic!("{answer:?}")
        };
        assert!(why.contains("locked"), "{why}");
    }
    release.send(()).unwrap();
    write(&db).await.unwrap();
    assert_eq!(written(&db).await, 1);
}

#[tokio::test]
async fn a_writer_whose_connection_dies_gets_another() {
    let database = TestDatabase::sqlite();
    let db = open(&database).await;
    let stray = db
        .write(|conn| Box::pin(conn.execute(sql("COMMIT"), Vec::new())))
        .await;
    assert!(
        matches!(stray, Err(StoreError::Unavailable(_))),
        "{stray:?}"
    );
    write(&db).await.unwrap();
    assert_eq!(written(&db).await, 1);
}
