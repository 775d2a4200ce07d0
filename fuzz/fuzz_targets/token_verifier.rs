//! Tokens and key sets from strangers.
//!
//! The first byte says what the rest is: a token as it is, one of our tokens with changes, a
//! header and a payload that we sign ourselves, or a key set. Whatever it is, nothing panics, and
//! nothing is accepted that was not signed with one of the keys.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use countersign_token::crypto::{b64, hmac_sha256};
use countersign_token::{
    Algorithm, Claims, Jwks, Policy, Seq, SigningKey, Timestamp, Verifier, VerifyingKey, issue, jws,
};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_795_220_000;
const SECRET: [u8; 32] = [7; 32];
const HEADER: &[u8] = br#"{"alg":"HS256","kid":"forge","typ":"at+jwt"}"#;

struct World {
    verifier: Verifier,
    keys: Vec<SigningKey>,
    tokens: Vec<String>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let keys: Vec<_> = Algorithm::ALL
        .iter()
        .map(|&algorithm| SigningKey::generate(algorithm).unwrap())
        .collect();
    let tokens = keys
        .iter()
        .map(|key| issue(key, &claims()).unwrap())
        .collect();
    let verifier = Verifier::new(Policy {
        issuer: claims().iss,
        audience: "countersign".into(),
        leeway: Duration::ZERO,
        life: Duration::from_secs(900),
    });
    let forge = VerifyingKey::from_secret("forge".into(), &SECRET).unwrap();
    verifier.set_keys(
        keys.iter()
            .map(SigningKey::verifying_key)
            .chain([forge])
            .collect(),
    );
    verifier.apply(&[], Seq(1000));
    World {
        verifier,
        keys,
        tokens,
    }
});

fn claims() -> Claims {
    Claims {
        iss: "http://127.0.0.1:5000".into(),
        sub: "user-1".into(),
        aud: vec!["countersign".into()],
        client_id: "countersign".into(),
        iat: NOW,
        nbf: NOW,
        exp: NOW + 900,
        jti: "token-1".into(),
        sid: "session-1".into(),
        rev: Seq(1000),
        username: Some("ada".into()),
        email: None,
        email_verified: None,
        roles: vec!["admin".into()],
        token_type: "access".into(),
        scope: None,
        fresh: true,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 5 {
        0 => stranger(rest),
        1 => changed(rest),
        2 => parts(rest),
        3 => signed(rest),
        _ => key_set(rest),
    }
});

/// Any text: it is accepted only if it is a token we made.
fn stranger(data: &[u8]) {
    if let Ok(token) = std::str::from_utf8(data) {
        refused_unless_ours(token);
    }
}

fn refused_unless_ours(token: &str) {
    let World {
        verifier, tokens, ..
    } = &*WORLD;
    let ours = tokens.iter().any(|own| own == token);
    assert_eq!(
        verifier.check(token, Timestamp::from_secs(NOW)).is_ok(),
        ours
    );
    assert_eq!(verifier.recognise(token).is_ok(), ours);
    assert_eq!(jws::verify(&verifier.keys(), token).is_ok(), ours);
}

/// One of our tokens, with bytes put in the place of others, put in, or taken out.
fn changed(data: &[u8]) {
    let Some((&which, edits)) = data.split_first() else {
        return;
    };
    let mut token = WORLD.tokens[usize::from(which) % 4].clone().into_bytes();
    for edit in edits.chunks_exact(4).take(8) {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % (token.len().max(2) - 1);
        match (edit[2] % 3, token.get_mut(place)) {
            (0, Some(byte)) => *byte = edit[3],
            (1, Some(_)) => drop(token.remove(place)),
            _ => token.insert(place, edit[3]),
        }
    }
    if let Ok(token) = std::str::from_utf8(&token) {
        refused_unless_ours(token);
    }
}

/// Well-made base64url of any header, payload and signature: nobody signed it.
fn parts(data: &[u8]) {
    let mut parts = data.splitn(3, |&byte| byte == 0xff).map(b64);
    let token = [(); 3].map(|()| parts.next().unwrap_or_default()).join(".");
    refused_unless_ours(&token);
}

/// A header or payload of any kind, rightly signed: what is accepted says what it must.
fn signed(data: &[u8]) {
    let Some((&which, content)) = data.split_first() else {
        return;
    };
    let payload = serde_json::to_vec(&claims()).unwrap();
    let (header, payload) = if which & 1 == 0 {
        (content, &payload[..])
    } else {
        (HEADER, content)
    };
    let input = format!("{}.{}", b64(header), b64(payload));
    let token = format!(
        "{input}.{}",
        b64(&hmac_sha256(&SECRET, &[input.as_bytes()]))
    );
    let verifier = &WORLD.verifier;
    let recognised = verifier.recognise(&token);
    match verifier.check(&token, Timestamp::from_secs(NOW)) {
        Ok(claims) => {
            assert_eq!(recognised.as_ref(), Ok(&*claims));
            assert!(claims.iss == "http://127.0.0.1:5000" && claims.token_type == "access");
            assert!(claims.aud.iter().any(|aud| aud == "countersign"));
            assert!(claims.iat <= NOW && claims.nbf <= NOW && claims.exp > NOW);
            assert!(claims.exp - claims.iat <= 900 && claims.rev <= Seq(1000));
            assert!(!claims.jti.is_empty() && !claims.sid.is_empty());
        }
        Err(refusal) => assert!(!refusal.code().is_empty()),
    }
    if let Ok(claims) = recognised {
        let again = serde_json::to_vec(&claims).unwrap();
        assert_eq!(serde_json::from_slice::<Claims>(&again).unwrap(), claims);
    }
    // An other time, an other floor: no arithmetic overflows.
    for at in [i64::MIN, 0, i64::MAX] {
        let _ = verifier.check(&token, Timestamp::from_millis(at));
    }
}

/// A key set from elsewhere: what is read says the same when written, and verifies none of our
/// tokens unless it holds our keys.
fn key_set(data: &[u8]) {
    let Ok(set) = Jwks::parse(data) else { return };
    let written = serde_json::to_vec(&set).unwrap();
    assert_eq!(Jwks::parse(&written).as_ref(), Ok(&set));
    let Ok(keys) = set.key_set() else { return };
    let World {
        keys: own, tokens, ..
    } = &*WORLD;
    for (key, token) in own.iter().zip(tokens) {
        let ours = key.public_jwk().is_some_and(|jwk| set.keys.contains(&jwk));
        assert_eq!(jws::verify(&keys, token).is_ok(), ours);
    }
}
