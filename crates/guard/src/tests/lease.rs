//! What a guard answers when it does not hear from its issuer.

use countersign_token::Seq;
use countersign_token::feed::Answer;

use super::*;
use crate::shared::Shared;

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_guard_says_so_on_time_and_never_401() {
    for (policy, lease, seconds) in [(Policy::Strict, 3_000, 1), (Policy::Bounded, 30_000, 5)] {
        let issuer = Issuer::start().await;
        let (guard, hands) = guard(&issuer, policy).await;
        let token = issuer.mint("s");
        issuer.now(|told| told.mode = Mode::Frozen);
        hands.advance(lease - 1);
        assert_eq!(code(&guard, &token), "", "{policy:?}");
        assert!(guard.status().current);
        hands.advance(1);
        for token in [token.as_str(), "nonsense"] {
            let refusal = guard.verify(token).unwrap_err();
            assert_eq!((refusal.status(), refusal.code()), (503, "unavailable"));
            assert_eq!(refusal.retry_after(), Some(seconds));
            assert_eq!(refusal.challenge(), None);
            assert_eq!(guard.check(token).await, Err(refusal));
        }
        assert!(!guard.status().current);

        issuer.now(|told| told.mode = Mode::Answers);
        eventually("current again", || guard.status().current);
        assert_eq!(code(&guard, &token), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lenient_guard_goes_on_until_tokens_expire() {
    let issuer = Issuer::start().await;
    let (guard, hands) = guard(&issuer, Policy::Lenient).await;
    let token = issuer.mint("s");
    issuer.now(|told| told.mode = Mode::Frozen);
    hands.advance(899_000);
    assert_eq!(code(&guard, &token), "");
    hands.advance(31_000);
    assert_eq!(code(&guard, &token), "token_expired", "after the leeway");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_counts_from_the_question_and_not_from_its_answer() {
    let issuer = Issuer::start().await;
    let (guard, hands) = guard(&issuer, Policy::Bounded).await;
    eventually("the first long poll", || issuer.told().open == 1);
    issuer.now(|told| told.mode = Mode::Frozen);
    hands.advance(20_000);
    issuer.now(|told| {
        told.mode = Mode::FrozenAt(101);
        told.seq = 101;
    });
    eventually("the answer is applied", || guard.status().seq.0 == 101);
    assert_eq!(guard.status().lease_age, Duration::from_secs(20));
    hands.advance(10_000);
    assert!(!guard.status().current, "though answered 10 s ago");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_freezes_within_an_answer_fakes_no_lease() {
    for (policy, lease) in [(Policy::Strict, 3_000), (Policy::Bounded, 30_000)] {
        let issuer = Issuer::start().await;
        let (guard, hands) = guard(&issuer, policy).await;
        let token = issuer.mint("s");
        issuer.now(|told| {
            told.mode = Mode::HalfAnswers;
            told.floor(Scope::Session, "s", Revoked);
        });
        hands.advance(lease - 1);
        assert_eq!(code(&guard, &token), "", "not known here yet");
        hands.advance(1);
        assert_eq!(code(&guard, &token), "unavailable", "{policy:?}");
        issuer.now(|told| told.mode = Mode::Answers);
        eventually("caught up", || guard.status().current);
        assert_eq!(code(&guard, &token), "token_revoked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_issuer_is_asked_again_and_the_first_answer_is_not_waited_for() {
    for status in [401, 500, 503] {
        let issuer = Issuer::start().await;
        let (guard, hands) = guard(&issuer, Policy::Bounded).await;
        issuer.now(|told| told.mode = Mode::Fails(status));
        eventually("several attempts", || issuer.told().asked.len() > 4);
        hands.advance(30_000);
        assert!(!guard.status().current, "{status}");
        issuer.now(|told| told.mode = Mode::Answers);
        eventually("current again", || guard.status().current);
        let told = issuer.told();
        let waits: Vec<_> = told.asked.iter().map(|(_, wait)| *wait).collect();
        assert_eq!(
            &waits[..4],
            [0, 10, 0, 0],
            "{status}: a long poll that fails, then none"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_are_the_issuers_and_no_clock_of_ours() {
    for skew in [-3_600, 0, 3_600, 1_000_000_000] {
        let issuer = Issuer::start().await;
        issuer.now(|told| told.now += skew);
        let (guard, hands) = guard(&issuer, Policy::Lenient).await;
        let (token, ended) = (issuer.mint("s"), issuer.mint("ended"));
        issuer.floor(Scope::Session, "ended", Revoked);
        eventually("the floor is known", || {
            code(&guard, &ended) == "token_revoked"
        });
        issuer.now(|told| told.mode = Mode::Frozen);
        hands.advance(929_000);
        assert_eq!(code(&guard, &token), "", "{skew}");
        assert_eq!(
            code(&guard, &ended),
            "token_revoked",
            "{skew}: not forgotten early"
        );
        hands.advance(1_000);
        assert_eq!(code(&guard, &token), "token_expired", "{skew}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_is_started_again_lives_on_the_issuers_time_as_well() {
    for skew in [-3_600, 3_600] {
        let issuer = Issuer::start().await;
        issuer.now(|told| told.now += skew);
        let (token, ended) = (issuer.mint("s"), issuer.mint("ended"));
        let (before, _) = guard(&issuer, Policy::Lenient).await;
        issuer.floor(Scope::Session, "ended", Revoked);
        drop(before);
        issuer.now(|told| told.now += 400);
        // Its machine's clock has no relation to the first one's, nor to the issuer's.
        let (guard, hands) = guard(&issuer, Policy::Lenient).await;
        issuer.now(|told| told.mode = Mode::Frozen);
        hands.advance(529_000);
        assert_eq!(code(&guard, &token), "", "{skew}");
        assert_eq!(code(&guard, &ended), "token_revoked", "{skew}");
        hands.advance(1_000);
        for token in [token, ended] {
            assert_eq!(code(&guard, &token), "token_expired", "{skew}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_whose_clock_is_set_takes_its_guards_along() {
    for set in [-3_600, 3_600] {
        let issuer = Issuer::start().await;
        let (guard, _) = guard(&issuer, Policy::Bounded).await;
        let ended = issuer.mint("ended");
        issuer.now(|told| {
            told.now += set;
            told.floor(Scope::Session, "ended", Revoked);
        });
        eventually("the floor is known", || guard.status().floors == 1);
        assert_ne!(code(&guard, &ended), "", "{set}");
        assert_eq!(code(&guard, &issuer.mint("s")), "", "{set}");
    }
}

#[test]
fn whoever_sees_a_lease_sees_the_floors_that_it_stands_for() {
    const ANSWERS: i64 = 50_000;
    let verifier = countersign_token::Verifier::new(countersign_token::Policy {
        issuer: issuer::ISSUER.to_owned(),
        audience: "countersign".to_owned(),
        leeway: Duration::ZERO,
        life: Duration::ZERO,
    });
    let clock = Clock::Fixed(Arc::new(AtomicI64::new(ANSWERS)));
    let shared = Shared::new(verifier, clock, Policy::Bounded, Duration::ZERO);
    let answer = |seq| Answer {
        seq: Seq(seq),
        now: 0,
        life: 900,
        keys: 1,
        more: false,
        floors: vec![],
    };
    std::thread::scope(|scope| {
        scope.spawn(|| (1..=ANSWERS).for_each(|n| shared.apply(&answer(n), None, n, n)));
        for _ in 0..2 {
            scope.spawn(|| {
                let mut sent = 0;
                while sent < ANSWERS {
                    let age = i64::try_from(shared.lease_age().as_millis()).unwrap();
                    sent = ANSWERS - age;
                    let seq = shared.verifier.seq().0;
                    assert!(seq >= sent, "a lease of {sent} on floors up to {seq}");
                }
            });
        }
    });
}
