//! Keys, and what is made with them.

use countersign_token::crypto::sha256;
use countersign_token::{Algorithm, IssueError, KeyError, SigningKey, VerifyingKey, issue};

use crate::support::*;

#[test]
fn a_token_that_would_be_too_large_or_senseless_is_not_made() {
    let key = SigningKey::shared_secret(&SECRET).unwrap();
    let mut large = claims();
    while issue(&key, &large).is_ok_and(|token| token.len() <= 1024) {
        large.roles.push("r".into());
    }
    let Err(IssueError::TooLarge { bytes }) = issue(&key, &large) else {
        panic!("it was made")
    };
    assert!((1025..1040).contains(&bytes), "{bytes}");
    for bad in [
        countersign_token::Claims {
            sid: String::new(),
            ..claims()
        },
        countersign_token::Claims {
            exp: -1,
            ..claims()
        },
        countersign_token::Claims {
            iat: i64::MAX,
            ..claims()
        },
    ] {
        assert_eq!(issue(&key, &bad), Err(IssueError::Claims));
    }
}

#[test]
fn keys_are_refused_unless_they_are_what_they_are_said_to_be() {
    assert_eq!(
        SigningKey::shared_secret(&[7; 31]).unwrap_err(),
        KeyError::TooShort
    );
    assert_eq!(
        SigningKey::from_bytes(Algorithm::Hs256, b"").unwrap_err(),
        KeyError::TooShort
    );
    assert_eq!(
        VerifyingKey::from_secret("k".into(), &[7; 31]).unwrap_err(),
        KeyError::TooShort
    );
    for key in all_keys() {
        for other in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
            let read = SigningKey::from_bytes(other, &key.to_bytes());
            assert_eq!(read.is_ok(), other == key.algorithm(), "{key:?} as {other}");
        }
        let again = SigningKey::from_bytes(key.algorithm(), &key.to_bytes()).unwrap();
        assert_eq!(again.kid(), key.kid());
        assert_eq!(again.public_jwk(), key.public_jwk());
        assert!(key.kid().len() == 8 && key.kid().chars().all(|c| c.is_ascii_hexdigit()));
        let token = issue(&key, &claims()).unwrap();
        assert_eq!(
            *verifier([again.verifying_key()])
                .check(&token, now())
                .unwrap(),
            claims()
        );
    }
}

#[test]
fn a_key_shows_nothing_of_its_secret() {
    let shared = SigningKey::shared_secret(&SECRET).unwrap();
    assert_eq!(format!("{shared:?}"), "SigningKey(HS256 shared)");
    assert_eq!(
        format!("{:?}", shared.verifying_key()),
        "VerifyingKey(HS256 shared)"
    );
    assert!(shared.public_jwk().is_none());
    let named = SigningKey::from_bytes(Algorithm::Hs256, &SECRET).unwrap();
    assert_ne!(named.kid(), "shared");
    let digest = sha256(&SECRET)[..4]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect::<String>();
    assert_ne!(
        named.kid(),
        digest,
        "a bare digest would let guesses be tried"
    );
}
