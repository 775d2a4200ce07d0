use countersign_core::{Actor, IdentifierKind, UserId};
use countersign_flows::delete_account::{delete, delete_own};
use countersign_flows::profile::{NewNames, read, rename};
use countersign_flows::{FlowError, Mode, Origin};
use countersign_token::Refusal;

use crate::site::{PASSWORD, Site, from, refresh_token};

fn names(username: Option<&str>, email: Option<&str>) -> NewNames {
    NewNames {
        username: username.map(str::to_owned),
        email: email.map(str::to_owned),
    }
}

#[tokio::test]
async fn names_that_are_wrong_or_taken_change_nothing() {
    let site = Site::new().await;
    site.user("bob", &[]).await;
    site.user("bob@example.com", &[]).await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let live = site.live(&held).await.unwrap();
    let attempt = |names: NewNames, password: &'static str| {
        let (site, live) = (site.clone(), live.clone());
        async move { rename(&site, &from("::1"), &live, &names, &password.into()).await }
    };
    refused!(
        attempt(names(None, None), PASSWORD).await,
        FlowError::Invalid(_)
    );
    refused!(
        attempt(names(Some("a b"), Some("x")), PASSWORD).await,
        FlowError::Invalid(found) if found.len() == 2
    );
    refused!(
        attempt(names(Some("eve"), None), "wrong-harbour-41").await,
        FlowError::InvalidCredentials
    );
    // All or nothing: the username is free, the address is not.
    for (new, taken) in [
        (
            names(Some("BOB"), Some("ada@example.com")),
            IdentifierKind::Username,
        ),
        (
            names(Some("eve"), Some("Bob@Example.com")),
            IdentifierKind::Email,
        ),
    ] {
        refused!(attempt(new, PASSWORD).await, FlowError::NameTaken(kind) if kind == taken);
    }
    let user = read(&site, live.user.id).await.unwrap();
    assert_eq!((user.username.as_deref(), user.email), (Some("ada"), None));
    site.identify(&held).await.unwrap();
    refused!(
        read(&site, UserId::from_bytes([7; 16])).await,
        FlowError::NotFound("user")
    );
}

#[tokio::test]
async fn new_names_supersede_tokens_and_end_no_session() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let cookie = site.sign_in("ada", Mode::Session).await;
    let live = site.live(&held).await.unwrap();
    let new = names(Some("Eve"), Some("eve@example.com"));
    let user = rename(&site, &from("::1"), &live, &new, &PASSWORD.into())
        .await
        .unwrap();
    assert_eq!(
        (user.username.as_deref(), user.email.as_deref()),
        (Some("Eve"), Some("eve@example.com"))
    );
    let event = (
        "user.names_changed".to_owned(),
        ada.id.to_string(),
        Some(ada.id),
        Some(held.session),
    );
    assert_eq!(site.events().await[0], event);
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Superseded)
    );
    let next = site.refresh(&refresh_token(&held)).await.unwrap();
    assert_eq!(site.identify(&next).await.unwrap().name, "Eve");
    assert_eq!(site.identify(&cookie).await.unwrap().name, "Eve");
    refused!(
        site.try_sign_in("ada", PASSWORD, Mode::Token).await,
        FlowError::InvalidCredentials
    );
    assert_eq!(
        site.sign_in("eve@example.com", Mode::Token).await.user.id,
        ada.id
    );
    // The old name is free, and whoever takes it is somebody else.
    assert_ne!(site.user("ada", &[]).await.id, ada.id);
    // One's own name in another spelling is not taken.
    let live = site.live(&next).await.unwrap();
    rename(
        &site,
        &from("::1"),
        &live,
        &names(Some("EVE"), None),
        &PASSWORD.into(),
    )
    .await
    .unwrap();
    assert_eq!(
        read(&site, ada.id).await.unwrap().email.as_deref(),
        Some("eve@example.com")
    );
}

#[tokio::test]
async fn the_last_administrator_and_a_wrong_password_delete_nothing() {
    let site = Site::new().await;
    let ada = site.user("ada", &["admin"]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let live = site.live(&held).await.unwrap();
    let result = delete_own(&site, &from("::1"), &live, &"wrong-harbour-41".into()).await;
    refused!(result, FlowError::InvalidCredentials);
    let result = delete_own(&site, &from("::1"), &live, &PASSWORD.into()).await;
    refused!(result, FlowError::LastAdmin);
    let result = delete(&site, &Origin::operator(), ada.id, Actor::Operator).await;
    refused!(result, FlowError::LastAdmin);
    let unknown = UserId::from_bytes([7; 16]);
    let result = delete(&site, &Origin::operator(), unknown, Actor::Operator).await;
    refused!(result, FlowError::NotFound("user"));
    site.identify(&held).await.unwrap();
    site.user("bob", &["admin"]).await;
    delete_own(&site, &from("::1"), &live, &PASSWORD.into())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_deleted_account_leaves_a_floor_an_event_and_a_free_name() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let cookie = site.sign_in("ada", Mode::Session).await;
    let live = site.live(&held).await.unwrap();
    delete_own(&site, &from("::1"), &live, &PASSWORD.into())
        .await
        .unwrap();
    let event = (
        "user.deleted".to_owned(),
        ada.id.to_string(),
        Some(ada.id),
        None,
    );
    assert_eq!(site.events().await[0], event);
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
    refused!(site.identify(&cookie).await, FlowError::SessionInvalid);
    refused!(
        site.refresh(&refresh_token(&held)).await,
        FlowError::RefreshInvalid
    );
    refused!(
        site.try_sign_in("ada", PASSWORD, Mode::Token).await,
        FlowError::InvalidCredentials
    );
    refused!(read(&site, ada.id).await, FlowError::NotFound("user"));
    // Asked again by a request that was under way.
    let result = delete_own(&site, &from("::1"), &live, &PASSWORD.into()).await;
    refused!(result, FlowError::InvalidCredentials);
    let again = site.user("ada", &[]).await;
    assert_ne!(again.id, ada.id);
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
    site.identify(&site.sign_in("ada", Mode::Token).await)
        .await
        .unwrap();
}
