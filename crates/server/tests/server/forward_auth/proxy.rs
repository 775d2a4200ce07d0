//! The real nginx and the real Caddy on the files in `examples/forward-auth`, before a program that
//! knows nothing of logins and writes down what reaches it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri};
use countersign_testkit::{Client, Home, Server, TempDir};

use crate::support::*;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/forward-auth");

/// Which proxy stands in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Nginx,
    Caddy,
}

pub(super) const BOTH: [Kind; 2] = [Kind::Nginx, Kind::Caddy];

/// A request as the program saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: usize,
}

impl Seen {
    /// Every value that a program could take for this header, one that reads `X_A` as `X-A` too.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let alike = |other: &str| other.replace('_', "-").eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(|(other, value)| alike(other.as_str()) && !value.is_empty())
            .map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    }
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// Countersign, the proxy, and the program behind it.
pub(super) struct World {
    pub(super) kind: Kind,
    pub(super) server: Server,
    /// Speaks to the proxy.
    pub(super) client: Client,
    pub(super) address: SocketAddr,
    seen: Log,
    _proxy: Proxy,
}

impl World {
    pub(super) async fn new(kind: Kind) -> Self {
        Self::with(kind, home()).await
    }

    pub(super) async fn with(kind: Kind, home: Home) -> Self {
        let (program, seen) = program().await;
        // A proxy cannot be given port 0, and Countersign has to know the address beforehand.
        let address = free_address();
        let server = set(
            home,
            &[
                ("server.public_url", "https://login.example.com"),
                ("server.trusted_proxies", "127.0.0.1"),
                ("forward_auth.hosts", &format!("http://{address}")),
            ],
        )
        .start();
        let proxy = Proxy::start(kind, address, server.addr(), program);
        Self {
            kind,
            server,
            client: Client::new(address),
            address,
            seen,
            _proxy: proxy,
        }
    }

    /// What reached the program since the last time somebody asked.
    pub(super) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// The one request that reached it.
    #[track_caller]
    pub(super) fn the_one(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{:?} {seen:?}", self.kind);
        seen.into_iter().next().unwrap()
    }

    #[track_caller]
    pub(super) fn untouched(&self) {
        let seen = self.seen();
        assert!(seen.is_empty(), "{:?} let through {seen:?}", self.kind);
    }
}

async fn program() -> (SocketAddr, Log) {
    async fn answer(
        State(log): State<Log>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> &'static str {
        let body = body.len();
        log.lock().unwrap().push(Seen {
            method,
            uri,
            headers,
            body,
        });
        "the program"
    }
    let log = Log::default();
    let router = axum::Router::new()
        .fallback(answer)
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::clone(&log));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, log)
}

/// A port below those that the system gives out to everybody who asks for any, so that none of the
/// other tests takes it before the proxy does.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut ports = std::iter::repeat_with(|| {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (std::process::id().wrapping_mul(61) + n) % 12_000;
        SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()))
    });
    ports
        .find(|address| TcpListener::bind(address).is_ok())
        .unwrap()
}

/// Killed when dropped, by its own id.
struct Proxy {
    child: Child,
    _directory: TempDir,
}

impl Proxy {
    fn start(kind: Kind, own: SocketAddr, server: SocketAddr, program: SocketAddr) -> Self {
        let directory = TempDir::new();
        let at = |name: &str| directory.join(name).display().to_string();
        let (example, listens) = match kind {
            Kind::Nginx => ("nginx.conf", "listen 127.0.0.1:8080;"),
            Kind::Caddy => ("Caddyfile", "http://:8080 {"),
        };
        let mut config = fs::read_to_string(format!("{EXAMPLES}/{example}")).unwrap();
        // In two steps: one address may be the beginning of another.
        let replaced = [
            (
                listens,
                "<own>",
                listens.replace("8080", &own.port().to_string()),
            ),
            ("127.0.0.1:5000", "<server>", server.to_string()),
            ("127.0.0.1:3000", "<program>", program.to_string()),
        ];
        for (from, between, _) in &replaced {
            assert!(config.contains(from), "{kind:?}: no {from}");
            config = config.replace(from, between);
        }
        for (_, between, to) in &replaced {
            config = config.replace(between, to);
        }
        let mut command = match kind {
            Kind::Nginx => {
                fs::write(at("site.conf"), config).unwrap();
                let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .iter()
                    .map(|name| format!("{name}_temp_path {};\n", at(name)))
                    .collect();
                let main = format!(
                    "daemon off; master_process off; pid {};\nevents {{ }}\n\
                     http {{\naccess_log off;\n{temporary}include {};\n}}\n",
                    at("pid"),
                    at("site.conf")
                );
                fs::write(at("nginx.conf"), main).unwrap();
                let mut command = Command::new(program_named("nginx"));
                command.args(["-p", &at(""), "-e", "stderr", "-c", &at("nginx.conf")]);
                command
            }
            Kind::Caddy => {
                // Without an interface for administration, which has one port for all.
                fs::write(at("Caddyfile"), format!("{{\n\tadmin off\n}}\n{config}")).unwrap();
                let mut command = Command::new(program_named("caddy"));
                command.args([
                    "run",
                    "--config",
                    &at("Caddyfile"),
                    "--adapter",
                    "caddyfile",
                ]);
                command
            }
        };
        for home in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(home, directory.path());
        }
        let log = File::create(at("log")).unwrap();
        command
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .current_dir(directory.path());
        let mut child = command.spawn().unwrap();
        for _ in 0..1_000 {
            if TcpStream::connect(own).is_ok() {
                return Self {
                    child,
                    _directory: directory,
                };
            }
            assert!(
                child.try_wait().unwrap().is_none(),
                "{kind:?} ended: {}",
                fs::read_to_string(at("log")).unwrap()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        panic!(
            "{kind:?} does not listen: {}",
            fs::read_to_string(at("log")).unwrap()
        );
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian keeps nginx where only root looks.
fn program_named(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("please install the package {name}: `apt-get install {name}`"))
}
