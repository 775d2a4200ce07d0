//! `POST /logout`: seed rows 61 to 71.

use std::time::Duration;

use countersign_testkit::Response;
use serde_json::json;

use crate::support::*;

#[track_caller]
fn deletes_all(answer: &Response) {
    let gone: Vec<_> = answer
        .cookies()
        .into_iter()
        .filter(|c| c.deletes())
        .collect();
    let names: Vec<_> = gone.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        ["__Host-token", "__Host-refresh", "__Host-sessionId"],
        "{answer:?}"
    );
    for cookie in gone {
        // A browser forgets a cookie of the same name, path and kind only.
        assert_eq!(cookie.value, "");
        assert_eq!(cookie.attribute("path"), Some("/"));
        assert_eq!(
            cookie.attribute("expires"),
            Some("Thu, 01 Jan 1970 00:00:00 GMT")
        );
        assert!(cookie.attribute("secure").is_some() && cookie.attribute("domain").is_none());
    }
}

// Seed row 71, and everything that proves nothing.
#[tokio::test]
async fn what_proves_nothing_signs_nobody_out_and_still_clears_the_browser() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    client
        .get("/logout")
        .send()
        .await
        .refused(405, "method_not_allowed");
    let post = || client.post("/logout");
    let tampered = format!("{}A", ada.access);
    for (request, code) in [
        (post(), "token_missing"),
        (post().bearer("x"), "token_malformed"),
        (post().bearer(&tampered), "token_signature_invalid"),
        (post().header("authorization", ", ,"), "token_malformed"),
        (post().cookie("__Host-token=x"), "token_malformed"),
        (post().cookie("__Host-sessionId=x"), "session_invalid"),
        (post().cookie("__Host-refresh=x"), "refresh_invalid"),
        (
            post().json(&json!({"refresh_token": "x"})),
            "refresh_invalid",
        ),
    ] {
        let answer = request.send().await;
        answer.refused(401, code);
        well_formed(&answer);
        deletes_all(&answer);
    }
    for (request, status, code) in [
        (
            post().bearer(&ada.access).json(&json!({"all": "yes"})),
            400,
            "invalid_request",
        ),
        (
            post().bearer(&ada.access).json(&json!([])),
            400,
            "invalid_json",
        ),
        (
            post().bearer(&ada.access).form("all=true"),
            415,
            "unsupported_media_type",
        ),
        (
            post()
                .bearer(&ada.access)
                .header("content-type", "application/json")
                .body("{"),
            400,
            "invalid_json",
        ),
    ] {
        let answer = request.send().await;
        answer.refused(status, code);
        deletes_all(&answer);
    }
    protected(&client, &ada.access).await.expect(200);
}

// Seed rows 62, 63, 67, 69, 70: this login is over with the very next request, and no other.
#[tokio::test]
async fn any_credential_of_a_login_ends_it_at_once_and_no_other() {
    let (_server, client) = start(&[]);
    let other = newcomer(&client, "ada").await;
    let bob = newcomer(&client, "bob").await;
    for way in [
        "bearer",
        "body",
        "old body",
        "token cookie",
        "refresh cookie",
        "session cookie",
    ] {
        let mut mine = None;
        let request = match way {
            "bearer" | "body" | "old body" => {
                let ada = login(&client, "ada").await;
                if way == "old body" {
                    // Any counter: ending a login early is nobody's loss.
                    refresh(&client, &ada.refresh).await.expect(200);
                }
                let request = if way == "bearer" {
                    client.post("/logout").bearer(&ada.access)
                } else {
                    client
                        .post("/logout")
                        .json(&json!({"refresh_token": ada.refresh}))
                };
                mine = Some(ada);
                request
            }
            _ => {
                let mode = if way == "session cookie" {
                    "session"
                } else {
                    "cookie"
                };
                let name = match way {
                    "token cookie" => "__Host-token",
                    "refresh cookie" => "__Host-refresh",
                    _ => "__Host-sessionId",
                };
                let cookie = login_in(&client, "ada", mode).await.cookie(name).unwrap();
                client
                    .post("/logout")
                    .cookie(&format!("{name}={}", cookie.value))
            }
        };
        let answer = request.clone().send().await.expect(200);
        assert_eq!(answer.json(), json!({"message": "Logged out"}), "{way}");
        deletes_all(&answer);
        // Also on logout itself: the same thing again proves nothing any more.
        let again = request.send().await;
        assert_eq!(again.status, 401, "{way}: {again:?}");
        deletes_all(&again);
        if let Some(login) = mine {
            protected(&client, &login.access)
                .await
                .refused(401, "token_revoked");
            client
                .get("/profile")
                .bearer(&login.access)
                .send()
                .await
                .refused(401, "token_revoked");
            refresh(&client, &login.refresh)
                .await
                .refused(401, "refresh_invalid");
        }
    }
    for login in [&other, &bob] {
        protected(&client, &login.access).await.expect(200);
    }
}

