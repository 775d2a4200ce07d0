use std::time::Duration;

use countersign_core::secrets::Keyring;
use countersign_core::{Actor, Grant, RefreshToken};
use countersign_flows::logout::Proof;
use countersign_flows::{FlowError, Mode, Origin, delete_account, password, sessions};
use countersign_store::grants;
use countersign_token::Refusal;

use crate::site::{
    GRACE, LIFE, PASSWORD, Site, access, credential, disabled, refresh_token, roles,
};

/// The row behind a refresh token.
async fn grant(site: &Site, token: &str) -> Grant {
    let id = RefreshToken::parse(token).unwrap().grant_id();
    let mut reader = site.db.read().await.unwrap();
    grants::by_id(&mut reader.conn(), id)
        .await
        .unwrap()
        .unwrap()
        .grant
}

#[tokio::test]
async fn what_was_never_made_here_is_invalid_and_harms_nobody() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let token = refresh_token(&held);
    let row = grant(&site, &token).await;
    let foreign = Keyring::new(b"another secret of some length....", None);
    let other_nonce = Grant {
        nonce: [7; 16],
        ..row.clone()
    };
    let unknown = Grant {
        id: countersign_core::GrantId::from_bytes([1; 16]),
        ..row.clone()
    };
    let mut forged = vec![
        String::new(),
        "x".repeat(75),
        format!("{token}A"),
        token[..74].to_owned(),
        access(&held),
        row.refresh_token(&foreign).reveal(),
        other_nonce.refresh_token(&site.keyring).reveal(),
        unknown.refresh_token(&site.keyring).reveal(),
    ];
    // Every character carries bits that count.
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
        forged.push(String::from_utf8(bytes).unwrap());
    }
    for text in forged {
        refused!(site.refresh(&text).await, FlowError::RefreshInvalid);
    }
    site.refresh(&token).await.unwrap();
}

#[tokio::test]
async fn a_refresh_gives_the_next_tokens_of_the_same_session() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    site.pass(LIFE).await;
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Expired)
    );
    let next = site.refresh(&refresh_token(&held)).await.unwrap();
    assert_eq!(next.session, held.session);
    assert_ne!(refresh_token(&next), refresh_token(&held));
    let claims = site.claims(&next);
    assert!(!claims.fresh, "nobody gave a password");
    assert_eq!(claims.exp - claims.iat, 900);
    site.identify(&next).await.unwrap();
    assert_eq!(grant(&site, &refresh_token(&held)).await.counter, 1);
}

#[tokio::test]
async fn within_the_grace_a_replaced_token_gets_the_same_successor() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let first = refresh_token(&site.sign_in("ada", Mode::Token).await);
    let second = refresh_token(&site.refresh(&first).await.unwrap());
    let third = refresh_token(&site.refresh(&second).await.unwrap());
    site.pass(GRACE).await;
    for replaced in [&first, &second, &first] {
        let again = site.refresh(replaced).await.unwrap();
        assert_eq!(refresh_token(&again), third);
        site.identify(&again).await.unwrap();
    }
    assert_eq!(grant(&site, &first).await.counter, 2);
    site.refresh(&third).await.unwrap();
}

