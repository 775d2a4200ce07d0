//! What is refused whatever the time: form, signature, type, issuer, audience, in this order.

use countersign_token::Refusal::{self, *};
use countersign_token::crypto::{b64, sha256};
use countersign_token::{Algorithm, SigningKey, VerifyingKey, jws};
use serde_json::json;

use crate::support::*;

fn refusal(token: &str) -> Refusal {
    let verifier = verifier([secret_key()]);
    let refusal = verifier.check(token, now()).expect_err(token);
    assert_eq!(
        verifier.recognise(token),
        Err(refusal),
        "both look at a token in the same way"
    );
    refusal
}

fn good() -> String {
    forge(HEADER, &with("fresh", Some(json!(true))))
}

#[test]
fn what_is_not_three_parts_of_strict_base64url_is_malformed() {
    let token = good();
    let [header, payload, signature]: [&str; 3] =
        token.split('.').collect::<Vec<_>>().try_into().unwrap();
    // 32 bytes take 43 characters, the last of which has two unused bits.
    let last = signature.chars().last().unwrap();
    let twin = char::from(last as u8 + 1);
    let bent = format!("{}{twin}", &signature[..42]);
    for bad in [
        String::new(),
        "..".into(),
        ".".repeat(9000),
        format!("{header}.{payload}"),
        format!("{token}.{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{bent}"),
        format!("{header}.{payload} .{signature}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("Bearer {token}"),
        format!(
            "{header}.{payload}.{}",
            signature.replace(['-', '_', 'A'], "+")
        ),
        "a".repeat(jws::MAX_BYTES + 1),
        forge(
            HEADER,
            &with("roles", Some(json!(["r".repeat(jws::MAX_BYTES)]))),
        ),
    ] {
        assert_eq!(refusal(&bad), Malformed, "{bad}");
    }
    assert!(verifier([secret_key()]).check(&token, now()).is_ok());
}

#[test]
fn a_header_that_can_be_read_in_two_ways_is_malformed() {
    for header in [
        "",
        "null",
        "[]",
        r#""HS256""#,
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt""#,
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt"}}"#,
        r#"{"alg":"HS256","alg":"HS256","kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"none","\u0061lg":"HS256","kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","kid":"k","kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt","x":1,"x":1}"#,
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt","x":{"y":1,"y":1}}"#,
        r#"{"alg":"HS256","kid":7,"typ":"at+jwt"}"#,
        r#"{"alg":["HS256"],"kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","kid":"k","typ":null}"#,
    ] {
        assert_eq!(
            refusal(&forge(header, &with("fresh", None))),
            Malformed,
            "{header}"
        );
    }
}

#[test]
fn claims_that_are_missing_double_or_absurd_are_malformed() {
    let required = [
        "iss",
        "sub",
        "aud",
        "client_id",
        "iat",
        "nbf",
        "exp",
        "jti",
        "sid",
        "rev",
        "type",
    ];
    for name in required {
        assert_eq!(
            refusal(&forge(HEADER, &with(name, None))),
            Malformed,
            "without {name}"
        );
        let null = with(name, Some(json!(null)));
        assert_eq!(refusal(&forge(HEADER, &null)), Malformed, "{name} null");
    }
    for name in ["iss", "sub", "client_id", "jti", "sid"] {
        for bad in [json!(""), json!(7), json!(["a"])] {
            let payload = with(name, Some(bad));
            assert_eq!(refusal(&forge(HEADER, &payload)), Malformed, "{payload}");
        }
    }
    for name in ["iat", "nbf", "exp", "rev"] {
        let mut bad = vec![
            "-1",
            "1.5",
            "1795220000.0",
            "1e9",
            "-0",
            "\"1\"",
            "true",
            "[]",
        ];
        bad.extend([
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "1e400",
        ]);
        if name != "rev" {
            bad.extend(["253402300800", "9223372036854775807"]);
        }
        for bad in bad {
            let payload = with(name, Some(json!("HERE"))).replace("\"HERE\"", bad);
            assert_eq!(refusal(&forge(HEADER, &payload)), Malformed, "{payload}");
        }
    }
    for (name, bad) in [
        ("aud", json!([1])),
        ("aud", json!({})),
        ("roles", json!("admin")),
        ("roles", json!([null])),
        ("fresh", json!("true")),
        ("email_verified", json!(1)),
        ("username", json!(null)),
    ] {
        let payload = with(name, Some(bad));
        assert_eq!(refusal(&forge(HEADER, &payload)), Malformed, "{payload}");
    }
    let body = with("x", Some(json!(1)));
    for twice in [
        r#""sub":"user-2""#,
        r#""x":2"#,
        r#""\u0073ub":"user-2""#,
        r#""y":{"a":1,"a":2}"#,
    ] {
        let payload = format!("{},{twice}}}", &body[..body.len() - 1]);
        assert_eq!(refusal(&forge(HEADER, &payload)), Malformed, "{payload}");
    }
    for payload in [
        "",
        "null",
        "[]",
        "{}",
        "{",
        &format!("{body}{body}"),
        "\u{feff}{}",
    ] {
        assert_eq!(refusal(&forge(HEADER, payload)), Malformed, "{payload}");
    }
}

#[test]
fn a_token_that_names_its_own_key_or_another_algorithm_is_not_signed() {
    let payload = with("fresh", None);
    for header in [
        r#"{"alg":"none","kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"None","kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"hs256","kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"HS512","kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#,
        r#"{"kid":"k","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt","jku":"https://evil.example/jwks.json"}"#,
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt","jwk":{"kty":"oct","k":"BwcH"}}"#,
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt","x5u":"https://evil.example/"}"#,
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt","x5c":["MII"]}"#,
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","kid":"k","typ":"at+jwt","b64":true}"#,
    ] {
        assert_eq!(
            refusal(&forge(header, &payload)),
            SignatureInvalid,
            "{header}"
        );
    }
    let unsigned = forge(r#"{"alg":"none","kid":"k","typ":"at+jwt"}"#, &payload);
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    assert_eq!(refusal(&unsigned), SignatureInvalid);
}

#[test]
fn a_signature_that_is_not_the_keys_is_refused() {
    let token = good();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = VerifyingKey::from_secret("k".into(), &[8; 32]).unwrap();
    assert_eq!(
        verifier([other]).check(&token, now()),
        Err(SignatureInvalid)
    );
    for bad in [
        "",
        &signature[..40],
        &signature.repeat(4),
        &b64(&[0; 32]),
        &b64(&[0; 64]),
    ] {
        assert_eq!(
            refusal(&format!("{signed}.{bad}")),
            SignatureInvalid,
            "{bad}"
        );
    }
    let promoted = with("roles", Some(json!(["admin", "root"])));
    let spliced = forge(HEADER, &promoted)
        .rsplit_once('.')
        .unwrap()
        .0
        .to_owned();
    assert_eq!(refusal(&format!("{spliced}.{signature}")), SignatureInvalid);
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let verifier = verifier([key.verifying_key()]);
        let jwk = serde_json::to_string(&key.public_jwk().unwrap()).unwrap();
        for secret in [jwk.as_bytes(), &sha256(jwk.as_bytes())] {
            let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
            (header.kid, header.typ) = (Some(key.kid().into()), Some("at+jwt".into()));
            let secret = jsonwebtoken::EncodingKey::from_secret(secret);
            let token = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
            assert_eq!(
                verifier.check(&token, now()),
                Err(SignatureInvalid),
                "{algorithm}"
            );
        }
    }
}

#[test]
fn an_unknown_key_is_told_apart_for_the_caller_but_not_for_the_client() {
    let token = forge(
        r#"{"alg":"HS256","kid":"new","typ":"at+jwt"}"#,
        &with("fresh", None),
    );
    assert_eq!(refusal(&token), UnknownKey);
    assert_eq!(UnknownKey.code(), SignatureInvalid.code());
    assert_eq!(UnknownKey.message(), SignatureInvalid.message());
    let verifier = verifier([]);
    assert_eq!(
        verifier.check(&good(), now()),
        Err(UnknownKey),
        "no keys, no tokens"
    );
    verifier.set_keys([secret_key()].into_iter().collect());
    assert!(verifier.check(&good(), now()).is_ok());
    verifier.set_keys([].into_iter().collect());
    assert_eq!(
        verifier.check(&good(), now()),
        Err(UnknownKey),
        "a key that was withdrawn"
    );
}

#[test]
fn of_several_faults_the_first_of_the_contract_is_named() {
    let bad_type = HEADER.replace("at+jwt", "JWT");
    let unsigned = HEADER.replace("HS256", "none");
    let foreign = json!("http://evil.example");
    let mut body = serde_json::from_str::<serde_json::Value>(&with("iss", Some(foreign))).unwrap();
    body["aud"] = json!("other");
    body["nbf"] = json!(NOW + 1);
    body["exp"] = json!(NOW);
    body["rev"] = json!(2000);
    assert_eq!(refusal(&forge(&unsigned, "{}")), Malformed);
    assert_eq!(
        refusal(&forge(&unsigned, &body.to_string())),
        SignatureInvalid
    );
    assert_eq!(refusal(&forge(&bad_type, &body.to_string())), WrongType);
    assert_eq!(refusal(&forge(HEADER, &body.to_string())), WrongIssuer);
    body["iss"] = json!(claims().iss);
    assert_eq!(refusal(&forge(HEADER, &body.to_string())), WrongAudience);
    body["aud"] = json!(["other", "countersign"]);
    let verifier = verifier([secret_key()]);
    for (claim, value, refusal) in [
        ("nbf", NOW, NotYetValid),
        ("exp", NOW + 900, Expired),
        ("rev", REV.0, Ahead),
    ] {
        assert_eq!(
            verifier.check(&forge(HEADER, &body.to_string()), now()),
            Err(refusal)
        );
        body[claim] = json!(value);
    }
    assert!(
        verifier
            .check(&forge(HEADER, &body.to_string()), now())
            .is_ok()
    );
}

#[test]
fn only_access_tokens_are_taken_for_access_tokens() {
    let payload = with("fresh", None);
    for typ in [
        "JWT",
        "jwt",
        "AT+JWT",
        "logout+jwt",
        "application/JWT",
        "application/application/at+jwt",
        "",
    ] {
        assert_eq!(
            refusal(&forge(&HEADER.replace("at+jwt", typ), &payload)),
            WrongType,
            "{typ}"
        );
    }
    assert_eq!(
        refusal(&forge(r#"{"alg":"HS256","kid":"k"}"#, &payload)),
        WrongType
    );
    assert_eq!(
        refusal(&forge(HEADER, &with("type", Some(json!("refresh"))))),
        WrongType
    );
    let long = forge(&HEADER.replace("at+jwt", "application/at+jwt"), &payload);
    assert!(verifier([secret_key()]).check(&long, now()).is_ok());
}

#[test]
fn issuer_and_audience_are_compared_whole() {
    for iss in [
        "http://127.0.0.1:5000/",
        "HTTP://127.0.0.1:5000",
        "http://127.0.0.1",
    ] {
        assert_eq!(
            refusal(&forge(HEADER, &with("iss", Some(json!(iss))))),
            WrongIssuer
        );
    }
    for aud in [
        json!("countersign2"),
        json!("Countersign"),
        json!([]),
        json!(["a", "b"]),
    ] {
        assert_eq!(
            refusal(&forge(HEADER, &with("aud", Some(aud)))),
            WrongAudience
        );
    }
    let several = forge(HEADER, &with("aud", Some(json!(["shop", "countersign"]))));
    assert!(verifier([secret_key()]).check(&several, now()).is_ok());
}

#[test]
fn what_is_not_known_is_ignored_and_what_is_optional_may_be_missing() {
    let header = r#"{"alg":"HS256","kid":"k","typ":"at+jwt","cty":"x","new":[{"a":1},{"a":2}]}"#;
    let mut body: serde_json::Value =
        serde_json::from_str(&with("act", Some(json!({"a": 1})))).unwrap();
    for optional in ["username", "roles", "fresh"] {
        body.as_object_mut().unwrap().remove(optional);
    }
    let read = verifier([secret_key()])
        .check(&forge(header, &body.to_string()), now())
        .unwrap();
    assert_eq!(
        (read.username.as_deref(), read.roles.len(), read.fresh),
        (None, 0, false)
    );
}
