//! How long tokens live, and for how long it matters.

use std::fs;

use super::*;

fn lifetime(minutes: u32) -> String {
    format!("COUNTERSIGN_TOKEN__LIFETIME={minutes}m\n")
}

/// `iat`, `exp`.
async fn times(guard: &Guard, token: &str) -> (i64, i64) {
    let claims = guard.check(token).await.unwrap();
    (claims.iat, claims.exp)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_that_is_lowered_at_a_restart_forgets_nothing_and_cuts_nothing_short() {
    let mut server = home().file(".env", &lifetime(15)).start();
    register(&server, "ada").await;
    let before = guard(&server).await;
    let (ended, long) = (sign_in(&server, "ada").await, sign_in(&server, "ada").await);
    let (iat, exp) = times(&before, &long).await;
    assert_eq!(exp - iat, 900);
    assert!(before.check(&ended).await.is_ok());
    let logout = server.client().post("/logout").bearer(&ended).send().await;
    let _ = logout.expect(200);

    server.kill9();
    fs::write(server.home().path().join(".env"), lifetime(5)).unwrap();
    server.restart();
    let after = guard(&server).await;
    let new = sign_in(&server, "ada").await;
    for guard in [&before, &after] {
        until(guard, &ended, "token_revoked", Duration::from_secs(5)).await;
        let (iat, exp) = times(guard, &new).await;
        assert_eq!(exp - iat, 300);
        assert!(guard.check(&long).await.is_ok(), "it was promised more");
    }
    let logout = server.client().post("/logout").bearer(&long).send().await;
    let _ = logout.expect(200);
    for guard in [&before, &after] {
        until(guard, &long, "token_revoked", Duration::from_secs(1)).await;
    }
    let feed = server.client().get("/revocations").send().await;
    let feed = feed.expect(200).json();
    let floors = feed["floors"].as_array().unwrap();
    assert_eq!(floors.len(), 2);
    for floor in floors {
        let kept = floor["exp"].as_i64().unwrap();
        assert!(
            kept >= exp + 60,
            "kept until {kept}, and the token until {exp}"
        );
    }
}
