//! `GET /revocations`: shipping the log to those who verify.
//!
//! A follower asks for what comes after its cursor. Asking is also its acknowledgement: whoever asks
//! for what comes after N has applied N.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::{Floor, Seq, Timestamp};
use countersign_store::log as stored;
use countersign_token::feed::{MAX_FLOORS, Page};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::recalled::Recalled;
use crate::rounds::{Found, Rounds};
use crate::{Clock, Cx, FlowError, log};

/// The longest that a question may wait for an answer.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// Followers that are remembered; beyond it the logout's "propagated" is not promised.
const MAX_FOLLOWERS: usize = 100_000;

/// A question of a follower.
#[derive(Debug, Clone)]
pub struct Question {
    /// Its cursor: what it has applied.
    pub after: Seq,
    /// How long to wait where there is nothing new.
    pub wait: Duration,
    /// The most floors that it wants at once.
    pub limit: usize,
    /// Who it is, if it may count for "propagated": its name, and how long its lease is.
    pub follower: Option<(String, Duration)>,
}

/// What the issuer knows of its followers, and how they learn of news.
#[derive(Debug)]
pub struct Feed {
    rounds: Rounds,
    recalled: Mutex<Recalled>,
    closing: watch::Sender<bool>,
    waiting: AtomicUsize,
    followers: Mutex<HashMap<String, Follower>>,
    acknowledged: Notify,
    pages: Mutex<Pages>,
    /// One page is made at a time: whoever waited here finds that what they want is there.
    making: tokio::sync::Mutex<()>,
}

/// What the last look found, taken together: the position without its keys could renew a lease on
/// keys that had been revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct News {
    pub(crate) seq: Seq,
    pub(crate) keys: i64,
    pub(crate) life: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Follower {
    /// What it has applied.
    applied: Seq,
    /// Until when it may go on without asking again, on the monotonic clock.
    lease_ends: Duration,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            rounds: Rounds::default(),
            recalled: Mutex::default(),
            closing: watch::Sender::new(false),
            waiting: AtomicUsize::new(0),
            followers: Mutex::default(),
            acknowledged: Notify::new(),
            pages: Mutex::default(),
            making: tokio::sync::Mutex::default(),
        }
    }
}

impl Feed {
    /// Tells those who wait what a look found, now or in the next round; then there is reason to
    /// look again when that is [due](Feed::due).
    pub(crate) fn announce(&self, now: Duration, found: Found) -> bool {
        self.rounds.announce(now, found)
    }

    /// Ready when the next round may be.
    pub(crate) async fn due(&self, clock: &Clock) {
        self.rounds.due(clock).await;
    }

