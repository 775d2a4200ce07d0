//! `/users/*`, the dialect of flask-jwt-extended programs, and the tutorials word for word: seed rows
//! 3, 15, 16, 41, 51, 61, 62.

use serde_json::json;

use crate::support::*;

const TUTORIALS: [(&str, &str); 2] = [("password.min_length", "4"), ("password.blocklist", "none")];

#[tokio::test]
async fn refusals_say_msg_and_nothing_else() {
    let (_server, client) = start(&TUTORIALS);
    register(&client, "ada").await;
    let login = || client.post("/users/login");
    let wrong = json!({"email": "ada", "password": "wrong"});
    for (request, status, msg) in [
        (login().json(&wrong), 401, "Invalid credentials"),
        (
            login().json(&json!({"email": "nobody", "password": "x"})),
            401,
            "Invalid credentials",
        ),
        (
            login().form("email=ada"),
            415,
            "Send JSON with Content-Type: application/json",
        ),
        (
            client.get("/users/profile"),
            401,
            "Missing Authorization Header",
        ),
        (
            client.post("/users/logout"),
            401,
            "Missing Authorization Header",
        ),
        (
            client.get("/users/profile").bearer("a.b"),
            401,
            "Token is malformed",
        ),
    ] {
        let answer = request.send().await.expect(status);
        assert_eq!(answer.json(), json!({"msg": msg}));
        well_formed(&answer);
    }
    for bad in ["", "[]", "{", "null"] {
        let answer = login()
            .header("content-type", "application/json")
            .body(bad)
            .send()
            .await
            .expect(400);
        assert!(answer.json()["msg"].is_string() && answer.json().as_object().unwrap().len() == 1);
    }
}

// Tutorial 001, with its e-mail address and password.
#[tokio::test]
async fn login_profile_and_logout_answer_as_the_tutorial_says() {
    let (_server, client) = start(&TUTORIALS);
    let body = json!({"email": "user@example.com", "password": "mypassword"});
    client
        .post("/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    let answer = client
        .post("/users/login")
        .json(&body)
        .send()
        .await
        .expect(200);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(answer.json(), json!({"access_token": token}));
    assert!(answer.cookies().is_empty());
    let profile = || client.get("/users/profile").bearer(&token).send();
    let answer = profile().await.expect(200);
    assert_eq!(
        answer.json(),
        json!({"email": "user@example.com", "message": "Welcome!"})
    );
    let answer = client
        .post("/users/logout")
        .bearer(&token)
        .send()
        .await
        .expect(200);
    assert_eq!(answer.json(), json!({"msg": "Token revoked"}));
    assert_eq!(
        profile().await.expect(401).json(),
        json!({"msg": "Token has been revoked"})
    );
    let answer = client
        .post("/users/logout")
        .bearer(&token)
        .send()
        .await
        .expect(401);
    assert_eq!(answer.json(), json!({"msg": "Token has been revoked"}));
    protected(&client, &token)
        .await
        .refused(401, "token_revoked");
}

// Tutorial 002, with its user and password; then 004, whose logout names the session.
#[tokio::test]
async fn the_other_tutorials_run_word_for_word() {
    let (_server, client) = start(&TUTORIALS);
    let body = json!({"username": "admin", "password": "1234"});
    let answer = client
        .post("/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    assert_eq!(
        answer.json()["message"],
        json!("User registered successfully")
    );
    let answer = client
        .post("/register")
        .json(&body)
        .send()
        .await
        .expect(400);
    assert_eq!(answer.json()["message"], json!("Username already exists"));
    let wrong = json!({"username": "admin", "password": "12345"});
    let answer = client.post("/login").json(&wrong).send().await.expect(401);
    assert_eq!(answer.json()["message"], json!("Invalid credentials"));
    let answer = client.post("/login").json(&body).send().await.expect(200);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let answer = protected(&client, &token).await.expect(200);
    assert_eq!(answer.json(), json!({"logged_in_as": "admin"}));
    let body =
        json!({"email": "user@example.com", "password": "securepassword", "mode": "session"});
    client
        .post("/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    let answer = client.post("/login").json(&body).send().await.expect(200);
    let id = format!(
        "__Host-sessionId={}",
        answer.cookie("__Host-sessionId").unwrap().value
    );
    client.get("/profile").cookie(&id).send().await.expect(200);
    let answer = client.post("/logout").cookie(&id).send().await.expect(200);
    assert_eq!(answer.json(), json!({"message": "Logged out"}));
    client
        .get("/profile")
        .cookie(&id)
        .send()
        .await
        .refused(401, "session_invalid");
}

// Why the tutorials need two settings: their passwords are the first that anybody tries.
#[tokio::test]
async fn with_the_default_rules_the_passwords_of_the_tutorials_are_refused() {
    let (_server, client) = start(&[]);
    for password in ["1234", "mypassword", "securepassword"] {
        let body = json!({"username": "admin", "password": password});
        let answer = client.post("/register").json(&body).send().await;
        answer.refused(400, "invalid_request");
        assert!(answer.json()["fields"]["password"].is_string());
    }
}

#[tokio::test]
async fn a_user_without_an_email_is_welcomed_by_name_from_any_credential() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    let browser = client.jar();
    login_in(&browser, "ada", "session").await;
    let answer = browser.get("/users/profile").send().await.expect(200);
    assert_eq!(
        answer.json(),
        json!({"email": "ada", "message": "Welcome!"})
    );
    let answer = browser.post("/users/logout").send().await.expect(200);
    assert!(answer.cookies().iter().all(|cookie| cookie.deletes()) && answer.cookies().len() == 3);
}
