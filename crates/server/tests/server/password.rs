//! `POST /password`: every other session ends, this one is replaced, in the same mode.

use serde_json::json;

use crate::support::*;

const NEW: &str = "quince-lantern-77";

#[tokio::test]
async fn a_wrong_present_password_or_a_weak_new_one_changes_nothing() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    for (body, status, code) in [
        (json!({}), 400, "invalid_request"),
        (
            json!({"current_password": PASSWORD}),
            400,
            "invalid_request",
        ),
        (json!({"new_password": NEW}), 400, "invalid_request"),
        (
            json!({"current_password": PASSWORD, "new_password": "short"}),
            400,
            "invalid_request",
        ),
        (
            json!({"current_password": PASSWORD, "new_password": "password"}),
            400,
            "invalid_request",
        ),
        (
            json!({"current_password": PASSWORD, "new_password": "x".repeat(1025)}),
            400,
            "invalid_request",
        ),
        (
            json!({"current_password": "wrong-wrong", "new_password": NEW}),
            401,
            "invalid_credentials",
        ),
    ] {
        let answer = client
            .post("/password")
            .bearer(&ada.access)
            .json(&body)
            .send()
            .await;
        answer.refused(status, code);
        assert!(answer.cookies().is_empty());
    }
    login(&client, "ada").await;
    protected(&client, &ada.access).await.expect(200);
}

#[tokio::test]
async fn a_new_password_ends_every_session_and_replaces_this_one_in_its_mode() {
    for mode in ["token", "cookie", "session"] {
        let (_server, client) = start(&[]);
        let other = newcomer(&client, "ada").await;
        let bob = newcomer(&client, "bob").await;
        let browser = client.jar();
        let mine = login_in(&browser, "ada", mode).await;
        let body = json!({"current_password": PASSWORD, "new_password": NEW});
        let request = browser.post("/password").json(&body);
        let request = if mode == "token" {
            request.bearer(&Login::from(&mine).access)
        } else {
            request
        };
        let answer = request.send().await.expect(200);
        let old: Vec<_> = mine
            .cookies()
            .iter()
            .map(|c| format!("{}={}", c.name, c.value))
            .collect();
        if mode == "token" {
            let (old, new) = (Login::from(&mine), Login::from(&answer));
            protected(&client, &old.access)
                .await
                .refused(401, "token_revoked");
            refresh(&client, &old.refresh)
                .await
                .refused(401, "refresh_invalid");
            protected(&client, &new.access).await.expect(200);
            assert_ne!(claims(&old.access)["sid"], claims(&new.access)["sid"]);
            refresh(&client, &new.refresh).await.expect(200);
        } else {
            assert_eq!(answer.json()["message"], json!("Password changed"));
            browser.get("/profile").send().await.expect(200);
            let answer = client.get("/profile").cookie(&old[0]).send().await;
            assert_eq!(answer.status, 401, "{mode}");
        }
        protected(&client, &other.access)
            .await
            .refused(401, "token_revoked");
        refresh(&client, &other.refresh)
            .await
            .refused(401, "refresh_invalid");
        protected(&client, &bob.access).await.expect(200);
        let login = |password: &str| {
            let body = json!({"username": "ada", "password": password});
            client.post("/login").json(&body).send()
        };
        login(PASSWORD).await.refused(401, "invalid_credentials");
        login(NEW).await.expect(200);
    }
}

#[tokio::test]
async fn of_two_changes_at_once_one_wins() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let change = |new: &str| {
        let body = json!({"current_password": PASSWORD, "new_password": new});
        tokio::spawn(
            client
                .post("/password")
                .bearer(&ada.access)
                .json(&body)
                .send(),
        )
    };
    let (one, two) = (change("first-lantern-1"), change("second-lantern-2"));
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401], "{one:?} {two:?}");
    let winner = if one.status == 200 { &one } else { &two };
    protected(&client, &Login::from(winner).access)
        .await
        .expect(200);
}
