//! `GET /revocations`: shipping the log to those who verify.
//!
//! A follower asks for what comes after its cursor. Asking is also its acknowledgement: whoever asks
//! for what comes after N has applied N.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::Seq;
use countersign_store::log as stored;
use countersign_token::Floor;
use countersign_token::feed::{MAX_FLOORS, Page};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::rounds::Rounds;
use crate::{Cx, FlowError, log};

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
    rounds: Arc<Rounds>,
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
            rounds: Arc::default(),
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
    /// Tells those who wait what a look found, now or in the next round.
    pub(crate) fn announce(&self, now: Duration, found: News) {
        self.rounds.announce(now, found);
    }

    /// Answers everybody who waits, now and from now on: the server stops.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Forgets the pages read so far: nobody may ask for them again, and what they hold expires.
    pub(crate) fn forget_pages(&self) {
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
/// of the log that began after the question came.
///
/// # Errors
/// [`FlowError::Unavailable`] where this node cannot prove that it is current: then leases lapse
/// rather than trust it.
pub async fn answer(cx: &Cx, question: Question) -> Result<String, FlowError> {
    cx.feed.note(cx, &question);
    log::look(cx).await?;
    // Listened to before the news are read: what is told from here on is no older than that look.
    let mut told = cx.feed.rounds.listen();
    let (mut news, gathering) = cx.feed.rounds.news();
    // New keys move the position too: nobody keeps a revoked one for as long as they would wait.
    if (gathering || news.seq == question.after) && !question.wait.is_zero() {
        let _place = Waiting::begin(&cx.feed.waiting);
        let mut closing = cx.feed.closing.subscribe();
        let arrival = async {
            tokio::select! {
                news = told.other_than(question.after) => Some(news),
                _ = closing.wait_for(|closing| *closing) => None,
            }
        };
        let arrived = timeout(question.wait.min(MAX_WAIT), arrival).await;
        news = arrived
            .ok()
            .flatten()
            .unwrap_or_else(|| cx.feed.rounds.news().0);
    }
    cx.log.require_current(&cx.clock)?;
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
    // Boxed: whoever waits for their turn does not keep the room that a query takes.
    let mut floors = Box::pin(read(cx, after, limit + 1)).await?;
    floors.retain(|floor| floor.seq <= news.seq);
    let more = floors.len() > limit;
    floors.truncate(limit);
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
