//! Following the log: one task for each guard, which alone writes what the checks read.

use std::sync::Arc;
use std::time::Duration;

use countersign_token::{KeySet, VerifyingKey};
use tokio::sync::{mpsc, oneshot};

use crate::remote::{Question, Remote, RemoteError};
use crate::shared::Shared;

/// How often what has expired is forgotten, in milliseconds.
const PRUNE_EVERY: i64 = 60_000;

/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The pause after an answer that should have been held and was not: a server that ends, or
/// something in between that does not know long polls. Without it the two would run in circles.
const NO_NEWS_PAUSE: Duration = Duration::from_millis(50);

/// A request to ask the issuer now.
pub(crate) struct Look {
    /// Whether to load the keys first.
    pub(crate) keys: bool,
    /// Told when there was an answer; dropped if there was none.
    pub(crate) done: oneshot::Sender<()>,
}

/// The following side of a guard.
pub(crate) struct Follower {
    pub(crate) shared: Arc<Shared>,
    pub(crate) remote: Remote,
    /// The secret that issuer and guard share, if they do: it is in no JWKS.
    pub(crate) secret: Option<VerifyingKey>,
    /// Under which version the keys were loaded.
    keys: Option<i64>,
    pruned_at: i64,
}

/// What an applied answer was.
struct Turn {
    more: bool,
    news: bool,
}

impl Follower {
    pub(crate) fn new(shared: Arc<Shared>, remote: Remote, secret: Option<VerifyingKey>) -> Self {
        let pruned_at = shared.clock.millis();
        Self {
            shared,
            remote,
            secret,
            keys: None,
            pruned_at,
        }
    }

    /// Asks until everything is known.
    pub(crate) async fn bootstrap(&mut self) -> Result<(), RemoteError> {
        while self.turn(Duration::ZERO, false).await?.more {}
        Ok(())
    }

    /// Follows for as long as somebody may ask for a look, which is as long as there is a guard.
    pub(crate) async fn run(mut self, mut looks: mpsc::Receiver<Look>) {
        let shared = Arc::clone(&self.shared);
        let (mut failures, mut pause) = (0_u32, Duration::ZERO);
        loop {
            // After an outage the next answer is wanted now, news or none.
            let recovering = failures > 0 || shared.lease_left().is_zero();
            let wait = if recovering {
                Duration::ZERO
            } else {
                shared.policy.wait()
            };
            let asked_at = shared.clock.millis();
            let outcome = tokio::select! {
                biased;
                look = looks.recv() => match look {
                    None => return,
                    Some(look) => self.look(look, &mut looks).await,
                },
                outcome = async {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    self.turn(wait, false).await
                } => outcome,
                // The answer that hangs is as good as lost: the machine slept, or the link froze.
                () = shared.lapsed(), if !recovering => Err(RemoteError::TimedOut),
            };
            match outcome {
                Ok(turn) => {
                    if failures > 0 {
                        tracing::info!("the issuer is followed again");
                    }
                    failures = 0;
                    let held = shared.clock.millis() - asked_at;
                    let early = held * 2 < i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                    let idle = !turn.more && !turn.news && (early || wait.is_zero());
                    pause = if idle { NO_NEWS_PAUSE } else { Duration::ZERO };
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(%error, "the issuer cannot be followed");
                    }
                    pause = backoff(failures, shared.policy.pause());
                    failures = failures.saturating_add(1);
                    // Whoever watches a login learns of a lapse that timers slept through.
                    shared.changed.send_replace(());
                }
            }
            self.prune();
        }
    }

    /// One question and its answer, with the keys if they changed or are asked for. May be dropped at any point: what it changes it changes at
    /// once, at the end.
    async fn turn(&mut self, wait: Duration, rekey: bool) -> Result<Turn, RemoteError> {
        let question = Question {
            after: self.shared.verifier.seq(),
            wait,
        };
        let sent = self.shared.clock.millis();
        let answer = self.remote.ask(&question).await?;
        let arrived = self.shared.clock.millis();
        // After the answer, so that they are no older, and before it counts.
        let keys = match rekey || self.keys != Some(answer.keys) {
            true => Some(self.load_keys().await?),
            false => None,
        };
        let news = keys.is_some() || answer.seq != question.after;
        self.keys = Some(answer.keys);
        self.shared.apply(&answer, keys, sent, arrived);
        Ok(Turn {
            more: answer.more,
            news,
        })
    }

    async fn load_keys(&mut self) -> Result<KeySet, RemoteError> {
        let mut keys = self.remote.keys().await?;
        if let Some(secret) = &self.secret {
            keys.insert(secret.clone());
        }
        Ok(keys)
    }

    /// Looks once for everybody who waits for it.
    async fn look(
        &mut self,
        first: Look,
        looks: &mut mpsc::Receiver<Look>,
    ) -> Result<Turn, RemoteError> {
        let (mut keys, mut waiting) = (first.keys, vec![first.done]);
        while let Ok(look) = looks.try_recv() {
            keys |= look.keys;
            waiting.push(look.done);
        }
        let turn = self.turn(Duration::ZERO, keys).await?;
        for done in waiting {
            // Whoever does not wait any more needs no answer.
            let _ = done.send(());
        }
        // A look is news by itself: the question after it need not be held back.
        Ok(Turn { news: true, ..turn })
    }

    fn prune(&mut self) {
        let now = self.shared.clock.millis();
        if now - self.pruned_at >= PRUNE_EVERY {
            self.pruned_at = now;
            self.shared.verifier.prune(self.shared.now());
        }
    }
}

/// Twice as long after each failure, up to `most`; half of it by chance, so that a thousand guards
/// do not come back in one moment.
fn backoff(failures: u32, most: Duration) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(most);
    let mut chance = [0];
    countersign_token::crypto::fill_random(&mut chance);
    pause / 2 + pause * u32::from(chance[0]) / 510
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_a_part_of_the_lease() {
        let most = Duration::from_secs(5);
        for (failures, from, to) in [
            (0, 50, 100),
            (1, 100, 200),
            (3, 400, 800),
            (40, 2_500, 5_000),
        ] {
            for _ in 0..50 {
                let pause = backoff(failures, most).as_millis();
                assert!((from..=to).contains(&pause), "{failures}: {pause}");
            }
        }
    }
}
