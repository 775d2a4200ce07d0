use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_core::{Floor, Reason, Scope, Seq, Subject};
use countersign_store::{StoreError, events, log};
use tokio::task::JoinSet;

use crate::support::{Failure, Test, at, session};

on_both! {
    the_clock_moves_on_though_time_stands_still_or_goes_back,
    a_place_that_was_rolled_back_is_not_taken,
    whoever_follows_by_position_misses_nothing,
    floors_come_in_order_and_in_pages,
    the_issuers_floor_never_sinks,
    a_longer_life_counts_at_once_and_a_shorter_one_when_the_old_tokens_are_gone,
    pruning_spares_what_still_counts,
    what_is_no_floor_is_corruption,
    nodes_hear_of_keys_and_of_the_secret,
}

fn floor(seq: Seq, expires: i64) -> Floor {
    Floor {
        seq,
        scope: Scope::Session,
        subject: Subject::of(Scope::Session, &session(1).to_string()),
        reason: Reason::Revoked,
        expires: at(expires),
    }
}

async fn advance(t: &Test, seconds: i64) -> Seq {
    unit!(t, |conn| log::advance(conn, at(seconds)).await)
        .unwrap()
        .seq
}

async fn write(t: &Test, seconds: i64, expires: i64) -> Seq {
    unit!(t, |conn| {
        let seq = log::advance(conn, at(seconds)).await?.seq;
        log::insert(conn, &floor(seq, expires)).await?;
        Ok::<_, StoreError>(seq)
    })
    .unwrap()
}

async fn after(t: &Test, seq: Seq, limit: i64) -> Vec<Floor> {
    read!(t, |conn| log::floors_after(conn, seq, limit)).unwrap()
}

async fn the_clock_moves_on_though_time_stands_still_or_goes_back(t: Test) {
    assert_eq!(read!(t, |conn| log::seq(conn)).unwrap(), Seq(0));
    let day = 1_700_000_000;
    for (now, expected) in [
        (day, day * 1_000_000),
        (day, day * 1_000_000 + 1),
        (day - 9, day * 1_000_000 + 2),
        (-1, day * 1_000_000 + 3),
        (day + 1, (day + 1) * 1_000_000),
    ] {
        assert_eq!(advance(&t, now).await, Seq(expected));
        assert_eq!(read!(t, |conn| log::seq(conn)).unwrap(), Seq(expected));
        assert_eq!(read!(t, |conn| log::look(conn)).unwrap().seq, Seq(expected));
    }
}

async fn a_place_that_was_rolled_back_is_not_taken(t: Test) {
    let before = advance(&t, 5).await;
    let refused: Result<(), Failure> = unit!(t, |conn| {
        let seq = log::advance(conn, at(9)).await?.seq;
        log::insert(conn, &floor(seq, 99)).await?;
        Err(Failure::Rule)
    });
    assert!(matches!(refused, Err(Failure::Rule)));
    assert_eq!(read!(t, |conn| log::seq(conn)).unwrap(), before);
    assert!(after(&t, Seq(0), 9).await.is_empty());
}

