//! An independent library reads what we write, and we read what it writes.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use countersign_token::crypto::{b64, unb64};
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

/// Ours are handed to the library as DER; it has a reader of its own for the form of a JWS.
#[test]
fn es256_signatures_are_read_as_the_library_reads_them() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk = serde_json::to_value(key.public_jwk().unwrap()).unwrap();
    let coordinate = |name: &str| unb64(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let library = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap();
    let (ours, mut good) = (key.verifying_key(), 0);
    // Among so many some numbers begin with zeros, and half of them with a bit that DER hides.
    for n in 0..600 {
        let token = key.sign("t", n.to_string().as_bytes()).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (signed, signature) = (signed.as_bytes(), unb64(signature).unwrap());
        let (r, s) = signature.split_at(32);
        for signature in [
            signature.clone(),
            [s, r].concat(),
            [r, &[0; 32]].concat(),
            [&[0; 32][..], s].concat(),
            [r, &[0xff; 32]].concat(),
            [&[0][..], r, s].concat(),
            [r, s, &[0]].concat(),
            [&r[1..], s].concat(),
            [r, &s[..31]].concat(),
        ] {
            let verifies = ours.verifies(signed, &signature);
            assert_eq!(verifies, library.verify_sig(signed, &signature).is_ok());
            good += u32::from(verifies);
        }
    }
    assert_eq!(good, 600);
}
