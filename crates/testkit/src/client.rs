use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Response;

/// Longer than the longest long poll, so that a hanging server fails its test by name.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a raw connection may stay silent before it counts as done.
const SILENCE: Duration = Duration::from_secs(2);

/// An HTTP/1.1 client that adds nothing to a request but `Host` and what frames its body. Each
/// request has a connection of its own. Clones share the jar, if there is one.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    jar: Option<Arc<Mutex<BTreeMap<String, String>>>>,
}

impl Client {
    /// A client of what listens there, without a jar.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, jar: None }
    }

    /// The same with an empty jar: it keeps every cookie that it is given, sends all of them with
    /// every request, and forgets those that it is told to. Path, domain, age and `Secure` are
    /// for tests to assert, not for the jar to enforce.
    #[must_use]
    pub fn jar(&self) -> Self {
        Self {
            address: self.address,
            jar: Some(Arc::default()),
        }
    }

    /// A cookie in the jar.
    #[must_use]
    pub fn stored(&self, name: &str) -> Option<String> {
        let jar = self
            .jar
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        jar.get(name).cloned()
    }

    /// A request by any method, to a path with its query.
    ///
    /// # Panics
    /// If hyper refuses to send either; [`raw`] sends anything.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request {
            client: self.clone(),
            method: method
                .parse()
                .unwrap_or_else(|_| panic!("use raw for the method {method:?}")),
            path: path
                .parse()
                .unwrap_or_else(|_| panic!("use raw for the path {path:?}")),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// `GET`
    #[track_caller]
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// `POST`
    #[track_caller]
    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// `PATCH`
    #[track_caller]
    pub fn patch(&self, path: &str) -> Request {
        self.request("PATCH", path)
    }

    /// `DELETE`
    #[track_caller]
    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }
}

/// A request in the making; [`Request::send`] sends it.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `send`"]
pub struct Request {
    client: Client,
    method: Method,
    path: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// With one more header of this name. The value may hold any byte but control characters.
    ///
    /// # Panics
    /// If hyper refuses to send it; [`raw`] sends anything.
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name: HeaderName = name
            .parse()
            .unwrap_or_else(|_| panic!("use raw for the header {name:?}"));
        let value = HeaderValue::from_bytes(value.as_ref())
            .unwrap_or_else(|_| panic!("use raw for this value of {name}"));
        self.headers.append(name, value);
        self
    }

    /// With `Authorization: Bearer TOKEN`.
    #[track_caller]
    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), format!("Bearer {token}"))
    }

    /// With one more `Cookie` header.
    #[track_caller]
    pub fn cookie(self, pairs: &str) -> Self {
        self.header(COOKIE.as_str(), pairs)
    }

    /// With this body and no `Content-Type`.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into().into();
        self
    }

    /// With this body as JSON, and its `Content-Type` unless there is one already.
    pub fn json(mut self, value: &Value) -> Self {
        self.headers
            .entry(CONTENT_TYPE)
            .or_insert_with(|| HeaderValue::from_static("application/json"));
        self.body(value.to_string())
    }

    /// With this body as a form, and its `Content-Type` unless there is one already.
    pub fn form(mut self, encoded: &str) -> Self {
        self.headers
            .entry(CONTENT_TYPE)
            .or_insert_with(|| HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.body(encoded)
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    /// If there is no answer; [`Request::try_send`] is for where that may be.
    pub async fn send(self) -> Response {
        let what = format!("{} {} at {}", self.method, self.path, self.client.address);
        self.try_send()
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// As [`Request::send`], for where a connection may be refused or break.
    ///
    /// # Errors
    /// What went wrong with the connection, or that there was no whole answer within 60 s.
    pub async fn try_send(self) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        timeout(PATIENCE, self.exchange())
            .await
            .map_err(|_| "no answer within 60 s")?
    }

    async fn exchange(mut self) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        let Client { address, jar } = self.client;
        if let Some(jar) = &jar {
            let jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
            let pairs: Vec<_> = jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            if !pairs.is_empty() {
                self.headers
                    .append(COOKIE, HeaderValue::from_str(&pairs.join("; "))?);
            }
        }
        if !self.headers.contains_key(HOST) {
            self.headers
                .insert(HOST, HeaderValue::from_str(&address.to_string())?);
        }
        let mut request = hyper::Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path;
        *request.headers_mut() = self.headers;

        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let (mut sender, connection) = http1::handshake(stream).await?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        driver.abort();
        let response = Response {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        };
        if let Some(jar) = &jar {
            let mut jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
            for cookie in response.cookies() {
                if cookie.deletes() {
                    jar.remove(&cookie.name);
                } else {
                    jar.insert(cookie.name, cookie.value);
                }
            }
        }
        Ok(response)
    }
}

/// Sends these very bytes and returns what comes back until the other side closes, or is silent
/// for two seconds; ask for `Connection: close` to be quick.
///
/// # Panics
/// If nothing listens there.
pub async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("something listens");
    let (mut reader, mut writer) = stream.split();
    // At the same time, because a refusal may come before all is sent; then sending fails, and
    // what was answered is what matters.
    let sending = timeout(PATIENCE, writer.write_all(bytes.as_ref()));
    let reading = async {
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(Ok(read @ 1..)) = timeout(SILENCE, reader.read(&mut chunk)).await {
            answer.extend_from_slice(&chunk[..read]);
        }
        answer
    };
    tokio::pin!(reading);
    tokio::select! {
        answer = &mut reading => answer,
        _ = sending => reading.await,
    }
}
