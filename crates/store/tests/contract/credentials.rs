use countersign_core::{CredentialId, UserId};
use countersign_store::{StoreError, credentials, identifiers};
use tokio::task::JoinSet;

use crate::support::{Test, at, user};

on_both! {
    a_password_is_replaced_by_who_verified_the_present_one,
    of_two_changes_at_once_one_wins,
    the_next_password_in_the_order_of_names_is_found_and_goes_round,
    passwords_are_read_from_one_id_to_another,
}

async fn with_password(t: &Test, n: u8) -> UserId {
    let id = t.user(n).await;
    let credential = CredentialId::from_bytes([n; 16]);
    unit!(t, |conn| {
        credentials::insert_password(conn, credential, id, "first", at(0)).await
    })
    .unwrap();
    id
}

async fn password(t: &Test, id: UserId) -> Option<String> {
    read!(t, |conn| credentials::password(conn, id)).unwrap()
}

async fn a_password_is_replaced_by_who_verified_the_present_one(t: Test) {
    let (id, other) = (with_password(&t, 1).await, with_password(&t, 2).await);
    let replace = async |id, verified: &'static str, hash: &'static str| {
        unit!(t, |conn| {
            credentials::replace_password(conn, id, verified, hash, at(1)).await
        })
        .unwrap()
    };
    assert!(!replace(id, "another", "second").await);
    assert!(!replace(user(9), "first", "second").await);
    assert!(replace(id, "first", "second").await);
    assert!(!replace(id, "first", "third").await);
    assert_eq!(password(&t, id).await.as_deref(), Some("second"));
    assert_eq!(password(&t, other).await.as_deref(), Some("first"));
    assert_eq!(password(&t, user(9)).await, None);

    let set = async |id| {
        unit!(t, |conn| credentials::set_password(conn, id, "set", at(2))
            .await)
        .unwrap()
    };
    assert!(set(id).await && !set(user(9)).await);
    assert_eq!(password(&t, id).await.as_deref(), Some("set"));

    let orphan = unit!(t, |conn| {
        let credential = CredentialId::from_bytes([9; 16]);
        credentials::insert_password(conn, credential, user(9), "x", at(0)).await
    });
    assert!(matches!(orphan, Err(StoreError::Conflict)), "{orphan:?}");
}

async fn of_two_changes_at_once_one_wins(t: Test) {
    let id = with_password(&t, 1).await;
    let mut changes = JoinSet::new();
    for n in 0..8 {
        let db = t.db.clone();
        changes.spawn(async move {
            let hash = format!("hash {n}");
            db.write(move |conn| {
                Box::pin(async move {
                    credentials::replace_password(conn, id, "first", &hash, at(1)).await
                })
            })
            .await
            .map(|won| won.then_some(n))
        });
    }
    let answers = changes.join_all().await;
    let won: Vec<_> = answers.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(password(&t, id).await, Some(format!("hash {}", won[0])));
}

async fn the_next_password_in_the_order_of_names_is_found_and_goes_round(t: Test) {
    let name = |text: &str| countersign_core::Identifier::username(text).unwrap();
    let next = async |text: &str| {
        let name = name(text);
        read!(t, |conn| credentials::next_password(conn, &name)).unwrap()
    };
    assert_eq!(next("ada").await, None);
    for (n, text) in [(1, "bob"), (2, "eve"), (3, "mia")] {
        let (id, name) = (t.user(n).await, name(text));
        let credential = CredentialId::from_bytes([n; 16]);
        unit!(t, |conn| {
            assert!(identifiers::claim(conn, &name, id).await?);
            // Mia has none, and is passed over.
            match n {
                3 => Ok(()),
                _ => credentials::insert_password(conn, credential, id, name.value(), at(0)).await,
            }
        })
        .unwrap();
    }
    for (after, found) in [
        ("a", "bob"),
        ("bob", "eve"),
        ("dan", "eve"),
        ("eve", "bob"),
        ("z", "bob"),
    ] {
        assert_eq!(next(after).await.as_deref(), Some(found), "{after}");
    }
    // Addresses are another order.
    let mail = countersign_core::Identifier::email("a@b").unwrap();
    assert_eq!(
        read!(t, |conn| credentials::next_password(conn, &mail)).unwrap(),
        None
    );
}

async fn passwords_are_read_from_one_id_to_another(t: Test) {
    for n in [1, 2, 4, 5] {
        with_password(&t, n).await;
    }
    t.user(3).await;
    let (first, last) = (user(2), user(4));
    let found = read!(t, |conn| credentials::passwords_between(conn, first, last)).unwrap();
    let first = "first".to_owned();
    assert_eq!(found, [(user(2), first.clone()), (user(4), first)]);
}