#[tokio::test]
async fn all_ends_every_login_of_the_user_and_nobody_elses() {
    let (_server, client) = start(&[]);
    let first = newcomer(&client, "ada").await;
    let second = login(&client, "ada").await;
    let bob = newcomer(&client, "bob").await;
    let session = login_in(&client, "ada", "session")
        .await
        .cookie("__Host-sessionId")
        .unwrap();
    let body = json!({"all": true});
    client
        .post("/logout")
        .bearer(&second.access)
        .json(&body)
        .send()
        .await
        .expect(200);
    for login in [&first, &second] {
        protected(&client, &login.access)
            .await
            .refused(401, "token_revoked");
        refresh(&client, &login.refresh)
            .await
            .refused(401, "refresh_invalid");
    }
    let cookie = format!("__Host-sessionId={}", session.value);
    client
        .get("/profile")
        .cookie(&cookie)
        .send()
        .await
        .refused(401, "session_invalid");
    protected(&client, &bob.access).await.expect(200);
    // It is no lock: the next login is fine.
    let again = login(&client, "ada").await;
    protected(&client, &again.access).await.expect(200);
}

// After a night: the cookie is still sent, its token long expired.
#[tokio::test]
async fn an_expired_token_still_signs_its_own_login_out_but_not_all_of_them() {
    let (_server, client) = start(&[("token.lifetime", "1s")]);
    let other = newcomer(&client, "ada").await;
    let cookie = login_in(&client, "ada", "cookie").await;
    let value = |name: &str| cookie.cookie(name).unwrap().value;
    let (token, renewal) = (value("__Host-token"), value("__Host-refresh"));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let sent = format!("__Host-token={token}");
    client
        .get("/profile")
        .cookie(&sent)
        .send()
        .await
        .refused(401, "token_expired");
    let all = client
        .post("/logout")
        .cookie(&sent)
        .json(&json!({"all": true}))
        .send()
        .await;
    all.refused(401, "token_expired");
    client
        .post("/logout")
        .cookie(&sent)
        .send()
        .await
        .expect(200);
    refresh(&client, &renewal)
        .await
        .refused(401, "refresh_invalid");
    refresh(&client, &other.refresh).await.expect(200);
}

// An outdated refresh token ends its own session only.
#[tokio::test]
async fn all_needs_a_refresh_token_that_is_current() {
    let (_server, client) = start(&[("session.refresh_grace", "0s")]);
    let other = newcomer(&client, "ada").await;
    let ada = login(&client, "ada").await;
    refresh(&client, &ada.refresh).await.expect(200);
    let body = json!({"all": true, "refresh_token": ada.refresh});
    let answer = client.post("/logout").json(&body).send().await;
    assert_eq!(answer.status, 401, "{answer:?}");
    protected(&client, &other.access).await.expect(200);
    let body = json!({"all": true, "refresh_token": other.refresh});
    client.post("/logout").json(&body).send().await.expect(200);
    protected(&client, &other.access)
        .await
        .refused(401, "token_revoked");
}

// Seed row 64.
#[tokio::test]
async fn a_logout_outlives_a_restart() {
    let (mut server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let other = login(&client, "ada").await;
    logout(&client, &ada.access).await.expect(200);
    server.restart();
    protected(&client, &ada.access)
        .await
        .refused(401, "token_revoked");
    // Seed row 59: the key is the same, so what was good still is.
    protected(&client, &other.access).await.expect(200);
}