#[tokio::test]
async fn any_other_counter_is_theft_and_ends_this_session_only() {
    for case in ["after the grace", "nine rotations ago", "from the future"] {
        let site = Site::new().await;
        let ada = site.user("ada", &[]).await;
        let other = site.sign_in("ada", Mode::Token).await;
        let held = site.sign_in("ada", Mode::Token).await;
        let mut current = site.refresh(&refresh_token(&held)).await.unwrap();
        let stolen = match case {
            "after the grace" => {
                site.pass(GRACE + Duration::from_millis(1)).await;
                refresh_token(&held)
            }
            "nine rotations ago" => {
                for _ in 0..7 {
                    current = site.refresh(&refresh_token(&current)).await.unwrap();
                }
                site.refresh(&refresh_token(&held)).await.unwrap();
                current = site.refresh(&refresh_token(&current)).await.unwrap();
                refresh_token(&held)
            }
            _ => {
                let row = grant(&site, &refresh_token(&held)).await;
                let counter = row.counter + 1;
                Grant { counter, ..row }
                    .refresh_token(&site.keyring)
                    .reveal()
            }
        };
        refused!(site.refresh(&stolen).await, FlowError::RefreshReused);
        let event = (
            "session.refresh_reused".to_owned(),
            "system".to_owned(),
            Some(ada.id),
            Some(held.session),
        );
        assert_eq!(site.events().await[0], event, "{case}");
        for ended in [&stolen, &refresh_token(&current)] {
            refused!(site.refresh(ended).await, FlowError::RefreshInvalid);
        }
        for ended in [&held, &current] {
            refused!(
                site.identify(ended).await,
                FlowError::Token(Refusal::Revoked)
            );
        }
        site.identify(&other).await.unwrap();
        site.refresh(&refresh_token(&other)).await.unwrap();
    }
}

#[tokio::test]
async fn whatever_ends_a_session_ends_its_refresh_token_and_its_access_token() {
    for case in 0..8 {
        let site = Site::new().await;
        let ada = site.user("ada", &[]).await;
        site.user("boss", &["admin"]).await;
        let held = site.sign_in("ada", Mode::Token).await;
        let (cli, actor) = (Origin::operator(), Actor::Operator);
        let done = match case {
            0 => {
                site.log_out(Proof::Credential(credential(&held)), false)
                    .await
            }
            1 => {
                site.log_out(Proof::Refresh(refresh_token(&held)), true)
                    .await
            }
            2 => password::set(&site, &cli, ada.id, &"pear-harbour-42".into(), actor).await,
            3 => {
                let live = site.live(&held).await.unwrap();
                let (old, new) = (PASSWORD.into(), "pear-harbour-42".into());
                password::change(&site, &cli, &live, &old, &new)
                    .await
                    .map(drop)
            }
            4 => site.change(&ada, disabled(true)).await.map(drop),
            5 => delete_account::delete(&site, &cli, ada.id, actor).await,
            6 => sessions::end_everything(&site, &cli, actor).await,
            _ => sessions::end_session(&site, &cli, held.session, actor)
                .await
                .map(drop),
        };
        done.unwrap();
        for _ in 0..2 {
            refused!(
                site.refresh(&refresh_token(&held)).await,
                FlowError::RefreshInvalid
            );
            refused!(
                site.identify(&held).await,
                FlowError::Token(Refusal::Revoked)
            );
        }
        // Whoever is enabled again signs in again; the old session stays dead.
        if case == 4 {
            site.change(&ada, disabled(false)).await.unwrap();
            refused!(
                site.refresh(&refresh_token(&held)).await,
                FlowError::RefreshInvalid
            );
            refused!(
                site.identify(&held).await,
                FlowError::Token(Refusal::Revoked)
            );
            site.identify(&site.sign_in("ada", Mode::Token).await)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn a_refresh_brings_the_roles_of_now() {
    let site = Site::new().await;
    let ada = site.user("ada", &["editor"]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    site.change(&ada, roles(&["author", "editor"]))
        .await
        .unwrap();
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Superseded)
    );
    let next = site.refresh(&refresh_token(&held)).await.unwrap();
    assert_eq!(
        site.identify(&next).await.unwrap().roles.to_words(),
        ["author", "editor"]
    );
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Superseded)
    );
}

#[tokio::test]
async fn roles_that_came_to_make_a_token_too_large_are_named() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    let words: Vec<_> = (0..9).map(|at| format!("{at}{}", "r".repeat(31))).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    site.change(&ada, roles(&words)).await.unwrap();
    let held = site.sign_in("ada", Mode::Token).await;
    // A longer audience, and what fitted does not.
    let wordy = site
        .node_with(|config| config.settings.audience = "a".repeat(200))
        .await
        .unwrap();
    let result = wordy.refresh(&refresh_token(&held)).await;
    refused!(result, FlowError::TokenTooLarge(named) if named == words);
}
