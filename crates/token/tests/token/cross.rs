//! An independent library reads what we write, and we read what it writes.

use countersign_token::crypto::b64;
use countersign_token::{Algorithm, Claims, SigningKey, issue};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};

use crate::support::*;

fn name(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    algorithm.as_str().parse().unwrap()
}

/// Their copy of a key, by way of PEM for the private half and of JSON for the public one.
fn theirs(key: &SigningKey) -> (EncodingKey, DecodingKey) {
    let bytes = key.to_bytes();
    let standard = b64(&bytes).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - standard.len() % 4) % 4);
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{standard}{padding}\n-----END PRIVATE KEY-----\n");
    let encoding = match key.algorithm() {
        Algorithm::Es256 => EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
        Algorithm::EdDsa => EncodingKey::from_ed_pem(pem.as_bytes()).unwrap(),
        Algorithm::Rs256 => EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        Algorithm::Hs256 => EncodingKey::from_secret(&bytes),
    };
    let decoding = match key.public_jwk() {
        Some(jwk) => {
            let json = serde_json::to_string(&jwk).unwrap();
            DecodingKey::from_jwk(&serde_json::from_str(&json).unwrap()).unwrap()
        }
        None => DecodingKey::from_secret(&bytes),
    };
    (encoding, decoding)
}

#[test]
fn we_and_jsonwebtoken_understand_each_other_in_all_four_algorithms() {
    for key in all_keys() {
        let (encoding, decoding) = theirs(&key);
        let mut validation = Validation::new(name(key.algorithm()));
        validation.validate_exp = false;
        validation.set_audience(&["countersign"]);
        validation.set_issuer(&[claims().iss]);

        let ours = issue(&key, &claims()).unwrap();
        let read = jsonwebtoken::decode::<Claims>(&ours, &decoding, &validation).unwrap();
        assert_eq!(read.claims, claims(), "{key:?}");
        assert_eq!(read.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(read.header.kid.as_deref(), Some(key.kid()));

        let mut header = Header::new(name(key.algorithm()));
        (header.kid, header.typ) = (Some(key.kid().into()), Some("at+jwt".into()));
        let theirs = jsonwebtoken::encode(&header, &claims(), &encoding).unwrap();
        let verifier = verifier([key.verifying_key()]);
        assert_eq!(
            *verifier.check(&theirs, now()).unwrap(),
            claims(),
            "{key:?}"
        );
    }
}

#[test]
fn neither_takes_a_token_of_another_key() {
    for (key, other) in all_keys().iter().zip(&all_keys()) {
        let token = issue(key, &claims()).unwrap();
        let validation = Validation::new(name(key.algorithm()));
        assert!(jsonwebtoken::decode::<Claims>(&token, &theirs(other).1, &validation).is_err());
        assert!(
            verifier([other.verifying_key()])
                .check(&token, now())
                .is_err()
        );
    }
}
