//! Others, each as its makers say it should be run; sources in `bench/peers`.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::http::Connection;
use crate::site::PASSWORD;

/// Both run on one account, made at start; their tokens are signed with HS256 by this.
const SECRET: &str = "a-secret-for-measurements-only-5f0c2a9e71d84b36";

/// Where `script/bench --peers` put them, if it did.
pub(super) struct Peers(Option<PathBuf>);

/// One of them, serving; ended when dropped.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) address: String,
    process: Child,
}

impl Peers {
    pub(super) fn new(home: Option<PathBuf>) -> Self {
        Self(home)
    }

    /// All of them on free ports, on the first core alone or on all.
    pub(super) async fn start(&self, pinned: bool) -> Vec<Peer> {
        let Some(home) = &self.0 else { return vec![] };
        let gunicorn = home.join("python/bin/gunicorn");
        let flask = |port: u16| {
            let mut command = on(pinned, gunicorn.as_os_str());
            // Threads keep connections open, which gunicorn's plain workers do not.
            command
                .args(["--workers", "2", "--worker-class", "gthread"])
                .args(["--threads", "4", "--keep-alive", "5"])
                .args(["--log-level", "warning"])
                .args(["--bind", &format!("127.0.0.1:{port}"), "app:app"])
                .current_dir(home.join("flask"));
            command
        };
        let fastify = |port: u16| {
            let mut command = on(pinned, "node".as_ref());
            command
                .args(["server.js", &port.to_string()])
                .env("NODE_ENV", "production")
                .current_dir(home.join("fastify"));
            command
        };
        vec![
            Peer::start("Fastify + @fastify/jwt", fastify).await,
            Peer::start("flask-jwt-extended, gunicorn", flask).await,
        ]
    }
}

fn on(pinned: bool, program: &std::ffi::OsStr) -> Command {
    if !pinned {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0"]).arg(program);
    command
}

impl Peer {
    async fn start(name: &'static str, command: impl FnOnce(u16) -> Command) -> Self {
        // Free a moment ago, and nobody else here asks for that port.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let mut process = command(port)
            .env("BENCH_PASSWORD", PASSWORD)
            .env("BENCH_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let address = format!("127.0.0.1:{port}");
        for _ in 0..200 {
            if TcpStream::connect(&address).await.is_ok() {
                return Self {
                    name,
                    address,
                    process,
                };
            }
            let ended = process.try_wait().expect("our own process");
            assert!(ended.is_none(), "{name} ended: {ended:?}");
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{name} does not listen");
    }

    /// An access token of its own.
    pub(super) async fn token(&self) -> String {
        let body = json!({"username": "holder0", "password": PASSWORD}).to_string();
        let answer = Connection::new(&self.address).post("/login", &body).await;
        let token = answer["access_token"].as_str();
        token.expect("a token").to_owned()
    }
}

/// Asked to end first: a supervisor that is killed leaves its workers behind.
impl Drop for Peer {
    fn drop(&mut self) {
        let pid = self
            .process
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        let Some(pid) = pid else { return };
        let _ = kill_process(pid, Signal::TERM);
        for _ in 0..100 {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
