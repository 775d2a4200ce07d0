//! Every secret goes through the whole tour, and none of them stands in the logs or in the database.
//! Seed rows 9, 12, 30, 37.

use serde_json::json;

use crate::register::contains;
use crate::support::*;

const MAIL: &str = "distinctive-person-7731@example.com";
const SECRET: &str = "first-Passphrase-Xq81-hidden";
const SECOND: &str = "second-Passphrase-Wz93-hidden";
const WRONG: &str = "wrong-Passphrase-Ky64-hidden";

#[tokio::test]
async fn no_secret_reaches_logs_or_database() {
    let secret_key = "operator-key-5d1f8b-never-to-be-seen-anywhere";
    let settings = [
        ("log.level", "trace"),
        ("SECRET_KEY", secret_key),
        ("server.trusted_proxies", "127.0.0.1"),
    ];
    let (server, client) = start(&settings);
    let root = admin(&server, "root").await;
    let account = json!({"username": "distinctive-name-5512", "email": MAIL, "password": SECRET});
    client
        .post("/register")
        .json(&account)
        .send()
        .await
        .expect(201);
    client
        .post("/register")
        .json(&account)
        .send()
        .await
        .expect(400);
    for body in [
        json!({"email": MAIL, "password": WRONG}),
        json!({"username": WRONG, "password": SECRET}),
        json!({"email": SECRET, "password": MAIL}),
        json!({"email": [SECRET], "password": {"x": SECRET}}),
    ] {
        let answer = client.post("/login").json(&body).send().await;
        assert!((400..500).contains(&answer.status));
        assert!(
            ![SECRET, WRONG]
                .iter()
                .any(|secret| answer.text().contains(secret)),
            "{answer:?}"
        );
    }
    let broken = format!("{{\"password\":\"{SECRET}\",");
    client
        .post("/login")
        .header("content-type", "application/json")
        .body(broken)
        .send()
        .await
        .expect(400);
    let body = json!({"email": MAIL, "password": SECRET});
    let first = Login::from(&client.post("/login").json(&body).send().await.expect(200));
    let second = Login::from(&refresh(&client, &first.refresh).await.expect(200));
    let mut with_mode = body.clone();
    with_mode["mode"] = json!("session");
    let session = client
        .post("/login")
        .json(&with_mode)
        .send()
        .await
        .expect(200)
        .cookie("__Host-sessionId")
        .unwrap()
        .value;
    let cookie = format!("__Host-sessionId={session}");
    client
        .get("/profile")
        .cookie(&cookie)
        .send()
        .await
        .expect(200);
    with_mode["mode"] = json!("cookie");
    let cookies = client
        .post("/login")
        .json(&with_mode)
        .send()
        .await
        .expect(200);
    let change = json!({"current_password": SECRET, "new_password": SECOND});
    let third = Login::from(
        &client
            .post("/password")
            .bearer(&second.access)
            .json(&change)
            .send()
            .await
            .expect(200),
    );
    // Where they do not belong: paths, queries, headers.
    for path in [
        format!("/{}", third.access),
        format!("/protected?token={}", third.access),
        format!("/sessions/{}", third.refresh),
        format!("/x?password={SECOND}"),
    ] {
        client.get(&path).send().await;
    }
    client
        .get("/protected")
        .header("user-agent", SECOND)
        .header("referer", &third.access)
        .header("x-request-id", &third.refresh)
        .send()
        .await;
    let odd = format!("{}x", third.access);
    protected(&client, &odd).await.expect(401);
    refresh(&client, &format!("{}x", third.refresh))
        .await
        .expect(401);
    let service = json!({"name": "shop-api"});
    let service = client
        .post("/admin/clients")
        .bearer(&root.access)
        .json(&service)
        .send()
        .await
        .expect(201)
        .json();
    for path in [
        "/admin/users",
        "/admin/sessions",
        "/admin/keys",
        "/admin/clients",
        "/admin/audit",
    ] {
        client
            .get(path)
            .bearer(&root.access)
            .send()
            .await
            .expect(200);
    }
    client
        .post("/admin/keys/rotate")
        .bearer(&root.access)
        .send()
        .await
        .expect(201);
    for operation in operations(&client)
        .await
        .iter()
        .filter(|o| !o.path.starts_with("/admin"))
    {
        operation
            .request(&client)
            .bearer(&third.access)
            .send()
            .await;
    }
    logout(&client, &third.access).await;
    let mut secrets = vec![
        SECRET.to_owned(),
        SECOND.to_owned(),
        WRONG.to_owned(),
        secret_key.to_owned(),
        session,
    ];
    for login in [&first, &second, &third, &root] {
        secrets.extend([login.access.clone(), login.refresh.clone()]);
    }
    secrets.extend(
        cookies
            .cookies()
            .into_iter()
            .map(|c| c.value)
            .filter(|value| !value.is_empty()),
    );
    secrets.push(service["secret"].as_str().unwrap().to_owned());
    // Kept, since the directory goes with the last who knows it.
    let home = server.home().clone();
    let exit = server.terminate();
    let log = exit.stdout + &exit.stderr;
    assert!(
        log.contains("\"route\":\"/login\""),
        "the tour was logged: {log:.500}"
    );
    assert!(
        !log.contains(MAIL) && !log.contains("distinctive-"),
        "an e-mail address or a name is in the log"
    );
    let stored: Vec<_> = std::fs::read_dir(home.data())
        .unwrap()
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(
        stored.iter().any(|bytes| contains(bytes, MAIL.as_bytes())),
        "the right files were read"
    );
    for secret in &secrets {
        for part in pieces(secret) {
            assert!(
                !log.contains(&part),
                "a part of a secret is in the log: {part}"
            );
            for bytes in &stored {
                assert!(
                    !contains(bytes, part.as_bytes()),
                    "a part of a secret is stored: {part}"
                );
            }
        }
    }
}

/// Parts of 12 characters, at every quarter of that; of tokens only what makes them secret. An
/// access token's header is the same in all, and its claims hold ids that the database holds, too,
/// but not in base64.
fn pieces(secret: &str) -> Vec<String> {
    let secret = secret
        .rsplit('.')
        .next()
        .filter(|last| last.len() >= 16)
        .unwrap_or(secret);
    let chars: Vec<char> = secret.chars().collect();
    chars
        .windows(16)
        .step_by(4)
        .map(|part| part.iter().collect())
        .collect()
}
