//! The example as its reader runs it: beside the real issuer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use countersign_testkit::{Client, Home, Response};
use serde_json::json;

/// The issuer's binary stands beside this one; cargo gives a test only those of its own package.
fn countersign() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_axum-api")).with_file_name("countersign");
    if !beside.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--locked", "--package", "countersign-server"]);
        assert!(build.status().unwrap().success());
    }
    beside
}

struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn ask(service: &Client, method: &str, path: &str, token: &str) -> Response {
    service.request(method, path).bearer(token).send().await
}

#[tokio::test]
async fn the_service_lets_in_whoever_is_signed_in_until_they_sign_out() {
    let home = Home::new(countersign());
    let add = [
        "user",
        "add",
        "--username",
        "ada",
        "--password-stdin",
        "--role",
        "admin",
    ];
    assert_eq!(home.cli_with_input(&add, "plum-harbour-41").code, Some(0));
    let issuer = home.start();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let service = Command::new(env!("CARGO_BIN_EXE_axum-api"))
        .env("ISSUER", issuer.url(""))
        .env("LISTEN", free.to_string())
        .spawn()
        .unwrap();
    let _service = Service(service);
    let service = ready(free).await;

    let login = json!({"username": "ada", "password": "plum-harbour-41"});
    let login = issuer.client().post("/login").json(&login).send().await;
    let login = login.expect(200).json();
    let token = login["access_token"].as_str().unwrap();
    service
        .get("/profile")
        .send()
        .await
        .refused(401, "token_missing");
    assert_eq!(service.get("/").send().await.text(), "Hello stranger\n");
    assert_eq!(ask(&service, "GET", "/", token).await.text(), "Hello ada\n");
    assert_eq!(
        ask(&service, "GET", "/profile", token).await.json(),
        json!(["admin"])
    );
    assert_eq!(
        ask(&service, "POST", "/close", token).await.text(),
        "closed\n"
    );

    let refresh = json!({"refresh_token": login["refresh_token"]});
    let refreshed = issuer.client().post("/refresh").json(&refresh).send().await;
    let refreshed = refreshed.expect(200).json();
    let stale = refreshed["access_token"].as_str().unwrap();
    let answer = ask(&service, "POST", "/close", stale).await;
    answer.refused(401, "fresh_login_required");

    let logout = issuer.client().post("/logout").bearer(token);
    let logout = logout.header("prefer", "wait=5").send().await.expect(200);
    assert_eq!(logout.json()["propagated"], true);
    for path in ["/profile", "/"] {
        ask(&service, "GET", path, token)
            .await
            .refused(401, "token_revoked");
    }
}

async fn ready(address: SocketAddr) -> Client {
    let client = Client::new(address);
    for _ in 0..500 {
        if client.get("/").try_send().await.is_ok() {
            return client;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the service does not listen");
}
