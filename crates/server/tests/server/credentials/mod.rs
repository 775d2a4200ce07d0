//! Every protected route refuses every bad credential in the same way. The routes come from
//! `/openapi.json`, so that none is forgotten: seed rows 45 to 54, 57, 58, 74, 77, 84.

mod forged;

use std::time::Duration;

use countersign_testkit::{Client, Response};
use serde_json::json;

use crate::support::*;

/// Sends each credential to each protected route, and demands the same refusal everywhere.
async fn refused_everywhere(client: &Client, cases: &[(&str, String, &str)]) {
    let routes: Vec<_> = operations(client)
        .await
        .into_iter()
        .filter(|o| o.protected)
        .collect();
    assert!(
        routes.len() >= 25,
        "too few protected routes: {}",
        routes.len()
    );
    for route in &routes {
        for (what, token, code) in cases {
            // Like `/logout` it takes whatever we signed for us, whatever has become of it since.
            let of_its_time = [
                "token_expired",
                "token_not_yet_valid",
                "token_revoked",
                "token_superseded",
            ];
            if route.id == "usersLogout" && of_its_time.contains(code) {
                continue;
            }
            let answer = route.request(client).bearer(token).send().await;
            same_refusal(
                &answer,
                route.is_dialect(),
                code,
                &format!("{what} at {}", route.id),
            );
            if !what.starts_with("header") && !token.contains(' ') {
                let cookie = format!("__Host-token={token}");
                let answer = route.request(client).cookie(&cookie).send().await;
                same_refusal(
                    &answer,
                    route.is_dialect(),
                    code,
                    &format!("{what} at {}", route.id),
                );
            }
        }
    }
}

#[track_caller]
fn same_refusal(answer: &Response, dialect: bool, code: &str, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {answer:?}");
    well_formed(answer);
    assert_eq!(
        answer.header("cache-control").as_deref(),
        Some("no-store"),
        "{what}"
    );
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"invalid_token\""),
        "{what}: {challenge}"
    );
    if dialect {
        let msg = answer.json()["msg"].as_str().unwrap().to_owned();
        assert_eq!(answer.json().as_object().unwrap().len(), 1, "{what}");
        let expected = match code {
            "token_signature_invalid" => "Signature verification failed",
            "token_expired" => "Token has expired",
            "token_revoked" => "Token has been revoked",
            _ => return,
        };
        assert_eq!(msg, expected, "{what}");
    } else {
        assert_eq!(answer.code(), code, "{what}");
    }
}

// Seed rows 45, 48, 54: nothing at all, on every protected route and by name on those that count.
#[tokio::test]
async fn without_a_credential_every_protected_route_answers_401() {
    let (_server, client) = start(&[]);
    let routes: Vec<_> = operations(&client)
        .await
        .into_iter()
        .filter(|o| o.protected)
        .collect();
    let named: Vec<_> = routes
        .iter()
        .map(|o| format!("{} {}", o.method, o.template))
        .collect();
    for route in [
        "GET /profile",
        "PATCH /profile",
        "DELETE /profile",
        "POST /profile/delete",
        "POST /password",
        "GET /sessions",
        "DELETE /sessions/{id}",
        "GET /protected",
        "GET /users/profile",
        "POST /users/logout",
        "GET /admin/users",
        "POST /admin/users",
        "GET /admin/users/{id}",
        "PATCH /admin/users/{id}",
        "DELETE /admin/users/{id}",
        "DELETE /admin/users/{id}/sessions",
        "GET /admin/sessions",
        "DELETE /admin/sessions",
        "DELETE /admin/sessions/{id}",
        "GET /admin/keys",
        "POST /admin/keys/rotate",
        "DELETE /admin/keys/{kid}",
        "GET /admin/clients",
        "POST /admin/clients",
        "DELETE /admin/clients/{id}",
        "GET /admin/audit",
    ] {
        assert!(
            named.iter().any(|name| name == route),
            "not documented as protected: {route}"
        );
    }
    for route in &routes {
        let answer = route.request(&client).send().await;
        assert_eq!(answer.status, 401, "{route:?} {answer:?}");
        well_formed(&answer);
        // RFC 6750, section 3.1: no error code where no credential was sent.
        assert_eq!(
            answer.header("www-authenticate").unwrap(),
            "Bearer realm=\"countersign\""
        );
        if route.is_dialect() {
            assert_eq!(
                answer.json(),
                json!({"msg": "Missing Authorization Header"})
            );
        } else {
            assert_eq!(answer.code(), "token_missing", "{route:?}");
        }
    }
}

