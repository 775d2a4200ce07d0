//! `JWT_SECRET_KEY` and `SECRET_KEY`: seed rows 25, 35, 36, 84, 97 to 101.

use countersign_token::crypto;
use serde_json::json;

use crate::support::*;

/// Exactly 32 bytes, so that HMAC needs no padding rule to be recomputed by hand.
const SECRET_32: &str = "Qz7-shared-32-bytes-vX2mW9pL4tKd";
const OTHER: &str = "another-secret-entirely-58c1-d0a7-tests-only-x";

// Seed rows 99, 101: refused at start, with the reason and without the value.
#[test]
fn a_weak_or_well_known_secret_is_refused_at_start() {
    for (name, value) in [
        ("JWT_SECRET_KEY", "super-secret-key"),
        ("JWT_SECRET_KEY", "short-4b1c"),
        ("JWT_SECRET_KEY", ""),
        ("JWT_SECRET_KEY", "changeme-changeme-changeme-changeme"),
        ("SECRET_KEY", "your-secret-key"),
        ("SECRET_KEY", "q7q7q7q7q7q7q7q7q7q7q7q7q7q7q7q7q7q7q7"),
    ] {
        let exit = home().env(name, value).try_start().unwrap_err();
        assert_eq!(exit.code, Some(78), "{name} {value}: {exit:?}");
        assert!(exit.stderr.contains(name), "{exit:?}");
        assert!(value.len() < 12 || !exit.stderr.contains(value), "{exit:?}");
    }
    let home = set(
        home(),
        &[("JWT_SECRET_KEY", JWT_SECRET), ("token.algorithm", "ES256")],
    );
    let exit = home.try_start().unwrap_err();
    assert_eq!(exit.code, Some(78), "{exit:?}");
    assert!(exit.stderr.contains("token.algorithm"), "{exit:?}");
}

// Seed rows 25, 35: recomputed outside from the bytes of the secret, and changed in no part.
#[tokio::test]
async fn tokens_are_hs256_with_the_bytes_of_the_secret() {
    let (server, client) = start(&[("JWT_SECRET_KEY", SECRET_32)]);
    let token = newcomer(&client, "ada").await.access;
    let (input, _) = token.rsplit_once('.').unwrap();
    let (header, _, signature) = parts(&token);
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("HS256"), &json!("at+jwt"))
    );
    let key: &[u8; 32] = SECRET_32.as_bytes().try_into().unwrap();
    assert_eq!(signature, crypto::hmac_sha256(key, &[input.as_bytes()]));
    protected(&client, &token).await.expect(200);
    // Nothing to publish: the secret is the key.
    let jwks = client
        .get("/.well-known/jwks.json")
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(jwks, json!({"keys": []}));
    assert!(
        server.stdout().contains("can sign as anybody"),
        "{}",
        server.stdout()
    );
    assert!(!server.stdout().contains(SECRET_32) && !server.stderr().contains(SECRET_32));
}

// Seed row 36: whoever shares the secret can mint; a real session and all claims are needed.
#[tokio::test]
async fn a_token_minted_by_whoever_shares_the_secret_is_accepted() {
    let (_server, client) = start(&[("JWT_SECRET_KEY", JWT_SECRET)]);
    let ada = newcomer(&client, "ada").await;
    let (header, mut claims, _) = parts(&ada.access);
    claims["jti"] = json!("made-by-another-service");
    let minted = forge(&header, &claims, JWT_SECRET.as_bytes());
    let foreign = forge(&header, &claims, OTHER.as_bytes());
    protected(&client, &foreign)
        .await
        .refused(401, "token_signature_invalid");
    let answer = protected(&client, &minted).await.expect(200);
    assert_eq!(answer.json(), json!({"logged_in_as": "ada"}));
    client
        .get("/profile")
        .bearer(&minted)
        .send()
        .await
        .expect(200);
    // A verifier takes the members of a header in any order (row 18 of the disagreements).
    let order = json!({"typ": "at+jwt", "kid": "shared", "alg": "HS256"}).to_string();
    let input = format!("{}.{}", crypto::b64(order.as_bytes()), encode(&claims));
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(input.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    protected(&client, &format!("{input}.{signature}"))
        .await
        .expect(200);
    // It dies with its session like any other.
    logout(&client, &ada.access).await.expect(200);
    protected(&client, &minted)
        .await
        .refused(401, "token_revoked");
}

// Seed rows 97, 98, 100.
#[tokio::test]
async fn changing_the_jwt_secret_ends_access_tokens_and_no_session() {
    let home = home().file(
        ".env",
        &format!("JWT_SECRET_KEY={JWT_SECRET}\nSECRET_KEY={OTHER}\n"),
    );
    let listen = "COUNTERSIGN_SERVER__PUBLIC_URL";
    let home = home.env(listen, "http://localhost:5000");
    let server = home.start();
    let ada = newcomer(&server.client(), "ada").await;
    let session = login_in(&server.client(), "ada", "session")
        .await
        .cookie("__Host-sessionId")
        .unwrap();
    let session = format!("__Host-sessionId={}", session.value);
    drop(server);
    // The environment wins over `.env`.
    let server = home.clone().env("JWT_SECRET_KEY", SECRET_32).start();
    let client = server.client();
    protected(&client, &ada.access)
        .await
        .refused(401, "token_signature_invalid");
    client
        .get("/profile")
        .cookie(&session)
        .send()
        .await
        .expect(200);
    refresh(&client, &ada.refresh).await.expect(200);
    drop(server);
    let server = home.start();
    protected(&server.client(), &ada.access).await.expect(200);
}

// Seed rows 84, 98: without the right SECRET_KEY it does not start, and never makes new keys instead.
#[tokio::test]
async fn changing_the_secret_key_needs_the_previous_one_and_leaves_access_tokens_valid() {
    let home = set(home(), &[("server.public_url", "http://localhost:5000")]);
    let old = home.clone().env("SECRET_KEY", JWT_SECRET);
    let server = old.start();
    let ada = newcomer(&server.client(), "ada").await;
    let session = login_in(&server.client(), "ada", "session")
        .await
        .cookie("__Host-sessionId")
        .unwrap();
    let session = format!("__Host-sessionId={}", session.value);
    drop(server);
    let new = home.env("SECRET_KEY", OTHER);
    let exit = new.try_start().unwrap_err();
    assert!(
        exit.code != Some(0) && exit.stderr.contains("SECRET_KEY"),
        "{exit:?}"
    );
    let server = new.clone().env("SECRET_KEY_PREVIOUS", JWT_SECRET).start();
    let client = server.client();
    protected(&client, &ada.access).await.expect(200);
    client
        .get("/profile")
        .cookie(&session)
        .send()
        .await
        .expect(200);
    let renewed = Login::from(&refresh(&client, &ada.refresh).await.expect(200));
    drop(server);
    // Everything was resealed: the old key is not needed again, and what it made is not taken.
    let server = new.start();
    let client = server.client();
    protected(&client, &renewed.access).await.expect(200);
    refresh(&client, &renewed.refresh).await.expect(200);
    assert!(old.try_start().is_err());
}
