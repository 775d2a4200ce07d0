//! The one clock of all measurements: CLOCK_MONOTONIC, which on one machine is the same in every
//! process, so that one may begin a measurement and another end it.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since some moment in the past.
pub(crate) fn nanos() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// How many nanoseconds this takes.
pub(crate) fn timed(work: impl FnOnce()) -> f64 {
    let began = nanos();
    work();
    (nanos() - began) as f64
}
