//! `demo`: real guards on links that can be cut, for this machine only, gone without a trace.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use countersign_testkit::{Client, Home, Response};
use serde_json::{Value, json};

use super::{done, home, refused};

/// What is promised is 100 ms; a machine that builds something else meanwhile gets more.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A home whose temporary files stay in it, and whose settings nobody should read.
fn strange_home() -> Home {
    let home = home().file("countersign.toml", "no_such_key = 1\n");
    let path = home.path().to_owned();
    home.env("TMPDIR", path).env("JWT_SECRET_KEY", "short").env(
        "COUNTERSIGN_SERVER__PUBLIC_URL",
        "https://elsewhere.example",
    )
}

/// The directories that the demo made and did not remove.
fn left_behind(home: &Home) -> usize {
    let entries = std::fs::read_dir(home.path()).unwrap().map(Result::unwrap);
    let ours = |name: &str| name.starts_with("countersign-demo-");
    entries
        .filter(|entry| ours(&entry.file_name().to_string_lossy()))
        .count()
}

struct Demo {
    child: Child,
    start: Value,
    client: Client,
}

impl Demo {
    fn start(home: &Home) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["demo", "--json", "--listen", "127.0.0.1:0"])
            .current_dir(home.path())
            .env("TMPDIR", home.path())
            .env("JWT_SECRET_KEY", "short")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let start: Value = serde_json::from_str(&line).unwrap();
        let url = start["url"].as_str().unwrap();
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let client = Client::new(address.parse::<SocketAddr>().unwrap());
        Self {
            child,
            start,
            client,
        }
    }

    async fn sign_in(&self) -> String {
        let body =
            json!({ "username": self.start["username"], "password": self.start["password"] });
        let login = self.client.post("/issuer/login").json(&body).send().await;
        let login = login.expect(200).json();
        login["access_token"].as_str().unwrap().to_owned()
    }

    async fn log_out(&self, token: &str) {
        let logout = self.client.post("/issuer/logout").bearer(token);
        let _ = logout.send().await.expect(200);
    }

    async fn hello(&self, service: &str, token: &str) -> Response {
        let request = self.client.get(&format!("/{service}/hello"));
        request.bearer(token).send().await
    }

    /// Asks a service until it answers with this status and code.
    async fn until(&self, service: &str, token: &str, status: u16, code: &str, most: Duration) {
        const PAUSE: Duration = Duration::from_millis(10);
        let mut answer = self.hello(service, token).await;
        for _ in 0..most.as_millis() / PAUSE.as_millis() {
            if (answer.status, answer.code().as_str()) == (status, code) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            answer = self.hello(service, token).await;
        }
        let found = (answer.status, answer.code());
        assert_eq!(found, (status, code.to_owned()), "{service}: {answer:?}");
    }

    async fn status(&self, token: &str) -> Value {
        let status = self.client.get("/status").bearer(token).send().await;
        status.expect(200).json()
    }

    async fn turn(&self, path: &str) {
        let _ = self.client.post(path).send().await.expect(204);
    }

    fn interrupt(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_is_for_this_machine_only_and_a_refusal_leaves_nothing() {
    let home = strange_home();
    for strange in ["0.0.0.0:5001", "192.0.2.7:5001", "[::]:5001"] {
        let exit = home.cli(&["demo", "--listen", strange]);
        refused(&exit, 2, &["--listen 127.0.0.1:5001"]);
    }
    for option in [["--data", "here"], ["--config", "countersign.toml"]] {
        let exit = home.cli(&[&["demo"], &option[..]].concat());
        refused(
            &exit,
            2,
            &["--data and --config are for `countersign serve`"],
        );
    }
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let exit = home.cli(&["demo", "--listen", &taken]);
    refused(
        &exit,
        1,
        &[&format!("{taken} is taken"), "try --listen 127.0.0.1:"],
    );
    assert_eq!(left_behind(&home), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_other_names_and_other_sites_are_refused() {
    let home = home();
    let demo = Demo::start(&home);
    for service in ["shop", "library"] {
        let stranger = demo.client.get(&format!("/{service}/hello")).send().await;
        stranger.refused(401, "token_missing");
        demo.hello(service, "a.b.c")
            .await
            .refused(401, "token_malformed");
    }
    for path in ["/", "/status", "/issuer/.well-known/jwks.json"] {
        let pointed_here = demo.client.get(path).header("host", "evil.example:5000");
        pointed_here.send().await.refused(403, "not_here");
    }
    for site in ["cross-site", "same-site"] {
        let cut = demo.client.post("/library/cut");
        let cut = cut.header("sec-fetch-site", site).send().await;
        cut.refused(403, "not_here");
    }
    let status = demo.status("").await;
    assert_eq!(status["services"]["library"]["linked"], true, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_is_refused_by_both_services_at_once_and_timed() {
    let home = home();
    let demo = Demo::start(&home);
    let token = demo.sign_in().await;
    for service in ["shop", "library"] {
        let hello = demo.hello(service, &token).await.expect(200).json();
        assert_eq!(hello, json!({ "hello": "ada" }));
    }
    assert_eq!(demo.status(&token).await["logout"], Value::Null);
    demo.log_out(&token).await;
    for service in ["shop", "library"] {
        demo.until(service, &token, 401, "token_revoked", AT_ONCE)
            .await;
    }
    let logout = &demo.status(&token).await["logout"];
    let answered = logout["answered"].as_f64().unwrap();
    for service in ["shop", "library"] {
        let refused = &logout["refused"][service];
        assert_eq!(refused["code"], "token_revoked", "{logout}");
        let after = refused["after"].as_f64().unwrap();
        assert!((0.0..1_000.0).contains(&after), "{logout}");
        println!("{service}: refused after {after} ms, answered after {answered} ms");
    }
    // Each login by itself: the next one is good, and its logout not timed yet.
    let next = demo.sign_in().await;
    demo.until("library", &next, 200, "", AT_ONCE).await;
    assert_eq!(demo.status(&next).await["logout"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_link_ends_in_503_when_the_lease_runs_out_and_a_mended_one_brings_the_news() {
    let home = home();
    let demo = Demo::start(&home);
    let token = demo.sign_in().await;
    demo.until("library", &token, 200, "", AT_ONCE).await;
    demo.turn("/library/cut").await;
    // It goes on for what is left of its lease, which is 3 s.
    let _ = demo.hello("library", &token).await.expect(200);
    demo.until(
        "library",
        &token,
        503,
        "unavailable",
        Duration::from_secs(4),
    )
    .await;
    let stale = demo.hello("library", &token).await.expect(503);
    assert_eq!(stale.header("retry-after").as_deref(), Some("1"));
    let library = &demo.status(&token).await["services"]["library"];
    let told = (&library["linked"], &library["current"], &library["left"]);
    assert_eq!(told, (&json!(false), &json!(false), &json!(0)), "{library}");
    // The other has a link of its own.
    let _ = demo.hello("shop", &token).await.expect(200);

    demo.turn("/library/mend").await;
    demo.until("library", &token, 200, "", Duration::from_secs(5))
        .await;

    demo.turn("/library/cut").await;
    demo.log_out(&token).await;
    demo.until("shop", &token, 401, "token_revoked", AT_ONCE)
        .await;
    demo.until(
        "library",
        &token,
        503,
        "unavailable",
        Duration::from_secs(4),
    )
    .await;
    demo.turn("/library/mend").await;
    let patience = Duration::from_secs(5);
    demo.until("library", &token, 401, "token_revoked", patience)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_beside_it_is_honoured_and_ctrl_c_leaves_nothing() {
    let home = strange_home();
    let demo = Demo::start(&home);
    assert_eq!(left_behind(&home), 1);
    let token = demo.sign_in().await;
    let _ = demo.hello("library", &token).await.expect(200);
    let data = demo.start["data"].as_str().unwrap();
    let beside = super::home();
    done(&beside.cli(&["session", "revoke", "--user", "ada", "--data", data]));
    for service in ["shop", "library"] {
        demo.until(service, &token, 401, "token_revoked", AT_ONCE)
            .await;
    }
    let exit = demo.interrupt();
    assert_eq!((exit.code(), left_behind(&home)), (Some(0), 0));
}
