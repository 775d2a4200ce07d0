//! Tokens of a former program: what is let in, and that neither check takes what the other is for.

use countersign_token::crypto::{b64, hmac_sha256};
use countersign_token::{KeyError, Legacy, LegacySubject, Refusal, Timestamp, VerifyingKey, issue};
use serde_json::{Value, json};

use crate::support::*;

const UNTIL: i64 = NOW + 3600;

fn legacy() -> Legacy {
    Legacy::new(&SECRET, Timestamp::from_secs(UNTIL)).unwrap()
}

/// The header of PyJWT and jsonwebtoken.
const PLAIN: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What flask-jwt-extended 4.7.4 writes.
fn flask() -> Value {
    json!({
        "fresh": true, "iat": NOW, "jti": "6f4e1c", "type": "access", "sub": "17", "nbf": NOW,
        "csrf": "a2f1", "exp": NOW + 900,
    })
}

fn without(name: &str) -> Value {
    let mut claims = flask();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn but(name: &str, value: Value) -> Value {
    let mut claims = flask();
    claims[name] = value;
    claims
}

fn check(legacy: &Legacy, header: &str, claims: &Value) -> Result<String, Refusal> {
    let token = forge(header, &claims.to_string());
    legacy.check(&token, now()).map(|token| token.subject)
}

#[test]
fn a_header_that_is_not_plain_is_refused() {
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS512","typ":"JWT"}"#,
        r#"{"alg":"hs256","typ":"JWT"}"#,
        r#"{"alg":"RS256","typ":"JWT"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"k"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"shared"}"#,
        r#"{"alg":"HS256","typ":"JWT","jwk":{}}"#,
        r#"{"alg":"HS256","typ":"JWT","jku":"https://evil.example"}"#,
        r#"{"alg":"HS256","typ":"JWT","crit":["exp"]}"#,
    ] {
        let refused = check(&legacy(), header, &flask());
        assert_eq!(refused, Err(Refusal::SignatureInvalid), "{header}");
    }
    let twice = r#"{"alg":"HS256","alg":"HS256"}"#;
    assert_eq!(check(&legacy(), twice, &flask()), Err(Refusal::Malformed));
}

#[test]
fn another_secret_another_byte_and_other_forms_are_refused() {
    let token = forge(PLAIN, &flask().to_string());
    let other = Legacy::new(&[8; 32], Timestamp::from_secs(UNTIL)).unwrap();
    let flipped = token.replace('.', "..");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for (legacy, token, why) in [
        (&other, token.as_str(), Refusal::SignatureInvalid),
        (
            &legacy(),
            &format!("{signed}.{}", &signature[3..]),
            Refusal::SignatureInvalid,
        ),
        (&legacy(), &format!("{signed}."), Refusal::SignatureInvalid),
        (&legacy(), &format!("{token}="), Refusal::Malformed),
        (&legacy(), &flipped, Refusal::Malformed),
        (&legacy(), "", Refusal::Malformed),
        (&legacy(), &"a".repeat(9_000), Refusal::Malformed),
    ] {
        assert_eq!(legacy.check(token, now()), Err(why), "{token}");
    }
}

