use countersign_core::{IdentifierKind, UserId};
use countersign_flows::admin::{Change, find, list};
use countersign_flows::profile::NewNames;
use countersign_flows::{FlowError, Mode, authenticate::require_admin};
use countersign_token::Refusal;

use crate::site::{PASSWORD, Site, credential, disabled, refresh_token, roles};

fn named(username: Option<&str>, email: Option<&str>) -> Change {
    let names = NewNames {
        username: username.map(str::to_owned),
        email: email.map(str::to_owned),
    };
    Change {
        names,
        ..Change::default()
    }
}

#[tokio::test]
async fn roles_are_those_of_now_whatever_a_token_says() {
    let site = Site::new().await;
    let ada = site.user("ada", &["admin"]).await;
    site.user("boss", &["admin"]).await;
    site.user("eve", &["administrator"]).await;
    let eve = site.sign_in("eve", Mode::Token).await;
    refused!(
        require_admin(&site, &credential(&eve)).await,
        FlowError::Forbidden
    );
    let cookie = site.sign_in("ada", Mode::Session).await;
    let token = site.sign_in("ada", Mode::Token).await;
    // A node that has not looked accepts the token; what it may do it does not take from there.
    let other = site.node().await;
    for held in [&cookie, &token] {
        require_admin(&other, &credential(held)).await.unwrap();
    }
    site.change(&ada, roles(&[])).await.unwrap();
    refused!(
        require_admin(&other, &credential(&cookie)).await,
        FlowError::Forbidden
    );
    refused!(
        require_admin(&other, &credential(&token)).await,
        FlowError::Forbidden
    );
    refused!(
        require_admin(&site, &credential(&token)).await,
        FlowError::Token(Refusal::Superseded)
    );
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    let site = Site::new().await;
    let ada = site.user("ada", &["admin", "editor"]).await;
    let bob = site.user("bob", &["admin"]).await;
    site.change(&bob, disabled(true)).await.unwrap();
    let held = site.sign_in("ada", Mode::Token).await;
    let events = site.events().await;
    for change in [
        roles(&["editor"]),
        disabled(true),
        Change {
            disabled: Some(true),
            ..roles(&[])
        },
    ] {
        refused!(site.change(&ada, change).await, FlowError::LastAdmin);
    }
    assert_eq!(site.events().await, events);
    site.identify(&held).await.unwrap();
    // What leaves an administrator is no business of the rule.
    site.change(&bob, roles(&[])).await.unwrap();
    site.change(&ada, roles(&["admin"])).await.unwrap();
    site.change(
        &bob,
        Change {
            disabled: Some(false),
            ..roles(&["admin"])
        },
    )
    .await
    .unwrap();
    site.change(&ada, roles(&[])).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_whole() {
    let site = Site::new().await;
    let ada = site.user("ada", &[]).await;
    site.user("bob", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let nobody = countersign_core::User {
        id: UserId::from_bytes([7; 16]),
        ..ada.clone()
    };
    let events = site.events().await;
    for change in [roles(&["editor"]), disabled(true), named(Some("eve"), None)] {
        refused!(
            site.change(&nobody, change).await,
            FlowError::NotFound("user")
        );
    }
    let taken = Change {
        roles: roles(&["editor"]).roles,
        ..named(Some("Bob"), None)
    };
    refused!(
        site.change(&ada, taken).await,
        FlowError::NameTaken(IdentifierKind::Username)
    );
    refused!(
        site.change(&ada, named(Some("a b"), Some("x"))).await,
        FlowError::Invalid(_)
    );
    let words: Vec<_> = (0..16)
        .map(|at| format!("{at:02}{}", "r".repeat(30)))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    refused!(site.change(&ada, roles(&words)).await, FlowError::TokenTooLarge(all) if all == words);
    assert_eq!(site.events().await, events);
    site.identify(&held).await.unwrap();
}

#[tokio::test]
async fn each_kind_of_change_is_an_event_and_nothing_changed_is_none() {
    let site = Site::new().await;
    let ada = site.user("ada", &["editor"]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    let events = site.events().await.len();
    for nothing in [Change::default(), roles(&["editor"]), disabled(false)] {
        site.change(&ada, nothing).await.unwrap();
    }
    assert_eq!(site.events().await.len(), events);
    site.identify(&held).await.unwrap();
    let all = Change {
        roles: roles(&["author"]).roles,
        disabled: Some(true),
        ..named(Some("eve"), Some("e@x"))
    };
    let after = site.change(&ada, all).await.unwrap();
    assert_eq!(
        (after.username.as_deref(), after.email.as_deref()),
        (Some("eve"), Some("e@x"))
    );
    assert!(!after.is_enabled() && after.roles.to_words() == ["author"]);
    let told: Vec<_> = site.events().await.into_iter().take(3).collect();
    for (event, kind) in
        told.iter()
            .zip(["user.disabled", "user.roles_changed", "user.names_changed"])
    {
        assert_eq!(
            *event,
            (kind.to_owned(), "cli".to_owned(), Some(ada.id), None)
        );
    }
    // It was more than superseded.
    refused!(
        site.identify(&held).await,
        FlowError::Token(Refusal::Revoked)
    );
    refused!(
        site.refresh(&refresh_token(&held)).await,
        FlowError::RefreshInvalid
    );
    site.change(&ada, disabled(false)).await.unwrap();
    assert_eq!(site.events().await[0].0, "user.enabled");
    refused!(
        site.refresh(&refresh_token(&held)).await,
        FlowError::RefreshInvalid
    );
    site.try_sign_in("eve", PASSWORD, Mode::Token)
        .await
        .unwrap();
}

#[tokio::test]
async fn accounts_are_found_by_name_id_and_beginning() {
    for site in Site::each().await {
        let mut ids = Vec::new();
        for name in ["Ada", "adam", "bob", "ada@example.com", "Zoë"] {
            // Ids are in order of their milliseconds.
            site.pass(std::time::Duration::from_millis(1)).await;
            ids.push(site.user(name, &["one", "two"]).await.id);
        }
        for (name, at) in [("ADA", 0), ("Ada@Example.com", 3), (&ids[2].to_string(), 2)] {
            assert_eq!(find(&site, name).await.unwrap().id, ids[at]);
        }
        for name in ["eve", "", "a\0", &UserId::from_bytes([7; 16]).to_string()] {
            refused!(find(&site, name).await, FlowError::NotFound("user"));
        }
        for (query, found) in [
            (None, vec![0, 1, 2, 3, 4]),
            (Some(""), vec![0, 1, 2, 3, 4]),
            (Some("ADA"), vec![0, 1, 3]),
            (Some("ada@"), vec![3]),
            (Some("ada@EX"), vec![3]),
            (Some("zoË"), vec![4]),
            (Some("a%"), vec![]),
            (Some("a b"), vec![]),
            (Some("a\0"), vec![]),
            (Some("x"), vec![]),
        ] {
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let (users, next) = list(&site, query, after, 2).await.unwrap();
                assert!(
                    users
                        .iter()
                        .all(|user| user.roles.to_words() == ["one", "two"])
                );
                all.extend(users.into_iter().map(|user| user.id));
                after = next;
                if after.is_none() {
                    break;
                }
            }
            let found: Vec<_> = found.into_iter().map(|at: usize| ids[at]).collect();
            assert_eq!(all, found, "{query:?}");
        }
    }
}
