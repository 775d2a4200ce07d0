//! Tokens of a former program, at a service that lets them in for a while.

use countersign_token::crypto::{b64, hmac_sha256};
use serde_json::{Value, json};

use super::*;
use crate::{AcceptHs256, ConnectError};
use issuer::NOW;

const SECRET: &[u8; 32] = b"vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a";
const DAY: i64 = 86_400;

/// As PyJWT and jsonwebtoken make one.
fn old(claims: &Value) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let [header, claims] = [&header, claims].map(|part| b64(part.to_string().as_bytes()));
    let mac = hmac_sha256(SECRET, &[format!("{header}.{claims}").as_bytes()]);
    format!("{header}.{claims}.{}", b64(&mac))
}

fn flask() -> Value {
    json!({"sub": "17", "iat": NOW - 60, "exp": NOW + 600, "type": "access", "fresh": true,
        "roles": ["admin"], "scope": "read"})
}

async fn accepting(issuer: &Issuer, tokens: AcceptHs256) -> (Guard, Hands) {
    let hands = Hands::new();
    let mut builder = Guard::builder(&issuer.url)
        .policy(Policy::Lenient)
        .accept_hs256(tokens);
    builder.clock = Clock::Fixed(Arc::clone(&hands.0));
    (builder.connect().await.unwrap(), hands)
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_refused_unless_a_service_says_otherwise() {
    let issuer = Issuer::start().await;
    let (strict, _) = guard(&issuer, Policy::Lenient).await;
    assert_eq!(code(&strict, &old(&flask())), "token_malformed");
    let (guard, _) = accepting(&issuer, AcceptHs256::new(SECRET, NOW + DAY)).await;
    let with = |name: &str, value: Value| {
        let mut claims = flask();
        claims[name] = value;
        old(&claims)
    };
    for (token, refused) in [
        (with("type", json!("refresh")), "token_wrong_type"),
        (with("exp", json!(null)), "token_malformed"),
        (with("exp", json!(NOW)), "token_expired"),
        (with("aud", json!("else")), "token_wrong_audience"),
        (
            old(&flask()).replace("eyJhbGciOiJIUzI1NiI", "eyJhbGciOiJIUzUxMiI"),
            "token_malformed",
        ),
        ("nonsense".to_owned(), "token_malformed"),
    ] {
        assert_eq!(code(&guard, &token), refused, "{token}");
        assert_eq!(guard.check(&token).await.unwrap_err().code(), refused);
    }
    assert_eq!(code(&guard, &issuer.mint("s")), "");
    assert_eq!(code(&guard, &old(&flask())), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_at_most_90_days_away_and_the_secret_strong() {
    let issuer = Issuer::start().await;
    let refused = async |tokens| {
        let builder = Guard::builder(&issuer.url).accept_hs256(tokens);
        builder.connect().await.map(drop).unwrap_err()
    };
    let far = refused(AcceptHs256::new(SECRET, NOW + 90 * DAY + 2)).await;
    assert!(matches!(far, ConnectError::LegacyUntil), "{far}");
    let weak = refused(AcceptHs256::new(b"super-secret", NOW + DAY)).await;
    assert!(matches!(weak, ConnectError::LegacySecret(_)), "{weak}");
    let (over, _) = accepting(&issuer, AcceptHs256::new(SECRET, NOW - DAY)).await;
    assert_eq!(code(&over, &old(&flask())), "token_malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_says_who_it_is_as_the_former_program_did_and_nothing_more() {
    let issuer = Issuer::start().await;
    let tokens = AcceptHs256::new(SECRET, NOW + DAY).name_in("email");
    let (guard, _) = accepting(&issuer, tokens.audience("shop")).await;
    let token = old(
        &json!({"email": "bea@example.com", "aud": ["shop"], "iat": NOW, "exp": NOW + 9,
        "roles": ["admin"], "fresh": true}),
    );
    let claims = guard.verify(&token).unwrap();
    assert!(claims.is_legacy() && !guard.verify(&issuer.mint("s")).unwrap().is_legacy());
    assert_eq!(claims.sub, "bea@example.com");
    assert_eq!(claims.email.as_deref(), Some("bea@example.com"));
    assert!(claims.roles.is_empty() && !claims.fresh);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_logout_reaches_one_but_its_own_end_and_the_end_of_all_do() {
    let issuer = Issuer::start().await;
    let tokens = AcceptHs256::new(SECRET, NOW + 300).id_in("sub");
    let (guard, hands) = accepting(&issuer, tokens).await;
    let mut claims = flask();
    let long = old(&claims);
    claims["exp"] = json!(NOW + 100);
    let short = old(&claims);
    let (ours, watched) = (issuer.mint("s"), guard.revoked(&long));
    issuer.floor(Scope::User, "17", Revoked);
    issuer.floor(Scope::Issuer, issuer::ISSUER, Revoked);
    eventually("heard", || code(&guard, &ours) == "token_revoked");
    assert_eq!((code(&guard, &long), code(&guard, &short)), ("", ""));
    hands.advance(100_000);
    assert_eq!(code(&guard, &short), "token_expired");
    assert_eq!(code(&guard, &long), "");
    hands.advance(200_000);
    assert_eq!(
        code(&guard, &long),
        "token_malformed",
        "the time of such tokens is over"
    );
    assert_eq!(watched.await.code(), "token_expired");
}

#[cfg(feature = "axum")]
#[tokio::test(flavor = "multi_thread")]
async fn it_is_known_and_has_no_role_no_scope_and_no_fresh_login() {
    let issuer = Issuer::start().await;
    let (guard, _) = accepting(&issuer, AcceptHs256::new(SECRET, NOW + DAY)).await;
    let app = web::app(&guard);
    let bearer = format!("Bearer {}", old(&flask()));
    for (path, status) in [
        ("GET /admin", 403),
        ("GET /role", 403),
        ("GET /layer", 403),
        ("GET /scope", 403),
        ("GET /fresh", 401),
        ("GET /user", 200),
        ("GET /optional", 200),
    ] {
        let (answer, body) = web::send(&app, path, &[("authorization", &bearer)]).await;
        assert_eq!(answer.status(), status, "{path}: {body}");
        assert!(status != 200 || body == "17", "{path}: {body}");
    }
}
