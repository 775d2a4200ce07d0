//! What every module here needs: the server with some settings, people, logins, and JWTs as a
//! stranger would take them apart and put them together.

use std::time::Duration;

use countersign_testkit::{Client, Home, Request, Response, Server};
use countersign_token::crypto;
use serde_json::{Value, json};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign");
pub(crate) const PASSWORD: &str = "plum-harbour-41";
/// Strong enough to be taken, and like no secret that anybody uses.
pub(crate) const JWT_SECRET: &str = "9f2c-shared-by-old-services-4471-b0e8-tests-only";
pub(crate) const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

/// A home with cheap hashing, where the cost of a hash is not the subject.
pub(crate) fn home() -> Home {
    set(
        Home::new(PROGRAM),
        &[
            ("password.argon2.memory_kib", "8"),
            ("password.argon2.iterations", "1"),
        ],
    )
}

/// With these keys, by their names in the configuration; well-known variables in capitals.
pub(crate) fn set(home: Home, settings: &[(&str, &str)]) -> Home {
    settings.iter().fold(home, |home, (key, value)| {
        let variable = format!("COUNTERSIGN_{}", key.replace('.', "__").to_uppercase());
        let known = key.starts_with(char::is_uppercase);
        home.env(if known { key } else { variable.as_str() }, value)
    })
}

/// A server with these keys.
pub(crate) fn start(settings: &[(&str, &str)]) -> (Server, Client) {
    let server = set(home(), settings).start();
    let client = server.client();
    (server, client)
}

