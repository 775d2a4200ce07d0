//! A real server with accounts, logins and a service, by its public interface.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::{env, fs};

use countersign_testkit::{Home, Server, TempDir};
use serde_json::{Value, json};
use tokio::task::JoinSet;

pub(crate) const PASSWORD: &str = "plum-harbour-41";

/// A server under measurement.
pub(crate) struct Site {
    pub(crate) server: Server,
    http: reqwest::Client,
    /// An administrator's access token.
    pub(crate) admin: String,
    /// The secret of the service [`Site::SERVICE`].
    pub(crate) secret: String,
}

/// One login.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Site {
    pub(crate) const SERVICE: &'static str = "bench";

    /// The release binary with its defaults, but: a cheap password hash, since no login is
    /// measured; tokens that outlive the run; warnings only in its log, which nobody reads here.
    pub(crate) fn home() -> Home {
        Self::with_cheap_hash(Home::new(Self::program()))
            .env("COUNTERSIGN_TOKEN__LIFETIME", "1h")
            .env("COUNTERSIGN_LIMITS__CONNECTIONS", "30000")
            .env("COUNTERSIGN_LOG__LEVEL", "warn")
    }

    /// The release binary.
    pub(crate) fn program() -> PathBuf {
        let program = env::var_os("COUNTERSIGN_BIN").expect("COUNTERSIGN_BIN: use script/bench");
        PathBuf::from(program)
    }

    /// The same with its defaults, on the first core alone, its log thrown away by the system: a
    /// pipe would have to be read by somebody, on one of the two cores.
    pub(crate) fn pinned(directory: &TempDir) -> Home {
        let starter = directory.join("pinned");
        let program = Self::program();
        let text = format!(
            "#!/bin/sh\nexec taskset --cpu-list 0 '{}' \"$@\" 2>/dev/null\n",
            program.display()
        );
        fs::write(&starter, text).expect("a writable directory");
        fs::set_permissions(&starter, Permissions::from_mode(0o700)).expect("our own file");
        Home::new(starter)
    }

    /// With its defaults, but warnings only in its log.
    pub(crate) fn home_as_it_comes() -> Home {
        Home::new(Self::program()).env("COUNTERSIGN_LOG__LEVEL", "warn")
    }

    /// For what is measured beside the hash.
    pub(crate) fn with_cheap_hash(home: Home) -> Home {
        home.env("COUNTERSIGN_PASSWORD__ARGON2__MEMORY_KIB", "8")
            .env("COUNTERSIGN_PASSWORD__ARGON2__ITERATIONS", "1")
    }

    pub(crate) async fn start() -> Self {
        Self::of(Self::home().start()).await
    }

    /// With an administrator, a service and no users.
    pub(crate) async fn of(server: Server) -> Self {
        let args = [
            "user",
            "add",
            "--username",
            "boss",
            "--role",
            "admin",
            "--password-stdin",
        ];
        let added = server.cli_with_input(&args, PASSWORD);
        assert_eq!(added.code, Some(0), "{added:?}");
        let service = server.cli(&[
            "client",
            "add",
            Self::SERVICE,
            "--kind",
            "service",
            "--quiet",
        ]);
        assert_eq!(service.code, Some(0), "{service:?}");
        let mut site = Self {
            server,
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            admin: String::new(),
            secret: service.stdout.trim().to_owned(),
        };
        site.admin = site.login("boss").await.access;
        site
    }

    pub(crate) fn url(&self) -> String {
        self.server.url("")
    }

    /// A client that shares connections with its clones and nobody else.
    pub(crate) fn caller(&self) -> Caller {
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Caller {
            http,
            base: self.url(),
        }
    }

    fn shared(&self) -> Caller {
        Caller {
            http: self.http.clone(),
            base: self.url(),
        }
    }

    /// Makes accounts, and answers their ids.
    pub(crate) async fn users(&self, prefix: &str, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for n in 0..count {
            let body = json!({"username": format!("{prefix}{n}"), "password": PASSWORD});
            let made = self
                .shared()
                .call("POST", "/admin/users", &self.admin, &body)
                .await;
            ids.push(made["id"].as_str().expect("an id").to_owned());
        }
        ids
    }

    pub(crate) async fn login(&self, name: &str) -> Login {
        let body = json!({"username": name, "password": PASSWORD});
        Login::of(&self.shared().call("POST", "/login", "", &body).await)
    }

    /// So many different access tokens, all good: logins that are refreshed again and again.
    pub(crate) async fn tokens(&self, count: usize) -> Vec<String> {
        const LOGINS: usize = 20;
        self.users("holder", 1).await;
        let mut under_way = JoinSet::new();
        for _ in 0..LOGINS {
            let (mut login, caller) = (self.login("holder0").await, self.shared());
            under_way.spawn(async move {
                let mut tokens = vec![];
                for _ in 0..count.div_ceil(LOGINS) {
                    let body = json!({"refresh_token": login.refresh});
                    login = Login::of(&caller.call("POST", "/refresh", "", &body).await);
                    tokens.push(login.access.clone());
                }
                tokens
            });
        }
        let mut tokens = under_way.join_all().await.concat();
        tokens.truncate(count);
        tokens
    }

    /// The `Cookie` header of a new login that has a session cookie alone.
    pub(crate) async fn cookie(&self, name: &str) -> String {
        let body = json!({"username": name, "password": PASSWORD, "mode": "session"});
        let client = self.server.client();
        let answer = client.post("/login").json(&body).send().await.expect(200);
        let mut cookies = answer.cookies().into_iter();
        let cookie = cookies.find(|cookie| !cookie.deletes()).expect("a cookie");
        format!("Cookie: {}={}", cookie.name, cookie.value)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.shared().call("GET", path, "", &Value::Null).await
    }
}

impl Login {
    fn of(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().expect("a token").to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

/// Calls the server over connections that stay open.
#[derive(Clone)]
pub(crate) struct Caller {
    http: reqwest::Client,
    base: String,
}

impl Caller {
    /// Sends JSON (none for null) with a bearer token (none if empty), and answers what came back.
    pub(crate) async fn call(&self, method: &str, path: &str, token: &str, body: &Value) -> Value {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let status = answer.status();
        let body = answer
            .bytes()
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(
            status.is_success(),
            "{path}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).unwrap_or(Value::Null)
    }
}
