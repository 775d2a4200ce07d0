use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use countersign_store::{Conn, Db, Options, StoreError, identifiers, log, users};
use tokio::sync::Barrier;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::{Failure, Gate, Test, at, options, user, username};

on_both! {
    a_unit_that_fails_is_rolled_back_when_it_is_alone,
    a_unit_that_fails_does_not_touch_its_neighbours,
    a_commit_is_visible_to_others_when_it_is_answered,
    nobody_sees_a_unit_before_its_commit,
    a_unit_that_nobody_waits_for_ends_all_the_same,
    a_unit_dropped_at_any_moment_leaves_its_connection_clean,
}

/// Inserts a user and does as told.
async fn act(conn: &mut Conn<'_>, n: u8, end: Result<(), ()>) -> Result<u8, Failure> {
    users::insert(conn, user(n), at(0)).await?;
    log::advance(conn, at(0)).await?;
    end.map(|()| n).map_err(|()| Failure::Rule)
}

fn spawn(db: &Db, n: u8, end: Result<(), ()>) -> JoinHandle<Result<u8, Failure>> {
    let db = db.clone();
    tokio::spawn(async move { db.write(move |conn| Box::pin(act(conn, n, end))).await })
}

/// A unit that inserts user `n` and stops at the gate.
fn stopped(db: &Db, n: u8, gate: &Gate) -> JoinHandle<Result<(), StoreError>> {
    let (db, gate) = (db.clone(), gate.clone());
    tokio::spawn(async move {
        db.write(move |conn| {
            Box::pin(async move {
                users::insert(conn, user(n), at(0)).await?;
                gate.pass().await;
                Ok(())
            })
        })
        .await
    })
}

async fn there(t: &Test) -> Vec<u8> {
    let page = read!(t, |conn| users::page(conn, None, None, 1_000)).unwrap();
    page.iter().map(|user| user.id.as_bytes()[0]).collect()
}

async fn a_unit_that_fails_is_rolled_back_when_it_is_alone(t: Test) {
    for _ in 0..3 {
        let refused = unit!(t, |conn| act(conn, 1, Err(())).await);
        assert!(matches!(refused, Err(Failure::Rule)), "{refused:?}");
        assert!(there(&t).await.is_empty());
        assert_eq!(read!(t, |conn| log::seq(conn)).unwrap().0, 0);
    }
    assert_eq!(unit!(t, |conn| act(conn, 1, Ok(())).await).unwrap(), 1);
    assert_eq!(there(&t).await, [1]);
}

async fn a_unit_that_fails_does_not_touch_its_neighbours(t: Test) {
    t.named(200, "taken").await;
    // Everything that is sent while this one runs makes up one group on SQLite.
    let gate = Gate::new();
    let first = stopped(&t.db, 100, &gate);
    gate.reached().await;
    let mut units = Vec::new();
    for n in 1..=30_u8 {
        units.push(match n % 3 {
            0 => spawn(&t.db, n, Ok(())),
            1 => spawn(&t.db, n, Err(())),
            // Fails inside the engine, after it has written something.
            _ => {
                let db = t.db.clone();
                tokio::spawn(async move {
                    db.write(move |conn| {
                        Box::pin(async move {
                            act(conn, n, Ok(())).await?;
                            users::insert(conn, user(200), at(0)).await?;
                            Ok(n)
                        })
                    })
                    .await
                })
            }
        });
        tokio::task::yield_now().await;
    }
    gate.open();
    first.await.unwrap().unwrap();
    for (n, unit) in (1..).zip(units) {
        let answer = unit.await.unwrap();
        let expected = match n % 3 {
            0 => matches!(answer, Ok(answered) if answered == n),
            1 => matches!(answer, Err(Failure::Rule)),
            _ => matches!(answer, Err(Failure::Store(StoreError::Conflict))),
        };
        assert!(expected, "{n}: {answer:?}");
    }
    let expected: Vec<u8> = (1..=30).filter(|n| n % 3 == 0).chain([100, 200]).collect();
    assert_eq!(there(&t).await, expected);
    assert_eq!(read!(t, |conn| log::seq(conn)).unwrap().0, 10);
}

