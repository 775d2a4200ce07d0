//! `token.accept_hs256`: what a client keeps that still holds a token of the former program.

use countersign_testkit::{Home, Server};
use serde_json::{Value, json};

use crate::support::*;

const OLD_SECRET: &str = "k7Vq-of-the-former-program-9zLm2Xw4-tests-only";
const PLAIN: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Seconds since 1970, by a clock that is not ours.
fn now() -> i64 {
    let now = jsonwebtoken::get_current_timestamp();
    i64::try_from(now).unwrap()
}

/// A date so many days from now, by the system's own program.
fn in_days(days: i64) -> String {
    let date = std::process::Command::new("date")
        .args([
            "--utc",
            "+%FT%TZ",
            "--date",
            &format!("@{}", now() + days * 86_400),
        ])
        .output();
    String::from_utf8(date.unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

fn accepting(until: &str) -> Home {
    set(
        home(),
        &[
            ("token.accept_hs256.secret", OLD_SECRET),
            ("token.accept_hs256.until", until),
        ],
    )
}

/// A server that imported Ada, an administrator whose id was 17.
fn moved(home: Home) -> Server {
    let ada = json!({"id": 17, "username": "ada", "admin": true});
    let home = home.file("people.jsonl", &ada.to_string());
    let done = home.cli(&["import", "people.jsonl", "--without-password"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    home.start()
}

fn flask(sub: &str) -> Value {
    json!({"fresh": true, "iat": now() - 5, "nbf": now() - 5, "exp": now() + 900, "jti": "6f4e",
        "type": "access", "sub": sub, "csrf": "a2f1"})
}

fn old(claims: &Value) -> String {
    let header = serde_json::from_str(PLAIN).unwrap();
    forge(&header, claims, OLD_SECRET.as_bytes())
}

#[test]
fn half_of_it_a_weak_secret_and_a_far_end_are_refused_at_start() {
    let far = in_days(91);
    for (settings, words) in [
        (vec![("secret", OLD_SECRET)], "set both, or neither"),
        (vec![("until", "2027-01-31")], "set both, or neither"),
        (
            vec![("secret", "super-secret"), ("until", "2027-01-31")],
            "well-known",
        ),
        (
            vec![("secret", OLD_SECRET), ("until", far.as_str())],
            "more than 90 days ahead",
        ),
    ] {
        let home = settings.iter().fold(home(), |home, (key, value)| {
            set(home, &[(&format!("token.accept_hs256.{key}"), value)])
        });
        let exit = home.try_start().unwrap_err();
        assert_eq!(exit.code, Some(78), "{exit:?}");
        assert!(exit.stderr.contains("token.accept_hs256"), "{exit:?}");
        assert!(exit.stderr.contains(words), "{exit:?}");
        assert!(!exit.stderr.contains(OLD_SECRET), "{exit:?}");
    }
    let both = set(accepting(&in_days(1)), &[("SECRET_KEY", OLD_SECRET)]);
    let exit = both.try_start().unwrap_err();
    assert!(exit.stderr.contains("of its own"), "{exit:?}");
}

#[tokio::test]
async fn without_it_and_after_its_end_they_are_refused() {
    let off = moved(home());
    protected(&off.client(), &old(&flask("17")))
        .await
        .refused(401, "token_malformed");
    let over = moved(accepting(&in_days(-1)));
    protected(&over.client(), &old(&flask("17")))
        .await
        .refused(401, "token_malformed");
    assert!(over.stderr().contains("take it away"), "{}", over.stderr());
}

#[tokio::test]
async fn a_token_that_is_no_login_of_the_former_program_is_refused() {
    let server = moved(accepting(&in_days(30)));
    let client = server.client();
    let but = |name: &str, value: Value| {
        let mut claims = flask("17");
        claims[name] = value;
        claims
    };
    for (claims, code) in [
        (but("type", json!("refresh")), "token_wrong_type"),
        (but("exp", json!(now())), "token_expired"),
        (but("exp", Value::Null), "token_malformed"),
        (but("nbf", json!(now() + 90)), "token_not_yet_valid"),
        (but("aud", json!("else")), "token_wrong_audience"),
        (flask("18"), "token_revoked"),
    ] {
        protected(&client, &old(&claims)).await.refused(401, code);
    }
    let with_kid = json!({"alg": "HS256", "typ": "JWT", "kid": "shared"});
    let confused = json!({"alg": "none"});
    for header in [with_kid, confused] {
        let token = forge(&header, &flask("17"), OLD_SECRET.as_bytes());
        protected(&client, &token)
            .await
            .refused(401, "token_malformed");
    }
    let other = forge(
        &json!({"alg": "HS256"}),
        &flask("17"),
        JWT_SECRET.as_bytes(),
    );
    protected(&client, &other)
        .await
        .refused(401, "token_malformed");
}

#[tokio::test]
async fn it_says_who_somebody_is_and_opens_nothing_else() {
    let server = moved(accepting(&in_days(30)));
    let client = server.client();
    let token = old(&flask("17"));
    let answer = protected(&client, &token).await.expect(200);
    assert_eq!(answer.json(), json!({"logged_in_as": "ada"}));
    let answer = client
        .get("/profile")
        .bearer(&token)
        .send()
        .await
        .expect(200);
    assert_eq!(answer.json()["username"], "ada");
    let answer = client
        .get("/users/profile")
        .bearer(&token)
        .send()
        .await
        .expect(200);
    assert_eq!(answer.json()["message"], "Welcome!");
    let reads = ["GET /protected", "GET /profile", "GET /users/profile"];
    let mut refused = 0;
    for operation in operations(&client).await {
        let name = format!("{} {}", operation.method, operation.template);
        if operation.protected && !reads.contains(&name.as_str()) {
            let answer = operation.request(&client).bearer(&token).send().await;
            assert_eq!(answer.status, 401, "{name}: {answer:?}");
            refused += 1;
        }
    }
    assert!(refused > 15, "{refused}");
    client
        .get("/verify")
        .bearer(&token)
        .send()
        .await
        .refused(401, "token_malformed");
    let metrics = client.get("/metrics").send().await.expect(200).text();
    assert!(
        metrics.contains("countersign_legacy_tokens_total 3"),
        "{metrics}"
    );
    // Neither the secret nor the token is written anywhere.
    let shown = server.cli(&["config"]).stdout;
    assert!(shown.contains("token.accept_hs256.secret") && !shown.contains(OLD_SECRET));
    assert!(!server.stderr().contains(OLD_SECRET) && !server.stderr().contains(&token));
}

/// The former program's JWT_SECRET_KEY may go on as ours: each kind of token keeps its own check.
#[tokio::test]
async fn one_secret_may_serve_the_former_tokens_and_ours() {
    let server = moved(set(
        accepting(&in_days(30)),
        &[("JWT_SECRET_KEY", OLD_SECRET)],
    ));
    let client = server.client();
    protected(&client, &old(&flask("17"))).await.expect(200);
    let eve = newcomer(&client, "eve").await;
    protected(&client, &eve.access).await.expect(200);
    logout(&client, &eve.access).await.expect(200);
    protected(&client, &eve.access)
        .await
        .refused(401, "token_revoked");
    // Whoever takes the key's name out of a token of ours finds nobody by its id.
    let mut claims = claims(&eve.access);
    claims["type"] = json!("access");
    protected(&client, &old(&claims))
        .await
        .refused(401, "token_wrong_audience");
    claims.as_object_mut().unwrap().remove("aud");
    protected(&client, &old(&claims))
        .await
        .refused(401, "token_revoked");
}
