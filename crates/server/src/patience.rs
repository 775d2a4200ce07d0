//! How long a connection waits for its client.
//!
//! hyper asks for a timer for the head of every request, and drops it when the head is there. One of
//! tokio's is entered with all others and taken out again each time. These share one for as long as
//! the connection stands, which looks when the present wait could be over.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

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
            began: tokio::time::Instant::now().into_std(),
            until: AtomicU64::new(0),
            looked: AtomicU64::new(0),
        }))
    }

    /// Looks, again and again. Belongs to the task of the connection, before it: whoever waits there
    /// is polled after each look, and finds out whether it was for too long.
    pub async fn look(&self) -> std::convert::Infallible {
        let Shared { length, began, .. } = *self.0;
        loop {
            let now = millis(began.elapsed());
            self.0.looked.store(now, Ordering::Relaxed);
            let until = self.0.until.load(Ordering::Relaxed);
            let left = match until.saturating_sub(now) {
                // Whoever begins to wait from now on does so for as long as that.
                0 => length,
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

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
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
