//! Project Wycheproof's vectors for JWS and JWK, beside the repository in `../shared/vectors`,
//! or where `COUNTERSIGN_VECTORS` says.
//!
//! The verifier takes ES256, EdDSA, RS256 and HS256 and is strict. Of the 427 vectors 51 say
//! valid. It accepts 21 of them and refuses 30: 28 of other algorithms, and two that need a
//! lenient base64url. Of the 376 that say invalid it refuses 374. The other two, 367 and 370,
//! were meant to be padded, but their padding is missing: they are byte for byte the valid 357
//! under the same key (<https://github.com/C2SP/wycheproof/issues/236>), so that no verifier can
//! agree with the file on all three. In sum 23 are accepted and 404 refused; what 367 and 370
//! were meant to be is tested apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use countersign_token::crypto::{b64, hmac_sha256, unb64};
use countersign_token::{Algorithm, Jwks, KeySet, VerifyingKey, jws};
use serde_json::{Value, json};

const JWS: &str = "json_web_signature_test.json";
const JWK: &str = "json_web_key_test.json";

/// Every vector that says valid and that we refuse, with the reason.
const REFUSED_THOUGH_VALID: [(&str, &str, &[u64]); 8] = [
    (JWS, "RS384", &[264, 265, 266, 267]),
    (JWS, "RS512", &[268, 269, 270, 271]),
    (JWS, "PS256", &[272, 273, 274, 275, 287, 288]),
    (JWS, "PS384", &[320, 321, 322, 323, 346, 350]),
    (JWS, "PS512", &[325, 326, 327, 328]),
    (JWS, "ES512", &[347, 351]),
    (JWK, "HS384 and HS512", &[14, 15]),
    (
        JWS,
        "needs a base64url that skips characters which are none",
        &[372, 373],
    ),
];

/// Every vector that says invalid and that we accept: copies of [`ORIGINAL`], which is valid.
const ACCEPTED_THOUGH_INVALID: [(&str, u64); 2] = [(JWS, 367), (JWS, 370)];
const ORIGINAL: (&str, u64) = (JWS, 357);

fn read(name: &str) -> Option<Value> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let directory = std::env::var_os("COUNTERSIGN_VECTORS").unwrap_or_else(|| beside.into());
    let path = PathBuf::from(directory).join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("{}: {error}", path.display())
        }
        Err(error) => {
            println!("skipped: {}: {error}", path.display());
            None
        }
    }
}

/// The keys of a group as our code takes them: public ones as a JWKS, secrets as configuration
/// would give them. Which keys are bad is for that code to say.
fn keys(group: &Value) -> Option<KeySet> {
    let given = group.get("public").unwrap_or(&group["private"]);
    let list = given
        .get("keys")
        .unwrap_or(&json!([given]))
        .as_array()
        .unwrap()
        .clone();
    if list.iter().any(|key| key["kty"] != "oct") {
        return Jwks::parse(json!({ "keys": list }).to_string().as_bytes())
            .ok()?
            .key_set()
            .ok();
    }
    let mut set = KeySet::default();
    for key in &list {
        let text = |name: &str| key[name].as_str().unwrap();
        let algorithm: Algorithm = text("alg").parse().ok()?;
        let secret = VerifyingKey::from_secret(text("kid").into(), &unb64(text("k"))?).ok()?;
        if algorithm != secret.algorithm() || !set.insert(secret) {
            return None;
        }
    }
    Some(set)
}

#[test]
fn of_427_wycheproof_vectors_23_are_accepted_and_404_refused() {
    let (Some(signatures), Some(sets)) = (read(JWS), read(JWK)) else {
        return;
    };
    let (mut accepted, mut refused) = (BTreeMap::new(), BTreeMap::new());
    let (mut only_refused, mut only_accepted) = (BTreeSet::new(), BTreeSet::new());
    for (file, document) in [(JWS, &signatures), (JWK, &sets)] {
        for group in document["testGroups"].as_array().unwrap() {
            let keys = keys(group);
            for test in group["tests"].as_array().unwrap() {
                let id = (file, test["tcId"].as_u64().unwrap());
                let token = test["jws"].as_str().unwrap();
                let accepts = keys
                    .as_ref()
                    .is_some_and(|keys| jws::verify(keys, token).is_ok());
                let seen = if accepts { &mut accepted } else { &mut refused };
                assert_eq!(seen.insert(id, (group, token)), None, "{id:?} stands twice");
                match (accepts, test["result"].as_str().unwrap()) {
                    (true, "valid") | (false, "invalid") => {}
                    (false, "valid") => assert!(only_refused.insert(id)),
                    (true, "invalid") => assert!(only_accepted.insert(id)),
                    (_, other) => panic!("{id:?} says {other}"),
                }
            }
        }
    }
    let reasons = REFUSED_THOUGH_VALID.iter();
    let explained = reasons.flat_map(|(file, _, ids)| ids.iter().map(|&id| (*file, id)));
    assert_eq!(only_refused, explained.collect::<BTreeSet<_>>());
    assert_eq!(only_accepted, BTreeSet::from(ACCEPTED_THOUGH_INVALID));
    for copy in ACCEPTED_THOUGH_INVALID {
        assert_eq!(accepted[&copy], accepted[&ORIGINAL], "same key, same bytes");
    }
    assert_eq!(
        (accepted.len(), refused.len(), only_refused.len()),
        (23, 404, 28 + 2)
    );
}

#[test]
fn what_vectors_367_and_370_were_meant_to_be_is_refused() {
    let key = [0; 32];
    let keys = [VerifyingKey::from_secret("hs256-key".into(), &key).unwrap()]
        .into_iter()
        .collect();
    let (header, payload) = (b64(br#"{"kid":"hs256-key","alg":"HS256"}"#), b64(b"Test"));
    let signed = |input: String| {
        let mac = hmac_sha256(&key, &[input.as_bytes()]);
        jws::verify(&keys, &format!("{input}.{}", b64(&mac))).map(|_| ())
    };
    for padding in ["=", "=="] {
        let malformed = Err(jws::Rejection::Malformed);
        assert_eq!(signed(format!("{header}{padding}.{payload}")), malformed);
        assert_eq!(signed(format!("{header}.{payload}{padding}")), malformed);
    }
    assert_eq!(signed(format!("{header}.{payload}")), Ok(()));
}
