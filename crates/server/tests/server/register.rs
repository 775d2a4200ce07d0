//! `POST /register`: seed rows 1 to 12.

use countersign_testkit::TestDatabase;
use serde_json::{Value, json};

use crate::support::*;

// Seed row 4: no half account, and the answer names the field.
#[tokio::test]
async fn what_is_missing_or_breaks_a_rule_is_named_and_makes_no_account() {
    let (_server, client) = start(&[]);
    let name = |name: &str| json!({"username": name, "password": PASSWORD});
    let email = |email: &str| json!({"email": email, "password": PASSWORD});
    let with = |password: Value| json!({"username": "nobody", "password": password});
    for (body, field) in [
        (json!({}), "username"),
        (json!({}), "password"),
        (json!({"password": PASSWORD}), "username"),
        (json!({"username": null, "password": PASSWORD}), "username"),
        (json!({"username": "nobody"}), "password"),
        (with(json!(null)), "password"),
        (with(json!("")), "password"),
        (with(json!("short-1")), "password"),
        (with(json!("1234")), "password"),
        (with(json!("password")), "password"),
        (with(json!("nobody")), "password"),
        (with(json!("x".repeat(1025))), "password"),
        (with(json!(12_345_678)), "password"),
        (with(json!([PASSWORD])), "password"),
        (name(""), "username"),
        (name(" "), "username"),
        (name("a b"), "username"),
        (name("a@b"), "username"),
        (name("' OR 1=1 --"), "username"),
        (name("a\u{0}b"), "username"),
        (name(&"a".repeat(65)), "username"),
        (json!({"username": 7, "password": PASSWORD}), "username"),
        (email(""), "email"),
        (email("nobody"), "email"),
        (email("a@b@c"), "email"),
        (email("a@"), "email"),
        (email(&format!("{}@x.org", "a".repeat(250))), "email"),
    ] {
        let answer = client.post("/register").json(&body).send().await;
        answer.refused(400, "invalid_request");
        assert!(
            answer.json()["fields"][field].is_string(),
            "{body} {answer:?}"
        );
        assert!(!answer.text().contains(PASSWORD), "{answer:?}");
    }
    let login = json!({"username": "nobody", "password": PASSWORD});
    client
        .post("/login")
        .json(&login)
        .send()
        .await
        .refused(401, "invalid_credentials");
}

// Seed row 2, and names that are the same name.
#[tokio::test]
async fn a_name_that_is_taken_is_refused_by_name() {
    let (_server, client) = start(&[]);
    let first = json!({"username": "ada", "email": "Ada@Example.com", "password": PASSWORD});
    client
        .post("/register")
        .json(&first)
        .send()
        .await
        .expect(201);
    for (body, code, message) in [
        (
            json!({"username": "ada"}),
            "username_taken",
            "Username already exists",
        ),
        (
            json!({"username": "ADA"}),
            "username_taken",
            "Username already exists",
        ),
        (
            json!({"username": "\u{ff21}da"}),
            "username_taken",
            "Username already exists",
        ),
        (
            json!({"email": "ada@example.COM"}),
            "email_taken",
            "Email already exists",
        ),
        (
            json!({"username": "new", "email": "ada@example.com"}),
            "email_taken",
            "Email already exists",
        ),
    ] {
        let mut body = body;
        body["password"] = json!(PASSWORD);
        let answer = client.post("/register").json(&body).send().await;
        answer.refused(400, code);
        assert_eq!(answer.json(), json!({"code": code, "message": message}));
    }
    // The refused half of the last one left nothing behind.
    register(&client, "new").await;
}

#[tokio::test]
async fn closed_registration_is_refused() {
    let (_server, client) = start(&[("registration.enabled", "false")]);
    let body = json!({"username": "ada", "password": PASSWORD});
    client
        .post("/register")
        .json(&body)
        .send()
        .await
        .refused(403, "registration_closed");
}

