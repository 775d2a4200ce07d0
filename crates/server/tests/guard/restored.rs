//! A database that is put back to what it was.

use std::fs;
use std::path::Path;

use countersign_testkit::TempDir;

use super::*;

/// What a client can keep of a login besides its access token.
struct Session {
    refresh: String,
    cookie: String,
}

impl Session {
    /// Of two logins: one of each kind.
    async fn of(server: &Server, name: &str) -> Self {
        let login = async |mode: &str| {
            let body = json!({"username": name, "password": PASSWORD, "mode": mode});
            let answer = server.client().post("/login").json(&body).send().await;
            answer.expect(200)
        };
        let refresh = login("token").await.json()["refresh_token"].clone();
        let cookie = login("session").await.cookies().into_iter();
        let cookie = cookie
            .filter(|cookie| !cookie.deletes())
            .next_back()
            .unwrap();
        Self {
            refresh: refresh.as_str().unwrap().to_owned(),
            cookie: format!("{}={}", cookie.name, cookie.value),
        }
    }

    async fn is_refused(&self, server: &Server) {
        let body = json!({"refresh_token": self.refresh});
        let refresh = server.client().post("/refresh").json(&body);
        let profile = server.client().get("/profile").cookie(&self.cookie);
        for request in [refresh, profile] {
            let answer = request.send().await;
            assert_eq!(answer.status, 401, "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_put_back_takes_every_older_login_with_it_and_no_newer_one() {
    let mut server = home().start();
    register(&server, "ada").await;
    let guard = guard(&server).await;
    let before = sign_in(&server, "ada").await;
    let mut sessions = vec![Session::of(&server, "ada").await];
    server.kill9();
    let (data, kept) = (server.home().data(), TempDir::new());
    copy(&data, kept.path());
    server.restart();
    let (ended, forgotten) = (sign_in(&server, "ada").await, sign_in(&server, "ada").await);
    sessions.push(Session::of(&server, "ada").await);
    for token in [&before, &ended, &forgotten] {
        assert!(guard.check(token).await.is_ok());
    }
    let logout = server.client().post("/logout").bearer(&ended).send().await;
    let _ = logout.expect(200);
    server.kill9();
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir(&data).unwrap();
    copy(kept.path(), &data);
    let revoked = server.cli(&["session", "revoke", "--all"]);
    assert_eq!(revoked.code, Some(0), "{revoked:#?}");
    server.restart();
    for session in sessions {
        session.is_refused(&server).await;
    }
    let new = sign_in(&server, "ada").await;
    let claims = guard.check(&new).await;
    assert!(
        claims.is_ok(),
        "at once, by a guard from before: {claims:?}"
    );
    let restarted = super::guard(&server).await;
    assert!(restarted.check(&new).await.is_ok());
    for old in [before, ended, forgotten] {
        for guard in [&guard, &restarted] {
            assert_eq!(code(guard, &old), "token_revoked");
        }
    }
    // It follows on from where the log is now.
    let logout = server.client().post("/logout").bearer(&new).send().await;
    let _ = logout.expect(200);
    until(&guard, &new, "token_revoked", Duration::from_secs(1)).await;
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
