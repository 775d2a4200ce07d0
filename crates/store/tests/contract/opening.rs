use countersign_store::{Db, Options, SCHEMA_VERSION, StoreError, log, users};
use countersign_testkit::{TempDir, TestDatabase};
use tokio::task::JoinSet;

use crate::support::{Test, at, options, user};

on_both! {
    a_database_of_a_newer_version_is_refused,
    what_was_written_is_there_after_opening_again,
    after_closing_nothing_is_answered,
    closing_waits_for_units_under_way,
    two_processes_write_at_once,
    the_clocks_of_one_machine_agree,
}

async fn a_database_of_a_newer_version_is_refused(t: Test) {
    t.raw("INSERT INTO schema_migrations (version, name) VALUES (9999, 'to come')")
        .await;
    let refused = Db::open(&options(&t.database)).await;
    let Err(StoreError::NewerSchema { found: 9999, known }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(known, SCHEMA_VERSION);
}

async fn what_was_written_is_there_after_opening_again(t: Test) {
    let id = t.named(1, "ada").await;
    let seq = unit!(t, |conn| log::advance(conn, at(5)).await)
        .unwrap()
        .seq;
    t.db.close().await;
    let again = Test {
        db: t.other().await,
        database: t.database,
    };
    let found = read!(again, |conn| users::by_id(conn, id))
        .unwrap()
        .unwrap();
    assert_eq!(found.username.as_deref(), Some("ada"));
    assert_eq!(read!(again, |conn| log::seq(conn)).unwrap(), seq);
}

async fn after_closing_nothing_is_answered(t: Test) {
    t.db.close().await;
    let refused = unit!(t, |conn| users::insert(conn, user(1), at(0)).await);
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(matches!(t.db.read().await, Err(StoreError::Unavailable(_))));
    t.db.close().await;
    let other = Test {
        db: t.other().await,
        database: t.database,
    };
    assert_eq!(read!(other, |conn| users::count(conn)).unwrap(), 0);
}

async fn closing_waits_for_units_under_way(t: Test) {
    let gate = crate::support::Gate::new();
    let (db, inside) = (t.db.clone(), gate.clone());
    let unit = tokio::spawn(async move {
        db.write(move |conn| {
            Box::pin(async move {
                users::insert(conn, user(1), at(0)).await?;
                inside.pass().await;
                Ok::<_, StoreError>(())
            })
        })
        .await
    });
    gate.reached().await;
    let opener = async {
        tokio::task::yield_now().await;
        gate.open();
    };
    tokio::join!(t.db.close(), opener);
    unit.await.unwrap().unwrap();
    let other = Test {
        db: t.other().await,
        database: t.database,
    };
    assert_eq!(read!(other, |conn| users::count(conn)).unwrap(), 1);
}

async fn two_processes_write_at_once(t: Test) {
    let handles = [t.db.clone(), t.other().await];
    let mut writers = JoinSet::new();
    for n in 0..40_u8 {
        let db = handles[usize::from(n % 2)].clone();
        writers.spawn(async move {
            db.write(move |conn| Box::pin(users::insert(conn, user(n), at(0))))
                .await
        });
    }
    for answer in writers.join_all().await {
        answer.unwrap();
    }
    assert_eq!(read!(t, |conn| users::count(conn)).unwrap(), 40);
}

async fn the_clocks_of_one_machine_agree(t: Test) {
    #[expect(
        clippy::disallowed_methods,
        reason = "compared with the clock of the database"
    )]
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_millis();
    let offset =
        t.db.clock_offset_millis(i64::try_from(now).unwrap())
            .await
            .unwrap();
    assert!(offset.abs() < 5_000, "{offset}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_on_an_empty_database_all_start() {
    for database in TestDatabase::each().await {
        let mut nodes = JoinSet::new();
        for _ in 0..8 {
            let options = Options {
                connections: 2,
                ..options(&database)
            };
            nodes.spawn(async move { Db::open(&options).await });
        }
        for db in nodes.join_all().await {
            let t = Test {
                db: db.unwrap(),
                database: TestDatabase::sqlite(),
            };
            assert_eq!(read!(t, |conn| users::count(conn)).unwrap(), 0);
            t.db.close().await;
        }
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_unavailable() {
    let nowhere = TempDir::new().join("gone").join("countersign.db");
    for url in [
        format!("sqlite:{}", nowhere.display()),
        "postgres://nobody@127.0.0.1:1/nothing".to_owned(),
    ] {
        let refused = Db::open(&Options::new(&url)).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{url}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let directory = TempDir::new();
    let path = directory.join("countersign.db");
    std::fs::write(&path, "This is a letter to my aunt.\n".repeat(500)).unwrap();
    let refused = Db::open(&Options::new(format!("sqlite:{}", path.display()))).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert!(
        Db::open(&Options::new("mysql://localhost/x"))
            .await
            .is_err()
    );
}
