//! When followers are told: together, and no more often than so many of them can be answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::Seq;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::feed::News;

/// Answers a second: after a round with so many, the next is a second later.
const ANSWERS_A_SECOND: u32 = 10_000;

/// Below this, waiting costs more than it saves, and timers are not as exact.
const SHORTEST: Duration = Duration::from_millis(1);

/// News are told in rounds. The first after a quiet while is told at once; what is found within
/// `n / 10,000` s of a round with n followers is gathered for the next, so that they move through
/// the log in step, and an answer that is made once serves them all.
#[derive(Debug)]
pub(crate) struct Rounds {
    state: Mutex<State>,
    told: watch::Sender<News>,
}

#[derive(Debug)]
struct State {
    /// What the last look found.
    news: News,
    /// When the next round may be, on the monotonic clock.
    next: Duration,
    /// Whether there are news that wait for it.
    gathering: bool,
}

impl Default for Rounds {
    fn default() -> Self {
        let news = News {
            seq: Seq(0),
            keys: -1,
            life: Duration::ZERO,
        };
        Self {
            state: Mutex::new(State {
                news,
                next: Duration::ZERO,
                gathering: false,
            }),
            told: watch::Sender::new(news),
        }
    }
}

impl Rounds {
    /// Notes what a look found at this moment of the monotonic clock.
    pub(crate) fn announce(self: &Arc<Self>, now: Duration, found: News) {
        let mut state = self.state();
        if state.news == found {
            return;
        }
        state.news = found;
        if state.gathering {
            return;
        }
        let left = state.next.saturating_sub(now);
        if left < SHORTEST {
            self.tell(&mut state, now);
            return;
        }
        state.gathering = true;
        drop(state);
        let rounds = Arc::clone(self);
        tokio::spawn(async move {
            sleep(left).await;
            let mut state = rounds.state();
            state.gathering = false;
            rounds.tell(&mut state, now + left);
        });
    }

    fn tell(&self, state: &mut State, now: Duration) {
        state.next = now + pace(self.told.receiver_count());
        self.told.send_replace(state.news);
    }

    /// What the last look found, and whether it is still to be told to those who wait.
    pub(crate) fn news(&self) -> (News, bool) {
        let state = self.state();
        (state.news, state.gathering)
    }

    /// Hears the rounds from now on.
    pub(crate) fn listen(&self) -> Listener {
        Listener(self.told.subscribe())
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
pub(crate) struct Listener(watch::Receiver<News>);

impl Listener {
    /// What the first round tells that moves on from `after`.
    pub(crate) async fn other_than(&mut self, after: Seq) -> News {
        loop {
            if self.0.changed().await.is_err() {
                // The rounds are held by the context of whoever asks: they do not end before.
                std::future::pending::<()>().await;
            }
            let news = *self.0.borrow_and_update();
            if news.seq != after {
                return news;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLLOWERS: u32 = 300;

    fn news(seq: i64) -> News {
        News {
            seq: Seq(seq),
            keys: 1,
            life: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn what_follows_a_round_is_gathered_and_told_to_all_alike() {
        let rounds = Arc::new(Rounds::default());
        let mut listeners: Vec<_> = (0..FOLLOWERS).map(|_| rounds.listen()).collect();
        let start = Duration::from_secs(5);
        rounds.announce(start, news(1));
        assert_eq!(rounds.news(), (news(1), false));
        for listener in &mut listeners {
            assert_eq!(listener.other_than(Seq(0)).await, news(1), "at once");
        }
        for seq in [2, 3] {
            rounds.announce(start + SHORTEST, news(seq));
            assert_eq!(rounds.news(), (news(seq), true));
            assert!(
                !listeners[0].0.has_changed().unwrap(),
                "not before its time"
            );
        }
        for listener in &mut listeners {
            assert_eq!(listener.other_than(Seq(1)).await, news(3));
        }
        assert_eq!(rounds.news(), (news(3), false));
        // Thirty milliseconds for three hundred; after that nothing is held.
        rounds.announce(start + pace(FOLLOWERS as usize) * 2, news(4));
        assert_eq!(rounds.news(), (news(4), false));
    }

    #[test]
    fn the_pace_is_ten_thousand_answers_a_second_and_a_round_a_second_at_least() {
        for (followers, millis) in [(0, 0), (100, 10), (1_000, 100), (50_000, 1_000)] {
            assert_eq!(pace(followers), Duration::from_millis(millis));
        }
    }
}
