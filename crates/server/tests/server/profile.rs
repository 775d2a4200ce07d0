//! `/profile`: reading, renaming, deleting.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_change_needs_the_password_and_a_name_that_is_free() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    register(&client, "bob").await;
    for (body, status, code) in [
        (json!({"username": "eve"}), 400, "invalid_request"),
        (
            json!({"current_password": PASSWORD}),
            400,
            "invalid_request",
        ),
        (
            json!({"username": "a b", "current_password": PASSWORD}),
            400,
            "invalid_request",
        ),
        (
            json!({"username": null, "email": null, "current_password": PASSWORD}),
            400,
            "invalid_request",
        ),
        (
            json!({"username": "eve", "current_password": "wrong-wrong"}),
            401,
            "invalid_credentials",
        ),
        (
            json!({"username": "BOB", "current_password": PASSWORD}),
            400,
            "username_taken",
        ),
    ] {
        let answer = client
            .patch("/profile")
            .bearer(&ada.access)
            .json(&body)
            .send()
            .await;
        answer.refused(status, code);
        well_formed(&answer);
    }
    for body in [json!({}), json!({"password": "wrong-wrong"})] {
        let answer = client
            .delete("/profile")
            .bearer(&ada.access)
            .json(&body)
            .send()
            .await;
        assert!([400, 401].contains(&answer.status), "{answer:?}");
    }
    let user = client
        .get("/profile")
        .bearer(&ada.access)
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(user["username"], json!("ada"));
}

#[tokio::test]
async fn five_wrong_passwords_in_a_session_stop_its_changes_and_nothing_else() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let other = login(&client, "ada").await;
    let wrong = json!({"username": "eve", "current_password": "wrong-wrong", "new_password": "quince-harbour-7", "password": "wrong-wrong"});
    for method in [
        "PATCH /profile",
        "POST /password",
        "DELETE /profile",
        "POST /profile/delete",
        "PATCH /profile",
    ] {
        let (method, path) = method.split_once(' ').unwrap();
        let answer = client
            .request(method, path)
            .bearer(&ada.access)
            .json(&wrong)
            .send()
            .await;
        answer.refused(401, "invalid_credentials");
    }
    let right = json!({"username": "eve", "current_password": PASSWORD});
    let answer = client
        .patch("/profile")
        .bearer(&ada.access)
        .json(&right)
        .send()
        .await;
    answer.refused(429, "too_many_attempts");
    well_formed(&answer);
    protected(&client, &ada.access).await.expect(200);
    client
        .patch("/profile")
        .bearer(&other.access)
        .json(&right)
        .send()
        .await
        .expect(200);
}

// Seed row 83: each sees their own.
#[tokio::test]
async fn each_credential_shows_its_own_user() {
    let (_server, client) = start(&[]);
    for name in ["ada", "bob"] {
        let user = register(&client, name).await;
        let token = login(&client, name).await;
        let answer = client
            .get("/profile")
            .bearer(&token.access)
            .send()
            .await
            .expect(200);
        assert_eq!(answer.json(), user);
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
        for mode in ["cookie", "session"] {
            let browser = client.jar();
            login_in(&browser, name, mode).await;
            assert_eq!(
                browser.get("/profile").send().await.expect(200).json(),
                user,
                "{mode}"
            );
        }
    }
}

#[tokio::test]
async fn new_names_supersede_old_tokens_and_free_the_old_name() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let body =
        json!({"username": "lovelace", "email": "Ada@Example.com", "current_password": PASSWORD});
    let user = client
        .patch("/profile")
        .bearer(&ada.access)
        .json(&body)
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(user["username"], json!("lovelace"));
    protected(&client, &ada.access)
        .await
        .refused(401, "token_superseded");
    let renewed = Login::from(&refresh(&client, &ada.refresh).await.expect(200));
    let said = protected(&client, &renewed.access).await.expect(200).json();
    assert_eq!(said, json!({"logged_in_as": "lovelace"}));
    // Only `sub` identifies: somebody else may be "ada" now, and is not this user.
    let other = newcomer(&client, "ada").await;
    assert_ne!(claims(&other.access)["sub"], claims(&renewed.access)["sub"]);
}

#[tokio::test]
async fn a_deleted_account_is_gone_with_its_sessions() {
    let (_server, client) = start(&[]);
    for (name, method, path) in [
        ("ada", "DELETE", "/profile"),
        ("bob", "POST", "/profile/delete"),
    ] {
        let login = newcomer(&client, name).await;
        let other = crate::support::login(&client, name).await;
        let body = json!({"password": PASSWORD});
        let answer = client
            .request(method, path)
            .bearer(&login.access)
            .json(&body)
            .send()
            .await
            .expect(204);
        assert!(answer.body.is_empty());
        for dead in [&login, &other] {
            protected(&client, &dead.access)
                .await
                .refused(401, "token_revoked");
            refresh(&client, &dead.refresh)
                .await
                .refused(401, "refresh_invalid");
        }
        let body = json!({"username": name, "password": PASSWORD});
        client
            .post("/login")
            .json(&body)
            .send()
            .await
            .refused(401, "invalid_credentials");
        // The name is free, and its new owner is somebody else.
        let new = newcomer(&client, name).await;
        assert_ne!(claims(&new.access)["sub"], claims(&login.access)["sub"]);
    }
}
