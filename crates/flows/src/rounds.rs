//! When followers are told: together, and no more often than so many of them can be answered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::Seq;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::Clock;
use crate::feed::News;

/// Answers a second: after a round with so many, the next is a second later.
const ANSWERS_A_SECOND: u32 = 10_000;

/// Below this, waiting costs more than it saves, and timers are not as exact.
const SHORTEST: Duration = Duration::from_millis(1);

/// News are told in rounds. The first after a quiet while is told at once; what is found within
/// `n / 10,000` s of a round with n followers is gathered for the next, so that they move through
/// the log in step, and an answer that is made once serves them all.
///
/// Where machines are at their limit, three quarters of those who were told are waited for to come
/// back, as long again at most: fewer answers with more in each cost less, where answers that come
/// too soon for half of the followers would part them for good.
#[derive(Debug)]
pub(crate) struct Rounds {
    state: Mutex<State>,
    told: watch::Sender<Found>,
    /// Who began to listen since the last round, and how many those are to be before the next.
    back: AtomicUsize,
    awaited: AtomicUsize,
    enough: Notify,
}

/// News, and when on the monotonic clock the look began that found them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) news: News,
    pub(crate) began: Duration,
}

#[derive(Debug)]
struct State {
    /// What the last look found.
    found: Found,
    /// When the next round may be, on the monotonic clock.
    next: Duration,
    /// When it may be whoever is not back.
    latest: Duration,
    /// Whether there are news that wait for it.
    gathering: bool,
}

impl Default for Rounds {
    fn default() -> Self {
        let found = Found {
            news: News {
                seq: Seq(0),
                keys: -1,
                life: Duration::ZERO,
            },
            began: Duration::ZERO,
        };
        Self {
            state: Mutex::new(State {
                found,
                next: Duration::ZERO,
                latest: Duration::ZERO,
                gathering: false,
            }),
            told: watch::Sender::new(found),
            back: AtomicUsize::new(0),
            awaited: AtomicUsize::new(0),
            enough: Notify::new(),
        }
    }
}

impl Rounds {
    /// Notes what a look found at this moment of the monotonic clock, and tells it if it may. If not,
    /// the answer is that there are news to look for once more, when the next round is [due].
    ///
    /// [due]: Rounds::due
    pub(crate) fn announce(&self, now: Duration, found: Found) -> bool {
        let mut state = self.state();
        state.gathering |= state.found.news != found.news;
        state.found = found;
        if state.gathering && self.is_due(&state, now) {
            self.tell(&mut state, now);
        }
        state.gathering
    }

    fn tell(&self, state: &mut State, now: Duration) {
        let followers = self.told.receiver_count();
        let pace = pace(followers);
        let few = pace < SHORTEST;
        state.next = now + pace;
        state.latest = state.next + pace;
        state.gathering = false;
        let awaited = if few { 0 } else { followers - followers / 4 };
        self.awaited.store(awaited, Ordering::Relaxed);
        self.back.store(0, Ordering::Relaxed);
        self.told.send_replace(state.found);
    }

    fn is_due(&self, state: &State, now: Duration) -> bool {
        now + SHORTEST > state.next && (self.enough_are_back() || now >= state.latest)
    }

    fn enough_are_back(&self) -> bool {
        self.back.load(Ordering::Relaxed) >= self.awaited.load(Ordering::Relaxed)
    }

    /// Ready when a round may be.
    pub(crate) async fn due(&self, clock: &Clock) {
        loop {
            let now = clock.monotonic();
            let (next, latest) = {
                let state = self.state();
                if self.is_due(&state, now) {
                    return;
                }
                (state.next, state.latest)
            };
            let left = next.saturating_sub(now);
            if left >= SHORTEST {
                sleep(left).await;
            } else {
                let left = latest.saturating_sub(now);
                let _ = timeout(left, self.enough.notified()).await;
            }
        }
    }

    /// What the last look found, and whether it is still to be told to those who wait.
    pub(crate) fn found(&self) -> (Found, bool) {
        let state = self.state();
        (state.found, state.gathering)
    }

