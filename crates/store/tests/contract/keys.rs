use countersign_core::Algorithm;
use countersign_core::key::KeyRecord;
use countersign_store::keys::{self, SealedKey};
use countersign_store::{StoreError, log};

use crate::support::{Test, at};

on_both! {
    a_kid_names_one_key,
    keys_come_oldest_first_and_as_they_were_written,
    a_key_is_revoked_once,
    a_key_can_be_moved_sealed_again_and_forgotten,
    an_unknown_algorithm_is_corruption,
}

fn key(kid: &str, signs_from: i64) -> SealedKey {
    SealedKey {
        record: KeyRecord {
            kid: kid.to_owned(),
            algorithm: Algorithm::Es256,
            created_at: at(1),
            signs_from: at(signs_from),
            revoked_at: None,
        },
        sealed: vec![0, 1, 255],
    }
}

async fn insert(t: &Test, key: SealedKey) -> Result<(), StoreError> {
    unit!(t, |conn| keys::insert(conn, &key).await)
}

async fn all(t: &Test) -> Vec<SealedKey> {
    read!(t, |conn| keys::all(conn)).unwrap()
}

async fn a_kid_names_one_key(t: Test) {
    assert!(all(&t).await.is_empty());
    insert(&t, key("a", 1)).await.unwrap();
    let again = insert(&t, key("a", 2)).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    assert_eq!(all(&t).await[0].record, key("a", 1).record);
    insert(&t, key("A", 2)).await.unwrap();
}

async fn keys_come_oldest_first_and_as_they_were_written(t: Test) {
    for key in [key("c", 30), key("b", 10), key("a", 20), key("B", 10)] {
        insert(&t, key).await.unwrap();
    }
    let found = all(&t).await;
    let kids: Vec<_> = found.iter().map(|key| key.record.kid.as_str()).collect();
    assert_eq!(
        kids,
        ["B", "b", "a", "c"],
        "ties byte by byte, on both engines"
    );
    assert_eq!(found[3].record, key("c", 30).record);
    assert_eq!(found[3].sealed, [0, 1, 255]);
}

async fn a_key_is_revoked_once(t: Test) {
    insert(&t, key("a", 1)).await.unwrap();
    let revoke = async |kid: &'static str, now| {
        unit!(t, |conn| keys::revoke(conn, kid, at(now)).await).unwrap()
    };
    assert!(!revoke("b", 5).await && !revoke("", 5).await && !revoke("a\0", 5).await);
    assert!(revoke("a", 5).await && !revoke("a", 6).await);
    assert_eq!(all(&t).await[0].record.revoked_at, Some(at(5)));
}

async fn a_key_can_be_moved_sealed_again_and_forgotten(t: Test) {
    insert(&t, key("a", 1)).await.unwrap();
    insert(&t, key("b", 2)).await.unwrap();
    unit!(t, |conn| {
        keys::sign_from(conn, "a", at(9)).await?;
        keys::reseal(conn, "a", &[7; 100]).await?;
        log::keys_changed(conn).await
    })
    .unwrap();
    let found = all(&t).await;
    assert_eq!(
        (found[0].record.kid.as_str(), found[0].sealed.as_slice()),
        ("b", &[0, 1, 255][..])
    );
    assert_eq!(
        (found[1].record.signs_from, found[1].sealed.as_slice()),
        (at(9), &[7; 100][..])
    );
    unit!(t, |conn| keys::delete(conn, "b").await).unwrap();
    assert_eq!(all(&t).await.len(), 1);
}

async fn an_unknown_algorithm_is_corruption(t: Test) {
    insert(&t, key("a", 1)).await.unwrap();
    t.raw("UPDATE keys SET algorithm = 'none'").await;
    let read = read!(t, |conn| keys::all(conn));
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}
