//! Tokens that were changed, made by somebody else, or made by somebody who holds the secret.

use countersign_token::crypto;
use serde_json::{Value, json};

use super::refused_everywhere;
use crate::support::*;

// Seed rows 36, 38, 47, 50 to 53: changed, unsigned, or signed by somebody else.
#[tokio::test]
async fn a_token_that_was_tampered_with_is_refused_on_every_route() {
    let (server, client) = start(&[]);
    let good = admin(&server, "root").await.access;
    let (header, payload, signature) = parts(&good);
    let [h, p, s]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let with = |value: &Value, name: &str, new: Value| {
        let mut value = value.clone();
        value[name] = new;
        encode(&value)
    };
    let flipped = |at: usize| {
        let mut signature = signature.clone();
        signature[at] ^= 1;
        crypto::b64(&signature)
    };
    let jwks = client.get("/.well-known/jwks.json").send().await.json();
    let public = jwks["keys"][0].to_string();
    let hs256 = json!({"alg": "HS256", "kid": header["kid"], "typ": "at+jwt"});
    let bad = "token_signature_invalid";
    let mut unpadded = good.clone();
    unpadded.push('=');
    let cases: Vec<(&str, String, &str)> = vec![
        (
            "another sub",
            format!("{h}.{}.{s}", with(&payload, "sub", json!(NOBODY))),
            bad,
        ),
        (
            "more roles",
            format!("{h}.{}.{s}", with(&payload, "roles", json!(["admin", "x"]))),
            bad,
        ),
        (
            "a longer life",
            format!(
                "{h}.{}.{s}",
                with(&payload, "exp", json!(4_000_000_000_i64))
            ),
            bad,
        ),
        (
            "another header",
            format!("{}.{p}.{s}", with(&header, "x", json!(1))),
            bad,
        ),
        (
            "first signature byte",
            format!("{h}.{p}.{}", flipped(0)),
            bad,
        ),
        (
            "last signature byte",
            format!("{h}.{p}.{}", flipped(63)),
            bad,
        ),
        ("no signature", format!("{h}.{p}."), bad),
        (
            "alg none",
            format!("{}.{p}.", with(&header, "alg", json!("none"))),
            bad,
        ),
        (
            "alg None",
            format!("{}.{p}.{s}", with(&header, "alg", json!("None"))),
            bad,
        ),
        (
            "alg of another kind",
            format!("{}.{p}.{s}", with(&header, "alg", json!("EdDSA"))),
            bad,
        ),
        (
            "the public key as a secret",
            forge(&hs256, &payload, public.as_bytes()),
            bad,
        ),
        (
            "the coordinate as a secret",
            forge(
                &hs256,
                &payload,
                jwks["keys"][0]["x"].as_str().unwrap().as_bytes(),
            ),
            bad,
        ),
        (
            "an unknown kid",
            format!("{}.{p}.{s}", with(&header, "kid", json!("nobody"))),
            bad,
        ),
        (
            "no kid",
            format!(
                "{}.{p}.{s}",
                encode(&json!({"alg": "ES256", "typ": "at+jwt"}))
            ),
            bad,
        ),
        (
            "a key in the header",
            format!("{}.{p}.{s}", with(&header, "jwk", jwks["keys"][0].clone())),
            bad,
        ),
        (
            "a place of keys",
            format!("{}.{p}.{s}", with(&header, "jku", json!("http://x/"))),
            bad,
        ),
        (
            "another x5u",
            format!("{}.{p}.{s}", with(&header, "x5u", json!("http://x/"))),
            bad,
        ),
        ("padding", unpadded, "token_malformed"),
        ("not three parts", format!("{h}.{p}"), "token_malformed"),
        ("four parts", format!("{good}.{s}"), "token_malformed"),
        ("no base64url", format!("{h}.{p}.+/+/"), "token_malformed"),
        (
            "no JSON",
            format!("{h}.{}.{s}", crypto::b64(b"{")),
            "token_malformed",
        ),
        (
            "no object",
            format!("{h}.{}.{s}", crypto::b64(b"[]")),
            "token_malformed",
        ),
        (
            "no sid",
            format!("{h}.{}.{s}", with(&payload, "sid", Value::Null)),
            "token_malformed",
        ),
        ("rubbish", "x".to_owned(), "token_malformed"),
        ("too long", "a".repeat(7_000), "token_malformed"),
        ("header: two words", "a b".to_owned(), "token_malformed"),
    ];
    protected(&client, &good).await.expect(200);
    refused_everywhere(&client, &cases).await;
    // Whoever was refused has harmed nobody.
    protected(&client, &good).await.expect(200);
}

// Seed rows 36, 52: another installation's key.
#[tokio::test]
async fn a_token_of_another_server_is_refused_on_every_route() {
    let (_a, a) = start(&[]);
    let (_b, b) = start(&[]);
    let foreign = newcomer(&a, "ada").await.access;
    register(&b, "ada").await;
    refused_everywhere(&b, &[("foreign", foreign, "token_signature_invalid")]).await;
}