// Seed row 2 (24 at once), on both engines.
#[tokio::test]
async fn of_many_who_want_one_name_at_once_one_gets_it() {
    for database in TestDatabase::each().await {
        let server = home().database(&database).start();
        let client = server.client();
        let tries: Vec<_> = (0..24)
            .map(|_| {
                let body = json!({"username": "ada", "password": PASSWORD});
                tokio::spawn(client.post("/register").json(&body).send())
            })
            .collect();
        let mut made = 0;
        for answer in tries {
            let answer = answer.await.unwrap();
            match answer.status {
                201 => made += 1,
                _ => answer.refused(400, "username_taken"),
            }
        }
        assert_eq!(made, 1);
        login(&client, "ada").await;
    }
}

// Seed row 8: refusals, too, give back what they opened.
#[tokio::test]
async fn failing_registrations_leave_no_file_open() {
    let (server, client) = start(&[]);
    register(&client, "ada").await;
    let open = || {
        std::fs::read_dir(format!("/proc/{}/fd", server.pid()))
            .unwrap()
            .count()
    };
    let fail = async |n: usize| {
        for _ in 0..n {
            let body = json!({"username": "ada", "password": PASSWORD});
            client
                .post("/register")
                .json(&body)
                .send()
                .await
                .refused(400, "username_taken");
        }
    };
    fail(20).await;
    let before = open();
    fail(300).await;
    // The pool may still open a connection or two, of a few files each.
    soon("about as many files open as before", || async {
        open() <= before + 20
    })
    .await;
}

// Seed row 7: text is data.
#[tokio::test]
async fn sql_in_a_field_is_only_text() {
    let (_server, client) = start(&[]);
    register(&client, "ada").await;
    let evil = "' OR 1=1 --";
    for body in [
        json!({"username": evil, "password": evil}),
        json!({"email": evil, "password": evil}),
        json!({"username": "ada", "password": evil}),
        json!({"username": "ada'--", "password": PASSWORD}),
    ] {
        client
            .post("/login")
            .json(&body)
            .send()
            .await
            .refused(401, "invalid_credentials");
    }
    let as_password = json!({"username": "bob", "password": "'; DROP TABLE users; --"});
    client
        .post("/register")
        .json(&as_password)
        .send()
        .await
        .expect(201);
    client
        .post("/login")
        .json(&as_password)
        .send()
        .await
        .expect(200);
    login(&client, "ada").await;
}

// Seed rows 1, 12.
#[tokio::test]
async fn a_registration_answers_the_user_and_never_a_hash() {
    let (_server, client) = start(&[]);
    let body = json!({"username": "Ada", "email": "Ada@Example.com", "password": PASSWORD, "roles": ["admin"], "x": 1});
    let answer = client
        .post("/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    let user = answer.json()["user"].clone();
    assert_eq!(
        answer.json(),
        json!({"message": "User registered successfully", "user": {
            "id": user["id"], "username": "Ada", "email": user["email"], "email_verified": false,
            "roles": [], "created_at": user["created_at"],
        }})
    );
    assert_eq!(
        user["email"].as_str().unwrap().to_lowercase(),
        "ada@example.com"
    );
    assert_eq!(user["id"].as_str().unwrap().len(), 36);
    assert!(user["created_at"].as_i64().unwrap() > 1_700_000_000);
    assert!(answer.cookies().is_empty());
    // Any writing of either name signs in, from either field (seed rows 13, 14).
    for (field, name) in [
        ("username", "ADA"),
        ("email", "ada@example.com"),
        ("username", "ADA@example.com"),
        ("email", "ada"),
    ] {
        let body = json!({field: name, "password": PASSWORD});
        client.post("/login").json(&body).send().await.expect(200);
    }
}

// Seed rows 6, 9: what was made is there after a restart, and the password is nowhere.
#[tokio::test]
async fn accounts_survive_a_restart_and_passwords_are_stored_nowhere() {
    let (mut server, client) = start(&[]);
    register(&client, "ada").await;
    register(&client, "bob").await;
    let mut found = Vec::new();
    for file in std::fs::read_dir(server.home().data()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!contains(&bytes, PASSWORD.as_bytes()));
        // Salted: two people with one password have two hashes.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        found.extend(
            text.match_indices("$argon2id$")
                .map(|(at, hash)| text[at + hash.len()..].chars().take(70).collect::<String>()),
        );
    }
    found.sort();
    found.dedup();
    assert!(found.len() >= 2, "{found:?}");
    server.restart();
    login(&client, "ada").await;
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
