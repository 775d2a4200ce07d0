use countersign_core::password::Password;
use countersign_core::{Actor, IdentifierKind, RoleSet};
use countersign_flows::register::{NewAccount, add_user, register};
use countersign_flows::{FlowError, Mode, Origin};

use crate::site::{LIFE, PASSWORD, Site, account, from};

#[tokio::test]
async fn strangers_are_refused_where_registration_is_closed() {
    let site = Site::with(|config| config.settings.registration = false).await;
    let result = register(&site, &from("192.0.2.1"), account("ada", PASSWORD)).await;
    refused!(result, FlowError::RegistrationClosed);
    site.user("ada", &[]).await;
}

#[tokio::test]
async fn every_broken_rule_is_named_at_once() {
    let site = Site::new().await;
    let bad = |username: Option<&str>, email: Option<&str>, password: &str| NewAccount {
        username: username.map(str::to_owned),
        email: email.map(str::to_owned),
        password: Password::from(password),
        roles: RoleSet::default(),
    };
    for (account, fields) in [
        (bad(None, None, PASSWORD), vec!["username"]),
        (
            bad(Some("a b"), Some("nobody"), "short"),
            vec!["password", "username", "email"],
        ),
        (bad(Some(""), None, PASSWORD), vec!["username"]),
        (
            bad(Some("a\0"), Some("a\0@b"), PASSWORD),
            vec!["username", "email"],
        ),
        (bad(Some(&"x".repeat(65)), None, PASSWORD), vec!["username"]),
        (
            bad(Some("ada-lovelace"), None, "Ada-Lovelace"),
            vec!["password"],
        ),
        (bad(Some("ada"), None, &"x".repeat(1025)), vec!["password"]),
    ] {
        match register(&site, &from("192.0.2.1"), account).await {
            Err(FlowError::Invalid(found)) => {
                let found: Vec<_> = found.iter().map(|invalid| invalid.field).collect();
                assert_eq!(found, fields);
            }
            _ => panic!("{fields:?} were let through"),
        }
    }
    assert_eq!(site.hasher.started(), 0);
}

#[tokio::test]
async fn a_taken_name_is_refused_in_any_spelling_and_costs_no_hash() {
    let site = Site::new().await;
    site.user("Ada", &[]).await;
    site.user("Ada@Example.com", &[]).await;
    let hashes = site.hasher.started();
    for (name, kind) in [
        ("Ada", IdentifierKind::Username),
        ("aDA", IdentifierKind::Username),
        ("Ａｄａ", IdentifierKind::Username),
        ("ada@example.COM", IdentifierKind::Email),
    ] {
        let result = register(&site, &from("192.0.2.1"), account(name, PASSWORD)).await;
        refused!(result, FlowError::NameTaken(found) if found == kind);
    }
    assert_eq!(site.hasher.started(), hashes);
}

#[tokio::test]
async fn an_address_may_ask_a_hundred_times_whatever_the_answer() {
    let site = Site::new().await;
    for attempt in 0..100 {
        let name = if attempt < 90 { "a b" } else { "ada" };
        let _ = register(&site, &from("192.0.2.1"), account(name, PASSWORD)).await;
    }
    for _ in 0..3 {
        let result = register(&site, &from("192.0.2.1"), account("bob", PASSWORD)).await;
        refused!(result, FlowError::Throttled { retry_after } if retry_after == LIFE);
    }
    for other in ["192.0.2.2", "127.0.0.1", "::1"] {
        let result = register(&site, &from(other), account("ada", PASSWORD)).await;
        refused!(result, FlowError::NameTaken(_));
    }
    // Having been refused does not prolong it.
    site.pass(LIFE).await;
    register(&site, &from("192.0.2.1"), account("bob", PASSWORD))
        .await
        .unwrap();
}

#[tokio::test]
async fn roles_that_make_a_token_too_large_are_named() {
    let site = Site::new().await;
    let words: Vec<_> = (0..16)
        .map(|at| format!("{at:02}{}", "r".repeat(30)))
        .collect();
    let roles = RoleSet::parse(&words).unwrap();
    let account = NewAccount {
        roles,
        ..account("ada", PASSWORD)
    };
    let result = add_user(&site, &Origin::operator(), account, Actor::Operator).await;
    refused!(result, FlowError::TokenTooLarge(named) if named == words);
}

#[tokio::test]
async fn a_stranger_gets_an_account_and_no_roles() {
    let site = Site::new().await;
    let asked = NewAccount {
        roles: RoleSet::parse(&["admin"]).unwrap(),
        ..account("Ada", PASSWORD)
    };
    let user = register(&site, &from("192.0.2.1"), asked).await.unwrap();
    assert_eq!(
        (user.username.as_deref(), user.email.as_deref()),
        (Some("Ada"), None)
    );
    assert!(user.roles.iter().next().is_none() && user.is_enabled() && !user.email_verified);
    let event = (
        "user.created".to_owned(),
        user.id.to_string(),
        Some(user.id),
        None,
    );
    assert_eq!(site.events().await[0], event);
    let held = site.sign_in("ada", Mode::Token).await;
    assert_eq!(held.user.id, user.id);
    assert!(held.user.roles.iter().next().is_none());
}

#[tokio::test]
async fn an_operator_makes_accounts_with_roles() {
    let site = Site::new().await;
    let user = site.user("ada@example.com", &["admin", "editor"]).await;
    let event = (
        "user.created".to_owned(),
        "cli".to_owned(),
        Some(user.id),
        None,
    );
    assert_eq!(site.events().await[0], event);
    let held = site.sign_in("ada@example.com", Mode::Token).await;
    assert_eq!(held.user.roles.to_words(), ["admin", "editor"]);
}