/// What a token-mode login gives.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl From<&Response> for Login {
    fn from(response: &Response) -> Self {
        let body = response.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

/// Registers `name` and answers the user.
pub(crate) async fn register(client: &Client, name: &str) -> Value {
    let body = json!({"username": name, "password": PASSWORD});
    let answer = client.post("/register").json(&body).send().await;
    answer.expect(201).json()["user"].clone()
}

/// A login in this mode.
pub(crate) async fn login_in(client: &Client, name: &str, mode: &str) -> Response {
    let body = json!({"username": name, "password": PASSWORD, "mode": mode});
    let answer = client.post("/login").json(&body).send().await;
    answer.expect(200)
}

pub(crate) async fn login(client: &Client, name: &str) -> Login {
    Login::from(&login_in(client, name, "token").await)
}

/// Registers and signs in.
pub(crate) async fn newcomer(client: &Client, name: &str) -> Login {
    register(client, name).await;
    login(client, name).await
}

pub(crate) async fn refresh(client: &Client, token: &str) -> Response {
    let body = json!({"refresh_token": token});
    client.post("/refresh").json(&body).send().await
}

/// What `/protected` says to this access token.
pub(crate) async fn protected(client: &Client, token: &str) -> Response {
    client.get("/protected").bearer(token).send().await
}

pub(crate) async fn logout(client: &Client, token: &str) -> Response {
    client.post("/logout").bearer(token).send().await
}

/// An administrator. The role is written beside the running server, as an operator's command does.
pub(crate) async fn admin(server: &Server, name: &str) -> Login {
    let user = register(&server.client(), name).await;
    let url = format!(
        "sqlite:{}",
        server.home().data().join("countersign.db").display()
    );
    make_admin(&url, user["id"].as_str().unwrap()).await;
    login(&server.client(), name).await
}

pub(crate) async fn make_admin(url: &str, user: &str) {
    use countersign_core::RoleSet;
    use countersign_store::{Db, Options, StoreError, users};
    let db = Db::open(&Options::new(url)).await.unwrap();
    let id = user.parse().unwrap();
    let roles = RoleSet::parse(&["admin"]).unwrap();
    let written: Result<(), StoreError> = db
        .write(move |conn| Box::pin(async move { users::set_roles(conn, id, &roles).await }))
        .await;
    written.unwrap();
    db.close().await;
}

/// A service's credentials, as a header's value.
pub(crate) fn service(server: &Server, name: &str) -> String {
    let added = server.cli(&["client", "add", name, "--kind", "service", "--quiet"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    basic(name, added.stdout.trim())
}

/// RFC 7617, by hand: standard base64 with padding.
pub(crate) fn basic(name: &str, secret: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{name}:{secret}");
    let encoded: String = text
        .as_bytes()
        .chunks(3)
        .flat_map(|chunk| {
            let [a, b, c] = [0, 1, 2].map(|n| chunk.get(n).copied().unwrap_or(0));
            let bits = u32::from_be_bytes([0, a, b, c]);
            (0..4).map(move |n| match n <= chunk.len() {
                true => char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]),
                false => '=',
            })
        })
        .collect();
    format!("Basic {encoded}")
}

/// Asks again and again until it is so, or fails after two seconds.
pub(crate) async fn soon<F: Future<Output = bool>>(what: &str, look: impl Fn() -> F) {
    for _ in 0..200 {
        if look().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

/// Whether other tests compete for the processor, so that a promise of 100 ms cannot be measured.
pub(crate) fn busy() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let one_minute = load
        .split(' ')
        .next()
        .and_then(|load| load.parse::<f64>().ok());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    one_minute.is_none_or(|load| load > cores as f64)
}

/// The three parts of a token, the first two as JSON.
pub(crate) fn parts(token: &str) -> (Value, Value, Vec<u8>) {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    let json = |text: &str| serde_json::from_slice(&crypto::unb64(text).unwrap()).unwrap();
    (
        json(parts[0]),
        json(parts[1]),
        crypto::unb64(parts[2]).unwrap(),
    )
}

pub(crate) fn claims(token: &str) -> Value {
    parts(token).1
}

/// A token of any header and claims under any HMAC secret, by a library that is not ours.
pub(crate) fn forge(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let key = jsonwebtoken::EncodingKey::from_secret(secret);
    let signature =
        jsonwebtoken::crypto::sign(input.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
    format!("{input}.{}", signature.unwrap())
}

pub(crate) fn encode(value: &Value) -> String {
    crypto::b64(value.to_string().as_bytes())
}

/// An operation of the OpenAPI document.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    /// With every parameter filled in.
    pub(crate) path: String,
    pub(crate) template: String,
    /// Whether it takes JSON.
    pub(crate) has_body: bool,
    /// Whether it demands a user's credential.
    pub(crate) protected: bool,
}

impl Operation {
    /// The operation as a request, with an empty object where it takes a body.
    pub(crate) fn request(&self, client: &Client) -> Request {
        let request = client.request(&self.method, &self.path);
        if self.has_body {
            request.json(&json!({}))
        } else {
            request
        }
    }

    pub(crate) fn is_dialect(&self) -> bool {
        self.path.starts_with("/users/")
    }
}

/// Everything that the server says it can do.
pub(crate) async fn operations(client: &Client) -> Vec<Operation> {
    let document = client.get("/openapi.json").send().await.expect(200).json();
    let mut found = Vec::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = template.replace("{id}", NOBODY).replace("{kid}", "none");
            assert!(
                !path.contains('{'),
                "a parameter without an example: {path}"
            );
            let security = operation["security"].as_array();
            let by_user = |ways: &Vec<Value>| {
                let optional = ways.iter().any(|way| way == &json!({}));
                !optional && ways.iter().any(|way| way.get("bearer").is_some())
            };
            found.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase(),
                path,
                template: template.clone(),
                has_body: operation["requestBody"]["content"]["application/json"].is_object(),
                protected: security.is_some_and(by_user),
            });
        }
    }
    found
}

/// Demands a refusal that any client can read: this status, and JSON with a code and a text.
#[track_caller]
pub(crate) fn well_formed(answer: &Response) {
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{answer:?}");
    let body = answer.json();
    let said = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
    let (ours, oauth) = (said("code") && said("message"), said("error"));
    assert!(ours || oauth || said("msg"), "{answer:?}");
    if answer.status == 401 {
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        let scheme = if oauth { "Basic" } else { "Bearer" };
        assert!(challenge.starts_with(scheme), "{answer:?}");
    }
    if matches!(answer.status, 429 | 503) {
        let wait = answer.header("retry-after").unwrap_or_default();
        assert!(wait.parse::<u64>().is_ok_and(|wait| wait > 0), "{answer:?}");
    }
}
