use countersign_core::session::Lifecycle;
use countersign_core::{Dead, RoleSet, Seq, Session, SessionId, User, UserId};
use countersign_store::sessions::NewSession;
use countersign_store::{StoreError, clients, identifiers, log, sessions, users};
use std::time::Duration;
use tokio::task::JoinSet;

use crate::support::{Test, at, email, new_session, session, user};

const IDLE: Duration = Duration::from_secs(10_000);

on_both! {
    nobody_who_may_not_gets_a_session,
    a_session_on_its_floors_is_let_in,
    a_session_reads_back_as_it_was_written,
    a_session_is_read_with_its_user_as_they_are,
    a_cookie_belongs_to_one_session,
    a_session_ends_once,
    what_ended_a_session_from_above_shows_on_it,
    use_is_noted_forwards_only,
    lists_hold_what_nobody_ended,
    pages_follow_one_another,
    pruning_takes_the_oldest_and_stops_at_its_limit,
    bytes_of_the_wrong_length_are_corruption,
}

async fn find(t: &Test, id: SessionId) -> Option<Session> {
    read!(t, |conn| sessions::by_id(conn, id)).unwrap()
}

fn ids(sessions: Vec<Session>) -> Vec<SessionId> {
    sessions.into_iter().map(|session| session.id).collect()
}

async fn nobody_who_may_not_gets_a_session(t: Test) {
    let (disabled, revoked, good) = (t.user(1).await, t.user(2).await, t.user(3).await);
    unit!(t, |conn| {
        users::disable(conn, disabled, at(0)).await?;
        users::raise_floor(conn, revoked, Seq(101)).await
    })
    .unwrap();
    for (who, why) in [
        (user(9), "is gone"),
        (disabled, "is disabled"),
        (revoked, "was revoked since"),
    ] {
        assert!(!t.insert(&new_session(1, who)).await, "a user who {why}");
    }
    unit!(t, |conn| clients::raise_floor(
        conn,
        "countersign",
        Seq(101)
    )
    .await)
    .unwrap();
    assert!(
        !t.insert(&new_session(1, good)).await,
        "below the client's floor"
    );
    let above = NewSession {
        rev: Seq(101),
        ..new_session(1, good)
    };
    unit!(t, |conn| log::raise_issuer_floor(conn, Seq(102)).await).unwrap();
    assert!(!t.insert(&above).await, "below the issuer's floor");
    let above = NewSession {
        rev: Seq(102),
        ..above
    };
    t.raw("UPDATE clients SET disabled_at = 1").await;
    assert!(!t.insert(&above).await, "through a client that is disabled");
    assert!(find(&t, session(1)).await.is_none());
    t.raw("UPDATE clients SET disabled_at = NULL").await;
    assert!(t.insert(&above).await);
}

async fn a_session_on_its_floors_is_let_in(t: Test) {
    let id = t.user(1).await;
    unit!(t, |conn| {
        users::raise_floor(conn, id, Seq(100)).await?;
        clients::raise_floor(conn, "countersign", Seq(100)).await?;
        log::raise_issuer_floor(conn, Seq(100)).await
    })
    .unwrap();
    assert!(t.insert(&new_session(1, id)).await);
    assert_eq!(
        find(&t, session(1)).await.unwrap().alive(at(200), IDLE),
        Ok(())
    );
}

async fn a_session_reads_back_as_it_was_written(t: Test) {
    let id = t.user(1).await;
    let text = "Mozilla/5.0 (\u{1f431}\0)";
    let new = NewSession {
        user_agent: text.to_owned(),
        ..new_session(7, id)
    };
    assert!(t.insert(&new).await);
    let only = |found: Option<(Session, User)>| found.map(|(session, _)| session);
    for found in [
        find(&t, session(7)).await,
        only(read!(t, |conn| sessions::with_user_by_id(conn, session(7))).unwrap()),
        only(read!(t, |conn| sessions::with_user_by_cookie(conn, &[7; 32])).unwrap()),
    ] {
        let found = found.unwrap();
        assert_eq!(
            (found.id, found.user_id, found.rev),
            (session(7), id, Seq(100))
        );
        assert_eq!((found.auth_time, found.last_used), (at(100), at(100)));
        assert_eq!(
            (found.expires, found.address.as_str()),
            (at(1_000), "192.0.2.1")
        );
        assert_eq!(found.user_agent, text.replace('\0', "\u{fffd}"));
        assert!(matches!(found.lifecycle, Lifecycle::Active) && !found.user_disabled);
    }
    assert!(find(&t, session(8)).await.is_none());
    for found in [
        read!(t, |conn| sessions::with_user_by_id(conn, session(8))),
        read!(t, |conn| sessions::with_user_by_cookie(conn, &[8; 32])),
    ] {
        assert!(found.unwrap().is_none());
    }
}

