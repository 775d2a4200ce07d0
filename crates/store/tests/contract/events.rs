use countersign_core::{Actor, Event, EventKind};
use countersign_store::events::{self, Recorded};
use countersign_store::{StoreError, log};
use tokio::task::JoinSet;

use crate::support::{Failure, Test, at, session, user};

on_both! {
    an_event_reads_back_as_it_was_written,
    events_of_many_writers_stand_in_the_order_of_their_commits_without_gaps,
    an_event_of_a_unit_that_failed_never_was,
    pages_go_back_from_the_latest,
    pruning_takes_the_oldest_and_stops_at_its_limit,
    what_is_no_event_is_corruption,
    the_last_of_some_kinds_is_found,
}

async fn the_last_of_some_kinds_is_found(t: Test) {
    let kinds = [EventKind::BackupMade, EventKind::BackupRestored];
    assert_eq!(read!(t, |conn| events::last_of(conn, kinds)).unwrap(), None);
    assert_eq!(read!(t, |conn| events::first(conn)).unwrap(), None);
    for (seconds, kind) in [(3, kinds[1]), (4, kinds[0]), (5, EventKind::KeyRevoked)] {
        append(&t, Event::new(at(seconds), kind, Actor::Operator)).await;
    }
    let last = read!(t, |conn| events::last_of(conn, kinds)).unwrap();
    assert_eq!(last, Some(at(4)));
    assert_eq!(read!(t, |conn| events::first(conn)).unwrap(), Some(at(3)));
}

async fn append(t: &Test, event: Event) {
    unit!(t, |conn| events::append(conn, &event).await).unwrap();
}

async fn page(t: &Test, before: Option<i64>, limit: i64) -> Vec<Recorded> {
    read!(t, |conn| events::page(conn, before, limit)).unwrap()
}

fn event(seconds: i64) -> Event {
    Event::new(at(seconds), EventKind::UserCreated, Actor::System)
}

async fn an_event_reads_back_as_it_was_written(t: Test) {
    append(&t, event(1)).await;
    let full = Event::new(at(2), EventKind::SessionRevoked, Actor::User(user(1)))
        .subject(user(2))
        .session(session(3))
        .client("shop")
        .address("2001:db8::1")
        .data(r#"{"reason":"ünknown"}"#);
    append(&t, full).await;
    let expected = [
        Recorded {
            seq: 2,
            at: at(2),
            kind: "session.revoked".to_owned(),
            actor: user(1).to_string(),
            subject: Some(user(2)),
            session: Some(session(3)),
            client: Some("shop".to_owned()),
            address: Some("2001:db8::1".to_owned()),
            data: Some(r#"{"reason":"ünknown"}"#.to_owned()),
        },
        Recorded {
            seq: 1,
            at: at(1),
            kind: "user.created".to_owned(),
            actor: "system".to_owned(),
            subject: None,
            session: None,
            client: None,
            address: None,
            data: None,
        },
    ];
    assert_eq!(page(&t, None, 9).await, expected);
}

/// Each writer notes the log's position in its event. Both clocks are locked to the commit, so the
/// two orders must be one.
async fn events_of_many_writers_stand_in_the_order_of_their_commits_without_gaps(t: Test) {
    let handles = [t.db.clone(), t.other().await];
    let mut writers = JoinSet::new();
    for n in 0..8 {
        let db = handles[n % 2].clone();
        writers.spawn(async move {
            for _ in 0..15 {
                db.write(|conn| {
                    Box::pin(async move {
                        let seq = log::advance(conn, at(0)).await?.seq;
                        events::append(conn, &event(0).data(seq.0.to_string())).await
                    })
                })
                .await
                .unwrap();
            }
        });
    }
    writers.join_all().await;
    let mut recorded = page(&t, None, 1_000).await;
    recorded.reverse();
    let places = |event: &Recorded| (event.seq, event.data.clone().unwrap().parse().unwrap());
    let places: Vec<(i64, i64)> = recorded.iter().map(places).collect();
    assert_eq!(places, (1..=120).map(|n| (n, n)).collect::<Vec<_>>());
}

async fn an_event_of_a_unit_that_failed_never_was(t: Test) {
    append(&t, event(1)).await;
    let refused: Result<(), Failure> = unit!(t, |conn| {
        events::append(conn, &event(2)).await?;
        Err(Failure::Rule)
    });
    assert!(refused.is_err());
    append(&t, event(3)).await;
    let seen: Vec<_> = page(&t, None, 9)
        .await
        .iter()
        .map(|e| (e.seq, e.at))
        .collect();
    assert_eq!(seen, [(2, at(3)), (1, at(1))]);
}

async fn pages_go_back_from_the_latest(t: Test) {
    for n in 1..=7 {
        append(&t, event(n)).await;
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = page(&t, before, 3).await;
        let Some(last) = page.last() else { break };
        before = Some(last.seq);
        seen.extend(page.into_iter().map(|event| event.seq));
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    assert!(page(&t, Some(1), 9).await.is_empty());
}

async fn pruning_takes_the_oldest_and_stops_at_its_limit(t: Test) {
    for seconds in [30, 10, 20, 40] {
        append(&t, event(seconds)).await;
    }
    let prune = async |before, limit| {
        unit!(t, |conn| events::prune(conn, at(before), limit).await).unwrap()
    };
    assert_eq!(prune(10, 9).await, 0);
    assert_eq!(prune(31, 2).await, 2);
    let left: Vec<_> = page(&t, None, 9)
        .await
        .iter()
        .map(|event| event.at)
        .collect();
    assert_eq!(left, [at(40), at(30)]);
    assert_eq!((prune(31, 2).await, prune(31, 2).await), (1, 0));
    append(&t, event(50)).await;
    assert_eq!(
        page(&t, None, 1).await[0].seq,
        5,
        "a place is never given again"
    );
}

async fn what_is_no_event_is_corruption(t: Test) {
    for column in ["subject", "session"] {
        append(&t, event(1).subject(user(1)).session(session(1))).await;
        let damage = format!("UPDATE events SET {column} = substr({column}, 1, 3)");
        assert!(t.raw(&damage).await > 0);
        let read = read!(t, |conn| events::page(conn, None, 1));
        assert!(
            matches!(read, Err(StoreError::Corrupt(_))),
            "{column}: {read:?}"
        );
        t.raw("DELETE FROM events").await;
    }
}