async fn a_commit_is_visible_to_others_when_it_is_answered(t: Test) {
    let other = Test {
        db: t.other().await,
        database: countersign_testkit::TestDatabase::sqlite(),
    };
    let mut units = JoinSet::new();
    for n in 1..=50 {
        let (db, other) = (t.db.clone(), other.db.clone());
        units.spawn(async move {
            db.write(move |conn| Box::pin(act(conn, n, Ok(()))))
                .await
                .unwrap();
            let mut reader = other.read().await.unwrap();
            users::by_id(&mut reader.conn(), user(n))
                .await
                .unwrap()
                .is_some()
        });
    }
    assert!(units.join_all().await.into_iter().all(|seen| seen));
    other.db.close().await;
}

/// On SQLite the second and the third share a commit: the second has run when the third stops.
async fn nobody_sees_a_unit_before_its_commit(t: Test) {
    let gates = [Gate::new(), Gate::new()];
    let first = stopped(&t.db, 1, &gates[0]);
    gates[0].reached().await;
    let context = &mut Context::from_waker(Waker::noop());
    let mut second = pin!(t.db.write(|conn| Box::pin(act(conn, 2, Ok(())))));
    assert!(second.as_mut().poll(context).is_pending());
    let inside = gates[1].clone();
    let mut third = pin!(t.db.write(move |conn| {
        Box::pin(async move {
            users::insert(conn, user(3), at(0)).await?;
            inside.pass().await;
            Ok::<_, StoreError>(())
        })
    }));
    assert!(third.as_mut().poll(context).is_pending());
    assert!(!there(&t).await.contains(&1));
    gates[0].open();
    first.await.unwrap().unwrap();
    gates[1].reached().await;
    if t.database.is_postgres() {
        assert_eq!(second.await.unwrap(), 2);
        assert_eq!(there(&t).await, [1, 2]);
        gates[1].open();
    } else {
        assert!(second.as_mut().poll(context).is_pending());
        assert_eq!(there(&t).await, [1]);
        gates[1].open();
        assert_eq!(second.await.unwrap(), 2);
    }
    third.await.unwrap();
    assert_eq!(there(&t).await, [1, 2, 3]);
}

async fn a_unit_that_nobody_waits_for_ends_all_the_same(t: Test) {
    let gate = Gate::new();
    let unit = stopped(&t.db, 1, &gate);
    gate.reached().await;
    unit.abort();
    assert!(unit.await.unwrap_err().is_cancelled());
    gate.open();
    t.db.close().await;
    let other = Test {
        db: t.other().await,
        database: t.database,
    };
    assert_eq!(there(&other).await, [1]);
}

/// One connection, and callers that go away after one poll, two polls and so on.
async fn a_unit_dropped_at_any_moment_leaves_its_connection_clean(t: Test) {
    let narrow = Options {
        connections: 1,
        ..options(&t.database)
    };
    let db = Db::open(&narrow).await.unwrap();
    let narrow = Test {
        db,
        database: t.database,
    };
    for n in 1..=40_u8 {
        let name = username(&format!("user {n}"));
        let unit = narrow.db.write(move |conn| {
            Box::pin(async move {
                users::insert(conn, user(n), at(0)).await?;
                assert!(identifiers::claim(conn, &name, user(n)).await?);
                Ok::<_, StoreError>(())
            })
        });
        abandon(unit, n).await;
        // On the same connection, which must not be inside a transaction that somebody left.
        read!(narrow, |conn| users::count(conn)).unwrap();
        let open = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'countersign'
            AND datname = current_database() AND state LIKE 'idle in transaction%'";
        if narrow.database.is_postgres() {
            assert_eq!(narrow.raw(open).await, 0, "after {n} polls");
        }
        unit!(narrow, |conn| {
            users::insert(conn, user(100 + n), at(0)).await
        })
        .unwrap();
        let done = read!(narrow, |conn| users::by_id(conn, user(n))).unwrap();
        assert!(
            done.is_none_or(|user| user.username.is_some()),
            "half of a unit is there"
        );
    }
    narrow.db.close().await;
}

