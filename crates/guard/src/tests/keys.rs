//! Keys that come and go.

use super::issuer::key;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_applied_before_its_keys_are_loaded() {
    for broken in [Mode::Fails(500), Mode::HalfAnswers] {
        let issuer = Issuer::start().await;
        let (guard, hands) = guard(&issuer, Policy::Bounded).await;
        let token = issuer.mint("s");
        assert_eq!(code(&guard, &token), "", "and is remembered");
        issuer.now(|told| {
            told.jwks = broken;
            told.version = 2;
            told.keys = vec![key()];
            told.floor(Scope::Session, "other", Revoked);
        });
        eventually("several attempts", || issuer.told().jwks_loaded > 3);
        assert_eq!((guard.status().seq.0, guard.status().floors), (100, 0));
        assert_eq!(code(&guard, &token), "");
        hands.advance(30_000);
        assert_eq!(code(&guard, &token), "unavailable", "no lease without keys");
        issuer.now(|told| told.jwks = Mode::Answers);
        eventually("current again", || guard.status().current);
        assert_eq!(guard.status().seq.0, 101);
        assert_eq!(
            code(&guard, &token),
            "token_signature_invalid",
            "remembered or not"
        );
        assert_eq!(code(&guard, &issuer.mint("s")), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_signs_above_every_floor_until_it_is_revoked() {
    let issuer = Issuer::start().await;
    let (guard, _) = guard(&issuer, Policy::Bounded).await;
    issuer.floor(Scope::User, "1", Revoked);
    eventually("the floor is known", || guard.status().seq.0 == 101);
    // Whoever has the key writes what he likes into `rev`.
    let forged = issuer.mint_with(|claims| claims.rev.0 = 101);
    assert_eq!(code(&guard, &forged), "", "and is remembered");
    let watched = tokio::spawn(guard.revoked(&forged));
    issuer.now(|told| {
        told.keys = vec![key()];
        told.version = 2;
        told.seq += 1;
    });
    eventually("the revocation is heard of", || guard.status().seq.0 == 102);
    assert_eq!(code(&guard, &forged), "token_signature_invalid");
    let refusal = tokio::time::timeout(Duration::from_secs(5), watched).await;
    assert_eq!(refusal.unwrap().unwrap().code(), "token_signature_invalid");
    assert_eq!(code(&guard, &issuer.mint("s")), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_make_the_guard_look_for_keys_once_in_ten_seconds() {
    let issuer = Issuer::start().await;
    let (guard, hands) = guard(&issuer, Policy::Bounded).await;
    // A key that no version announces.
    issuer.told().keys.push(key());
    let token = issuer.mint("s");
    assert_eq!(guard.verify(&token), Err(Refusal::Token(Bad::UnknownKey)));
    assert_eq!(issuer.told().jwks_loaded, 1);
    assert!(guard.check(&token).await.is_ok());
    assert_eq!(issuer.told().jwks_loaded, 2);

    issuer.told().keys.push(key());
    let token = issuer.mint("s");
    for _ in 0..3 {
        assert_eq!(
            guard.check(&token).await,
            Err(Refusal::Token(Bad::UnknownKey))
        );
    }
    hands.advance(9_999);
    assert!(guard.check(&token).await.is_err());
    assert_eq!(issuer.told().jwks_loaded, 2);
    hands.advance(1);
    assert!(guard.check(&token).await.is_ok());
}
