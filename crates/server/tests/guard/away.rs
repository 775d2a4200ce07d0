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