// Seed rows 34, 46, 55: a token lives until it expires, and no longer.
#[tokio::test]
async fn an_expired_token_is_refused_on_every_route() {
    let (_server, client) = start(&[("token.lifetime", "2s")]);
    let token = newcomer(&client, "ada").await.access;
    protected(&client, &token).await.expect(200);
    assert_eq!(
        claims(&token)["exp"].as_i64().unwrap() - claims(&token)["iat"].as_i64().unwrap(),
        2
    );
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    refused_everywhere(&client, &[("expired", token, "token_expired")]).await;
}

// Seed rows 62, 67, 70: signed out, and gone with the very next request.
#[tokio::test]
async fn a_revoked_token_is_refused_on_every_route() {
    let (server, client) = start(&[]);
    let token = admin(&server, "root").await.access;
    logout(&client, &token).await.expect(200);
    refused_everywhere(&client, &[("revoked", token, "token_revoked")]).await;
}

#[tokio::test]
async fn a_superseded_token_is_refused_on_every_route_and_a_refresh_brings_the_new_rights() {
    let (server, client) = start(&[]);
    let root = admin(&server, "root").await;
    let ada = newcomer(&client, "ada").await;
    let path = format!(
        "/admin/users/{}",
        claims(&ada.access)["sub"].as_str().unwrap()
    );
    let roles = json!({"roles": ["editor"]});
    client
        .patch(&path)
        .bearer(&root.access)
        .json(&roles)
        .send()
        .await
        .expect(200);
    refused_everywhere(&client, &[("superseded", ada.access, "token_superseded")]).await;
    let renewed = Login::from(&refresh(&client, &ada.refresh).await.expect(200));
    assert_eq!(claims(&renewed.access)["roles"], json!(["editor"]));
    protected(&client, &renewed.access).await.expect(200);
}

// Seed rows 74, 77, 84: ids that nobody has, and one byte changed.
#[tokio::test]
async fn a_session_cookie_that_is_not_one_is_refused_on_every_route() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    let good = login_in(&client, "ada", "session")
        .await
        .cookie("__Host-sessionId")
        .unwrap()
        .value;
    let mut changed = good.clone().into_bytes();
    changed[10] = if changed[10] == b'A' { b'B' } else { b'A' };
    let bad = [
        String::new(),
        "x".to_owned(),
        "' OR '1'='1".to_owned(),
        good.to_lowercase(),
        good.to_uppercase(),
        format!("{good}A"),
        good[1..].to_owned(),
        "A".repeat(good.len()),
        String::from_utf8(changed).unwrap(),
    ];
    for route in operations(&client).await.iter().filter(|o| o.protected) {
        for cookie in &bad {
            let cookie = format!("__Host-sessionId={cookie}");
            let answer = route.request(&client).cookie(&cookie).send().await;
            assert_eq!(answer.status, 401, "{route:?} {answer:?}");
            well_formed(&answer);
            if !route.is_dialect() {
                assert_eq!(answer.code(), "session_invalid", "{route:?}");
            }
        }
    }
    let cookie = format!("__Host-sessionId={good}");
    client
        .get("/profile")
        .cookie(&cookie)
        .send()
        .await
        .expect(200);
}

// Seed rows 56 to 58: known, but not allowed.
#[tokio::test]
async fn a_user_without_the_role_gets_403_from_everything_administrative() {
    let (server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let admin_routes: Vec<_> = operations(&client)
        .await
        .into_iter()
        .filter(|o| o.path.starts_with("/admin/"))
        .collect();
    assert!(admin_routes.len() >= 16, "{}", admin_routes.len());
    for route in &admin_routes {
        assert!(route.protected, "{route:?}");
        let answer = route.request(&client).bearer(&ada.access).send().await;
        answer.refused(403, "forbidden");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    let root = admin(&server, "root").await;
    client
        .get("/admin/users")
        .bearer(&root.access)
        .send()
        .await
        .expect(200);
    client
        .get("/admin/users")
        .bearer(&ada.access)
        .send()
        .await
        .refused(403, "forbidden");
}
