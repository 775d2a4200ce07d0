use countersign_core::import::{Account, Proof, Row, Rules};
use countersign_core::{IdentifierKind, RoleSet, Timestamp, User};
use countersign_flows::import::{Clash, Outcome, caps, look, run};
use countersign_flows::register::register;
use countersign_flows::{FlowError, Mode, Origin, admin, delete_account, export, password};
use countersign_store::credentials;

use crate::site::{PASSWORD, START, Site, account, disabled, from, roles};

/// Made by Werkzeug 3.1.9 for `plum-harbour-41`.
const WERKZEUG: &str = "pbkdf2:sha256:1000$Kf9sLq2XzR7bTn4W$ef4603413836bc7fd671a3fc4d4da21ad8c6e6bad39a4eaabdd4405cd30a31ab";
/// The same by bcrypt 4.3.0, Django 5.2.19 and argon2-cffi 25.1.0.
const OTHERS: [&str; 3] = [
    "$2b$04$Kf9sLq2XzR7bTn4WabcdeOgbH8ohOwzZq3s3Wft8dxepdszL0X32y",
    "pbkdf2_sha256$100$salt-of-22-characters!$pWdJTlNXZMLMshEpBZwe8ACvUx0Nvpte4IjCHDtEPqU=",
    "scrypt$64$salt-of-22-characters!$8$2$+ub1bVYorMWXK6+D1zLeiYa29QkaTOKHY8YMhxLVjiclHGdiIj0vOjY/k2Yd1UHFcyheq4Qp6kdXO4KdBuZovg==",
];

fn row(name: &str) -> Row {
    Row {
        username: Some(name.to_owned()),
        password: Some(WERKZEUG.into()),
        ..Row::default()
    }
}

fn checked(site: &Site, row: Row) -> Account {
    let rules = Rules {
        caps: caps(site),
        plain: true,
        without_password: true,
    };
    row.check(rules).unwrap()
}

async fn import(site: &Site, rows: impl IntoIterator<Item = Row>) -> Vec<Outcome> {
    let accounts = rows.into_iter().map(|row| checked(site, row)).collect();
    run(site, &Origin::operator(), accounts).await.unwrap()
}

async fn find(site: &Site, name: &str) -> User {
    admin::find(site, name).await.unwrap()
}

async fn stored(site: &Site, name: &str) -> Option<String> {
    let user = find(site, name).await;
    let mut reader = site.db.read().await.unwrap();
    credentials::password(&mut reader.conn(), user.id)
        .await
        .unwrap()
}

fn taken(kind: IdentifierKind) -> Outcome {
    Outcome::Refused(Clash::NameTaken(kind))
}

#[tokio::test]
async fn an_imported_password_signs_in_and_the_first_time_replaces_its_hash() {
    let site = Site::new().await;
    for (name, hash) in ["a", "b", "c", "d"]
        .into_iter()
        .zip([WERKZEUG].into_iter().chain(OTHERS))
    {
        let row = Row {
            password: Some(hash.into()),
            ..row(name)
        };
        assert_eq!(import(&site, [row]).await, [Outcome::Made]);
        let hashes = async |password: &str, right: bool| {
            let before = site.hasher.started();
            let result = site.try_sign_in(name, password, Mode::Token).await;
            assert_eq!(result.is_ok(), right, "{name} {password}");
            site.hasher.started() - before
        };
        assert_eq!(hashes("plum-harbour-42", false).await, 2);
        assert_eq!(stored(&site, name).await.as_deref(), Some(hash));
        assert_eq!(hashes(PASSWORD, true).await, 2, "verified, and made anew");
        let ours = stored(&site, name).await.unwrap();
        assert!(ours.starts_with("$argon2id$") && !site.hasher.is_outdated(&ours));
        assert_eq!(hashes("plum-harbour-42", false).await, 1);
        assert_eq!(hashes(PASSWORD, true).await, 1);
        assert_eq!(stored(&site, name).await, Some(ours));
    }
}