#[test]
fn claims_that_a_login_must_have_are_demanded() {
    for (claims, why) in [
        (without("exp"), Refusal::Malformed),
        (without("iat"), Refusal::Malformed),
        (without("sub"), Refusal::Malformed),
        (but("type", json!("refresh")), Refusal::WrongType),
        (but("type", json!("reset")), Refusal::WrongType),
        (but("type", json!(null)), Refusal::WrongType),
        (but("aud", json!("countersign")), Refusal::WrongAudience),
        (but("aud", json!([])), Refusal::WrongAudience),
        (but("sub", json!("")), Refusal::Malformed),
        (but("sub", json!("x".repeat(256))), Refusal::Malformed),
        (but("sub", json!(1.5)), Refusal::Malformed),
        (but("sub", json!(true)), Refusal::Malformed),
        (but("sub", json!(["17"])), Refusal::Malformed),
        (but("exp", json!("9999999999")), Refusal::Malformed),
        (but("exp", json!(9e18)), Refusal::Malformed),
        (but("exp", json!(-1)), Refusal::Malformed),
        (but("iat", json!(NOW * 1_000)), Refusal::Malformed),
        (but("nbf", json!("now")), Refusal::Malformed),
        (but("exp", json!(NOW)), Refusal::Expired),
        (but("nbf", json!(NOW + 31)), Refusal::NotYetValid),
        (but("iat", json!(NOW + 31)), Refusal::NotYetValid),
    ] {
        assert_eq!(check(&legacy(), PLAIN, &claims), Err(why), "{claims}");
    }
    let twice = flask().to_string().replacen('{', r#"{"sub":"18","#, 1);
    let token = forge(PLAIN, &twice);
    assert_eq!(legacy().check(&token, now()), Err(Refusal::Malformed));
}

#[test]
fn the_end_is_the_end_whatever_the_token_says() {
    let long = but("exp", json!(NOW + 10 * 365 * 86_400));
    let token = forge(PLAIN, &long.to_string());
    let read = legacy().check(&token, now()).unwrap();
    assert_eq!(read.ends, Timestamp::from_secs(UNTIL));
    let last = Timestamp::from_millis(UNTIL * 1_000 - 1);
    assert!(legacy().check(&token, last).is_ok());
    let over = Timestamp::from_secs(UNTIL);
    assert_eq!(legacy().check(&token, over), Err(Refusal::SignatureInvalid));
}

#[test]
fn what_the_libraries_write_is_read() {
    let jsonwebtoken = json!({"userId": 17, "iat": NOW, "exp": NOW + 900});
    let by_user_id = legacy().subject("userId", LegacySubject::Id);
    let for_app = legacy().audience(Some("app".to_owned()));
    for (legacy, header, claims) in [
        (&legacy(), PLAIN, flask()),
        (&legacy(), r#"{"alg":"HS256"}"#, without("nbf")),
        (
            &legacy(),
            r#"{"typ":"jwt","alg":"HS256","x":1}"#,
            without("type"),
        ),
        (&legacy(), PLAIN, but("exp", json!(NOW as f64 + 0.5 + 1.0))),
        (&legacy(), PLAIN, but("iat", json!(NOW + 30))),
        (&by_user_id, PLAIN, jsonwebtoken),
        (&for_app, PLAIN, but("aud", json!("app"))),
        (&for_app, PLAIN, but("aud", json!(["web", "app"]))),
    ] {
        assert_eq!(
            check(legacy, header, &claims),
            Ok("17".to_owned()),
            "{claims}"
        );
    }
    assert_eq!(
        check(&for_app, PLAIN, &flask()),
        Err(Refusal::WrongAudience)
    );
}

// Who may choose a name could choose somebody's id.
#[test]
fn a_name_that_looks_like_an_id_is_refused() {
    let by_name = legacy().subject("sub", LegacySubject::Name);
    for name in [
        "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000",
        "0190AAAABBBB7CCC8DDDEEEEFFFF0000",
    ] {
        let claims = but("sub", json!(name));
        assert_eq!(check(&by_name, PLAIN, &claims), Err(Refusal::Malformed));
        assert_eq!(check(&legacy(), PLAIN, &claims), Ok(name.to_owned()));
    }
    assert_eq!(
        check(&by_name, PLAIN, &but("sub", json!("ada"))),
        Ok("ada".to_owned())
    );
}

#[test]
fn its_claims_have_no_session_no_role_and_are_not_fresh() {
    let claims = |legacy: Legacy, claims: Value| {
        let token = forge(PLAIN, &claims.to_string());
        legacy.check(&token, now()).unwrap().into_claims()
    };
    let with_roles = but("roles", json!(["admin"]));
    let by_id = claims(legacy(), with_roles);
    assert!(by_id.is_legacy() && !super::support::claims().is_legacy());
    assert_eq!(
        (by_id.sub.as_str(), by_id.username, by_id.email),
        ("17", None, None)
    );
    assert!(by_id.roles.is_empty() && by_id.scope.is_none() && !by_id.fresh);
    let by_name = || legacy().subject("sub", LegacySubject::Name);
    let ada = claims(by_name(), but("sub", json!("ada")));
    assert_eq!((ada.username.as_deref(), ada.email), (Some("ada"), None));
    let bea = claims(by_name(), but("sub", json!("bea@example.com")));
    assert_eq!(
        (bea.username, bea.email.as_deref()),
        (None, Some("bea@example.com"))
    );
}

/// Also where one secret serves both, as it does where JWT_SECRET_KEY stays what it was.
#[test]
fn neither_check_takes_what_the_other_is_for() {
    let shared = VerifyingKey::from_secret("shared".into(), &SECRET).unwrap();
    let verifier = verifier([shared, secret_key()]);
    let ours = [
        forge(HEADER, &serde_json::to_string(&claims()).unwrap()),
        issue(
            &countersign_token::SigningKey::shared_secret(&SECRET).unwrap(),
            &claims(),
        )
        .unwrap(),
    ];
    for ours in ours {
        assert!(verifier.check(&ours, now()).is_ok());
        assert_eq!(legacy().check(&ours, now()), Err(Refusal::SignatureInvalid));
    }
    for payload in [flask(), serde_json::to_value(claims()).unwrap()] {
        let theirs = forge(PLAIN, &payload.to_string());
        let refused = verifier.check(&theirs, now()).unwrap_err();
        assert!(matches!(
            refused,
            Refusal::Malformed | Refusal::SignatureInvalid
        ));
    }
}

// A public key is no secret: whoever configured one here would let everybody in.
#[test]
fn a_short_secret_is_refused_and_none_is_shown() {
    let until = Timestamp::from_secs(UNTIL);
    assert_eq!(
        Legacy::new(&[7; 31], until).unwrap_err(),
        KeyError::TooShort
    );
    let secret = *b"vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a";
    let shown = format!("{:?}", Legacy::new(&secret, until).unwrap());
    assert!(
        !shown.contains("vV3l") && !shown.contains("118, 86"),
        "{shown}"
    );
    // As by hand, so that `forge` above proves something.
    let input = format!(
        "{}.{}",
        b64(PLAIN.as_bytes()),
        b64(flask().to_string().as_bytes())
    );
    let token = format!(
        "{input}.{}",
        b64(&hmac_sha256(&secret, &[input.as_bytes()]))
    );
    assert!(
        Legacy::new(&secret, until)
            .unwrap()
            .check(&token, now())
            .is_ok()
    );
}
