use countersign_core::{CredentialId, IdentifierKind, RoleSet, Seq, User, UserId};
use countersign_store::{
    StoreError, clients, credentials, events, grants, identifiers, log, sessions, users,
};
use tokio::task::JoinSet;

use crate::support::{Failure, Test, at, email, grant, session, user, username};

on_both! {
    an_account_is_made_once,
    an_account_reads_back_as_it_was_written,
    a_name_belongs_to_one_account_at_a_time,
    of_many_who_register_a_name_at_once_one_gets_it_and_the_others_leave_nothing,
    accounts_are_found_by_what_their_name_begins_with,
    pages_follow_one_another_without_gaps,
    disabling_and_enabling_happen_once,
    a_durable_floor_never_sinks,
    deleting_an_account_takes_everything_that_belonged_to_it,
    the_last_administrator_stays_though_two_are_demoted_at_once,
    an_id_of_the_wrong_length_is_corruption,
}

async fn find(t: &Test, id: UserId) -> Option<User> {
    read!(t, |conn| users::by_id(conn, id)).unwrap()
}

async fn an_account_is_made_once(t: Test) {
    let id = t.user(1).await;
    let again = unit!(t, |conn| users::insert(conn, id, at(9)).await);
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    assert_eq!(read!(t, |conn| users::count(conn)).unwrap(), 1);
    assert_eq!(find(&t, id).await.unwrap().created_at, at(0));
}

async fn an_account_reads_back_as_it_was_written(t: Test) {
    assert!(find(&t, user(1)).await.is_none());
    let id = t.user(1).await;
    let bare = find(&t, id).await.unwrap();
    assert_eq!(
        (bare.username, bare.email, bare.roles),
        (None, None, RoleSet::default())
    );
    assert!(bare.disabled_at.is_none() && bare.revoked_floor == Seq(0));

    let roles = RoleSet::parse(&["admin", "editor"]).unwrap();
    let wanted = roles.clone();
    unit!(t, |conn| {
        assert!(identifiers::claim(conn, &username("ada"), id).await?);
        assert!(identifiers::claim(conn, &email("ada@example.org"), id).await?);
        users::set_roles(conn, id, &RoleSet::parse(&["reader"]).unwrap()).await?;
        users::set_roles(conn, id, &wanted).await
    })
    .unwrap();
    for found in [
        find(&t, id).await,
        read!(t, |conn| users::by_identifier(conn, &username("ada"))).unwrap(),
        read!(t, |conn| users::by_identifier(
            conn,
            &email("ada@example.org")
        ))
        .unwrap(),
    ] {
        let found = found.unwrap();
        assert_eq!(found.id, id);
        assert_eq!(found.username.as_deref(), Some("ada"));
        assert_eq!(found.email.as_deref(), Some("ada@example.org"));
        assert!(!found.email_verified);
        assert_eq!(found.roles, roles);
    }
    for stranger in [
        username("ada@example.org"),
        email("ada"),
        username("ad"),
        username("ada\0"),
    ] {
        let found = read!(t, |conn| users::by_identifier(conn, &stranger)).unwrap();
        assert!(found.is_none(), "{stranger:?}");
    }
}

async fn a_name_belongs_to_one_account_at_a_time(t: Test) {
    let (ada, bob) = (t.named(1, "ada").await, t.user(2).await);
    let claim = async |name: &'static str, id| {
        unit!(t, |conn| identifiers::claim(conn, &username(name), id)
            .await)
    };
    assert!(!claim("ada", bob).await.unwrap());
    assert!(!claim("ada", ada).await.unwrap());
    // A second name of one kind is for a flow to forbid; here it is refused, not stored.
    assert!(matches!(
        claim("countess", ada).await,
        Err(StoreError::Conflict)
    ));
    assert!(matches!(
        claim("ghost", user(9)).await,
        Err(StoreError::Conflict)
    ));

    let release = async |kind| unit!(t, |conn| identifiers::release(conn, ada, kind).await);
    release(IdentifierKind::Email).await.unwrap();
    assert!(!claim("ada", bob).await.unwrap());
    release(IdentifierKind::Username).await.unwrap();
    assert!(claim("ada", bob).await.unwrap());
}

