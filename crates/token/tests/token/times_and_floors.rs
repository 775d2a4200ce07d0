//! What is refused at one time and not at another.

use std::time::Duration;

use countersign_token::Refusal::{self, *};
use countersign_token::{Claims, Floor, Reason, Scope, Seq, Subject, Timestamp, Verifier};

use crate::support::*;

fn token(change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = claims();
    change(&mut claims);
    forge(HEADER, &serde_json::to_string(&claims).unwrap())
}

fn floor(scope: Scope, id: &str, seq: i64, reason: Reason) -> Floor {
    let expires = Timestamp::from_secs(NOW + 960);
    Floor {
        seq: Seq(seq),
        scope,
        subject: Subject::of(scope, id),
        reason,
        expires,
    }
}

#[test]
fn a_token_holds_from_nbf_until_just_before_exp() {
    let verifier = verifier([secret_key()]);
    let token = token(|_| {});
    for (millis, outcome) in [
        (NOW * 1000 - 1, Some(NotYetValid)),
        (NOW * 1000, None),
        ((NOW + 900) * 1000 - 1, None),
        ((NOW + 900) * 1000, Some(Expired)),
        (i64::MIN, Some(NotYetValid)),
        (i64::MAX, Some(Expired)),
    ] {
        assert_eq!(
            verifier.check(&token, Timestamp::from_millis(millis)).err(),
            outcome,
            "{millis}"
        );
    }
}

#[test]
fn leeway_forgives_that_much_and_no_more() {
    let verifier = Verifier::new(policy(30));
    verifier.set_keys([secret_key()].into_iter().collect());
    verifier.apply(&[], REV);
    let token = token(|_| {});
    for (seconds, outcome) in [
        (NOW - 31, Some(NotYetValid)),
        (NOW - 30, None),
        (NOW + 929, None),
        (NOW + 930, Some(Expired)),
    ] {
        assert_eq!(
            verifier.check(&token, Timestamp::from_secs(seconds)).err(),
            outcome,
            "{seconds}"
        );
    }
}

#[test]
fn a_token_that_claims_more_life_than_floors_have_is_expired() {
    let verifier = verifier([secret_key()]);
    let long = token(|claims| claims.exp += 1);
    assert_eq!(verifier.check(&long, now()), Err(Expired));
    let ahead = token(|claims| claims.iat += 1);
    assert_eq!(
        verifier.check(&ahead, now()),
        Err(Expired),
        "iat is to come, nbf is not"
    );
    let endless = token(|claims| (claims.iat, claims.exp) = (0, 253_402_300_799));
    assert_eq!(verifier.check(&endless, now()), Err(Expired));
    verifier.set_life(Duration::from_secs(901));
    assert!(verifier.check(&long, now()).is_ok());
    verifier.set_life(Duration::MAX);
    assert!(verifier.check(&endless, now()).is_ok());
}

#[test]
fn a_floor_on_any_scope_refuses_what_was_minted_below_it() {
    let claims = claims();
    let scopes = [
        (Scope::Token, claims.jti.as_str()),
        (Scope::Session, &claims.sid),
        (Scope::User, &claims.sub),
        (Scope::Client, &claims.client_id),
        (Scope::Issuer, &claims.iss),
    ];
    let token = token(|_| {});
    for (scope, id) in scopes {
        for (reason, refusal) in [(Reason::Revoked, Revoked), (Reason::Superseded, Superseded)] {
            let verifier = verifier([secret_key()]);
            verifier.apply(&[floor(scope, id, REV.0, reason)], REV);
            assert!(verifier.check(&token, now()).is_ok(), "{scope} at rev");
            verifier.apply(&[floor(scope, "another", 2000, reason)], Seq(2000));
            assert!(verifier.check(&token, now()).is_ok(), "{scope} of another");
            verifier.apply(&[floor(scope, id, REV.0 + 1, reason)], Seq(2000));
            assert_eq!(verifier.check(&token, now()), Err(refusal), "{scope}");
            assert_eq!(
                verifier.recognise(&token).as_ref(),
                Ok(&claims),
                "it is ours all the same"
            );
        }
    }
}

