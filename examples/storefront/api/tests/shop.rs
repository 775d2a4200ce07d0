//! The shop as its reader runs it: beside the real issuer, which stands below its `/auth`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;
use std::{env, fs};

use countersign_testkit::{Client, Home, Request, Server, TempDir, raw};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

const PASSWORD: &str = "plum-harbour-41";

/// The issuer's binary stands beside this one; cargo gives a test only those of its own package.
fn countersign() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_storefront")).with_file_name("countersign");
    if !beside.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--locked", "--package", "countersign-server"]);
        assert!(build.status().unwrap().success());
    }
    beside
}

struct Shop {
    client: Client,
    address: SocketAddr,
    issuer: Server,
    process: Child,
    folder: TempDir,
}

fn start(issuer: &Server, address: SocketAddr, folder: &TempDir) -> Child {
    Command::new(env!("CARGO_BIN_EXE_storefront"))
        .env("ISSUER", issuer.url("/auth"))
        .env("LISTEN", address.to_string())
        .env("DATABASE", folder.join("shop.db"))
        .env("PAGES", folder.join("dist"))
        .spawn()
        .unwrap()
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Shop {
    async fn open() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        let public = format!("http://localhost:{}/auth", address.port());
        let home = Home::new(countersign())
            .env("COUNTERSIGN_SERVER__PUBLIC_URL", public)
            .env("COUNTERSIGN_SERVER__TRUSTED_PROXIES", "127.0.0.1");
        let add = ["user", "add", "--password-stdin", "--username"];
        let staff = [&add[..], &["grace", "--role", "admin"]].concat();
        for user in [staff, [&add[..], &["ada"]].concat()] {
            assert_eq!(home.cli_with_input(&user, PASSWORD).code, Some(0));
        }
        let issuer = home.start();

        let folder = TempDir::new();
        let pages = folder.join("dist");
        fs::create_dir_all(pages.join("assets")).unwrap();
        fs::write(pages.join("index.html"), "<title>Small Hours</title>").unwrap();
        fs::write(pages.join("assets/index-1a2b.js"), "open()").unwrap();
        drop(free);
        let shop = Self {
            client: Client::new(address),
            address,
            process: start(&issuer, address, &folder),
            issuer,
            folder,
        };
        shop.opens().await;
        shop
    }

    async fn opens(&self) {
        for _ in 0..1_000 {
            if self.client.get("/").try_send().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the shop does not open");
    }

    /// The same shop, in which this was done to the database overnight.
    async fn reopen(&mut self, sql: &'static str) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let file = SqliteConnectOptions::new().filename(self.folder.join("shop.db"));
        let mut database = file.connect().await.unwrap();
        sqlx::query(sql).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        self.process = start(&self.issuer, self.address, &self.folder);
        self.opens().await;
    }

    /// Through the shop, as pages in cookie mode do.
    fn sign_in(&self, name: &str, mode: &str) -> Request {
        let login = json!({"username": name, "password": PASSWORD, "mode": mode});
        self.client.jar().post("/auth/login").json(&login)
    }

    async fn token(&self, name: &str) -> String {
        let login = self.sign_in(name, "token").send().await.expect(200).json();
        login["access_token"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, method: &str, path: &str, token: &str) -> countersign_testkit::Response {
        self.client.request(method, path).bearer(token).send().await
    }
}

#[tokio::test]
async fn everybody_may_look_and_search_finds_words_as_they_are() {
    let shop = Shop::open().await;
    let slugs = async |query: &str| {
        let path = format!("/api/products{query}");
        let found = shop.client.get(&path).send().await.expect(200).json();
        let found = found.as_array().unwrap().iter();
        found
            .map(|product| product["slug"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(slugs("").await.len(), 12);
    assert_eq!(slugs("?q=LANTERN").await, ["lantern"]);
    assert_eq!(slugs("?q=%25").await, [""; 0], "no wildcard");
    assert_eq!(slugs("?q='%20OR%201=1--").await, [""; 0], "no SQL");
    let kettle = shop.client.get("/api/products/kettle").send().await;
    assert_eq!(kettle.expect(200).json()["name"], "Enamel kettle");

    let endless = format!("/api/products?q={}", "a".repeat(300));
    for (path, status, code) in [
        (endless.as_str(), 400, "invalid"),
        ("/api/products/unicorn", 404, "no_product"),
        ("/api/", 404, "not_found"),
        ("/api/nothing", 404, "not_found"),
    ] {
        shop.client.get(path).send().await.refused(status, code);
    }
}

#[tokio::test]
async fn wishes_belong_to_whoever_is_signed_in_until_they_sign_out() {
    let shop = Shop::open().await;
    for (method, path) in [
        ("GET", "/api/wishes"),
        ("PUT", "/api/wishes/mug"),
        ("DELETE", "/api/wishes/mug"),
    ] {
        let answer = shop.client.request(method, path).send().await;
        answer.refused(401, "token_missing");
    }
    let (ada, grace) = (shop.token("ada").await, shop.token("grace").await);
    let unknown = shop.ask("PUT", "/api/wishes/unicorn", &ada).await;
    unknown.refused(404, "no_product");
    for slug in ["mug", "radio", "mug"] {
        let path = format!("/api/wishes/{slug}");
        shop.ask("PUT", &path, &ada).await.expect(204);
    }
    let wishes = async |token: &str| {
        shop.ask("GET", "/api/wishes", token)
            .await
            .expect(200)
            .json()
    };
    assert_eq!(wishes(&ada).await, json!(["mug", "radio"]));
    assert_eq!(wishes(&grace).await, json!([]));
    shop.ask("DELETE", "/api/wishes/mug", &grace)
        .await
        .expect(204);
    shop.ask("DELETE", "/api/wishes/radio", &ada)
        .await
        .expect(204);
    assert_eq!(wishes(&ada).await, json!(["mug"]));

    let logout = shop.client.post("/auth/logout").bearer(&ada);
    let logout = logout.header("prefer", "wait=5").send().await.expect(200);
    assert_eq!(logout.json()["propagated"], true);
    let answer = shop.ask("GET", "/api/wishes", &ada).await;
    answer.refused(401, "token_revoked");
    assert_eq!(wishes(&grace).await, json!([]));
}

#[tokio::test]
async fn wishes_of_somebody_who_stays_away_are_forgotten() {
    let mut shop = Shop::open().await;
    let ada = shop.token("ada").await;
    for (later, left) in [
        (
            "UPDATE people SET seen = seen - 364 * 86400",
            json!(["mug"]),
        ),
        ("UPDATE people SET seen = seen - 366 * 86400", json!([])),
    ] {
        shop.ask("PUT", "/api/wishes/mug", &ada).await.expect(204);
        shop.reopen(later).await;
        let wishes = shop.ask("GET", "/api/wishes", &ada).await.expect(200);
        assert_eq!(wishes.json(), left, "{later}");
    }
}

#[tokio::test]
async fn stock_is_for_staff() {
    let shop = Shop::open().await;
    let (ada, grace) = (shop.token("ada").await, shop.token("grace").await);
    let change = async |token: &str, slug: &str, body: Value| {
        let request = shop.client.patch(&format!("/api/stock/{slug}"));
        request.bearer(token).json(&body).send().await
    };
    shop.client
        .get("/api/stock")
        .send()
        .await
        .refused(401, "token_missing");
    shop.ask("GET", "/api/stock", &ada)
        .await
        .refused(403, "forbidden");
    let answer = change(&ada, "mug", json!({"stock": 0})).await;
    answer.refused(403, "forbidden");

    for body in [
        json!({"stock": -1}),
        json!({"stock": 10_000}),
        json!({"stock": "many"}),
        json!({"name": "  "}),
        json!({"name": "x".repeat(81)}),
        json!(7),
    ] {
        change(&grace, "mug", body).await.refused(400, "invalid");
    }
    let answer = change(&grace, "unicorn", json!({"stock": 1})).await;
    answer.refused(404, "no_product");
    let changed = change(&grace, "mug", json!({"stock": 3}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&changed["stock"], &changed["name"]),
        (&json!(3), &json!("Stoneware mug"))
    );
    let listed = shop
        .ask("GET", "/api/stock", &grace)
        .await
        .expect(200)
        .json();
    assert_eq!(listed[1]["stock"], 3);
}

#[tokio::test]
async fn cookies_of_a_login_through_the_shop_are_good_for_the_shop_and_for_no_other_site() {
    let shop = Shop::open().await;
    let from = |request: Request, site: &str| request.header("sec-fetch-site", site);
    let foreign = from(shop.sign_in("ada", "cookie"), "cross-site");
    foreign.send().await.refused(403, "cross_site_request");

    let login = from(shop.sign_in("ada", "cookie"), "same-origin")
        .send()
        .await
        .expect(200);
    let token = login
        .cookies()
        .into_iter()
        .find(|cookie| cookie.name == "__Host-token")
        .unwrap();
    assert!(login.json().get("access_token").is_none());
    let cookie = format!("__Host-token={}", token.value);
    let put = || {
        shop.client
            .request("PUT", "/api/wishes/mug")
            .cookie(&cookie)
    };
    for site in ["cross-site", "same-site"] {
        from(put(), site)
            .send()
            .await
            .refused(403, "cross_site_request");
    }
    let read = shop.client.get("/api/wishes").cookie(&cookie);
    assert_eq!(read.send().await.expect(200).json(), json!([]));
    from(put(), "same-origin").send().await.expect(204);
}

#[tokio::test]
async fn the_passage_passes_on_what_pages_need_and_nothing_that_a_client_makes_up() {
    let shop = Shop::open().await;
    for path in [
        "/auth/metrics",
        "/auth/revocations?after=0",
        "/auth/admin/users",
        "/auth/oauth2/introspect",
        "/auth/verify",
        "/auth/sessions/../metrics",
        "/auth/sessions/..",
        "/auth/sessions/%2e%2e",
        "/auth/sessions/..%2fmetrics",
        "/auth/sessions/..\\metrics",
        "/auth/",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8(raw(shop.address, request).await).unwrap();
        assert!(!answer.contains("countersign_"), "{path}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }

    // Of all these Countersign believes the address that the shop saw.
    let login = shop.sign_in("ada", "token");
    let login = login
        .header("x-forwarded-for", "203.0.113.9")
        .header("X_Forwarded_For", "203.0.113.10")
        .header("forwarded", "for=203.0.113.11")
        .header("x-real-ip", "203.0.113.12");
    let token = login.send().await.expect(200).json();
    let token = token["access_token"].as_str().unwrap();
    let devices = shop
        .ask("GET", "/auth/sessions", token)
        .await
        .expect(200)
        .json();
    assert!(!devices.to_string().contains("203.0.113"), "{devices}");
    assert!(devices.to_string().contains("127.0.0.1"), "{devices}");

    // A second credential of a kind stays a second one.
    let twice = shop.client.get("/auth/profile").bearer(token).bearer(token);
    twice.send().await.refused(401, "token_malformed");

    let huge = shop.client.post("/auth/login").body(vec![b' '; 70_000]);
    huge.send().await.refused(413, "body_too_large");
}

#[tokio::test]
async fn an_issuer_that_is_away_signs_nobody_out() {
    let mut shop = Shop::open().await;
    let token = shop.token("ada").await;
    shop.issuer.kill9();
    let answer = shop.ask("GET", "/auth/profile", &token).await;
    assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
    answer.refused(503, "unavailable");
    // The guard has no news, and goes on for as long as its policy says.
    shop.ask("GET", "/api/wishes", &token).await.expect(200);
}

#[tokio::test]
async fn pages_come_under_a_strict_policy_and_nothing_but_pages_comes() {
    let shop = Shop::open().await;
    for path in ["/", "/product/mug", "/stock"] {
        let page = shop.client.get(path).send().await.expect(200);
        let policy = page.header("content-security-policy").unwrap();
        let own = format!("connect-src 'self' {};", shop.issuer.url(""));
        for part in [
            "default-src 'none';",
            "script-src 'self';",
            "frame-ancestors 'none'",
            &own,
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("cache-control").as_deref(), Some("no-cache"));
        assert_eq!(page.text(), "<title>Small Hours</title>");
    }
    let script = shop
        .client
        .get("/assets/index-1a2b.js")
        .send()
        .await
        .expect(200);
    assert_eq!(
        script.header("content-type").as_deref(),
        Some("text/javascript; charset=utf-8")
    );
    assert_eq!(
        script.header("x-content-type-options").as_deref(),
        Some("nosniff")
    );

    let gone = shop.client.get("/assets/gone.js").send().await;
    gone.refused(404, "not_found");
    let change = shop.client.post("/").send().await;
    change.refused(405, "method_not_allowed");
    let answer = shop.client.get("/api/products").send().await;
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    for path in ["/../Cargo.toml", "/assets/../../shop.db", "/%2e%2e/shop.db"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8_lossy(&raw(shop.address, request).await).into_owned();
        assert!(
            !answer.contains("SQLite") && !answer.contains("[package]"),
            "{answer}"
        );
    }
}
