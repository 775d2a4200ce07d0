//! Asking the issuer. Every answer is bounded in time and size before it is looked at.

use std::time::Duration;

use countersign_token::feed::{Answer, MAX_FLOORS};
use countersign_token::{JwkError, Jwks, KeySet, MAX_JWKS_BYTES, Seq};
use reqwest::header::{ACCEPT, CACHE_CONTROL};
use reqwest::redirect;
use serde_json::Value;
use tokio::time::timeout;

use crate::Policy;

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

impl From<reqwest::Error> for RemoteError {
    fn from(error: reqwest::Error) -> Self {
        // What stands in the query is nobody's business.
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        Self::Unreachable(text)
    }
}

/// A question to the feed.
pub(crate) struct Question {
    pub(crate) after: Seq,
    pub(crate) wait: Duration,
}

/// One issuer, as one guard sees it. No `Debug`: it holds a secret.
pub(crate) struct Remote {
    client: reqwest::Client,
    base: String,
    credentials: Option<(String, String)>,
    follower: String,
    policy: Policy,
}

impl Remote {
    pub(crate) fn new(
        base: &str,
        credentials: Option<(String, String)>,
        policy: Policy,
    ) -> Result<Self, RemoteError> {
        let client = reqwest::Client::builder()
            // Credentials go to the address that was configured and nowhere else.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(policy.margin())
            .pool_max_idle_per_host(1)
            .build()?;
        let mut id = [0; 16];
        countersign_token::crypto::fill_random(&mut id);
        Ok(Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
            credentials,
            follower: countersign_token::crypto::b64(&id),
            policy,
        })
    }

    /// What the issuer calls itself in `iss` (RFC 8414 section 3).
    pub(crate) async fn issuer(&self) -> Result<String, RemoteError> {
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
    pub(crate) async fn keys(&self) -> Result<KeySet, RemoteError> {
        let path = "/.well-known/jwks.json";
        let body = self.get(path, "", Duration::ZERO, MAX_JWKS_BYTES).await?;
        Ok(Jwks::parse(&body)?.key_set()?)
    }

    pub(crate) async fn ask(&self, question: &Question) -> Result<Answer, RemoteError> {
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
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| RemoteError::Nonsense(path))?;
        // More of nothing would be asked for without end.
        if answer.life < 0 || answer.now < 0 || answer.more && answer.floors.is_empty() {
            return Err(RemoteError::Nonsense(path));
        }
        Ok(answer)
    }

    /// The time limits are on the first byte and on each further piece: a large page on a slow link
    /// takes its time, a link that stands still does not.
    async fn get(
        &self,
        path: &'static str,
        query: &str,
        wait: Duration,
        most: usize,
    ) -> Result<Vec<u8>, RemoteError> {
        let mut request = self
            .client
            .get(format!("{}{path}{query}", self.base))
            .header(ACCEPT, "application/json")
            .header(CACHE_CONTROL, "no-cache");
        if let Some((name, secret)) = &self.credentials {
            request = request.basic_auth(name, Some(secret));
        }
        let margin = self.policy.margin();
        let late = |_| RemoteError::TimedOut;
        let mut response = timeout(wait + margin, request.send())
            .await
            .map_err(late)??;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(RemoteError::Status { status, path });
        }
        let mut body = Vec::new();
        while let Some(piece) = timeout(margin, response.chunk()).await.map_err(late)?? {
            if body.len() + piece.len() > most {
                return Err(RemoteError::Nonsense(path));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}
