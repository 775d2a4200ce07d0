//! Commands beside a running server: it honours them at once, and goes on.

use std::time::{Duration, Instant};

use countersign_testkit::{Home, Server, TestDatabase};
use serde_json::{Value, json};

use super::{PASSWORD, access, add, answer, done, home, sign_in};

/// What is promised is 100 ms; a machine that builds something else meanwhile gets more.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks until the server answers this status and code, and prints how long it took.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "what is measured is real time, and a measurement is there to be read"
)]
async fn soon(server: &Server, path: &str, token: &str, status: u16, code: &str, what: &str) {
    let began = Instant::now();
    loop {
        let answer = server.client().get(path).bearer(token).send().await;
        let took = began.elapsed();
        if (answer.status, answer.code().as_str()) == (status, code) {
            println!("{what}: honoured after {} ms", took.as_millis());
            return;
        }
        assert!(took < PATIENCE, "{what}: after {took:?} still {answer:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn refresh(server: &Server, login: &Value) -> countersign_testkit::Response {
    let body = json!({ "refresh_token": login["refresh_token"] });
    server.client().post("/refresh").json(&body).send().await
}

/// The token works on the server that was running all the time.
async fn works(server: &Server, login: &Value) {
    let answer = server
        .client()
        .get("/profile")
        .bearer(access(login))
        .send()
        .await;
    let _ = answer.expect(200);
}

/// The home of the command is not that of the server: the same data, and no listening address from
/// which the issuer would follow. It comes from the database.
fn run(server: &Server, args: &[&str], input: &str) {
    done(&server.home().cli_with_input(args, input));
}

async fn each_engine() -> Vec<(TestDatabase, Server)> {
    let databases = TestDatabase::each().await.into_iter();
    let start = |database: TestDatabase| {
        let home = home().database(&database);
        add(&home, "root", &["--role", "admin"]);
        add(&home, "ada", &[]);
        let server = home.start();
        (database, server)
    };
    databases.map(start).collect()
}

#[tokio::test]
async fn whatever_ends_a_session_is_honoured_and_the_next_login_works() {
    for (_database, server) in each_engine().await {
        for args in [
            &["session", "revoke", "--user", "ada"][..],
            &["session", "revoke", "--all"],
            &["session", "revoke", "ID"],
        ] {
            let login = sign_in(&server, "ada", PASSWORD).await;
            works(&server, &login).await;
            let listed = answer(server.home(), &["session", "list", "--user", "ada"], "");
            let id = listed["sessions"][0]["id"].as_str().unwrap();
            let args: Vec<_> = args
                .iter()
                .map(|arg| if *arg == "ID" { id } else { arg })
                .collect();
            run(&server, &args, "");
            soon(
                &server,
                "/profile",
                access(&login),
                401,
                "token_revoked",
                &args[..3].join(" "),
            )
            .await;
            refresh(&server, &login)
                .await
                .refused(401, "refresh_invalid");
            let sessions = answer(server.home(), &["session", "list", "--user", "ada"], "");
            assert_eq!(sessions["sessions"], json!([]));
            works(&server, &sign_in(&server, "ada", PASSWORD).await).await;
            run(&server, &["session", "revoke", "--user", "ada"], "");
        }
    }
}

#[tokio::test]
async fn new_roles_supersede_the_token_and_a_refresh_brings_them() {
    for (_database, server) in each_engine().await {
        let login = sign_in(&server, "ada", PASSWORD).await;
        let audit = server
            .client()
            .get("/admin/users")
            .bearer(access(&login))
            .send()
            .await;
        audit.refused(403, "forbidden");
        run(&server, &["user", "roles", "ada", "--add", "admin"], "");
        soon(
            &server,
            "/profile",
            access(&login),
            401,
            "token_superseded",
            "user roles",
        )
        .await;
        let next = refresh(&server, &login).await.expect(200).json();
        soon(
            &server,
            "/admin/users",
            access(&next),
            200,
            "",
            "the refreshed token",
        )
        .await;
        run(&server, &["user", "roles", "ada", "--remove", "admin"], "");
        soon(
            &server,
            "/admin/users",
            access(&next),
            401,
            "token_superseded",
            "user roles",
        )
        .await;
        let last = refresh(&server, &next).await.expect(200).json();
        let answer = server
            .client()
            .get("/admin/users")
            .bearer(access(&last))
            .send()
            .await;
        answer.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn an_account_that_is_disabled_or_deleted_is_out_at_once() {
    for (_database, server) in each_engine().await {
        let body = json!({ "username": "ada", "password": PASSWORD });
        let login = sign_in(&server, "ada", PASSWORD).await;
        run(&server, &["user", "disable", "ada"], "");
        soon(
            &server,
            "/profile",
            access(&login),
            401,
            "token_revoked",
            "user disable",
        )
        .await;
        let again = server.client().post("/login").json(&body).send().await;
        again.refused(401, "invalid_credentials");
        run(&server, &["user", "enable", "ada"], "");
        let login = sign_in(&server, "ada", PASSWORD).await;
        works(&server, &login).await;
        run(&server, &["user", "delete", "ada", "--yes"], "");
        soon(
            &server,
            "/profile",
            access(&login),
            401,
            "token_revoked",
            "user delete",
        )
        .await;
        let again = server.client().post("/login").json(&body).send().await;
        again.refused(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn a_new_password_ends_every_session_and_the_old_password() {
    for (_database, server) in each_engine().await {
        let login = sign_in(&server, "ada", PASSWORD).await;
        let args = ["user", "password", "ada", "--password-stdin"];
        run(&server, &args, "another-harbour\n");
        soon(
            &server,
            "/profile",
            access(&login),
            401,
            "token_revoked",
            "user password",
        )
        .await;
        refresh(&server, &login)
            .await
            .refused(401, "refresh_invalid");
        let old = json!({ "username": "ada", "password": PASSWORD });
        let old = server.client().post("/login").json(&old).send().await;
        old.refused(401, "invalid_credentials");
        works(&server, &sign_in(&server, "ada", "another-harbour").await).await;
    }
}

#[tokio::test]
async fn a_revoked_key_refuses_what_it_signed_and_another_signs() {
    for (_database, server) in each_engine().await {
        let login = sign_in(&server, "ada", PASSWORD).await;
        let keys = answer(server.home(), &["key", "list"], "");
        let kid = keys["keys"][0]["kid"].as_str().unwrap();
        run(&server, &["key", "revoke", kid], "");
        let code = "token_signature_invalid";
        soon(&server, "/profile", access(&login), 401, code, "key revoke").await;
        // The login itself lives: nobody types a password because a key was stolen.
        works(&server, &refresh(&server, &login).await.expect(200).json()).await;
        works(&server, &sign_in(&server, "ada", PASSWORD).await).await;
        let jwks = server
            .client()
            .get("/.well-known/jwks.json")
            .send()
            .await
            .json();
        let published = jwks["keys"].as_array().unwrap();
        assert!(published.len() == 1 && published[0]["kid"] != kid, "{jwks}");
    }
}

#[tokio::test]
async fn a_new_key_is_published_and_the_old_one_signs_on() {
    for (_database, server) in each_engine().await {
        let login = sign_in(&server, "ada", PASSWORD).await;
        let new = answer(server.home(), &["key", "rotate"], "");
        let published = || async {
            let jwks = server
                .client()
                .get("/.well-known/jwks.json")
                .send()
                .await
                .json();
            let keys = jwks["keys"].as_array().unwrap().clone();
            keys.iter().any(|key| key["kid"] == new["kid"])
        };
        for _ in 0..500 {
            if published().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(published().await);
        works(&server, &login).await;
        works(&server, &sign_in(&server, "ada", PASSWORD).await).await;
    }
}

/// The first evening: an administrator before the first start, then the server, then signing in.
#[tokio::test]
async fn the_first_administrator_comes_before_the_first_start() {
    let home: Home = home();
    add(&home, "ada", &["--role", "admin"]);
    let server = home.start();
    let login = sign_in(&server, "ada", PASSWORD).await;
    let users = server
        .client()
        .get("/admin/users")
        .bearer(access(&login))
        .send()
        .await;
    assert_eq!(users.expect(200).json()["users"][0]["username"], "ada");
    assert!(
        !server.stdout().contains("No administrator"),
        "{}",
        server.stdout()
    );
}
