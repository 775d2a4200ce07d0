//! How long a connection waits for its client.
//!
//! hyper asks for a timer for the head of every request, and drops it when the head is there. One of
//! tokio's is entered with all others and taken out again each time. These share one for as long as
//! the connection stands, which looks when the present wait could be over.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::Instant;

/// How long nobody looks where nobody waits: a server has thousands of connections whose requests are
/// being answered.
const QUIET: Duration = Duration::from_secs(1);

/// The waits of one connection, each of the same length.
#[derive(Debug, Clone)]
pub struct Patience(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    length: Duration,
    began: Instant,
    /// When the last wait ends: milliseconds since `began`, as all times here.
    until: AtomicU64,
    /// When it was last looked.
    looked: AtomicU64,
}

impl Patience {
    /// For waits of this length.
    pub fn new(length: Duration) -> Self {
        Self(Arc::new(Shared {
            length,
            began: Instant::now(),
            until: AtomicU64::new(0),
            looked: AtomicU64::new(0),
        }))
    }

    /// Looks, again and again. Belongs to the task of the connection, before it: whoever waits there
    /// is polled after each look, and finds out whether it was for too long.
    pub async fn look(&self) -> std::convert::Infallible {
        let Shared { length, began, .. } = *self.0;
        loop {
            let now = millis(Instant::now() - began);
            self.0.looked.store(now, Ordering::Relaxed);
            let until = self.0.until.load(Ordering::Relaxed);
            let left = match until.saturating_sub(now) {
                // Whoever begins to wait from now on may do so for as long as that.
                0 => length.max(QUIET),
                left => Duration::from_millis(left),
            };
            tokio::time::sleep(left).await;
        }
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let deadline = Instant::from_std(deadline);
        // Rounded up: nobody is told a moment too soon.
        let until = millis(deadline.saturating_duration_since(self.0.began)) + 1;
        self.0.until.store(until, Ordering::Relaxed);
        let shared = Arc::clone(&self.0);
        Box::pin(Wait { shared, until })
    }
}

struct Wait {
    shared: Arc<Shared>,
    until: u64,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.shared.looked.load(Ordering::Relaxed) >= self.until {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Sleep for Wait {}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const LENGTH: Duration = Duration::from_millis(60);

    /// As a connection does: whoever waits is polled whenever the task is, after the look.
    async fn outwaited(patience: &Patience, mut wait: Pin<Box<dyn Sleep>>) -> Duration {
        let began = Instant::now();
        tokio::select! {
            biased;
            never = patience.look() => match never {},
            () = poll_fn(|cx| wait.as_mut().poll(cx)) => Instant::now() - began,
        }
    }

    #[tokio::test]
    async fn a_wait_ends_after_its_time_and_no_sooner() {
        let patience = Patience::new(LENGTH);
        for pause in [0, 25, 70] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let took = outwaited(&patience, patience.sleep(LENGTH)).await;
            assert!(took >= LENGTH, "{took:?}");
        }
    }

    #[tokio::test]
    async fn one_that_begins_after_a_look_ends_too() {
        let patience = Patience::new(LENGTH);
        let wait = async {
            tokio::time::sleep(LENGTH / 2).await;
            let mut wait = patience.sleep(LENGTH);
            poll_fn(move |cx| wait.as_mut().poll(cx)).await;
        };
        tokio::select! {
            biased;
            never = patience.look() => match never {},
            () = wait => {}
        }
    }

    #[tokio::test]
    async fn one_that_was_given_up_ends_no_other() {
        let patience = Patience::new(LENGTH);
        drop(patience.sleep(LENGTH / 3));
        let took = outwaited(&patience, patience.sleep(LENGTH)).await;
        assert!(took >= LENGTH, "{took:?}");
    }
}