async fn a_session_is_read_with_its_user_as_they_are(t: Test) {
    let (ada, plain) = (t.named(1, "ada").await, t.user(2).await);
    t.session(1, ada).await;
    t.session(2, plain).await;
    let (mail, roles) = (
        email("ada@example.com"),
        RoleSet::parse(&["b", "admin", "a"]),
    );
    let roles = roles.unwrap();
    unit!(t, |conn| {
        identifiers::claim(conn, &mail, ada).await?;
        users::set_roles(conn, ada, &roles).await
    })
    .unwrap();
    for (n, id) in [(1, ada), (2, plain)] {
        let known = read!(t, |conn| users::by_id(conn, id)).unwrap().unwrap();
        for found in [
            read!(t, |conn| sessions::with_user_by_id(conn, session(n))),
            read!(t, |conn| sessions::with_user_by_cookie(conn, &[n; 32])),
        ] {
            let (found, user) = found.unwrap().unwrap();
            assert_eq!((found.id, found.user_id), (session(n), id));
            assert_eq!(format!("{user:?}"), format!("{known:?}"));
        }
    }
    unit!(t, |conn| users::disable(conn, ada, at(5)).await).unwrap();
    let found = read!(t, |conn| sessions::with_user_by_id(conn, session(1)));
    let (found, user) = found.unwrap().unwrap();
    assert!(found.user_disabled && !user.is_enabled());
}

async fn a_cookie_belongs_to_one_session(t: Test) {
    let id = t.user(1).await;
    t.session(1, id).await;
    for copy in [
        NewSession {
            cookie_mac: Some([1; 32]),
            ..new_session(2, id)
        },
        NewSession {
            cookie_mac: None,
            ..new_session(1, id)
        },
    ] {
        let refused = unit!(t, |conn| sessions::insert(conn, &copy).await);
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    }
    for n in [3, 4] {
        assert!(
            t.insert(&NewSession {
                cookie_mac: None,
                ..new_session(n, id)
            })
            .await
        );
    }
}

async fn a_session_ends_once(t: Test) {
    let id = t.user(1).await;
    t.session(1, id).await;
    let mut ends = JoinSet::new();
    for n in 0..8 {
        let db = t.db.clone();
        ends.spawn(async move {
            db.write(move |conn| {
                Box::pin(async move {
                    sessions::revoke(conn, session(1), at(200 + n), &format!("by {n}")).await
                })
            })
            .await
            .map(|whose| whose.map(|whose| (n, whose)))
        });
    }
    let answers = ends.join_all().await;
    let won: Vec<(i64, UserId)> = answers.into_iter().filter_map(Result::unwrap).collect();
    let [(n, whose)] = won[..] else {
        panic!("{won:?}")
    };
    assert_eq!(whose, id);
    let found = find(&t, session(1)).await.unwrap();
    let Lifecycle::Revoked { at: ended, by } = &found.lifecycle else {
        panic!("{found:?}")
    };
    assert_eq!(
        (*ended, by.as_str()),
        (at(200 + n), format!("by {n}").as_str())
    );
    assert!(found.alive(at(300), IDLE).is_err());
    let never = unit!(t, |conn| sessions::revoke(conn, session(9), at(0), "x")
        .await);
    assert_eq!(never.unwrap(), None);
}

async fn what_ended_a_session_from_above_shows_on_it(t: Test) {
    let (ada, bob) = (t.user(1).await, t.user(2).await);
    t.session(1, ada).await;
    t.session(2, bob).await;
    let alive = async |n| find(&t, session(n)).await.unwrap().alive(at(200), IDLE);
    assert_eq!((alive(1).await, alive(2).await), (Ok(()), Ok(())));
    unit!(t, |conn| users::disable(conn, ada, at(150)).await).unwrap();
    assert!(find(&t, session(1)).await.unwrap().user_disabled);
    assert_eq!((alive(1).await.is_ok(), alive(2).await), (false, Ok(())));
    unit!(t, |conn| {
        users::enable(conn, ada).await?;
        users::raise_floor(conn, ada, Seq(101)).await
    })
    .unwrap();
    let dead: Result<(), Dead> = alive(1).await;
    assert_eq!((dead.is_ok(), alive(2).await), (false, Ok(())));
    unit!(t, |conn| clients::raise_floor(
        conn,
        "countersign",
        Seq(102)
    )
    .await)
    .unwrap();
    assert!(alive(2).await.is_err());
    unit!(t, |conn| log::raise_issuer_floor(conn, Seq(103)).await).unwrap();
    let floors = find(&t, session(1)).await.unwrap().floors;
    assert_eq!(
        (floors.user, floors.client, floors.issuer),
        (Seq(101), Seq(102), Seq(103))
    );
}

