use std::time::Duration;

use countersign_core::{Actor, SessionId};
use countersign_flows::logout::Proof;
use countersign_flows::sessions::{
    end_all_of_user, end_everything, end_own, end_session, list, page,
};
use countersign_flows::{FlowError, Mode, Origin};
use countersign_token::Refusal;

use crate::site::{DAY, Site, credential, from, refresh_token};

#[tokio::test]
async fn a_session_that_is_not_ones_own_or_not_alive_is_not_found() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    site.user("bob", &[]).await;
    let ada = site.sign_in("ada", Mode::Token).await;
    let gone = site.sign_in("ada", Mode::Token).await;
    site.log_out(Proof::Credential(credential(&gone)), false)
        .await
        .unwrap();
    let bob = site.sign_in("bob", Mode::Token).await;
    let live = site.live(&ada).await.unwrap();
    for id in [bob.session, gone.session, SessionId::from_bytes([7; 16])] {
        refused!(
            end_own(&site, &from("::1"), &live, id).await,
            FlowError::NotFound("session")
        );
    }
    site.identify(&bob).await.unwrap();
    end_own(&site, &from("::1"), &live, ada.session)
        .await
        .unwrap();
    refused!(
        site.identify(&ada).await,
        FlowError::Token(Refusal::Revoked)
    );
}

#[tokio::test]
async fn a_list_has_the_living_sessions_last_used_first() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    site.user("bob", &[]).await;
    site.sign_in("bob", Mode::Token).await;
    let idle = site.sign_in("ada", Mode::Token).await;
    site.pass(DAY * 29).await;
    let mut held = Vec::new();
    for mode in [Mode::Token, Mode::Cookie, Mode::Session] {
        site.pass(Duration::from_secs(1)).await;
        held.push(site.sign_in("ada", mode).await);
    }
    let told = async || {
        let ids = list(&site, ada.id)
            .await
            .unwrap()
            .into_iter()
            .map(|session| session.id);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(
        told().await,
        [
            held[2].session,
            held[1].session,
            held[0].session,
            idle.session
        ]
    );
    site.pass(DAY).await;
    site.refresh(&refresh_token(&held[0])).await.unwrap();
    site.log_out(Proof::Credential(credential(&held[2])), false)
        .await
        .unwrap();
    assert_eq!(told().await, [held[0].session, held[1].session]);
    end_all_of_user(&site, &Origin::operator(), ada.id, Actor::Operator)
        .await
        .unwrap();
    assert!(told().await.is_empty());
}

#[tokio::test]
async fn a_cookie_that_is_used_keeps_its_place_in_the_list() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Session).await;
    let last_used = async || list(&site, ada.id).await.unwrap()[0].last_used;
    let made = last_used().await;
    site.pass(Duration::from_secs(59)).await;
    site.identify(&held).await.unwrap();
    assert_eq!(last_used().await, made, "not on every request");
    site.pass(Duration::from_secs(1)).await;
    site.identify(&held).await.unwrap();
    assert_eq!(last_used().await, site.clock.now());
}

#[tokio::test]
async fn pages_have_everybody_s_living_sessions_once() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    site.user("bob", &[]).await;
    let mut expected = Vec::new();
    for at in 0..7 {
        // Ids are in order of their milliseconds.
        site.pass(Duration::from_millis(1)).await;
        let held = site.sign_in(["ada", "bob"][at % 2], Mode::Token).await;
        match at {
            2 => site
                .log_out(Proof::Refresh(refresh_token(&held)), false)
                .await
                .unwrap(),
            _ => expected.push(held.session),
        }
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (sessions, next) = page(&site, after, 2).await.unwrap();
        found.extend(sessions.into_iter().map(|session| session.id));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_session_is_ended_once_and_says_by_whom() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    let boss = site.user("boss", &["admin"]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let actor = Actor::User(boss.id);
    assert!(
        end_session(&site, &from("::1"), held.session, actor.clone())
            .await
            .unwrap()
    );
    let events = site.events().await;
    let event = (
        "session.revoked".to_owned(),
        boss.id.to_string(),
        Some(ada.id),
        Some(held.session),
    );
    assert_eq!(events[0], event);
    for id in [held.session, SessionId::from_bytes([7; 16])] {
        assert!(
            !end_session(&site, &from("::1"), id, actor.clone())
                .await
                .unwrap()
        );
    }
    assert_eq!(site.events().await, events);
    let nobody = countersign_core::UserId::from_bytes([7; 16]);
    let result = end_all_of_user(&site, &from("::1"), nobody, actor).await;
    refused!(result, FlowError::NotFound("user"));
}

#[tokio::test]
async fn everything_ends_at_once_and_new_logins_are_accepted() {
    let site = Site::new().await;
    let mut held = Vec::new();
    for name in ["ada", "bob"] {
        site.user(name, &[]).await;
        held.push(site.sign_in(name, Mode::Token).await);
        held.push(site.sign_in(name, Mode::Session).await);
    }
    // From the command line, which reads the issuer that the server serves as.
    let beside = site
        .command(|config| config.settings.issuer = "http://127.0.0.1:5000".to_owned())
        .await;
    end_everything(&beside, &Origin::operator(), Actor::Operator)
        .await
        .unwrap();
    site.look().await;
    let event = ("issuer.revoked".to_owned(), "cli".to_owned(), None, None);
    assert_eq!(site.events().await[0], event);
    for pair in held.chunks(2) {
        refused!(
            site.identify(&pair[0]).await,
            FlowError::Token(Refusal::Revoked)
        );
        refused!(
            site.refresh(&refresh_token(&pair[0])).await,
            FlowError::RefreshInvalid
        );
        refused!(site.identify(&pair[1]).await, FlowError::SessionInvalid);
    }
    assert!(page(&site, None, 100).await.unwrap().0.is_empty());
    let next = site.sign_in("ada", Mode::Token).await;
    site.identify(&next).await.unwrap();
    // The floor outlives its place in the log.
    site.pass(DAY).await;
    countersign_flows::maintenance::tidy(&site).await.unwrap();
    refused!(
        site.refresh(&refresh_token(&held[0])).await,
        FlowError::RefreshInvalid
    );
    site.refresh(&refresh_token(&next)).await.unwrap();
}