#[test]
fn no_floor_masks_another() {
    let (revoked, superseded) = (Reason::Revoked, Reason::Superseded);
    let cases: [(&[Floor], Refusal); 4] = [
        // A later `superseded` of the same user does not hide that the user was logged out.
        (
            &[
                floor(Scope::User, "user-1", 1500, revoked),
                floor(Scope::User, "user-1", 1600, superseded),
            ],
            Revoked,
        ),
        (
            &[
                floor(Scope::Session, "session-1", 1600, superseded),
                floor(Scope::User, "user-1", 1500, revoked),
            ],
            Revoked,
        ),
        // Nor does one that is too low hide one that is high enough, in whatever order they come.
        (
            &[
                floor(Scope::User, "user-1", 1500, revoked),
                floor(Scope::User, "user-1", 900, revoked),
            ],
            Revoked,
        ),
        (
            &[
                floor(Scope::User, "user-1", 900, revoked),
                floor(Scope::User, "user-1", 1500, superseded),
            ],
            Superseded,
        ),
    ];
    for (floors, refusal) in cases {
        let verifier = verifier([secret_key()]);
        verifier.apply(floors, Seq(1600));
        assert_eq!(
            verifier.check(&token(|_| {}), now()),
            Err(refusal),
            "{floors:?}"
        );
        assert!(
            verifier
                .check(&token(|claims| claims.rev = Seq(1600)), now())
                .is_ok()
        );
    }
}

#[test]
fn a_token_from_ahead_of_the_log_is_not_believed() {
    let verifier = verifier([secret_key()]);
    let ahead = token(|claims| claims.rev = Seq(REV.0 + 1));
    assert_eq!(verifier.check(&ahead, now()), Err(Ahead));
    assert_eq!(
        (Ahead.code(), Ahead.message()),
        (Revoked.code(), Revoked.message())
    );
    verifier.apply(&[], Seq(REV.0 + 1));
    assert!(
        verifier.check(&ahead, now()).is_ok(),
        "the log has moved on"
    );
    verifier.apply(&[], Seq(5));
    assert_eq!(verifier.seq(), Seq(5));
    assert_eq!(
        verifier.check(&ahead, now()),
        Err(Ahead),
        "the log went back, and we follow"
    );
    let extreme = token(|claims| claims.rev = Seq(i64::MAX));
    assert_eq!(verifier.check(&extreme, now()), Err(Ahead));
    verifier.note(&floor(Scope::User, "user-1", 9000, Reason::Superseded));
    assert_eq!(
        verifier.check(&ahead, now()),
        Err(Ahead),
        "it may turn out revoked"
    );
    verifier.note(&floor(Scope::User, "user-1", 9000, Reason::Revoked));
    assert_eq!(verifier.check(&ahead, now()), Err(Revoked));
}

#[test]
fn a_verifier_that_has_read_no_log_accepts_nothing() {
    let verifier = Verifier::new(policy(0));
    verifier.set_keys([secret_key()].into_iter().collect());
    assert_eq!(verifier.check(&token(|_| {}), now()), Err(Ahead));
}

#[test]
fn a_floor_is_forgotten_when_its_tokens_are_dead_and_not_before() {
    let verifier = verifier([secret_key()]);
    verifier.apply(
        &[floor(Scope::User, "user-1", 1500, Reason::Revoked)],
        Seq(1500),
    );
    verifier.prune(Timestamp::from_millis((NOW + 960) * 1000 - 1));
    assert_eq!(verifier.check(&token(|_| {}), now()), Err(Revoked));
    verifier.prune(Timestamp::from_secs(NOW + 960));
    assert_eq!(verifier.floors_held(), 0);
    assert_eq!(verifier.seq(), Seq(1500), "the cursor stays");
}

/// A check that is held up between its look at the clock and its look at the floors.
#[test]
fn a_floor_that_was_forgotten_ends_what_was_below_it_and_nothing_else() {
    let verifier = verifier([secret_key()]);
    let (ended, newer) = (token(|_| {}), token(|claims| claims.rev = Seq(2000)));
    verifier.apply(
        &[floor(Scope::Session, "session-1", 2000, Reason::Revoked)],
        Seq(2000),
    );
    assert_eq!(verifier.check(&ended, now()), Err(Refusal::Revoked));
    verifier.prune(Timestamp::from_secs(NOW + 960));
    assert_eq!(verifier.floors_held(), 0);
    assert_eq!(verifier.check(&ended, now()), Err(Refusal::Expired));
    assert!(
        verifier.check(&newer, now()).is_ok(),
        "no floor was above it"
    );
    verifier.prune(Timestamp::from_secs(0));
    assert_eq!(verifier.check(&ended, now()), Err(Refusal::Expired));
}