/// Claims that are wrong under a signature that is right, which only a shared secret lets a test do.
#[tokio::test]
async fn a_well_signed_token_with_wrong_claims_is_refused_on_every_route() {
    let (server, client) = start(&[("JWT_SECRET_KEY", JWT_SECRET)]);
    let good = admin(&server, "root").await.access;
    let (header, claims, _) = parts(&good);
    let now = claims["iat"].as_i64().unwrap();
    let sign = |changes: Value| {
        let mut claims = claims.clone();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        forge(&header, &claims, JWT_SECRET.as_bytes())
    };
    let typed = |typ: Value| {
        forge(
            &json!({"alg": "HS256", "kid": "shared", "typ": typ}),
            &claims,
            JWT_SECRET.as_bytes(),
        )
    };
    let mut cases: Vec<(&str, String, &str)> = vec![
        ("the wrong typ", typed(json!("JWT")), "token_wrong_type"),
        (
            "an ID token's type",
            sign(json!({"type": "id"})),
            "token_wrong_type",
        ),
        (
            "a refresh type",
            sign(json!({"type": "refresh"})),
            "token_wrong_type",
        ),
        (
            "another issuer",
            sign(json!({"iss": "http://evil.example"})),
            "token_wrong_issuer",
        ),
        (
            "another audience",
            sign(json!({"aud": "shop"})),
            "token_wrong_audience",
        ),
        (
            "not yet",
            sign(json!({"nbf": now + 500})),
            "token_not_yet_valid",
        ),
        ("expired", sign(json!({"exp": now - 1})), "token_expired"),
        (
            "a life too long",
            sign(json!({"exp": now + 86_400})),
            "token_expired",
        ),
        (
            "from the future",
            sign(json!({"iat": now + 500, "exp": now + 900})),
            "token_expired",
        ),
        (
            "a rev ahead of the log",
            sign(json!({"rev": claims["rev"].as_i64().unwrap() + 3_600_000_000})),
            "token_revoked",
        ),
        (
            "type and issuer",
            sign(json!({"type": "id", "iss": "x"})),
            "token_wrong_type",
        ),
        (
            "issuer and audience",
            sign(json!({"iss": "x", "aud": "x"})),
            "token_wrong_issuer",
        ),
        (
            "audience and expired",
            sign(json!({"aud": "x", "exp": 1})),
            "token_wrong_audience",
        ),
        ("rev as text", sign(json!({"rev": "1"})), "token_malformed"),
        (
            "exp as text",
            sign(json!({"exp": "never"})),
            "token_malformed",
        ),
        ("exp absurd", sign(json!({"exp": 1e300})), "token_malformed"),
        (
            "a negative rev",
            sign(json!({"rev": -1})),
            "token_malformed",
        ),
    ];
    for claim in [
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
    ] {
        cases.push((
            "a missing claim",
            sign(json!({claim: null})),
            "token_malformed",
        ));
    }
    refused_everywhere(&client, &cases).await;
    // The same hand writes a good one: the refusals above are about the claims.
    protected(&client, &sign(json!({"fresh": false})))
        .await
        .expect(200);
}

/// A token is to us only a name: whoever stole the secret still needs a living session.
#[tokio::test]
async fn a_forged_token_without_its_session_changes_nothing() {
    let (server, client) = start(&[("JWT_SECRET_KEY", JWT_SECRET)]);
    let root = admin(&server, "root").await;
    let eve = newcomer(&client, "eve").await;
    let (header, claims, _) = parts(&eve.access);
    let root_claims = parts(&root.access).1;
    let mut forged = Vec::new();
    // Somebody else's session; one that never was; oneself, but with a role.
    for (sub, sid) in [
        (&root_claims["sub"], &claims["sid"]),
        (&root_claims["sub"], &json!(NOBODY)),
        (&json!("not a uuid"), &claims["sid"]),
    ] {
        let mut claims = claims.clone();
        (claims["sub"], claims["sid"]) = (sub.clone(), sid.clone());
        claims["roles"] = json!(["admin"]);
        forged.push(forge(&header, &claims, JWT_SECRET.as_bytes()));
    }
    for route in operations(&client).await.iter().filter(|o| o.protected) {
        // These two show what a token says, and change nothing.
        if ["protected", "usersProfile"].contains(&route.id.as_str()) {
            continue;
        }
        for token in &forged {
            let answer = route.request(&client).bearer(token).send().await;
            assert_eq!(answer.status, 401, "{route:?} {answer:?}");
        }
    }
    let mut claims = claims.clone();
    claims["roles"] = json!(["admin"]);
    let promoted = forge(&header, &claims, JWT_SECRET.as_bytes());
    client
        .get("/admin/users")
        .bearer(&promoted)
        .send()
        .await
        .refused(403, "forbidden");
    // Nobody was signed out by any of that.
    client
        .get("/admin/users")
        .bearer(&root.access)
        .send()
        .await
        .expect(200);
}
