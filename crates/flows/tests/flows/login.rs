use std::time::Duration;

use countersign_core::phc::Cost;
use countersign_flows::issue::Held;
use countersign_flows::{FlowError, Mode, SignedIn};

use crate::site::{DAY, LIFE, MINUTE, PASSWORD, START, Site, access, disabled, refresh_token};

#[tokio::test]
async fn unknown_wrong_and_disabled_are_one_answer_after_one_hash() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let bob = site.user("bob", &[]).await;
    site.change(&bob, disabled(true)).await.unwrap();
    for (name, password) in [
        ("ada", "wrong-harbour-41"),
        ("ada", ""),
        ("bob", PASSWORD),
        ("bob", "wrong-harbour-41"),
        ("nobody", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("no such\0name", PASSWORD),
        ("", PASSWORD),
        (&"x".repeat(5000), PASSWORD),
    ] {
        let before = site.hasher.started();
        let result = site.try_sign_in(name, password, Mode::Token).await;
        refused!(result, FlowError::InvalidCredentials);
        assert_eq!(site.hasher.started() - before, 1, "{name:?}");
    }
    assert!(
        !site
            .events()
            .await
            .iter()
            .any(|(kind, ..)| kind == "session.created")
    );
}

#[tokio::test]
async fn either_name_in_any_spelling_signs_in() {
    let site = Site::new().await;
    let ada = site.user("Ada", &[]).await;
    let eve = site.user("Eve@Example.com", &[]).await;
    for (name, id) in [
        ("ada", ada.id),
        ("ＡＤＡ", ada.id),
        ("eve@example.com", eve.id),
    ] {
        assert_eq!(site.sign_in(name, Mode::Token).await.user.id, id);
    }
}

#[tokio::test]
async fn each_mode_holds_a_session_in_its_own_way() {
    let site = Site::new().await;
    let ada = site.user("ada", &["editor"]).await;
    for mode in [Mode::Token, Mode::Cookie, Mode::Session] {
        let held = site.sign_in("ada", mode).await;
        match (&held.held, mode) {
            (Held::Token(_), Mode::Token) | (Held::Cookie(_), Mode::Cookie) => {}
            (Held::Session(_), Mode::Session) => {}
            _ => panic!("{mode:?} was held otherwise"),
        }
        assert_eq!(held.session_ends_in, DAY * 30);
        let identity = site.identify(&held).await.unwrap();
        assert_eq!(identity.name, "ada");
        assert_eq!(identity.roles.to_words(), ["editor"]);
        let live = site.live(&held).await.unwrap();
        assert_eq!((live.user.id, live.session.id), (ada.id, held.session));
        assert_eq!(live.session.user_agent, "Test/1");
        assert_eq!(live.session.address, "198.51.100.7");
        let made = (
            "session.created".to_owned(),
            ada.id.to_string(),
            Some(ada.id),
        );
        let (kind, actor, subject, session) = site.events().await.swap_remove(0);
        assert_eq!(
            ((kind, actor, subject), session),
            (made, Some(held.session))
        );
    }
}

#[tokio::test]
async fn the_token_says_what_the_contract_lists() {
    let site = Site::new().await;
    let ada = site.user("ada@example.com", &["editor"]).await;
    let held = site.sign_in("ada@example.com", Mode::Token).await;
    let claims = site.claims(&held);
    assert_eq!(
        (claims.iss.as_str(), claims.aud),
        ("https://id.example", vec!["countersign".to_owned()])
    );
    assert_eq!(
        (claims.sub, claims.sid),
        (ada.id.to_string(), held.session.to_string())
    );
    assert_eq!(claims.client_id, "countersign");
    let now = START.as_secs();
    assert_eq!((claims.iat, claims.nbf, claims.exp), (now, now, now + 900));
    assert_eq!(
        (claims.username, claims.email.as_deref()),
        (None, Some("ada@example.com"))
    );
    assert_eq!(
        (claims.email_verified, claims.roles),
        (Some(false), vec!["editor".to_owned()])
    );
    assert!(claims.fresh && access(&held).len() <= 1024);
    let Held::Token(tokens) = &held.held else {
        panic!("asked for tokens")
    };
    assert_eq!(tokens.expires_in, LIFE);
    let again = site.claims(&site.sign_in("ada@example.com", Mode::Token).await);
    assert!(again.jti != claims.jti && again.sid != held.session.to_string());
}