/// Writers take places and commit as they please, on two handles, while a follower reads as the
/// feed does: first the position, then the floors above its cursor. A place that became visible
/// after a later one would be passed over for ever.
async fn whoever_follows_by_position_misses_nothing(t: Test) {
    let handles = [t.db.clone(), t.other().await];
    let done = Arc::new(AtomicBool::new(false));
    let follower = {
        let (db, done) = (t.db.clone(), done.clone());
        tokio::spawn(async move {
            let (mut cursor, mut heard) = (Seq(0), Vec::new());
            loop {
                let last = done.load(Ordering::SeqCst);
                let mut reader = db.read().await.unwrap();
                let look = log::look(&mut reader.conn()).await.unwrap();
                let floors = log::floors_after(&mut reader.conn(), cursor, 1_000)
                    .await
                    .unwrap();
                drop(reader);
                heard.extend(floors.iter().map(|floor| floor.seq));
                cursor = heard
                    .last()
                    .copied()
                    .unwrap_or_default()
                    .max(look.seq)
                    .max(cursor);
                if last {
                    return heard;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let mut writers = JoinSet::new();
    for n in 0..8 {
        let db = handles[n % 2].clone();
        writers.spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..20 {
                let seq = db.write(move |conn| {
                    Box::pin(async move {
                        let seq = log::advance(conn, at(0)).await?.seq;
                        log::insert(conn, &floor(seq, 99)).await?;
                        // Something between the place and the commit, longer for some than others.
                        for _ in 0..n {
                            log::seq(conn).await?;
                        }
                        Ok::<_, StoreError>(seq)
                    })
                });
                taken.push(seq.await.unwrap());
            }
            assert!(taken.is_sorted(), "a later commit has a later place");
            taken
        });
    }
    let taken: BTreeSet<Seq> = writers.join_all().await.into_iter().flatten().collect();
    done.store(true, Ordering::SeqCst);
    let heard = follower.await.unwrap();
    assert_eq!(taken.len(), 160);
    assert!(heard.is_sorted_by(|one, next| one < next));
    assert_eq!(heard, taken.into_iter().collect::<Vec<_>>());
}

async fn floors_come_in_order_and_in_pages(t: Test) {
    let mut written = Vec::new();
    for scope in [
        Scope::Token,
        Scope::Session,
        Scope::User,
        Scope::Client,
        Scope::Issuer,
    ] {
        for reason in [Reason::Revoked, Reason::Superseded] {
            let seq = advance(&t, 0).await;
            let floor = Floor {
                scope,
                reason,
                subject: Subject::of(scope, "x"),
                ..floor(seq, 9)
            };
            let copy = floor;
            unit!(t, |conn| log::insert(conn, &copy).await).unwrap();
            written.push(floor);
        }
    }
    let (mut read, mut cursor) = (Vec::new(), Seq(0));
    loop {
        let page = after(&t, cursor, 3).await;
        let Some(last) = page.last() else { break };
        cursor = last.seq;
        read.extend(page);
    }
    let plain = |floors: &[Floor]| -> Vec<_> {
        let parts = |f: &Floor| (f.seq, f.scope, f.subject.0, f.reason, f.expires);
        floors.iter().map(parts).collect()
    };
    assert_eq!(plain(&read), plain(&written));
    let twice = unit!(t, |conn| log::insert(conn, &floor(cursor, 9)).await);
    assert!(matches!(twice, Err(StoreError::Conflict)), "{twice:?}");
}

async fn the_issuers_floor_never_sinks(t: Test) {
    let id = t.user(1).await;
    t.session(1, id).await;
    for (raised, expected) in [(5, 5), (3, 5), (9, 9), (i64::MIN, 9)] {
        unit!(t, |conn| log::raise_issuer_floor(conn, Seq(raised)).await).unwrap();
        let found = read!(t, |conn| countersign_store::sessions::by_id(
            conn,
            session(1)
        ));
        assert_eq!(found.unwrap().unwrap().floors.issuer, Seq(expected));
    }
}

async fn a_longer_life_counts_at_once_and_a_shorter_one_when_the_old_tokens_are_gone(t: Test) {
    let set = async |life: u64, now| {
        unit!(t, |conn| log::set_life(
            conn,
            Duration::from_secs(life),
            at(now)
        )
        .await)
        .unwrap()
    };
    let lower = async |now| unit!(t, |conn| log::lower_life(conn, at(now)).await).unwrap();
    let life = async || {
        let look = read!(t, |conn| log::look(conn)).unwrap();
        let tick = unit!(t, |conn| log::advance(conn, at(0)).await).unwrap();
        assert_eq!(look.life, tick.life);
        look.life.as_secs()
    };
    set(600, 0).await;
    assert_eq!(life().await, 600);
    set(900, 10).await;
    assert_eq!(life().await, 900, "longer: at once");
    set(300, 100).await;
    assert_eq!(
        (life().await, lower(999).await),
        (900, false),
        "the last old token ends at 1000"
    );
    set(300, 500).await;
    assert!(lower(1_000).await, "saying it again does not put it off");
    assert_eq!((life().await, lower(1_000).await), (300, false));
    set(200, 2_000).await;
    set(300, 2_100).await;
    assert!(
        !lower(9_999).await,
        "a node that still gives the longer one calls it off"
    );
    assert_eq!(life().await, 300);
}

async fn pruning_spares_what_still_counts(t: Test) {
    let mut seqs = Vec::new();
    for expires in [30, 10, 20, 40] {
        seqs.push(write(&t, 0, expires).await);
    }
    let prune = async |now, limit| unit!(t, |conn| log::prune(conn, at(now), limit).await).unwrap();
    assert_eq!(prune(10, 9).await, 0, "at its end it still counts");
    assert_eq!(prune(31, 2).await, 2);
    let left: Vec<_> = after(&t, Seq(0), 9)
        .await
        .into_iter()
        .map(|floor| floor.seq)
        .collect();
    assert_eq!(left, [seqs[0], seqs[3]], "the oldest went first");
    assert_eq!((prune(31, 2).await, prune(31, 2).await), (1, 0));
}

async fn what_is_no_floor_is_corruption(t: Test) {
    for damage in [
        "UPDATE floors SET scope = 'galaxy'",
        "UPDATE floors SET reason = 'whim'",
        "UPDATE floors SET subject = substr(subject, 1, 15)",
    ] {
        let seq = write(&t, 0, 9).await;
        assert_eq!(t.raw(damage).await, 1);
        let read = read!(t, |conn| log::floors_after(conn, Seq(0), 9));
        assert!(
            matches!(read, Err(StoreError::Corrupt(_))),
            "{damage}: {read:?}"
        );
        let pruned = unit!(t, |conn| log::prune(conn, at(99), 9).await).unwrap();
        assert_eq!((pruned, seq > Seq(0)), (1, true));
    }
    t.raw("DELETE FROM log_clock").await;
    let read = read!(t, |conn| log::seq(conn));
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}

async fn nodes_hear_of_keys_and_of_the_secret(t: Test) {
    let other = t.other().await;
    let before = read!(t, |conn| log::look(conn)).unwrap();
    assert_eq!(read!(t, |conn| log::secret_check(conn)).unwrap(), None);
    unit!(t, |conn| {
        log::keys_changed(conn).await?;
        log::set_secret_check(conn, vec![1, 0, 255]).await
    })
    .unwrap();
    let mut reader = other.read().await.unwrap();
    let look = log::look(&mut reader.conn()).await.unwrap();
    assert_eq!(
        (look.keys_version, look.seq),
        (before.keys_version + 1, Seq(before.seq.0 + 1)),
        "a cursor shows new keys as it shows floors"
    );
    let check = log::secret_check(&mut reader.conn()).await.unwrap();
    assert_eq!(check, Some(vec![1, 0, 255]));
    assert!(
        events::page(&mut reader.conn(), None, 1)
            .await
            .unwrap()
            .is_empty()
    );
}