async fn of_many_who_register_a_name_at_once_one_gets_it_and_the_others_leave_nothing(t: Test) {
    let mut tries = JoinSet::new();
    for n in 1..=24 {
        let db = t.db.clone();
        tries.spawn(async move {
            db.write(move |conn| {
                Box::pin(async move {
                    users::insert(conn, user(n), at(0)).await?;
                    if !identifiers::claim(conn, &username("ada"), user(n)).await? {
                        return Err(Failure::Rule);
                    }
                    Ok(n)
                })
            })
            .await
        });
    }
    let answers = tries.join_all().await;
    let lost = answers
        .iter()
        .filter(|answer| matches!(answer, Err(Failure::Rule)))
        .count();
    assert_eq!(lost, 23, "{answers:?}");
    let winner = answers.into_iter().find_map(Result::ok).unwrap();
    assert_eq!(read!(t, |conn| users::count(conn)).unwrap(), 1);
    assert_eq!(
        find(&t, user(winner)).await.unwrap().username.as_deref(),
        Some("ada")
    );
}

async fn accounts_are_found_by_what_their_name_begins_with(t: Test) {
    let names = [
        "a", "ada", "adam", "a_c", "abc", "a%", "Zed", "zed", "äda", "äda2", "ß", "日本",
    ];
    for (n, name) in (1..).zip(names) {
        t.named(n, name).await;
    }
    t.user(99).await;
    let ada = email("ada@example.org");
    unit!(t, |conn| identifiers::claim(conn, &ada, user(2)).await).unwrap();
    for (prefix, expected) in [
        (Some("ad"), vec!["ada", "adam"]),
        (Some("ada@"), vec!["ada"]),
        (Some("a_"), vec!["a_c"]),
        (Some("a%"), vec!["a%"]),
        (Some("%"), vec![]),
        (Some("z"), vec!["zed"]),
        (Some("Z"), vec!["Zed"]),
        (Some("ä"), vec!["äda", "äda2"]),
        (Some("ß"), vec!["ß"]),
        (Some("日"), vec!["日本"]),
        (Some("adamant"), vec![]),
        (Some("ada\0"), vec![]),
        (Some("' OR 1=1"), vec![]),
        (Some("a"), vec!["a", "ada", "adam", "a_c", "abc", "a%"]),
        (Some(""), names.to_vec()),
        (None, [&names[..], &["-"]].concat()),
    ] {
        let page = read!(t, |conn| users::page(conn, None, prefix, 100)).unwrap();
        let found: Vec<_> = page
            .iter()
            .map(|user| user.username.as_deref().unwrap_or("-"))
            .collect();
        assert_eq!(found, expected, "{prefix:?}");
    }
}

async fn pages_follow_one_another_without_gaps(t: Test) {
    let roles = RoleSet::parse(&["one", "three", "two"]).unwrap();
    for n in [4, 1, 7, 2, 6, 3, 5] {
        let (id, roles) = (t.named(n, &format!("user{n}")).await, roles.clone());
        unit!(t, |conn| users::set_roles(conn, id, &roles).await).unwrap();
    }
    for prefix in [None, Some("user")] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = read!(t, |conn| users::page(conn, after, prefix, 3)).unwrap();
            assert!(page.len() <= 3 && page.iter().all(|user| user.roles == roles));
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            seen.extend(page.into_iter().map(|user| user.id));
        }
        assert_eq!(seen, (1..=7).map(user).collect::<Vec<_>>());
    }
}

async fn disabling_and_enabling_happen_once(t: Test) {
    let id = t.user(1).await;
    let disable = async |id| unit!(t, |conn| users::disable(conn, id, at(5)).await).unwrap();
    let enable = async |id| unit!(t, |conn| users::enable(conn, id).await).unwrap();
    assert!(!disable(user(9)).await && !enable(user(9)).await && !enable(id).await);
    assert!(disable(id).await && !disable(id).await);
    assert_eq!(find(&t, id).await.unwrap().disabled_at, Some(at(5)));
    assert!(enable(id).await && !enable(id).await);
    assert_eq!(find(&t, id).await.unwrap().disabled_at, None);
    let lock = async |id| unit!(t, |conn| users::lock(conn, id).await).unwrap();
    assert!(lock(id).await && !lock(user(9)).await);
}

