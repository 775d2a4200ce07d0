use countersign_core::{Actor, ClientKind, FIRST_PARTY};
use countersign_flows::clients::{add, list, remove, rotate};
use countersign_flows::{FlowError, Mode, Origin};
use countersign_store::clients;

use crate::site::Site;

async fn hash_of(site: &Site, id: &str) -> Option<Vec<u8>> {
    let mut reader = site.db.read().await.unwrap();
    clients::by_id(&mut reader.conn(), id)
        .await
        .unwrap()
        .and_then(|(_, hash)| hash)
}

#[tokio::test]
async fn names_that_are_none_and_kinds_to_come_are_refused() {
    for site in Site::each().await {
        let cli = Origin::operator();
        for id in ["", "Shop", "a b", "a\0", FIRST_PARTY, &"x".repeat(65)] {
            let result = add(&site, &cli, id, ClientKind::Service, Actor::Operator).await;
            refused!(result, FlowError::Invalid(found) if found[0].field == "name");
            if id != FIRST_PARTY {
                let result = remove(&site, &cli, id, Actor::Operator).await;
                refused!(result, FlowError::NotFound("client"));
            }
        }
        let result = add(&site, &cli, "shop", ClientKind::FirstParty, Actor::Operator).await;
        refused!(result, FlowError::Invalid(found) if found[0].field == "kind");
        refused!(
            remove(&site, &cli, FIRST_PARTY, Actor::Operator).await,
            FlowError::Invalid(_)
        );
        for id in ["shop", FIRST_PARTY, "a\0"] {
            let result = rotate(&site, &cli, id, Actor::Operator).await;
            refused!(result, FlowError::NotFound("client"));
        }
        assert_eq!(list(&site).await.unwrap().len(), 1);
        assert!(
            site.events()
                .await
                .iter()
                .all(|(kind, ..)| !kind.starts_with("client."))
        );
    }
}

#[tokio::test]
async fn a_service_has_one_secret_until_it_is_removed() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let cli = Origin::operator();
    let (client, first) = add(&site, &cli, "shop", ClientKind::Service, Actor::Operator)
        .await
        .unwrap();
    assert_eq!(
        (client.id.as_str(), client.kind, client.revoked_floor.0),
        ("shop", ClientKind::Service, 0)
    );
    assert!(first.matches(&hash_of(&site, "shop").await.unwrap()));
    let result = add(&site, &cli, "shop", ClientKind::Service, Actor::Operator).await;
    refused!(result, FlowError::Exists("client"));
    let second = rotate(&site, &cli, "shop", Actor::Operator).await.unwrap();
    let hash = hash_of(&site, "shop").await.unwrap();
    assert!(second.matches(&hash) && !first.matches(&hash));
    remove(&site, &cli, "shop", Actor::Operator).await.unwrap();
    assert!(hash_of(&site, "shop").await.is_none());
    let result = remove(&site, &cli, "shop", Actor::Operator).await;
    refused!(result, FlowError::NotFound("client"));
    let result = rotate(&site, &cli, "shop", Actor::Operator).await;
    refused!(result, FlowError::NotFound("client"));
    let kinds: Vec<_> = site
        .events()
        .await
        .into_iter()
        .map(|event| event.0)
        .take(3)
        .collect();
    assert_eq!(kinds, ["client.removed", "client.rotated", "client.added"]);
    // One of the same name is another, above the floor of the first.
    let (client, third) = add(&site, &cli, "shop", ClientKind::Service, Actor::Operator)
        .await
        .unwrap();
    assert!(client.revoked_floor.0 > 0 && third.matches(&hash_of(&site, "shop").await.unwrap()));
    site.look().await;
    site.identify(&held).await.unwrap();
}
