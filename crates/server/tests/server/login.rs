//! `POST /login`: seed rows 10, 11, 13, 14, 17 to 22, 24 to 33, 35, 37, 39, 72, 75, 85.

use std::collections::BTreeMap;

use countersign_testkit::{Client, Response};
use serde_json::json;

use crate::support::*;

async fn try_login(client: &Client, name: &str, password: &str) -> Response {
    let body = json!({"username": name, "password": password});
    client.post("/login").json(&body).send().await
}

/// Everything of an answer but the request's id and the date.
fn seen(answer: &Response) -> (u16, BTreeMap<String, Vec<u8>>, Vec<u8>) {
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    (answer.status, headers, answer.body.clone())
}

// Seed rows 17 to 20: nobody learns whether a name exists.
#[tokio::test]
async fn wrong_password_unknown_user_and_disabled_account_answer_alike_to_the_byte() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await;
    register(&client, "ada").await;
    let off = register(&client, "off").await;
    let path = format!("/admin/users/{}", off["id"].as_str().unwrap());
    let body = json!({"disabled": true});
    client
        .patch(&path)
        .bearer(&root.access)
        .json(&body)
        .send()
        .await
        .expect(200);
    let wrong = try_login(&client, "ada", "plum-harbour-42").await;
    wrong.refused(401, "invalid_credentials");
    assert_eq!(
        wrong.json(),
        json!({"code": "invalid_credentials", "message": "Invalid credentials"})
    );
    assert!(wrong.cookies().is_empty());
    well_formed(&wrong);
    let long = "a".repeat(10_000);
    for (name, password) in [
        ("nobody", PASSWORD),
        ("off", PASSWORD),
        ("off", "wrong"),
        ("ada", ""),
        ("", PASSWORD),
        ("ada", "PLUM-HARBOUR-41"),
        ("ada", "plum-harbour-41 "),
        ("ada", "plum-harbour-4"),
        ("a@b@c", PASSWORD),
        ("\u{0}", PASSWORD),
        (&long, PASSWORD),
        ("ada", &long),
        ("nobody@example.com", PASSWORD),
        ("admin", "1234"),
    ] {
        let answer = try_login(&client, name, password).await;
        assert_eq!(seen(&answer), seen(&wrong), "{name} {password}");
    }
}

#[tokio::test]
async fn a_login_without_its_fields_is_refused_by_field() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    for (body, field) in [
        (json!({}), "username"),
        (json!({}), "password"),
        (json!({"username": "ada"}), "password"),
        (json!({"username": "ada", "password": null}), "password"),
        (json!({"username": "ada", "password": 1}), "password"),
        (
            json!({"username": ["ada"], "password": PASSWORD}),
            "username",
        ),
        (json!({"email": {}, "password": PASSWORD}), "email"),
        (
            json!({"username": "ada", "password": PASSWORD, "mode": "magic"}),
            "mode",
        ),
        (
            json!({"username": "ada", "password": PASSWORD, "mode": 1}),
            "mode",
        ),
    ] {
        let answer = client.post("/login").json(&body).send().await;
        answer.refused(400, "invalid_request");
        assert!(
            answer.json()["fields"][field].is_string(),
            "{body}: {answer:?}"
        );
        assert!(answer.cookies().is_empty());
    }
}

