//! The guard itself.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_token::{Claims, Refusal as TokenRefusal, Seq};
use tokio::sync::{mpsc, oneshot};

use crate::follow::Look;
use crate::legacy::Admitted;
use crate::shared::Shared;
use crate::{Builder, ConnectError, Refusal};

/// How often a token of an unknown key may make the guard ask the issuer, in milliseconds.
const KEYS_AGAIN: i64 = 10_000;

/// How long news that are on their way may take before they are asked for.
const ON_THE_WAY: Duration = Duration::from_millis(100);

const AHEAD: Refusal = Refusal::Token(TokenRefusal::Ahead);

/// Checks tokens of one issuer, and follows its revocation log while there is a clone of it.
///
/// Cheap to clone. Several guards, of one issuer or of several, know nothing of each other.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// The follower goes on for as long as this is there.
    looks: mpsc::Sender<Look>,
    asked_for_keys_at: AtomicI64,
    #[cfg(feature = "axum")]
    web: crate::web::Settings,
}

/// What a guard knows, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The position of the revocation log up to which everything is known.
    pub seq: Seq,
    /// How long ago the question was sent that the issuer answered last.
    pub lease_age: Duration,
    /// How many tokens, sessions, users and so on have a floor.
    pub floors: usize,
    /// Whether tokens are checked, rather than answered with [`Refusal::Stale`].
    pub current: bool,
}

impl Guard {
    /// Connects with the default settings: bounded, audience `countersign`, no credentials.
    ///
    /// # Errors
    /// [`ConnectError`] if the issuer cannot be reached or is none. A service that starts beside
    /// its issuer tries again.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder(url).connect().await
    }

    /// A guard of the issuer at this address, to be configured.
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    pub(crate) fn new(
        shared: Arc<Shared>,
        looks: mpsc::Sender<Look>,
        #[cfg(feature = "axum")] web: crate::web::Settings,
    ) -> Self {
        let asked_for_keys_at = AtomicI64::new(i64::MIN / 2);
        Self(Arc::new(Inner {
            shared,
            looks,
            asked_for_keys_at,
            #[cfg(feature = "axum")]
            web,
        }))
    }

    /// Checks a token with what is known here: no network, no waiting. A token that is newer than
    /// the latest news, or of a key that is not known yet, is refused; [`Guard::check`] asks first.
    ///
    /// # Errors
    /// [`Refusal::Token`] or [`Refusal::Stale`].
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, Refusal> {
        self.0.shared.verify(token)
    }

    /// [`Guard::verify`] that asks the issuer once where that may change the answer: the token was
    /// minted after the latest news, or by an unknown key (for that at most every ten seconds, so
    /// that strangers cannot make the guard ask at will).
    ///
    /// # Errors
    /// [`Refusal::Token`] or [`Refusal::Stale`].
    pub async fn check(&self, token: &str) -> Result<Arc<Claims>, Refusal> {
        let accepted = self.accept(token).await?;
        Ok(Arc::clone(accepted.claims()))
    }

    pub(crate) async fn accept(&self, token: &str) -> Result<Admitted, Refusal> {
        let shared = &self.0.shared;
        let looked = match shared.accept(token) {
            Err(AHEAD) => {
                // Usually the news are on their way, and asking would only cut them off.
                let mut changed = shared.changed.subscribe();
                let news = async {
                    while matches!(shared.accept(token), Err(AHEAD)) {
                        let _ = changed.changed().await;
                    }
                };
                match tokio::time::timeout(ON_THE_WAY, news).await {
                    Ok(()) => true,
                    Err(_) => self.look(false).await,
                }
            }
            Err(Refusal::Token(TokenRefusal::UnknownKey)) if self.may_ask_for_keys() => {
                self.look(true).await
            }
            known => return known,
        };
        match shared.accept(token) {
            // The login may be as young as the outage: nothing is known against it.
            Err(AHEAD) if !looked => Err(shared.stale()),
            known => known,
        }
    }

    fn may_ask_for_keys(&self) -> bool {
        let (now, asked) = (self.0.shared.clock.millis(), &self.0.asked_for_keys_at);
        let last = asked.load(Ordering::Relaxed);
        now.saturating_sub(last) >= KEYS_AGAIN
            && asked
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Has the follower ask now; whether there was an answer. None where a full queue of others
    /// waits for one already.
    async fn look(&self, keys: bool) -> bool {
        let (done, answered) = oneshot::channel();
        self.0.looks.try_send(Look { keys, done }).is_ok() && answered.await.is_ok()
    }

    /// Ready when this token, which is good now, is good no longer: its login was ended, its rights
    /// changed, it expired, its key was withdrawn, or the guard is stale. For answers that go on,
    /// such as a WebSocket. At once if it is not good to begin with. Keeps the guard alive.
    pub fn revoked(&self, token: &str) -> impl Future<Output = Refusal> + Send + 'static {
        let (guard, accepted) = (self.clone(), self.0.shared.accept(token));
        async move {
            match accepted {
                Ok(accepted) => guard.0.shared.ended(&accepted).await,
                Err(refusal) => refusal,
            }
        }
    }

    /// What this guard knows.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.0.shared;
        Status {
            seq: shared.verifier.seq(),
            lease_age: shared.lease_age(),
            floors: shared.verifier.floors_held(),
            current: shared.is_current(),
        }
    }
}

#[cfg(feature = "axum")]
impl Guard {
    pub(crate) fn web(&self) -> &crate::web::Settings {
        &self.0.web
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) async fn ended(&self, accepted: &Admitted) -> Refusal {
        self.0.shared.ended(accepted).await
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status().fmt(f)
    }
}
