//! Logins that are watched, and guards that are dropped.

use super::issuer::key;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_login_ends_for_every_reason_and_for_no_other() {
    type End = fn(&Issuer, &Hands);
    let ends: [(&str, End); 6] = [
        ("token_revoked", |issuer, _| {
            issuer.floor(Scope::Session, "s", Revoked);
        }),
        ("token_superseded", |issuer, _| {
            issuer.floor(Scope::User, "1", Reason::Superseded);
        }),
        ("token_expired", |_, hands| hands.advance(930_000)),
        ("unavailable", |issuer, hands| {
            issuer.now(|told| told.mode = Mode::Frozen);
            hands.advance(30_000);
        }),
        ("token_signature_invalid", |issuer, _| {
            issuer.now(|told| {
                told.keys = vec![key()];
                told.version += 1;
                told.seq += 1;
            });
        }),
        ("token_revoked", |issuer, _| {
            issuer.now(|told| told.seq = 50);
        }),
    ];
    for (expected, end) in ends {
        let issuer = Issuer::start().await;
        // An expiry is to be told apart from a lapse.
        let policy = if expected == "token_expired" {
            Policy::Lenient
        } else {
            Policy::Bounded
        };
        let (guard, hands) = guard(&issuer, policy).await;
        let watched = tokio::spawn(guard.revoked(&issuer.mint("s")));
        issuer.floor(Scope::Session, "other", Revoked);
        issuer.floor(Scope::User, "2", Revoked);
        eventually("other floors", || guard.status().floors == 2);
        hands.advance(1_000);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!watched.is_finished(), "{expected}");
        end(&issuer, &hands);
        let ended = tokio::time::timeout(Duration::from_secs(5), watched).await;
        assert_eq!(ended.expect(expected).unwrap().code(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_good_to_begin_with_has_ended() {
    let issuer = Issuer::start().await;
    let (guard, _) = guard(&issuer, Policy::Bounded).await;
    assert_eq!(
        guard.revoked("nonsense").await,
        Refusal::Token(Bad::Malformed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_clone_takes_the_follower_with_it() {
    let issuer = Issuer::start().await;
    let (guard, _) = guard(&issuer, Policy::Bounded).await;
    eventually("the long poll", || issuer.told().open == 1);
    let (clone, watched) = (guard.clone(), guard.revoked(&issuer.mint("s")));
    drop(guard);
    drop(clone);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        issuer.told().open,
        1,
        "whoever watches a login holds a guard"
    );
    drop(watched);
    eventually("nobody asks", || issuer.told().open == 0);
    let asked = issuer.told().asked.len();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(issuer.told().asked.len(), asked);
}
