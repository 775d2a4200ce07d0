use countersign_core::grant::Rotations;
use countersign_core::{ClientKind, Seq};
use countersign_store::{StoreError, clients, grants, sessions};
use tokio::task::JoinSet;

use crate::support::{Test, at, grant, session};

on_both! {
    a_grant_needs_a_session_and_a_client,
    a_grant_reads_back_with_the_floor_of_its_own_client,
    a_counter_that_moved_or_a_session_that_ended_refuses_a_rotation,
    of_many_rotations_at_once_one_wins,
    a_nonce_of_the_wrong_length_is_corruption,
}

async fn a_grant_needs_a_session_and_a_client(t: Test) {
    let id = t.user(1).await;
    t.session(1, id).await;
    for (at_session, client) in [(session(9), "countersign"), (session(1), "nobody")] {
        let refused = unit!(t, |conn| grants::insert(
            conn,
            &grant(1),
            at_session,
            client,
            ""
        )
        .await);
        assert!(
            matches!(refused, Err(StoreError::Conflict)),
            "{client}: {refused:?}"
        );
    }
    assert!(
        read!(t, |conn| grants::by_id(conn, grant(1).id))
            .unwrap()
            .is_none()
    );
}

async fn a_grant_reads_back_with_the_floor_of_its_own_client(t: Test) {
    let id = t.user(1).await;
    t.session(1, id).await;
    unit!(t, |conn| {
        clients::insert(conn, "shop", ClientKind::Service, &[0; 32], at(0)).await?;
        clients::raise_floor(conn, "shop", Seq(77)).await?;
        grants::insert(conn, &grant(1), session(1), "countersign", "").await?;
        grants::insert(conn, &grant(2), session(1), "shop", "shop").await
    })
    .unwrap();
    for (n, client, floor) in [(1, "countersign", 0), (2, "shop", 77)] {
        let held = read!(t, |conn| grants::by_id(conn, grant(n).id))
            .unwrap()
            .unwrap();
        assert_eq!((held.grant.id, held.grant.nonce), (grant(n).id, [n; 16]));
        assert_eq!(
            (held.grant.counter, held.grant.rotations),
            (0, Rotations::default())
        );
        assert_eq!(
            (held.client_id.as_str(), held.session.floors.client),
            (client, Seq(floor))
        );
        assert_eq!((held.session.id, held.session.user_id), (session(1), id));
    }
}

async fn a_counter_that_moved_or_a_session_that_ended_refuses_a_rotation(t: Test) {
    let id = t.user(1).await;
    t.session(1, id).await;
    unit!(t, |conn| grants::insert(
        conn,
        &grant(1),
        session(1),
        "countersign",
        ""
    )
    .await)
    .unwrap();
    let rotate = async |n, counter| {
        unit!(t, |conn| {
            let rotations = Rotations::default().with(at(counter));
            grants::rotate(conn, grant(n).id, counter, &rotations).await
        })
        .unwrap()
    };
    assert!(!rotate(1, 1).await && !rotate(1, -1).await && !rotate(9, 0).await);
    assert!(rotate(1, 0).await && !rotate(1, 0).await && rotate(1, 1).await);
    let held = read!(t, |conn| grants::by_id(conn, grant(1).id))
        .unwrap()
        .unwrap();
    assert_eq!(
        (held.grant.counter, held.grant.rotations),
        (2, Rotations::default().with(at(1)))
    );
    unit!(t, |conn| sessions::revoke(
        conn,
        session(1),
        at(200),
        "user"
    )
    .await)
    .unwrap();
    assert!(!rotate(1, 2).await);
}

async fn of_many_rotations_at_once_one_wins(t: Test) {
    let id = t.user(1).await;
    t.session(1, id).await;
    unit!(t, |conn| grants::insert(
        conn,
        &grant(1),
        session(1),
        "countersign",
        ""
    )
    .await)
    .unwrap();
    for counter in 0..3 {
        let mut tries = JoinSet::new();
        for n in 0..20 {
            let db = t.db.clone();
            tries.spawn(async move {
                let rotations = Rotations::default().with(at(n));
                db.write(move |conn| {
                    Box::pin(
                        async move { grants::rotate(conn, grant(1).id, counter, &rotations).await },
                    )
                })
                .await
                .map(|won| won.then_some(n))
            });
        }
        let answers = tries.join_all().await;
        let won: Vec<_> = answers.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(won.len(), 1);
        let held = read!(t, |conn| grants::by_id(conn, grant(1).id))
            .unwrap()
            .unwrap();
        assert_eq!(held.grant.counter, counter + 1);
        assert_eq!(held.grant.rotations, Rotations::default().with(at(won[0])));
    }
}

async fn a_nonce_of_the_wrong_length_is_corruption(t: Test) {
    let id = t.user(1).await;
    t.session(1, id).await;
    unit!(t, |conn| grants::insert(
        conn,
        &grant(1),
        session(1),
        "countersign",
        ""
    )
    .await)
    .unwrap();
    assert_eq!(
        t.raw("UPDATE grants SET nonce = substr(nonce, 1, 3)").await,
        1
    );
    let held = read!(t, |conn| grants::by_id(conn, grant(1).id));
    assert!(matches!(held, Err(StoreError::Corrupt(_))), "{held:?}");
}
