//! What the follower writes and every check reads. A check takes no lock here: the verifier's own
//! are held for a look at a table, never across anything that waits.

use std::sync::Arc;
use std::time::Duration;

use countersign_token::feed::Answer;
use countersign_token::{Claims, KeySet, Legacy, Timestamp, Verifier};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::legacy::{self, Admitted};
use crate::sync::{AtomicI64, Ordering};
use crate::{Policy, Refusal};

pub(crate) struct Shared {
    pub(crate) verifier: Verifier,
    pub(crate) clock: Clock,
    pub(crate) policy: Policy,
    pub(crate) leeway: Duration,
    /// Which tokens of a former program are let in, too.
    pub(crate) legacy: Option<Legacy>,
    /// What to add to the clock to have the issuer's time, in milliseconds.
    pub(crate) offset: AtomicI64,
    /// When, on the clock, the question was sent whose answer was last applied.
    pub(crate) leased_at: AtomicI64,
    /// Tells whoever watches a login that there is reason to look again.
    pub(crate) changed: watch::Sender<()>,
}

impl Shared {
    pub(crate) fn new(verifier: Verifier, clock: Clock, policy: Policy, leeway: Duration) -> Self {
        Self {
            verifier,
            clock,
            policy,
            leeway,
            legacy: None,
            offset: AtomicI64::new(0),
            leased_at: AtomicI64::new(NEVER),
            changed: watch::Sender::new(()),
        }
    }

    /// Takes in an answer to a question that was sent and answered at these moments of the clock,
    /// with the keys where they are others now.
    ///
    /// A check asks for lease, time, keys, life and floors in this order, so they are written in the
    /// reverse: whoever sees one of them sees everything below it, and half of an answer lets no
    /// token in.
    pub(crate) fn apply(&self, answer: &Answer, keys: Option<KeySet>, sent: i64, arrived: i64) {
        self.learn(answer);
        if let Some(keys) = keys {
            self.verifier.set_keys(keys);
        }
        self.tell_time(answer, arrived);
        self.renew(answer, sent);
        self.changed.send_replace(());
    }

    /// Floors, then the life that tokens may have.
    pub(crate) fn learn(&self, answer: &Answer) {
        self.verifier.apply(&answer.floors, answer.seq);
        let life = Duration::from_secs(u64::try_from(answer.life).unwrap_or(0));
        self.verifier.set_life(life);
    }

    pub(crate) fn tell_time(&self, answer: &Answer, arrived: i64) {
        let now = answer.now.saturating_mul(1_000);
        self.offset
            .store(now.saturating_sub(arrived), Ordering::Release);
    }

    /// Not while there are more pages: floors that are still to come may be old.
    pub(crate) fn renew(&self, answer: &Answer, sent: i64) {
        if !answer.more {
            self.leased_at.store(sent, Ordering::Release);
        }
    }

    /// The issuer's time, at this moment of the clock.
    fn time_at(&self, moment: i64) -> Timestamp {
        Timestamp::from_millis(moment.saturating_add(self.offset.load(Ordering::Acquire)))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.time_at(self.clock.millis())
    }

    /// How old the lease is.
    pub(crate) fn lease_age(&self) -> Duration {
        self.lease_age_at(self.clock.millis())
    }

    fn lease_age_at(&self, moment: i64) -> Duration {
        let age = moment.saturating_sub(self.leased_at.load(Ordering::Acquire));
        Duration::from_millis(u64::try_from(age).unwrap_or(0))
    }

    /// What is left of the lease, whatever the policy makes of its end.
    pub(crate) fn lease_left(&self) -> Duration {
        self.policy.lease().saturating_sub(self.lease_age())
    }

    /// Ready when the lease has run out, also when it did while the machine slept.
    pub(crate) async fn lapsed(&self) {
        loop {
            match self.lease_left() {
                Duration::ZERO => return,
                left => self.clock.sleep(left.min(Duration::from_millis(500))).await,
            }
        }
    }

    /// The moment for which the guard may answer, if it may.
    pub(crate) fn current(&self) -> Result<Timestamp, Refusal> {
        let moment = self.clock.millis();
        let stale = self.lease_age_at(moment) >= self.policy.lease();
        if stale && self.policy != Policy::Lenient {
            return Err(self.stale());
        }
        Ok(self.time_at(moment))
    }

    pub(crate) fn stale(&self) -> Refusal {
        Refusal::Stale {
            retry_after: self.policy.pause(),
        }
    }

    pub(crate) fn is_current(&self) -> bool {
        self.current().is_ok()
    }

    /// The lease is asked first, though the contract names a bad token first: a stale guard has
    /// neither the keys nor the time to say what is wrong with one.
    pub(crate) fn verify(&self, token: &str) -> Result<Arc<Claims>, Refusal> {
        self.accept(token).map(Admitted::into_claims)
    }

    pub(crate) fn accept(&self, token: &str) -> Result<Admitted, Refusal> {
        let now = self.current()?;
        match self.verifier.accept(token, now) {
            Ok(accepted) => Ok(Admitted::Ours(accepted)),
            Err(refused) => Ok(legacy::admit(self.legacy.as_ref(), token, refused, now)?),
        }
    }

    pub(crate) fn still_accepts(&self, admitted: &Admitted) -> Result<(), Refusal> {
        let now = self.current()?;
        match admitted {
            Admitted::Ours(accepted) => Ok(self.verifier.still_accepts(accepted, now)?),
            Admitted::Legacy(claims) if now >= Timestamp::from_secs(claims.exp) => {
                Err(countersign_token::Refusal::Expired.into())
            }
            Admitted::Legacy(_) => Ok(()),
        }
    }

    /// Ready when a login that was let in would not be let in any more, with the reason.
    pub(crate) async fn ended(&self, accepted: &Admitted) -> Refusal {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if let Err(refusal) = self.still_accepts(accepted) {
                return refusal;
            }
            let expires = Timestamp::from_secs(accepted.claims().exp).plus(self.leeway);
            let mut quiet = expires.since(self.now()).min(Duration::from_secs(60));
            if self.policy != Policy::Lenient {
                quiet = quiet.min(self.lease_left());
            }
            tokio::select! {
                // The sender is in `self`: it cannot be gone.
                _ = changed.changed() => {}
                () = self.clock.sleep(quiet.max(Duration::from_millis(1))) => {}
            }
        }
    }
}

/// So long ago that every lease has run out.
const NEVER: i64 = i64::MIN / 2;
