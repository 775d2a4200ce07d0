use countersign_core::{Client, ClientKind, FIRST_PARTY, Seq};
use countersign_store::{StoreError, clients};
use tokio::task::JoinSet;

use crate::support::{Test, at};

on_both! {
    the_built_in_client_is_there_and_cannot_be_touched,
    a_name_is_added_once,
    of_many_who_add_a_name_at_once_one_succeeds,
    a_secret_is_replaced_while_the_client_is_there,
    a_removed_client_that_comes_back_has_its_floor_and_not_its_secret,
    what_is_no_client_is_corruption,
}

async fn insert(t: &Test, id: &'static str, secret: u8) -> bool {
    unit!(t, |conn| {
        clients::insert(conn, id, ClientKind::Service, &[secret; 32], at(7)).await
    })
    .unwrap()
}

async fn find(t: &Test, id: &str) -> Option<(Client, Option<Vec<u8>>)> {
    read!(t, |conn| clients::by_id(conn, id)).unwrap()
}

async fn rotate(t: &Test, id: &'static str, secret: u8) -> bool {
    unit!(t, |conn| clients::rotate(conn, id, &[secret; 32]).await).unwrap()
}

async fn remove(t: &Test, id: &'static str) -> bool {
    unit!(t, |conn| clients::remove(conn, id, at(9)).await).unwrap()
}

async fn the_built_in_client_is_there_and_cannot_be_touched(t: Test) {
    assert!(!insert(&t, FIRST_PARTY, 1).await);
    assert!(!rotate(&t, FIRST_PARTY, 1).await && !remove(&t, FIRST_PARTY).await);
    let (client, secret) = find(&t, FIRST_PARTY).await.unwrap();
    assert_eq!((client.kind, secret), (ClientKind::FirstParty, None));
}

async fn a_name_is_added_once(t: Test) {
    assert!(find(&t, "shop").await.is_none());
    assert!(insert(&t, "shop", 1).await && !insert(&t, "shop", 2).await);
    assert!(insert(&t, "a.service", 3).await);
    let (client, secret) = find(&t, "shop").await.unwrap();
    assert_eq!((client.id.as_str(), client.name.as_str()), ("shop", "shop"));
    assert_eq!(
        (client.kind, client.created_at),
        (ClientKind::Service, at(7))
    );
    assert_eq!((client.revoked_floor, secret), (Seq(0), Some(vec![1; 32])));
    let all: Vec<_> = read!(t, |conn| clients::all(conn))
        .unwrap()
        .into_iter()
        .map(|client| client.id)
        .collect();
    assert_eq!(all, ["a.service", "countersign", "shop"]);
    for stranger in ["SHOP", "shop ", "shop\0", ""] {
        assert!(find(&t, stranger).await.is_none(), "{stranger:?}");
    }
}

async fn of_many_who_add_a_name_at_once_one_succeeds(t: Test) {
    let mut tries = JoinSet::new();
    for n in 0..12 {
        let db = t.db.clone();
        tries.spawn(async move {
            db.write(move |conn| {
                Box::pin(async move {
                    clients::insert(conn, "shop", ClientKind::Service, &[n; 32], at(0)).await
                })
            })
            .await
            .map(|won| won.then_some(n))
        });
    }
    let answers = tries.join_all().await;
    let won: Vec<_> = answers.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(find(&t, "shop").await.unwrap().1, Some(vec![won[0]; 32]));
}

async fn a_secret_is_replaced_while_the_client_is_there(t: Test) {
    assert!(!rotate(&t, "shop", 2).await);
    insert(&t, "shop", 1).await;
    assert!(rotate(&t, "shop", 2).await);
    assert_eq!(find(&t, "shop").await.unwrap().1, Some(vec![2; 32]));
    remove(&t, "shop").await;
    assert!(!rotate(&t, "shop", 3).await);
}

async fn a_removed_client_that_comes_back_has_its_floor_and_not_its_secret(t: Test) {
    insert(&t, "shop", 1).await;
    for raised in [50, 40] {
        unit!(t, |conn| clients::raise_floor(conn, "shop", Seq(raised))
            .await)
        .unwrap();
    }
    assert!(remove(&t, "shop").await && !remove(&t, "shop").await);
    assert!(find(&t, "shop").await.is_none());
    assert_eq!(read!(t, |conn| clients::all(conn)).unwrap().len(), 1);
    assert!(insert(&t, "shop", 2).await);
    let (client, secret) = find(&t, "shop").await.unwrap();
    assert_eq!((client.revoked_floor, secret), (Seq(50), Some(vec![2; 32])));
}

async fn what_is_no_client_is_corruption(t: Test) {
    insert(&t, "shop", 1).await;
    t.raw("UPDATE clients SET kind = 'robot' WHERE id = 'shop'")
        .await;
    let read = read!(t, |conn| clients::all(conn));
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}
