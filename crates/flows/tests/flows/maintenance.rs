use std::time::Duration;

use countersign_flows::logout::Proof;
use countersign_flows::maintenance::tidy;
use countersign_flows::{FlowError, Mode};
use countersign_store::{grants, log};
use countersign_token::Refusal;

use crate::site::{DAY, LIFE, MINUTE, Site, credential, refresh_token};

async fn floors(site: &Site) -> usize {
    let mut reader = site.db.read().await.unwrap();
    log::floors_after(&mut reader.conn(), countersign_core::Seq(0), 100)
        .await
        .unwrap()
        .len()
}

#[tokio::test]
async fn a_floor_is_kept_while_a_token_could_be_below_it() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    site.log_out(Proof::Credential(credential(&held)), false)
        .await
        .unwrap();
    site.pass(LIFE - Duration::from_millis(1)).await;
    tidy(&site).await.unwrap();
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
    refused!(
        site.node().await.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
    for (later, left) in [
        (Duration::from_millis(1), 1),
        (MINUTE, 1),
        (Duration::from_millis(1), 0),
    ] {
        site.pass(later).await;
        tidy(&site).await.unwrap();
        assert_eq!(floors(&site).await, left);
    }
    assert_eq!(site.verifier.floors_held(), 0);
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Expired)
    );
}

#[tokio::test]
async fn a_session_is_kept_for_a_week_after_its_end() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    for (later, known) in [(DAY * 97, true), (Duration::from_millis(1), false)] {
        site.pass(later).await;
        tidy(&site).await.unwrap();
        match site.refresh(&refresh_token(&held)).await {
            Err(FlowError::RefreshExpired) => assert!(known),
            Err(FlowError::RefreshInvalid) => assert!(!known),
            _ => panic!("it is {} days old", later.as_secs() / 86_400),
        }
    }
    let id = countersign_core::RefreshToken::parse(&refresh_token(&held))
        .unwrap()
        .grant_id();
    let mut reader = site.db.read().await.unwrap();
    assert!(
        grants::by_id(&mut reader.conn(), id)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn events_are_kept_as_long_as_is_configured() {
    let site = Site::with(|config| config.settings.audit_retention = DAY).await;
    site.user("ada", &[]).await;
    site.pass(DAY).await;
    site.user("bob", &[]).await;
    tidy(&site).await.unwrap();
    assert_eq!(site.events().await.len(), 3);
    site.pass(Duration::from_millis(1)).await;
    tidy(&site).await.unwrap();
    assert_eq!(site.events().await.len(), 1);
}

#[tokio::test]
async fn a_counter_is_kept_while_its_window_lasts() {
    let site = Site::new().await;
    for _ in 0..10 {
        let _ = site
            .try_sign_in("ada", "wrong-harbour-41", Mode::Token)
            .await;
    }
    site.pass(LIFE - Duration::from_millis(1)).await;
    tidy(&site).await.unwrap();
    let result = site
        .try_sign_in("ada", "wrong-harbour-41", Mode::Token)
        .await;
    refused!(result, FlowError::Throttled { .. });
}

#[tokio::test]
async fn what_is_alive_stays() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let mut held = site.sign_in("ada", Mode::Token).await;
    for _ in 0..3 {
        site.pass(DAY * 29).await;
        tidy(&site).await.unwrap();
        held = site.refresh(&refresh_token(&held)).await.unwrap();
        site.identify(&held).await.unwrap();
    }
}
