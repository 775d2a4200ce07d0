//! The one clock. It only moves forward, and goes on while the machine sleeps: a lease that stood
//! still in a closed laptop would be fresh when it is opened.

use std::time::Duration;

/// Tells how much time has passed, and nothing of dates.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// The machine's.
    #[cfg_attr(
        any(target_os = "linux", target_os = "android"),
        expect(dead_code, reason = "read where the system has no better clock")
    )]
    System(std::time::Instant),
    /// Stands still until a test moves it.
    #[cfg(test)]
    Fixed(std::sync::Arc<crate::sync::AtomicI64>),
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    pub(crate) fn system() -> Self {
        Self::System(std::time::Instant::now())
    }

    /// Milliseconds since some moment in the past.
    ///
    /// On Linux `CLOCK_BOOTTIME`, because `Instant` is `CLOCK_MONOTONIC`, which stops while the
    /// machine sleeps. `Instant` elsewhere: it goes on on Windows, and stops on macOS.
    pub(crate) fn millis(&self) -> i64 {
        match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::System(_) => {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                now.tv_sec
                    .saturating_mul(1_000)
                    .saturating_add(now.tv_nsec / 1_000_000)
            }
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that reads the machine's clock"
            )]
            Self::System(started) => {
                i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX)
            }
            #[cfg(test)]
            Self::Fixed(millis) => millis.load(crate::sync::Ordering::SeqCst),
        }
    }

    /// Ready when so much time has passed, as far as timers know: they may stop with the machine.
    pub(crate) async fn sleep(&self, duration: Duration) {
        match self {
            Self::System(_) => tokio::time::sleep(duration).await,
            #[cfg(test)]
            Self::Fixed(_) => {
                let until = self.millis() + i64::try_from(duration.as_millis()).unwrap();
                while self.millis() < until {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }
}