    /// What a look reads of the log, for those who follow.
    pub(crate) fn recalled(&self) -> MutexGuard<'_, Recalled> {
        self.recalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers everybody who waits, now and from now on: the server stops.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Forgets the floors that are in nobody's way any more, and the pages made so far: nobody may
    /// ask for them again.
    pub(crate) fn forget(&self, now: Timestamp) {
        self.recalled().forget(now);
        *self.pages() = Pages::default();
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many questions wait for an answer.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn note(&self, cx: &Cx, question: &Question) {
        let Some((name, lease)) = &question.follower else {
            return;
        };
        let now = cx.clock.monotonic();
        // A cursor from ahead of the log is of another log: of this one it proves nothing.
        let known = question.after <= cx.verifier.seq();
        let applied = if known { question.after } else { Seq(0) };
        let mut followers = self
            .followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if followers.len() >= MAX_FOLLOWERS {
            followers.retain(|_, follower| follower.lease_ends > now);
        }
        if followers.len() < MAX_FOLLOWERS || followers.contains_key(name) {
            let lease_ends = now + *lease;
            followers.insert(
                name.clone(),
                Follower {
                    applied,
                    lease_ends,
                },
            );
        }
        drop(followers);
        self.acknowledged.notify_waiters();
    }

    /// How many followers have a lease, how many of them have not applied all of the log, and how far
    /// the last of those is behind, in the log's own time.
    pub(crate) fn followers(&self, cx: &Cx) -> (usize, usize, Duration) {
        let (now, seq) = (cx.clock.monotonic(), cx.verifier.seq());
        let followers = self
            .followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let live = || followers.values().filter(|held| held.lease_ends > now);
        let behind = live().filter(|held| held.applied < seq).count();
        let last = live().map(|held| held.applied).min().unwrap_or(seq);
        let micros = u64::try_from(seq.0.saturating_sub(last.0)).unwrap_or(0);
        (live().count(), behind, Duration::from_micros(micros))
    }

    /// Whether every follower with a lease has applied `seq`.
    fn all_have(&self, cx: &Cx, seq: Seq) -> bool {
        let now = cx.clock.monotonic();
        let mut followers = self
            .followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        followers.retain(|_, follower| follower.lease_ends > now);
        followers.values().all(|follower| follower.applied >= seq)
    }
}

/// Answers a question: at once where the log has moved on from the cursor, else when it does, else
/// after the time that the follower is ready to wait. Where news are being gathered, they are
/// waited for too: those who are told at one moment are told the same, which is made once.
///
/// What is answered, as the JSON of an [`Answer`](countersign_token::feed::Answer), rests on a read
/// of the log that began after the question came. Whoever waits leaves that read to
/// [`log::next`]: it is one for all of them.
///
/// # Errors
/// [`FlowError::Unavailable`] where this node cannot prove that it is current: then leases lapse
/// rather than trust it.
pub async fn answer(cx: &Cx, question: Question) -> Result<String, FlowError> {
    let asked_at = cx.clock.monotonic();
    cx.feed.note(cx, &question);
    // Listened to before the news are read, so that none is missed in between.
    let mut told = cx.feed.rounds.listen();
    let (mut found, gathering) = cx.feed.rounds.found();
    // New keys move the position too: nobody keeps a revoked one for as long as they would wait.
    if (gathering || found.news.seq == question.after) && !question.wait.is_zero() {
        let _place = Waiting::begin(&cx.feed.waiting);
        let mut closing = cx.feed.closing.subscribe();
        // Where many wait, each of them would make this node look, which it does often enough.
        if !cx.feed.rounds.are_apart() {
            cx.log.ring();
        }
        let arrival = async {
            tokio::select! {
                found = told.other_than(question.after) => Some(found),
                _ = closing.wait_for(|closing| *closing) => None,
            }
        };
        let arrived = timeout(question.wait.min(MAX_WAIT), arrival).await;
        found = arrived
            .ok()
            .flatten()
            .unwrap_or_else(|| cx.feed.rounds.found().0);
        cx.log.require_current(&cx.clock)?;
    }
    if found.began <= asked_at {
        log::look(cx).await?;
        found = cx.feed.rounds.found().0;
    }
    cx.log.require_current(&cx.clock)?;
    let news = found.news;
    // A cursor from ahead of the log is of a database that is no more: begin anew.
    let after = if question.after > news.seq {
        tracing::warn!(
            asked = question.after.0,
            log = news.seq.0,
            "a follower asks from ahead of the log"
        );
        Seq(0)
    } else {
        question.after
    };
    let limit = question.limit.clamp(1, MAX_FLOORS);
    let page = page(cx, after, news, limit).await?;
    // Told anew each time: the follower's clock is set by it.
    Ok(page.at(cx.clock.now().as_secs()))
}

/// The floors above `after` up to the position of `news`, at most `limit`; read and made once for
/// all followers with one cursor.
async fn page(cx: &Cx, after: Seq, news: News, limit: usize) -> Result<Arc<Page>, FlowError> {
    let life = i64::try_from(news.life.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX);
    if after == news.seq {
        return Ok(Arc::new(Page::new(after, life, news.keys, false, &[])));
    }
    let key = (after, news, limit);
    let made = || cx.feed.pages().made.get(&key).map(Arc::clone);
    if let Some(page) = made() {
        return Ok(page);
    }
    let _turn = cx.feed.making.lock().await;
    if let Some(page) = made() {
        return Ok(page);
    }
    let recalled = cx.feed.recalled().between(after, news.seq, limit);
    let (floors, more) = match recalled {
        Some(known) => known,
        // Boxed: whoever waits for their turn does not keep the room that a query takes.
        None => {
            let mut floors = Box::pin(read(cx, after, limit + 1)).await?;
            floors.retain(|floor| floor.seq <= news.seq);
            let more = floors.len() > limit;
            floors.truncate(limit);
            (floors, more)
        }
    };
    let seq = match floors.last() {
        Some(last) if more => last.seq,
        _ => news.seq,
    };
    let page = Arc::new(Page::new(seq, life, news.keys, more, &floors));
    cx.feed.pages().keep(key, &page);
    Ok(page)
}

async fn read(cx: &Cx, after: Seq, most: usize) -> Result<Vec<Floor>, FlowError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut reader = cx.db.read().await?;
    Ok(stored::floors_after(&mut reader.conn(), after, most).await?)
}

/// Pages that were made, for whoever asks the same: followers move together, and those far behind
/// read a few more.
#[derive(Debug, Default)]
struct Pages {
    made: HashMap<(Seq, News, usize), Arc<Page>>,
    bytes: usize,
}

impl Pages {
    const MAX: usize = 64;
    const MAX_BYTES: usize = 8 << 20;

    fn keep(&mut self, key: (Seq, News, usize), page: &Arc<Page>) {
        if self.made.len() >= Self::MAX || self.bytes + page.bytes() > Self::MAX_BYTES {
            *self = Self::default();
        }
        self.bytes += page.bytes();
        self.made.insert(key, Arc::clone(page));
    }
}

/// Waits until every follower that holds a lease has applied what is in the log now, at most for
/// `patience`; whether all have.
///
/// A lease that lapses counts as applied: its holder answers nothing any more.
pub async fn propagated(cx: &Cx, patience: Duration) -> Result<bool, FlowError> {
    log::look(cx).await?;
    let seq = cx.verifier.seq();
    let all = async {
        loop {
            let acknowledged = cx.feed.acknowledged.notified();
            if cx.feed.all_have(cx, seq) {
                return;
            }
            // Leases lapse without a sound.
            let _ = timeout(Duration::from_millis(50), acknowledged).await;
        }
    };
    Ok(timeout(patience, all).await.is_ok())
}

/// Counts a question that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
