use std::time::Duration;

use countersign_core::Seq;
use countersign_flows::logout::Proof;
use countersign_flows::{FlowError, Mode, Origin, authenticate, log, password};
use countersign_token::Refusal;

use crate::site::{PASSWORD, Site, credential, disabled, from, refresh_token, roles};

#[tokio::test]
async fn a_node_that_has_not_looked_for_a_second_answers_nothing() {
    let site = Site::new().await;
    site.user("ada", &["admin"]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let cookie = site.sign_in("ada", Mode::Session).await;
    let live = site.live(&held).await.unwrap();
    site.clock.advance(Duration::from_secs(1));
    site.identify(&held).await.unwrap();
    site.clock.advance(Duration::from_millis(1));
    assert!(!site.log.is_current(&site.clock));
    for held in [&held, &cookie] {
        refused!(site.identify(held).await, FlowError::Unavailable);
        refused!(site.live(held).await, FlowError::Unavailable);
        let result = authenticate::require_admin(&site, &credential(held)).await;
        refused!(result, FlowError::Unavailable);
    }
    for all in [false, true] {
        let proof = Proof::Credential(credential(&held));
        refused!(site.log_out(proof, all).await, FlowError::Unavailable);
        let proof = Proof::Refresh(refresh_token(&held));
        refused!(site.log_out(proof, all).await, FlowError::Unavailable);
    }
    refused!(
        site.refresh(&refresh_token(&held)).await,
        FlowError::Unavailable
    );
    let result = password::change(
        &site,
        &from("::1"),
        &live,
        &PASSWORD.into(),
        &"pear-harbour-42".into(),
    )
    .await;
    refused!(result, FlowError::Unavailable);
    for _ in 0..20 {
        let result = site.try_sign_in("ada", PASSWORD, Mode::Token).await;
        refused!(result, FlowError::Unavailable);
    }
    site.look().await;
    site.identify(&held).await.unwrap();
    site.sign_in("ada", Mode::Token).await;
}

#[tokio::test]
async fn a_node_that_could_not_look_moves_the_log_on_when_it_can_again() {
    let site = Site::with(|config| config.connections = 1).await;
    let before = site.verifier.seq();
    site.look().await;
    assert_eq!(site.verifier.seq(), before, "looking alone does not");
    // The pool's patience is two seconds of the machine's.
    let taken = site.db.read().await.unwrap();
    refused!(log::look(&site).await, FlowError::Unavailable);
    drop(taken);
    site.look().await;
    let returned = site.verifier.seq();
    assert!(returned > before);
    site.look().await;
    assert_eq!(site.verifier.seq(), returned);
}

#[tokio::test]
async fn a_second_node_honours_a_floor_after_its_look() {
    for site in Site::each().await {
        let ada = site.user("ada", &["editor"]).await;
        let bob = site.user("bob", &[]).await;
        let (ended, changed) = (
            site.sign_in("bob", Mode::Token).await,
            site.sign_in("ada", Mode::Token).await,
        );
        let other = site.node().await;
        site.change(&ada, roles(&["author"])).await.unwrap();
        site.change(&bob, disabled(true)).await.unwrap();
        refused!(
            site.identify(&changed).await,
            FlowError::Token(Refusal::Superseded)
        );
        refused!(
            site.identify(&ended).await,
            FlowError::Token(Refusal::Revoked)
        );
        other.identify(&changed).await.unwrap();
        other.identify(&ended).await.unwrap();
        // But changes nothing for a dead session: that asks the database.
        refused!(other.live(&ended).await, FlowError::Token(Refusal::Revoked));
        other.look().await;
        refused!(
            other.identify(&changed).await,
            FlowError::Token(Refusal::Superseded)
        );
        refused!(
            other.identify(&ended).await,
            FlowError::Token(Refusal::Revoked)
        );
        assert_eq!(
            other.verifier.seq(),
            site.verifier.seq().max(other.verifier.seq())
        );
    }
}

#[tokio::test]
async fn a_token_that_is_ahead_of_a_node_makes_it_look() {
    for site in Site::each().await {
        let ada = site.user("ada", &[]).await;
        let held = site.sign_in("ada", Mode::Token).await;
        let other = site.node().await;
        site.change(&ada, roles(&["editor"])).await.unwrap();
        other.identify(&held).await.unwrap();
        let next = site.refresh(&refresh_token(&held)).await.unwrap();
        assert!(site.claims(&next).rev > other.verifier.seq());
        assert_eq!(
            other.identify(&next).await.unwrap().roles.to_words(),
            ["editor"]
        );
        refused!(
            other.identify(&held).await,
            FlowError::Token(Refusal::Superseded)
        );
    }
}

#[tokio::test]
async fn a_log_that_went_back_leads_and_what_was_known_is_kept() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    site.change(&ada, disabled(true)).await.unwrap();
    site.look().await;
    let seq = site.verifier.seq();
    site.verifier.apply(&[], Seq(seq.0 + 1_000_000));
    site.look().await;
    assert_eq!(site.verifier.seq(), seq);
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
}

#[tokio::test]
async fn more_floors_than_one_page_are_all_read() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let other = site.node().await;
    let held_before = other.verifier.floors_held();
    let many = 10_500;
    let now = site.clock.now();
    site.db
        .write(move |conn| {
            Box::pin(async move {
                for at in 0..many {
                    let tick = countersign_store::log::advance(conn, now).await?;
                    let scope = countersign_core::Scope::Session;
                    let floor = countersign_core::Floor {
                        seq: tick.seq,
                        scope,
                        subject: countersign_core::Subject::of(scope, &at.to_string()),
                        reason: countersign_core::Reason::Revoked,
                        expires: now.plus(tick.life),
                    };
                    countersign_store::log::insert(conn, &floor).await?;
                }
                Ok::<_, FlowError>(())
            })
        })
        .await
        .unwrap();
    countersign_flows::sessions::end_session(
        &site,
        &Origin::operator(),
        held.session,
        countersign_core::Actor::Operator,
    )
    .await
    .unwrap();
    other.look().await;
    assert_eq!(other.verifier.floors_held() - held_before, many + 1);
    refused!(
        other.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
}