/// How long a check takes is seen from outside, and a foreign hash takes another time than ours.
#[tokio::test]
async fn while_foreign_hashes_are_left_every_refusal_verifies_one_of_each_kind() {
    for site in Site::each().await {
        site.user("ada", &[]).await;
        let eve = site.user("eve", &[]).await;
        site.change(&eve, disabled(true)).await.unwrap();
        let refusals = async |hashes: usize, names: &[(&str, &str)]| {
            for (name, password) in names {
                let before = site.hasher.started();
                let result = site.try_sign_in(name, password, Mode::Token).await;
                refused!(result, FlowError::InvalidCredentials);
                assert_eq!(site.hasher.started() - before, hashes, "{name}");
            }
        };
        let wrong = "plum-harbour-42";
        let ours = [
            ("ada", wrong),
            ("eve", PASSWORD),
            ("nobody", PASSWORD),
            ("no such\0name", PASSWORD),
        ];
        refusals(1, &ours).await;
        let shut = Row {
            disabled: Some("yes".to_owned()),
            ..row("cid")
        };
        let mute = Row {
            password: None,
            ..row("mia")
        };
        import(&site, [row("bob"), shut, mute]).await;
        refusals(2, &ours).await;
        refusals(2, &[("bob", wrong), ("cid", PASSWORD), ("mia", PASSWORD)]).await;
        let before = site.hasher.started();
        site.sign_in("ada", Mode::Token).await;
        assert_eq!(
            site.hasher.started() - before,
            1,
            "who is right does not wait"
        );
        site.sign_in("bob", Mode::Token).await;
        refusals(2, &[("bob", wrong), ("nobody", wrong)]).await;
        let cid = find(&site, "cid").await.id;
        let actor = countersign_core::Actor::Operator;
        password::set(&site, &Origin::operator(), cid, &PASSWORD.into(), actor)
            .await
            .unwrap();
        refusals(1, &[("bob", wrong), ("cid", PASSWORD), ("nobody", wrong)]).await;
    }
}

/// A full queue must not be a way to guess without being counted.
#[tokio::test]
async fn a_refusal_that_cannot_be_evened_out_is_counted_all_the_same() {
    let site = Site::with(|config| config.settings.limits.failures = 3).await;
    import(&site, [row("bob")]).await;
    site.sql("UPDATE credentials SET data = 'unreadable' WHERE kind = 'imported'")
        .await;
    for _ in 0..3 {
        let result = site.try_sign_in("nobody", PASSWORD, Mode::Token).await;
        refused!(result, FlowError::InvalidCredentials);
    }
    let result = site.try_sign_in("nobody", PASSWORD, Mode::Token).await;
    refused!(result, FlowError::Throttled { .. });
}

#[tokio::test]
async fn an_import_run_again_leaves_everybody_as_they_are() {
    for site in Site::each().await {
        let rows = || {
            let mail = Some("Bea@example.com".to_owned());
            let id = Some("9f0a3c1e-4b5d-4e6f-8a9b-0c1d2e3f4a5b".to_owned());
            [
                row("Ada"),
                Row {
                    email: mail,
                    ..row("bea")
                },
                Row { id, ..row("cid") },
                Row {
                    id: Some("17".to_owned()),
                    ..row("dan")
                },
            ]
        };
        assert_eq!(import(&site, rows()).await, vec![Outcome::Made; 4]);
        // What they do here afterwards stays.
        site.sign_in("ada", Mode::Token).await;
        site.change(&find(&site, "bea").await, roles(&["editor"]))
            .await
            .unwrap();
        let renamed = admin::Change {
            names: countersign_flows::profile::NewNames {
                username: Some("cyd".to_owned()),
                email: None,
            },
            ..Default::default()
        };
        site.change(&find(&site, "cid").await, renamed)
            .await
            .unwrap();
        let before = site.events().await;
        for _ in 0..2 {
            assert_eq!(import(&site, rows()).await, vec![Outcome::There; 4]);
        }
        assert_eq!(site.events().await, before);
        assert!(
            stored(&site, "ada")
                .await
                .unwrap()
                .starts_with("$argon2id$")
        );
        assert_eq!(find(&site, "bea").await.roles.to_words(), ["editor"]);
        assert_eq!(
            find(&site, "cyd").await.id.to_string(),
            "9f0a3c1e-4b5d-4e6f-8a9b-0c1d2e3f4a5b"
        );
        refused!(admin::find(&site, "cid").await, FlowError::NotFound(_));
        // Who was deleted comes back, and another secret derives other ids.
        let cyd = find(&site, "cyd").await.id;
        let actor = countersign_core::Actor::Operator;
        delete_account::delete(&site, &Origin::operator(), cyd, actor)
            .await
            .unwrap();
        let [_, _, cid, _] = rows();
        assert_eq!(import(&site, [cid]).await, [Outcome::Made]);
        let changed = site.node_with(|config| {
            config.previous = Some(config.secret);
            config.secret = "the second secret of this installation";
        });
        let outcomes = import(&changed.await.unwrap(), rows()).await;
        assert_eq!(outcomes[0], taken(IdentifierKind::Username));
        assert_eq!(outcomes[2], Outcome::There);
        let created = before
            .iter()
            .filter(|(kind, actor, ..)| kind == "user.created" && actor == "cli");
        assert_eq!(created.count(), 4);
    }
}