async fn a_durable_floor_never_sinks(t: Test) {
    let id = t.user(1).await;
    for (raised, expected) in [(5, 5), (3, 5), (5, 5), (9, 9), (0, 9), (-1, 9)] {
        unit!(t, |conn| users::raise_floor(conn, id, Seq(raised)).await).unwrap();
        assert_eq!(find(&t, id).await.unwrap().revoked_floor, Seq(expected));
    }
}

async fn deleting_an_account_takes_everything_that_belonged_to_it(t: Test) {
    let (id, other) = (t.named(1, "ada").await, t.named(2, "bob").await);
    for (n, id) in [(1, id), (2, other)] {
        t.session(n, id).await;
        let roles = RoleSet::parse(&["admin"]).unwrap();
        unit!(t, |conn| {
            grants::insert(conn, &grant(n), session(n), "countersign", "").await?;
            let credential = CredentialId::from_bytes([n; 16]);
            credentials::insert_password(conn, credential, id, "hash", at(0)).await?;
            users::set_roles(conn, id, &roles).await
        })
        .unwrap();
    }
    assert!(unit!(t, |conn| users::delete(conn, id).await).unwrap());
    assert!(!unit!(t, |conn| users::delete(conn, id).await).unwrap());

    for (n, id, there) in [(1, id, false), (2, other, true)] {
        let held = read!(t, |conn| grants::by_id(conn, grant(n).id)).unwrap();
        let kept = read!(t, |conn| sessions::by_id(conn, session(n))).unwrap();
        let password = read!(t, |conn| credentials::password(conn, id)).unwrap();
        let found = (held.is_some(), kept.is_some(), password.is_some());
        assert_eq!(found, (there, there, there), "{n}");
        assert_eq!(find(&t, id).await.is_some(), there);
    }
    assert_eq!(
        read!(t, |conn| users::enabled_with_role(conn, "admin")).unwrap(),
        1
    );
    assert!(
        read!(t, |conn| events::page(conn, None, 9))
            .unwrap()
            .is_empty()
    );
    // The name is free, and what the old account had does not come back with it.
    t.named(1, "ada").await;
    assert!(!find(&t, id).await.unwrap().roles.is_admin());
    assert!(!read!(t, |conn| clients::all(conn)).unwrap().is_empty());
}

async fn the_last_administrator_stays_though_two_are_demoted_at_once(t: Test) {
    for round in 0..5 {
        let pair = [t.admin(2 * round + 1).await, t.admin(2 * round + 2).await];
        let meeting = t.meeting();
        let mut demotions = JoinSet::new();
        for id in pair {
            let (db, meeting) = (t.db.clone(), meeting.clone());
            demotions.spawn(async move {
                db.write(move |conn| {
                    Box::pin(async move {
                        users::lock(conn, id).await?;
                        users::set_roles(conn, id, &RoleSet::default()).await?;
                        meeting.wait().await;
                        // Without this both would count the other's role, which is going.
                        log::advance(conn, at(0)).await?;
                        match users::enabled_with_role(conn, "admin").await? {
                            0 => Err(Failure::Rule),
                            _ => Ok(()),
                        }
                    })
                })
                .await
            });
        }
        let answers = demotions.join_all().await;
        let kept = answers
            .iter()
            .filter(|answer| matches!(answer, Err(Failure::Rule)))
            .count();
        assert_eq!(kept, 1, "{answers:?}");
        assert_eq!(
            read!(t, |conn| users::enabled_with_role(conn, "admin")).unwrap(),
            1
        );
        for id in pair {
            unit!(t, |conn| users::delete(conn, id).await).unwrap();
        }
    }
    // A disabled administrator does not count.
    let id = t.admin(100).await;
    unit!(t, |conn| users::disable(conn, id, at(0)).await).unwrap();
    assert_eq!(
        read!(t, |conn| users::enabled_with_role(conn, "admin")).unwrap(),
        0
    );
}

async fn an_id_of_the_wrong_length_is_corruption(t: Test) {
    t.user(1).await;
    assert_eq!(t.raw("UPDATE users SET id = substr(id, 1, 15)").await, 1);
    let page = read!(t, |conn| users::page(conn, None, None, 9));
    assert!(matches!(page, Err(StoreError::Corrupt(_))), "{page:?}");
}