#[tokio::test]
async fn no_token_outlives_its_session() {
    let site = Site::with(|config| config.settings.session_absolute = MINUTE * 20).await;
    site.user("ada", &[]).await;
    let held = site.sign_in("ada", Mode::Token).await;
    assert_eq!(held.session_ends_in, MINUTE * 20);
    site.pass(MINUTE * 12).await;
    let later = site.refresh(&refresh_token(&held)).await.unwrap();
    let claims = site.claims(&later);
    assert_eq!(claims.exp, START.plus(MINUTE * 20).as_secs());
    assert_eq!(later.session_ends_in, MINUTE * 8);
    let Held::Token(tokens) = &later.held else {
        panic!("asked for tokens")
    };
    assert_eq!(tokens.expires_in, MINUTE * 8);
}

#[tokio::test]
async fn a_life_that_is_no_whole_second_is_not_rounded_up() {
    let site =
        Site::with(|config| config.settings.token_lifetime = Duration::from_millis(1500)).await;
    site.user("ada", &[]).await;
    site.pass(Duration::from_millis(700)).await;
    let held = site.sign_in("ada", Mode::Token).await;
    site.identify(&held).await.unwrap();
}

#[tokio::test]
async fn long_names_are_left_out_of_a_token_rather_than_refused() {
    let site = Site::new().await;
    let email = format!("{}@{}.example", "l".repeat(100), "d".repeat(140));
    let roles: Vec<_> = (0..7).map(|at| format!("{at}{}", "r".repeat(31))).collect();
    let words: Vec<&str> = roles.iter().map(String::as_str).collect();
    site.user(&email, &words).await;
    let held = site.sign_in(&email, Mode::Token).await;
    let claims = site.claims(&held);
    assert!(claims.email.is_none() && claims.email_verified.is_none());
    assert_eq!(claims.roles, roles);
    assert!(access(&held).len() <= 1024);
    assert_eq!(site.identify(&held).await.unwrap().name, email);
}

#[tokio::test]
async fn a_hash_of_another_cost_is_made_anew_at_the_next_sign_in() {
    let site = Site::new().await;
    site.user("ada", &[]).await;
    let cost = Cost {
        memory_kib: 16,
        iterations: 1,
        lanes: 1,
    };
    let dearer = site.node_with(|config| config.cost = cost).await.unwrap();
    for hashes in [2, 1] {
        let before = dearer.hasher.started();
        dearer.sign_in("ada", Mode::Token).await;
        assert_eq!(dearer.hasher.started() - before, hashes);
    }
    // Nothing but the right password does.
    site.sign_in("ada", Mode::Token).await;
    refused!(
        dearer
            .try_sign_in("ada", "wrong-harbour-41", Mode::Token)
            .await,
        FlowError::InvalidCredentials
    );
    let before = dearer.hasher.started();
    dearer.sign_in("ada", Mode::Token).await;
    assert_eq!(dearer.hasher.started() - before, 2);
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_or_old_and_not_before() {
    let moment = Duration::from_millis(1);
    for mode in [Mode::Session, Mode::Token] {
        let site = Site::new().await;
        site.user("ada", &[]).await;
        let mut old = site.sign_in("ada", mode).await;
        for unused_for in [DAY * 30 - moment; 3] {
            site.pass(unused_for).await;
            old = used(&site, old).await.unwrap();
        }
        let idle = site.sign_in("ada", mode).await;
        site.pass(moment * 3).await;
        assert!(used(&site, old).await.is_err(), "it is ninety days old");
        site.pass(DAY * 30 - moment * 4).await;
        let idle = used(&site, idle).await.unwrap();
        site.pass(DAY * 30).await;
        match used(&site, idle).await {
            Err(FlowError::SessionInvalid) => assert_eq!(mode, Mode::Session),
            Err(FlowError::RefreshExpired) => assert_eq!(mode, Mode::Token),
            _ => panic!("an idle session lives"),
        }
    }
}

/// What keeps a session from falling idle.
async fn used(site: &Site, held: SignedIn) -> Result<SignedIn, FlowError> {
    match held.held {
        Held::Session(_) => site.identify(&held).await.map(|_| held),
        _ => site.refresh(&refresh_token(&held)).await,
    }
}
