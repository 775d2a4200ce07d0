use countersign_core::{Actor, UserId};
use countersign_flows::issue::Held;
use countersign_flows::password::{change, set};
use countersign_flows::{FlowError, Mode, Origin};
use countersign_token::Refusal;

use crate::site::{LIFE, PASSWORD, Site, from, refresh_token};

const NEXT: &str = "pear-harbour-42";

#[tokio::test]
async fn what_is_no_password_or_not_the_present_one_changes_nothing() {
    let site = Site::new().await;
    site.user("ada-lovelace", &[]).await;
    let held = site.sign_in("ada-lovelace", Mode::Token).await;
    let live = site.live(&held).await.unwrap();
    let hashes = site.hasher.started();
    for bad in ["short", "password123", "Ada-Lovelace", &"x".repeat(1025)] {
        let result = change(&site, &from("::1"), &live, &PASSWORD.into(), &bad.into()).await;
        refused!(result, FlowError::Invalid(found) if found[0].field == "new_password");
    }
    assert_eq!(site.hasher.started(), hashes);
    let result = change(&site, &from("::1"), &live, &NEXT.into(), &NEXT.into()).await;
    refused!(result, FlowError::InvalidCredentials);
    site.identify(&held).await.unwrap();
    site.sign_in("ada-lovelace", Mode::Token).await;
}

#[tokio::test]
async fn the_replacement_in_the_same_mode_is_all_that_stays() {
    for mode in [Mode::Token, Mode::Cookie, Mode::Session] {
        let site = Site::new().await;
        let ada = site.user("ada", &["editor"]).await;
        site.user("bob", &[]).await;
        let bob = site.sign_in("bob", Mode::Token).await;
        let others = [
            site.sign_in("ada", Mode::Token).await,
            site.sign_in("ada", Mode::Session).await,
        ];
        let held = site.sign_in("ada", mode).await;
        site.pass(LIFE / 3).await;
        let live = site.live(&held).await.unwrap();
        let next = change(&site, &from("::1"), &live, &PASSWORD.into(), &NEXT.into())
            .await
            .unwrap();
        assert_ne!(next.session, held.session);
        let events = site.events().await;
        let told = |kind: &str, session| {
            (
                kind.to_owned(),
                ada.id.to_string(),
                Some(ada.id),
                Some(session),
            )
        };
        assert_eq!(events[0], told("session.created", next.session));
        assert_eq!(events[1], told("user.password_changed", held.session));
        for dead in others.iter().chain([&held]) {
            match dead.held {
                Held::Session(_) => refused!(site.identify(dead).await, FlowError::SessionInvalid),
                _ => {
                    refused!(
                        site.identify(dead).await,
                        FlowError::Token(Refusal::Revoked)
                    );
                    refused!(site.live(dead).await, FlowError::Token(Refusal::Revoked));
                    refused!(
                        site.refresh(&refresh_token(dead)).await,
                        FlowError::RefreshInvalid
                    );
                }
            }
        }
        match (&next.held, mode) {
            (Held::Token(_), Mode::Token) | (Held::Cookie(_), Mode::Cookie) => {}
            (Held::Session(_), Mode::Session) => {}
            _ => panic!("{mode:?} was answered otherwise"),
        }
        assert_eq!(
            site.identify(&next).await.unwrap().roles.to_words(),
            ["editor"]
        );
        assert_eq!(site.live(&next).await.unwrap().session.id, next.session);
        if mode != Mode::Session {
            assert!(site.claims(&next).fresh);
            site.refresh(&refresh_token(&next)).await.unwrap();
        }
        site.identify(&bob).await.unwrap();
        refused!(
            site.try_sign_in("ada", PASSWORD, mode).await,
            FlowError::InvalidCredentials
        );
        site.try_sign_in("ada", NEXT, mode).await.unwrap();
    }
}

#[tokio::test]
async fn a_dead_session_changes_nothing() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let live = site.live(&held).await.unwrap();
    change(&site, &from("::1"), &live, &PASSWORD.into(), &NEXT.into())
        .await
        .unwrap();
    // Known to be alive a moment ago, and with the right password.
    let result = change(&site, &from("::1"), &live, &NEXT.into(), &PASSWORD.into()).await;
    refused!(result, FlowError::InvalidCredentials);
    site.try_sign_in("ada", NEXT, Mode::Token).await.unwrap();
}

#[tokio::test]
async fn an_operator_sets_a_password_and_every_session_ends() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let cli = Origin::operator();
    let unknown = UserId::from_bytes([7; 16]);
    let result = set(&site, &cli, unknown, &NEXT.into(), Actor::Operator).await;
    refused!(result, FlowError::NotFound("user"));
    let result = set(&site, &cli, ada.id, &"short".into(), Actor::Operator).await;
    refused!(result, FlowError::Invalid(found) if found[0].field == "password");
    site.identify(&held).await.unwrap();
    set(&site, &cli, ada.id, &NEXT.into(), Actor::Operator)
        .await
        .unwrap();
    let event = (
        "user.password_changed".to_owned(),
        "cli".to_owned(),
        Some(ada.id),
        None,
    );
    assert_eq!(site.events().await[0], event);
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
    refused!(
        site.try_sign_in("ada", PASSWORD, Mode::Token).await,
        FlowError::InvalidCredentials
    );
    site.try_sign_in("ada", NEXT, Mode::Token).await.unwrap();
}
