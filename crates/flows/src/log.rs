//! Following the revocation log from inside the issuer.
//!
//! Every node looks at the log many times a second; its own floors it knows at once. A node that
//! cannot look answers nothing that depends on it: better unavailable than wrong.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::{Seq, Timestamp};
use countersign_store::log::{self, Look};
use tokio::sync::{Mutex, Notify};

use crate::feed::News;
use crate::rounds::Found;
use crate::{Clock, Cx, FlowError, clients, keys};

/// How often a node looks: what another node or a command wrote is honoured within this, and the
/// time of one query.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How old the last successful look may be.
const CURRENT: Duration = Duration::from_secs(1);

/// How often a token of an unknown key may make a node look for keys.
const KEYS_AGAIN: Duration = Duration::from_secs(10);

/// Floors read at once.
const PAGE: i64 = 10_000;

/// What this node knows of the log, and since when.
#[derive(Debug)]
pub struct Watch {
    /// One look at a time; whoever waits here needs none of their own.
    turn: Mutex<()>,
    bell: Notify,
    /// When the last successful look began, in microseconds of the monotonic clock; 0 is never.
    looked_at: AtomicU64,
    /// The same by the time of day, which goes on while a machine sleeps.
    looked_on: AtomicI64,
    /// Whether the log's clock must be moved on before anything is minted: at start, and after the
    /// database was away, since it may have come back from an older backup.
    must_advance: AtomicBool,
    keys_version: AtomicI64,
    asked_for_keys_at: AtomicU64,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            turn: Mutex::default(),
            bell: Notify::new(),
            looked_at: AtomicU64::new(0),
            looked_on: AtomicI64::new(0),
            must_advance: AtomicBool::new(true),
            keys_version: AtomicI64::new(-1),
            asked_for_keys_at: AtomicU64::new(0),
        }
    }
}

impl Watch {
    /// Whether the last successful look is recent enough to answer for.
    pub fn is_current(&self, clock: &Clock) -> bool {
        self.require_current(clock).is_ok()
    }

    /// The time for which may be answered: now, if the last successful look is recent enough.
    pub(crate) fn require_current(&self, clock: &Clock) -> Result<Timestamp, FlowError> {
        let now = clock.now();
        let looked_at = self.looked_at.load(Ordering::SeqCst);
        let looked_on = Timestamp::from_millis(self.looked_on.load(Ordering::SeqCst));
        let is_current = looked_at != 0
            && micros(clock.monotonic()).saturating_sub(looked_at) <= micros(CURRENT)
            && now.since(looked_on) <= CURRENT;
        is_current.then_some(now).ok_or(FlowError::Unavailable)
    }

    /// Rings the bell: this node wrote to the log, and those who wait need not wait for the next
    /// look.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Whether a token of an unknown key is reason to look again now.
    pub(crate) fn may_ask_for_keys(&self, clock: &Clock) -> bool {
        let now = micros(clock.monotonic()).max(1);
        let last = self.asked_for_keys_at.load(Ordering::SeqCst);
        (last == 0 || now.saturating_sub(last) >= micros(KEYS_AGAIN))
            && self
                .asked_for_keys_at
                .compare_exchange(last, now, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
    }
}

/// Ready when it is time for the next look. A bell that rings before the followers can be told is
/// answered when they can: what they are told then is not old already.
pub async fn next(cx: &Cx) {
    let rung = async {
        cx.log.bell.notified().await;
        cx.feed.due(&cx.clock).await;
    };
    let _ = tokio::time::timeout(LOOK_EVERY, rung).await;
}

/// Looks at the log once and applies what is new.
///
/// The time that counts is when the look *began*: what was committed before that is known after it.
pub async fn look(cx: &Cx) -> Result<(), FlowError> {
    let asked_at = micros(cx.clock.monotonic()).max(1);
    let _turn = cx.log.turn.lock().await;
    if cx.log.looked_at.load(Ordering::SeqCst) > asked_at {
        return Ok(());
    }
    let began = cx.clock.monotonic();
    let began_on = cx.clock.now();
    // Boxed, so that those who wait for their turn do not keep the room that a query takes: there
    // are thousands of them.
    match Box::pin(look_now(cx)).await {
        Ok(look) => {
            cx.log
                .looked_on
                .store(began_on.as_millis(), Ordering::SeqCst);
            cx.log
                .looked_at
                .store(micros(began).max(1), Ordering::SeqCst);
            let news = News {
                seq: look.seq,
                keys: look.keys_version,
                life: look.life,
            };
            let found = Found { news, began };
            if cx.feed.announce(cx.clock.monotonic(), found) {
                cx.log.ring();
            }
            Ok(())
        }
        Err(error) => {
            cx.log.must_advance.store(true, Ordering::SeqCst);
            Err(error)
        }
    }
}

async fn look_now(cx: &Cx) -> Result<Look, FlowError> {
    cx.db.is_in_place()?;
    if cx.log.must_advance.load(Ordering::SeqCst) {
        let now = cx.clock.now();
        cx.db
            .write(move |conn| Box::pin(async move { log::advance(conn, now).await }))
            .await?;
        cx.log.must_advance.store(false, Ordering::SeqCst);
    }
    let mut reader = cx.db.read().await?;
    let mut conn = reader.conn();
    let look = log::look(&mut conn).await?;
    if look.seq != cx.verifier.seq() {
        let mut after = cx.verifier.seq();
        if look.seq < after {
            tracing::warn!(
                "the revocation log went back in time: if the database was restored, run \
                 `countersign session revoke --all`"
            );
            after = Seq(0);
        }
        let anew = after == Seq(0);
        if anew {
            cx.feed.recalled().restart();
        }
        loop {
            let floors = log::floors_after(&mut conn, after, PAGE).await?;
            cx.feed.recalled().extend(&floors);
            let Some(last) = floors.last().map(|floor| floor.seq) else {
                break;
            };
            cx.verifier.apply(&floors, cx.verifier.seq());
            after = last;
        }
        if anew {
            cx.feed.recalled().complete();
        }
        cx.verifier.apply(&[], look.seq);
    }
    clients::renew(cx, &mut conn).await?;
    // Not this node's own setting: a token that outlives the floors could outlive its revocation.
    cx.verifier.set_life(look.life);
    let keys_changed = look.keys_version != cx.log.keys_version.load(Ordering::SeqCst);
    if keys_changed || look.life != cx.keys.life() {
        keys::load(cx, &mut conn).await?;
        cx.log
            .keys_version
            .store(look.keys_version, Ordering::SeqCst);
    }
    Ok(look)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
