//! A verifier that remembers what it verified answers as one that does not.

use std::sync::Arc;

use countersign_token::{
    Algorithm, Floor, KeySet, Reason, Refusal, Scope, Seq, SigningKey, Subject, Timestamp,
    Verifier, VerifyingKey, issue,
};
use proptest::prelude::*;

use crate::support::*;

/// A verifier that has verified the token already.
fn warm(key: VerifyingKey, token: &str) -> Verifier {
    let verifier = verifier([key]);
    assert!(verifier.check(token, now()).is_ok());
    verifier
}

#[test]
fn a_remembered_token_is_judged_anew_on_every_use() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let token = issue(&key, &claims()).unwrap();
    let warm = || warm(key.verifying_key(), &token);

    let verifier = warm();
    let end = Timestamp::from_secs(NOW + 900);
    assert_eq!(verifier.check(&token, end), Err(Refusal::Expired));

    let verifier = warm();
    verifier.note(&Floor {
        seq: Seq(REV.0 + 1),
        scope: Scope::Session,
        subject: Subject::of(Scope::Session, &claims().sid),
        reason: Reason::Revoked,
        expires: end,
    });
    assert_eq!(verifier.check(&token, now()), Err(Refusal::Revoked));

    let verifier = warm();
    verifier.set_life(std::time::Duration::from_secs(899));
    assert_eq!(verifier.check(&token, now()), Err(Refusal::Expired));
}

#[test]
fn a_hit_counts_only_while_its_key_is_in_the_set() {
    let (key, token) = {
        let key = SigningKey::shared_secret(&SECRET).unwrap();
        let token = issue(&key, &claims()).unwrap();
        (key, token)
    };
    let verifier = warm(key.verifying_key(), &token);
    verifier.set_keys(KeySet::default());
    assert_eq!(verifier.check(&token, now()), Err(Refusal::UnknownKey));

    // The same name with another secret is another key; the same key again is the same.
    let other = SigningKey::shared_secret(&[8; 32]).unwrap();
    verifier.set_keys([other.verifying_key()].into_iter().collect());
    assert_eq!(
        verifier.check(&token, now()),
        Err(Refusal::SignatureInvalid)
    );
    verifier.set_keys([key.verifying_key()].into_iter().collect());
    assert!(verifier.check(&token, now()).is_ok());

    // The same secret under another name would not be found by the token's header.
    let renamed = VerifyingKey::from_secret("renamed".into(), &SECRET).unwrap();
    verifier.set_keys([renamed].into_iter().collect());
    assert_eq!(verifier.check(&token, now()), Err(Refusal::UnknownKey));
}

#[test]
fn what_is_remembered_is_not_read_again() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let token = issue(&key, &claims()).unwrap();
    let remembering = verifier([key.verifying_key()]);
    let first = remembering.check(&token, now()).unwrap();
    assert!(Arc::ptr_eq(
        &first,
        &remembering.check(&token, now()).unwrap()
    ));

    let forgetful = verifier([key.verifying_key()]).with_memo(0);
    let first = forgetful.check(&token, now()).unwrap();
    assert!(!Arc::ptr_eq(
        &first,
        &forgetful.check(&token, now()).unwrap()
    ));

    remembering.prune(Timestamp::from_secs(NOW + 900));
    assert!(!Arc::ptr_eq(
        &first,
        &remembering.check(&token, now()).unwrap()
    ));
}

proptest! {
    /// Any sequence of tokens, good and bad, in any order: the same answers with and without.
    #[test]
    fn remembering_changes_no_answer(
        picks in proptest::collection::vec((0usize..6, 0usize..40, any::<u8>(), 0i64..1_000), 1..40)
    ) {
        let key = secret_key();
        let tokens: Vec<String> = (0..6)
            .map(|n| forge(HEADER, &with("jti", Some(format!("token-{n}").into()))))
            .collect();
        let remembering = verifier([key.clone()]);
        let forgetful = verifier([key]).with_memo(0);
        for (pick, index, byte, later) in picks {
            let mut token = tokens[pick].clone().into_bytes();
            // Half of them with one byte changed.
            if byte >= 128 {
                let at = index * 7 % token.len();
                token[at] = byte & 127;
            }
            let token = String::from_utf8(token).unwrap();
            let at = Timestamp::from_secs(NOW + later);
            prop_assert_eq!(remembering.check(&token, at), forgetful.check(&token, at));
        }
    }
}