#[tokio::test]
async fn somebody_else_with_the_name_is_a_conflict_and_not_a_repeat() {
    for site in Site::each().await {
        // A stranger was quicker than the import.
        register(&site, &from("192.0.2.1"), account("ada", PASSWORD))
            .await
            .unwrap();
        site.user("bea@example.com", &[]).await;
        let mail = |name: &str, mail: &str| Row {
            email: Some(mail.to_owned()),
            ..row(name)
        };
        let rows = [
            row("ADA"),
            mail("ada", "ada@example.com"),
            mail("bea", "bea@example.com"),
            mail("cid", "cid@example.com"),
            mail("cid", "other@example.com"),
        ];
        let found = [
            taken(IdentifierKind::Username),
            taken(IdentifierKind::Username),
            taken(IdentifierKind::Email),
            Outcome::Made,
        ];
        let accounts: Vec<_> = rows.iter().map(|row| checked(&site, row.clone())).collect();
        assert_eq!(look(&site, &accounts[..4]).await.unwrap(), found);
        let outcomes = import(&site, rows).await;
        assert_eq!(outcomes[..4], found);
        assert_eq!(
            outcomes[4],
            taken(IdentifierKind::Username),
            "in the same file"
        );
        // Nothing of what was refused is left: the other name is free, and so is the row's own.
        for free in ["ada@example.com", "bea", "other@example.com"] {
            refused!(admin::find(&site, free).await, FlowError::NotFound(_));
        }
        assert_eq!(
            admin::list(&site, None, None, 100).await.unwrap().0.len(),
            3
        );
        assert_eq!(import(&site, [row("bea")]).await, [Outcome::Made]);
    }
}

#[tokio::test]
async fn a_name_won_beside_one_that_somebody_has_is_free_for_the_next_row() {
    for site in Site::each().await {
        site.user("bea@example.com", &[]).await;
        let both = Row {
            email: Some("bea@example.com".to_owned()),
            ..row("cid")
        };
        let other = Row {
            email: Some("dan@example.com".to_owned()),
            ..row("Dan")
        };
        let outcomes = import(&site, [row("dan"), both, row("cid"), other]).await;
        let (email, username) = (IdentifierKind::Email, IdentifierKind::Username);
        let found = [Outcome::Made, taken(email), Outcome::Made, taken(username)];
        assert_eq!(outcomes, found);
        assert_eq!(site.events().await.len(), 2 + 1 + 1, "and the key");
    }
}

#[tokio::test]
async fn two_imports_at_once_make_each_account_once() {
    for site in Site::each().await {
        let other = site.node().await;
        let rows = || (0..150).map(|n| row(&format!("user{n}")));
        // In opposite orders, so that each waits for what the other has.
        let (one, two) = tokio::join!(
            import(&site, rows()),
            import(&other, rows().collect::<Vec<_>>().into_iter().rev()),
        );
        let count = |wanted| {
            one.iter()
                .chain(&two)
                .filter(|outcome| **outcome == wanted)
                .count()
        };
        assert_eq!((count(Outcome::Made), count(Outcome::There)), (150, 150));
        assert_eq!(site.events().await.len(), 150 + 1, "and the key");
    }
}

