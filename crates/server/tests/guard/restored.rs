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
        // The others delete cookies of other modes.
        let cookies = login("session").await.cookies();
        let cookie = cookies.iter().find(|cookie| !cookie.deletes()).unwrap();
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
