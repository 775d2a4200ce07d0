//! Everything that ends a login.

use super::*;

/// What is promised is 100 ms; a machine that builds something else meanwhile gets more.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_is_honoured_at_once_and_the_next_login_is_good() {
    let server = home().start();
    register(&server, "ada").await;
    let guard = guard(&server).await;
    let (mut refused, mut answered) = (vec![], vec![]);
    for _ in 0..30 {
        let token = sign_in(&server, "ada").await;
        assert_eq!(guard.check(&token).await.unwrap().roles, [""; 0]);
        let began = Instant::now();
        let logout = server.client().post("/logout").bearer(&token).send();
        let logout = tokio::spawn(async move {
            let _ = logout.await.expect(200);
            began.elapsed()
        });
        refused.push(until(&guard, &token, "token_revoked", PATIENCE).await);
        answered.push(logout.await.unwrap());
    }
    refused.sort_unstable();
    answered.sort_unstable();
    println!(
        "from sending a logout: refused by the guard after {:?} (median; worst {:?}), answered \
         after {:?} (median)",
        refused[15], refused[29], answered[15]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_that_waits_for_followers_leaves_nothing_to_wait_for() {
    let server = home().start();
    register(&server, "ada").await;
    let (one, two) = (guard(&server).await, guard(&server).await);
    for _ in 0..5 {
        let token = sign_in(&server, "ada").await;
        assert!(one.check(&token).await.is_ok() && two.check(&token).await.is_ok());
        let logout = server.client().post("/logout").bearer(&token);
        let answer = logout.header("prefer", "wait=5").send().await.expect(200);
        assert_eq!(answer.json()["propagated"], true);
        assert_eq!(
            [code(&one, &token), code(&two, &token)],
            ["token_revoked"; 2]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_ends_a_login_is_honoured() {
    let server = home().start();
    let guard = guard(&server).await;
    for (name, args, expected) in [
        (
            "disabled",
            &["user", "disable", "disabled"][..],
            "token_revoked",
        ),
        (
            "deleted",
            &["user", "delete", "deleted", "--yes"],
            "token_revoked",
        ),
        (
            "promoted",
            &["user", "roles", "promoted", "--add", "cook"],
            "token_superseded",
        ),
        (
            "everybody",
            &["session", "revoke", "--all"],
            "token_revoked",
        ),
        (
            "stolen",
            &["key", "revoke", "KID"],
            "token_signature_invalid",
        ),
    ] {
        register(&server, name).await;
        let token = sign_in(&server, name).await;
        assert!(guard.check(&token).await.is_ok(), "and it is remembered");
        let watched = tokio::spawn(guard.revoked(&token));
        let keys = server.cli(&["key", "list", "--json"]).stdout;
        let keys: Value = serde_json::from_str(&keys).unwrap();
        let kid = keys["keys"][0]["kid"].as_str().unwrap();
        let args: Vec<_> = args
            .iter()
            .map(|arg| if *arg == "KID" { kid } else { arg })
            .collect();
        let done = server.cli(&args);
        assert_eq!(done.code, Some(0), "{done:#?}");
        let took = until(&guard, &token, expected, PATIENCE).await;
        println!("{args:?}: honoured {took:?} after the command ended");
        let ended = tokio::time::timeout(PATIENCE, watched).await;
        assert_eq!(ended.unwrap().unwrap().code(), expected);
        if ["promoted", "everybody", "stolen"].contains(&name) {
            let token = sign_in(&server, name).await;
            let claims = guard.check(&token).await;
            assert!(claims.is_ok(), "{name}: the new login: {claims:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_every_token_and_brings_one() {
    let server = home().start();
    register(&server, "ada").await;
    let guard = guard(&server).await;
    let (this, other) = (sign_in(&server, "ada").await, sign_in(&server, "ada").await);
    assert!(guard.check(&this).await.is_ok() && guard.check(&other).await.is_ok());
    let body = json!({"current_password": PASSWORD, "new_password": "another-harbour-42"});
    let change = server.client().post("/password").bearer(&this).json(&body);
    let new = token(&change.send().await.expect(200).json());
    for old in [this, other] {
        until(&guard, &old, "token_revoked", PATIENCE).await;
    }
    assert!(guard.check(&new).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_where_credentials_are_asked_for() {
    let server = home()
        .env("COUNTERSIGN_REVOCATION__REQUIRE_AUTH", "always")
        .start();
    register(&server, "ada").await;
    let refused = Guard::connect(&server.url("")).await.unwrap_err();
    assert!(refused.to_string().contains("401"), "{refused}");
    let secret = server.cli(&["client", "add", "shop", "--kind", "service", "--quiet"]);
    let secret = secret.stdout.trim().to_owned();
    let builder = |secret: &str| Guard::builder(&server.url("")).credentials("shop", secret);
    assert!(builder("wrong").connect().await.is_err());
    let guard = builder(&secret).connect().await.unwrap();
    assert!(guard.check(&sign_in(&server, "ada").await).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_secret_is_enough_where_there_is_no_public_key() {
    let secret = "9d1f5a7c3e-shared-by-all-services-9d1f5a7c3e";
    let server = home().env("JWT_SECRET_KEY", secret).start();
    register(&server, "ada").await;
    let token = sign_in(&server, "ada").await;
    let builder = Guard::builder(&server.url("")).shared_secret(secret.as_bytes());
    let guard = builder.connect().await.unwrap();
    assert!(guard.check(&token).await.is_ok());
    let logout = server.client().post("/logout").bearer(&token).send().await;
    let _ = logout.expect(200);
    until(&guard, &token, "token_revoked", PATIENCE).await;
}
