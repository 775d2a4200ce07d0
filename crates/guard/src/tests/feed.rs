//! What answers of the feed do.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_ready_before_the_whole_log_is_there() {
    let issuer = Issuer::start().await;
    let tokens = ["a", "b", "c", "d", "e"].map(|sid| issuer.mint(sid));
    issuer.now(|told| {
        told.page = 2;
        told.mode = Mode::FrozenAt(104);
        for sid in ["a", "b", "c", "d", "e"] {
            told.floor(Scope::Session, sid, Revoked);
        }
    });
    let connecting = tokio::spawn({
        let issuer = issuer.clone();
        async move { guard(&issuer, Policy::Bounded).await }
    });
    eventually("the last page is asked for", || {
        issuer.told().asked.len() == 3
    });
    assert!(!connecting.is_finished());
    issuer.now(|told| told.mode = Mode::Answers);
    let (guard, _) = connecting.await.unwrap();
    assert_eq!(
        tokens.each_ref().map(|token| code(&guard, token)),
        ["token_revoked"; 5]
    );
    assert_eq!((guard.status().floors, guard.status().seq.0), (5, 105));
    assert_eq!(&issuer.told().asked[..3], [(0, 0), (102, 0), (104, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_fell_behind_is_not_current_before_the_last_page() {
    let issuer = Issuer::start().await;
    let (guard, hands) = guard(&issuer, Policy::Strict).await;
    let (token, last) = (issuer.mint("live"), issuer.mint("24999"));
    issuer.now(|told| told.mode = Mode::Frozen);
    hands.advance(3_600_000);
    issuer.now(|told| {
        told.now += 3_600;
        (0..25_000).for_each(|n| told.floor(Scope::Session, &n.to_string(), Revoked));
        told.mode = Mode::FrozenAt(100 + 20_000);
    });
    eventually("two of three pages", || guard.status().floors == 20_000);
    assert_eq!(code(&guard, &issuer.mint("live")), "unavailable");
    issuer.now(|told| told.mode = Mode::Answers);
    eventually("all of it", || guard.status().current);
    assert_eq!(guard.status().floors, 25_000);
    assert_eq!(code(&guard, &issuer.mint("live")), "");
    for old in [token, last] {
        assert_eq!(code(&guard, &old), "token_expired");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_went_back_leads_and_what_was_known_stays() {
    let issuer = Issuer::start().await;
    issuer.floor(Scope::Session, "ended", Revoked);
    let (guard, _) = guard(&issuer, Policy::Bounded).await;
    let (ended, future) = (
        issuer.mint_with(|claims| {
            claims.sid = "ended".to_owned();
            claims.rev.0 = 10;
        }),
        issuer.mint("s"),
    );
    assert_eq!(code(&guard, &future), "");
    issuer.now(|told| {
        told.seq = 50;
        told.floors.clear();
    });
    eventually("the lower position", || guard.status().seq.0 == 50);
    assert_eq!(guard.verify(&future), Err(Refusal::Token(Bad::Ahead)));
    assert_eq!(
        guard.check(&future).await,
        Err(Refusal::Token(Bad::Ahead)),
        "after a look"
    );
    assert_eq!(code(&guard, &ended), "token_revoked");
    assert_eq!(code(&guard, &issuer.mint("new")), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_newer_than_the_news_is_looked_up_once() {
    let issuer = Issuer::start().await;
    let (guard, _) = guard(&issuer, Policy::Bounded).await;
    eventually("the long poll", || issuer.told().open == 1);
    // Nobody rings the bell: the news are not on their way.
    issuer.told().seq = 200;
    let token = issuer.mint("s");
    assert_eq!(guard.verify(&token), Err(Refusal::Token(Bad::Ahead)));
    assert_eq!(guard.check(&token).await.unwrap().sid, "s");
    assert_eq!(code(&guard, &token), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_newer_than_the_news_is_not_blamed_for_an_outage() {
    let issuer = Issuer::start().await;
    let (guard, _) = guard(&issuer, Policy::Bounded).await;
    issuer.now(|told| {
        told.mode = Mode::Fails(503);
        told.seq = 200;
    });
    let token = issuer.mint("s");
    assert_eq!(guard.check(&token).await.unwrap_err().status(), 503);
    assert!(guard.status().current, "it knows enough for older tokens");
    issuer.now(|told| told.mode = Mode::Answers);
    assert!(guard.check(&token).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scope_is_honoured_and_superseded_says_so() {
    let issuer = Issuer::start().await;
    let (guard, _) = guard(&issuer, Policy::Bounded).await;
    for (scope, id) in [
        (Scope::Token, "j"),
        (Scope::Session, "s"),
        (Scope::User, "1"),
        (Scope::Client, "countersign"),
        (Scope::Issuer, issuer::ISSUER),
    ] {
        for (reason, expected) in [
            (Reason::Superseded, "token_superseded"),
            (Revoked, "token_revoked"),
        ] {
            let token = issuer.mint("s");
            eventually("up to date", || code(&guard, &token).is_empty());
            issuer.floor(scope, id, reason);
            eventually(expected, || code(&guard, &token) == expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_too_soon_is_not_asked_in_circles() {
    let issuer = Issuer::start().await;
    let (_guard, _) = guard(&issuer, Policy::Bounded).await;
    issuer.now(|told| told.mode = Mode::Hurries);
    let before = issuer.told().asked.len();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let asked = issuer.told().asked.len() - before;
    assert!((2..=6).contains(&asked), "{asked} in 200 ms");
}
