//! An issuer that dies, and comes back.

use countersign_guard::Policy;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_that_was_acknowledged_survives_the_issuer() {
    let mut server = home().start();
    register(&server, "ada").await;
    let known = guard(&server).await;
    let (ended, living) = (sign_in(&server, "ada").await, sign_in(&server, "ada").await);
    assert!(known.check(&ended).await.is_ok());
    let logout = server.client().post("/logout").bearer(&ended).send().await;
    let _ = logout.expect(200);
    server.kill9();
    server.restart();
    for guard in [known, guard(&server).await] {
        until(&guard, &ended, "token_revoked", Duration::from_secs(5)).await;
        assert!(guard.check(&living).await.is_ok());
    }
    assert!(
        guard(&server)
            .await
            .check(&sign_in(&server, "ada").await)
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_whose_issuer_is_away_is_stale_on_time_and_comes_back_by_itself() {
    let mut server = home().start();
    register(&server, "ada").await;
    let policies = [Policy::Strict, Policy::Bounded, Policy::Lenient];
    let mut guards = vec![];
    for policy in policies {
        let guard = Guard::builder(&server.url("")).policy(policy);
        guards.push(guard.connect().await.unwrap());
    }
    let token = sign_in(&server, "ada").await;
    for guard in &guards {
        assert!(guard.check(&token).await.is_ok());
    }
    let watched = tokio::spawn(guards[0].revoked(&token));
    server.kill9();
    let took = until(&guards[0], &token, "unavailable", Duration::from_secs(4)).await;
    println!("strict: stale {took:?} after the issuer died");
    assert!(took > Duration::from_secs(1), "the lease is used: {took:?}");
    let ended = tokio::time::timeout(Duration::from_secs(1), watched).await;
    assert_eq!(ended.unwrap().unwrap().status(), 503);
    assert_eq!(guards[0].verify(&token).unwrap_err().retry_after(), Some(1));
    for guard in &guards[1..] {
        assert_eq!(code(guard, &token), "");
    }
    server.restart();
    let took = until(&guards[0], &token, "", Duration::from_secs(5)).await;
    println!("strict: current {took:?} after the issuer was back");
    let logout = server.client().post("/logout").bearer(&token).send().await;
    let _ = logout.expect(200);
    for guard in &guards {
        // The longest pause between two attempts is 5 s.
        until(guard, &token, "token_revoked", Duration::from_secs(6)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_takes_every_older_login_with_it_and_no_newer_one() {
    const SECRET: &str = "9d1f5a7c3e-shared-by-all-services-9d1f5a7c3e";
    for shared in [false, true] {
        let home = if shared {
            home().env("JWT_SECRET_KEY", SECRET)
        } else {
            home()
        };
        let mut server = home.start();
        register(&server, "ada").await;
        let connect = async || {
            let builder = Guard::builder(&server.url(""));
            let builder = if shared {
                builder.shared_secret(SECRET.as_bytes())
            } else {
                builder
            };
            builder.connect().await.unwrap()
        };
        // The other one is shown no token of a key that it does not know, which would send it for
        // the keys.
        let (guard, other) = (connect().await, connect().await);
        let (before, backup) = (
            sign_in(&server, "ada").await,
            server.cli(&["backup", "b.db"]),
        );
        assert_eq!(backup.code, Some(0), "{backup:#?}");
        let (ended, forgotten) = (sign_in(&server, "ada").await, sign_in(&server, "ada").await);
        // As many changes of keys since the backup as the restore makes: the guard must look again.
        if !shared {
            let rotated = server.cli(&["key", "rotate"]);
            assert_eq!(rotated.code, Some(0), "{rotated:#?}");
        }
        for token in [&before, &ended, &forgotten] {
            assert!(guard.check(token).await.is_ok());
        }
        let logout = server.client().post("/logout").bearer(&ended).send().await;
        let _ = logout.expect(200);
        server.kill9();
        let restored = server.cli(&["restore", "b.db"]);
        assert_eq!(restored.code, Some(0), "{restored:#?}");
        server.restart();
        let new = sign_in(&server, "ada").await;
        let claims = guard.check(&new).await;
        assert!(
            claims.is_ok(),
            "at once, by a guard from before: {claims:?}"
        );
        let refusal = if shared {
            "token_revoked"
        } else {
            "token_signature_invalid"
        };
        for old in [before, ended, forgotten] {
            assert_eq!(code(&guard, &old), refusal);
            let profile = server.client().get("/profile").bearer(&old).send().await;
            profile.refused(401, refusal);
            until(&other, &old, refusal, Duration::from_secs(6)).await;
        }
        assert!(guard.check(&new).await.is_ok());
        assert!(other.verify(&new).is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_of_before_a_restore_is_worth_nothing() {
    let mut server = home().start();
    register(&server, "ada").await;
    let body = json!({"username": "ada", "password": PASSWORD});
    let login = server.client().post("/login").json(&body).send().await;
    let refresh = json!({"refresh_token": login.expect(200).json()["refresh_token"]});
    let backup = server.cli(&["backup", "b.db"]);
    assert_eq!(backup.code, Some(0), "{backup:#?}");
    server.kill9();
    let restored = server.cli(&["restore", "b.db"]);
    assert_eq!(restored.code, Some(0), "{restored:#?}");
    server.restart();
    let refreshed = server.client().post("/refresh").json(&refresh).send().await;
    refreshed.refused(401, "refresh_invalid");
}