async fn use_is_noted_forwards_only(t: Test) {
    let id = t.user(1).await;
    t.session(1, id).await;
    let touch = async |seconds| {
        unit!(t, |conn| sessions::touch(conn, session(1), at(seconds))
            .await)
        .unwrap();
        find(&t, session(1)).await.unwrap().last_used
    };
    assert_eq!(touch(300).await, at(300));
    assert_eq!(touch(200).await, at(300));
    unit!(t, |conn| sessions::revoke(
        conn,
        session(1),
        at(400),
        "user"
    )
    .await)
    .unwrap();
    assert_eq!(touch(500).await, at(300));
}

async fn lists_hold_what_nobody_ended(t: Test) {
    let (id, other) = (t.user(1).await, t.user(2).await);
    for (n, expires) in [(1, 1_000), (2, 1_000), (3, 1_000), (4, 1_000), (5, 500)] {
        assert!(
            t.insert(&NewSession {
                expires: at(expires),
                ..new_session(n, id)
            })
            .await
        );
    }
    t.session(6, other).await;
    unit!(t, |conn| {
        sessions::touch(conn, session(3), at(300)).await?;
        sessions::touch(conn, session(1), at(200)).await?;
        sessions::revoke(conn, session(2), at(200), "user").await
    })
    .unwrap();
    let of_user = async |now, limit| {
        ids(read!(t, |conn| sessions::of_user(conn, id, at(now), limit)).unwrap())
    };
    assert_eq!(of_user(499, 9).await, [3, 1, 4, 5].map(session));
    assert_eq!(
        of_user(500, 9).await,
        [3, 1, 4].map(session),
        "5 has reached its end"
    );
    assert_eq!(of_user(499, 2).await, [3, 1].map(session));
    assert_eq!(of_user(1_000, 9).await, []);
}

async fn pages_follow_one_another(t: Test) {
    let (ada, bob) = (t.user(1).await, t.user(2).await);
    for n in [4, 1, 7, 2, 6, 3, 5] {
        t.session(n, if n % 2 == 0 { ada } else { bob }).await;
    }
    unit!(t, |conn| sessions::revoke(
        conn,
        session(4),
        at(200),
        "user"
    )
    .await)
    .unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = ids(read!(t, |conn| sessions::page(conn, after, at(999), 2)).unwrap());
        let Some(last) = page.last() else { break };
        after = Some(*last);
        seen.extend(page);
    }
    assert_eq!(seen, [1, 2, 3, 5, 6, 7].map(session));
    assert!(
        read!(t, |conn| sessions::page(conn, None, at(1_000), 9))
            .unwrap()
            .is_empty()
    );
}

async fn pruning_takes_the_oldest_and_stops_at_its_limit(t: Test) {
    let id = t.user(1).await;
    for (n, expires) in [(1, 700), (2, 500), (3, 600), (4, 800)] {
        assert!(
            t.insert(&NewSession {
                expires: at(expires),
                ..new_session(n, id)
            })
            .await
        );
    }
    let prune = async |before, limit| {
        unit!(t, |conn| sessions::prune(conn, at(before), limit).await).unwrap()
    };
    assert_eq!(prune(500, 9).await, 0, "its end is not before itself");
    assert_eq!(prune(701, 2).await, 2);
    assert_eq!(
        ids(read!(t, |c| sessions::page(c, None, at(0), 9)).unwrap()),
        [1, 4].map(session)
    );
    assert_eq!(prune(701, 2).await, 1);
    assert_eq!(prune(701, 2).await, 0);
}

async fn bytes_of_the_wrong_length_are_corruption(t: Test) {
    let id = t.user(1).await;
    t.session(1, id).await;
    assert_eq!(t.raw("UPDATE sessions SET id = substr(id, 1, 3)").await, 1);
    let found = read!(t, |conn| sessions::with_user_by_cookie(conn, &[1; 32]));
    assert!(matches!(found, Err(StoreError::Corrupt(_))), "{found:?}");
}