    /// Hears the rounds from now on.
    pub(crate) fn listen(&self) -> Listener {
        let listener = Listener(self.told.subscribe());
        let back = self.back.fetch_add(1, Ordering::Relaxed) + 1;
        if back == self.awaited.load(Ordering::Relaxed) {
            self.enough.notify_one();
        }
        listener
    }

    /// Whether so many listen that rounds are apart.
    pub(crate) fn are_apart(&self) -> bool {
        pace(self.told.receiver_count()) >= SHORTEST
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long after a round with so many followers the next may be.
fn pace(followers: usize) -> Duration {
    let followers = u32::try_from(followers).unwrap_or(u32::MAX);
    Duration::from_secs(1) * followers.min(ANSWERS_A_SECOND) / ANSWERS_A_SECOND
}

/// Whoever waits for a round.
pub(crate) struct Listener(watch::Receiver<Found>);

impl Listener {
    /// What the first round tells that moves on from `after`.
    pub(crate) async fn other_than(&mut self, after: Seq) -> Found {
        loop {
            if self.0.changed().await.is_err() {
                // The rounds are held by the context of whoever asks: they do not end before.
                std::future::pending::<()>().await;
            }
            let found = *self.0.borrow_and_update();
            if found.news.seq != after {
                return found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use countersign_core::Timestamp;

    use super::*;

    const FOLLOWERS: u32 = 300;
    const START: Duration = Duration::from_secs(5);

    fn found(seq: i64, began: Duration) -> Found {
        Found {
            news: News {
                seq: Seq(seq),
                keys: 1,
                life: Duration::ZERO,
            },
            began,
        }
    }

    /// All of them were told the first position at the start.
    async fn told_once(rounds: &Rounds) -> Vec<Listener> {
        let mut listeners: Vec<_> = (0..FOLLOWERS).map(|_| rounds.listen()).collect();
        let first = found(1, START);
        assert!(!rounds.announce(START, first));
        assert_eq!(rounds.found(), (first, false));
        for listener in &mut listeners {
            assert_eq!(listener.other_than(Seq(0)).await, first, "at once");
        }
        listeners
    }

    #[tokio::test]
    async fn what_follows_a_round_is_gathered_and_told_to_all_alike() {
        let rounds = Rounds::default();
        drop(told_once(&rounds).await);
        let mut listeners: Vec<_> = (0..FOLLOWERS).map(|_| rounds.listen()).collect();
        let (soon, pace) = (START + SHORTEST, pace(FOLLOWERS as usize));
        for seq in [2, 3] {
            let news = found(seq, soon);
            assert!(rounds.announce(soon, news));
            assert_eq!(rounds.found(), (news, true));
        }
        assert!(
            !listeners[0].0.has_changed().unwrap(),
            "not before its time"
        );
        // Nothing new, but it may be told now, and is as young as the look that found it again.
        let due = START + pace;
        assert!(!rounds.announce(due, found(3, due)));
        for listener in &mut listeners {
            assert_eq!(listener.other_than(Seq(1)).await, found(3, due));
        }
        // Thirty milliseconds for three hundred, twice that if they stay away; then nothing is held.
        for (wait, gathers) in [(pace, true), (pace * 2, false)] {
            let now = due + wait;
            assert_eq!(rounds.announce(now, found(4, now)), gathers);
        }
    }

    #[tokio::test]
    async fn three_quarters_of_a_round_are_waited_for_as_long_again() {
        let rounds = Rounds::default();
        drop(told_once(&rounds).await);
        let _most: Vec<_> = (1..FOLLOWERS * 3 / 4).map(|_| rounds.listen()).collect();
        let due = START + pace(FOLLOWERS as usize);
        assert!(rounds.announce(due, found(2, due)), "one is missing");
        let clock = Clock::fixed(Timestamp::from_millis(5_030));
        assert_eq!(clock.monotonic(), due);
        let mut waiting = pin!(rounds.due(&clock));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let _last = rounds.listen();
        waiting.await;
        assert!(!rounds.announce(due, found(2, due)), "it came");
    }

    #[test]
    fn the_pace_is_ten_thousand_answers_a_second_and_a_round_a_second_at_least() {
        for (followers, millis) in [(0, 0), (100, 10), (1_000, 100), (50_000, 1_000)] {
            assert_eq!(pace(followers), Duration::from_millis(millis));
        }
    }
}
