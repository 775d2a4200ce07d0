use countersign_core::{Actor, EventKind};
use countersign_flows::tokens::{self, Which};
use countersign_flows::{FlowError, Mode, Origin, SignedIn, authenticate, logout::Proof};
use countersign_token::Refusal;

use crate::site::{LIFE, Site, access, credential, disabled, refresh_token, roles};

async fn active(site: &Site, token: &str) -> bool {
    tokens::introspect(site, token).await.unwrap().is_some()
}

async fn revoke(site: &Site, token: &str) {
    tokens::revoke(site, &Origin::operator(), token)
        .await
        .unwrap();
}

async fn by_admin(site: &Site, which: Which) -> Result<(), FlowError> {
    tokens::revoke_by_admin(site, &Origin::operator(), which, Actor::Operator).await
}

/// Another's token, a changed one, no token at all.
async fn strange(held: &SignedIn) -> Vec<String> {
    let foreign = Site::new().await;
    foreign.user("ada", &[]).await;
    let theirs = foreign.sign_in("ada", Mode::Token).await;
    let mut changed = access(held);
    changed.truncate(changed.len() - 4);
    vec![
        access(&theirs),
        refresh_token(&theirs),
        changed,
        String::new(),
        "a.b.c".to_owned(),
        "\0".to_owned(),
    ]
}

#[tokio::test]
async fn only_living_access_tokens_are_active() {
    for end in [
        "logout",
        "disabled",
        "roles",
        "withdrawn",
        "expired",
        "refresh",
    ] {
        let site = Site::new().await;
        let ada = site.user("ada", &["editor"]).await;
        let held = site.sign_in("ada", Mode::Token).await;
        for token in strange(&held).await {
            assert!(!active(&site, &token).await);
        }
        assert!(!active(&site, &refresh_token(&held)).await);
        let (claims, user) = tokens::introspect(&site, &access(&held))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((claims.as_ref(), user.id), (&site.claims(&held), ada.id));
        match end {
            "logout" => site
                .log_out(Proof::Refresh(refresh_token(&held)), false)
                .await
                .unwrap(),
            "disabled" => drop(site.change(&ada, disabled(true)).await.unwrap()),
            "roles" => drop(site.change(&ada, roles(&["reader"])).await.unwrap()),
            "withdrawn" => revoke(&site, &access(&held)).await,
            "expired" => site.pass(LIFE).await,
            _ => {
                let next = site.refresh(&refresh_token(&held)).await.unwrap();
                assert!(active(&site, &access(&next)).await && active(&site, &access(&held)).await);
                continue;
            }
        }
        assert!(!active(&site, &access(&held)).await, "{end}");
    }
}

#[tokio::test]
async fn a_session_that_ended_without_a_floor_is_not_active() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    site.sql("DELETE FROM sessions").await;
    site.identify(&held).await.unwrap();
    assert!(!active(&site, &access(&held)).await);
}

#[tokio::test]
async fn a_token_is_withdrawn_alone_and_once() {
    for site in Site::each().await {
        site.user("ada", &[]).await;
        let held = site.sign_in("ada", Mode::Token).await;
        let other = site.refresh(&refresh_token(&held)).await.unwrap();
        let before = site.events().await.len();
        for token in strange(&held).await {
            revoke(&site, &token).await;
        }
        assert_eq!(site.events().await.len(), before);
        revoke(&site, &access(&held)).await;
        revoke(&site, &access(&held)).await;
        refused!(
            site.identify(&held).await,
            FlowError::Token(Refusal::Revoked)
        );
        site.identify(&other).await.unwrap();
        site.node().await.identify(&other).await.unwrap();
        refused!(
            site.node().await.identify(&held).await,
            FlowError::Token(Refusal::Revoked)
        );
        let events = site.events().await;
        assert_eq!(events.len(), before + 1);
        assert_eq!(events[0].0, EventKind::TokenRevoked.as_str());
        assert_eq!(events[0].2, Some(other.user.id));
        site.refresh(&refresh_token(&other)).await.unwrap();
    }
}

#[tokio::test]
async fn a_refresh_token_is_taken_back_with_its_login() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let other = site.sign_in("ada", Mode::Token).await;
    revoke(&site, &refresh_token(&held)).await;
    revoke(&site, &refresh_token(&held)).await;
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
    refused!(
        site.refresh(&refresh_token(&held)).await,
        FlowError::RefreshInvalid
    );
    site.identify(&other).await.unwrap();
}

#[tokio::test]
async fn an_administrator_withdraws_by_text_or_by_id() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let [by_text, by_id, kept] = [
        site.sign_in("ada", Mode::Token).await,
        site.sign_in("ada", Mode::Token).await,
        site.sign_in("ada", Mode::Token).await,
    ];
    for token in strange(&by_text).await {
        refused!(
            by_admin(&site, Which::Token(token)).await,
            FlowError::Invalid(_)
        );
    }
    for jti in [String::new(), "x".repeat(129)] {
        refused!(
            by_admin(&site, Which::Jti(jti)).await,
            FlowError::Invalid(_)
        );
    }
    by_admin(&site, Which::Jti("\0 of no token".to_owned()))
        .await
        .unwrap();
    by_admin(&site, Which::Token(access(&by_text)))
        .await
        .unwrap();
    by_admin(&site, Which::Jti(site.claims(&by_id).jti))
        .await
        .unwrap();
    for held in [&by_text, &by_id] {
        refused!(
            site.identify(held).await,
            FlowError::Token(Refusal::Revoked)
        );
    }
    site.identify(&kept).await.unwrap();
}

#[tokio::test]
async fn checking_a_token_takes_no_room_for_the_queries_that_it_does_not_make() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = credential(&site.sign_in("ada", Mode::Token).await);
    // It is a part of the future of every request that may carry a token.
    let room = size_of_val(&authenticate::identify(&site, &held));
    assert!(room < 1_024, "{room} bytes");
}
