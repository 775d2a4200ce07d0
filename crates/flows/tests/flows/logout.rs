use countersign_flows::logout::Proof;
use countersign_flows::{Credential, FlowError, Mode, SignedIn};
use countersign_token::Refusal;

use crate::site::{DAY, GRACE, LIFE, Site, access, credential, refresh_token, roles};

fn by_credential(held: &SignedIn) -> Proof {
    Proof::Credential(credential(held))
}

fn by_refresh(held: &SignedIn) -> Proof {
    Proof::Refresh(refresh_token(held))
}

#[tokio::test]
async fn what_proves_nothing_ends_nothing() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let foreign = Site::new().await;
    foreign.user("ada", &[]).await;
    let strange = foreign.sign_in("ada", Mode::Token).await;
    let opaque = foreign.sign_in("ada", Mode::Session).await;
    let bearer = |text: &str| Proof::Credential(Credential::Bearer(text.to_owned()));
    for all in [false, true] {
        refused!(
            site.log_out(bearer(""), all).await,
            FlowError::Token(Refusal::Malformed)
        );
        refused!(
            site.log_out(bearer("a.b.c"), all).await,
            FlowError::Token(Refusal::Malformed)
        );
        refused!(
            site.log_out(bearer(&access(&strange)), all).await,
            FlowError::Token(Refusal::UnknownKey)
        );
        refused!(
            site.log_out(bearer(&refresh_token(&held)), all).await,
            FlowError::Token(Refusal::Malformed)
        );
        for text in [access(&held), refresh_token(&strange), String::new()] {
            refused!(
                site.log_out(Proof::Refresh(text), all).await,
                FlowError::RefreshInvalid
            );
        }
        refused!(
            site.log_out(by_credential(&opaque), all).await,
            FlowError::SessionInvalid
        );
    }
    site.identify(&held).await.unwrap();
}

#[tokio::test]
async fn anything_that_was_ever_part_of_a_login_ends_it_once() {
    for (mode, case) in [
        (Mode::Token, "access token"),
        (Mode::Token, "expired access token"),
        (Mode::Cookie, "superseded access token"),
        (Mode::Token, "refresh token"),
        (Mode::Cookie, "refresh token of an old counter"),
        (Mode::Token, "expired refresh token"),
        (Mode::Session, "session cookie"),
        (Mode::Session, "expired session cookie"),
    ] {
        let site = Site::new().await;
        let ada = site.user("ada", &[]).await;
        let mut other = site.sign_in("ada", Mode::Token).await;
        let held = site.sign_in("ada", mode).await;
        let mut latest = held.clone();
        if case.contains("superseded") {
            site.change(&ada, roles(&["editor"])).await.unwrap();
        }
        if case.contains("counter") {
            latest = site.refresh(&refresh_token(&held)).await.unwrap();
            site.pass(GRACE * 2).await;
        }
        if case.starts_with("expired") {
            site.pass(LIFE).await;
            other = site.refresh(&refresh_token(&other)).await.unwrap();
            site.pass(if case.contains("access") {
                LIFE
            } else {
                DAY * 30 - LIFE
            })
            .await;
        }
        let proof = || match case.contains("refresh") {
            true => by_refresh(&held),
            false => by_credential(&held),
        };
        site.log_out(proof(), false).await.unwrap();
        let event = (
            "session.revoked".to_owned(),
            ada.id.to_string(),
            Some(ada.id),
            Some(held.session),
        );
        assert_eq!(site.events().await[0], event, "{case}");
        let again = site.log_out(proof(), false).await;
        match mode {
            _ if case.contains("refresh") => refused!(again, FlowError::RefreshInvalid),
            Mode::Session => refused!(again, FlowError::SessionInvalid),
            _ => refused!(again, FlowError::Token(Refusal::Revoked)),
        }
        assert_eq!(
            site.events().await[0],
            event,
            "nothing happened the second time"
        );
        assert!(site.identify(&latest).await.is_err(), "{case}");
        if mode != Mode::Session {
            refused!(
                site.refresh(&refresh_token(&latest)).await,
                FlowError::RefreshInvalid
            );
        }
        site.refresh(&refresh_token(&other)).await.unwrap();
    }
}

#[tokio::test]
async fn everywhere_takes_a_living_credential() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    let tokens = site.sign_in("ada", Mode::Token).await;
    let cookie = site.sign_in("ada", Mode::Session).await;
    site.change(&ada, roles(&["editor"])).await.unwrap();
    refused!(
        site.log_out(by_credential(&tokens), true).await,
        FlowError::Token(Refusal::Superseded)
    );
    let next = site.refresh(&refresh_token(&tokens)).await.unwrap();
    site.pass(GRACE * 2).await;
    // Of an old counter: whoever holds it may be a thief.
    refused!(
        site.log_out(by_refresh(&tokens), true).await,
        FlowError::RefreshInvalid
    );
    site.pass(LIFE).await;
    refused!(
        site.log_out(by_credential(&next), true).await,
        FlowError::Token(Refusal::Expired)
    );
    site.pass(DAY * 30).await;
    refused!(
        site.log_out(by_refresh(&next), true).await,
        FlowError::RefreshExpired
    );
    refused!(
        site.log_out(by_credential(&cookie), true).await,
        FlowError::SessionInvalid
    );
    assert!(
        !site
            .events()
            .await
            .iter()
            .any(|(kind, ..)| kind.starts_with("session.revoked"))
    );
}

#[tokio::test]
async fn everywhere_ends_every_session_of_this_user_and_no_other() {
    for case in ["access", "refresh", "a moment ago", "cookie"] {
        let site = Site::new().await;
        let ada = site.user("ada", &[]).await;
        site.user("bob", &[]).await;
        let bob = site.sign_in("bob", Mode::Token).await;
        let tokens = site.sign_in("ada", Mode::Token).await;
        let cookie = site.sign_in("ada", Mode::Session).await;
        let proof = match case {
            "access" => by_credential(&tokens),
            "refresh" => by_refresh(&tokens),
            "cookie" => by_credential(&cookie),
            _ => {
                site.refresh(&refresh_token(&tokens)).await.unwrap();
                by_refresh(&tokens)
            }
        };
        site.log_out(proof.clone(), true).await.unwrap();
        let event = (
            "session.revoked_all".to_owned(),
            ada.id.to_string(),
            Some(ada.id),
            None,
        );
        assert_eq!(site.events().await[0], event, "{case}");
        refused!(
            site.identify(&tokens).await,
            FlowError::Token(Refusal::Revoked)
        );
        refused!(site.identify(&cookie).await, FlowError::SessionInvalid);
        refused!(
            site.refresh(&refresh_token(&tokens)).await,
            FlowError::RefreshInvalid
        );
        for all in [true, false] {
            assert!(site.log_out(proof.clone(), all).await.is_err(), "{case}");
        }
        site.identify(&bob).await.unwrap();
        site.identify(&site.sign_in("ada", Mode::Token).await)
            .await
            .unwrap();
    }
}