// Seed rows 11, 13, 20, 21, 24 to 32, 37, 39.
#[tokio::test]
async fn a_token_login_answers_tokens_that_say_who_it_is_and_nothing_secret() {
    let (server, client) = start(&[]);
    try_login(&client, "ada", PASSWORD)
        .await
        .refused(401, "invalid_credentials");
    let body = json!({"username": "ada", "email": "ada@example.com", "password": PASSWORD});
    let user = client
        .post("/register")
        .json(&body)
        .send()
        .await
        .expect(201)
        .json()["user"]
        .clone();
    let answer = try_login(&client, "ada", PASSWORD).await.expect(200);
    let body = answer.json();
    let mut names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "access_token",
            "expires_in",
            "refresh_expires_in",
            "refresh_token",
            "token_type"
        ]
    );
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Bearer"), &json!(900))
    );
    assert_eq!(body["refresh_expires_in"], json!(30 * 86_400));
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    assert!(answer.cookies().is_empty());
    let token = body["access_token"].as_str().unwrap();
    assert!(token.len() < 1024 && !token.contains('='));
    let (header, claims, _) = parts(token);
    let jwks = client.get("/.well-known/jwks.json").send().await.json();
    assert_eq!(
        header,
        json!({"alg": "ES256", "kid": jwks["keys"][0]["kid"], "typ": "at+jwt"})
    );
    let iat = claims["iat"].as_i64().unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": server.url("/").trim_end_matches('/'), "sub": user["id"], "aud": "countersign",
            "client_id": "countersign", "iat": iat, "nbf": iat, "exp": iat + 900,
            "jti": claims["jti"], "sid": claims["sid"], "rev": claims["rev"], "username": "ada",
            "email": "ada@example.com", "email_verified": false, "roles": [], "type": "access",
            "fresh": true,
        })
    );
    let second = login(&client, "ada").await;
    for claim in ["jti", "sid"] {
        assert_ne!(claims[claim], parts(&second.access).1[claim], "{claim}");
    }
    // Opaque: it holds no data of the person, and is not the access token again.
    let refresh = body["refresh_token"].as_str().unwrap();
    assert!(!refresh.contains('.') || refresh.split('.').count() != 3);
    assert!(!token.contains(refresh));
}

// Seed rows 33, 34.
#[tokio::test]
async fn the_life_of_a_token_is_configured_and_never_beyond_its_session() {
    let (_server, client) = start(&[("token.lifetime", "1h")]);
    let hour = claims(&newcomer(&client, "ada").await.access);
    assert_eq!(
        hour["exp"].as_i64().unwrap() - hour["iat"].as_i64().unwrap(),
        3_600
    );
    let (_server, client) = start(&[
        ("token.lifetime", "1h"),
        ("session.absolute", "1m"),
        ("session.idle", "1m"),
    ]);
    let short = claims(&newcomer(&client, "ada").await.access);
    assert!(short["exp"].as_i64().unwrap() - short["iat"].as_i64().unwrap() <= 60);
    let answer = login_in(&client, "ada", "session").await;
    let left = answer
        .cookie("__Host-sessionId")
        .unwrap()
        .max_age()
        .unwrap();
    assert!((59..=60).contains(&left), "{left}");
}

// Seed rows 72, 75, 85 and R16: what each mode hands over, to the last attribute.
#[tokio::test]
async fn cookie_modes_put_no_token_in_the_body_and_mark_their_cookies_strictly() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    for (mode, names, expires_in) in [
        ("cookie", vec!["__Host-token", "__Host-refresh"], 900),
        ("session", vec!["__Host-sessionId"], 30 * 86_400),
    ] {
        let answer = login_in(&client, "ada", mode).await;
        assert_eq!(
            answer.json(),
            json!({"message": "Logged in", "expires_in": expires_in})
        );
        let set: Vec<_> = answer
            .cookies()
            .into_iter()
            .filter(|cookie| !cookie.deletes())
            .collect();
        assert_eq!(
            set.iter()
                .map(|cookie| cookie.name.as_str())
                .collect::<Vec<_>>(),
            names
        );
        for cookie in set {
            let attributes: Vec<_> = cookie
                .attributes
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            let age = (30 * 86_400).to_string();
            assert_eq!(
                attributes,
                [
                    ("httponly", ""),
                    ("secure", ""),
                    ("samesite", "Strict"),
                    ("path", "/"),
                    ("max-age", &age),
                ]
            );
            assert!(!answer.text().contains(&cookie.value));
            if cookie.name == "__Host-sessionId" {
                // 256 bits and no data of the person.
                assert!(
                    cookie.value.len() >= 43 && !cookie.value.contains('.'),
                    "{cookie:?}"
                );
            }
        }
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    }
}

// Seed row 22: the same login for a browser and for anything else.
#[tokio::test]
async fn a_login_needs_neither_cookie_nor_origin_nor_user_agent() {
    let (server, client) = start(&[]);
    register(&client, "ada").await;
    let body = json!({"username": "ada", "password": PASSWORD});
    client.post("/login").json(&body).send().await.expect(200);
    let answer = client
        .post("/login")
        .header("user-agent", "Mozilla/5.0")
        .header("origin", server.url(""))
        .header("cookie", "theme=dark")
        .json(&body)
        .send()
        .await;
    answer.expect(200);
}