/// Polls a future so often, each time when it has asked for it, and drops it.
async fn abandon<F: Future>(future: F, polls: u8) {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        left = left.saturating_sub(1);
        match future.as_mut().poll(cx) {
            Poll::Pending if left > 0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}

/// SQLite alone has a queue; PostgreSQL has its pool, which gives up in time.
#[tokio::test]
async fn more_units_than_the_queue_holds_are_refused_and_the_others_are_done() {
    let t = Test::sqlite().await;
    let gate = Gate::new();
    let first = stopped(&t.db, 0, &gate);
    gate.reached().await;
    let context = &mut Context::from_waker(Waker::noop());
    let mut waiting = Vec::new();
    let mut refused = 0;
    for _ in 0..5_000 {
        let db = t.db.clone();
        let mut unit =
            Box::pin(async move { db.write(|conn| Box::pin(log::advance(conn, at(0)))).await });
        match unit.as_mut().poll(context) {
            Poll::Pending => waiting.push(unit),
            Poll::Ready(Err(StoreError::Busy)) => refused += 1,
            Poll::Ready(answer) => panic!("{answer:?}"),
        }
    }
    assert_eq!((waiting.len(), refused), (4_096, 904));
    gate.open();
    first.await.unwrap().unwrap();
    for unit in waiting {
        unit.await.unwrap();
    }
    assert_eq!(read!(t, |conn| log::seq(conn)).unwrap().0, 4_096);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_repeated_and_both_units_are_done() {
    let Some(t) = Test::postgres().await else {
        return;
    };
    let name = t
        .database
        .url()
        .rsplit('/')
        .next()
        .unwrap()
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    t.raw(&format!(
        "ALTER DATABASE {name} SET deadlock_timeout = '20ms'"
    ))
    .await;
    let db = t.other().await;
    let (one, two) = (t.user(1).await, t.user(2).await);
    let (meeting, runs) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let mut units = JoinSet::new();
    for [first, second] in [[one, two], [two, one]] {
        let (db, meeting, runs) = (db.clone(), meeting.clone(), runs.clone());
        units.spawn(async move {
            db.write(move |conn| {
                Box::pin(async move {
                    users::lock(conn, first).await?;
                    if runs.fetch_add(1, Ordering::SeqCst) < 2 {
                        meeting.wait().await;
                    }
                    // What a flow makes of the error must not hide it.
                    users::lock(conn, second).await.map_err(|_| Failure::Rule)?;
                    log::advance(conn, at(0)).await?;
                    Ok::<_, Failure>(())
                })
            })
            .await
        });
    }
    for answer in units.join_all().await {
        answer.unwrap();
    }
    assert_eq!(runs.load(Ordering::SeqCst), 3, "one of the two ran twice");
    assert_eq!(
        read!(t, |conn| log::seq(conn)).unwrap().0,
        2,
        "and each was done once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_unavailable_and_the_next_unit_works() {
    let Some(t) = Test::postgres().await else {
        return;
    };
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let (db, gate) = (t.db.clone(), Gate::new());
    let inside = gate.clone();
    let unit = tokio::spawn(async move {
        db.write(move |conn| {
            Box::pin(async move {
                users::insert(conn, user(1), at(0)).await?;
                inside.pass().await;
                users::insert(conn, user(2), at(0)).await
            })
        })
        .await
    });
    gate.reached().await;
    t.raw(cut).await;
    gate.open();
    let answer = unit.await.unwrap();
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
    assert!(there(&t).await.is_empty());

    let mut reader = t.db.read().await.unwrap();
    t.raw(cut).await;
    let read = users::count(&mut reader.conn()).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    drop(reader);
    t.raw(cut).await;
    // Whatever waits in the pool is dead now, and nobody notices.
    t.user(3).await;
    assert_eq!(there(&t).await, [3]);
}
