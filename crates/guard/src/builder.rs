//! Settings, and the way to a guard that is ready.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_token::{KeyError, Legacy, MAX_LEGACY, SHARED_KID, Verifier, VerifyingKey};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::follow::Follower;
use crate::remote::{Remote, RemoteError};
use crate::shared::Shared;
use crate::{AcceptHs256, Guard, Policy};

/// A floor is kept for 60 s longer than any token below it lives; a longer leeway could outlast it.
const MAX_LEEWAY: Duration = Duration::from_secs(30);

/// Checks that may wait for one look at the issuer; those beyond are refused without it.
const LOOKS: usize = 1_024;

/// Why there is no guard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The issuer could not be asked, or what it said was no good.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The shared secret was refused.
    #[error("the shared secret: {0}")]
    Secret(KeyError),
    /// The secret of [`Builder::accept_hs256`] was refused.
    #[error("the secret of the former program: {0}")]
    LegacySecret(KeyError),
    /// The end in [`Builder::accept_hs256`] is more than 90 days away.
    #[error("tokens of a former program are let in for 90 days at most")]
    LegacyUntil,
    /// The leeway is above 30 seconds.
    #[error("the leeway is above 30 seconds")]
    Leeway,
}

/// Settings of a guard; [`Guard::builder`] makes one.
#[must_use = "nothing happens before `connect`"]
pub struct Builder {
    url: String,
    audience: String,
    policy: Policy,
    leeway: Duration,
    credentials: Option<(String, String)>,
    secret: Option<Vec<u8>>,
    legacy: Option<AcceptHs256>,
    pub(crate) clock: Clock,
    #[cfg(feature = "axum")]
    pub(crate) web: crate::web::Settings,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            audience: "countersign".to_owned(),
            policy: Policy::default(),
            leeway: MAX_LEEWAY,
            credentials: None,
            secret: None,
            legacy: None,
            clock: Clock::system(),
            #[cfg(feature = "axum")]
            web: crate::web::Settings::default(),
        }
    }

    /// What the `aud` of tokens must contain; `countersign` unless the issuer is told otherwise.
    pub fn audience(self, audience: &str) -> Self {
        let audience = audience.to_owned();
        Self { audience, ..self }
    }

    /// What to answer when the issuer is out of reach.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// How far `exp` and `nbf` may be off, at most and by default 30 s. The issuer tells its time in
    /// whole seconds, so that less than 2 s may refuse a token that is quite new.
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// Name and secret of this service, from `countersign client add NAME --kind service`. An issuer
    /// that listens on more than loopback asks for them.
    pub fn credentials(self, name: &str, secret: &str) -> Self {
        let credentials = Some((name.to_owned(), secret.to_owned()));
        Self {
            credentials,
            ..self
        }
    }

    /// The issuer's `JWT_SECRET_KEY`, where it signs with HS256. Whoever holds it can sign as
    /// anybody.
    pub fn shared_secret(self, secret: &[u8]) -> Self {
        let secret = Some(secret.to_vec());
        Self { secret, ..self }
    }

    /// Lets in tokens of the program that was here before, for a while.
    /// [`Claims::is_legacy`](crate::Claims::is_legacy) tells them apart.
    pub fn accept_hs256(self, tokens: AcceptHs256) -> Self {
        let legacy = Some(tokens);
        Self { legacy, ..self }
    }

    /// Finds out what the issuer calls itself, loads its keys and its whole log, and goes on
    /// following it in a task of the current tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing is left running.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn connect(self) -> Result<Guard, ConnectError> {
        if self.leeway > MAX_LEEWAY {
            return Err(ConnectError::Leeway);
        }
        let secret = self
            .secret
            .map(|secret| VerifyingKey::from_secret(SHARED_KID.to_owned(), &secret))
            .transpose()
            .map_err(ConnectError::Secret)?;
        let legacy = self.legacy.map(AcceptHs256::into_inner).transpose();
        let legacy = legacy.map_err(ConnectError::LegacySecret)?;
        let remote = Remote::new(&self.url, self.credentials, self.policy)?;
        let verifier = Verifier::new(countersign_token::Policy {
            issuer: remote.issuer().await?,
            audience: self.audience,
            leeway: self.leeway,
            // Told by the first answer; until then every token lives too long.
            life: Duration::ZERO,
        });
        let mut shared = Shared::new(verifier, self.clock, self.policy, self.leeway);
        let end = legacy.as_ref().map(Legacy::until);
        shared.legacy = legacy;
        let shared = Arc::new(shared);
        let mut follower = Follower::new(Arc::clone(&shared), remote, secret);
        follower.bootstrap().await?;
        // By the issuer's time, which is known only now.
        if end.is_some_and(|end| end > shared.now().plus(MAX_LEGACY)) {
            return Err(ConnectError::LegacyUntil);
        }
        let (looks, asked) = mpsc::channel(LOOKS);
        tokio::spawn(follower.run(asked));
        Ok(Guard::new(
            shared,
            looks,
            #[cfg(feature = "axum")]
            self.web,
        ))
    }
}

/// Without the secrets.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("url", &self.url)
            .field("audience", &self.audience)
            .field("policy", &self.policy)
            .field("leeway", &self.leeway)
            .finish_non_exhaustive()
    }
}
