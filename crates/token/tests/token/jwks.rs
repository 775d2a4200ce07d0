//! Key sets from elsewhere: what is refused, and what our own look like.

use countersign_token::{Algorithm, JwkError, Jwks, MAX_JWKS_BYTES, MAX_KEYS, SigningKey};
use serde_json::{Value, json};

use crate::support::*;

fn ours(algorithm: Algorithm) -> Value {
    let key = SigningKey::generate(algorithm).unwrap();
    serde_json::to_value(key.public_jwk().unwrap()).unwrap()
}

fn read(keys: &[Value]) -> Result<usize, JwkError> {
    let set = Jwks::parse(json!({ "keys": keys }).to_string().as_bytes())?;
    set.key_set().map(|keys| keys.len())
}

/// The key with one member replaced, or taken out by `null`.
fn but(key: &Value, name: &str, value: Value) -> Value {
    let mut key = key.clone();
    match value {
        Value::Null => key.as_object_mut().unwrap().remove(name),
        value => key.as_object_mut().unwrap().insert(name.into(), value),
    };
    key
}

#[test]
fn what_is_no_key_set_is_malformed() {
    let key = ours(Algorithm::Es256).to_string();
    for bad in [
        String::new(),
        "[]".into(),
        "{}".into(),
        r#"{"keys":{}}"#.into(),
        r#"{"keys":[1]}"#.into(),
        r#"{"keys":[{}]}"#.into(),
        r#"{"keys":[],"keys":[]}"#.into(),
        format!(
            r#"{{"keys":[{}]}}"#,
            key.replacen('{', r#"{"kty":"EC","#, 1)
        ),
        format!(r#"{{"keys":[{key}]}}x"#),
        format!(r#"{{"keys":[]}}{}"#, " ".repeat(MAX_JWKS_BYTES)),
        format!(r#"{{"keys":[{}]}}"#, vec![key; MAX_KEYS + 1].join(",")),
    ] {
        assert_eq!(
            Jwks::parse(bad.as_bytes()),
            Err(JwkError::Malformed),
            "{bad:.200}"
        );
    }
}

#[test]
fn private_and_symmetric_keys_are_refused_beside_public_ones_and_alone() {
    let (ec, oct) = (
        ours(Algorithm::Es256),
        json!({"kty":"oct","kid":"s","alg":"HS256","k":"AAAA"}),
    );
    assert_eq!(read(std::slice::from_ref(&oct)), Err(JwkError::Private));
    assert_eq!(read(&[ec.clone(), oct]), Err(JwkError::Private));
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert_eq!(
            read(&[but(&ec, member, json!("AAAA"))]),
            Err(JwkError::Private),
            "{member}"
        );
    }
}

#[test]
fn names_are_needed_and_stand_for_one_key_each() {
    let (one, two) = (ours(Algorithm::Es256), ours(Algorithm::EdDsa));
    let two = but(&two, "kid", one["kid"].clone());
    assert_eq!(read(&[one.clone(), two]), Err(JwkError::DuplicateKid));
    for kid in [Value::Null, json!(""), json!("k".repeat(129))] {
        assert_eq!(read(&[but(&one, "kid", kid)]), Err(JwkError::Kid));
    }
}

#[test]
fn keys_for_anything_but_verifying_are_refused() {
    let key = ours(Algorithm::EdDsa);
    for (member, value) in [
        ("use", json!("enc")),
        ("use", json!("")),
        ("key_ops", json!([])),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!(["sign", "verify"])),
        ("key_ops", json!(["encrypt"])),
    ] {
        assert_eq!(
            read(&[but(&key, member, value.clone())]),
            Err(JwkError::Use),
            "{value}"
        );
    }
    assert_eq!(
        read(&[but(
            &but(&key, "use", Value::Null),
            "key_ops",
            json!(["verify"])
        )]),
        Ok(1)
    );
}

#[test]
fn one_key_has_one_algorithm() {
    let (ec, ed, rsa) = (
        ours(Algorithm::Es256),
        ours(Algorithm::EdDsa),
        ours(Algorithm::Rs256),
    );
    for (key, member, value) in [
        (&ec, "alg", json!("ES384")),
        (&ec, "alg", json!("EdDSA")),
        (&ec, "alg", json!("HS256")),
        (&ec, "alg", json!("none")),
        (&ec, "crv", json!("P-384")),
        (&ec, "crv", json!("secp256k1")),
        (&ec, "crv", Value::Null),
        (&ec, "kty", json!("OKP")),
        (&ec, "kty", json!("ec")),
        (&ec, "y", Value::Null),
        (&ec, "n", json!("AQAB")),
        (&ed, "crv", json!("Ed448")),
        (&ed, "crv", json!("X25519")),
        (&ed, "alg", json!("ES256")),
        (&ed, "y", json!("AAAA")),
        (&rsa, "alg", Value::Null),
        (&rsa, "alg", json!("PS256")),
        (&rsa, "alg", json!("RS512")),
        (&rsa, "e", Value::Null),
        (&rsa, "crv", json!("P-256")),
    ] {
        let bad = but(key, member, value);
        assert_eq!(
            read(std::slice::from_ref(&bad)),
            Err(JwkError::Algorithm),
            "{bad}"
        );
    }
    assert_eq!(
        read(&[
            but(&ec, "alg", Value::Null),
            but(&ed, "alg", Value::Null),
            rsa
        ]),
        Ok(3)
    );
    assert_eq!(read(&[but(&ed, "alg", json!("Ed25519"))]), Ok(1));
}

#[test]
fn weak_and_impossible_keys_are_refused() {
    let (ec, ed, rsa) = (
        ours(Algorithm::Es256),
        ours(Algorithm::EdDsa),
        ours(Algorithm::Rs256),
    );
    let zeros = "A".repeat(43);
    let n = rsa["n"].as_str().unwrap().to_owned();
    for (key, member, value) in [
        (&ec, "x", json!(zeros)),
        (&ec, "y", ec["x"].clone()),
        (&ec, "x", json!(format!("{}=", ec["x"].as_str().unwrap()))),
        (&ec, "x", json!("")),
        (&ec, "x", json!(format!("AA{}", ec["x"].as_str().unwrap()))),
        (&ed, "x", json!("AAAA")),
        (&ed, "x", json!(format!("{zeros}A"))),
        (&rsa, "e", json!("AQ")),
        (&rsa, "e", json!("Ag")),
        (&rsa, "e", json!("")),
        (&rsa, "e", json!("AAEAAQ")),
        (&rsa, "e", json!("AQAAAAAB")),
        (&rsa, "n", json!("")),
        (&rsa, "n", json!(n[..340].to_owned())),
        (&rsa, "n", json!(format!("AAAA{n}"))),
        (&rsa, "n", json!(format!("{}AA", &n[..340]))),
        (&rsa, "n", json!(n.repeat(5)[..1400].to_owned())),
    ] {
        let bad = but(key, member, value);
        assert_eq!(
            read(std::slice::from_ref(&bad)),
            Err(JwkError::Weak),
            "{bad}"
        );
    }
}

#[test]
fn our_own_document_has_the_members_a_reader_expects_and_nothing_private() {
    let keys = all_keys();
    let set = Jwks {
        keys: keys.iter().filter_map(SigningKey::public_jwk).collect(),
    };
    let document = serde_json::to_value(&set).unwrap();
    let members = |i: usize| {
        document["keys"][i]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(members(0), "alg crv kid kty use x y");
    assert_eq!(members(1), "alg crv kid kty use x");
    assert_eq!(members(2), "alg e kid kty n use");
    assert_eq!(
        document["keys"].as_array().unwrap().len(),
        3,
        "HS256 has no public key"
    );
    assert_eq!(
        Jwks::parse(document.to_string().as_bytes()),
        Ok(set.clone())
    );
    let read = set.key_set().unwrap();
    for (key, read) in keys.iter().zip(read.iter()) {
        assert_eq!((key.kid(), key.algorithm()), (read.kid(), read.algorithm()));
        let token = countersign_token::issue(key, &claims()).unwrap();
        assert!(verifier([read.clone()]).check(&token, now()).is_ok());
    }
}
