//! `/.well-known/*`, `/healthz`: seed rows 38, 108, and what a stranger needs to check a token.

use countersign_testkit::Client;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::JwkSet};
use serde_json::{Value, json};

use crate::support::*;

/// Verifies with a library that is not ours, from what is published and nothing else.
async fn verify(
    client: &Client,
    token: &str,
    audience: &str,
) -> Result<Value, jsonwebtoken::errors::Error> {
    let discovery = client
        .get("/.well-known/oauth-authorization-server")
        .send()
        .await
        .expect(200)
        .json();
    let jwks = client
        .get("/.well-known/jwks.json")
        .send()
        .await
        .expect(200);
    let jwks: JwkSet = serde_json::from_slice(&jwks.body).unwrap();
    let header = jsonwebtoken::decode_header(token)?;
    let jwk = jwks.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[discovery["issuer"].as_str().unwrap()]);
    decode::<Value>(token, &DecodingKey::from_jwk(jwk)?, &validation).map(|data| data.claims)
}

#[tokio::test]
async fn a_stranger_verifies_tokens_of_every_algorithm_from_the_published_keys_alone() {
    for (name, algorithm) in [
        ("ES256", Algorithm::ES256),
        ("EdDSA", Algorithm::EdDSA),
        ("RS256", Algorithm::RS256),
    ] {
        let (_server, client) = start(&[("token.algorithm", name)]);
        let token = newcomer(&client, "ada").await.access;
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().alg, algorithm);
        let mut tampered = token.clone().into_bytes();
        let at = tampered.iter().rposition(|byte| *byte == b'.').unwrap() + 10;
        tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).unwrap();
        assert!(verify(&client, &tampered, "countersign").await.is_err());
        // Seed row 108: meant for somebody else.
        assert!(verify(&client, &token, "shop").await.is_err());
        let claims = verify(&client, &token, "countersign").await.unwrap();
        assert_eq!(claims["username"], json!("ada"));
        protected(&client, &token).await.expect(200);
    }
}

#[tokio::test]
async fn published_keys_are_public_and_nothing_else() {
    for name in ["ES256", "EdDSA", "RS256"] {
        let (_server, client) = start(&[("token.algorithm", name)]);
        let answer = client
            .get("/.well-known/jwks.json")
            .send()
            .await
            .expect(200);
        assert_eq!(
            answer.header("cache-control").as_deref(),
            Some("public, max-age=60")
        );
        for key in answer.json()["keys"].as_array().unwrap() {
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(key.get(private).is_none(), "{key}");
            }
            assert_eq!((&key["alg"], &key["use"]), (&json!(name), &json!("sig")));
        }
    }
}

#[tokio::test]
async fn the_metadata_names_the_issuer_of_tokens_below_any_path() {
    let (_server, client) = start(&[("server.public_url", "https://example.com/auth")]);
    let answer = client
        .get("/auth/.well-known/oauth-authorization-server")
        .send()
        .await
        .expect(200);
    let metadata = answer.json();
    assert_eq!(metadata["issuer"], json!("https://example.com/auth"));
    assert_eq!(
        metadata["jwks_uri"],
        json!("https://example.com/auth/.well-known/jwks.json")
    );
    let body = json!({"username": "ada", "password": PASSWORD});
    client
        .post("/login")
        .json(&body)
        .send()
        .await
        .refused(404, "not_found");
    client
        .post("/auth/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    let answer = client
        .post("/auth/login")
        .json(&body)
        .send()
        .await
        .expect(200);
    assert_eq!(
        claims(&Login::from(&answer).access)["iss"],
        metadata["issuer"]
    );
}

#[tokio::test]
async fn the_process_and_its_parts_are_well() {
    let (_server, client) = start(&[]);
    for path in ["/healthz", "/readyz"] {
        let answer = client.get(path).send().await.expect(200);
        assert_eq!(answer.json(), json!({"status": "ok"}));
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    }
}
