use countersign_core::{CredentialId, UserId};
use countersign_store::credentials::Brought;
use countersign_store::{StoreError, credentials};
use tokio::task::JoinSet;

use crate::support::{Test, at, user};

on_both! {
    a_password_is_replaced_by_who_verified_the_present_one,
    of_two_changes_at_once_one_wins,
    an_imported_hash_is_found_until_it_is_replaced,
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

async fn an_imported_hash_is_found_until_it_is_replaced(t: Test) {
    with_password(&t, 1).await;
    let imported = async |limit| read!(t, |conn| credentials::imported(conn, limit)).unwrap();
    assert_eq!(imported(9).await, [""; 0]);
    for n in [2, 3, 4] {
        let (id, credential) = (t.user(n).await, CredentialId::from_bytes([n; 16]));
        let hash = format!("foreign {n}");
        unit!(t, |conn| {
            let brought = Brought {
                id: credential,
                user: id,
                hash: &hash,
                foreign: true,
            };
            credentials::insert_brought(conn, &[brought], at(0)).await
        })
        .unwrap();
    }
    assert_eq!(password(&t, user(3)).await.as_deref(), Some("foreign 3"));
    assert_eq!(imported(2).await, ["foreign 2", "foreign 3"]);
    let replaced = unit!(t, |conn| {
        let replaced = credentials::replace_password(conn, user(2), "foreign 2", "ours", at(1));
        Ok::<_, StoreError>(
            replaced.await? && credentials::set_password(conn, user(3), "x", at(1)).await?,
        )
    });
    assert!(replaced.unwrap());
    assert_eq!(imported(9).await, ["foreign 4"]);
    assert_eq!(password(&t, user(2)).await.as_deref(), Some("ours"));
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
