//! The example as its reader runs it: beside the real issuer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use countersign_testkit::{Client, Home, Response};
use serde_json::{Value, json};

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
    let free = free_address();
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

/// By a certificate that an authority signed, which this machine trusts or does not.
#[tokio::test]
async fn over_https_it_follows_an_issuer_that_the_machine_trusts_and_no_other() {
    let home = Home::new(countersign());
    std::fs::create_dir_all(home.path()).unwrap();
    let in_home = |name: &str| home.path().join(name).display().to_string();
    let (authority, cert, key) = (in_home("ca.pem"), in_home("tls.pem"), in_home("tls.key"));
    let openssl = |line: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(' '));
        let made = openssl.args(line.split(' ')).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    };
    let authority_key = in_home("ca.key");
    openssl(&format!(
        "-subj /CN=authority -keyout {authority_key} -out {authority}"
    ));
    openssl(&format!(
        "-subj /CN=issuer -CA {authority} -CAkey {authority_key} -keyout {key} -out {cert} \
         -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
    ));
    let home = home
        .env("COUNTERSIGN_TLS__CERT", &cert)
        .env("COUNTERSIGN_TLS__KEY", &key);
    let add = ["user", "add", "--username", "ada", "--password-stdin"];
    assert_eq!(home.cli_with_input(&add, "plum-harbour-41").code, Some(0));
    let issuer = home.start();
    let url = format!("https://{}", issuer.addr());
    let service = |trusted: &str| {
        let mut service = Command::new(env!("CARGO_BIN_EXE_axum-api"));
        service.env("ISSUER", &url).env("SSL_CERT_FILE", trusted);
        service
    };
    // One that signed itself is no authority; neither is one that the machine does not know.
    openssl(&format!("-subj /CN=other -keyout {key} -out {cert}.other"));
    let refused = service(&format!("{cert}.other"))
        .env("LISTEN", "127.0.0.1:0")
        .output();
    let refused = refused.unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && words.to_lowercase().contains("certificate"),
        "{words}"
    );

    let free = free_address();
    let started = service(&authority).env("LISTEN", free.to_string()).spawn();
    let _service = Service(started.unwrap());
    let service = ready(free).await;
    let asked = |path: &str, more: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "10", "--cacert", &authority]);
        let answer = curl
            .args(more)
            .arg(format!("{url}{path}"))
            .output()
            .unwrap();
        assert!(answer.status.success(), "{answer:?}");
        serde_json::from_slice::<Value>(&answer.stdout).unwrap()
    };
    let json = "content-type: application/json";
    let login = r#"{"username":"ada","password":"plum-harbour-41"}"#;
    let login = asked("/login", &["-H", json, "-d", login]);
    let token = login["access_token"].as_str().unwrap();
    assert_eq!(ask(&service, "GET", "/", token).await.text(), "Hello ada\n");
    let bearer = format!("authorization: Bearer {token}");
    let logout = ["-X", "POST", "-H", &bearer, "-H", "prefer: wait=5"];
    assert_eq!(asked("/logout", &logout)["propagated"], true);
    let answer = ask(&service, "GET", "/", token).await;
    answer.refused(401, "token_revoked");
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
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