#[tokio::test]
async fn id_date_roles_and_state_come_along() {
    let site = Site::new().await;
    let id = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000";
    let full = Row {
        id: Some(id.to_owned()),
        roles: vec!["editor".to_owned()],
        admin: Some("1".to_owned()),
        created_at: Some("2020-01-02".to_owned()),
        ..row("ada")
    };
    let later = Row {
        created_at: Some("2999-01-01".to_owned()),
        ..row("bea")
    };
    let gone = Row {
        active: Some("0".to_owned()),
        ..row("cid")
    };
    let mute = Row {
        password: None,
        ..row("dan")
    };
    let heavy = Row {
        roles: (0..16)
            .map(|n| format!("{n:x}{}", "r".repeat(31)))
            .collect(),
        ..row("eve")
    };
    let outcomes = import(&site, [full, later, gone, mute, heavy]).await;
    let refused = Outcome::Refused(Clash::TokenTooLarge);
    assert_eq!(outcomes[..4], vec![Outcome::Made; 4]);
    assert_eq!(outcomes[4], refused);
    let ada = find(&site, "ada").await;
    assert_eq!(
        (ada.id.to_string().as_str(), ada.created_at),
        (id, Timestamp::from_secs(1_577_923_200))
    );
    assert_eq!(ada.roles, RoleSet::parse(&["admin", "editor"]).unwrap());
    assert_eq!(
        find(&site, "bea").await.created_at,
        START,
        "nobody comes from the future"
    );
    for shut in ["cid", "dan"] {
        let result = site.try_sign_in(shut, PASSWORD, Mode::Token).await;
        refused!(result, FlowError::InvalidCredentials);
    }
    let dan = find(&site, "dan").await.id;
    let actor = countersign_core::Actor::Operator;
    password::set(&site, &Origin::operator(), dan, &PASSWORD.into(), actor)
        .await
        .unwrap();
    site.sign_in("dan", Mode::Token).await;
}

#[tokio::test]
async fn a_plain_password_is_hashed_on_the_way_in_and_once() {
    let site = Site::with(|config| config.queue = 1).await;
    let rows = || {
        (0..10).map(|n| Row {
            password: Some(format!("{n}234").into()),
            ..row(&format!("user{n}"))
        })
    };
    assert!(matches!(
        checked(&site, rows().next().unwrap()).proof,
        Proof::Plain(_)
    ));
    let before = site.hasher.started();
    assert_eq!(import(&site, rows()).await, vec![Outcome::Made; 10]);
    assert_eq!(site.hasher.started() - before, 10);
    assert_eq!(import(&site, rows()).await, vec![Outcome::There; 10]);
    assert_eq!(site.hasher.started() - before, 10);
    assert!(
        stored(&site, "user7")
            .await
            .unwrap()
            .starts_with("$argon2id$")
    );
    site.try_sign_in("user7", "7234", Mode::Token)
        .await
        .unwrap();
    refused!(
        site.try_sign_in("user7", "8234", Mode::Token).await,
        FlowError::InvalidCredentials
    );
}

#[tokio::test]
async fn everybody_leaves_with_their_hash_in_pages_of_any_size() {
    for site in Site::each().await {
        let mute = Row {
            password: None,
            ..row("mute")
        };
        import(
            &site,
            (0..5).map(|n| row(&format!("user{n}"))).chain([mute]),
        )
        .await;
        site.user("ada", &["admin"]).await;
        for size in [1, 2, 7, 100] {
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let page = export::page(&site, after, size).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some(last.user.id);
                all.extend(page);
            }
            let with = |hash: &str| {
                let begins = |account: &&export::Exported| {
                    account
                        .hash
                        .as_deref()
                        .is_some_and(|stored| stored.starts_with(hash))
                };
                all.iter().filter(begins).count()
            };
            assert_eq!((all.len(), with(WERKZEUG), with("$argon2id$")), (7, 5, 1));
            let mute = all.iter().find(|account| account.hash.is_none()).unwrap();
            assert_eq!(mute.user.name(), "mute");
        }
    }
}
