//! Asking the issuer. Every answer is bounded in time and size before it is looked at.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_token::feed::{Answer, MAX_FLOORS};
use countersign_token::{JwkError, Jwks, KeySet, MAX_JWKS_BYTES, Seq};
use hyper::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, HOST, HeaderMap, HeaderValue};
use hyper::{Request, Uri};
use serde_json::Value;
use tokio::time::timeout;

use crate::Policy;
use crate::answer;
use crate::link::Link;

/// A page of floors is about 150 bytes for each.
const MAX_ANSWER_BYTES: usize = MAX_FLOORS * 400;

const MAX_METADATA_BYTES: usize = 64 * 1024;

/// Why the issuer could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// No connection, or it broke. The text names the address and the cause, never a credential.
    #[error("the issuer cannot be reached: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("the issuer does not answer in time")]
    TimedOut,
    /// It answered with something other than 200; 401 where it wants credentials, or others.
    #[error("the issuer answers {status} to {path}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What it was asked for.
        path: &'static str,
    },
    /// The answer is not what Countersign answers.
    #[error("the issuer's answer to {0} makes no sense")]
    Nonsense(&'static str),
    /// The published keys are no good.
    #[error("the issuer's keys: {0}")]
    Keys(#[from] JwkError),
}

impl RemoteError {
    fn of(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        Self::Unreachable(text)
    }
}

impl From<hyper::Error> for RemoteError {
    fn from(error: hyper::Error) -> Self {
        Self::of(&error)
    }
}

impl From<std::io::Error> for RemoteError {
    fn from(error: std::io::Error) -> Self {
        Self::of(&error)
    }
}

/// A question to the feed.
pub(crate) struct Question {
    pub(crate) after: Seq,
    pub(crate) wait: Duration,
}

/// One issuer, as one guard sees it. No `Debug`: it holds a secret.
pub(crate) struct Remote {
    link: Link,
    /// The path below which the issuer stands: empty, or as in `/auth`.
    path: String,
    /// What is said with every question: host, credentials.
    headers: HeaderMap,
    follower: String,
    policy: Policy,
}

impl Remote {
    pub(crate) fn new(
        base: &str,
        credentials: Option<(String, String)>,
        policy: Policy,
    ) -> Result<Self, RemoteError> {
        let base: Uri = base.parse().map_err(|error| RemoteError::of(&error))?;
        let link = Link::new(&base)?;
        let host = base.authority().map_or("", |authority| authority.as_str());
        // Without whatever somebody may have put in front of it.
        let host = host.rsplit('@').next().unwrap_or(host);
        let mut headers = HeaderMap::new();
        let header = |text: &str| HeaderValue::try_from(text).map_err(|e| RemoteError::of(&e));
        headers.insert(HOST, header(host)?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Some((name, secret)) = credentials {
            let mut basic = header(&format!(
                "Basic {}",
                STANDARD.encode(format!("{name}:{secret}"))
            ))?;
            basic.set_sensitive(true);
            headers.insert(AUTHORIZATION, basic);
        }
        let mut id = [0; 16];
        countersign_token::crypto::fill_random(&mut id);
        Ok(Self {
            link,
            path: base.path().trim_end_matches('/').to_owned(),
            headers,
            follower: countersign_token::crypto::b64(&id),
            policy,
        })
    }

    /// What the issuer calls itself in `iss` (RFC 8414 section 3).
    pub(crate) async fn issuer(&mut self) -> Result<String, RemoteError> {
        let path = "/.well-known/oauth-authorization-server";
        let body = self
            .get(path, "", Duration::ZERO, MAX_METADATA_BYTES)
            .await?;
        let metadata: Value =
            serde_json::from_slice(&body).map_err(|_| RemoteError::Nonsense(path))?;
        match metadata.get("issuer") {
            Some(Value::String(issuer)) if !issuer.is_empty() => Ok(issuer.clone()),
            _ => Err(RemoteError::Nonsense(path)),
        }
    }

    /// The keys as they are now: no cache may answer.
    pub(crate) async fn keys(&mut self) -> Result<KeySet, RemoteError> {
        let path = "/.well-known/jwks.json";
        let body = self.get(path, "", Duration::ZERO, MAX_JWKS_BYTES).await?;
        Ok(Jwks::parse(&body)?.key_set()?)
    }

    pub(crate) async fn ask(&mut self, question: &Question) -> Result<Answer, RemoteError> {
        let path = "/revocations";
        let query = format!(
            "?after={}&wait={}&limit={MAX_FLOORS}&follower={}&lease={}",
            question.after,
            question.wait.as_secs(),
            self.follower,
            self.policy.lease().as_secs(),
        );
        let body = self
            .get(path, &query, question.wait, MAX_ANSWER_BYTES)
            .await?;
        let answer = answer::read(&body).ok_or(RemoteError::Nonsense(path))?;
        // More of nothing would be asked for without end.
        if answer.life < 0 || answer.now < 0 || answer.more && answer.floors.is_empty() {
            return Err(RemoteError::Nonsense(path));
        }
        Ok(answer)
    }

    /// The time limits are on the first byte and on each further piece: a large page on a slow link
    /// takes its time, a link that stands still does not.
    async fn get(
        &mut self,
        path: &'static str,
        query: &str,
        wait: Duration,
        most: usize,
    ) -> Result<Vec<u8>, RemoteError> {
        let uri = format!("{}{path}{query}", self.path);
        let mut request = Request::new(String::new());
        *request.uri_mut() = uri.parse().map_err(|error| RemoteError::of(&error))?;
        *request.headers_mut() = self.headers.clone();
        let margin = self.policy.margin();
        let late = |_| RemoteError::TimedOut;
        let answering = self.link.send(request, margin);
        let mut answering = timeout(wait + margin, answering).await.map_err(late)??;
        let status = answering.status();
        if status != 200 {
            return Err(RemoteError::Status { status, path });
        }
        let length = answering
            .length()
            .and_then(|length| usize::try_from(length).ok());
        let mut body = Vec::with_capacity(length.unwrap_or(0).min(most));
        while let Some(piece) = timeout(margin, answering.piece()).await.map_err(late)?? {
            if body.len() + piece.len() > most {
                return Err(RemoteError::Nonsense(path));
            }
            body.extend_from_slice(&piece);
        }
        answering.keep();
        Ok(body)
    }
}
