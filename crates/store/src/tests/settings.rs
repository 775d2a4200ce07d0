//! What the connections really run with, asked of the engines themselves.

use countersign_testkit::TestDatabase;

use crate::conn::{Conn, Portable};
use crate::statement::Statement;
use crate::{Db, Options, StoreError};

/// A statement of a test; the programs' own are declared by `statements!`.
pub(super) const fn sql(sql: &'static str) -> Statement {
    Statement { name: "test", sql }
}

async fn ask<T: Portable>(conn: &mut Conn<'_>, question: &'static str, column: &str) -> T {
    conn.one(sql(question), Vec::new())
        .await
        .unwrap()
        .get(column)
        .unwrap()
}

#[tokio::test]
async fn sqlite_is_safe_from_power_cuts_and_its_readers_cannot_write() {
    for (durable, synchronous) in [(true, 2), (false, 0)] {
        let database = TestDatabase::sqlite();
        let options = Options {
            durable,
            ..Options::new(database.url())
        };
        let db = Db::open(&options).await.unwrap();
        db.write(move |conn| {
            Box::pin(async move {
                assert_eq!(
                    ask::<String>(conn, "PRAGMA journal_mode", "journal_mode").await,
                    "wal"
                );
                for (question, column, expected) in [
                    ("PRAGMA synchronous", "synchronous", synchronous),
                    ("PRAGMA foreign_keys", "foreign_keys", 1),
                    ("PRAGMA busy_timeout", "timeout", 2000),
                    ("PRAGMA trusted_schema", "trusted_schema", 0),
                    ("PRAGMA query_only", "query_only", 0),
                ] {
                    assert_eq!(
                        ask::<i64>(conn, question, column).await,
                        expected,
                        "{question}"
                    );
                }
                Ok::<_, StoreError>(())
            })
        })
        .await
        .unwrap();

        let mut reader = db.read().await.unwrap();
        let mut conn = reader.conn();
        conn.reading = false;
        let conn = &mut conn;
        assert_eq!(ask::<i64>(conn, "PRAGMA query_only", "query_only").await, 1);
        let refused = conn.execute(sql("DELETE FROM users"), Vec::new()).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn postgres_commits_to_disk_and_waits_no_longer_than_it_must() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    // What a server's own configuration may say, and must not weaken us.
    let name = database
        .url()
        .rsplit('/')
        .next()
        .unwrap()
        .split('?')
        .next()
        .unwrap();
    let weaken = format!(
        "ALTER DATABASE {name} SET synchronous_commit = 'off';
         ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
    );
    let mut raw = <sqlx::PgConnection as sqlx::Connection>::connect(database.url())
        .await
        .unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(weaken))
        .execute(&mut raw)
        .await
        .unwrap();

    let db = Db::open(&Options::new(database.url())).await.unwrap();
    db.write(|conn| {
        Box::pin(async move {
            for (question, column, expected) in [
                ("SHOW synchronous_commit", "synchronous_commit", "on"),
                (
                    "SHOW transaction_isolation",
                    "transaction_isolation",
                    "read committed",
                ),
                ("SHOW statement_timeout", "statement_timeout", "10s"),
                (
                    "SHOW idle_in_transaction_session_timeout",
                    "idle_in_transaction_session_timeout",
                    "10s",
                ),
            ] {
                assert_eq!(ask::<String>(conn, question, column).await, expected);
            }
            Ok::<_, StoreError>(())
        })
    })
    .await
    .unwrap();
}
